//! What reads one topic and writes another: word counts.
