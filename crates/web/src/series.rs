//! Numbers in columns: records in, one batch of new points of each series out.
//!
//! Nothing is kept between batches, so any number of series costs no more than the records of one batch.

use std::collections::{BTreeMap, HashMap};

use weir_client::Record;
use weir_media::numbers;

use crate::api::{SeriesColumns, SeriesEvent};
use crate::view;

/// Points after which a batch is sent though its time is not up.
pub const BATCH_POINTS: usize = 5_000;
/// What is shown of a key.
const NAME_BYTES: usize = 200;

/// One batch in the making.
#[derive(Debug, Default)]
pub struct Columns {
    series: Vec<SeriesColumns>,
    places: HashMap<String, usize>,
    points: usize,
    passed_over: u64,
    reasons: BTreeMap<String, u64>,
}

impl Columns {
    /// Takes a record that arrived at `arrival_ms`.
    pub fn add(&mut self, record: &Record, arrival_ms: f64) {
        let value = record.value.as_deref().unwrap_or_default();
        let found = match numbers::parse(value) {
            Ok(found) => found,
            Err(no) => {
                self.passed_over += 1;
                *self.reasons.entry(no.why.to_owned()).or_default() += 1;
                return;
            }
        };
        let created_ms = found
            .time_ms
            .or(record.timestamp.map(|time| time.0 as f64))
            .unwrap_or(arrival_ms);
        let key = record
            .key
            .as_deref()
            .filter(|key| !key.is_empty())
            .map(|key| view::named(key, NAME_BYTES));
        let alone = found.values.len() == 1;
        for (member, v) in found.values {
            let name = match &key {
                None => member,
                Some(key) if alone => key.clone(),
                Some(key) => format!("{key}.{member}"),
            };
            let columns = self.columns(name);
            columns.t_ms.push(created_ms);
            columns.v.push(v);
            columns.arrival_ms.push(arrival_ms);
            columns.offset.push(record.offset);
            self.points += 1;
        }
    }

    /// Whether the batch is to be sent now.
    pub fn is_full(&self) -> bool {
        self.points >= BATCH_POINTS
    }

    /// The batch, if there is anything in it.
    pub fn take(&mut self) -> Option<SeriesEvent> {
        if self.points == 0 && self.passed_over == 0 {
            return None;
        }
        self.points = 0;
        self.places.clear();
        Some(SeriesEvent::Columns {
            series: std::mem::take(&mut self.series),
            passed_over: std::mem::take(&mut self.passed_over),
            reasons: std::mem::take(&mut self.reasons),
        })
    }

    fn columns(&mut self, name: String) -> &mut SeriesColumns {
        let at = *self.places.entry(name).or_insert_with_key(|name| {
            self.series.push(SeriesColumns {
                name: name.clone(),
                t_ms: Vec::new(),
                v: Vec::new(),
                arrival_ms: Vec::new(),
                offset: Vec::new(),
            });
            self.series.len() - 1
        });
        &mut self.series[at]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weir_base::time::Timestamp;

    use super::*;

    fn record(offset: i64, key: Option<&'static str>, value: &'static str) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: Some(Timestamp(1_000 + offset)),
            key: key.map(|key| Bytes::from_static(key.as_bytes())),
            value: Some(Bytes::from_static(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    fn batch(records: &[Record]) -> (Vec<SeriesColumns>, u64) {
        let mut columns = Columns::default();
        for record in records {
            columns.add(record, 2_000.0);
        }
        match columns.take() {
            Some(SeriesEvent::Columns {
                series,
                passed_over,
                ..
            }) => (series, passed_over),
            _ => (Vec::new(), 0),
        }
    }

    #[test]
    fn a_series_is_named_after_key_and_member() {
        let (series, _) = batch(&[
            record(0, Some("sensor-1"), r#"{"count": 1}"#),
            record(1, Some("sensor-1"), r#"{"count": 2}"#),
            record(2, Some("s2"), r#"{"min": 1, "max": 2}"#),
            record(3, None, r#"{"a": 1}"#),
            record(4, None, "5"),
        ]);
        let names: Vec<_> = series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names[0], "sensor-1");
        let mut rest = names[1..].to_vec();
        rest.sort_unstable();
        assert_eq!(rest, ["a", "s2.max", "s2.min", "value"]);
        assert_eq!(series[0].v, [1.0, 2.0]);
        assert_eq!(series[0].offset, [0, 1]);
        assert_eq!(series[0].t_ms, [1_000.0, 1_001.0]);
        assert_eq!(series[0].arrival_ms, [2_000.0, 2_000.0]);
    }

    #[test]
    fn what_holds_no_numbers_is_counted() {
        let (series, passed_over) = batch(&[record(0, None, "hello"), record(1, None, "NaN")]);
        assert!(series.is_empty());
        assert_eq!(passed_over, 2);
        assert_eq!(Columns::default().take(), None);
    }

    #[test]
    fn a_batch_is_bounded_and_starts_empty() {
        let mut columns = Columns::default();
        while !columns.is_full() {
            columns.add(&record(0, None, "1"), 0.0);
        }
        assert!(columns.take().is_some());
        assert!(columns.take().is_none());
        assert!(!columns.is_full());
    }
}
