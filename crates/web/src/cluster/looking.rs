//! The task that looks at the cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{BrokerInfo, ClientError, Controller, Kafka, TopicInfo};

use super::standing::{Look, Standing};
use crate::api::Cluster;
use crate::hub::held;
use crate::lookout::Lookout;

/// Between two looks while somebody watches, or something has happened lately.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks otherwise.
const IDLE_EVERY: Duration = Duration::from_secs(5);
/// All metadata of a large cluster may take long: of all the time no more than this part goes into asking for it.
const PART: u32 = 5;
const LONGEST: Duration = Duration::from_secs(2);
/// What happened in this time happened lately.
const LATELY_MS: i64 = 60_000;
/// Topics' settings are read again after this long, so many in a request.
const SETTINGS_EVERY: Duration = Duration::from_mins(1);
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(2);
const SETTINGS_AT_A_TIME: usize = 100;
/// Topics whose settings are read.
const MOST_SETTINGS: usize = 2_000;
/// Brokers knocked at at a time.
const KNOCKS: usize = 16;

/// Looks at the cluster.
pub struct ClusterWatcher {
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    embedded: bool,
    standing: Mutex<Standing>,
    shown: Lookout<Cluster>,
}

impl ClusterWatcher {
    /// Starts looking. `embedded`: the broker runs in this process.
    pub fn start(
        kafka: Kafka,
        clock: Arc<dyn Clock>,
        embedded: bool,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let watcher = Arc::new(Self {
            kafka,
            shown: Lookout::new(clock.clone()),
            clock,
            embedded,
            standing: Mutex::default(),
        });
        let looking = watcher.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = looking.run() => {}
                () = shutdown.cancelled() => {}
            }
        });
        watcher
    }

    /// How the cluster is, for those who watch.
    pub fn shown(&self) -> &Lookout<Cluster> {
        &self.shown
    }

    /// Why a topic takes no records with `acks=all`, whichever partition they are for; nothing where it takes them, as far as is known.
    pub fn takes_nothing(&self, topic: &TopicInfo, partition: Option<i32>) -> Option<ClientError> {
        let min_in_sync = held(&self.standing).min_in_sync(&topic.name)?;
        let mut chosen = topic
            .partitions
            .iter()
            .filter(|p| partition.is_none_or(|wanted| p.id == wanted));
        chosen
            .all(|partition| partition.is_short(min_in_sync))
            .then(|| topic.too_few_in_sync(min_in_sync))?
    }

    fn lively(&self) -> bool {
        let last = held(&self.standing).last_event_ms();
        last.is_some_and(|at_ms| self.clock.now().0 - at_ms < LATELY_MS)
    }

    async fn run(&self) {
        let mut settings_at: Option<Duration> = None;
        let mut known_topics = 0;
        for looks in 0_usize.. {
            let begun = self.clock.monotonic();
            let looked = self.look(looks).await;
            let at_ms = self.clock.now().0;
            let (topics, took) = match looked {
                Ok((look, took)) => {
                    let topics = look.cluster.topics.len();
                    held(&self.standing).look(Look { at_ms, ..look });
                    (topics, took)
                }
                Err(error) => {
                    held(&self.standing).no_answer(at_ms, error.to_string());
                    (known_topics, Duration::ZERO)
                }
            };
            self.publish();
            let stale = settings_at.is_none_or(|at| begun.saturating_sub(at) > SETTINGS_EVERY);
            if stale || topics != known_topics {
                (settings_at, known_topics) = (Some(begun), topics);
                // An election must not be missed over them.
                let _ = tokio::time::timeout(SETTINGS_TIMEOUT, self.read_settings()).await;
                self.publish();
            }
            if self.shown.is_watched() || self.lively() {
                tokio::time::sleep(EVERY.max(took * PART)).await;
            } else {
                self.shown.until_asked(IDLE_EVERY.max(took * PART)).await;
            }
        }
    }

    /// One look, and how long the brokers took to say all of it.
    async fn look(&self, looks: usize) -> Result<(Look, Duration), ClientError> {
        let begun = self.clock.monotonic();
        let cluster = self.kafka.cluster().await?;
        let took = self.clock.monotonic().saturating_sub(begun);
        // The only one there is has just answered.
        let doors = Some(cluster.brokers.clone()).filter(|brokers| brokers.len() > 1);
        let knocks = stream::iter(doors.unwrap_or_default())
            .map(|broker| async move { Some((broker.id, broker.knock().await.err()?)) })
            .buffer_unordered(KNOCKS)
            .filter_map(std::future::ready)
            .collect::<BTreeMap<i32, String>>();
        let (silent, controller) = tokio::join!(knocks, self.controller(&cluster.brokers, looks));
        let look = Look {
            at_ms: 0,
            cluster,
            silent,
            controller,
        };
        Ok((look, took.min(LONGEST)))
    }

    /// Asks one broker, another one each time: one that is dead itself does not know.
    async fn controller(&self, brokers: &[BrokerInfo], looks: usize) -> Option<Controller> {
        let asked = looks.checked_rem(brokers.len())?;
        self.kafka.controller(brokers.get(asked)?).await
    }

    async fn read_settings(&self) {
        let names: Vec<String> = held(&self.standing)
            .topics()
            .take(MOST_SETTINGS)
            .map(str::to_owned)
            .collect();
        for some in names.chunks(SETTINGS_AT_A_TIME) {
            match self.kafka.min_in_sync(some).await {
                Ok(found) => held(&self.standing).learn(found),
                Err(error) => {
                    tracing::debug!("{error}");
                    return;
                }
            }
        }
    }

    /// Shows what is known, if that has changed.
    fn publish(&self) {
        let now_ms = self.clock.now().0;
        let cluster = held(&self.standing).show(now_ms, self.embedded);
        let same = self.shown.glance().is_some_and(|shown| {
            let was = Cluster {
                server_time_ms: now_ms,
                ..Cluster::clone(&shown)
            };
            was == cluster
        });
        if !same {
            self.shown.show(cluster);
        }
    }
}
