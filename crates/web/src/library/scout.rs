//! Small reads here and there in one topic.
//!
//! One reader goes from place to place, so that a look costs one request to Kafka; it keeps little ready, and is let go of at a
//! partition's end, where a request for more would wait for what comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_client::{ClientError, Event, From, Kafka, Reader, ReaderOptions, Record, Watermarks};
use weir_media::record::{self, PictureMeta};

use super::index::{Key, Look, Place, Sight, WINDOW};

/// Bytes asked for at a time; a larger record still comes.
const FETCH_BYTES: usize = 64 << 10;
/// Bytes kept ready.
const QUEUED_BYTES: usize = 256 << 10;
/// Records that may be no pictures before a look gives up.
const OTHERS: usize = 64;
/// Bytes after which two pictures are enough.
const ENOUGH_BYTES: usize = 1 << 20;
/// A longer key is no name.
const MAX_KEY_BYTES: usize = 249;
/// Keys of which is kept what their key frames say.
const MAX_SHAPES: usize = 1_000;
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a key frame says of the pictures behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// RFC 6381.
    pub codec: Option<String>,
    /// Pixels across and down.
    pub size: (u32, u32),
}

/// Looks into one topic.
pub struct Scout<'k> {
    kafka: &'k Kafka,
    topic: &'k str,
    reader: Option<Reader>,
    /// What key frames that were seen say, by their key.
    pub shapes: BTreeMap<Key, Shape>,
}

impl Shape {
    /// What a key frame says; nothing where it does not.
    pub fn of(key_frame: &Record) -> Option<Self> {
        let meta = picture(key_frame).filter(|meta| meta.key)?;
        let inter = meta.codec.is_inter();
        if let Some(size) = meta.size
            && (meta.codec_string.is_some() || !inter)
        {
            let codec = meta.codec_string.filter(|_| inter);
            return Some(Self { codec, size });
        }
        let (codec, size) = record::describe(meta.codec, key_frame.value.as_deref()?)?;
        Some(Self {
            codec: Some(codec).filter(|_| inter),
            size,
        })
    }
}

impl<'k> Scout<'k> {
    /// Nothing is read yet.
    pub fn new(kafka: &'k Kafka, topic: &'k str) -> Self {
        Self {
            kafka,
            topic,
            reader: None,
            shapes: BTreeMap::new(),
        }
    }

    /// Looks at a place: up to [`WINDOW`] pictures from there on. `end`: where the partition ends.
    pub async fn look(
        &mut self,
        partition: i32,
        place: Place,
        end: i64,
    ) -> Result<Look, ClientError> {
        let mut look = Look {
            from: place.from,
            next: place.from,
            sights: Vec::new(),
        };
        let (mut others, mut len_bytes) = (0, 0);
        self.go_to(partition, place.from, end).await?;
        while let Some(record) = self.next().await? {
            if record.offset >= place.until {
                look.next = place.until;
                return Ok(look);
            }
            look.next = record.offset + 1;
            len_bytes += record.len_bytes();
            match sight(&record) {
                Some(sight) => {
                    self.notice(&sight.key, &record);
                    look.sights.push(sight);
                }
                None => others += 1,
            }
            let pictures = look.sights.len();
            let enough = pictures >= WINDOW
                || others >= OTHERS
                || (pictures >= 2 && len_bytes > ENOUGH_BYTES);
            if look.next >= end {
                self.reader = None;
            }
            if enough || look.next >= place.until {
                return Ok(look);
            }
        }
        // The partition's end.
        self.reader = None;
        look.next = place.until;
        Ok(look)
    }

    /// The record at an offset, or the next there is in front of `end`.
    pub async fn record(
        &mut self,
        partition: i32,
        offset: i64,
        end: i64,
    ) -> Result<Option<Record>, ClientError> {
        self.go_to(partition, offset, end).await?;
        let record = self.next().await?;
        if record.as_ref().is_none_or(|r| r.offset + 1 >= end) {
            self.reader = None;
        }
        Ok(record)
    }

    /// The newest key frame among those `wanted`, at or in front of `offset`: where that picture says it is, or else within the
    /// greatest of `steps`, which are numbers of records.
    pub async fn key_frame(
        &mut self,
        marks: Watermarks,
        offset: i64,
        steps: &[i64],
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Option<Record>, ClientError> {
        let Watermarks {
            partition,
            start,
            end,
        } = marks;
        let is_key =
            |record: &Record| wanted(record) && picture(record).is_some_and(|meta| meta.key);
        let Some(here) = self.record(partition, offset.max(start), end).await? else {
            return Ok(None);
        };
        if is_key(&here) {
            return Ok(Some(here));
        }
        let back = picture(&here).and_then(|meta| meta.gop_index);
        if let Some(back) = back.filter(|_| wanted(&here)) {
            let at = (here.offset - i64::from(back)).max(start);
            let first = self.record(partition, at, end).await?;
            if let Some(first) = first.filter(|first| is_key(first) && first.key == here.key) {
                return Ok(Some(first));
            }
        }
        for step in steps {
            let from = (offset - step).max(start);
            let mut newest = None;
            self.go_to(partition, from, end).await?;
            while let Some(record) = self.next().await? {
                let last = record.offset >= offset || record.offset + 1 >= end;
                if record.offset + 1 >= end {
                    self.reader = None;
                }
                if record.offset <= offset && is_key(&record) {
                    newest = Some(record);
                }
                if last {
                    break;
                }
            }
            if newest.is_some() || from == start {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// The first record that is wanted among so many from `offset` on.
    pub async fn first(
        &mut self,
        marks: Watermarks,
        offset: i64,
        among: i64,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Option<Record>, ClientError> {
        self.go_to(marks.partition, offset, marks.end).await?;
        while let Some(record) = self.next().await? {
            if wanted(&record) {
                return Ok(Some(record));
            }
            if record.offset - offset >= among || record.offset + 1 >= marks.end {
                break;
            }
        }
        Ok(None)
    }

    fn notice(&mut self, key: &Key, record: &Record) {
        if !self.shapes.contains_key(key)
            && self.shapes.len() < MAX_SHAPES
            && let Some(shape) = Shape::of(record)
        {
            self.shapes.insert(key.clone(), shape);
        }
    }

    async fn go_to(&mut self, partition: i32, offset: i64, end: i64) -> Result<(), ClientError> {
        if let Some(reader) = &mut self.reader {
            return reader.go_to(partition, offset, end);
        }
        let options = ReaderOptions {
            max_queued_bytes: QUEUED_BYTES,
            fetch_bytes: FETCH_BYTES,
            queued_records: 1,
            partitions: Some(vec![partition]),
            ..ReaderOptions::default()
        };
        let from = From::Positions(vec![(partition, offset)]);
        let reader = self.kafka.reader(self.topic, from, options).await?;
        self.reader = Some(reader);
        Ok(())
    }

    /// The next record; `None` at the end.
    async fn next(&mut self) -> Result<Option<Record>, ClientError> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        let reading = async {
            loop {
                match reader.next().await? {
                    Event::Record(record) => return Ok(Some(record)),
                    Event::CaughtUp { .. } => return Ok(None),
                    Event::Disconnected { why } => {
                        return Err(ClientError::Unreachable {
                            bootstrap: self.kafka.bootstrap().to_owned(),
                            cause: why,
                        });
                    }
                    _ => {}
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        let read = read.unwrap_or_else(|_| {
            Err(ClientError::TimedOut {
                what: format!("cannot look into topic {:?}", self.topic),
                after: PATIENCE,
            })
        });
        if read.is_err() {
            self.reader = None;
        }
        read
    }
}

/// A record's key as the name of a camera or file.
pub fn key_of(record: &Record) -> Key {
    let key = record
        .key
        .as_deref()
        .filter(|key| key.len() <= MAX_KEY_BYTES)?;
    let text = std::str::from_utf8(key).ok()?;
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    plain.then(|| Arc::from(text))
}

/// What a record says of its picture; nothing where it holds something else.
pub fn picture(record: &Record) -> Option<PictureMeta> {
    record::read(record.header_pairs(), record.value.as_deref()?)
}

/// The picture in a record; nothing where it is something else.
pub fn sight(record: &Record) -> Option<Sight> {
    let meta = picture(record)?;
    Some(Sight {
        key: key_of(record),
        codec: meta.codec,
        offset: record.offset,
        at_ms: record.timestamp.map_or(0, |at| at.0),
        dts_us: meta.dts_us.or(meta.pts_us),
        len_bytes: record.len_bytes(),
    })
}
