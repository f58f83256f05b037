//! A topic's pictures from any position on, as one viewer sees them: live ones from the topic's hub, history from a reader of
//! its own that joins the hub when it has caught up.
//!
//! History goes as fast as the viewer takes it: nothing is queued beyond what the reader keeps ready, and nothing is skipped. An
//! inter-coded topic is begun at the key frame in front of the position asked for; those pictures carry the flag `PREROLL`. A topic
//! of several partitions stays with its own reader, for its order of arrival is no other's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use weir_client::{Event, From, Kafka, Reader, ReaderOptions};

use crate::hub::maker::Made;
use crate::hub::picture::{Item, Picture};
use crate::hub::tracks::{Chooser, Makers, Track, Wanted};
use crate::hub::{Form, Hubs, Viewer, open_at_key_frame};
use crate::problem::Problem;

/// Between two looks whether the hub has reached the record that history ended with.
const JOIN_AGAIN: Duration = Duration::from_millis(20);
/// Between two cameras' pictures no more than this is left empty.
const LONGEST_BREAK_US: i64 = 5_000_000;

/// One viewer's pictures.
pub struct Feed {
    source: Source,
    joint: Joint,
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
    makers: Makers,
    chooser: Chooser,
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
    /// The pictures of `topic`, which must be there, from `from` on, of those wanted. `inter`: whether pictures may need
    /// others to be decoded.
    pub async fn open(
        kafka: &Kafka,
        hubs: &Arc<Hubs>,
        topic: &str,
        from: From,
        inter: bool,
        wanted: Wanted,
    ) -> Result<Self, Problem> {
        if from == From::Live {
            return Ok(Self {
                source: Source::Live(Joined {
                    viewer: hubs.view(topic, Form::AsIs, wanted),
                    shift_us: 0,
                }),
                joint: Joint::default(),
            });
        }
        let partitions = kafka.topic(topic).await?.partitions.len();
        let first = match partitions {
            1 if inter => first_wanted(kafka, topic, &from).await?,
            _ => None,
        };
        let (reader, makers) = match first {
            Some(offset) => (
                open_at_key_frame(kafka, topic, 0, offset).await?,
                Makers::with_preroll(offset),
            ),
            None => (
                kafka.reader(topic, from, ReaderOptions::default()).await?,
                Makers::default(),
            ),
        };
        Ok(Self {
            source: Source::History(Box::new(History {
                hubs: hubs.clone(),
                topic: topic.to_owned(),
                reader,
                makers,
                chooser: Chooser::new(wanted),
                partitions,
                caught_up: 0,
                joining: None,
                last: None,
            })),
            joint: Joint::default(),
        })
    }

    /// The next item. Cancel-safe. After `Ended` comes nothing more.
    pub async fn next(&mut self) -> Fed {
        loop {
            let step = match &mut self.source {
                Source::Live(live) => {
                    let item = live.viewer.next().await;
                    return self.joint.fed(item, live.shift_us);
                }
                Source::History(history) => history.next().await,
            };
            match step {
                Step::Item(item) => return self.joint.fed(item, 0),
                Step::Joined(live) => self.source = Source::Live(live),
            }
        }
    }

    /// The next item if it is there at once.
    pub fn try_next(&mut self) -> Option<Fed> {
        match &mut self.source {
            Source::Live(live) => {
                let item = live.viewer.try_next()?;
                Some(self.joint.fed(item, live.shift_us))
            }
            Source::History(_) => None,
        }
    }

    /// The keys that the pictures of the topic come under, as far as seen, and the one shown.
    pub fn keys(&self) -> (Vec<Option<Bytes>>, Option<Bytes>) {
        match &self.source {
            Source::Live(live) => live.viewer.keys(),
            Source::History(history) => {
                let track = history.chooser.track();
                (
                    history.makers.keys(),
                    track.and_then(|track| track.key.clone()),
                )
            }
        }
    }
}

/// What keeps a viewer's time going forward when another camera's pictures take the place of those before.
#[derive(Default)]
struct Joint {
    track: Option<Arc<Track>>,
    /// Where the picture before ends.
    next_us: i64,
    shift_us: i64,
}

impl Joint {
    fn fed(&mut self, item: Item, shift_us: i64) -> Fed {
        let Item::Picture(picture) = &item else {
            return Fed { item, shift_us };
        };
        let begins_us = picture.dts_us.saturating_add(shift_us);
        if self
            .track
            .as_ref()
            .is_some_and(|track| *track != picture.track)
        {
            let at_us = begins_us.saturating_add(self.shift_us);
            if !(0..LONGEST_BREAK_US).contains(&at_us.saturating_sub(self.next_us)) {
                self.shift_us = self.next_us.saturating_sub(begins_us);
            }
        }
        let shift_us = shift_us.saturating_add(self.shift_us);
        self.track = Some(picture.track.clone());
        let begins_us = picture.dts_us.saturating_add(shift_us);
        self.next_us = begins_us.saturating_add(picture.duration_us);
        Fed { item, shift_us }
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
                    if let Made::Picture(picture) = self.makers.make(&record)
                        && self.chooser.takes(&picture)
                    {
                        self.last = Some(picture.clone());
                        return Step::Item(Item::Picture(picture));
                    }
                }
                Event::CaughtUp { .. } => {
                    self.caught_up += 1;
                    if self.caught_up == self.partitions {
                        if self.partitions == 1 {
                            let wanted = self.chooser.wanted().clone();
                            self.joining = Some(self.hubs.view(&self.topic, Form::AsIs, wanted));
                        }
                        return Step::Item(Item::Live);
                    }
                }
                Event::Gap { from, to, .. } => {
                    self.makers.lost();
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
