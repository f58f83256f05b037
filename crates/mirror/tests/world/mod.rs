//! Two embedded brokers and a mirror between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, RunningBroker};
use weir_client::{Event, From, Kafka, ReaderOptions, Record};
use weir_mirror::{Mirror, MirrorError, Told};

pub const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), future)
        .await
        .expect("an answer within the time any machine needs")
}

pub async fn broker(data_dir: &Path, listen: SocketAddr) -> RunningBroker {
    let config = BrokerConfig {
        listen,
        ..BrokerConfig::new(data_dir)
    };
    weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

/// The source and the target.
pub struct World {
    pub from: Kafka,
    pub to: Kafka,
    pub brokers: [Option<RunningBroker>; 2],
    pub folders: [TempDir; 2],
}

impl World {
    pub async fn new() -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let from = broker(folders[0].path(), ANY).await;
        let to = broker(folders[1].path(), ANY).await;
        Self {
            from: Kafka::new(&from.addr().to_string(), &[]).unwrap(),
            to: Kafka::new(&to.addr().to_string(), &[]).unwrap(),
            brokers: [Some(from), Some(to)],
            folders,
        }
    }

    pub fn begin(&self, mirror: Mirror) -> Running {
        let heard: Arc<Mutex<Vec<Told>>> = Arc::default();
        let hear = heard.clone();
        let mirror = Mirror {
            look_every: Duration::from_millis(100),
            tell: Arc::new(move |told| hear.lock().unwrap().push(told.clone())),
            ..mirror
        };
        let shutdown = CancellationToken::new();
        let (from, to, stop) = (self.from.clone(), self.to.clone(), shutdown.clone());
        Running {
            heard,
            shutdown,
            task: tokio::spawn(async move { mirror.run(&from, &to, stop).await }),
        }
    }

    /// Mirrors what is there.
    pub async fn once(&self, mirror: Mirror) -> Result<Vec<Told>, MirrorError> {
        let running = self.begin(Mirror {
            follow: false,
            ..mirror
        });
        within(running.task).await.unwrap()?;
        Ok(Arc::try_unwrap(running.heard)
            .unwrap()
            .into_inner()
            .unwrap())
    }
}

/// A mirror that runs.
pub struct Running {
    pub heard: Arc<Mutex<Vec<Told>>>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), MirrorError>>,
}

impl Running {
    /// Waits until something is told that fits, and gives what was told.
    pub async fn until(&self, fits: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        within(async {
            loop {
                let heard = self.heard.lock().unwrap().clone();
                if fits(&heard) {
                    return heard;
                }
                assert!(!self.task.is_finished(), "it ended; it said {heard:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// Waits until it says again that it is safe.
    pub async fn until_safe(&self) {
        self.heard.lock().unwrap().clear();
        self.until(|told| {
            told.iter()
                .any(|told| matches!(told, Told::SafeToSwitch { .. }))
        })
        .await;
    }

    pub async fn end(self) -> Result<(), MirrorError> {
        self.shutdown.cancel();
        within(self.task).await.unwrap()
    }
}

/// All records of a topic that readers see, by partition and in order.
pub async fn all(kafka: &Kafka, topic: &str) -> Vec<Record> {
    let mut reader = kafka
        .reader(topic, From::Start, ReaderOptions::default())
        .await
        .unwrap();
    let mut left = kafka.topic(topic).await.unwrap().partitions.len();
    let mut records = Vec::new();
    while left > 0 {
        match within(reader.next()).await.unwrap() {
            Event::Record(record) => records.push(record),
            Event::CaughtUp { .. } => left -= 1,
            _ => {}
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// The same without offsets, which may differ.
pub fn contents(records: &[Record]) -> Vec<Record> {
    let bare = records.iter().cloned().map(|record| Record {
        offset: 0,
        ..record
    });
    bare.collect()
}
