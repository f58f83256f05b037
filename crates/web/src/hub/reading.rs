//! A hub's task: reads the topic's live tail, begins at the last key frame, goes on by itself when Kafka comes back.

use std::time::Duration;

use weir_client::{ClientError, ErrorKind, Event, From, Kafka, Reader, ReaderOptions, Record};

use super::Hub;
use super::maker::Made;
use super::picture::Item;
use super::start::{Newest, STEPS, newest};
use super::tracks::Makers;
use crate::problem::Problem;

/// Between two tries when Kafka refuses.
const AGAIN: Duration = Duration::from_secs(1);
/// So many records that are no pictures, and none that is: this is no video topic.
const NO_PICTURES: u64 = 16;

/// Feeds the hub until there is nothing more to hope for, and says why.
pub async fn run(kafka: &Kafka, hub: &Hub) -> Problem {
    loop {
        let error = match read(kafka, hub).await {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) {
            return error.into();
        }
        tracing::info!(topic = hub.topic, %error, "reading is interrupted");
        hub.forget_gop();
        hub.note(Item::Waiting(error.to_string().into()));
        tokio::time::sleep(AGAIN).await;
    }
}

/// One reader's life. `Ok` is the end of the hub.
async fn read(kafka: &Kafka, hub: &Hub) -> Result<Problem, ClientError> {
    let mut tail = Tail {
        hub,
        makers: Makers::default(),
        pictures: 0,
        others: 0,
        waiting: false,
    };
    let partitions = kafka.topic(&hub.topic).await?.partitions.len();
    let mut further = STEPS.into_iter();
    let (mut reader, mut caught_up) = match newest(kafka, &hub.topic).await? {
        Newest::Here(reader, records) => {
            for record in &records {
                tail.take(record);
            }
            tail.at_the_edge();
            (reader, partitions)
        }
        Newest::Back(back) => (open(kafka, hub, From::Last(back)).await?, 0),
        Newest::Nothing => {
            tail.at_the_edge();
            // Not `Live`: what comes while the reader opens is wanted too.
            (open(kafka, hub, From::Start).await?, 0)
        }
    };
    loop {
        match reader.next().await? {
            Event::Record(record) => tail.take(&record),
            Event::CaughtUp { .. } => {
                caught_up += 1;
                if caught_up != partitions {
                    continue;
                }
                if tail.pictures == 0 && tail.others == 0 && !hub.has_key_frame() {
                    // The way back to a key frame was longer than it said.
                    if let Some(back) = further.next() {
                        reader = open(kafka, hub, From::Last(back)).await?;
                        caught_up = 0;
                        continue;
                    }
                }
                tail.at_the_edge();
            }
            Event::Gap { .. } => {
                hub.forget_gop();
                tail.makers.lost();
            }
            Event::Disconnected { why } => {
                tail.waiting = true;
                hub.note(Item::Waiting(why.into()));
            }
            Event::Reconnected => tail.go_on(),
            _ => {}
        }
        if tail.pictures == 0 && tail.others >= NO_PICTURES {
            return Ok(
                Problem::bad("topic", format!("topic {:?} holds no pictures", hub.topic))
                    .remedy("see its records or its plot instead"),
            );
        }
    }
}

async fn open(kafka: &Kafka, hub: &Hub, from: From) -> Result<Reader, ClientError> {
    kafka
        .reader(&hub.topic, from, ReaderOptions::default())
        .await
}

struct Tail<'h> {
    hub: &'h Hub,
    makers: Makers,
    pictures: u64,
    others: u64,
    /// The viewers were told that nothing comes.
    waiting: bool,
}

impl Tail<'_> {
    fn take(&mut self, record: &Record) {
        match self.makers.make(record) {
            Made::Picture(picture) => {
                self.pictures += 1;
                if self.waiting {
                    self.go_on();
                }
                self.hub.push(&picture);
            }
            Made::NotAPicture => self.others += 1,
            Made::Sound(sound) => self.hub.push_sound(&sound),
            Made::NoKeyYet => {}
        }
    }

    fn at_the_edge(&mut self) {
        if self.pictures == 0 {
            self.waiting = true;
            let why = format!(
                "topic {:?} has no picture to begin with yet",
                self.hub.topic
            );
            self.hub.note(Item::Waiting(why.into()));
        } else {
            self.hub.note(Item::Live);
        }
    }

    fn go_on(&mut self) {
        self.waiting = false;
        self.hub.note(Item::Reconnected);
        self.hub.note(Item::Live);
    }
}
