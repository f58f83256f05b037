//! Producers combined over a log in memory.

#![allow(clippy::float_cmp, reason = "small whole numbers are exact")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::memory::{Memory, Run, kills};

/// An instant that every second of event time is told from.
const BEGIN_S: f64 = 1_700_000_000.0;

fn all() -> impl Fn(usize) -> Combined {
    |partitions| Combined::new(&Combine::new("t", "r"), partitions)
}

fn named(keys: &[&str]) -> impl Fn(usize) -> Combined {
    let options = Combine {
        keys: Some(keys.iter().map(|&key| key.to_owned()).collect()),
        ..Combine::new("t", "r")
    };
    move |partitions| Combined::new(&options, partitions)
}

/// A log of `(producer, seconds since the beginning, value)`, each said when it was made.
fn log(records: &[(&str, f64, f64)]) -> Memory {
    let mut log = Memory::new(1);
    for (key, t_s, value) in records {
        say(&mut log, key, *t_s, *value);
    }
    log
}

fn say(log: &mut Memory, key: &str, t_s: f64, value: f64) {
    let t_s = BEGIN_S + t_s;
    let text = format!("{{\"t\":{t_s},\"count\":{value}}}");
    log.say(0, key, (t_s * 1e3) as i64, text);
}

/// Each result's second since the beginning, average, and who is missing.
fn instants(log: &Memory) -> Vec<(f64, f64, Vec<String>)> {
    let values = log.values();
    let parsed = values.iter().map(|value| {
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let missing = value["missing"].as_array().cloned().unwrap_or_default();
        let missing = missing.iter().map(|name| name.as_str().unwrap().to_owned());
        (
            value["t"].as_f64().unwrap() / 1e3 - BEGIN_S,
            value["average"].as_f64().unwrap(),
            missing.collect(),
        )
    });
    parsed.collect()
}

fn seconds(log: &Memory) -> Vec<f64> {
    instants(log).iter().map(|instant| instant.0).collect()
}

#[test]
fn at_each_instant_stands_each_producers_last_value_and_the_average() {
    let log = log(&[
        ("a", 0.9, 1.0),
        ("b", 0.95, 4.0),
        ("c", 1.0, 7.0),
        ("a", 1.9, 2.0),
        ("b", 1.95, 5.0),
        ("c", 2.0, 8.0),
        ("a", 2.9, 3.0),
        ("b", 2.95, 6.0),
        ("c", 3.0, 9.0),
        ("a", 3.9, 0.0),
        ("b", 3.95, 0.0),
    ]);
    log.run(named(&["a", "b", "c"]), Run::whole()).unwrap();
    assert_eq!(
        log.values(),
        [
            r#"{"t":1700000001000,"average":4,"a":1,"b":4,"c":7,"producers":3}"#,
            r#"{"t":1700000002000,"average":5,"a":2,"b":5,"c":8,"producers":3}"#,
            r#"{"t":1700000003000,"average":6,"a":3,"b":6,"c":9,"producers":3}"#,
        ]
    );
    assert!(log.results()[0].iter().all(|(key, _)| key == "average"));
}

#[test]
fn without_names_the_first_instants_wait_until_all_who_are_there_can_be_known() {
    let log = log(&[
        ("a", 1.0, 1.0),
        ("a", 2.0, 1.0),
        ("b", 0.5, 3.0),
        ("b", 2.0, 3.0),
        ("a", 3.1, 1.0),
        ("b", 3.1, 3.0),
    ]);
    log.run(all(), Run::whole()).unwrap();
    assert_eq!(
        instants(&log),
        [(1.0, 2.0, vec![]), (2.0, 2.0, vec![]), (3.0, 2.0, vec![])]
    );
}

#[test]
fn a_producer_that_is_late_is_waited_for_as_long_as_late_says_then_it_is_missing() {
    let mut log = log(&[("a", 1.0, 1.0), ("b", 1.0, 3.0), ("a", 2.0, 1.0)]);
    // b's value at 1 s is not too old for 2 s, so it stands in once b is no longer waited for.
    for t_s in [3.0, 3.9] {
        say(&mut log, "a", t_s, 1.0);
    }
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    assert_eq!(seconds(&log), [1.0]);
    say(&mut log, "a", 4.0, 1.0);
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    assert_eq!(instants(&log)[1..], [(2.0, 2.0, vec![])]);
    // What comes now for 2 s is late, and counts from 3 s on.
    say(&mut log, "b", 1.9, 5.0);
    say(&mut log, "b", 4.0, 7.0);
    let summary = log.run(named(&["a", "b"]), Run::whole()).unwrap();
    assert_eq!(summary.passed_over["late"], 1);
    assert_eq!(
        instants(&log)[2..],
        [(3.0, 3.0, vec![]), (4.0, 4.0, vec![])]
    );
}

#[test]
fn a_producer_that_is_silent_is_missing_and_not_waited_for() {
    let mut log = log(&[("a", 1.0, 1.0), ("b", 1.0, 3.0)]);
    for second in 2..=20 {
        say(&mut log, "a", f64::from(second), 1.0);
    }
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    let given = instants(&log);
    assert_eq!(given[0], (1.0, 2.0, vec![]));
    assert_eq!(given[10], (11.0, 2.0, vec![]));
    assert_eq!(given[11], (12.0, 1.0, vec!["b".to_owned()]));
    // Nobody but a is there: its newest instant is given out at once.
    assert_eq!(given.last().unwrap().0, 20.0);
    for (key, t_s) in [("b", 20.5), ("a", 20.8), ("b", 21.0), ("a", 21.0)] {
        say(&mut log, key, t_s, 3.0);
    }
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    assert_eq!(instants(&log).last().unwrap(), &(21.0, 3.0, vec![]));
}

#[test]
fn a_producer_that_is_named_and_never_came_is_missing_and_always_late() {
    let mut log = Memory::new(1);
    for second in 1..=20 {
        say(&mut log, "a", f64::from(second), 1.0);
    }
    log.run(named(&["a", "c"]), Run::whole()).unwrap();
    let expected: Vec<_> = (1..=18)
        .map(|second| (f64::from(second), 1.0, vec!["c".to_owned()]))
        .collect();
    assert_eq!(instants(&log), expected);
}

#[test]
fn producers_that_were_not_named_are_left_out() {
    let log = log(&[
        ("x", 1.0, 100.0),
        ("a", 1.0, 1.0),
        ("x", 2.0, 100.0),
        ("a", 2.0, 1.0),
    ]);
    let summary = log.run(named(&["a"]), Run::whole()).unwrap();
    assert_eq!(instants(&log), [(1.0, 1.0, vec![]), (2.0, 1.0, vec![])]);
    assert!(summary.passed_over.is_empty());
}

#[test]
fn instants_at_which_nobody_has_a_value_are_not_given_out() {
    let mut log = log(&[("a", 1.0, 1.0), ("a", 2.0, 1.0)]);
    say(&mut log, "a", 100_000.0, 1.0);
    say(&mut log, "a", 100_001.0, 1.0);
    log.run(named(&["a"]), Run::whole()).unwrap();
    let mut expected: Vec<f64> = (1..=12).map(f64::from).collect();
    expected.extend([100_000.0, 100_001.0]);
    assert_eq!(seconds(&log), expected);
}

#[test]
fn a_single_wrong_time_moves_no_instant() {
    let mut log = Memory::new(1);
    for second in 1..=10 {
        let t_s = f64::from(second);
        say(&mut log, "a", t_s, 1.0);
        if second == 5 {
            // Said now, made a day ahead; and a day ago.
            for wrong_s in [86_400.0, -86_400.0] {
                let text = format!("{{\"t\":{},\"count\":9}}", BEGIN_S + wrong_s);
                log.say(0, "b", (BEGIN_S as i64 + 5) * 1_000, text);
                say(&mut log, "b", t_s, 3.0);
            }
        } else {
            say(&mut log, "b", t_s, 3.0);
        }
    }
    let summary = log.run(named(&["a", "b"]), Run::whole()).unwrap();
    let expected: Vec<_> = (1..=10)
        .map(|second| (f64::from(second), 2.0, vec![]))
        .collect();
    assert_eq!(instants(&log), expected);
    assert_eq!(summary.passed_over["a time far from its neighbours"], 2);
}

#[test]
fn when_all_clocks_are_set_back_the_instants_go_back_with_them() {
    let mut log = Memory::new(1);
    for second in 1_000..=1_005 {
        say(&mut log, "a", f64::from(second), 1.0);
        say(&mut log, "b", f64::from(second), 3.0);
    }
    for second in 1..=5 {
        say(&mut log, "a", f64::from(second), 2.0);
        say(&mut log, "b", f64::from(second), 4.0);
    }
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    let given = seconds(&log);
    assert_eq!(given[..6], [1000.0, 1001.0, 1002.0, 1003.0, 1004.0, 1005.0]);
    assert_eq!(given[given.len() - 3..], [3.0, 4.0, 5.0]);
    assert_eq!(instants(&log).last().unwrap().1, 3.0);
}

#[test]
fn fast_producers_take_no_more_room_than_slow_ones() {
    let mut calculation = all()(1);
    let mut outcomes = Vec::new();
    let progress: Arc<dyn Progress> = Arc::new(crate::Silent);
    let mut tally = Tally::new(progress, Arc::new(SystemClock::new()));
    let mut log = Memory::new(1);
    for at in 0..100_000 {
        say(&mut log, "a", f64::from(at) / 1e4, 1.0);
    }
    for record in &log.input[0] {
        let sample = Sample::read(record).unwrap();
        calculation.take(&sample, true, &mut tally, &mut outcomes);
        assert!(calculation.grid.held() <= 4);
    }
    assert_eq!(outcomes.len(), 10);
}

#[test]
fn more_producers_than_are_told_apart_are_passed_over_and_the_first_stay() {
    let mut log = Memory::new(1);
    for at in 0..50_000 {
        say(&mut log, &format!("sensor-{at}"), 0.0, 1.0);
    }
    say(&mut log, "sensor-0", 5.0, 1.0);
    let how = Run {
        batch: 1_000,
        ..Run::whole()
    };
    let summary = log.run(all(), how).unwrap();
    assert_eq!(summary.passed_over["more than 250 producers"], 49_750);
    let results = log.values();
    assert!(results[0].contains("\"producers\":250"), "{}", results[0]);
    assert!(weir_media::numbers::parse(results[0].as_bytes()).is_ok());
}

#[test]
fn a_new_producer_takes_the_place_of_one_that_has_been_silent_for_longest() {
    let mut log = Memory::new(1);
    for at in 0..MAX_PRODUCERS {
        say(&mut log, &format!("sensor-{at:03}"), at as f64 / 1e3, 1.0);
    }
    for (key, t_s) in [
        ("sensor-100", 11.0),
        ("new", 11.5),
        ("new", 13.0),
        ("sensor-100", 13.0),
    ] {
        say(&mut log, key, t_s, 1.0);
    }
    let summary = log.run(all(), Run::whole()).unwrap();
    assert_eq!(summary.forgotten, 1);
    assert!(summary.passed_over.is_empty(), "{summary:?}");
    let last = log.values().pop().unwrap();
    assert!(
        last.contains("\"new\":1") && !last.contains("sensor-000"),
        "{last}"
    );
}

#[test]
fn records_without_key_are_producers_by_the_names_of_their_members() {
    let mut log = Memory::new(1);
    let t = 1_700_000_001_000;
    for at in 0..2 {
        let t = t + 1_000 * at;
        log.say(
            0,
            "",
            t,
            format!("{{'timestamp': {}, 'a': 1, 'b': 3}}", t / 1_000),
        );
    }
    log.run(named(&["a", "b"]), Run::whole()).unwrap();
    assert_eq!(
        log.values()[0],
        r#"{"t":1700000001000,"average":2,"a":1,"b":3,"producers":2}"#
    );
}

#[test]
fn names_that_are_no_text_or_are_those_of_every_result_are_told_apart() {
    let mut log = Memory::new(1);
    for key in [&b"t"[..], b"average", b"\xff\x00", b"a\"b"] {
        log.say(0, "x", 1_700_000_001_000, "1");
        log.input[0].last_mut().unwrap().key = Some(Bytes::copy_from_slice(key));
    }
    say(&mut log, "late", 5.0, 2.0);
    log.run(all(), Run::whole()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&log.values()[0]).unwrap();
    for name in ["t_", "average_", "0xff00", "a\"b"] {
        assert_eq!(value[name], 1, "{value}");
    }
    assert_eq!(value["t"], 1_700_000_001_000_u64);
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let options = || Combine::new("t", "r");
    for (combine, option) in [
        (
            Combine {
                every: Duration::ZERO,
                ..options()
            },
            "--every",
        ),
        (
            Combine {
                every: Duration::from_micros(1_500),
                ..options()
            },
            "--every",
        ),
        (
            Combine {
                silent: Duration::from_hours(24),
                ..options()
            },
            "--every",
        ),
        (
            Combine {
                silent: Duration::from_millis(10),
                ..options()
            },
            "--silent",
        ),
        (
            Combine {
                keys: Some(Vec::new()),
                ..options()
            },
            "--keys",
        ),
    ] {
        let error = combine.check().unwrap_err().to_string();
        assert!(error.starts_with(option), "{error}");
    }
    assert!(options().check().is_ok());
}

#[test]
fn after_a_restart_no_instant_is_passed_over_before_all_producers_are_known_again() {
    let log = log(&[
        ("c", 0.037, 1.0),
        ("c", 0.433, 1.0),
        ("a", 0.999, 1.0),
        ("c", 2.926, 1.0),
        ("c", 2.0, 1.0),
        ("a", 1.999, 1.0),
        ("a", 4.412, 1.0),
    ]);
    let killed = Run {
        killed_at: Some(1),
        ..Run::whole()
    };
    // Whatever the killed write leaves.
    for seed in 0..20 {
        log.anew()
            .assert_exactly_once(all(), &[Run { seed, ..killed }]);
    }
}

#[test]
fn a_partition_that_is_left_behind_over_a_restart_is_no_clock_that_was_set_back() {
    let mut log = Memory::new(3);
    for at in 0..33_i64 {
        for partition in 0..3 {
            let t = 1_700_000_000_000 + 500 * at;
            log.say(partition, ["a", "b", "c"][partition], t, "5");
        }
    }
    for (batch, killed_at, seed) in [
        (0, 9, 12_886_690_327_493_528_269),
        (2, 4, 14_231_129_155_708_438_400),
        (0, 0, 11_665_633_425_816_389_837),
        (0, 0, 15_882_625_456_595_005_138),
    ] {
        let kill = Run {
            batch,
            killed_at: Some(killed_at),
            seed,
        };
        drop(log.run(all(), kill));
    }
    log.run(all(), Run::whole()).unwrap();
    let given = seconds(&log);
    assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
}

proptest! {
    #[test]
    fn no_instant_is_lost_or_doubled_whenever_it_is_killed(
        records in prop::collection::vec((0_usize..3, 0_u16..3_000, 0_u16..4_000, 0_i16..100), 1..80),
        kills in kills(),
    ) {
        let mut log = Memory::new(1);
        let mut now_ms = 0_u32;
        for (producer, step_ms, back_ms, value) in &records {
            now_ms += u32::from(*step_ms);
            let t_s = (f64::from(now_ms) - f64::from(*back_ms)) / 1e3;
            say(&mut log, ["a", "b", "c"][*producer], t_s, f64::from(*value));
        }
        log.assert_exactly_once(all(), &kills);
        log.anew().assert_exactly_once(named(&["a", "b"]), &kills);
    }

    #[test]
    fn over_several_partitions_each_instant_comes_once_and_in_order_however_they_interleave(
        count in 2_usize..40,
        kills in kills(),
    ) {
        let mut log = Memory::new(3);
        for at in 0..count {
            for partition in 0..3 {
                let t = 1_700_000_000_000 + 500 * at as i64;
                log.say(partition, ["a", "b", "c"][partition], t, "5");
            }
        }
        for kill in &kills {
            drop(log.run(all(), *kill));
        }
        log.run(all(), Run::whole()).unwrap();
        let given = seconds(&log);
        prop_assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
        let whole = (count - 1) / 2;
        prop_assert!(given.len() >= whole.saturating_sub(2), "{given:?} of {count}");
    }
}
