//! Statistics over a log in memory.

use proptest::prelude::*;

use super::*;
use crate::memory::{Memory, Run};

const BEGIN_MS: i64 = 1_700_000_000_000;

fn ten_seconds() -> impl Fn(usize) -> Measures {
    |partitions| Measures::new(&Stats::new("t", "r"), partitions)
}

/// A record made, and said, so many seconds after the beginning.
fn say(log: &mut Memory, key: &str, t_s: f64, value: f64) {
    let ms = BEGIN_MS + (t_s * 1e3) as i64;
    log.say(0, key, ms, format!("{{\"t\":{ms},\"count\":{value}}}"));
}

fn log(records: &[(&str, f64, f64)]) -> Memory {
    let mut log = Memory::new(1);
    for (key, t_s, value) in records {
        say(&mut log, key, *t_s, *value);
    }
    log
}

#[test]
fn each_window_of_each_key_is_given_out_once_it_is_over_and_late_has_passed() {
    let mut log = log(&[
        ("a", 0.0, 1.0),
        ("b", 1.0, 100.0),
        ("a", 9.9, 4.0),
        ("a", 10.0, 50.0),
        ("a", 8.0, 1.0),
        ("a", 11.9, 50.0),
    ]);
    log.run(ten_seconds(), Run::whole()).unwrap();
    assert!(log.values().is_empty());
    say(&mut log, "a", 12.0, 50.0);
    log.run(ten_seconds(), Run::whole()).unwrap();
    let results = log.results().remove(0);
    assert_eq!(
        results,
        [(
            "a".to_owned(),
            r#"{"t":1700000000000,"min":1,"max":4,"mean":2,"count":3}"#.to_owned()
        )]
    );
}

#[test]
fn what_comes_for_a_window_that_was_given_out_is_late() {
    let log = log(&[
        ("a", 0.0, 1.0),
        ("a", 12.0, 1.0),
        ("a", 9.0, 1.0),
        ("a", 22.0, 1.0),
    ]);
    let summary = log.run(ten_seconds(), Run::whole()).unwrap();
    assert_eq!(summary.passed_over["late"], 1);
    assert_eq!(log.values().len(), 2);
}

#[test]
fn a_key_that_falls_silent_has_its_window_given_out_when_others_come() {
    let mut log = log(&[("a", 0.0, 1.0), ("b", 3.0, 3.0)]);
    for second in 4..40 {
        say(&mut log, "c", f64::from(second), 5.0);
    }
    log.run(ten_seconds(), Run::whole()).unwrap();
    let results = log.results().remove(0);
    let of = |name: &str| results.iter().filter(|(key, _)| key == name).count();
    assert_eq!((of("a"), of("b"), of("c")), (1, 1, 3), "{results:?}");
}

#[test]
fn another_keys_clock_closes_nothing() {
    let mut log = log(&[("a", 0.0, 1.0)]);
    for second in 0..5 {
        let ms = BEGIN_MS + 86_400_000 + 1_000 * second;
        log.say(
            0,
            "ahead",
            BEGIN_MS + 1_000 * second,
            format!("{{\"t\":{ms},\"v\":1}}"),
        );
    }
    say(&mut log, "a", 9.0, 3.0);
    say(&mut log, "a", 12.0, 3.0);
    log.run(ten_seconds(), Run::whole()).unwrap();
    assert_eq!(
        log.values(),
        [r#"{"t":1700000000000,"min":1,"max":3,"mean":2,"count":2}"#]
    );
}

#[test]
fn a_clock_that_was_set_back_begins_windows_anew() {
    let mut log = Memory::new(1);
    for second in 1_000..1_003 {
        say(&mut log, "a", f64::from(second), 1.0);
    }
    for second in 0..13 {
        say(&mut log, "a", f64::from(second), 3.0);
    }
    log.run(ten_seconds(), Run::whole()).unwrap();
    assert_eq!(
        log.values(),
        [
            r#"{"t":1700001000000,"min":1,"max":1,"mean":1,"count":3}"#,
            r#"{"t":1700000000000,"min":3,"max":3,"mean":3,"count":10}"#,
        ]
    );
}

#[test]
fn bad_input_is_counted_and_ends_nothing() {
    let mut log = log(&[("a", 0.0, 1.0)]);
    let t = BEGIN_MS;
    log.say(0, "a", t, "hello");
    log.say(0, "a", t, &b"\xff"[..]);
    log.say(0, "a", t, "NaN");
    log.say(0, "a", 1_515_685_219_200_000, "5");
    log.say(0, &"k".repeat(1 << 20), t, "5");
    say(&mut log, "a", 12.0, 1.0);
    let summary = log.run(ten_seconds(), Run::whole()).unwrap();
    assert_eq!(summary.passed_over.values().sum::<u64>(), 5);
    assert_eq!(log.values().len(), 1);
}

#[test]
fn a_million_keys_take_bounded_room() {
    let mut log = Memory::new(1);
    for at in 0..1_000_000 {
        let t = BEGIN_MS + at / 100;
        log.say(0, &format!("sensor-{at}"), t, "5");
    }
    let how = Run {
        batch: 1_000,
        ..Run::whole()
    };
    let summary = log.run(ten_seconds(), how).unwrap();
    assert!(summary.forgotten > 800_000, "{}", summary.forgotten);
}

proptest! {
    #[test]
    fn no_window_is_lost_or_doubled_whenever_it_is_killed(
        partitions in 1_usize..4,
        records in prop::collection::vec((any::<u8>(), 0_usize..3, 0_u16..9_000, 0_u16..6_000, any::<i16>()), 1..80),
        kills in prop::collection::vec((0_u64..6, 0_usize..8, any::<u64>()), 1..6),
    ) {
        let mut log = Memory::new(partitions);
        let mut now_ms = BEGIN_MS;
        for (partition, key, step_ms, back_ms, value) in &records {
            now_ms += i64::from(*step_ms);
            let t = now_ms - i64::from(*back_ms);
            let partition = usize::from(*partition) % partitions;
            log.say(partition, ["a", "b", "c"][*key], now_ms, format!("{{\"t\":{t},\"v\":{value}}}"));
        }
        let kills: Vec<Run> = kills
            .into_iter()
            .map(|(batch, killed_at, seed)| Run { batch, killed_at: Some(killed_at), seed })
            .collect();
        log.assert_exactly_once(ten_seconds(), &kills);
    }
}
