//! A topic's pictures from any position on, as one viewer sees them: live ones from the topic's hub, history from a reader of
//! its own that joins the hub when it has caught up.
//!
//! History goes as fast as the viewer takes it: nothing is queued beyond what the reader keeps ready, and nothing is skipped. An
//! inter-coded topic is begun at the key frame in front of the position asked for; those pictures carry the flag `PREROLL`. A topic
//! of several partitions stays with its own reader, for its order of arrival is no other's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use weir_client::{Event, From, Kafka, Reader, ReaderOptions};

use crate::hub::maker::{Made, Maker};
use crate::hub::picture::{Item, Picture};
use crate::hub::{Form, Hubs, Viewer, open_at_key_frame};
use crate::problem::Problem;

/// Between two looks whether the hub has reached the record that history ended with.
const JOIN_AGAIN: Duration = Duration::from_millis(20);

/// One viewer's pictures.
pub struct Feed {
    source: Source,
}

enum Source {
    Live(Joined),
    History(Box<History>),
}

struct Joined {
    viewer: Viewer,
    /// What to add to the hub's times so that they go on where history ended.
    shift_us: i64,
}

enum Step {
    Item(Item),
    Joined(Joined),
}

struct History {
    hubs: Arc<Hubs>,
    topic: String,
    reader: Reader,
    maker: Maker,
    partitions: usize,
    caught_up: usize,
    /// Taking pictures since history caught up, to be joined when both have the same one.
    joining: Option<Viewer>,
    /// The picture sent last.
    last: Option<Arc<Picture>>,
}

/// What comes next, with what is to be added to its times.
pub struct Fed {
    /// The item.
    pub item: Item,
    /// What to add to a picture's times; where it is not zero the hub's fragment does not fit.
    pub shift_us: i64,
}

impl Feed {
    /// The pictures of `topic`, which must be there, from `from` on. `inter`: whether pictures may need others to be decoded.
    pub async fn open(
        kafka: &Kafka,
        hubs: &Arc<Hubs>,
        topic: &str,
        from: From,
        inter: bool,
    ) -> Result<Self, Problem> {
        if from == From::Live {
            return Ok(Self {
                source: Source::Live(Joined {
                    viewer: hubs.view(topic, Form::AsIs),
                    shift_us: 0,
                }),
            });
        }
        let partitions = kafka.topic(topic).await?.partitions.len();
        let first = match partitions {
            1 if inter => first_wanted(kafka, topic, &from).await?,
            _ => None,
        };
        let (reader, maker) = match first {
            Some(offset) => (
                open_at_key_frame(kafka, topic, 0, offset).await?,
                Maker::with_preroll(offset),
            ),
            None => (
                kafka.reader(topic, from, ReaderOptions::default()).await?,
                Maker::default(),
            ),
        };
        Ok(Self {
            source: Source::History(Box::new(History {
                hubs: hubs.clone(),
                topic: topic.to_owned(),
                reader,
                maker,
                partitions,
                caught_up: 0,
                joining: None,
                last: None,
            })),
        })
    }

    /// The next item. Cancel-safe. After `Ended` comes nothing more.
    pub async fn next(&mut self) -> Fed {
        loop {
            let step = match &mut self.source {
                Source::Live(live) => {
                    return Fed {
                        item: live.viewer.next().await,
                        shift_us: live.shift_us,
                    };
                }
                Source::History(history) => history.next().await,
            };
            match step {
                Step::Item(item) => return Fed { item, shift_us: 0 },
                Step::Joined(live) => self.source = Source::Live(live),
            }
        }
    }

    /// The next item if it is there at once.
    pub fn try_next(&mut self) -> Option<Fed> {
        match &mut self.source {
            Source::Live(live) => live.viewer.try_next().map(|item| Fed {
                item,
                shift_us: live.shift_us,
            }),
            Source::History(_) => None,
        }
    }
}

/// The offset the viewer asked to begin at, in a topic with one partition; `None` where any key frame will do.
async fn first_wanted(kafka: &Kafka, topic: &str, from: &From) -> Result<Option<i64>, Problem> {
    Ok(match from {
        From::Offset(offset) => Some(*offset),
        From::Positions(positions) => positions.first().map(|(_, offset)| *offset),
        From::Time(time) => {
            let found = kafka.offsets_at(topic, *time).await?;
            found.first().and_then(|timed| timed.offset)
        }
        From::Resume { group } => {
            let committed = kafka.committed(group, topic).await?;
            committed.first().and_then(|committed| committed.offset)
        }
        From::Last(back) => {
            let marks = kafka.watermarks(topic).await?;
            marks.first().map(|marks| {
                let back = i64::try_from(*back).unwrap_or(i64::MAX);
                marks.end.saturating_sub(back).max(marks.start)
            })
        }
        From::Live | From::Start => None,
    })
}

impl History {
    async fn next(&mut self) -> Step {
        loop {
            if let Some(joined) = self.join() {
                return Step::Joined(joined);
            }
            let patience = if self.joining.is_some() {
                JOIN_AGAIN
            } else {
                Duration::MAX
            };
            let event = match timeout(patience, self.reader.next()).await {
                Ok(Ok(event)) => event,
                Ok(Err(error)) => return Step::Item(Item::Ended(error.into())),
                Err(_) => continue,
            };
            match event {
                Event::Record(record) => {
                    if let Made::Picture(picture) = self.maker.make(&record) {
                        self.last = Some(picture.clone());
                        return Step::Item(Item::Picture(picture));
                    }
                }
                Event::CaughtUp { .. } => {
                    self.caught_up += 1;
                    if self.caught_up == self.partitions {
                        if self.partitions == 1 {
                            self.joining = Some(self.hubs.view(&self.topic, Form::AsIs));
                        }
                        return Step::Item(Item::Live);
                    }
                }
                Event::Gap { from, to, .. } => {
                    self.maker.lost();
                    let missed = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
                    return Step::Item(Item::Skipped(missed));
                }
                Event::Disconnected { why } => return Step::Item(Item::Waiting(why.into())),
                Event::Reconnected => return Step::Item(Item::Reconnected),
                _ => {}
            }
        }
    }

    /// The hub's viewer, once it stands right behind the last picture.
    fn join(&mut self) -> Option<Joined> {
        let last = self.last.as_ref()?;
        let viewer = self.joining.as_mut()?;
        let same = viewer.go_behind(last.partition, last.offset)?;
        Some(Joined {
            viewer: self.joining.take()?,
            shift_us: last.shift_us - same.shift_us,
        })
    }
}
