//! What files hold: records in, bytes out.
//!
//! A format is one file here, one line in [`Format`] and one in [`Format::encoder`].

mod jsonl;
mod text;

use std::str::FromStr;

use bytes::Bytes;
use weir_client::Record;

/// What the files of an archive hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Each value, and a line feed.
    Text,
    /// A JSON object a record.
    Jsonl,
}

impl Format {
    /// Every format there is.
    pub const ALL: [Self; 2] = [Self::Text, Self::Jsonl];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Jsonl => "jsonl",
        }
    }

    /// What the names of its files end in.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Jsonl => "jsonl",
        }
    }

    /// A file's encoder.
    pub(crate) fn encoder(self) -> Box<dyn Encoder> {
        match self {
            Self::Text => Box::<text::Text>::default(),
            Self::Jsonl => Box::<jsonl::Jsonl>::default(),
        }
    }
}

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format: there are text, jsonl")]
pub struct BadFormat(String);

impl FromStr for Format {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| BadFormat(text.to_owned()))
    }
}

/// Makes a file's bytes of the records given to it, in their order.
pub(crate) trait Encoder: Send {
    /// The next record.
    fn push(&mut self, record: &Record);
    /// Bytes that are ready to be written.
    fn ready_bytes(&self) -> usize;
    /// Bytes that are held in memory, ready or not: about what the file will grow by.
    fn held_bytes(&self) -> usize;
    /// Hands out what is ready.
    fn take(&mut self) -> Bytes;
    /// Ends the file: what is still to be written.
    fn finish(&mut self) -> Bytes;
}

#[cfg(test)]
pub(crate) mod tests {
    use weir_base::time::Timestamp;

    use super::*;

    /// A record of topic `t`, partition 0, with a time of its own.
    pub(crate) fn record(offset: i64, value: &[u8]) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: Some(Timestamp(1_769_850_000_000 + offset)),
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: Vec::new(),
        }
    }

    /// The whole file of these records.
    pub(crate) fn encode(mut encoder: Box<dyn Encoder>, records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            encoder.push(record);
            bytes.extend_from_slice(&encoder.take());
        }
        bytes.extend_from_slice(&encoder.finish());
        bytes
    }

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("csv".parse::<Format>().is_err());
    }
}
