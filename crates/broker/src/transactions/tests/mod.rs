//! What transactions promise: one producer at a time, and an end that is the same everywhere, whatever fails in between.

mod shell;
mod states;
