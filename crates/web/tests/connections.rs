//! Many and slow connections: none of them costs the others anything.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_web::Limits;
use world::{Camera, PATIENCE, World};

const AN_HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_in_time_is_hung_up_on_and_who_watches_is_not() {
    let world = World::limited(Limits {
        header_timeout: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 5);
    world.publish(camera.pictures(5)).await;
    let mut player = world.socket("/topics/cam/live").await;
    assert_eq!(player.offsets_to(4).await.len(), 5);
    for said in [
        &b""[..],
        b"GET /top",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    ] {
        let mut slow = TcpStream::connect(world.web).await.unwrap();
        slow.write_all(said).await.unwrap();
        assert!(!to_the_end(&mut slow).await.contains("200 OK"));
    }
    // Each of these took as long as the player may take to ask again, had it to.
    world.publish(camera.pictures(1)).await;
    assert_eq!(player.offset().await, 5);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_told_so_and_its_place_is_free_when_another_leaves() {
    let world = World::limited(Limits {
        max_connections: 4,
        header_timeout: AN_HOUR,
    })
    .await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 5).pictures(5)).await;
    // A WebSocket counts like any other.
    let mut player = world.socket("/topics/cam/live").await;
    player.offsets_to(4).await;
    let mut held = Vec::new();
    let refusal = loop {
        let mut socket = TcpStream::connect(world.web).await.unwrap();
        let answer = ask(&mut socket).await;
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        held.push(socket);
        assert!(held.len() < 4, "with the player's these are too many");
    };
    assert!(refusal.starts_with("HTTP/1.1 503"), "{refusal}");
    assert!(refusal.contains("application/problem+json"), "{refusal}");
    assert!(refusal.contains("4 connections"), "{refusal}");
    drop(held);
    // The server notices that they are gone when it does: until then it refuses.
    let freed = async {
        loop {
            let mut socket = TcpStream::connect(world.web).await.unwrap();
            if ask(&mut socket).await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(PATIENCE, freed).await.unwrap();
    assert!(world.metric("weir_web_connections_refused_total").await >= 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_do_not_hold_up_the_end() {
    let world = World::limited(Limits {
        header_timeout: AN_HOUR,
        ..Limits::default()
    })
    .await;
    let mut silent = TcpStream::connect(world.web).await.unwrap();
    let mut half = TcpStream::connect(world.web).await.unwrap();
    half.write_all(b"POST /ingest/cam HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nab")
        .await
        .unwrap();
    let mut idle = TcpStream::connect(world.web).await.unwrap();
    assert!(ask(&mut idle).await.starts_with("HTTP/1.1 200"));
    world.shutdown.cancel();
    for socket in [&mut silent, &mut half, &mut idle] {
        to_the_end(socket).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused_before_it_fills_the_memory() {
    let world = World::start().await;
    let mut socket = TcpStream::connect(world.web).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let line = [b"X: ".as_slice(), &[b'x'; 8_000], b"\r\n"].concat();
    let mut sent = 0;
    while socket.write_all(&line).await.is_ok() {
        sent += line.len();
        assert!(sent < 100 << 20, "it takes whatever comes");
    }
    world.json("/overview").await;
    world.end().await;
}

/// Asks, and reads as far as the answer's head and the beginning of its body come.
async fn ask(socket: &mut TcpStream) -> String {
    let asked = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let mut answer = Vec::new();
    if socket.write_all(asked).await.is_ok() {
        let mut chunk = vec![0; 4_096];
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            match timeout(PATIENCE, socket.read(&mut chunk)).await.unwrap() {
                Ok(len) if len > 0 => answer.extend_from_slice(&chunk[..len]),
                _ => break,
            }
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn to_the_end(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("the server does not hang up");
    String::from_utf8_lossy(&answer).into_owned()
}
