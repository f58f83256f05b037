//! `GET /topics/{topic}/video.mp4`: a fragmented MP4 that grows, for ffmpeg, VLC and `<video>`.
//!
//! It begins at a key frame and at time zero, and ends where `to=` says, when the viewer leaves, or where the publisher changes its
//! parameters: a second init segment has no place in a file. Where the topic has sound beside its pictures it is a second track: what comes
//! first waits for it, for no more than a second of pictures.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::{Route, check_from, pictures, wanted};
use crate::feed::Feed;
use crate::hub::picture::{Init, Item, Picture};
use crate::hub::sound::{Sound, SoundInit};
use crate::hub::tracks::Wanted;
use crate::problem::Problem;
use crate::query::{End, Params, Topic};
use crate::remux::Remux;
use crate::resume::Committer;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/video.mp4",
    gives: "fragmented MP4, live or `from=` `to=`; H.264, H.265, AV1, VP9 as they are",
    methods: || -> MethodRouter<Arc<App>> { get(mp4) },
};

/// Pictures wait so long for the sound beside them.
const PATIENCE_US: i64 = 1_000_000;

async fn mp4(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
) -> Result<Response, Problem> {
    let (from, end) = (params.from()?, params.to()?);
    Params::check_order(&from, end)?;
    let codec = pictures(&app, &topic).await?;
    if let Some(codec) = codec.filter(|codec| !codec.is_inter()) {
        let detail = format!("topic {topic:?} holds {} pictures, no video", codec.name());
        return Err(
            Problem::bad("topic", detail).remedy(format!("ask for /topics/{topic}/video.mjpeg"))
        );
    }
    check_from(&app, &topic, &from).await?;
    let committer = Committer::new(&app, &topic, &from).await;
    let sound = app.watcher.sample(&topic).await?.sound;
    let shutdown = app.shutdown.clone().cancelled_owned();
    let file = File {
        feed: Feed::open(
            &app.kafka,
            &app.hubs,
            &topic,
            from,
            true,
            Wanted {
                sound,
                ..wanted(&params, true)
            },
        )
        .await?,
        awaits_sound: sound,
        app,
        committer,
        end,
        remux: Remux::default(),
        init: None,
        sound_init: None,
        zero_us: 0,
        waiting: Vec::new(),
        ready: VecDeque::new(),
        ended: false,
        taken: None,
    };
    let body = stream::unfold(file, |mut file| async move {
        let bytes = file.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), file))
    });
    let headers = [
        (header::CONTENT_TYPE, "video/mp4"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = Body::from_stream(body.take_until(shutdown));
    Ok((headers, body).into_response())
}

/// One viewer's file.
struct File {
    app: Arc<App>,
    feed: Feed,
    committer: Committer,
    end: Option<End>,
    remux: Remux,
    init: Option<Arc<Init>>,
    sound_init: Option<Arc<SoundInit>>,
    /// What to add so that the first picture is at zero.
    zero_us: i64,
    /// The first pictures, with what is to be added to their times, while it is not known what sound is beside them.
    waiting: Vec<(Arc<Picture>, i64)>,
    awaits_sound: bool,
    /// What is to be given next, with the picture that it is.
    ready: VecDeque<(Bytes, Option<Arc<Picture>>)>,
    ended: bool,
    /// The picture given last.
    taken: Option<Arc<Picture>>,
}

impl File {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(picture) = self.taken.take() {
            self.committer.followed_by(&picture);
        }
        loop {
            if let Some((bytes, picture)) = self.ready.pop_front() {
                self.app.metrics.sent_bytes.add(bytes.len() as u64);
                self.taken = picture;
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            let fed = self.committer.stays_while(self.feed.next()).await;
            match fed.item {
                Item::Picture(picture) => self.picture(picture, fed.shift_us),
                Item::Sound(sound) => self.sound(&sound, fed.shift_us),
                Item::Ended(_) => {
                    self.begin(None);
                    self.ended = true;
                }
                _ => {}
            }
        }
    }

    fn picture(&mut self, picture: Arc<Picture>, shift_us: i64) {
        let reached = self
            .end
            .is_some_and(|end| end.reached_by(picture.offset, picture.timestamp_ms));
        if reached {
            self.begin(None);
            self.committer.ended();
            self.ended = true;
            return;
        }
        let Some(init) = &picture.init else {
            return;
        };
        match &self.init {
            None => {
                let first = self.waiting.first().map_or(&picture, |(first, _)| first);
                let waited_us = picture.dts_us.saturating_sub(first.dts_us);
                if first
                    .init
                    .as_ref()
                    .is_some_and(|known| known.message != init.message)
                {
                    self.begin(None);
                    self.ended = true;
                    return;
                }
                self.waiting.push((picture, shift_us));
                if !self.awaits_sound || waited_us > PATIENCE_US {
                    self.begin(None);
                }
            }
            Some(known) if known.message != init.message => self.ended = true,
            Some(_) => self.give(picture, shift_us),
        }
    }

    /// Writes what stands in front, and the pictures that waited for it.
    fn begin(&mut self, sound: Option<&Arc<SoundInit>>) {
        let Some((first, shift_us)) = self.waiting.first() else {
            return;
        };
        let Some(init) = first.init.clone() else {
            return;
        };
        self.zero_us = 0_i64.saturating_sub(first.dts_us.saturating_add(*shift_us));
        let sound_muxer = sound.map(|sound| &sound.muxer);
        self.ready
            .push_back((init.muxer.init_with(sound_muxer), None));
        self.init = Some(init);
        self.sound_init = sound.cloned();
        for (picture, shift_us) in std::mem::take(&mut self.waiting) {
            self.give(picture, shift_us);
        }
    }

    fn give(&mut self, picture: Arc<Picture>, shift_us: i64) {
        let shift_us = shift_us.saturating_add(self.zero_us);
        if let Some(fragment) = self.remux.fragment(&picture, shift_us) {
            self.ready.push_back((fragment, Some(picture)));
        }
    }

    fn sound(&mut self, sound: &Sound, shift_us: i64) {
        self.begin(Some(&sound.init));
        let fits = self
            .sound_init
            .as_ref()
            .is_some_and(|known| known.message == sound.init.message);
        let reached = self
            .end
            .is_some_and(|end| end.reached_by(sound.offset, sound.timestamp_ms));
        if !fits || reached {
            return;
        }
        let shift_us = shift_us.saturating_add(self.zero_us);
        if let Some(fragment) = self.remux.sound(sound, shift_us) {
            self.ready.push_back((fragment, None));
        }
    }
}
