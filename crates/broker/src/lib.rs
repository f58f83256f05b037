//! A single-node Kafka broker: Kafka's protocol on a socket, Kafka's files on the disk.
//!
//! [`start`] opens the data folder, listens, and answers until [`RunningBroker::shutdown`]. On the way in, a request goes
//! from [`server`] (frames, order, bounds) through [`request`] (is it what its lengths say?) to its file in `handlers`, which
//! asks `topics`, the coordinators and [`settings`]; records go on to `weir-log` as bytes. Nothing is replicated, nothing
//! about records is decoded, and there is no other way to the log than the protocol.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_base::fs::Fs;
use weir_base::time::Clock;
use weir_log::LogError;

mod broker;
mod changes;
mod errors;
mod files;
mod groups;
mod handlers;
pub mod internal_topics;
mod maintenance;
mod meta;
mod producer_ids;
pub mod request;
mod security;
pub mod server;
pub mod settings;
#[cfg(test)]
mod tests;
mod topics;
mod transactions;

use broker::Broker;
pub use settings::{SettingError, Settings};

/// What a broker needs to know to start.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The folder that holds everything.
    pub data_dir: PathBuf,
    /// The address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Kafka's server settings.
    pub settings: Settings,
}

impl BrokerConfig {
    /// Kafka's own settings, and a free port of loopback.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: ([127, 0, 0, 1], 0).into(),
            settings: Settings::default(),
        }
    }
}

/// Why a broker did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen at {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("data folder {dir}: {source}")]
    DataDir {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A partition cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The disk did not make durable what was written. What it holds is not known; a new start finds out.
    #[error("the disk failed to make records durable, so the broker stopped: {0}")]
    SyncFailed(String),
    /// The broker's own tasks ended.
    #[error("the broker has ended")]
    Ended,
}

/// A broker that answers.
pub struct RunningBroker {
    addr: SocketAddr,
    broker: Arc<Broker>,
    closing: CancellationToken,
    failure: watch::Receiver<Option<String>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the data folder and listens.
pub async fn start(
    config: BrokerConfig,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
) -> Result<RunningBroker, BrokerError> {
    let listener =
        TcpListener::bind(config.listen)
            .await
            .map_err(|source| BrokerError::Listen {
                addr: config.listen,
                source,
            })?;
    let addr = listener
        .local_addr()
        .map_err(|source| BrokerError::Listen {
            addr: config.listen,
            source,
        })?;
    let (failed, failure) = watch::channel(None);
    let opened = tokio::task::spawn_blocking(move || Broker::open(config, &fs, clock))
        .await
        .map_err(|_| BrokerError::Ended)??;
    let broker = Arc::new(opened);
    let closing = CancellationToken::new();
    {
        let closing = closing.clone();
        broker.volume.on_failure(Box::new(move |error| {
            failed.send_replace(Some(error.to_string()));
            closing.cancel();
        }));
    }
    let tasks = vec![
        tokio::spawn(server::run(listener, Arc::clone(&broker), closing.clone())),
        tokio::spawn(maintenance::run(Arc::clone(&broker), closing.clone())),
        tokio::spawn(Arc::clone(&broker.groups).run(closing.clone())),
        tokio::spawn(Arc::clone(&broker.transactions).run(closing.clone())),
    ];
    Ok(RunningBroker {
        addr,
        broker,
        closing,
        failure,
        tasks,
    })
}

impl RunningBroker {
    /// The address it listens at.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers what is under way, makes everything durable and ends.
    pub async fn shutdown(mut self) {
        self.closing.cancel();
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        self.broker.topics.close();
        let volume = Arc::clone(&self.broker.volume);
        let closed = tokio::task::spawn_blocking(move || volume.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(%error, "the log was not closed cleanly; the next start recovers it");
        }
    }

    /// Returns when the broker can go on no longer, with the reason: a failed sync. Never while it is sound.
    pub async fn failed(&self) -> BrokerError {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => BrokerError::SyncFailed(why.clone().unwrap_or_default()),
            Err(_) => BrokerError::Ended,
        }
    }
}

impl Drop for RunningBroker {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
