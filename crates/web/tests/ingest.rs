//! Posting to `/ingest`: how much, how often, and by whose pages.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use serde_json::Value;
use weir_base::units::Rate;
use weir_web::{IngestLimits, Limits};
use world::{Answer, World};

const TEXT: (&str, &str) = ("content-type", "text/plain");
const SHOP: (&str, &str) = ("origin", "http://shop.example");

async fn world(ingest: IngestLimits) -> World {
    let world = World::of(Limits::default(), ingest).await;
    world.topic("clicks").await;
    world
}

async fn post(world: &World, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    world.ask("POST", "/ingest/clicks", headers, body).await
}

async fn records(world: &World) -> i64 {
    world.kafka.watermarks("clicks").await.unwrap()[0].end
}

fn remedy(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    problem["remedy"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_gets_413_with_the_limit_and_the_option_and_is_read_to_its_end() {
    let world = world(IngestLimits {
        max_bytes: 10_000,
        ..IngestLimits::default()
    })
    .await;
    for len_bytes in [10_001, 3 << 20] {
        let refused = post(&world, &[TEXT], vec![b'x'; len_bytes]).await;
        refused.refuses(413, "ingest-max-bytes");
        assert!(refused.text().contains("10 kB"), "{}", refused.text());
        assert!(remedy(&refused).contains("--ingest-max-bytes"));
    }
    assert_eq!(post(&world, &[TEXT], vec![b'x'; 10_000]).await.status, 204);
    assert_eq!(records(&world).await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_posts_too_often_gets_429_with_the_time_to_wait_and_the_option() {
    let slow = Rate {
        per_second: 1.0 / 3_600.0,
    };
    for (limits, option) in [
        (
            IngestLimits {
                rate: slow,
                ..IngestLimits::default()
            },
            "ingest-rate",
        ),
        (
            IngestLimits {
                rate_total: slow,
                ..IngestLimits::default()
            },
            "ingest-rate-total",
        ),
    ] {
        let world = world(limits).await;
        assert_eq!(post(&world, &[TEXT], b"1".to_vec()).await.status, 204);
        let refused = post(&world, &[TEXT], vec![b'x'; 3 << 20]).await;
        refused.refuses(429, option);
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((3_500..=3_600).contains(&wait), "{wait}");
        assert!(remedy(&refused).contains(&format!("--{option} ")));
        assert_eq!(records(&world).await, 1);
        assert_eq!(world.metric("weir_web_ingest_limited_total").await, 1);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_named_origin_may_post_and_nothing_else() {
    let world = world(IngestLimits {
        allowed_origins: vec!["http://shop.example".parse().unwrap()],
        ..IngestLimits::default()
    })
    .await;
    let cross = ("sec-fetch-site", "cross-site");
    let preflight = [SHOP, cross, ("access-control-request-method", "POST")];
    let may = world
        .ask("OPTIONS", "/ingest/clicks", &preflight, Vec::new())
        .await;
    assert_eq!(may.status, 204, "{}", may.text());
    assert_eq!(
        may.header("access-control-allow-origin"),
        "http://shop.example"
    );
    assert_eq!(may.header("access-control-allow-methods"), "POST");
    assert_eq!(may.header("access-control-allow-headers"), "Content-Type");
    assert_eq!(may.header("access-control-allow-credentials"), "true");
    assert_eq!(may.header("vary"), "Origin");

    let posted = post(&world, &[SHOP, cross, TEXT], b"click".to_vec()).await;
    assert_eq!(posted.status, 204, "{}", posted.text());
    assert_eq!(
        posted.header("access-control-allow-origin"),
        "http://shop.example"
    );
    // What is wrong with it the page may read too.
    let wrong = post(&world, &[SHOP, cross, ("content-type", "a/b")], Vec::new()).await;
    wrong.refuses(415, "Content-Type");
    assert_eq!(
        wrong.header("access-control-allow-origin"),
        "http://shop.example"
    );

    for (method, path) in [
        ("GET", "/topics/clicks/records"),
        ("POST", "/topics/clicks"),
        ("OPTIONS", "/topics/clicks"),
    ] {
        let refused = world
            .ask(method, path, &[SHOP, cross, TEXT], Vec::new())
            .await;
        refused.refuses(
            403,
            if method == "POST" {
                "Origin"
            } else {
                "Sec-Fetch-Site"
            },
        );
        assert_eq!(refused.header("access-control-allow-origin"), "");
    }
    let other = [("origin", "http://other.example"), TEXT];
    let refused = post(&world, &other, b"x".to_vec()).await;
    refused.refuses(403, "Origin");
    assert!(
        remedy(&refused).contains("--allow-origin"),
        "{}",
        refused.text()
    );
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let host = [SHOP, TEXT, ("host", "evil.example")];
    post(&world, &host, b"x".to_vec())
        .await
        .refuses(403, "Host");
    assert_eq!(records(&world).await, 1);
    world.end().await;
}
