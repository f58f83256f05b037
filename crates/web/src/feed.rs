//! A topic's pictures from any position on, as one viewer sees them: live ones from the topic's hub, history from a reader of
//! its own that joins the hub when it has caught up.
//!
//! History goes as fast as the viewer takes it: nothing is queued beyond what the reader keeps ready, and nothing is skipped. An
//! inter-coded topic is begun at the key frame in front of the position asked for; those pictures carry the flag `PREROLL`. A topic
//! of several partitions stays with its own reader, for its order of arrival is no other's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use weir_client::{ClientError, Event, From, Kafka, Reader, ReaderOptions};

use crate::hub::gop;
use crate::hub::maker::Made;
use crate::hub::picture::{Item, Picture};
use crate::hub::tracks::{Chooser, Makers, Track, Wanted};
use crate::hub::{Form, Hubs, KeyFrame, Viewer};
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
    /// The last record sent before, which may have been sound behind the picture that was joined at.
    behind: i64,
    /// What to add to the hub's times so that they go on where history ended.
    shift_us: i64,
}

enum Step {
    Item(Item),
    Joined(Joined),
}

struct History {
    /// To go on with live pictures; without them history ends where it has caught up.
    hubs: Option<Arc<Hubs>>,
    topic: String,
    reader: Reader,
    makers: Makers,
    chooser: Chooser,
    partitions: usize,
    caught_up: usize,
    /// What was read to find out where it begins.
    found: VecDeque<Item>,
    /// Taking pictures since history caught up, to be joined when both have the same one.
    joining: Option<Viewer>,
    /// The picture sent last.
    last: Option<Arc<Picture>>,
    /// The offset of the sound sent last.
    heard: i64,
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
                    behind: -1,
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
        let history = if let Some(offset) = first {
            History::at_key_frame(kafka, Some(hubs), topic, 0, offset, wanted).await?
        } else {
            let reader = kafka.reader(topic, from, ReaderOptions::default()).await?;
            let makers = Makers::default();
            History::new(Some(hubs), topic, reader, partitions, makers, wanted)
        };
        Ok(Self::of(history))
    }

    /// The pictures that one partition holds now from `offset` on, begun at the key frame in front; `Live` comes behind the last.
    pub async fn recorded(
        kafka: &Kafka,
        topic: &str,
        partition: i32,
        offset: i64,
        wanted: Wanted,
    ) -> Result<Self, ClientError> {
        let history = History::at_key_frame(kafka, None, topic, partition, offset, wanted).await?;
        Ok(Self::of(history))
    }

    fn of(history: History) -> Self {
        Self {
            source: Source::History(Box::new(history)),
            joint: Joint::default(),
        }
    }

    /// The next item. Cancel-safe. After `Ended` comes nothing more.
    pub async fn next(&mut self) -> Fed {
        loop {
            let step = match &mut self.source {
                Source::Live(live) => {
                    let item = live.viewer.next().await;
                    if live.knows(&item) {
                        continue;
                    }
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
                let mut item = live.viewer.try_next()?;
                while live.knows(&item) {
                    item = live.viewer.try_next()?;
                }
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

impl Joined {
    /// Whether the viewer got it from history already.
    fn knows(&self, item: &Item) -> bool {
        matches!(item, Item::Sound(sound) if sound.offset <= self.behind)
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
        let picture = match &item {
            Item::Picture(picture) => picture,
            // It belongs to the pictures that are shown, and goes with them.
            Item::Sound(_) => {
                let shift_us = shift_us.saturating_add(self.shift_us);
                return Fed { item, shift_us };
            }
            _ => return Fed { item, shift_us },
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
    fn new(
        hubs: Option<&Arc<Hubs>>,
        topic: &str,
        reader: Reader,
        partitions: usize,
        makers: Makers,
        wanted: Wanted,
    ) -> Self {
        Self {
            hubs: hubs.cloned(),
            topic: topic.to_owned(),
            reader,
            makers,
            chooser: Chooser::new(wanted),
            partitions,
            caught_up: 0,
            found: VecDeque::new(),
            joining: None,
            last: None,
            heard: -1,
        }
    }

    /// History of one partition that begins at the last key frame of what is wanted at or in front of `offset`. How far that is
    /// back the record there says; where that turns out to be wrong, it is looked for further back.
    async fn at_key_frame(
        kafka: &Kafka,
        hubs: Option<&Arc<Hubs>>,
        topic: &str,
        partition: i32,
        offset: i64,
        wanted: Wanted,
    ) -> Result<Self, ClientError> {
        let mut start = KeyFrame::near(kafka, topic, partition, offset).await?;
        loop {
            let reader = start.open(kafka, topic).await?;
            let makers = Makers::with_preroll(offset);
            let mut history = Self::new(hubs, topic, reader, 1, makers, wanted.clone());
            let late = match history.begin().await {
                Some(Item::Picture(picture)) => picture.offset > offset,
                Some(Item::Live) => true,
                _ => false,
            };
            if !late || !start.further_back() {
                return Ok(history);
            }
        }
    }

    /// Reads up to the first picture asked for, keeps those that it needs, and gives the first of all.
    async fn begin(&mut self) -> Option<Item> {
        let mut len_bytes = 0;
        let mut found = VecDeque::new();
        while let Step::Item(item) = self.next().await {
            let mut last = !matches!(item, Item::Sound(_));
            if let Item::Sound(sound) = &item {
                len_bytes += sound.len_bytes();
            }
            if let Item::Picture(picture) = &item {
                if picture.key {
                    found.clear();
                    len_bytes = 0;
                }
                len_bytes += picture.len_bytes();
                last = !picture.preroll
                    || found.len() >= gop::MAX_PICTURES
                    || len_bytes > gop::MAX_BYTES;
            }
            found.push_back(item);
            if last {
                break;
            }
        }
        self.found = found;
        self.found.front().cloned()
    }

    async fn next(&mut self) -> Step {
        if let Some(item) = self.found.pop_front() {
            return Step::Item(item);
        }
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
                Event::Record(record) => match self.makers.make(&record) {
                    Made::Picture(picture) if self.chooser.takes(&picture) => {
                        self.last = Some(picture.clone());
                        return Step::Item(Item::Picture(picture));
                    }
                    Made::Sound(sound) if self.chooser.hears(&sound) => {
                        self.heard = sound.offset;
                        return Step::Item(Item::Sound(sound));
                    }
                    _ => {}
                },
                Event::CaughtUp { .. } => {
                    self.caught_up += 1;
                    if self.caught_up == self.partitions {
                        if let Some(hubs) = self.hubs.as_ref().filter(|_| self.partitions == 1) {
                            let wanted = self.chooser.wanted().clone();
                            self.joining = Some(hubs.view(&self.topic, Form::AsIs, wanted));
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
            behind: self.heard,
            shift_us: last.shift_us - same.shift_us,
        })
    }
}
