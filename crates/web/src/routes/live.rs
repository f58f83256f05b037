//! `GET /topics/{topic}/live`: the player's WebSocket. Fragments with their offsets and times, live or from a position in the past.
//!
//! A player with a group says what it shows, and that is where the group goes on: it may keep a minute of pictures ahead.
//!
//! Per viewer and picture this is one look into a queue and one write of bytes shared with all other viewers; what is waiting is
//! written together.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Route, check_from, pictures, wanted};
use crate::api::{LiveEvent, LiveRequest};
use crate::feed::{Fed, Feed};
use crate::hub::picture::{Init, Item, Picture};
use crate::hub::sound::{Sound, SoundInit, message};
use crate::hub::tracks::Wanted;
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::quiet::{Quiet, Silence};
use crate::remux::Remux;
use crate::resume::Committer;
use crate::server::App;
use crate::socket::{self, Gone, Heard, Socket};

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/live",
    gives: "WebSocket: fMP4 init segment and fragments with their offsets and times; `from=`, `group=`, `sound=true`",
    methods: || -> MethodRouter<Arc<App>> { get(live) },
};

/// Between two `clock` events at most.
const CLOCK: Duration = Duration::from_secs(1);
/// After so long the next one goes beside a picture: for a thousand viewers that saves a thousand writes a second.
const CLOCK_BESIDE: Duration = Duration::from_millis(750);
/// What a player may say between two `clock` events, of whatever kind.
const MAX_HEARD: u32 = 20;

struct Asked {
    topic: String,
    feed: Feed,
    sound: bool,
    committer: Committer,
}

async fn live(
    State(app): State<Arc<App>>,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let asked = asked(&app, topic, params, upgrade.is_ok()).await;
    let shutdown = app.shutdown.clone();
    socket::answer(
        upgrade.ok(),
        asked,
        shutdown,
        |problem| LiveEvent::Error { problem },
        move |asked, socket| serve(app, asked, socket),
    )
}

async fn asked(
    app: &App,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
    upgrade: bool,
) -> Result<Asked, Problem> {
    let (Topic(topic), params) = (topic?, params?);
    let (from, sound) = (params.from()?, params.flag("sound")?);
    let codec = pictures(app, &topic).await?;
    if let Some(codec) = codec.filter(|codec| !codec.is_inter()) {
        let detail = format!(
            "topic {topic:?} holds {} pictures, no video to play",
            codec.name()
        );
        return Err(
            Problem::bad("topic", detail).remedy(format!("ask for /topics/{topic}/video.mjpeg"))
        );
    }
    check_from(app, &topic, &from).await?;
    if !upgrade {
        return Err(socket::upgrade_required().remedy(format!(
            "connect with ws://, or ask for /topics/{topic}/video.mp4"
        )));
    }
    let committer = Committer::of_player(app, &topic, &from, params.group()?).await;
    Ok(Asked {
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
        sound,
        committer,
        topic,
    })
}

/// What the viewer has been sent.
struct Sent {
    socket: Socket,
    remux: Remux,
    init: Option<Arc<Init>>,
    sound_init: Option<Arc<SoundInit>>,
    /// Of a viewer that listens.
    quiet: Option<Quiet>,
    committer: Committer,
    /// Pictures that are in the socket's buffer.
    unsent: Vec<Arc<Picture>>,
    end_offset: i64,
    bytes: u64,
    waiting: bool,
    /// What the player said since the last `clock`.
    heard: u32,
    /// What was told of the cameras in the topic.
    keys: Option<(Vec<Option<Bytes>>, Option<Bytes>)>,
}

enum Next {
    Fed(Fed),
    Clock,
    Heard(Heard),
}

async fn serve(app: Arc<App>, asked: Asked, socket: Socket) -> Option<Socket> {
    let mut feed = asked.feed;
    let mut sent = Sent {
        socket,
        remux: Remux::default(),
        init: None,
        sound_init: None,
        quiet: asked.sound.then(Quiet::default),
        committer: asked.committer,
        unsent: Vec::new(),
        end_offset: 0,
        bytes: 0,
        waiting: false,
        heard: 0,
        keys: None,
    };
    let mut clock = tokio::time::interval(CLOCK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Instant::now();
    let mut stopped = pin!(app.shutdown.cancelled());
    loop {
        let next = tokio::select! {
            fed = feed.next() => Next::Fed(fed),
            _ = clock.tick() => Next::Clock,
            heard = sent.socket.next() => Next::Heard(heard),
            () = stopped.as_mut() => return Some(sent.socket),
        };
        if matches!(next, Next::Heard(Heard::HungUp)) {
            return None;
        }
        let written = async {
            match next {
                Next::Fed(fed) => {
                    let ended = sent.burst(fed, &mut feed).await?;
                    if ended.is_some() || told.elapsed() < CLOCK_BESIDE {
                        return sent.flush().await.map(|()| ended);
                    }
                }
                Next::Clock => {}
                Next::Heard(heard) => {
                    return Ok(sent.heard(heard, |partition| {
                        let known = (partition == 0).then(|| app.watcher.end_offset(&asked.topic));
                        known.flatten()
                    }));
                }
            }
            told = Instant::now();
            clock.reset();
            let end = app.watcher.end_offset(&asked.topic);
            sent.clock(app.clock.now().0, end, feed.keys()).await?;
            sent.flush().await.map(|()| None)
        };
        let written = written.await;
        app.metrics.sent_bytes.add(std::mem::take(&mut sent.bytes));
        match written {
            Ok(None) => {}
            Ok(Some(problem)) => {
                let told = sent.socket.event(&LiveEvent::Error { problem }).await;
                if told.is_ok() {
                    sent.socket.close(close_code::ERROR, "it ends here").await;
                }
                return None;
            }
            Err(Gone) => return app.shutdown.is_cancelled().then_some(sent.socket),
        }
    }
}

impl Sent {
    /// Takes what the player says; `Some` is the end. `end_of` tells where a partition ends, as far as known.
    fn heard(&mut self, heard: Heard, end_of: impl Fn(i32) -> Option<i64>) -> Option<Problem> {
        self.heard += 1;
        if self.heard > MAX_HEARD {
            return Some(
                Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!("more than {MAX_HEARD} messages came within a second"),
                )
                .remedy("say what is shown once a second"),
            );
        }
        let Heard::Text(text) = heard else {
            return None;
        };
        match serde_json::from_str(&text) {
            Ok(LiveRequest::Shown { partition, offset }) => {
                self.committer.shown(partition, offset, end_of(partition));
                None
            }
            Ok(LiveRequest::Other) => None,
            Err(error) => Some(
                Problem::bad(
                    "message",
                    format!("{:?} cannot be read: {error}", excerpt(&text)),
                )
                .remedy(r#"send {"type":"shown","partition":0,"offset":42}, or nothing"#),
            ),
        }
    }

    /// Puts an item and what else is waiting into the socket's buffer; `Some` is the end.
    async fn burst(&mut self, first: Fed, feed: &mut Feed) -> Result<Option<Problem>, Gone> {
        let mut next = Some(first);
        while let Some(fed) = next {
            match fed.item {
                Item::Picture(picture) => {
                    self.picture(&picture, fed.shift_us).await?;
                    self.unsent.push(picture);
                }
                Item::Sound(sound) => self.sound(&sound, fed.shift_us).await?,
                Item::Live => {
                    let silence = self.quiet.as_mut().map(Quiet::caught_up);
                    self.silence(silence, (0, self.end_offset - 1, 0)).await?;
                    self.socket.event(&LiveEvent::Live).await?;
                }
                Item::Skipped(pictures) => {
                    self.socket.event(&LiveEvent::Skipped { pictures }).await?;
                }
                Item::Waiting(why) => {
                    self.waiting = true;
                    let why = why.to_string();
                    self.socket.event(&LiveEvent::Waiting { why }).await?;
                }
                Item::Reconnected => self.reconnected().await?,
                Item::Ended(problem) => return Ok(Some(problem)),
            }
            next = feed.try_next();
        }
        Ok(None)
    }

    /// Sends what is in the socket's buffer.
    async fn flush(&mut self) -> Result<(), Gone> {
        self.socket.flush().await?;
        for picture in self.unsent.drain(..) {
            self.committer.sent_picture(&picture);
        }
        Ok(())
    }

    async fn picture(&mut self, picture: &Picture, shift_us: i64) -> Result<(), Gone> {
        let Some(message) = self.remux.message(picture, shift_us) else {
            return Ok(()); // a JPEG between fragments has no place in them
        };
        if self.waiting {
            self.reconnected().await?;
        }
        if let Some(init) = &picture.init {
            let known = self
                .init
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, init) || known.message == init.message);
            if !known {
                self.socket.event(&init.event).await?;
                self.socket.binary(init.message.clone()).await?;
            }
            self.init = Some(init.clone());
        }
        self.end_offset = picture.offset + 1;
        self.bytes += message.len() as u64;
        self.socket.binary(message).await?;
        let silence = self
            .quiet
            .as_mut()
            .map(|quiet| quiet.picture(picture, shift_us));
        self.silence(
            silence,
            (picture.partition, picture.offset, picture.timestamp_ms),
        )
        .await
    }

    async fn sound(&mut self, sound: &Sound, shift_us: i64) -> Result<(), Gone> {
        let Some(message) = self.remux.sound_message(sound, shift_us) else {
            return Ok(());
        };
        let init = &sound.init;
        let known = self
            .sound_init
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, init) || known.message == init.message);
        if !known {
            self.socket.event(&init.event).await?;
            self.socket.binary(init.message.clone()).await?;
        }
        self.sound_init = Some(init.clone());
        let silence = self
            .quiet
            .as_mut()
            .map(|quiet| quiet.sound(sound, shift_us));
        self.silence(silence, (sound.partition, sound.offset, sound.timestamp_ms))
            .await?;
        self.end_offset = self.end_offset.max(sound.offset + 1);
        self.bytes += message.len() as u64;
        self.socket.binary(message).await
    }

    /// Sends what stands in for sound that is missing, under the partition, offset and time of what came instead.
    async fn silence(
        &mut self,
        silence: Option<Vec<Silence>>,
        (partition, offset, timestamp_ms): (i32, i64, i64),
    ) -> Result<(), Gone> {
        for Silence { unit, fragment } in silence.into_iter().flatten() {
            let message = message(partition, offset, timestamp_ms, false, &unit, &fragment);
            self.bytes += message.len() as u64;
            self.socket.binary(message).await?;
        }
        Ok(())
    }

    async fn reconnected(&mut self) -> Result<(), Gone> {
        self.waiting = false;
        self.socket.event(&LiveEvent::Reconnected).await
    }

    async fn clock(
        &mut self,
        server_time_ms: i64,
        end: Option<i64>,
        (keys, shown): (Vec<Option<Bytes>>, Option<Bytes>),
    ) -> Result<(), Gone> {
        self.heard = 0;
        let clock = LiveEvent::Clock {
            server_time_ms,
            end_offset: self.end_offset.max(end.unwrap_or(0)),
        };
        self.socket.event(&clock).await?;
        let several = keys.len() > 1 || self.keys.is_some();
        if several && self.keys.as_ref() != Some(&(keys.clone(), shown.clone())) {
            let text = |key: Option<&Bytes>| {
                key.map(|key| String::from_utf8_lossy(key).into_owned())
                    .unwrap_or_default()
            };
            let told = LiveEvent::Keys {
                keys: keys.iter().map(|key| text(key.as_ref())).collect(),
                shown: text(shown.as_ref()),
            };
            self.socket.event(&told).await?;
            self.keys = Some((keys, shown));
        }
        Ok(())
    }
}
