//! Overview, series, records, newest values, and records posted over HTTP.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use serde_json::json;
use weir_base::time::Timestamp;
use weir_client::{NewRecord, TopicSpec};
use world::{Camera, Got, World, events};

const SSE: &[(&str, &str)] = &[("accept", "text/event-stream")];

fn now_ms() -> i64 {
    use weir_base::time::Clock as _;
    weir_base::time::SystemClock::new().now().0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_what_each_topic_holds() {
    let world = World::start().await;
    for topic in ["cam", "sensors", "words", "blobs", "nothing"] {
        world.topic(topic).await;
    }
    world.publish(Camera::new("cam", 10).pictures(3)).await;
    world
        .publish([
            NewRecord::new("sensors", r#"{"t":1,"v":2.5}"#).timestamp(Timestamp(5_000)),
            NewRecord::new("words", "hello world"),
            NewRecord::new("blobs", vec![0_u8, 255, 1]),
        ])
        .await;
    let kinds = |overview: &serde_json::Value| {
        let topics = overview["topics"].as_array().unwrap().clone();
        topics
            .into_iter()
            .map(|t| (t["name"].as_str().unwrap().to_owned(), t["kind"].clone(), t))
            .collect::<Vec<_>>()
    };
    let want = [
        ("blobs", "binary"),
        ("cam", "video"),
        ("nothing", "empty"),
        ("sensors", "numbers"),
        ("words", "text"),
    ];
    let found = loop {
        let overview = world.json("/overview").await;
        assert_eq!(overview["kafka"]["state"], "connected");
        let kinds = kinds(&overview);
        let settled = want
            .iter()
            .all(|(name, kind)| kinds.iter().any(|(n, k, _)| n == name && k == kind));
        if settled {
            break kinds;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let cam = &found.iter().find(|(name, ..)| name == "cam").unwrap().2;
    assert_eq!(cam["content_type"], "video/h264");
    assert_eq!(
        (&cam["records"], &cam["partitions"]),
        (&json!(3), &json!(1))
    );
    let sensors = &found.iter().find(|(name, ..)| name == "sensors").unwrap().2;
    assert!(sensors["size_bytes_estimate"].as_f64().unwrap() > 10.0);

    let looks = world
        .read_until("/overview", SSE, |bytes| events(bytes).len() >= 3)
        .await;
    assert_eq!(looks.kind, "text/event-stream");
    assert!(looks.events()[2]["topics"].as_array().unwrap().len() >= 5);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_begins_with_its_window_and_goes_on_as_records_come() {
    let world = World::start().await;
    world.topic("sensors").await;
    let reading = |sensor: &'static str, count: u32, at: i64| {
        NewRecord::new("sensors", format!(r#"{{"count":{count}}}"#))
            .key(sensor)
            .timestamp(Timestamp(at))
    };
    let now = now_ms();
    world
        .publish([
            reading("s1", 1, now - 120_000),
            reading("s1", 2, now - 5_000),
            reading("s2", 3, now - 4_000),
            NewRecord::new("sensors", "no number").timestamp(Timestamp(now - 3_000)),
        ])
        .await;
    let mut socket = world.socket("/topics/sensors/series?window=60s").await;
    let past = socket.text("columns").await;
    assert_eq!(past["passed_over"], 1);
    let named = |name: &str| {
        let series = past["series"].as_array().unwrap().clone();
        series.into_iter().find(|s| s["name"] == name).unwrap()
    };
    assert_eq!(named("s1")["v"], json!([2.0]));
    assert_eq!(named("s1")["t_ms"], json!([(now - 5_000) as f64]));
    assert_eq!(named("s2")["offset"], json!([2]));
    socket.text("live").await;
    world.publish([reading("s1", 4, now)]).await;
    let fresh = socket.text("columns").await;
    assert_eq!(fresh["series"][0]["v"], json!([4.0]));
    assert!(fresh["series"][0]["arrival_ms"][0].as_f64().unwrap() >= now as f64);

    let same = world
        .read_until("/topics/sensors/series?window=1h", SSE, |bytes| {
            events(bytes).len() >= 2
        })
        .await;
    let first = &same.events()[0];
    assert_eq!(first["type"], "columns");
    assert_eq!(first["series"][0]["v"], json!([1.0, 2.0, 4.0]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_as_events_with_their_ids_and_end_at_the_limit() {
    let world = World::start().await;
    world.topic("t").await;
    let records = (0..10).map(|n| {
        NewRecord::new("t", format!("line {n}"))
            .key("k")
            .header("h", "v")
            .timestamp(Timestamp(1_000 + n))
    });
    world.publish(records).await;
    world
        .publish([NewRecord::new("t", vec![0xff_u8; 5_000])])
        .await;

    let answer = world.get("/topics/t/records?from=start&limit=3").await;
    assert!(answer.text().contains("id: 0:2\n"), "{}", answer.text());
    let all = answer.events();
    assert_eq!(all.len(), 4);
    let want = json!({
        "type": "record", "partition": 0, "offset": 1, "timestamp_ms": 1_001,
        "key": {"encoding": "utf-8", "text": "k"},
        "headers": [{"name": "h", "value": {"encoding": "utf-8", "text": "v"}}],
        "value": {"encoding": "utf-8", "text": "line 1"}, "value_len_bytes": 6, "truncated": false,
    });
    assert_eq!(all[1], want);
    assert_eq!(all[3], json!({"type": "end", "records": 3}));

    let offsets = |events: Vec<serde_json::Value>| -> Vec<i64> {
        events.iter().filter_map(|e| e["offset"].as_i64()).collect()
    };
    for (query, headers, want) in [
        ("from=-2&limit=2", &[][..], vec![9, 10]),
        ("from=4&to=7", &[], vec![4, 5, 6]),
        ("from=1970-01-01T00:00:01.008Z&limit=2", &[], vec![8, 9]),
        (
            "from=start&limit=2",
            &[("last-event-id", "0:4")],
            vec![5, 6],
        ),
    ] {
        let path = format!("/topics/t/records?{query}");
        let answer = world.ask("GET", &path, headers, Vec::new()).await;
        assert_eq!(offsets(answer.events()), want, "{query}");
    }
    let cut = world
        .get("/topics/t/records?from=10&limit=1")
        .await
        .events();
    assert_eq!(cut[0]["truncated"], true);
    assert_eq!(cut[0]["value"]["encoding"], "hex");
    let full = world
        .get("/topics/t/records?from=10&limit=1&full=true")
        .await
        .events();
    assert_eq!(full[0]["value"]["text"].as_str().unwrap().len(), 10_000);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_value_of_each_key_as_json_and_as_it_changes() {
    let world = World::start().await;
    world
        .topic_of(
            TopicSpec::new("counts")
                .partitions(1)
                .set("cleanup.policy", "compact"),
        )
        .await;
    let count = |word: &'static str, n: u32| {
        NewRecord::new("counts", format!(r#"{{"count":{n}}}"#)).key(word)
    };
    world
        .publish([count("the", 1), count("cat", 1), count("the", 2)])
        .await;
    let latest = world.json("/topics/counts/latest").await;
    assert_eq!(latest["values"]["the"]["value"], json!({"count": 2}));
    assert_eq!(latest["values"]["the"]["offset"], 2);
    assert_eq!(
        (&latest["keys"], &latest["truncated"]),
        (&json!(2), &json!(false))
    );
    let one = world.json("/topics/counts/latest?limit=1").await;
    assert_eq!(one["values"].as_object().unwrap().len(), 1);
    assert_eq!(one["truncated"], true);

    let reading = world.read_until("/topics/counts/latest", SSE, |bytes| {
        events(bytes).len() >= 2
    });
    let publishing = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let mut gone = count("cat", 0);
        gone.value = None;
        world.publish([gone]).await;
    };
    let (answer, ()) = tokio::join!(reading, publishing);
    let all = answer.events();
    assert_eq!(all[0]["type"], "whole");
    assert_eq!(all[1], json!({"type": "changed", "changed": {"cat": null}}));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_posted_over_http_are_in_the_log_when_the_answer_comes() {
    let world = World::start().await;
    world.topic("t").await;
    let body = br#"{"records":[{"key":"k","value":{"a":1}},{"value":2,"partition":0}]}"#;
    let json_v2 = [("content-type", "application/vnd.kafka.json.v2+json")];
    let answer = world
        .ask("POST", "/topics/t", &json_v2, body.to_vec())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let got: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(got["offsets"][1]["offset"], 1);
    let ndjson = [("content-type", "application/x-ndjson")];
    let answer = world
        .ask("POST", "/ingest/t", &ndjson, b"{}\n[]\n".to_vec())
        .await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let all = world
        .get("/topics/t/records?from=start&limit=4")
        .await
        .events();
    let values: Vec<_> = all[..4]
        .iter()
        .map(|e| e["value"]["text"].clone())
        .collect();
    assert_eq!(values, [r#"{"a":1}"#, "2", "{}", "[]"]);

    let topics = world.json("/topics").await;
    assert_eq!(topics, json!(["t"]));
    let topic = world.json("/topics/t").await;
    assert_eq!(topic["name"], "t");
    assert_eq!(topic["partitions"][0]["replicas"][0]["in_sync"], true);
    let partitions = world.json("/topics/t/partitions").await;
    assert_eq!(partitions, topic["partitions"]);
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/readyz").await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_of_a_topic_without_numbers_says_how_many_were_passed_over() {
    let world = World::start().await;
    world.topic("words").await;
    world.publish([NewRecord::new("words", "hello")]).await;
    let mut socket = world.socket("/topics/words/series?from=start").await;
    match socket.next().await {
        Got::Text(text) => assert_eq!(text["passed_over"], 1),
        other => panic!("{other:?}"),
    }
    world.end().await;
}
