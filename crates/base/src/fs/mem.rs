//! skeleton
/// Files in memory that forget what was not synced.
#[derive(Debug, Clone, Default)]
pub struct MemFs;
