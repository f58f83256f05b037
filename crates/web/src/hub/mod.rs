//! Live pictures: one reader a topic, fanned out to all viewers by reference count.
//!
//! A [`Hub`] is started with its first viewer and stops [`IDLE`] after the last has gone. Its task (`reading` for a topic as it is,
//! `transcode` for an inter-coded topic as JPEGs) pushes pictures in; each [`Viewer`] takes them from a bounded queue of its own. A push never
//! waits: a viewer that is too slow loses pictures by the rule in [`queue`], and nobody else notices. History is not read here
//! but in [`crate::feed`], which joins a hub when it has caught up.

pub mod gop;
pub mod maker;
pub mod picture;
pub mod queue;
mod reading;
pub mod sound;
mod start;
pub mod timeline;
pub mod tracks;
pub mod transcode;

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use weir_client::Kafka;
use weir_media::Codec;

use self::gop::Gop;
use self::picture::{Item, Picture};
use self::queue::Queue;
use self::sound::Sound;
use self::tracks::{Chooser, MAX_TRACKS, Track, Wanted};
use crate::metrics::Metrics;

pub use self::start::KeyFrame;

/// How long a hub goes on without viewers: a reload, or a switch back, finds it warm.
pub const IDLE: Duration = Duration::from_secs(30);

/// Which pictures of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As they are in the topic.
    AsIs,
    /// As JPEG or PNG files, decoded and encoded anew where they are something else.
    Stills,
    /// As JPEG files all of them.
    Jpegs,
}

impl Form {
    /// Whether pictures of this codec must be made JPEGs for it.
    pub fn changes(self, codec: Codec) -> bool {
        match self {
            Self::AsIs => false,
            Self::Stills => codec.is_inter(),
            Self::Jpegs => codec != Codec::Jpeg,
        }
    }
}

/// Which hub. Of a topic as it is there is one, whatever its viewers want of it.
type Which = (String, Form, Wanted);

/// All hubs of the process.
pub struct Hubs {
    kafka: Kafka,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    running: Mutex<HashMap<Which, Arc<Hub>>>,
}

/// The fan-out of one topic.
pub struct Hub {
    topic: String,
    metrics: Arc<Metrics>,
    viewers: AtomicUsize,
    state: Mutex<State>,
    /// Told when the last viewer goes.
    emptied: Notify,
}

struct State {
    /// The one that came last stands last.
    gops: Vec<(Arc<Track>, Gop)>,
    /// What is chosen for viewers who name no key: of all pictures, and of those that a player takes.
    leading: [Chooser; 2],
    seats: Vec<Arc<Seat>>,
    /// The newest of `Live`, `Waiting` and `Ended`: what a new viewer is to know.
    standing: Option<Item>,
}

/// What waits for one viewer.
type Seat = Mutex<Place>;

struct Place {
    queue: Queue,
    chooser: Chooser,
    /// The viewer has found the queue empty.
    waiting: Option<Waker>,
}

/// One viewer of a hub.
pub struct Viewer {
    hub: Arc<Hub>,
    seat: Arc<Seat>,
    ended: bool,
}

impl Hubs {
    /// No hub runs yet.
    pub fn new(kafka: Kafka, metrics: Arc<Metrics>, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            kafka,
            metrics,
            shutdown,
            running: Mutex::default(),
        })
    }

    /// A viewer of `topic`'s pictures, of those it wants, from the last key frame on; starts the hub if it is the first.
    pub fn view(self: &Arc<Self>, topic: &str, form: Form, wanted: Wanted) -> Viewer {
        let mut running = held(&self.running);
        let of = match form {
            Form::AsIs => Wanted::default(),
            Form::Stills | Form::Jpegs => wanted.clone(),
        };
        let which = (topic.to_owned(), form, of);
        let entry = running.entry(which.clone());
        let hub = entry
            .or_insert_with(|| {
                let hub = Hub::new(topic, self.metrics.clone());
                let (hubs, started) = (self.clone(), hub.clone());
                tokio::spawn(async move { hubs.run(started, which).await });
                hub
            })
            .clone();
        hub.seat(wanted)
    }

    async fn run(self: Arc<Self>, hub: Arc<Hub>, which: Which) {
        let work = async {
            match which.1 {
                Form::AsIs => reading::run(&self.kafka, &hub).await,
                form => transcode::run(&self, &hub, form, which.2.clone()).await,
            }
        };
        tokio::select! {
            problem = work => {
                // Out of the table first, so that whoever comes now gets a new hub.
                held(&self.running).remove(&which);
                hub.note(Item::Ended(problem));
            }
            () = self.nobody_looks(&hub, &which) => {}
            () = self.shutdown.cancelled() => {
                held(&self.running).remove(&which);
            }
        }
    }

    /// Returns when there has been no viewer for [`IDLE`]; the hub is out of the table then.
    async fn nobody_looks(&self, hub: &Arc<Hub>, which: &Which) {
        loop {
            if hub.viewers.load(Ordering::Acquire) > 0 {
                hub.emptied.notified().await;
                continue;
            }
            tokio::time::sleep(IDLE).await;
            let mut running = held(&self.running);
            // Under the lock no viewer can come.
            if hub.viewers.load(Ordering::Acquire) == 0 {
                running.remove(which);
                return;
            }
        }
    }
}

impl Hub {
    fn new(topic: &str, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            topic: topic.to_owned(),
            metrics,
            viewers: AtomicUsize::new(0),
            state: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    fn seat(self: &Arc<Self>, wanted: Wanted) -> Viewer {
        let mut state = held(&self.state);
        let (gop, chooser) = state.begin(wanted);
        let mut queue = match gop {
            Some(gop) if chooser.wanted().sound => Queue::beginning_with_sound(gop),
            Some(gop) => Queue::beginning_with(gop.pictures()),
            None => Queue::default(),
        };
        if let Some(standing) = &state.standing {
            queue.note(standing.clone());
        }
        let seat = Arc::new(Mutex::new(Place {
            queue,
            chooser,
            waiting: None,
        }));
        state.seats.push(seat.clone());
        self.viewers.fetch_add(1, Ordering::AcqRel);
        self.metrics.viewers.add(1);
        Viewer {
            hub: self.clone(),
            seat,
            ended: false,
        }
    }

    /// Hands a picture to every viewer; never waits.
    fn push(&self, picture: &Arc<Picture>) {
        let mut state = held(&self.state);
        state.keep(picture);
        let mut lost = 0;
        for seat in &state.seats {
            fill(seat, |place| {
                if place.chooser.takes(picture) {
                    lost += place.queue.push(picture);
                }
            });
        }
        self.metrics.pictures_skipped.add(lost);
        self.metrics.pictures.add(1);
    }

    /// Hands sound to those who listen.
    fn push_sound(&self, sound: &Arc<Sound>) {
        let mut state = held(&self.state);
        let beside = state.gops.iter_mut().find(|(t, _)| *t == sound.track);
        if let Some((_, gop)) = beside {
            gop.push_sound(sound);
        }
        for seat in &state.seats {
            fill(seat, |place| {
                if place.chooser.hears(sound) {
                    place.queue.push_sound(sound);
                }
            });
        }
    }

    /// Tells every viewer, and those to come.
    fn note(&self, note: Item) {
        let mut state = held(&self.state);
        for seat in &state.seats {
            fill(seat, |place| place.queue.note(note.clone()));
        }
        state.standing = match note {
            Item::Reconnected => None,
            note => Some(note),
        };
    }

    fn forget_gop(&self) {
        held(&self.state).gops.clear();
    }

    fn has_key_frame(&self) -> bool {
        let state = held(&self.state);
        state.gops.iter().any(|(_, gop)| !gop.pictures().is_empty())
    }
}

impl Default for State {
    fn default() -> Self {
        let leading = [false, true].map(|inter_only| {
            Chooser::new(Wanted {
                inter_only,
                ..Wanted::default()
            })
        });
        Self {
            gops: Vec::new(),
            leading,
            seats: Vec::new(),
            standing: None,
        }
    }
}

impl State {
    /// Keeps a picture for viewers to come.
    fn keep(&mut self, picture: &Arc<Picture>) {
        for chooser in &mut self.leading {
            chooser.takes(picture);
        }
        let known = self
            .gops
            .iter()
            .position(|(track, _)| *track == picture.track);
        let (track, mut gop) = match known {
            Some(at) => self.gops.remove(at),
            None => (picture.track.clone(), Gop::default()),
        };
        gop.push(picture);
        self.gops.push((track, gop));
        // Several cameras together keep no more than twice what one may.
        let mut len_bytes: usize = self.gops.iter().map(|(_, gop)| gop.len_bytes()).sum();
        while self.gops.len() > MAX_TRACKS
            || (len_bytes > 2 * gop::MAX_BYTES && self.gops.len() > 1)
        {
            len_bytes -= self.gops.remove(0).1.len_bytes();
        }
    }

    /// What a new viewer begins with.
    fn begin(&self, wanted: Wanted) -> (Option<&Gop>, Chooser) {
        let leading = self
            .leading
            .iter()
            .find(|leading| leading.wanted().same_pictures(&wanted));
        if let Some(leading) = leading {
            let of = |track: &Arc<Track>| self.gops.iter().find(|(kept, _)| kept == track);
            let gop = leading.track().and_then(of).map(|(_, gop)| gop);
            return (gop, leading.clone().listening(wanted.sound));
        }
        let mut chooser = Chooser::new(wanted);
        for (_, gop) in self.gops.iter().rev() {
            if gop
                .pictures()
                .first()
                .is_some_and(|first| chooser.takes(first))
            {
                for picture in gop.pictures().iter().skip(1) {
                    chooser.takes(picture);
                }
                return (Some(gop), chooser);
            }
        }
        (None, chooser)
    }
}

impl Viewer {
    /// The next item. Cancel-safe. After `Ended` comes nothing more: it waits for ever.
    pub async fn next(&mut self) -> Item {
        if self.ended {
            std::future::pending::<()>().await;
        }
        let item = poll_fn(|cx| {
            let mut place = held(&self.seat);
            let item = place.queue.pop();
            if item.is_none() {
                place.waiting = Some(cx.waker().clone());
            }
            item.map_or(Poll::Pending, Poll::Ready)
        });
        let item = item.await;
        self.ended = matches!(item, Item::Ended(_));
        item
    }

    /// The next item if it is there.
    pub fn try_next(&mut self) -> Option<Item> {
        held(&self.seat).queue.pop()
    }

    /// The keys that the pictures of the topic come under, and the one shown.
    pub fn keys(&self) -> (Vec<Option<Bytes>>, Option<Bytes>) {
        let shown = held(&self.seat)
            .chooser
            .track()
            .and_then(|track| track.key.clone());
        let state = held(&self.hub.state);
        let several = |(_, gop): &&(Arc<Track>, Gop)| gop.has_recurred();
        let mut keys: Vec<_> = state
            .gops
            .iter()
            .filter(several)
            .map(|(track, _)| track.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        (keys, shown)
    }

    /// Drops everything up to and with this record, if it is waiting here, and gives its picture.
    pub fn go_behind(&mut self, partition: i32, offset: i64) -> Option<Arc<Picture>> {
        held(&self.seat).queue.go_behind(partition, offset)
    }
}

/// Puts something into a viewer's queue, and wakes the viewer if that was empty and no longer is.
fn fill(seat: &Seat, put: impl FnOnce(&mut Place)) {
    let mut place = held(seat);
    put(&mut place);
    let waiting = if place.queue.is_empty() {
        None
    } else {
        place.waiting.take()
    };
    drop(place);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = held(&self.hub.state);
        state.seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.hub.metrics.viewers.sub(1);
        if self.hub.viewers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.hub.emptied.notify_one();
        }
    }
}

/// A lock that outlives whoever panicked while holding it: what is in there is whole at every step.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Pictures without a codec, and sound.

    use std::sync::Arc;

    use bytes::Bytes;
    use weir_media::Codec;

    use super::picture::Picture;
    use super::sound::Sound;
    use super::tracks::Track;

    /// Sound of the same track, where a picture of that offset would be.
    pub fn sound(offset: i64) -> Arc<Sound> {
        use weir_media::sound::{SoundCodec, SoundUnit};
        let unit = weir_media::synthetic::sound(SoundCodec::Opus, 0, 1).remove(0);
        let muxer = weir_media::fmp4::SoundMuxer::new(SoundCodec::Opus, &unit.data, None, None);
        Arc::new(Sound {
            track: picture(0, true, 0).track.clone(),
            partition: 0,
            offset,
            timestamp_ms: offset * 40,
            preroll: false,
            unit: SoundUnit {
                pts_us: offset * 40_000,
                ..unit
            },
            message: Bytes::from_static(b"sound"),
            init: Arc::new(super::sound::SoundInit::new(&muxer.unwrap())),
        })
    }

    /// A picture of `len_bytes` at 25 pictures a second.
    pub fn picture(offset: i64, key: bool, len_bytes: usize) -> Arc<Picture> {
        Arc::new(Picture {
            track: Arc::new(Track {
                key: None,
                codec: Codec::H264,
            }),
            partition: 0,
            offset,
            timestamp_ms: offset * 40,
            codec: Codec::H264,
            key,
            preroll: false,
            pts_us: offset * 40_000,
            dts_us: offset * 40_000,
            duration_us: 40_000,
            shift_us: 0,
            // Zeroed memory is not touched: large pictures cost the test nothing.
            value: Bytes::from(vec![0; len_bytes]),
            message: None,
            init: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::picture;
    use super::*;

    fn hub() -> Arc<Hub> {
        Hub::new("cam", Arc::default())
    }

    fn offsets(viewer: &mut Viewer) -> Vec<i64> {
        std::iter::from_fn(|| viewer.try_next())
            .filter_map(|item| match item {
                Item::Picture(picture) => Some(picture.offset),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_new_viewer_begins_at_the_last_key_frame_at_once() {
        let hub = hub();
        for offset in 0..10 {
            hub.push(&picture(offset, offset % 4 == 0, 5));
        }
        assert_eq!(offsets(&mut hub.seat(Wanted::default())), [8, 9]);
    }

    #[test]
    fn a_viewer_that_takes_nothing_slows_nobody_and_all_share_the_same_bytes() {
        let hub = hub();
        let (mut quick, slow) = (hub.seat(Wanted::default()), hub.seat(Wanted::default()));
        let mut got = Vec::new();
        for offset in 0..5_000 {
            hub.push(&picture(offset, offset % 100 == 0, 5));
            got.extend(offsets(&mut quick));
        }
        assert_eq!(got, (0..5_000).collect::<Vec<_>>());
        assert!(hub.metrics.pictures_skipped.get() > 4_000);
        drop(slow);
        assert_eq!(held(&hub.state).seats.len(), 1);
    }

    #[test]
    fn what_stands_is_told_to_those_who_come_later() {
        let hub = hub();
        hub.note(Item::Waiting("Kafka is away".into()));
        assert!(matches!(
            hub.seat(Wanted::default()).try_next(),
            Some(Item::Waiting(_))
        ));
        hub.note(Item::Reconnected);
        assert!(hub.seat(Wanted::default()).try_next().is_none());
        hub.note(Item::Live);
        assert!(matches!(
            hub.seat(Wanted::default()).try_next(),
            Some(Item::Live)
        ));
    }
}
