//! Archives on a store that fails, tears and kills.

mod away;
mod exactly_once;
mod parquet;
mod process;
mod single_file;
pub(crate) mod video;
