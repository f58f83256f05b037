//! Clock, file system and units: the world as the other crates see it.
//!
//! What a test wants to control (time, disk) is a trait here with a real implementation and one for tests.

pub mod fs;
pub mod progress;
pub mod time;
pub mod units;
