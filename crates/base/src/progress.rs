//! How a long job says how far it is: to a bar on a terminal, to lines elsewhere, to nobody in a test.

/// Who is told how a job goes.
pub trait Progress: Send + Sync {
    /// How far it is; comes often, may be dropped.
    fn update(&self, snapshot: &Snapshot);
    /// Something a person should know: damage passed over, a file that was rotated.
    fn note(&self, text: &str);
    /// What it publishes from, or to, is not there just now; it goes on by itself when that is.
    fn waiting(&self, why: &str) {
        self.note(why);
    }
    /// It is there again.
    fn going_on(&self, text: &str) {
        self.note(text);
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Time in the material: of a video, from its start.
    pub position_us: Option<i64>,
    /// How long the material is, where that is known.
    pub duration_us: Option<i64>,
    /// Records handed over and acknowledged.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Records that were not taken, by a stated rule.
    pub passed_over: u64,
    /// Time in the material over time on the wall.
    pub speed: Option<f64>,
    /// How many records there will be, where that is known.
    pub total: Option<u64>,
    /// How much of the input was read, where it has no time in it.
    pub read_bytes: Option<u64>,
    /// How long the input is, where that is known.
    pub total_bytes: Option<u64>,
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _snapshot: &Snapshot) {}
    fn note(&self, _text: &str) {}
}
