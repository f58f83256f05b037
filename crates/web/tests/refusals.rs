//! What bad input gets: a problem that names the field, on every route, and nothing for pages elsewhere.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use weir_client::NewRecord;
use world::{Camera, Got, World, jpegs};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_bad_values_by_the_name_of_the_field() {
    let world = World::start().await;
    for topic in ["cam", "pics", "words", "sensors"] {
        world.topic(topic).await;
    }
    world.publish(Camera::new("cam", 5).pictures(5)).await;
    world
        .publish(jpegs("pics", 1).into_iter().map(|(record, _)| record))
        .await;
    world
        .publish([
            NewRecord::new("words", "hello"),
            NewRecord::new("sensors", "5"),
        ])
        .await;
    let long = format!("/topics/{}/live", "x".repeat(250));
    let cases: &[(&str, u16, &str)] = &[
        // a topic that is not there, on every route that names one
        ("/topics/no/live", 404, "topic"),
        ("/topics/no/video.mjpeg", 404, "topic"),
        ("/topics/no/video.mp4", 404, "topic"),
        ("/topics/no/snapshot.jpg", 404, "topic"),
        ("/topics/no/series", 404, "topic"),
        ("/topics/no/records", 404, "topic"),
        ("/topics/no/latest", 404, "topic"),
        ("/topics/no", 404, "topic"),
        ("/topics/no/partitions", 404, "topic"),
        ("/video?topic=no", 404, "topic"),
        // names that cannot be
        ("/topics/a%20b/records", 400, "topic"),
        ("/topics/%2e%2e/records", 400, "topic"),
        ("/topics/%ff/records", 400, "topic"),
        ("/topics/a%00b/live", 400, "topic"),
        ("/video?topic=../../etc/passwd", 400, "topic"),
        (&long, 400, "topic"),
        // the wrong kind of topic for the view
        ("/topics/words/live", 400, "topic"),
        ("/topics/pics/live", 400, "topic"),
        ("/topics/sensors/video.mjpeg", 400, "topic"),
        ("/topics/words/video.mp4", 400, "topic"),
        ("/topics/pics/video.mp4", 400, "topic"),
        ("/topics/sensors/snapshot.jpg", 400, "topic"),
        ("/topics/cam/series", 400, "topic"),
        ("/topics/cam/video.mp4?from=4&to=2", 400, "to"),
        ("/topics/words/records?from=1&to=0", 400, "to"),
        ("/video?topic=words", 400, "topic"),
        // positions
        ("/topics/cam/live?from=yesterday", 400, "from"),
        ("/topics/cam/live?from=6", 400, "from"),
        ("/topics/cam/live?from=9223372036854775807", 400, "from"),
        ("/topics/cam/live?from=99999999999999999999", 400, "from"),
        ("/topics/cam/live?from=resume", 400, "group"),
        ("/topics/cam/video.mp4?from=6", 400, "from"),
        ("/topics/cam/video.mp4?to=soon", 400, "to"),
        ("/topics/cam/video.mjpeg?from=%00", 400, "from"),
        (
            "/topics/cam/video.mjpeg?from=resume&group=%0d%0a",
            400,
            "group",
        ),
        ("/topics/pics/video.mjpeg?as=gif", 400, "as"),
        ("/topics/cam/snapshot.jpg?at=resume", 400, "at"),
        ("/topics/cam/snapshot.jpg?at=99", 400, "at"),
        ("/topics/cam/snapshot.jpg?width=0", 400, "width"),
        ("/topics/cam/snapshot.jpg?width=abc", 400, "width"),
        ("/topics/cam/snapshot.jpg?width=1921", 400, "width"),
        ("/topics/cam/snapshot.jpg?near=x", 400, "near"),
        ("/topics/words/records?from=7", 400, "from"),
        ("/topics/words/records?to=NaN", 400, "to"),
        ("/topics/words/records?limit=0", 400, "limit"),
        ("/topics/words/records?limit=-1", 400, "limit"),
        ("/topics/words/records?limit=1e3", 400, "limit"),
        ("/topics/words/records?full=perhaps", 400, "full"),
        ("/topics/words/records?partition=1", 404, "partition"),
        ("/topics/words/records?partition=-1", 400, "partition"),
        ("/topics/sensors/series?window=0s", 400, "window"),
        ("/topics/sensors/series?window=1e99d", 400, "window"),
        ("/topics/sensors/series?from=never", 400, "from"),
        ("/topics/sensors/series?columns=0", 400, "columns"),
        ("/topics/sensors/series?columns=4097", 400, "columns"),
        ("/topics/sensors/series?format=xml", 400, "format"),
        ("/topics/sensors/series?from=1&to=0", 400, "to"),
        ("/topics/words/latest?limit=100000000000", 400, "limit"),
        // WebSockets asked for with HTTP
        ("/topics/cam/live", 426, "Upgrade"),
    ];
    for (path, status, field) in cases {
        world.get(path).await.refuses(*status, field);
    }
    // A refused WebSocket says why in its only event.
    for (path, field) in [
        ("/topics/no/live", "topic"),
        ("/topics/pics/live", "topic"),
        ("/topics/cam/live?from=6", "from"),
        ("/topics/sensors/series?window=x", "window"),
        ("/topics/sensors/series?columns=-1", "columns"),
        ("/topics/sensors/series?to=5", "to"),
    ] {
        let mut socket = world.socket(path).await;
        let error = socket.text("error").await;
        assert_eq!(error["problem"]["field"], field, "{path}: {error}");
        assert_eq!(socket.next().await, Got::Closed);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_is_checked_before_anything_is_sent() {
    let world = World::start().await;
    world.topic("t").await;
    let json = "application/vnd.kafka.json.v2+json";
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        (
            "/topics/no",
            json,
            br#"{"records":[{"value":1}]}"#,
            404,
            "topic",
        ),
        ("/topics/t", json, b"{", 400, "records"),
        ("/topics/t", json, br#"{"records":[]}"#, 400, "records"),
        (
            "/topics/t",
            json,
            br#"{"records":[{"partition":9,"value":1}]}"#,
            404,
            "partition",
        ),
        ("/topics/t", "text/html", b"", 415, "Content-Type"),
        ("/ingest/no", "text/plain", b"x", 404, "topic"),
        ("/ingest/a b".trim(), "text/plain", b"x", 400, "topic"),
        ("/ingest/t", "application/json", b"{", 400, "body"),
        (
            "/ingest/t",
            "application/x-ndjson",
            b"{}\nnope\n",
            400,
            "line 2",
        ),
        ("/ingest/t", "image/png", b"x", 415, "Content-Type"),
    ];
    for (path, kind, body, status, field) in cases {
        let path = path.replace(' ', "%20");
        let headers = [("content-type", *kind)];
        let answer = world.ask("POST", &path, &headers, body.to_vec()).await;
        answer.refuses(*status, field);
    }
    let marks = world.kafka.watermarks("t").await.unwrap();
    assert_eq!(marks[0].end, 0, "nothing of a refused body is in the log");
    let text = [("content-type", "text/plain")];
    let too_long = world
        .ask("POST", "/ingest/t", &text, vec![b'x'; 3 << 20])
        .await;
    assert_eq!(
        (too_long.status, too_long.kind.as_str()),
        (413, "application/problem+json")
    );
    let wrong = world.ask("POST", "/overview", &text, Vec::new()).await;
    assert_eq!(
        (wrong.status, wrong.kind.as_str()),
        (405, "application/problem+json")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_gets_nothing() {
    let world = World::start().await;
    world.topic("t").await;
    let foreign = [("host", "evil.example")];
    world
        .ask("GET", "/topics", &foreign, Vec::new())
        .await
        .refuses(403, "Host");
    world
        .ask("GET", "/", &foreign, Vec::new())
        .await
        .refuses(403, "Host");
    let named = [("host", "cam.lan")];
    assert_eq!(
        world.ask("GET", "/topics", &named, Vec::new()).await.status,
        200
    );
    let post = [
        ("origin", "http://evil.example"),
        ("content-type", "text/plain"),
    ];
    world
        .ask("POST", "/ingest/t", &post, b"x".to_vec())
        .await
        .refuses(403, "Origin");
    let embedded = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    let answer = world
        .ask("GET", "/topics/t/snapshot.jpg", &embedded, Vec::new())
        .await;
    answer.refuses(403, "Sec-Fetch-Site");

    let url = format!("ws://{}/topics/t/series", world.web);
    let mut request = url.into_client_request().unwrap();
    let origin = "http://evil.example".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers_and_the_page_is_there() {
    let world = World::start().await;
    for path in ["/", "/t/cam", "/overview", "/nothing-here"] {
        let answer = world.get(path).await;
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'self'"),
            "{path}"
        );
    }
    let page = world.get("/t/cam").await;
    assert_eq!(
        (page.status, page.kind.as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(world.get("/nothing-here").await.status, 404);
    world.end().await;
}
