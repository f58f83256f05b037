//! Archives on a store that fails, tears and kills.

mod exactly_once;
mod process;
