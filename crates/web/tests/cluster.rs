//! `GET /cluster` of the embedded broker: what it is, and what is told when it goes and comes.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use serde_json::json;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_is_one_that_leads_everything() {
    let world = World::start().await;
    world.topic("cam").await;
    let answer = world
        .read_until("/cluster", &[("accept", "text/event-stream")], |body| {
            let events = world::events(body);
            events.last().is_some_and(|now| {
                let cam = &now["topics"][0];
                cam["topic"] == "cam" && !cam["min_in_sync"].is_null()
            })
        })
        .await;
    let now = answer.events().pop().unwrap();
    assert_eq!(now["embedded"], true);
    assert_eq!(now["controller"], 0);
    assert_eq!(now["kafka"]["state"], "connected");
    let broker = &now["brokers"][0];
    assert_eq!((&broker["id"], &broker["state"]), (&json!(0), &json!("up")));
    assert_eq!(broker["leads"], broker["replicas"]);
    assert_eq!(
        now["topics"][0]["partitions"],
        json!([{"partition": 0, "leader": 0, "replicas": [0], "in_sync": [0], "state": "fine"}])
    );
    assert_eq!(now["topics"][0]["min_in_sync"], 1);
    assert_eq!(now["partitions"]["under_replicated"], 0);
    assert_eq!(
        world.json("/cluster").await["cluster_id"],
        now["cluster_id"]
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_stands_in_the_events() {
    let mut world = World::start().await;
    world.topic("cam").await;
    world.json("/cluster").await;
    world.stop_broker().await;
    let told = |what: &'static str| {
        move |body: &[u8]| {
            let events = world::events(body);
            events.last().is_some_and(|now| {
                let events = now["events"].as_array().unwrap();
                events.iter().any(|event| event["what"]["kind"] == what)
            })
        }
    };
    let accept = &[("accept", "text/event-stream")];
    let away = world.read_until("/cluster", accept, told("away")).await;
    let now = away.events().pop().unwrap();
    assert_eq!(now["kafka"]["state"], "disconnected");
    assert_eq!(now["brokers"][0]["id"], 0, "what was seen last stays");
    world.restart_broker().await;
    let back = world.read_until("/cluster", accept, told("answers")).await;
    let now = back.events().pop().unwrap();
    assert_eq!(now["kafka"]["state"], "connected");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_goes_there_gets_the_page() {
    let world = World::start().await;
    let html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let page = world.ask("GET", "/cluster", &html, Vec::new()).await;
    assert_eq!(
        (page.status, page.header("vary")),
        (200, "accept, accept-encoding")
    );
    assert!(page.kind.starts_with("text/html"), "{}", page.kind);
    let json = world.get("/cluster").await;
    assert_eq!(json.kind, "application/json");
    world.end().await;
}
