//! What there is to watch: every video in the topics, when there were pictures, and where named viewers stopped.
//!
//! A topic is looked into here and there ([`scout`]), what was seen is kept ([`index`]) and told as videos ([`found`]); later only
//! its two ends are looked at again, and what is still in doubt. Nothing is looked at unless somebody asks. Looks, topics and what is
//! kept of them are bounded, and so is how many topics are looked into at a time; whoever asks meanwhile gets what is known.

mod found;
mod index;
mod looks;
pub mod scout;
mod tell;
#[cfg(test)]
mod tests;
mod viewers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedMutexGuard, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::Kafka;

use self::looks::{Known, Looks};
use self::viewers::Viewers;
use crate::api::{Library as Answer, TopicKind, TopicProblem, Video};
use crate::hub::held;
use crate::problem::Problem;
use crate::watcher::Watcher;

/// What is known is good for so long.
const FRESH: Duration = Duration::from_secs(1);
/// How long an answer waits for a topic that nothing is known of, and for one that was looked at before.
const FIRST: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(500);
/// Topics that are looked into, and how many at a time.
const TOPICS: usize = 500;
const AT_A_TIME: usize = 2;
/// How long one topic may be looked into at a time.
const LONGEST: Duration = Duration::from_secs(30);

/// The videos of all topics, as far as they are known.
pub struct Library {
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    watcher: Arc<Watcher>,
    topics: Mutex<BTreeMap<String, Arc<Topic>>>,
    at_a_time: Arc<Semaphore>,
    viewers: Viewers,
    shutdown: CancellationToken,
}

/// One topic.
struct Topic {
    /// Held by the one who looks into it.
    looks: Arc<tokio::sync::Mutex<Looks>>,
    known: watch::Sender<Option<Arc<Known>>>,
}

impl Library {
    /// Nothing is known yet.
    pub fn new(
        kafka: Kafka,
        clock: Arc<dyn Clock>,
        watcher: Arc<Watcher>,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            viewers: Viewers::new(kafka.clone(), clock.clone()),
            kafka,
            clock,
            watcher,
            topics: Mutex::default(),
            at_a_time: Arc::new(Semaphore::new(AT_A_TIME)),
            shutdown,
        })
    }

    /// Every video.
    pub async fn all(self: &Arc<Self>) -> Answer {
        let overview = self.watcher.overview().newest().await;
        let holds_video =
            |topic: &&crate::api::TopicOverview| topic.kind == TopicKind::Video && !topic.internal;
        let names: Vec<&str> = overview
            .topics
            .iter()
            .filter(holds_video)
            .map(|topic| topic.name.as_str())
            .collect();
        held(&self.topics).retain(|name, _| overview.topics.iter().any(|t| t.name == *name));
        let mut answer = Answer {
            videos: Vec::new(),
            truncated: names.len() > TOPICS,
            pending: 0,
            problems: Vec::new(),
        };
        let looked_for = names.iter().copied().take(TOPICS);
        let known = looked_for.map(|name| async move { (name, self.known(name).await) });
        let (known, viewers) = tokio::join!(join_all(known), self.viewers.of(&names));
        for (topic, known) in known {
            let Some(known) = known else {
                answer.pending += 1;
                continue;
            };
            answer.truncated |= known.truncated;
            if let Some(problem) = &known.problem {
                answer.problems.push(TopicProblem {
                    topic: topic.to_owned(),
                    why: problem.detail.clone(),
                });
            }
            let told = tell::videos(topic, &known, self.clock.now().0);
            answer.videos.extend(tell::watched(told, &viewers));
        }
        tell::sort(&mut answer.videos);
        answer
    }

    /// Everything that a topic holds, or what it holds under one key.
    pub async fn timeline(
        self: &Arc<Self>,
        topic: &str,
        key: Option<&str>,
    ) -> Result<Video, Problem> {
        self.watcher.sample(topic).await?;
        let names = [topic];
        let (known, viewers) = tokio::join!(self.known(topic), self.viewers.of(&names));
        let Some(known) = known else {
            return Err(Problem::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                format!("topic {topic:?} is still being looked through"),
            )
            .remedy("ask again in a second"));
        };
        if known.videos.is_empty()
            && let Some(problem) = &known.problem
        {
            return Err(problem.clone());
        }
        let told = tell::videos(topic, &known, self.clock.now().0);
        let mut told = tell::watched(told, &viewers);
        if let Some(key) = key {
            told.retain(|video| video.key.as_deref() == Some(key));
        }
        tell::as_one(told).ok_or_else(|| match key {
            Some(key) if !known.videos.is_empty() => Problem::new(
                axum::http::StatusCode::NOT_FOUND,
                format!("topic {topic:?} holds no video under the key {key:?}"),
            )
            .field("key")
            .remedy("ask without key= for everything that it holds; /library names the keys"),
            _ => Problem::new(
                axum::http::StatusCode::NOT_FOUND,
                format!("topic {topic:?} holds no video"),
            )
            .field("topic"),
        })
    }

    /// The partitions that have pictures under a key, where that is known.
    pub fn partitions_of(&self, topic: &str, key: &str) -> Option<Vec<i32>> {
        let topic = held(&self.topics).get(topic).cloned()?;
        let known = topic.known.borrow().clone()?;
        let (found, _) = known
            .videos
            .iter()
            .find(|(found, _)| found.key.as_deref() == Some(key))?;
        Some(found.partitions.clone())
    }

    /// What is known of a topic, looked at again where that is not of now; `None` where nothing is known in time.
    async fn known(self: &Arc<Self>, name: &str) -> Option<Arc<Known>> {
        let topic = self.topic(name);
        let mut news = topic.known.subscribe();
        let before = news.borrow_and_update().clone();
        let now = self.clock.monotonic();
        if let Some(known) = before.as_ref().filter(|k| now.saturating_sub(k.at) < FRESH) {
            return Some(known.clone());
        }
        let patience = if before.is_some() { AGAIN } else { FIRST };
        // Whoever holds them looks, and tells everybody.
        if let Ok(looks) = topic.looks.clone().try_lock_owned() {
            let (library, name) = (self.clone(), name.to_owned());
            tokio::spawn(async move { library.look(&name, &topic, looks).await });
        }
        let _ = tokio::time::timeout(patience, news.changed()).await;
        news.borrow().clone()
    }

    fn topic(&self, name: &str) -> Arc<Topic> {
        let mut topics = held(&self.topics);
        if topics.len() >= TOPICS && !topics.contains_key(name) {
            let known_at = |topic: &Arc<Topic>| topic.known.borrow().as_ref().map(|k| k.at);
            let oldest = topics.iter().min_by_key(|(_, topic)| known_at(topic));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                topics.remove(&oldest);
            }
        }
        let topic = topics.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Topic {
                looks: Arc::default(),
                known: watch::Sender::new(None),
            })
        });
        topic.clone()
    }

    /// Looks into a topic, and tells what is known of it then.
    async fn look(&self, name: &str, topic: &Topic, mut looks: OwnedMutexGuard<Looks>) {
        let looking = async {
            let _place = self.at_a_time.acquire().await;
            tokio::time::timeout(LONGEST, looks.refresh(&self.kafka, name)).await
        };
        let looked = tokio::select! {
            looked = looking => looked,
            () = self.shutdown.cancelled() => return,
        };
        let before = topic.known.borrow().clone();
        let mut known = match looked {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => Known {
                problem: Some(error.into()),
                ..before.as_deref().cloned().unwrap_or_default()
            },
            Err(_) => looks.known(),
        };
        known.at = self.clock.monotonic();
        topic.known.send_replace(Some(Arc::new(known)));
    }
}
