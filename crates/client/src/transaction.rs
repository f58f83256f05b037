//! Records that are in the log all together or not at all (KIP-98).
//!
//! One producer a transactional id: opening one ends what another of the same id had begun and shuts that other out, so that
//! a program that was killed and started again never works against its own ghost. Records written here are seen by readers
//! of committed records once [`TransactionalProducer::write`] has returned, and by none of them otherwise.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use tokio::sync::watch;

use crate::context::{Background, Context};
use crate::kafka::{hopeless, refused};
use crate::{ClientError, Kafka, NewRecord, Producer, ProducerOptions};

/// How long the broker lets a transaction take. One that a killed program left open holds up the readers of committed
/// records for so long, unless the program comes back sooner.
const TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// How long the library tries before it says how it stands.
const STEP: Duration = Duration::from_secs(1);
/// How long opening may take: a cluster makes its transaction log when the first asks for it.
const OPEN_STEPS: u32 = 60;

/// Writes records, so many at a time as belong together.
pub struct TransactionalProducer {
    producer: Producer,
    id: Arc<str>,
}

/// What became of a step.
enum Outcome {
    Done,
    /// The same again.
    Again(ClientError),
    /// The transaction cannot be committed any more.
    Aborted(ClientError),
    /// This producer cannot go on.
    Ended(ClientError),
}

type Step = fn(&ThreadedProducer<Context>) -> KafkaResult<()>;

impl Kafka {
    /// A producer for the transactional id `id`. What another producer of this id had begun and not committed is undone.
    pub async fn transactional_producer(
        &self,
        id: &str,
        options: ProducerOptions,
    ) -> Result<TransactionalProducer, ClientError> {
        self.reach().await?;
        let timeout_ms = TRANSACTION_TIMEOUT_MS.to_string();
        let producer = self.producer_with(
            ProducerOptions {
                delivery_timeout_ms: options.delivery_timeout_ms.min(TRANSACTION_TIMEOUT_MS),
                ..options
            },
            &[
                ("transactional.id", id),
                ("transaction.timeout.ms", &timeout_ms),
            ],
        )?;
        let opened = TransactionalProducer {
            producer,
            id: Arc::from(id),
        };
        for step in 1.. {
            match opened.step(|library| library.init_transactions(STEP)).await {
                Outcome::Done => break,
                Outcome::Again(error) if step == OPEN_STEPS => return Err(error),
                Outcome::Again(_) => {}
                Outcome::Aborted(error) | Outcome::Ended(error) => return Err(error),
            }
        }
        Ok(opened)
    }
}

impl TransactionalProducer {
    /// Writes `records` in one transaction and returns when it is committed, however long no broker answers.
    ///
    /// After [`ClientError::Fenced`] nobody knows whether it was committed, and this producer can write no more: open
    /// another and read what the log has. After any other error the log has none of the records, and they can be written
    /// again. Whoever drops the future before it is done drops the producer too.
    pub async fn write(&self, records: &[NewRecord]) -> Result<(), ClientError> {
        match outcome(
            &self.id,
            self.library().begin_transaction(),
            self.library().as_ref(),
        ) {
            Outcome::Done => {}
            Outcome::Again(error) | Outcome::Aborted(error) | Outcome::Ended(error) => {
                return Err(error);
            }
        }
        for record in records {
            // What becomes of each is asked for all together by the commit.
            match self.producer.send(record.clone()).await {
                Ok(delivery) => drop(delivery),
                Err(error) => {
                    self.abort().await?;
                    return Err(error);
                }
            }
        }
        loop {
            match self.step(|library| library.commit_transaction(STEP)).await {
                Outcome::Done => return Ok(()),
                Outcome::Again(_) => {}
                Outcome::Aborted(error) => {
                    // The record that was given up is the reason, unless it only went with the others.
                    let failure = self.producer.take_failure();
                    let failure =
                        failure.filter(|failure| !matches!(failure, ClientError::Closed { .. }));
                    self.abort().await?;
                    return Err(failure.unwrap_or(error));
                }
                Outcome::Ended(error) => return Err(error),
            }
        }
    }

    /// What holds up the records of a transaction, as [`Producer::standstill`] has it.
    pub fn standstill(&self) -> watch::Receiver<Option<ClientError>> {
        self.producer.standstill()
    }

    async fn abort(&self) -> Result<(), ClientError> {
        loop {
            match self.step(|library| library.abort_transaction(STEP)).await {
                Outcome::Done => break,
                Outcome::Again(_) => {}
                Outcome::Aborted(error) | Outcome::Ended(error) => return Err(error),
            }
        }
        // Of the records that went with it.
        self.producer.take_failure();
        Ok(())
    }

    fn library(&self) -> Arc<Background<ThreadedProducer<Context>>> {
        self.producer.library()
    }

    /// One question to the library, which answers on the thread that asks.
    async fn step(&self, step: Step) -> Outcome {
        let (library, id) = (self.library(), self.id.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let result = step(&library);
            outcome(&id, result, &library)
        });
        asked.await.unwrap_or_else(|_| {
            Outcome::Ended(ClientError::Closed {
                what: format!("a transaction of {:?} ended", self.id),
            })
        })
    }
}

/// What the library's answer means for who goes on.
fn outcome(id: &str, result: KafkaResult<()>, library: &ThreadedProducer<Context>) -> Outcome {
    let Err(error) = result else {
        return Outcome::Done;
    };
    let what = format!("write as transactional id {id:?}");
    if let Some((code, why)) = library.client().context().trouble.hopeless() {
        return Outcome::Ended(hopeless(code, why));
    }
    match &error {
        // Records are still on their way.
        KafkaError::Flush(_) => Outcome::Again(no_answer(&what)),
        KafkaError::Transaction(found) if found.is_retriable() => Outcome::Again(no_answer(&what)),
        KafkaError::Transaction(found) if found.txn_requires_abort() => {
            Outcome::Aborted(said(&what, found.code(), found.string()))
        }
        KafkaError::Transaction(found) => Outcome::Ended(match found.code() {
            Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::UnknownProducerId
            | Code::InvalidTransactionalState => ClientError::Fenced { id: id.to_owned() },
            code => said(&what, code, found.string()),
        }),
        other => Outcome::Ended(ClientError::Refused {
            what: format!("cannot {what}"),
            why: other.to_string(),
        }),
    }
}

fn no_answer(what: &str) -> ClientError {
    ClientError::TimedOut {
        what: format!("cannot {what}"),
        after: STEP * OPEN_STEPS,
    }
}

fn said(what: &str, code: Code, why: String) -> ClientError {
    match refused(what, code) {
        ClientError::Refused { what, .. } => ClientError::Refused { what, why },
        known => known,
    }
}
