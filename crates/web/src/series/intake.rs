//! Which points a record holds: their series' names, their times, and why others are passed over.
//!
//! A viewer has at most [`MAX_SERIES`] series, those that came first; with `series=`, those that were asked for. Names are kept once
//! for as long as the viewer stays, so a million keys cost no more than the first thousand.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_client::Record;
use weir_media::numbers;

use super::{MAX_NAME_BYTES, MAX_SERIES, Point};
use crate::view;

const LONG_NAME: &str = "a name longer than 1,024 bytes";
const MANY_SERIES: &str = "more than 1,000 series";

/// One viewer's series, and what it was not given.
#[derive(Debug, Default)]
pub struct Intake {
    places: HashMap<Arc<str>, usize>,
    names: Vec<Arc<str>>,
    /// Only the series that are there from the start.
    chosen: bool,
    passed_over: u64,
    reasons: BTreeMap<String, u64>,
    name: String,
}

/// What became of one number.
enum Place {
    /// A series of this index.
    At(usize),
    /// Not asked for.
    Unwanted,
    Refused(&'static str),
}

impl Intake {
    /// Takes these series alone; all if there are none.
    pub fn of<'n>(chosen: impl IntoIterator<Item = &'n str>) -> Self {
        let mut intake = Self::default();
        for name in chosen {
            intake.chosen = true;
            if !intake.places.contains_key(name) {
                intake.insert(name.into());
            }
        }
        intake
    }

    /// Takes a record that arrived at `arrival_ms`, and gives each of its points with the index of its series.
    pub fn take(&mut self, record: &Record, arrival_ms: f64, mut each: impl FnMut(usize, Point)) {
        let value = record.value.as_deref().unwrap_or_default();
        let record_ms = record.timestamp.map(|time| time.0);
        let found = numbers::parse(value).and_then(|found| {
            let created_ms = found.created_ms(record_ms)?;
            Ok((found, created_ms.unwrap_or(arrival_ms)))
        });
        let (found, t_ms) = match found {
            Ok(found) => found,
            Err(no) => {
                self.passed_over += 1;
                self.count(no.why, 1);
                return;
            }
        };
        if found.not_finite > 0 {
            self.count(numbers::NOT_FINITE, found.not_finite.into());
        }
        let key = record.key.as_deref().filter(|key| !key.is_empty());
        let alone = found.values.len() == 1 && found.not_finite == 0;
        let mut refused = 0;
        let all = found.values.len();
        for (member, v) in found.values {
            match self.place(key, &member, alone) {
                Place::At(series) => each(
                    series,
                    Point {
                        t_ms,
                        v,
                        arrival_ms,
                        offset: record.offset,
                    },
                ),
                Place::Unwanted => {}
                Place::Refused(why) => {
                    refused += 1;
                    self.count(why, 1);
                }
            }
        }
        self.passed_over += u64::from(refused == all);
    }

    /// The name of the series with this index.
    pub fn name(&self, series: usize) -> &str {
        self.names.get(series).map_or("", |name| name)
    }

    /// How many records were passed over since the last time this was asked, and why records and members were.
    pub fn take_counts(&mut self) -> (u64, BTreeMap<String, u64>) {
        (
            std::mem::take(&mut self.passed_over),
            std::mem::take(&mut self.reasons),
        )
    }

    /// Whether anything was passed over since the counts were taken.
    pub fn has_counts(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// `sensor-1.count`; the key alone where the object has one number; the member alone where there is no key.
    fn place(&mut self, key: Option<&[u8]>, member: &str, alone: bool) -> Place {
        let member_bytes = if alone && key.is_some() {
            0
        } else {
            member.len()
        };
        let len_bytes = key.map_or(0, <[u8]>::len) + member_bytes;
        if len_bytes > MAX_NAME_BYTES {
            // What is too long to be a name cannot have been asked for.
            return if self.chosen {
                Place::Unwanted
            } else {
                Place::Refused(LONG_NAME)
            };
        }
        self.name.clear();
        match key {
            Some(key) => {
                view::push_named(&mut self.name, key);
                if !alone {
                    self.name.push('.');
                    self.name.push_str(member);
                }
            }
            None => self.name.push_str(member),
        }
        if let Some(series) = self.places.get(self.name.as_str()) {
            return Place::At(*series);
        }
        if self.chosen {
            return Place::Unwanted;
        }
        if self.name.len() > MAX_NAME_BYTES {
            return Place::Refused(LONG_NAME);
        }
        if self.names.len() >= MAX_SERIES {
            return Place::Refused(MANY_SERIES);
        }
        Place::At(self.insert(self.name.as_str().into()))
    }

    fn insert(&mut self, name: Arc<str>) -> usize {
        self.names.push(name.clone());
        self.places.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }

    fn count(&mut self, why: &str, times: u64) {
        match self.reasons.get_mut(why) {
            Some(count) => *count += times,
            None => {
                self.reasons.insert(why.to_owned(), times);
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use bytes::Bytes;
    use weir_base::time::Timestamp;

    use super::*;

    /// A record of a topic of numbers.
    pub fn record(offset: i64, key: Option<&str>, value: &str) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: Some(Timestamp(1_000 + offset)),
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    fn taken(intake: &mut Intake, records: &[Record]) -> Vec<(String, Point)> {
        let mut points = Vec::new();
        for record in records {
            intake.take(record, 2_000.0, |series, point| {
                points.push((series, point));
            });
        }
        let named = points.into_iter();
        named
            .map(|(series, point)| (intake.name(series).to_owned(), point))
            .collect()
    }

    #[test]
    fn a_series_is_named_after_key_and_member() {
        let points = taken(
            &mut Intake::default(),
            &[
                record(0, Some("sensor-1"), r#"{"count": 1}"#),
                record(1, Some("sensor-1"), r#"{"count": 2}"#),
                record(2, Some("s2"), r#"{"min": 1, "max": 2}"#),
                record(3, None, r#"{"a": 1}"#),
                record(4, Some(""), "5"),
                record(4, Some("s3"), r#"{"x": 7, "y": NaN}"#),
                record(5, Some("\u{1}"), "6"),
            ],
        );
        let names: Vec<_> = points.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "sensor-1", "sensor-1", "s2.min", "s2.max", "a", "value", "s3.x", "0x01"
            ]
        );
        let second = Point {
            t_ms: 1_001.0,
            v: 2.0,
            arrival_ms: 2_000.0,
            offset: 1,
        };
        assert_eq!(points[1].1, second);
    }

    #[test]
    fn what_holds_no_numbers_is_counted_under_its_reason_and_what_comes_behind_it_is_taken() {
        let mut intake = Intake::default();
        let mut binary = record(1, None, "");
        binary.value = Some(Bytes::from_static(b"\xff\xfe"));
        let mut tombstone = record(2, Some("a"), "");
        tombstone.value = None;
        let mut old = record(5, None, "8");
        old.timestamp = Some(Timestamp(-5));
        let mut far = record(6, None, "9");
        far.timestamp = Some(Timestamp(1_500_000_000_000_000));
        let bad = [
            record(0, None, "hello"),
            binary,
            tombstone,
            record(3, None, "NaN"),
        ];
        let points = taken(
            &mut intake,
            &[&bad[..], &[record(4, None, "7"), old, far]].concat(),
        );
        assert_eq!(points.len(), 1);
        assert!((points[0].1.v - 7.0).abs() < 1e-9);
        let (passed_over, reasons) = intake.take_counts();
        assert_eq!(passed_over, 6);
        assert_eq!(reasons[numbers::NO_TIME], 2);
        assert_eq!(reasons.values().sum::<u64>(), 6);
        assert_eq!(reasons[numbers::NO_UTF8], 1);
        assert!(!intake.has_counts());
    }

    #[test]
    fn only_the_series_asked_for_are_taken_and_the_others_are_no_loss() {
        let mut intake = Intake::of(["b", "c.y", "b"]);
        let points = taken(
            &mut intake,
            &[
                record(0, Some("a"), "1"),
                record(1, Some("b"), "2"),
                record(2, Some("c"), r#"{"x": 3, "y": 4}"#),
                record(3, Some(&"k".repeat(1_000_000)), "5"),
            ],
        );
        let values: Vec<_> = points
            .iter()
            .map(|(name, p)| (name.as_str(), p.v))
            .collect();
        assert_eq!(values, [("b", 2.0), ("c.y", 4.0)]);
        assert_eq!(intake.take_counts(), (0, BTreeMap::new()));
    }

    #[test]
    fn a_million_keys_and_a_key_of_a_megabyte_cost_a_thousand_names() {
        let mut intake = Intake::default();
        let mut taken = 0;
        let mut one = record(0, None, "1");
        for n in 0..1_000_000 {
            one.key = Some(n.to_string().into());
            intake.take(&one, 0.0, |_, _| taken += 1);
        }
        one.key = Some("k".repeat(1 << 20).into());
        intake.take(&one, 0.0, |_, _| taken += 1);
        one.key = None;
        one.value = Some(format!(r#"{{"{}":1,"0":2}}"#, "m".repeat(2_000)).into());
        intake.take(&one, 0.0, |_, _| taken += 1);
        assert_eq!((taken, intake.names.len()), (MAX_SERIES + 1, MAX_SERIES));
        let (passed_over, reasons) = intake.take_counts();
        assert_eq!(reasons[MANY_SERIES], 999_000);
        assert_eq!(reasons[LONG_NAME], 2);
        assert_eq!(
            passed_over, 999_001,
            "of the last record something was taken"
        );
    }

    #[test]
    fn the_reasons_say_what_the_bounds_are() {
        assert!(MANY_SERIES.contains("1,000") && MAX_SERIES == 1_000);
        assert!(LONG_NAME.contains("1,024") && MAX_NAME_BYTES == 1_024);
    }
}
