//! `GET /topics/{topic}/video.mp4`: a fragmented MP4 that grows, for ffmpeg, VLC and `<video>`.
//!
//! It begins at a key frame and at time zero, and ends where `to=` says, when the viewer leaves, or where the publisher changes its
//! parameters: a second init segment has no place in a file.

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
    let committer = Committer::new(&app, &topic, &from);
    let shutdown = app.shutdown.clone().cancelled_owned();
    let file = File {
        feed: Feed::open(
            &app.kafka,
            &app.hubs,
            &topic,
            from,
            true,
            wanted(&params, true),
        )
        .await?,
        app,
        committer,
        end,
        remux: Remux::default(),
        init: None,
        zero_us: 0,
        next: None,
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
    /// What to add so that the first picture is at zero.
    zero_us: i64,
    /// The first fragment, behind the init segment.
    next: Option<(Arc<Picture>, Bytes)>,
    /// The picture given last.
    taken: Option<Arc<Picture>>,
}

impl File {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(picture) = self.taken.take() {
            self.committer.followed_by(&picture);
        }
        if let Some((picture, fragment)) = self.next.take() {
            return Some(self.give(picture, fragment));
        }
        loop {
            let fed = self.committer.stays_while(self.feed.next()).await;
            let picture = match fed.item {
                Item::Picture(picture) => picture,
                Item::Ended(_) => return None,
                _ => continue,
            };
            if self
                .end
                .is_some_and(|end| end.reached_by(picture.offset, picture.timestamp_ms))
            {
                self.committer.ended();
                return None;
            }
            let Some(init) = picture.init.clone() else {
                continue;
            };
            let begins = self.init.is_none();
            if begins {
                self.zero_us = 0_i64.saturating_sub(picture.dts_us.saturating_add(fed.shift_us));
            } else if self
                .init
                .as_ref()
                .is_some_and(|known| known.message != init.message)
            {
                return None;
            }
            let shift_us = fed.shift_us.saturating_add(self.zero_us);
            let Some(fragment) = self.remux.fragment(&picture, shift_us) else {
                continue;
            };
            self.init = Some(init.clone());
            if begins {
                self.next = Some((picture, fragment));
                return Some(init.segment());
            }
            return Some(self.give(picture, fragment));
        }
    }

    fn give(&mut self, picture: Arc<Picture>, fragment: Bytes) -> Bytes {
        self.app.metrics.sent_bytes.add(fragment.len() as u64);
        self.taken = Some(picture);
        fragment
    }
}
