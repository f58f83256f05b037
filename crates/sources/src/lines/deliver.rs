//! Followed lines on their way into the topic, each once: a transaction holds some lines and the place behind them.
//!
//! As the exactly-once sources of Kafka Connect (KIP-618): whatever ends this program, the log has the lines together with
//! the place or has neither, and the next run of the same name begins by shutting out what may be left of this one. While
//! no broker answers nothing is lost: the lines are still in their file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{
    ClientError, Created, GOING_ON, Kafka, NewRecord, ProducerOptions, TopicSpec,
    TransactionalProducer,
};

use super::Lines;
use super::follow::{Follower, Gathered};
use super::place::Place;
use super::places::Places;
use super::records::Records;
use super::split::{Line, pieces};
use crate::outlet::{Target, max_value_bytes, topic_limit};
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// How often the file is looked at while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before the same is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// After so long without an answer a person is told.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// Ctrl-C ends a source in less than a second.
const LAST_COMMIT: Duration = Duration::from_millis(800);
/// How long one try to begin again as a producer may take: what it waits for may have gone with the broker that was asked.
const REOPENED_WITHIN: Duration = Duration::from_mins(1);
/// How often a follower that was shut out looks who did it before it takes that for a broker that was slow.
const LOOKS_FOR_ANOTHER: u32 = 3;
/// Records are never made smaller than this.
const LEAST_RECORD_BYTES: usize = 16;

/// Follows the file.
pub(super) async fn run(
    options: Lines,
    path: &Path,
    kafka: &Kafka,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Summary, SourceError> {
    let started = options.clock.monotonic();
    // The file first: a wrong name should not leave a topic behind.
    drop(Follower::begin(path, true, options.max_line_bytes)?);
    let target = Target::open(kafka, TopicSpec::new(&options.topic)).await?;
    let name = match &options.place {
        Some(name) => name.clone(),
        None => path.display().to_string(),
    };
    let mut places = Places::open(kafka, &target.topic, &name).await?;
    let begun = tokio::select! {
        begun = begin(kafka, &mut places, target.max_message_bytes, &*progress) => Some(begun?),
        () = shutdown.cancelled() => None,
    };
    let Some((producer, kept)) = begun else {
        return Ok(Summary::nothing());
    };
    let max_line_bytes = options
        .max_line_bytes
        .min(max_value_bytes(target.max_message_bytes))
        .max(LEAST_RECORD_BYTES);
    let follower = match kept {
        // A topic made just now has none of the lines, whatever was kept of one of the same name.
        Some(place) if target.created == Created::AlreadyThere => {
            progress.note(&going_on(&place, path));
            Follower::resume(path, &place, max_line_bytes)?
        }
        _ => Follower::begin(path, options.from_start, max_line_bytes)?,
    };
    let mut delivery = Delivery {
        kafka,
        producer,
        places,
        records: Records::new(
            target.topic.clone(),
            options.key_separator.as_deref(),
            options.clock.clone(),
            progress.clone(),
        ),
        target,
        max_line_bytes,
        clock: options.clock,
        progress,
        shutdown,
        sent: 0,
        sent_bytes: 0,
    };
    delivery.follow(follower).await?;
    Ok(Summary {
        records: delivery.sent,
        bytes: delivery.sent_bytes,
        passed_over: 0,
        damage: delivery.records.damage(),
        took: delivery.clock.monotonic().saturating_sub(started),
        ended: Ended::Shutdown,
    })
}

fn producer_options(max_message_bytes: usize) -> ProducerOptions {
    ProducerOptions {
        // The commit sends what waits.
        linger_ms: 5,
        max_batch_bytes: max_value_bytes(max_message_bytes),
        ..ProducerOptions::default()
    }
}

/// A producer, and the place that the log has. That the broker that was asked dies is waited for here as it is later on.
async fn begin(
    kafka: &Kafka,
    places: &mut Places,
    max_message_bytes: usize,
    progress: &dyn Progress,
) -> Result<(TransactionalProducer, Option<Place>), SourceError> {
    let id = places.transactional_id();
    let mut patience = Patience::default();
    loop {
        let options = producer_options(max_message_bytes);
        let producer = kafka.transactional_producer(&id, options).await?;
        match places.claim(kafka, &producer).await {
            Ok(kept) => return Ok((producer, kept)),
            Err(SourceError::Kafka(error)) => {
                if let Some(note) = patience.with(error)? {
                    progress.note(&note);
                }
            }
            Err(error) => return Err(error),
        }
        drop(producer);
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// How long a follower that starts puts up with errors.
#[derive(Default)]
struct Patience {
    told: bool,
    refusals: u32,
}

impl Patience {
    /// What to tell before the next try, if it was not told yet; an error that another try does not mend comes back.
    fn with(&mut self, error: ClientError) -> Result<Option<String>, ClientError> {
        match &error {
            // An election leaves these behind too, but so does a wrong setting, or another follower of this name.
            ClientError::Fenced { .. } | ClientError::Refused { .. }
                if self.refusals < LOOKS_FOR_ANOTHER =>
            {
                self.refusals += 1;
            }
            ClientError::Refused { .. } => return Err(error),
            passing if passing.may_pass() => {}
            _ => return Err(error),
        }
        let told = std::mem::replace(&mut self.told, true);
        Ok((!told).then(|| format!("{error}; trying on")))
    }
}

fn no_answer() -> ClientError {
    ClientError::TimedOut {
        what: "cannot begin again to write".to_owned(),
        after: REOPENED_WITHIN,
    }
}

fn going_on(place: &Place, path: &Path) -> String {
    match place.files.last() {
        Some(file) => format!(
            "going on with {} behind byte {}",
            path.display(),
            file.position
        ),
        None => format!("going on with {}", path.display()),
    }
}

/// What a person was told that is waited for.
type Waiting = Option<String>;

/// Writes lines with their places.
struct Delivery<'a> {
    kafka: &'a Kafka,
    producer: TransactionalProducer,
    places: Places,
    target: Target,
    records: Records,
    max_line_bytes: usize,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
    sent: u64,
    sent_bytes: u64,
}

impl Delivery<'_> {
    async fn follow(&mut self, mut follower: Follower) -> Result<(), SourceError> {
        // Where it starts is kept at once: lines that come while nobody follows belong to it.
        let mut kept = false;
        loop {
            let now = self.clock.monotonic();
            let looked = tokio::task::spawn_blocking(move || {
                let gathered = follower.gather(now);
                (follower, gathered)
            });
            let gathered;
            (follower, gathered) = looked.await.map_err(|error| SourceError::File {
                path: "following".to_owned(),
                why: error.to_string(),
            })?;
            let gathered = gathered?;
            for note in &gathered.notes {
                self.progress.note(note);
            }
            if gathered.lines.is_empty() && kept {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => continue,
                    () = self.shutdown.cancelled() => return Ok(()),
                }
            }
            if !self.deliver(gathered).await? {
                return Ok(());
            }
            kept = true;
        }
    }

    /// Writes lines and place, however often it takes; `false` if told to end first.
    async fn deliver(&mut self, gathered: Gathered) -> Result<bool, SourceError> {
        let Gathered {
            mut lines, place, ..
        } = gathered;
        let mut records = self.records_of(&lines, &place);
        let mut waiting: Waiting = None;
        loop {
            let error = match self.write(&records, &mut waiting).await {
                None => return Ok(false),
                Some(Ok(())) => break,
                Some(Err(error)) => error,
            };
            match error {
                ClientError::Fenced { .. } => match self.reopen(&mut waiting).await? {
                    None => return Ok(false),
                    Some(Some(kept)) if kept == place => break,
                    Some(_) => {}
                },
                ClientError::RecordTooLarge { .. } if self.smaller(&error).await? => {
                    let max = self.max_line_bytes;
                    lines = lines
                        .into_iter()
                        .flat_map(|line| pieces(line, max))
                        .collect();
                    records = self.records_of(&lines, &place);
                }
                error => {
                    self.wait_for(error, &mut waiting)?;
                    if !self.pause().await {
                        return Ok(false);
                    }
                }
            }
        }
        if waiting.is_some() {
            self.progress.going_on(GOING_ON);
        }
        self.sent += lines.len() as u64;
        self.sent_bytes += lines
            .iter()
            .map(|line| line.bytes.len() as u64)
            .sum::<u64>();
        self.progress.update(&Snapshot {
            records: self.sent,
            bytes: self.sent_bytes,
            ..Snapshot::default()
        });
        Ok(true)
    }

    fn records_of(&mut self, lines: &[Line], place: &Place) -> Vec<NewRecord> {
        let (records, max) = (&mut self.records, self.max_line_bytes);
        let lines = lines.iter().map(|line| records.of(line, max));
        lines.chain([self.places.record(place)]).collect()
    }

    /// One transaction; `None` if told to end before it was known to be committed.
    async fn write(
        &self,
        records: &[NewRecord],
        waiting: &mut Waiting,
    ) -> Option<Result<(), ClientError>> {
        let mut standstill = self.producer.standstill();
        let mut writing = std::pin::pin!(self.producer.write(records));
        loop {
            // The question may wait as long as the answer to what was written.
            let why = self.held_up(&mut standstill, waiting);
            let why = tokio::select! {
                biased;
                result = &mut writing => return Some(result),
                () = self.shutdown.cancelled() => {
                    // Committed or not, the place says it to the next run.
                    return tokio::time::timeout(LAST_COMMIT, writing).await.ok();
                }
                why = why => why,
            };
            self.tell(why, waiting);
        }
    }

    /// What keeps records from being acknowledged, once something does; or the commit that comes after them.
    async fn held_up(
        &self,
        standstill: &mut watch::Receiver<Option<ClientError>>,
        waiting: &Waiting,
    ) -> String {
        let records = async {
            while standstill.changed().await.is_ok() {
                if let Some(why) = &*standstill.borrow_and_update() {
                    return why.to_string();
                }
            }
            std::future::pending().await
        };
        let anything = async {
            tokio::time::sleep(TELL_AFTER).await;
            match self.kafka.check().await {
                Ok(()) => "Kafka takes long to answer; it goes on by itself".to_owned(),
                Err(error) => error.to_string(),
            }
        };
        tokio::select! {
            why = records => why,
            why = anything, if waiting.is_none() => why,
        }
    }

    /// Says what is waited for, unless that was said already.
    fn tell(&self, why: String, waiting: &mut Waiting) {
        if waiting.as_ref() != Some(&why) {
            self.progress.waiting(&why);
            *waiting = Some(why);
        }
    }

    /// Begins again as a producer, unless another follower of this name has taken over. Gives the place that the log has.
    async fn reopen(
        &mut self,
        waiting: &mut Waiting,
    ) -> Result<Option<Option<Place>>, SourceError> {
        let shutdown = self.shutdown.clone();
        let mut looks = 0;
        loop {
            let again = async {
                if looks < LOOKS_FOR_ANOTHER {
                    let taken_over = self.places.is_taken_over(self.kafka).await?;
                    let id = self.places.transactional_id();
                    return if taken_over {
                        Err(SourceError::Followed { id })
                    } else {
                        Ok(None)
                    };
                }
                let options = producer_options(self.target.max_message_bytes);
                let id = self.places.transactional_id();
                self.producer = self.kafka.transactional_producer(&id, options).await?;
                let kept = self.places.claim(self.kafka, &self.producer).await?;
                Ok::<_, SourceError>(Some(kept))
            };
            let again = tokio::select! {
                again = tokio::time::timeout(REOPENED_WITHIN, again) => again,
                () = shutdown.cancelled() => return Ok(None),
            };
            match again.unwrap_or_else(|_| Err(no_answer().into())) {
                Ok(Some(kept)) => return Ok(Some(kept)),
                Ok(None) => looks += 1,
                Err(SourceError::Kafka(ClientError::Fenced { .. })) => looks = 0,
                Err(SourceError::Kafka(error)) => self.wait_for(error, waiting)?,
                Err(error) => return Err(error),
            }
            if !self.pause().await {
                return Ok(None);
            }
        }
    }

    /// Tells what is waited for; an error that waiting does not mend comes back.
    fn wait_for(&self, error: ClientError, waiting: &mut Waiting) -> Result<(), SourceError> {
        match error {
            error if error.may_pass() => {
                // What was seen in the cluster says more than how the library ended its try.
                if waiting.is_none() {
                    self.tell(error.to_string(), waiting);
                }
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// `false` if told to end.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => true,
            () = self.shutdown.cancelled() => false,
        }
    }

    /// Learns what the topic takes now; `false` if nothing smaller is left to try.
    async fn smaller(&mut self, error: &ClientError) -> Result<bool, SourceError> {
        let limit = topic_limit(self.kafka, &self.target.topic).await;
        let max = max_value_bytes(limit).min(self.max_line_bytes / 2);
        if max < LEAST_RECORD_BYTES {
            return Ok(false);
        }
        self.progress
            .note(&format!("{error}; cutting lines at {max} bytes"));
        self.max_line_bytes = max;
        self.target.max_message_bytes = limit;
        let id = self.places.transactional_id();
        let options = producer_options(limit);
        self.producer = self.kafka.transactional_producer(&id, options).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_that_starts_waits_for_a_leader_however_long_it_takes_and_says_so_once() {
        let mut patience = Patience::default();
        let away = || ClientError::TimedOut {
            what: "cannot write".to_owned(),
            after: RETRY_AFTER,
        };
        assert!(patience.with(away()).unwrap().is_some());
        for _ in 0..1000 {
            assert_eq!(patience.with(away()).unwrap(), None);
        }
    }

    #[test]
    fn a_follower_that_starts_ends_over_what_stays_refused() {
        for refused in [
            ClientError::Fenced { id: "x".to_owned() },
            ClientError::Refused {
                what: "cannot write".to_owned(),
                why: "no".to_owned(),
            },
        ] {
            let mut patience = Patience::default();
            for _ in 0..LOOKS_FOR_ANOTHER {
                patience.with(refused.clone()).unwrap();
            }
            assert_eq!(patience.with(refused.clone()).unwrap_err(), refused);
        }
        let denied = ClientError::NoSuchTopic {
            topic: "x".to_owned(),
        };
        assert!(Patience::default().with(denied).is_err());
    }
}
