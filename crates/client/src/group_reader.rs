//! Topics shared out among the members of a consumer group.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::context::{Background, Context, Positions, Trouble, Turn, Turns, locked};
use crate::error::{code_of, property_error};
use crate::kafka::{hopeless, refused};
use crate::reader::consumer_settings;
use crate::{ClientError, Event, Kafka, ReaderOptions, Record};

/// Where a group without a position starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupStart {
    /// The oldest record.
    #[default]
    Start,
    /// What is appended from now on.
    Live,
    /// The group's positions do not count: every assignment comes as [`Event::Assigned`], and each partition is read from where
    /// [`GroupReader::read_from`] says. A position that is no longer in the log goes on at the oldest record.
    Asked,
}

/// How a member of a group works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReaderOptions {
    /// Where a group without a position starts.
    pub start: GroupStart,
    /// Bytes kept ready in memory.
    pub max_queued_bytes: usize,
}

impl Default for GroupReaderOptions {
    fn default() -> Self {
        Self {
            start: GroupStart::Start,
            max_queued_bytes: 8 << 20,
        }
    }
}

/// A member of a consumer group. Nothing is committed but by [`GroupReader::commit`].
pub struct GroupReader {
    kafka: Kafka,
    consumer: Arc<Background<StreamConsumer<Context>>>,
    trouble: Arc<Trouble>,
    positions: Arc<Positions>,
    group: String,
    topics: Vec<Arc<str>>,
    /// With [`GroupStart::Asked`]: what the group says.
    turns: Option<Arc<Turns>>,
    /// With [`GroupStart::Asked`]: the partitions being read, each with the offset that comes next.
    reading: BTreeMap<(Arc<str>, i32), i64>,
    /// Whether the library has done what [`GroupReader::assign`] last told it; `reading` may have changed since.
    settled: bool,
    changed: bool,
    ready: VecDeque<Event>,
    probe: Option<JoinHandle<Result<(), ClientError>>>,
    retry_at: Option<Instant>,
    disconnected: bool,
}

impl Kafka {
    /// Joins `group` to read `topics`, which must be there.
    pub async fn group_reader(
        &self,
        topics: &[&str],
        group: &str,
        options: GroupReaderOptions,
    ) -> Result<GroupReader, ClientError> {
        for topic in topics {
            self.topic(topic).await?;
        }
        let settings = consumer_settings(
            group,
            &ReaderOptions {
                max_queued_bytes: options.max_queued_bytes,
                ..ReaderOptions::default()
            },
        );
        let mut fixed: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        fixed.push((
            "auto.offset.reset",
            match options.start {
                GroupStart::Start | GroupStart::Asked => "earliest",
                GroupStart::Live => "latest",
            },
        ));
        let turns = (options.start == GroupStart::Asked).then(Arc::<Turns>::default);
        if turns.is_some() {
            // Each assignment is the whole of what a member has; incremental ones (KIP-429) would be told otherwise.
            fixed.push(("partition.assignment.strategy", "range,roundrobin"));
            // Who is killed and started again waits until the group has given up on who he was, and so does everybody in it: with the
            // library's 45 s that long. Less than 6 s most brokers refuse (group.min.session.timeout.ms). One who is given up on too
            // soon does no harm, since its positions do not count.
            fixed.push(("session.timeout.ms", "6000"));
            fixed.push(("heartbeat.interval.ms", "2000"));
        }
        let context = Context {
            turns: turns.clone(),
            ..Context::default()
        };
        let consumer: StreamConsumer<Context> = self
            .config(&fixed)
            .create_with_context(context)
            .map_err(|error| property_error(&error))?;
        consumer
            .subscribe(topics)
            .map_err(|error| ClientError::Refused {
                what: format!("cannot join group {group:?}"),
                why: error.to_string(),
            })?;
        Ok(GroupReader {
            kafka: self.clone(),
            trouble: consumer.context().trouble.clone(),
            positions: consumer.context().positions.clone(),
            consumer: Arc::new(Background::new(consumer)),
            group: group.to_owned(),
            topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
            turns,
            reading: BTreeMap::new(),
            settled: true,
            changed: false,
            ready: VecDeque::new(),
            probe: None,
            retry_at: None,
            disconnected: false,
        })
    }
}

impl GroupReader {
    /// The next event. Cancel-safe. [`Event::CaughtUp`] comes whenever a partition has been read to its end.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            let consumer = self.consumer.clone();
            let turns = self.turns.clone();
            let turn = async {
                match &turns {
                    Some(turns) => turns.news.notified().await,
                    None => std::future::pending().await,
                }
            };
            let probe = async {
                match &mut self.probe {
                    Some(probe) => probe.await,
                    None => std::future::pending().await,
                }
            };
            let retry_at = self.retry_at;
            let retry = async {
                match retry_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                received = consumer.recv() => {
                    let received = received.map(|m| Record::copied(&m, self.name_of(m.topic())));
                    self.take(received)?;
                }
                () = turn => {}
                found = probe => {
                    self.probe = None;
                    self.probed(found.unwrap_or(Ok(())));
                }
                () = retry => self.try_brokers(),
                () = self.trouble.news.notified() => {
                    if let Some((code, why)) = self.trouble.hopeless() {
                        return Err(hopeless(code, why));
                    }
                    self.try_brokers();
                }
            }
        }
    }

    /// The next event if there is one at once.
    pub fn try_next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            self.hear();
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let consumer = self.consumer.clone();
            let Some(received) = consumer.recv().now_or_never() else {
                self.hear();
                return Ok(self.ready.pop_front());
            };
            let received = received.map(|m| Record::copied(&m, self.name_of(m.topic())));
            self.take(received)?;
        }
    }

    /// Reads these partitions from these offsets on, and those it reads already on from where they are
    /// ([`GroupStart::Asked`]).
    pub fn read_from(&mut self, positions: &[(Arc<str>, i32, i64)]) -> Result<(), ClientError> {
        for (topic, partition, offset) in positions {
            self.reading.insert((topic.clone(), *partition), *offset);
        }
        self.assign()
    }

    /// Reads a partition no longer, until [`GroupReader::read_from`] says from where to go on ([`GroupStart::Asked`]).
    pub fn hold(&mut self, topic: &Arc<str>, partition: i32) -> Result<(), ClientError> {
        match self.reading.remove(&(topic.clone(), partition)) {
            Some(_) => self.assign(),
            None => Ok(()),
        }
    }

    /// Tells the library what to read, once it has done what it was told before. What it had fetched already is fetched again.
    ///
    /// An assignment stops every partition of the one before. librdkafka 2.12 aborts the process when it is told to stop one whose
    /// stop is still under way (`rd_kafka_assignment_partition_stopped`), and does not say when it has stopped; but it starts none
    /// of a new assignment before, so the first thing to come of that is the sign.
    fn assign(&mut self) -> Result<(), ClientError> {
        if !self.settled {
            self.changed = true;
            return Ok(());
        }
        self.changed = false;
        let mut list = TopicPartitionList::with_capacity(self.reading.len());
        for ((topic, partition), next) in &self.reading {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next))
                .map_err(|error| self.refused(&error))?;
        }
        self.consumer
            .assign(&list)
            .map_err(|error| self.refused(&error))?;
        // Of nothing nothing comes, and nothing of it is stopped.
        self.settled = list.count() == 0;
        Ok(())
    }

    /// Something has come of what the library reads: `true` when that is no longer what is wanted. It comes again where it is.
    fn came(&mut self) -> Result<bool, ClientError> {
        self.settled = true;
        let late = self.changed;
        if late {
            self.assign()?;
        }
        Ok(late)
    }

    fn refused(&self, error: &KafkaError) -> ClientError {
        ClientError::Refused {
            what: format!("cannot read as a member of group {:?}", self.group),
            why: error.to_string(),
        }
    }

    /// What the group has said meanwhile.
    fn hear(&mut self) {
        let Some(turns) = self.turns.clone() else {
            return;
        };
        while let Some(turn) = turns.next() {
            self.reading.clear();
            // Nothing is assigned now.
            (self.settled, self.changed) = (true, false);
            self.ready
                .retain(|event| !matches!(event, Event::Record(_)));
            self.ready.push_back(match turn {
                Turn::Assigned(partitions) => Event::Assigned {
                    partitions: partitions
                        .into_iter()
                        .map(|(topic, partition)| (self.name_of(&topic), partition))
                        .collect(),
                },
                Turn::Revoked => Event::Revoked,
            });
        }
    }

    /// Commits these positions, whatever [`GroupReader::next`] has given out: topic, partition, offset of the next record. The
    /// reader may go on reading meanwhile.
    pub fn commit_at(
        &self,
        positions: &[(Arc<str>, i32, i64)],
    ) -> impl Future<Output = Result<(), ClientError>> + Send + use<> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        let listed = positions.iter().try_for_each(|(topic, partition, next)| {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next))
                .map_err(|error| self.refused(&error))
        });
        let commit = self.commit_list(list);
        async move {
            listed?;
            commit.await
        }
    }

    /// Commits everything that [`GroupReader::next`] has given out.
    pub async fn commit(&self) -> Result<(), ClientError> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in locked(&self.positions).iter() {
            if let Err(error) = list.add_partition_offset(topic, *partition, Offset::Offset(*next))
            {
                return Err(ClientError::Refused {
                    what: format!("cannot commit for group {:?}", self.group),
                    why: error.to_string(),
                });
            }
        }
        self.commit_list(list).await
    }

    fn commit_list(
        &self,
        list: TopicPartitionList,
    ) -> impl Future<Output = Result<(), ClientError>> + Send + use<> {
        let (kafka, consumer) = (self.kafka.clone(), self.consumer.clone());
        let what = format!("commit for group {:?}", self.group);
        async move {
            if list.count() == 0 {
                return Ok(());
            }
            kafka
                .ask(&what, move |_query| {
                    consumer.commit(&list, CommitMode::Sync)
                })
                .await
        }
    }

    /// Leaves the group.
    pub async fn close(self) {
        let Some(consumer) = Arc::into_inner(self.consumer) else {
            return;
        };
        // The task only ends with its thread; nothing to learn from its result.
        drop(tokio::task::spawn_blocking(move || consumer.end()).await);
    }

    fn name_of(&self, topic: &str) -> Arc<str> {
        self.topics
            .iter()
            .find(|known| &***known == topic)
            .cloned()
            .unwrap_or_else(|| Arc::from(topic))
    }

    fn take(&mut self, received: Result<Record, KafkaError>) -> Result<(), ClientError> {
        self.hear();
        match received {
            Ok(record) => {
                if self.came()? || !self.is_wanted(&record) {
                    return Ok(());
                }
                if self.disconnected {
                    self.disconnected = false;
                    self.retry_at = None;
                    self.ready.push_back(Event::Reconnected);
                }
                self.ready.push_back(Event::Record(record));
                Ok(())
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                if !self.came()? {
                    self.ready.push_back(Event::CaughtUp { partition });
                }
                Ok(())
            }
            Err(error) => self.complaint(&error),
        }
    }

    /// Whether a record is the next to be given out, and none that was fetched before partitions were assigned anew.
    fn is_wanted(&mut self, record: &Record) -> bool {
        let place = (record.topic.clone(), record.partition);
        if self.turns.is_some() {
            match self.reading.get_mut(&place) {
                Some(next) if record.offset >= *next => *next = record.offset + 1,
                _ => return false,
            }
        } else {
            locked(&self.positions).insert(place, record.offset + 1);
        }
        true
    }

    fn complaint(&mut self, error: &KafkaError) -> Result<(), ClientError> {
        let what = format!("read as a member of group {:?}", self.group);
        match code_of(error) {
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::SSL
                | Code::InconsistentGroupProtocol
                | Code::InvalidGroupId
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::BadMessage
                | Code::BadCompression),
            ) => Err(refused(&what, code)),
            Some(code) if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(refused(&what, code))
            }
            Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => {
                self.try_brokers();
                Ok(())
            }
            _ => {
                tracing::debug!(group = %self.group, "{error}");
                Ok(())
            }
        }
    }

    fn try_brokers(&mut self) {
        self.retry_at = None;
        if self.probe.is_none() {
            let kafka = self.kafka.clone();
            self.probe = Some(tokio::spawn(async move { kafka.probe().await }));
        }
    }

    fn probed(&mut self, found: Result<(), ClientError>) {
        match found {
            Ok(()) => {
                if std::mem::take(&mut self.disconnected) {
                    self.ready.push_back(Event::Reconnected);
                }
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + Duration::from_millis(250));
                if !std::mem::replace(&mut self.disconnected, true) {
                    self.ready.push_back(Event::Disconnected {
                        why: match error {
                            ClientError::Unreachable { cause, .. } => cause,
                            other => other.to_string(),
                        },
                    });
                }
            }
        }
    }
}
