//! What numbers a record's value holds.

/// The numbers of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// When they were made, in ms since the Unix epoch, where the value says.
    pub time_ms: Option<f64>,
    /// Name and value of each number; a bare number's name is `value`.
    pub values: Vec<(String, f64)>,
}

/// Why a value holds no numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value holds no numbers: {why}")]
pub struct NotNumbers {
    /// What it is instead.
    pub why: &'static str,
}

/// Reads a JSON object's numeric members, a bare number, or `timestamp,number`.
pub fn parse(value: &[u8]) -> Result<Numbers, NotNumbers> {
    let _ = value;
    todo!()
}
