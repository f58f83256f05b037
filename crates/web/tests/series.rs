//! Numbers in columns, asked for once and as they come: windows, columns of time, and what is passed over.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use serde_json::{Value, json};
use weir_base::time::Timestamp;
use weir_client::{NewRecord, TopicSpec};
use world::{World, events};

const CSV: &[(&str, &str)] = &[("accept", "text/csv, */*;q=0.1")];
const SSE: &[(&str, &str)] = &[("accept", "text/event-stream")];

fn now_ms() -> i64 {
    use weir_base::time::Clock as _;
    weir_base::time::SystemClock::new().now().0
}

fn reading(topic: &str, key: &str, value: impl std::fmt::Display, at: i64) -> NewRecord {
    NewRecord::new(topic, format!("{value}"))
        .key(key.to_owned())
        .timestamp(Timestamp(at))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_gets_the_window_up_to_now_and_then_the_end() {
    let world = World::start().await;
    world.topic("sensors").await;
    let now = now_ms();
    world
        .publish([
            reading("sensors", "a", 1, now - 120_000),
            reading("sensors", "b", r#"{"x": 2, "y": 3}"#, now - 5_000),
            reading("sensors", "a", 4, now - 4_000),
        ])
        .await;
    let answer = world.get("/topics/sensors/series").await;
    assert_eq!(answer.kind, "application/json");
    let got: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        got["series"],
        json!([
            {"name": "a", "t_ms": [(now - 4_000) as f64], "v": [4.0], "arrival_ms": [(now - 4_000) as f64], "offset": [2]},
            {"name": "b.x", "t_ms": [(now - 5_000) as f64], "v": [2.0], "arrival_ms": [(now - 5_000) as f64], "offset": [1]},
            {"name": "b.y", "t_ms": [(now - 5_000) as f64], "v": [3.0], "arrival_ms": [(now - 5_000) as f64], "offset": [1]},
        ])
    );
    assert_eq!(
        (&got["topic"], &got["passed_over"]),
        (&json!("sensors"), &json!(0))
    );
    assert_eq!(got["reasons"], json!({}));
    assert_eq!(got.get("reduced_to_columns"), None);
    let span = got["to_ms"].as_f64().unwrap() - got["from_ms"].as_f64().unwrap();
    assert!((span - 60_000.0).abs() < 1e-6, "{span}");

    let all = world
        .json("/topics/sensors/series?window=24h&series=a")
        .await;
    assert_eq!(all["series"].as_array().unwrap().len(), 1);
    assert_eq!(all["series"][0]["v"], json!([1.0, 4.0]));
    let first = world.json("/topics/sensors/series?from=0&to=1").await;
    assert_eq!(first["series"][0]["v"], json!([1.0]));
    assert_eq!(first["to_ms"], json!((now - 120_000) as f64));

    let csv = world
        .ask(
            "GET",
            "/topics/sensors/series?series=b.y&series=a",
            CSV,
            Vec::new(),
        )
        .await;
    assert!(csv.kind.starts_with("text/csv"), "{}", csv.kind);
    let at = now - 5_000;
    let later = now - 4_000;
    assert_eq!(
        csv.text(),
        format!(
            "series,t_ms,arrival_ms,offset,value\r\na,{later},{later},2,4.0\r\nb.y,{at},{at},1,3.0\r\n"
        )
    );
    let same = world
        .get("/topics/sensors/series?series=b.y&series=a&format=csv")
        .await;
    assert_eq!(same.text(), csv.text());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_the_past_has_the_records_between_two_times_of_every_partition() {
    let world = World::start().await;
    world.topic_of(TopicSpec::new("wide").partitions(3)).await;
    let start = 1_700_000_000_000;
    world
        .publish((0..300).map(|n| {
            let mut record =
                NewRecord::new("wide", n.to_string()).timestamp(Timestamp(start + n * 1_000));
            record.partition = Some((n % 3) as i32);
            record
        }))
        .await;
    let got = world
        .json("/topics/wide/series?from=2023-11-14T22:14:20Z&to=2023-11-14T22:15:20Z")
        .await;
    let want: Vec<_> = (60..120).map(f64::from).collect();
    assert_eq!(got["series"][0]["v"], json!(want), "in order of time");
    let hour = world
        .json("/topics/wide/series?window=1h&to=2023-11-14T22:13:23Z")
        .await;
    assert_eq!(hour["series"][0]["v"], json!([0.0, 1.0, 2.0]));
    assert_eq!(hour["from_ms"], json!((start - 3_597_000) as f64));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_column_of_time_the_peaks_survive_once_and_as_they_come() {
    let world = World::start().await;
    world.topic("fast").await;
    let start = now_ms() - 9_000;
    world
        .publish((0..9_000).map(|n| {
            let v = if n == 4_321 { -7 } else { n % 10 };
            reading("fast", "a", v, start + n)
        }))
        .await;
    // Nine seconds of a window of twenty: none of it leaves the window meanwhile.
    let got = world
        .json("/topics/fast/series?window=20s&columns=20")
        .await;
    assert_eq!(got["reduced_to_columns"], 20);
    let offsets = |event: &Value| -> Vec<i64> {
        let series = event["series"].as_array().unwrap();
        let all = series
            .iter()
            .flat_map(|s| s["offset"].as_array().unwrap().clone());
        all.map(|offset| offset.as_i64().unwrap()).collect()
    };
    let once = offsets(&got);
    assert!(once.len() <= 44 && once.is_sorted(), "{once:?}");
    assert!(once.contains(&4_321) && once.contains(&0) && once.contains(&8_999));

    let mut socket = world
        .socket("/topics/fast/series?window=20s&columns=20")
        .await;
    let mut past = Vec::new();
    loop {
        match socket.next().await {
            world::Got::Text(event) if event["type"] == "columns" => past.extend(offsets(&event)),
            world::Got::Text(event) if event["type"] == "live" => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(past.len() < 1_000, "{}", past.len());
    assert!(past.contains(&4_321) && past.contains(&0) && past.contains(&8_999));
    world.publish([reading("fast", "a", 5, now_ms())]).await;
    assert_eq!(offsets(&socket.text("columns").await), [9_000]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_window_begin_where_from_says() {
    let world = World::start().await;
    world.topic("old").await;
    let start = 1_700_000_000_000;
    world
        .publish((0..9_000).map(|n| reading("old", "a", n % 10, start + n)))
        .await;
    let mut socket = world
        .socket("/topics/old/series?from=2023-11-14T22:13:19.500Z&window=10s&columns=10")
        .await;
    let mut kept = Vec::new();
    loop {
        match socket.next().await {
            world::Got::Text(event) if event["type"] == "columns" => {
                kept.extend(event["series"][0]["offset"].as_array().unwrap().clone());
            }
            world::Got::Text(event) if event["type"] == "live" => break,
            other => panic!("{other:?}"),
        }
    }
    for first in (500..9_000).step_by(1_000) {
        let ends = kept.contains(&json!(first)) && kept.contains(&json!(first - 1));
        assert!(ends, "{first} begins a column: {kept:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_a_topic_is_counted_under_its_reason_and_ends_nothing() {
    let world = World::start().await;
    let any_time = ("message.timestamp.after.max.ms", "9223372036854775807");
    let mixed = TopicSpec::new("mixed").partitions(1);
    world.topic_of(mixed.set(any_time.0, any_time.1)).await;
    let now = now_ms();
    let at = |record: NewRecord| record.timestamp(Timestamp(now - 1_000));
    world
        .publish([
            reading("mixed", "a", 1, now - 2_000),
            at(NewRecord::new("mixed", vec![0xff, 0xfe])),
            at(NewRecord::new("mixed", "hello")),
            at(NewRecord::new("mixed", "NaN")),
            at(NewRecord::new("mixed", "1e999")),
            at(NewRecord::new("mixed", "5").key("k".repeat(900_000))),
            at(NewRecord::new(
                "mixed",
                r#"{"t":"1969-12-31T23:59:59Z","v":1}"#,
            )),
            NewRecord::new("mixed", "6").timestamp(Timestamp(1_515_000_000_000_000)),
            reading("mixed", "a", 2, now - 500),
            at(NewRecord::new("mixed", vec![0xff; 10])),
        ])
        .await;
    let got = world.json("/topics/mixed/series").await;
    assert_eq!(got["series"].as_array().unwrap().len(), 1, "{got}");
    assert_eq!(got["series"][0]["v"], json!([1.0, 2.0]));
    assert_eq!(got["passed_over"], 8);
    let reasons = got["reasons"].as_object().unwrap();
    let counts = reasons.values().map(|n| n.as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 8, "{reasons:?}");
    assert!(reasons.len() >= 4, "{reasons:?}");

    let live = world
        .read_until("/topics/mixed/series?series=a", SSE, |bytes| {
            events(bytes).iter().any(|event| event["type"] == "live")
        })
        .await;
    let first = &live.events()[0];
    assert_eq!(first["series"][0]["v"], json!([1.0, 2.0]));
    assert!(first["passed_over"].as_u64().unwrap() >= 4, "{first}");
    world.end().await;
}
