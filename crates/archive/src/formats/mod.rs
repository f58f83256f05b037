//! What files hold: records in, bytes out.
//!
//! A format is one file here, one line in [`Format`] and one in [`Encoders::encoder`].

mod columns;
mod jsonl;
mod mp4;
mod parquet;
mod text;

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use weir_client::Record;

use self::columns::{Column, Columns};
use crate::layout::Layout;
use crate::store::{Store, StoreError};

/// How many bytes of records a row group of Parquet holds at most.
const GROUP_BYTES: usize = 32 << 20;

/// What the files of an archive hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Each value, and a line feed.
    Text,
    /// A JSON object a record.
    Jsonl,
    /// A row a record.
    Parquet,
    /// The pictures of a video.
    Mp4,
}

impl Format {
    /// Every format there is.
    pub const ALL: [Self; 4] = [Self::Text, Self::Jsonl, Self::Parquet, Self::Mp4];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Mp4 => "mp4",
        }
    }

    /// Whether a file of it stays one when more is put behind its end.
    pub fn can_grow(self) -> bool {
        matches!(self, Self::Text | Self::Jsonl)
    }

    /// Whether encoding its records takes so long that nobody should wait for it.
    pub(crate) fn takes_long(self) -> bool {
        self == Self::Parquet
    }

    /// Whether its files hold groups of pictures.
    pub(crate) fn is_video(self) -> bool {
        self == Self::Mp4
    }

    /// What the names of its files end in.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Mp4 => "mp4",
        }
    }
}

/// Makes the encoders of a topic's files.
#[derive(Debug, Clone)]
pub(crate) struct Encoders {
    format: Format,
    /// What Parquet's files of this topic have in common.
    columns: Arc<Columns>,
    columns_folder: String,
}

impl Encoders {
    /// Those of the topic and the format of `layout`.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            format: layout.format(),
            columns: Arc::default(),
            columns_folder: format!("{}/columns", layout.shared_folder()),
        }
    }

    /// Learns what other processes have settled on.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        match self.format {
            Format::Parquet => self.columns.load(store, &self.columns_folder).await,
            _ => Ok(()),
        }
    }

    /// A file's encoder. `held_bytes`: what all files of a partition may hold in memory together.
    pub(crate) fn encoder(&self, held_bytes: usize) -> Box<dyn Encoder> {
        match self.format {
            Format::Text => Box::<text::Text>::default(),
            Format::Jsonl => Box::<jsonl::Jsonl>::default(),
            Format::Mp4 => Box::<mp4::Mp4>::default(),
            Format::Parquet => {
                let group_bytes = GROUP_BYTES.min(held_bytes / 4);
                Box::new(parquet::Parquet::new(self.columns.clone(), group_bytes))
            }
        }
    }

    /// Makes a finished file's columns everybody's. `false`: others have settled on something else, so it must not be claimed.
    pub(crate) async fn settle(
        &self,
        store: &dyn Store,
        used: &[Column],
    ) -> Result<bool, StoreError> {
        if used.is_empty() {
            return Ok(true);
        }
        self.columns.settle(store, &self.columns_folder, used).await
    }
}

/// A file that could not be made of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodeError(pub(crate) String);

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format: there are text, jsonl, parquet, mp4")]
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
    /// Bytes that are held in memory, ready or not.
    fn held_bytes(&self) -> usize;
    /// About what the file will grow by of what is held.
    fn will_be_bytes(&self) -> u64 {
        self.held_bytes() as u64
    }
    /// Hands out what is ready.
    fn take(&mut self) -> Bytes;
    /// Ends the file: what is still to be written.
    fn finish(&mut self) -> Result<Bytes, EncodeError>;
    /// The columns that the file has for members of JSON values.
    fn columns(&self) -> &[Column] {
        &[]
    }
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
        bytes.extend_from_slice(&encoder.finish().unwrap());
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
