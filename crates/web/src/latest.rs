//! The newest value of each key of a topic: read once from the start, kept while somebody looks, shared by all who do.
//!
//! Bounded: the [`MAX_KEYS`] keys that changed last, and [`MAX_BYTES`] of them; the answer says when there are more. A viewer is sent what
//! changed since it last looked, so a slow one gets fewer, larger changes and misses none.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_client::{ClientError, ErrorKind, Event, From, Kafka, ReaderOptions, Record};

use crate::api::LatestValue;
use crate::hub::held;
use crate::problem::Problem;
use crate::view;

/// Keys kept for each topic.
pub const MAX_KEYS: usize = 10_000;
/// Bytes of keys and values kept for each topic.
pub const MAX_BYTES: usize = 32 << 20;
/// What is shown of a value and of a key.
const SHOWN_BYTES: usize = 64 << 10;
const KEY_BYTES: usize = 1 << 10;
/// How long a table nobody looks at is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Between two tries when Kafka refuses.
const AGAIN: Duration = Duration::from_secs(1);

/// The values of one topic by key.
#[derive(Debug, Default)]
pub struct Values {
    by_key: HashMap<Bytes, Entry>,
    /// Keys by when they changed.
    by_change: BTreeMap<u64, Bytes>,
    changes: u64,
    len_bytes: usize,
    dropped: bool,
    present: usize,
}

#[derive(Debug)]
struct Entry {
    change: u64,
    /// `None`: deleted. Kept for those who know the key.
    value: Option<Bytes>,
    timestamp_ms: Option<i64>,
    offset: i64,
}

impl Values {
    /// Takes the next record.
    pub fn take(&mut self, record: &Record) {
        let key = record.key.clone().unwrap_or_default();
        self.remove(&key);
        self.changes += 1;
        self.len_bytes += key.len() + record.value.as_ref().map_or(0, Bytes::len);
        self.present += usize::from(record.value.is_some());
        self.by_change.insert(self.changes, key.clone());
        self.by_key.insert(
            key,
            Entry {
                change: self.changes,
                value: record.value.clone(),
                timestamp_ms: record.timestamp.map(|time| time.0),
                offset: record.offset,
            },
        );
        while self.by_key.len() > MAX_KEYS || (self.len_bytes > MAX_BYTES && self.by_key.len() > 1)
        {
            let Some(oldest) = self.by_change.values().next().cloned() else {
                break;
            };
            let deleted = self.by_key.get(&oldest).is_some_and(|e| e.value.is_none());
            self.dropped |= !deleted;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Bytes) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_change.remove(&entry.change);
            self.len_bytes -= key.len() + entry.value.as_ref().map_or(0, Bytes::len);
            self.present -= usize::from(entry.value.is_some());
        }
    }

    /// How many changes there were.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many keys have a value.
    pub fn keys(&self) -> usize {
        self.present
    }

    /// Whether keys were dropped for want of room.
    pub fn dropped(&self) -> bool {
        self.dropped
    }

    /// The `limit` keys with a value that changed last.
    pub fn newest(&self, limit: usize) -> BTreeMap<String, LatestValue> {
        self.by_change
            .values()
            .rev()
            .filter_map(|key| Some((key, self.by_key.get(key)?.shown()?)))
            .take(limit)
            .map(|(key, value)| (shown_key(key), value))
            .collect()
    }

    /// What changed after the first `changes` changes.
    pub fn since(&self, changes: u64) -> BTreeMap<String, Option<LatestValue>> {
        self.by_change
            .range(changes.saturating_add(1)..)
            .filter_map(|(_, key)| Some((key, self.by_key.get(key)?)))
            .map(|(key, entry)| (shown_key(key), entry.shown()))
            .collect()
    }
}

/// A key as it is shown; a long one cut, with its length and a checksum of all of it, so that two that begin alike stay two.
fn shown_key(key: &[u8]) -> String {
    let mut shown = view::named(key, KEY_BYTES);
    if key.len() > KEY_BYTES {
        // FNV-1a, 64 bits (RFC 9923 §4).
        let sum = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let _ = write!(shown, "… ({} bytes, {sum:016x})", key.len());
    }
    shown
}

impl Entry {
    fn shown(&self) -> Option<LatestValue> {
        let value = self.value.as_deref()?;
        let json = (value.len() <= SHOWN_BYTES)
            .then(|| serde_json::from_slice(value).ok())
            .flatten();
        Some(LatestValue {
            value: json
                .unwrap_or_else(|| serde_json::Value::String(view::named(value, SHOWN_BYTES))),
            timestamp_ms: self.timestamp_ms,
            offset: self.offset,
        })
    }
}

/// What whoever looks at a table is told when it changes.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// [`Values::changes`] of the table.
    pub changes: u64,
    /// Everything that was there at the start has been read.
    pub caught_up: bool,
    /// Kafka is away, and why.
    pub waiting: Option<Arc<str>>,
    /// It ends here.
    pub ended: Option<Problem>,
}

/// One topic's table, kept while this is held and a little longer.
pub struct Table {
    values: Mutex<Values>,
    standing: watch::Sender<Standing>,
}

impl Table {
    /// The values.
    pub fn values(&self) -> std::sync::MutexGuard<'_, Values> {
        held(&self.values)
    }

    async fn read(&self, kafka: &Kafka, topic: &str) -> Result<Infallible, ClientError> {
        let partitions = kafka.topic(topic).await?.partitions.len();
        let mut reader = kafka
            .reader(topic, From::Start, ReaderOptions::default())
            .await?;
        // Read from the start again: what is there is brought up to date by the same records.
        let mut caught_up = 0;
        self.standing
            .send_modify(|standing| standing.waiting = None);
        loop {
            let mut event = Some(reader.next().await?);
            while let Some(happened) = event {
                match happened {
                    Event::Record(record) => self.values().take(&record),
                    Event::CaughtUp { .. } => caught_up += 1,
                    Event::Disconnected { why } => {
                        self.standing
                            .send_modify(|standing| standing.waiting = Some(why.into()));
                    }
                    Event::Reconnected => {
                        self.standing
                            .send_modify(|standing| standing.waiting = None);
                    }
                    _ => {}
                }
                event = reader.try_next()?;
            }
            let changes = self.values().changes();
            self.standing.send_if_modified(|standing| {
                let news =
                    standing.changes != changes || (!standing.caught_up && caught_up >= partitions);
                standing.changes = changes;
                standing.caught_up |= caught_up >= partitions;
                news
            });
        }
    }
}

/// All tables of the process.
pub struct Tables {
    kafka: Kafka,
    shutdown: CancellationToken,
    running: Mutex<HashMap<String, Arc<Table>>>,
}

impl Tables {
    /// No table is kept yet.
    pub fn new(kafka: Kafka, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            kafka,
            shutdown,
            running: Mutex::default(),
        })
    }

    /// The table of `topic`, which must be there, and what tells of its changes.
    pub fn table(self: &Arc<Self>, topic: &str) -> (Arc<Table>, watch::Receiver<Standing>) {
        let mut running = held(&self.running);
        let table = running.entry(topic.to_owned()).or_insert_with(|| {
            let table = Arc::new(Table {
                values: Mutex::default(),
                standing: watch::Sender::default(),
            });
            tokio::spawn(self.clone().keep(topic.to_owned(), table.clone()));
            table
        });
        // Under the lock, so that it is not given up in between.
        (table.clone(), table.standing.subscribe())
    }

    /// Reads while somebody looks, and [`IDLE`] longer.
    async fn keep(self: Arc<Self>, topic: String, table: Arc<Table>) {
        let reading = self.read(&topic, &table);
        tokio::pin!(reading);
        loop {
            let idle = async {
                while table.standing.receiver_count() > 0 {
                    tokio::time::sleep(AGAIN).await;
                }
                tokio::time::sleep(IDLE).await;
            };
            tokio::select! {
                problem = &mut reading => {
                    held(&self.running).remove(&topic);
                    table.standing.send_modify(|standing| standing.ended = Some(problem));
                    return;
                }
                () = idle => {
                    let mut running = held(&self.running);
                    if table.standing.receiver_count() == 0 {
                        running.remove(&topic);
                        return;
                    }
                }
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    async fn read(&self, topic: &str, table: &Table) -> Problem {
        loop {
            let Err(error) = table.read(&self.kafka, topic).await;
            if error.kind() == ErrorKind::NotFound {
                return error.into();
            }
            let why = error.to_string().into();
            table
                .standing
                .send_modify(|standing| standing.waiting = Some(why));
            tokio::time::sleep(AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, key: &str, value: Option<&[u8]>) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: None,
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: value.map(Bytes::copy_from_slice),
            headers: Vec::new(),
        }
    }

    #[test]
    fn each_key_has_its_newest_value_and_a_tombstone_takes_it_away() {
        let mut values = Values::default();
        values.take(&record(0, "the", Some(br#"{"count":1}"#)));
        values.take(&record(1, "cat", Some(b"meow")));
        values.take(&record(2, "the", Some(br#"{"count":2}"#)));
        let seen = values.changes();
        let newest = values.newest(10);
        assert_eq!(newest["the"].value, serde_json::json!({"count": 2}));
        assert_eq!(newest["cat"].value, serde_json::json!("meow"));
        values.take(&record(3, "cat", None));
        assert_eq!(values.keys(), 1);
        assert!(!values.newest(10).contains_key("cat"));
        let changed = values.since(seen);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed["cat"], None);
        assert!(values.since(values.changes()).is_empty());
        assert!(values.since(u64::MAX).is_empty());
    }

    #[test]
    fn the_newest_ten_thousand_keys_are_kept_and_more_are_told_of() {
        let mut values = Values::default();
        for n in 0..MAX_KEYS as i64 {
            values.take(&record(n, &n.to_string(), Some(b"1")));
        }
        assert!(!values.dropped());
        values.take(&record(-1, "one more", Some(b"1")));
        assert!(values.dropped());
        assert_eq!(values.keys(), MAX_KEYS);
        assert!(!values.newest(MAX_KEYS).contains_key("0"));
        assert_eq!(values.newest(3).len(), 3);
        assert!(values.newest(3).contains_key("one more"));
    }

    #[test]
    fn keys_of_a_megabyte_are_shown_cut_and_stay_apart() {
        let mut values = Values::default();
        for (n, end) in ["a", "b"].into_iter().enumerate() {
            let key = "k".repeat(1 << 20) + end;
            values.take(&record(n as i64, &key, Some(b"1")));
        }
        let newest = values.newest(10);
        assert_eq!(newest.len(), 2);
        assert!(newest.keys().all(|key| key.len() < KEY_BYTES + 60));
        assert!(newest.keys().all(|key| key.contains("(1048577 bytes, ")));
    }

    #[test]
    fn of_a_million_symbols_the_newest_price_of_those_that_changed_last_is_kept() {
        let mut values = Values::default();
        for n in 0..1_000_000_i64 {
            let price = format!(r#"{{"price":{n}}}"#);
            values.take(&record(n, &format!("S{n}"), Some(price.as_bytes())));
        }
        values.take(&record(-1, "S999999", Some(br#"{"price":7}"#)));
        assert_eq!((values.keys(), values.dropped()), (MAX_KEYS, true));
        let newest = &values.newest(1)["S999999"];
        assert_eq!(newest.value, serde_json::json!({"price": 7}));
        assert!(values.len_bytes < 1 << 20);
    }

    #[test]
    fn values_are_bounded_in_bytes_too() {
        let mut values = Values::default();
        let large = vec![b'x'; MAX_BYTES / 4];
        for n in 0..10 {
            values.take(&record(n, &n.to_string(), Some(&large)));
        }
        assert!(values.len_bytes <= MAX_BYTES);
        assert!(values.dropped());
        let LatestValue { value, .. } = &values.newest(1)["9"];
        assert!(value.as_str().unwrap().len() <= SHOWN_BYTES);
    }

    #[test]
    fn keys_and_values_that_are_not_text_stand_in_hexadecimal() {
        let mut values = Values::default();
        let mut binary = record(0, "", Some(b"\xff"));
        binary.key = Some(Bytes::from_static(b"\x00\x01"));
        values.take(&binary);
        assert_eq!(values.newest(1)["0x0001"].value, "0xff");
    }
}
