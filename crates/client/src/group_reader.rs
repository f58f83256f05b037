//! Topics shared out among the members of a consumer group.

use std::sync::Arc;

use futures_util::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::context::{Background, Context, Positions, Trouble, locked};
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
    ready: Option<Event>,
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
                GroupStart::Start => "earliest",
                GroupStart::Live => "latest",
            },
        ));
        let consumer: StreamConsumer<Context> = self
            .config(&fixed)
            .create_with_context(Context::default())
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
            ready: None,
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
            if let Some(event) = self.ready.take() {
                return Ok(event);
            }
            let consumer = self.consumer.clone();
            if let Some(received) = consumer.recv().now_or_never() {
                let received = received.map(|m| Record::copied(&m, self.name_of(m.topic())));
                if let Some(event) = self.take(received)? {
                    return Ok(event);
                }
                continue;
            }
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
                    if let Some(event) = self.take(received)? {
                        return Ok(event);
                    }
                }
                found = probe => {
                    self.probe = None;
                    if let Some(event) = self.probed(found.unwrap_or(Ok(()))) {
                        return Ok(event);
                    }
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
        if list.count() == 0 {
            return Ok(());
        }
        let consumer = self.consumer.clone();
        self.kafka
            .ask(
                &format!("commit for group {:?}", self.group),
                move |_query| consumer.commit(&list, CommitMode::Sync),
            )
            .await
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

    fn take(&mut self, received: Result<Record, KafkaError>) -> Result<Option<Event>, ClientError> {
        match received {
            Ok(record) => {
                locked(&self.positions)
                    .insert((record.topic.clone(), record.partition), record.offset + 1);
                if self.disconnected {
                    self.disconnected = false;
                    self.retry_at = None;
                    self.ready = Some(Event::Record(record));
                    return Ok(Some(Event::Reconnected));
                }
                Ok(Some(Event::Record(record)))
            }
            Err(KafkaError::PartitionEOF(partition)) => Ok(Some(Event::CaughtUp { partition })),
            Err(error) => self.complaint(&error).map(|()| None),
        }
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

    fn probed(&mut self, found: Result<(), ClientError>) -> Option<Event> {
        match found {
            Ok(()) => std::mem::take(&mut self.disconnected).then_some(Event::Reconnected),
            Err(error) => {
                self.retry_at = Some(Instant::now() + Duration::from_millis(250));
                (!std::mem::replace(&mut self.disconnected, true)).then(|| Event::Disconnected {
                    why: match error {
                        ClientError::Unreachable { cause, .. } => cause,
                        other => other.to_string(),
                    },
                })
            }
        }
    }
}
