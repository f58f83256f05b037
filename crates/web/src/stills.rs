//! A topic as JPEG and PNG pictures from any position on: live ones from the topic's shared hub, history decoded for this viewer alone.
//!
//! Pictures of the past come by their own times, so that they play as they were recorded; at the edge they come as they arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use weir_base::time::Clock;

use crate::feed::Feed;
use crate::hub::picture::{Item, Picture};
use crate::hub::tracks::Wanted;
use crate::hub::transcode::Transcoder;
use crate::hub::{Form, Hubs, Viewer};
use crate::problem::Problem;

/// Pictures decoded ahead for one viewer of history.
const AHEAD: usize = 4;
/// The longest pause that is kept.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One viewer's stills.
pub enum Stills {
    /// From the hub.
    Live(Viewer),
    /// Decoded for this viewer.
    History {
        /// What comes next.
        items: mpsc::Receiver<Item>,
    },
}

impl Stills {
    /// The newest pictures.
    pub fn live(hubs: &Arc<Hubs>, topic: &str, form: Form, wanted: Wanted) -> Self {
        Self::Live(hubs.view(topic, form, wanted))
    }

    /// What `feed` gives, decoded where it must be. Runs ahead by a few pictures.
    pub fn of(feed: Feed, form: Form) -> Self {
        let (sender, items) = mpsc::channel(AHEAD);
        tokio::spawn(forward(feed, form, sender));
        Self::History { items }
    }

    /// The next item. Cancel-safe.
    pub async fn next(&mut self) -> Option<Item> {
        match self {
            Self::Live(viewer) => Some(viewer.next().await),
            Self::History { items } => items.recv().await,
        }
    }
}

/// Runs until the viewer is gone or the feed ends.
async fn forward(mut feed: Feed, form: Form, sender: mpsc::Sender<Item>) {
    let mut worker: Option<mpsc::Sender<Item>> = None;
    loop {
        let item = tokio::select! {
            fed = feed.next() => fed.item,
            () = sender.closed() => return,
        };
        if matches!(&item, Item::Picture(picture) if form.changes(picture.codec))
            && worker.is_none()
        {
            worker = Some(start_worker(form, sender.clone()));
        }
        let ended = matches!(item, Item::Ended(_));
        // Once there is a decoder everything goes through it, so that the order stays.
        let to = worker.as_ref().unwrap_or(&sender);
        if to.send(item).await.is_err() || ended {
            return;
        }
    }
}

fn start_worker(form: Form, out: mpsc::Sender<Item>) -> mpsc::Sender<Item> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut transcoder = Transcoder::default();
        while let Some(item) = receiver.blocking_recv() {
            let mut gone = false;
            match item {
                Item::Picture(picture) if form.changes(picture.codec) => {
                    transcoder.take(&picture, |still| {
                        gone |= out.blocking_send(Item::Picture(Arc::new(still))).is_err();
                    });
                }
                Item::Skipped(missed) => {
                    transcoder.reset();
                    gone = out.blocking_send(Item::Skipped(missed)).is_err();
                }
                item => gone = out.blocking_send(item).is_err(),
            }
            if transcoder.is_hopeless() {
                let problem = Problem::bad("topic", "these pictures cannot be decoded here")
                    .remedy(
                        "watch the topic on the page, or as video.mp4, which need no decoding here",
                    );
                let _ = out.blocking_send(Item::Ended(problem));
                return;
            }
            if gone {
                return;
            }
        }
    });
    sender
}

/// Says when the next picture of the past is due.
#[derive(Debug, Default)]
pub struct Pace {
    /// A moment and the time of the picture shown then.
    anchor: Option<(Duration, i64)>,
    last_pts_us: i64,
    at_the_edge: bool,
}

impl Pace {
    /// From now on pictures come as they arrive.
    pub fn live(&mut self) {
        self.at_the_edge = true;
    }

    /// How long to wait before showing this picture.
    pub fn wait(&mut self, clock: &dyn Clock, picture: &Picture) -> Duration {
        if self.at_the_edge {
            return Duration::ZERO;
        }
        let now = clock.monotonic();
        let gap_us = picture.pts_us.saturating_sub(self.last_pts_us);
        self.last_pts_us = picture.pts_us;
        let plays_on =
            (0..=i64::try_from(LONGEST_PAUSE.as_micros()).unwrap_or(i64::MAX)).contains(&gap_us);
        if let Some((moment, pts_us)) = self.anchor.filter(|_| plays_on) {
            let since_us = u64::try_from(picture.pts_us.saturating_sub(pts_us)).unwrap_or(0);
            let due = moment + Duration::from_micros(since_us);
            // A viewer that could not follow goes on from here and does not race to make up for it.
            if now <= due + Duration::from_secs(1) {
                return due.saturating_sub(now);
            }
        }
        self.anchor = Some((now, picture.pts_us));
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use weir_base::time::{ManualClock, Timestamp};

    use super::*;
    use crate::hub::testing::picture;

    #[test]
    fn the_past_plays_by_its_own_times_and_the_present_as_it_comes() {
        let clock = ManualClock::new(Timestamp(0));
        let mut pace = Pace::default();
        let ms = Duration::from_millis;
        assert_eq!(pace.wait(&clock, &picture(0, true, 1)), ms(0));
        assert_eq!(pace.wait(&clock, &picture(1, true, 1)), ms(40));
        clock.advance(ms(50));
        assert_eq!(pace.wait(&clock, &picture(2, true, 1)), ms(30));
        clock.advance(ms(9_000));
        assert_eq!(pace.wait(&clock, &picture(3, true, 1)), ms(0));
        assert_eq!(pace.wait(&clock, &picture(4, true, 1)), ms(40));
        pace.live();
        assert_eq!(pace.wait(&clock, &picture(50, true, 1)), ms(0));
    }

    #[test]
    fn a_pause_of_more_than_ten_seconds_is_not_waited_out() {
        let clock = ManualClock::new(Timestamp(0));
        let mut pace = Pace::default();
        pace.wait(&clock, &picture(0, true, 1));
        assert_eq!(
            pace.wait(&clock, &picture(1_000_000, true, 1)),
            Duration::ZERO
        );
        assert_eq!(pace.wait(&clock, &picture(3, true, 1)), Duration::ZERO);
    }
}
