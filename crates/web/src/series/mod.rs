//! Numbers in columns: a topic's records in, points of named series out, as they come or all at once.
//!
//! - `intake`: which points a record holds, under which names, and why it holds none.
//! - `reduce`: of each column of time the first, least, greatest and last point, so that no peak is lost on the way to a screen.
//! - `live`: batches for a viewer that stays. `once`: everything of a window for one that asks and goes. `text`: that as JSON or CSV.
//!
//! Everything is bounded: [`MAX_SERIES`] series a viewer, [`MAX_NAME_BYTES`] a name, [`MAX_POINTS`] points an answer. What goes
//! beyond is counted under its reason or reduced, and the answer says so.

mod intake;
pub mod live;
pub mod once;
pub mod reduce;
pub mod text;

pub use intake::Intake;

use crate::api::SeriesColumns;

/// Series that one viewer is given; the numbers of others are counted.
pub const MAX_SERIES: usize = 1_000;
/// The longest name of a series; numbers under longer ones are counted.
pub const MAX_NAME_BYTES: usize = 1_024;
/// Points of one answer; more are reduced to columns.
pub const MAX_POINTS: usize = 500_000;
/// Columns that may be asked for.
pub const MAX_COLUMNS: u32 = 4_096;

/// One number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was made.
    pub t_ms: f64,
    /// What it is.
    pub v: f64,
    /// When it came.
    pub arrival_ms: f64,
    /// Its record's.
    pub offset: i64,
}

impl SeriesColumns {
    /// The points as columns.
    pub fn of(name: &str, points: &[Point]) -> Self {
        Self {
            name: name.to_owned(),
            t_ms: points.iter().map(|point| point.t_ms).collect(),
            v: points.iter().map(|point| point.v).collect(),
            arrival_ms: points.iter().map(|point| point.arrival_ms).collect(),
            offset: points.iter().map(|point| point.offset).collect(),
        }
    }
}
