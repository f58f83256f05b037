//! What the library tells us besides answers.
