//! Where to begin reading an inter-coded topic, so that the first picture can be decoded: at the key frame in front.
//!
//! The `gop-index` header says how far that is, as long as one publisher writes the partition; where sound stands between the pictures,
//! `since-key` does. Neither is ever trusted: whoever reads on from here checks that a key frame came, and otherwise goes further back.

use weir_client::{ClientError, Event, From, Kafka, Reader, ReaderOptions, Record};
use weir_media::record;

/// How far back to look for a key frame, one after the other, when `gop-index` does not say.
pub const STEPS: [u64; 3] = [64, 512, 4_096];
/// Records that come between a look at the newest and the next reader's start.
const SLACK: u64 = 8;

/// Records that are looked at for how many cameras take turns.
const TURNS: u64 = 12;

/// What the newest records say about where to begin.
pub enum Newest {
    /// There is none.
    Nothing,
    /// They can be shown as they are: read on with this reader, after these.
    Here(Reader, Vec<Record>),
    /// Begin so many records before the end.
    Back(u64),
}

/// Looks at the newest record of each partition.
pub async fn newest(kafka: &Kafka, topic: &str) -> Result<Newest, ClientError> {
    let (reader, records) = last(kafka, topic, 1).await?;
    if records.is_empty() {
        return Ok(Newest::Nothing);
    }
    let back = records.iter().map(records_to_key).max().unwrap_or(0);
    Ok(if back == 0 {
        Newest::Here(reader, records)
    } else {
        // Where several cameras take turns, what lies between two pictures of one are the others'.
        let (_, records) = last(kafka, topic, TURNS).await?;
        let mut keys: Vec<_> = records.iter().map(|record| &record.key).collect();
        keys.sort();
        keys.dedup();
        let furthest = records.iter().map(records_to_key).max().unwrap_or(0);
        let back = match keys.len() as u64 {
            0 | 1 => back,
            turns => (back.max(furthest) * turns).min(STEPS[2]),
        };
        Newest::Back(back + SLACK)
    })
}

/// The newest records of each partition, and the reader that goes on behind them.
async fn last(
    kafka: &Kafka,
    topic: &str,
    count: u64,
) -> Result<(Reader, Vec<Record>), ClientError> {
    let partitions = kafka.topic(topic).await?.partitions.len();
    let mut reader = kafka
        .reader(topic, From::Last(count), ReaderOptions::default())
        .await?;
    let (mut records, mut caught_up) = (Vec::new(), 0);
    while caught_up < partitions {
        match reader.next().await? {
            Event::Record(record) => records.push(record),
            Event::CaughtUp { .. } => caught_up += 1,
            Event::Disconnected { why } => {
                return Err(ClientError::Unreachable {
                    bootstrap: kafka.bootstrap().to_owned(),
                    cause: why,
                });
            }
            _ => {}
        }
    }
    Ok((reader, records))
}

/// How many records in front of this one its key frame lies, as far as it says.
fn records_to_key(record: &Record) -> u64 {
    let Some(value) = &record.value else { return 0 };
    let index = match record::read(record.header_pairs(), value) {
        Some(meta) if meta.key || !meta.codec.is_inter() => return 0,
        Some(meta) => meta.gop_index,
        None if record::read_sound(record.header_pairs()).is_some() => None,
        None => return 0,
    };
    record::since_key(record.header_pairs())
        .or(index)
        .map_or(STEPS[0], u64::from)
        .clamp(1, STEPS[2])
}

/// Where a partition is begun so that the pictures from some offset on can be decoded, as far as that is known.
pub struct KeyFrame {
    partition: i32,
    offset: i64,
    begin: i64,
    /// The oldest record's offset.
    oldest: i64,
}

impl KeyFrame {
    /// As the record at `offset` says.
    pub async fn near(
        kafka: &Kafka,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Self, ClientError> {
        let marks = kafka.watermarks_of(topic, &[partition]).await?;
        let Some(marks) = marks.into_iter().find(|m| m.partition == partition) else {
            return Err(ClientError::NoSuchPartition {
                topic: topic.to_owned(),
                partition,
            });
        };
        let offset = offset.clamp(marks.start, marks.end);
        let mut near = Self {
            partition,
            offset,
            begin: offset,
            oldest: marks.start,
        };
        let looked_at = offset.min(marks.end - 1);
        if looked_at >= marks.start {
            let options = near.options();
            let from = From::Offset(looked_at);
            let mut reader = kafka.reader(topic, from, options).await?;
            if let Some(record) = first_record(&mut reader).await? {
                let back = i64::try_from(records_to_key(&record)).unwrap_or(0);
                near.begin = offset.min(record.offset - back).max(marks.start);
            }
        }
        Ok(near)
    }

    /// A reader that begins there.
    pub async fn open(&self, kafka: &Kafka, topic: &str) -> Result<Reader, ClientError> {
        kafka
            .reader(topic, From::Offset(self.begin), self.options())
            .await
    }

    /// Goes back by the next step; `false` where there is none.
    pub fn further_back(&mut self) -> bool {
        let back = self.offset - self.begin;
        let steps = STEPS.map(|step| i64::try_from(step).unwrap_or(i64::MAX));
        let Some(further) = steps.into_iter().find(|step| *step > back) else {
            return false;
        };
        let before = self.begin;
        self.begin = self.offset.saturating_sub(further).max(self.oldest);
        self.begin < before
    }

    fn options(&self) -> ReaderOptions {
        ReaderOptions {
            partitions: Some(vec![self.partition]),
            ..ReaderOptions::default()
        }
    }
}

async fn first_record(reader: &mut Reader) -> Result<Option<Record>, ClientError> {
    loop {
        match reader.next().await? {
            Event::Record(record) => return Ok(Some(record)),
            Event::CaughtUp { .. } => return Ok(None),
            _ => {}
        }
    }
}
