//! Averages over a log in memory.

use std::time::Duration;

use proptest::prelude::*;
use weir_media::numbers;

use super::*;
use crate::keys::MAX_KEYS;
use crate::memory::{Memory, Run, kills};

fn last(last: usize) -> impl Fn(usize) -> Averages {
    move |partitions| Averages::new(Span::Last(last), None, partitions)
}

#[test]
fn there_is_an_average_for_each_number_of_each_key() {
    let mut log = Memory::new(1);
    for (at, (key, value)) in [
        ("a", 1),
        ("b", 10),
        ("a", 2),
        ("a", 6),
        ("b", 20),
        ("a", 10),
    ]
    .iter()
    .enumerate()
    {
        let t = 1_700_000_000_000 + at as i64;
        log.say(0, key, t, format!("{{\"t\":{t},\"count\":{value}}}"));
    }
    let summary = log.run(last(3), Run::whole()).unwrap();
    let expected = [
        ("a", r#"{"t":1700000000000,"average":1,"count":1}"#),
        ("b", r#"{"t":1700000000001,"average":10,"count":1}"#),
        ("a", r#"{"t":1700000000002,"average":1.5,"count":2}"#),
        ("a", r#"{"t":1700000000003,"average":3,"count":3}"#),
        ("b", r#"{"t":1700000000004,"average":15,"count":2}"#),
        ("a", r#"{"t":1700000000005,"average":6,"count":3}"#),
    ];
    let results = log.results().remove(0);
    let results: Vec<_> = results.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(results, expected);
    assert_eq!((summary.read, summary.written), (6, 6));
}

#[test]
fn the_records_of_the_notebooks_are_averaged() {
    let mut log = Memory::new(1);
    for (at, value) in [
        "{'timestamp': 1700000000.5, 'count': 1}",
        "{\"timestamp\": 1700000001.5, \"count\": 3}",
        "{'timestamp': '2023-11-14 22:13:22.500000', 'count': 5, 'ok': True}",
        "1700000003.5,7",
        "9",
    ]
    .iter()
    .enumerate()
    {
        log.say(0, "", 1_700_000_000_500 + 1_000 * at as i64, *value);
    }
    log.run(last(2), Run::whole()).unwrap();
    assert_eq!(
        log.values(),
        [
            r#"{"t":1700000000500,"average":1,"count":1}"#,
            r#"{"t":1700000001500,"average":2,"count":2}"#,
            r#"{"t":1700000002500,"average":4,"count":2}"#,
            r#"{"t":1700000003500,"average":6,"count":2}"#,
            r#"{"t":1700000004500,"average":8,"count":2}"#,
        ]
    );
}

#[test]
fn what_cannot_be_averaged_is_counted_by_reason_and_passed_over() {
    let mut log = Memory::new(1);
    let t = 1_700_000_000_000;
    let long_key = "k".repeat(1 << 20);
    let long_value = format!("{{\"count\":1{}}}", " ".repeat(1 << 20));
    log.say(0, "a", t, "1");
    log.say(0, "a", t, "hello");
    log.say(0, "a", t, &b"\xff\xfe"[..]);
    log.say(0, "a", t, "NaN");
    log.say(0, "a", t, "{'count': inf}");
    log.say(0, "a", t, "{\"count\":1e999}");
    log.say(0, "a", 1_515_685_219_200_000, "5"); // the year 50,000
    log.say(0, "a", i64::MAX, "5");
    log.say(0, "a", -62_135_596_800_000, "5"); // the year 1
    log.say(0, "a", t, "{\"t\":\"0001-01-01T00:00:00Z\",\"count\":5}");
    log.say(0, &long_key, t, "1");
    log.say(0, "a", t, long_value);
    log.say(0, "a", t, "");
    log.input[0][12].value = None;
    log.say(0, "a", t, "3");
    let summary = log.run(last(5), Run::whole()).unwrap();
    let counts: Vec<_> = summary.passed_over.iter().map(|(k, v)| (*k, *v)).collect();
    assert_eq!(
        counts,
        [
            ("NaN or infinite", 3),
            ("a key longer than 1 kB", 1),
            ("a time outside 1970 to 9999", 4),
            ("longer than 256 kB", 1),
            ("no UTF-8", 1),
            ("no number", 2),
        ]
    );
    assert_eq!(
        log.values(),
        [
            r#"{"t":1700000000000,"average":1,"count":1}"#,
            r#"{"t":1700000000000,"average":2,"count":2}"#,
        ]
    );
}

#[test]
fn the_greatest_numbers_have_an_average_that_is_a_number() {
    let mut log = Memory::new(1);
    for value in ["1.7e308", "1.7e308", "1.7e308", "-1.7e308"] {
        log.say(0, "a", 1_700_000_000_000, value);
    }
    log.run(last(5), Run::whole()).unwrap();
    for value in log.values() {
        assert!(numbers::parse(value.as_bytes()).is_ok(), "{value}");
    }
}

#[test]
fn a_clock_that_runs_backwards_ends_nothing() {
    let mut log = Memory::new(1);
    for at in 0..1_000_i64 {
        let t = 1_700_000_000_000 - 60_000 * at;
        log.say(0, "a", t, "5");
    }
    let window = |partitions| {
        let span = Span::Window(Duration::from_secs(10));
        Averages::new(span, None, partitions)
    };
    let summary = log.run(window, Run::whole()).unwrap();
    assert_eq!(summary.written, 1_000);
}

#[test]
fn a_million_keys_are_averaged_and_the_least_recent_forgotten() {
    let mut log = Memory::new(1);
    for at in 0..1_000_000 {
        log.say(0, &format!("sensor-{at}"), 1_700_000_000_000, "5");
    }
    let summary = log
        .run(
            last(5),
            Run {
                batch: 1_000,
                ..Run::whole()
            },
        )
        .unwrap();
    assert_eq!(summary.written, 1_000_000);
    assert!(summary.forgotten >= 1_000_000 - MAX_KEYS as u64);
    assert!(summary.passed_over.is_empty());
}

#[test]
fn the_member_that_is_named_is_averaged_and_where_there_is_none_that_is_counted() {
    let mut log = Memory::new(1);
    for value in [
        "{\"id\":7,\"price\":1}",
        "{\"id\":7}",
        "{\"id\":7,\"price\":3}",
    ] {
        log.say(0, "a", 1_700_000_000_000, value);
    }
    let price = |partitions| Averages::new(Span::Last(5), Some("price".to_owned()), partitions);
    let summary = log.run(price, Run::whole()).unwrap();
    assert_eq!(summary.passed_over["no number of that name"], 1);
    assert!(log.values()[1].contains("\"average\":2"));
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    for (span, option) in [
        (Span::Last(0), "--last"),
        (Span::Last(MAX_LAST + 1), "--last"),
        (Span::Window(Duration::ZERO), "--window"),
    ] {
        let average = Average {
            span,
            ..Average::new("t", "r")
        };
        let error = average.check().unwrap_err().to_string();
        assert!(error.starts_with(option), "{error}");
    }
}

/// A log of several keys in several partitions, some of it no numbers.
fn a_log(partitions: usize, records: &[(u8, u8, u16)]) -> Memory {
    let mut log = Memory::new(partitions);
    for (at, (partition, key, value)) in records.iter().enumerate() {
        let partition = usize::from(*partition) % partitions;
        let t = 1_700_000_000_000 + 700 * at as i64 - 3 * i64::from(*value);
        let text = match value % 11 {
            0 => "no number".to_owned(),
            _ => format!("{{'timestamp': {}, 'count': {value}}}", t as f64 / 1e3),
        };
        log.say(partition, &format!("{partition}-{}", key % 4), t, text);
    }
    log
}

proptest! {
    #[test]
    fn no_average_is_lost_or_doubled_whenever_it_is_killed(
        partitions in 1_usize..4,
        records in prop::collection::vec(any::<(u8, u8, u16)>(), 1..60),
        kills in kills(),
        count in 1_usize..6,
    ) {
        a_log(partitions, &records).assert_exactly_once(last(count), &kills);
    }

    #[test]
    fn no_average_of_a_window_is_lost_or_doubled_either(
        partitions in 1_usize..4,
        records in prop::collection::vec(any::<(u8, u8, u16)>(), 1..60),
        kills in kills(),
    ) {
        let window = |partitions| {
            Averages::new(Span::Window(Duration::from_mins(5)), None, partitions)
        };
        a_log(partitions, &records).assert_exactly_once(window, &kills);
    }
}
