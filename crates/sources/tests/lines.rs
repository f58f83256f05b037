//! Followed lines against the embedded broker: each is in the topic once, whatever ends the follower or the broker.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, RunningBroker};
use weir_client::{Event, From, Kafka, Reader, ReaderOptions, TopicSpec};
use weir_sources::lines::{Input, Lines};
use weir_sources::{Ended, Progress, Snapshot, SourceError, Summary};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

async fn broker(data_dir: &Path, listen: SocketAddr) -> RunningBroker {
    let config = BrokerConfig {
        listen,
        ..BrokerConfig::new(data_dir)
    };
    weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

/// A broker, a log, and who reads the topic.
struct Bench {
    folder: TempDir,
    broker: Option<RunningBroker>,
    kafka: Kafka,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn update(&self, _snapshot: &Snapshot) {}

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

struct Follower {
    shutdown: CancellationToken,
    running: JoinHandle<Result<Summary, SourceError>>,
}

impl Follower {
    async fn stop(self) -> Summary {
        self.shutdown.cancel();
        within(self.running).await.unwrap().unwrap()
    }

    /// Ends without a last word, as a program that is killed; a transaction may be left open.
    async fn kill(self) {
        self.running.abort();
        drop(within(self.running).await);
    }
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(&folder.path().join("data"), ANY).await;
        let kafka = Kafka::new(&broker.addr().to_string(), &[]).unwrap();
        Self {
            folder,
            broker: Some(broker),
            kafka,
            notes: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    fn lines(&self) -> Lines {
        Lines {
            follow: true,
            ..Lines::new("t", Input::File(self.path("log")))
        }
    }

    fn follow(&self, lines: Lines) -> Follower {
        let (kafka, notes, shutdown) = (
            self.kafka.clone(),
            self.notes.clone(),
            CancellationToken::new(),
        );
        let stop = shutdown.clone();
        Follower {
            running: tokio::spawn(async move { lines.run(&kafka, notes, stop).await }),
            shutdown,
        }
    }

    fn start(&self) -> Follower {
        self.follow(self.lines())
    }

    async fn topic(&self) {
        self.kafka.create_topic(TopicSpec::new("t")).await.unwrap();
    }

    async fn reader(&self) -> Reader {
        self.kafka
            .reader("t", From::Start, ReaderOptions::default())
            .await
            .unwrap()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.0.lock().unwrap().clone()
    }

    async fn until_noted(&self, what: &str) {
        within(async {
            while !self.notes().iter().any(|note| note.contains(what)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

async fn next(reader: &mut Reader) -> Vec<u8> {
    loop {
        if let Event::Record(record) = within(reader.next()).await.unwrap() {
            return record.value.unwrap().to_vec();
        }
    }
}

async fn expect(reader: &mut Reader, want: &[&str]) {
    for want in want {
        assert_eq!(String::from_utf8(next(reader).await).unwrap(), *want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_ends_and_starts_again_goes_on_at_its_place() {
    let bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    bench.write("one\ntwo\n");
    let follower = bench.start();
    expect(&mut reader, &["one", "two"]).await;
    let summary = follower.stop().await;
    assert_eq!((summary.records, summary.ended), (2, Ended::Shutdown));

    bench.write("three\n");
    let follower = bench.start();
    expect(&mut reader, &["three"]).await;
    follower.kill().await;
    std::fs::rename(bench.path("log"), bench.path("log.1")).unwrap();
    bench.write("four\n");
    // What is asked for the first time does not count where there is a place.
    let follower = bench.follow(Lines {
        from_start: false,
        ..bench.lines()
    });
    expect(&mut reader, &["four"]).await;
    bench.write("five\n");
    expect(&mut reader, &["five"]).await;
    assert_eq!(follower.stop().await.records, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_another_topic_and_a_topic_made_anew_have_places_of_their_own() {
    let bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    bench.write("one\n");
    let follower = bench.start();
    expect(&mut reader, &["one"]).await;
    follower.stop().await;
    let follower = bench.follow(Lines {
        place: Some("another".to_owned()),
        ..bench.lines()
    });
    expect(&mut reader, &["one"]).await;
    follower.stop().await;
    drop(reader);

    bench.kafka.delete_topic("t").await.unwrap();
    let follower = bench.start();
    within(async {
        while bench.kafka.topic("t").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    expect(&mut bench.reader().await, &["one"]).await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_while_lines_come_each_is_in_the_topic_once() {
    let bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    let path = bench.path("log");
    let total = 40_000;
    bench.write("line 0\n");
    let mut follower = bench.start();
    expect(&mut reader, &["line 0"]).await;
    let writing = tokio::task::spawn_blocking(move || {
        for number in 1..total {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .unwrap();
            writeln!(file, "line {number}").unwrap();
            if number % 9_000 == 8_999 {
                std::fs::rename(&path, path.with_file_name(format!("log.{number}"))).unwrap();
            }
        }
    });
    for number in 1..total {
        expect(&mut reader, &[&format!("line {number}")]).await;
        if number % 4_999 == 4_998 {
            follower.kill().await;
            follower = bench.start();
        }
    }
    within(writing).await.unwrap();
    bench.write("the end\n");
    expect(&mut reader, &["the end"]).await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_lines_wait_and_come_once_when_it_is_back() {
    let mut bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    bench.write("one\n");
    let follower = bench.start();
    expect(&mut reader, &["one"]).await;
    let first = bench.broker.take().unwrap();
    let addr = first.addr();
    first.shutdown().await;
    bench.write("two\n");
    // The same words as those of everything else that publishes.
    bench.until_noted("no Kafka at").await;
    bench.broker = Some(broker(&bench.path("data"), addr).await);
    expect(&mut reader, &["two"]).await;
    bench.until_noted(weir_client::GOING_ON).await;
    bench.write("three\n");
    expect(&mut reader, &["three"]).await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_followers_of_one_name_the_elder_ends_and_says_why() {
    let bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    bench.write("one\n");
    let elder = bench.start();
    expect(&mut reader, &["one"]).await;
    let younger = bench.start();
    bench.until_noted("going on with").await;
    bench.write("two\n");
    expect(&mut reader, &["two"]).await;
    let error = within(elder.running).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("--place"), "{error}");
    bench.write("three\n");
    expect(&mut reader, &["three"]).await;
    assert_eq!(younger.stop().await.records, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_any_kind_go_through_as_they_are_and_are_counted() {
    let bench = Bench::new().await;
    bench.topic().await;
    let mut reader = bench.reader().await;
    bench.write(b"caf\xe9\na\0b\n\xff\xfe\ngood\n");
    let follower = bench.start();
    for want in [&b"caf\xe9"[..], b"a\0b", b"\xff\xfe", b"good"] {
        assert_eq!(next(&mut reader).await, want);
    }
    let summary = follower.stop().await;
    assert_eq!(
        summary.damage,
        ["3 records are no UTF-8 or hold NUL bytes; they were published as they are"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_longer_than_the_topic_takes_becomes_records_that_hold_all_of_it() {
    let bench = Bench::new().await;
    let spec = TopicSpec::new("t").set("max.message.bytes", "2000");
    bench.kafka.create_topic(spec).await.unwrap();
    let mut reader = bench.reader().await;
    let long = "x".repeat(10_000);
    bench.write(format!("{}{long}\nshort\n", "line\n".repeat(1_000)));
    let follower = bench.start();
    for _ in 0..1_000 {
        expect(&mut reader, &["line"]).await;
    }
    let mut joined = String::new();
    while joined.len() < long.len() {
        let part = next(&mut reader).await;
        assert!(part.len() < 2_000);
        joined.push_str(&String::from_utf8(part).unwrap());
    }
    assert_eq!(joined, long);
    expect(&mut reader, &["short"]).await;
    let summary = follower.stop().await;
    assert_eq!(
        summary.damage,
        ["1 lines were too long for a record and became several"]
    );
}
