//! One topic from a stated position on.
//!
//! A reader assigns itself the partitions (no group is joined), at offsets it has looked up, so that nothing is missed
//! between looking and reading. What the library cannot say of itself is asked in the background while records flow: whether
//! brokers can be reached again, whether the topic has grown or is gone, where a position that retention overtook goes on.

mod settings;
mod start;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::context::{Background, Context, Trouble};
use crate::error::{code_of, property_error};
use crate::groups::offset_list;
use crate::kafka::{hopeless, refused};
use crate::{ClientError, From, Kafka, Record, Watermarks};

pub(crate) use self::settings::consumer_settings;
use self::start::Start;

/// How often the topic is looked at for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often a broker is tried for while none answers.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Which records a reader gets of those written in transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Those of committed transactions.
    #[default]
    ReadCommitted,
    /// All.
    ReadUncommitted,
}

/// How a reader works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Bytes kept ready in memory before the reader stops asking for more.
    pub max_queued_bytes: usize,
    /// Records kept ready, as far as they fit into these bytes. With 1 nothing is asked for before it is wanted: for those who look
    /// here and there.
    pub queued_records: usize,
    /// Bytes asked for of one partition at a time; a larger record still comes.
    pub fetch_bytes: usize,
    /// Transactions.
    pub isolation: Isolation,
    /// The partitions to read; `None`: all, those added later too.
    pub partitions: Option<Vec<i32>>,
    /// The group [`Reader::commit`] keeps positions for; with [`From::Resume`] that one's.
    pub commit_as: Option<String>,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            max_queued_bytes: 8 << 20,
            queued_records: 10_000,
            fetch_bytes: 1 << 20,
            isolation: Isolation::ReadCommitted,
            partitions: None,
            commit_as: None,
        }
    }
}

/// What a reader has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The next record of a partition.
    Record(Record),
    /// The partition has been read to where its end was when the reader started. Comes once a partition.
    CaughtUp {
        /// The partition.
        partition: i32,
    },
    /// Records that retention took before they were read, or a log that was cut back: reading goes on at `to`.
    Gap {
        /// The partition.
        partition: i32,
        /// The offset that was to come.
        from: i64,
        /// The offset that comes.
        to: i64,
    },
    /// No broker can be reached; the reader goes on trying.
    Disconnected {
        /// What happened.
        why: String,
    },
    /// A broker answers again.
    Reconnected,
    /// The group has given this member these partitions, in place of all it had; each is read once
    /// [`GroupReader::read_from`](crate::GroupReader::read_from) says from where ([`GroupStart::Asked`](crate::GroupStart)).
    Assigned {
        /// Topics and partitions.
        partitions: Vec<(Arc<str>, i32)>,
    },
    /// The group has taken all partitions of this member ([`GroupStart::Asked`](crate::GroupStart)).
    Revoked,
}

/// Reads one topic. An error of [`Reader::next`] is its last word.
pub struct Reader {
    kafka: Kafka,
    consumer: Arc<Background<StreamConsumer<Context>>>,
    trouble: Arc<Trouble>,
    topic: Arc<str>,
    /// The group whose positions [`Reader::commit`] keeps.
    group: Option<String>,
    /// Whether partitions added later are read too.
    all_partitions: bool,
    partitions: BTreeMap<i32, Place>,
    ready: VecDeque<Event>,
    errand: Option<JoinHandle<Errand>>,
    next_look: Instant,
    disconnected: bool,
    /// Of that: some partitions' leaders are away, and others may go on.
    partly: bool,
}

/// Where a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The offset that comes next from the library, or a greater one where there is none of that offset.
    next: i64,
    /// The same of what [`Reader::next`] has given out.
    given: i64,
    /// Where the end was when reading started; `None` once it has been reached.
    catching_up_to: Option<i64>,
}

/// What a question asked in the background found.
enum Errand {
    /// Whether brokers answer, and where the partitions begin and end.
    Looked {
        /// Where each partition was read when the question was asked: reading goes on meanwhile.
        stood: BTreeMap<i32, i64>,
        found: Result<Vec<Watermarks>, ClientError>,
    },
}

impl Kafka {
    /// A reader of `topic`, which must be there, from `from` on.
    pub async fn reader(
        &self,
        topic: &str,
        from: From,
        options: ReaderOptions,
    ) -> Result<Reader, ClientError> {
        let info = self.topic(topic).await?;
        let ids: Vec<i32> = match &options.partitions {
            None => info.partitions.iter().map(|p| p.id).collect(),
            Some(wanted) => {
                if let Some(missing) = wanted
                    .iter()
                    .find(|id| !info.partitions.iter().any(|p| p.id == **id))
                {
                    return Err(ClientError::NoSuchPartition {
                        topic: topic.to_owned(),
                        partition: *missing,
                    });
                }
                wanted.clone()
            }
        };
        let marks = self.watermarks_of(topic, &ids).await?;
        let starts = self.starts(topic, &from, &ids, &marks).await?;
        let group = match from {
            From::Resume { group } => Some(group),
            _ => options.commit_as.clone(),
        };
        let consumer: StreamConsumer<Context> = self
            .config(
                &consumer_settings(
                    // The library wants a name even where no group is joined.
                    group.as_deref().unwrap_or("weir-reader"),
                    &options,
                )
                .iter()
                .map(|(k, v)| (*k, v.as_str()))
                .collect::<Vec<_>>(),
            )
            .create_with_context(Context::default())
            .map_err(|error| property_error(&error))?;
        let trouble = consumer.context().trouble.clone();
        let mut reader = Reader {
            kafka: self.clone(),
            consumer: Arc::new(Background::new(consumer)),
            trouble,
            topic: Arc::from(topic),
            group,
            all_partitions: options.partitions.is_none(),
            partitions: BTreeMap::new(),
            ready: VecDeque::new(),
            errand: None,
            next_look: Instant::now() + LOOK_EVERY,
            disconnected: false,
            partly: false,
        };
        for (start, marks) in starts.into_iter().zip(&marks) {
            reader.begin(start, *marks);
        }
        reader.assign()?;
        Ok(reader)
    }
}

impl Reader {
    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        // The library's queue is none of the runtime's own: without this a full queue would keep other tasks waiting.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(event) = self.pop() {
                return Ok(event);
            }
            let consumer = self.consumer.clone();
            if let Some(received) = consumer.recv().now_or_never() {
                let received = received.map(|m| Record::copied(&m, self.topic.clone()));
                self.take(received)?;
                continue;
            }
            let idle = self.errand.is_none();
            let errand = async {
                match &mut self.errand {
                    Some(errand) => errand.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                received = consumer.recv() => {
                    let received = received.map(|m| Record::copied(&m, self.topic.clone()));
                    self.take(received)?;
                }
                found = errand => {
                    self.errand = None;
                    match found {
                        Ok(Errand::Looked { stood, found }) => self.looked(&stood, found)?,
                        Err(_) => return Err(ClientError::Closed { what: "the reader ended".to_owned() }),
                    }
                }
                () = self.trouble.news.notified() => {
                    if let Some((code, why)) = self.trouble.hopeless() {
                        return Err(hopeless(code, why));
                    }
                    self.look();
                }
                () = tokio::time::sleep_until(self.next_look), if idle => self.look(),
            }
        }
    }

    /// The next event if there is one at once.
    pub fn try_next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.pop() {
                return Ok(Some(event));
            }
            let consumer = self.consumer.clone();
            let Some(received) = consumer.recv().now_or_never() else {
                return Ok(None);
            };
            let received = received.map(|m| Record::copied(&m, self.topic.clone()));
            self.take(received)?;
        }
    }

    /// The partitions being read, each with the offset that follows the last record [`Reader::next`] gave out.
    pub fn positions(&self) -> Vec<(i32, i64)> {
        self.partitions
            .iter()
            .map(|(partition, place)| (*partition, place.given))
            .collect()
    }

    /// Goes on at another place, in one partition alone: at `offset`, with [`Event::CaughtUp`] at `end`. For those who look here and
    /// there: the connections stay, which a new reader would have to make anew. A record that was under way may still come.
    pub fn go_to(&mut self, partition: i32, offset: i64, end: i64) -> Result<(), ClientError> {
        self.all_partitions = false;
        self.ready.clear();
        self.partitions.clear();
        let marks = Watermarks {
            partition,
            start: offset,
            end,
        };
        self.begin(Start::at(offset), marks);
        self.assign()
    }

    /// The next event that is ready, counted as given out.
    fn pop(&mut self) -> Option<Event> {
        let event = self.ready.pop_front()?;
        let given = match &event {
            Event::Record(record) => Some((record.partition, record.offset + 1)),
            Event::Gap { partition, to, .. } => Some((*partition, *to)),
            _ => None,
        };
        if let Some((partition, next)) = given
            && let Some(place) = self.partitions.get_mut(&partition)
        {
            place.given = next;
        }
        Some(event)
    }

    /// Commits where the group of [`From::Resume`] or [`ReaderOptions::commit_as`] goes on: `(partition, offset of the next record)`.
    pub async fn commit(&self, positions: &[(i32, i64)]) -> Result<(), ClientError> {
        let Some(group) = &self.group else {
            return Err(ClientError::Refused {
                what: format!("cannot keep a position in topic {:?}", self.topic),
                why: "this reader was started without a group".to_owned(),
            });
        };
        if positions.is_empty() {
            return Ok(());
        }
        let list = offset_list(&self.topic, positions);
        let consumer = self.consumer.clone();
        self.kafka
            .ask(
                &format!("keep the position of group {group:?}"),
                move |_query| consumer.commit(&list?, CommitMode::Sync),
            )
            .await
    }

    fn begin(&mut self, start: Start, marks: Watermarks) {
        let partition = marks.partition;
        if let Some(from) = start.gap_from {
            self.ready.push_back(Event::Gap {
                partition,
                from,
                to: start.next,
            });
        }
        let behind = start.next < marks.end;
        self.partitions.insert(
            partition,
            Place {
                next: start.next,
                given: start.next,
                catching_up_to: behind.then_some(marks.end),
            },
        );
        if !behind {
            self.ready.push_back(Event::CaughtUp { partition });
        }
    }

    /// Tells the library where to read. What it had fetched already is fetched again.
    fn assign(&self) -> Result<(), ClientError> {
        let positions: Vec<(i32, i64)> = self
            .partitions
            .iter()
            .map(|(partition, place)| (*partition, place.next))
            .collect();
        let assigned: Result<(), KafkaError> = offset_list(&self.topic, &positions)
            .and_then(|list: TopicPartitionList| self.consumer.assign(&list));
        assigned.map_err(|error| ClientError::Refused {
            what: format!("cannot read topic {:?}", self.topic),
            why: error.to_string(),
        })
    }

    fn take(&mut self, received: Result<Record, KafkaError>) -> Result<(), ClientError> {
        match received {
            Ok(record) => {
                // Where one of several leaders is away, the records of others say nothing of it.
                if self.disconnected && !self.partly {
                    self.disconnected = false;
                    self.ready.push_back(Event::Reconnected);
                }
                self.record(record);
                Ok(())
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                self.caught_up(partition);
                Ok(())
            }
            Err(error) => self.complaint(&error),
        }
    }

    fn record(&mut self, record: Record) {
        let Some(place) = self.partitions.get_mut(&record.partition) else {
            return;
        };
        if record.offset < place.next {
            // Fetched before the partitions were assigned anew.
            return;
        }
        place.next = record.offset + 1;
        let (partition, next) = (record.partition, place.next);
        let reached = place.catching_up_to.is_some_and(|end| next >= end);
        self.ready.push_back(Event::Record(record));
        if reached {
            self.caught_up(partition);
        }
    }

    fn caught_up(&mut self, partition: i32) {
        if let Some(place) = self.partitions.get_mut(&partition)
            && place.catching_up_to.take().is_some()
        {
            self.ready.push_back(Event::CaughtUp { partition });
        }
    }

    fn complaint(&mut self, error: &KafkaError) -> Result<(), ClientError> {
        let what = format!("read topic {:?}", self.topic);
        match code_of(error) {
            // The topic may be gone, have grown, or begin later than we are; or brokers are away. Looking tells.
            Some(
                Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition,
            ) => {
                self.look();
                Ok(())
            }
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::SSL),
            ) => Err(refused(&what, code)),
            Some(code) if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(refused(&what, code))
            }
            Some(
                code @ (Code::BadMessage
                | Code::BadCompression
                | Code::InvalidMessage
                | Code::NotImplemented),
            ) => Err(refused(&what, code)),
            // The group's coordinator is of no interest to a reader that joins none; the rest the library retries.
            _ => {
                tracing::debug!(topic = %self.topic, "{error}");
                Ok(())
            }
        }
    }

    /// Has a look in the background, unless one is under way.
    fn look(&mut self) {
        if self.errand.is_some() {
            return;
        }
        let (kafka, topic) = (self.kafka.clone(), self.topic.clone());
        let chosen: Option<Vec<i32>> =
            (!self.all_partitions).then(|| self.partitions.keys().copied().collect());
        let stood = self
            .partitions
            .iter()
            .map(|(id, place)| (*id, place.next))
            .collect();
        self.errand = Some(tokio::spawn(async move {
            let looked = async {
                kafka.probe().await?;
                // A leader that is away is told at once; asking it would take as long as the library tries.
                let info = kafka.cannot_reach(&topic, chosen.as_deref()).await?;
                let all = || info.partitions.iter().map(|p| p.id).collect();
                let ids: Vec<i32> = chosen.unwrap_or_else(all);
                kafka.watermarks_of(&topic, &ids).await
            };
            Errand::Looked {
                stood,
                found: looked.await,
            }
        }));
    }

    fn looked(
        &mut self,
        stood: &BTreeMap<i32, i64>,
        found: Result<Vec<Watermarks>, ClientError>,
    ) -> Result<(), ClientError> {
        match found {
            Ok(marks) => {
                self.next_look = Instant::now() + LOOK_EVERY;
                self.trouble.clear();
                if self.disconnected {
                    self.disconnected = false;
                    self.ready.push_back(Event::Reconnected);
                }
                self.compare(stood, &marks)
            }
            Err(error) if error.may_pass() => {
                self.next_look = Instant::now() + RETRY_EVERY;
                self.partly = self.partitions.len() > 1 && error.is_of_a_leader();
                if !self.disconnected && !matches!(error, ClientError::Refused { .. }) {
                    self.disconnected = true;
                    self.ready.push_back(Event::Disconnected {
                        why: error.while_reading(&self.topic),
                    });
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes up partitions that are new and moves those that stand outside their log.
    fn compare(
        &mut self,
        stood: &BTreeMap<i32, i64>,
        marks: &[Watermarks],
    ) -> Result<(), ClientError> {
        let mut moved = false;
        for mark in marks {
            match self.partitions.get_mut(&mark.partition) {
                None => {
                    self.begin(Start::at(mark.start), *mark);
                    moved = true;
                }
                Some(place) => {
                    let stood = stood.get(&mark.partition).copied().unwrap_or(place.next);
                    if Start::is_outside(stood, place.next, *mark) {
                        self.ready.push_back(Event::Gap {
                            partition: mark.partition,
                            from: place.next,
                            to: mark.start,
                        });
                        place.next = mark.start;
                        moved = true;
                    }
                }
            }
        }
        if moved { self.assign() } else { Ok(()) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(errand) = &self.errand {
            errand.abort();
        }
    }
}
