//! `GET /topics/{topic}/video.mjpeg`: pictures as `multipart/x-mixed-replace`, for any browser's `<img>`, OpenCV and ffmpeg.
//!
//! JPEG and PNG topics go byte for byte; the others are decoded and encoded once for all viewers. `as=jpeg` makes JPEGs of PNGs too, for
//! OpenCV and ffmpeg, whose readers take no other parts. Each viewer gets every picture
//! unless it is too slow: then the newest wins, and the loss is counted in the metrics.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use weir_client::From;
use weir_media::Codec;

use super::{Route, check_from, pictures, wanted};
use crate::feed::Feed;
use crate::hub::Form;
use crate::hub::picture::{Item, Picture};
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::resume::Committer;
use crate::server::App;
use crate::stills::{Pace, Stills};

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/video.mjpeg",
    gives: "pictures as multipart/x-mixed-replace; `from=`, `group=`, `as=jpeg`",
    methods: || -> MethodRouter<Arc<App>> { get(mjpeg) },
};

async fn mjpeg(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
) -> Result<Response, Problem> {
    answer(app, topic, &params).await
}

/// The pictures of `topic` as the parameters ask for them.
pub async fn answer(app: Arc<App>, topic: String, params: &Params) -> Result<Response, Problem> {
    let from = params.from()?;
    let form = form(params)?;
    let codec = pictures(&app, &topic).await?;
    if let Some(codec) =
        codec.filter(|codec| !matches!(codec, Codec::H264 | Codec::Jpeg | Codec::Png))
    {
        let detail = format!(
            "topic {topic:?} holds {}, which is not decoded here",
            codec.name()
        );
        return Err(Problem::bad("topic", detail).remedy(format!(
            "ask for /topics/{topic}/video.mp4, or watch it on the page"
        )));
    }
    check_from(&app, &topic, &from).await?;
    let committer = Committer::of_group(&app, &topic, params.group()?).await;
    let wanted = wanted(params, false);
    let stills = if from == From::Live {
        Stills::live(&app.hubs, &topic, form, wanted)
    } else {
        let inter = codec.is_some_and(Codec::is_inter);
        Stills::of(
            Feed::open(&app.kafka, &app.hubs, &topic, from, inter, wanted).await?,
            form,
        )
    };
    let shutdown = app.shutdown.clone().cancelled_owned();
    let parts = Parts {
        app,
        stills,
        committer,
        pace: Pace::default(),
        going: None,
        begun: false,
    };
    let body = stream::unfold(parts, |mut parts| async move {
        let bytes = parts.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), parts))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            "multipart/x-mixed-replace; boundary=frame",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = Body::from_stream(body.take_until(shutdown));
    Ok((headers, body).into_response())
}

/// `as=`: which files the pictures are to be.
fn form(params: &Params) -> Result<Form, Problem> {
    match params.text("as") {
        None => Ok(Form::Stills),
        Some("jpeg" | "jpg") => Ok(Form::Jpegs),
        Some(other) => {
            let detail = format!("as={:?} is not made here", excerpt(other));
            Err(Problem::bad("as", detail)
                .remedy("give jpeg, or leave it out for the pictures as they are"))
        }
    }
}

/// One viewer's parts.
struct Parts {
    app: Arc<App>,
    stills: Stills,
    committer: Committer,
    pace: Pace,
    /// The picture whose header has been given but not its bytes, or whose bytes have been given but not taken.
    going: Option<(Arc<Picture>, Step)>,
    begun: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Value,
    Tail,
    Taken,
}

impl Parts {
    async fn next(&mut self) -> Option<Bytes> {
        match self.going.take() {
            Some((picture, Step::Value)) => {
                let value = picture.value.clone();
                self.app.metrics.sent_bytes.add(value.len() as u64);
                self.going = Some((picture, Step::Tail));
                return Some(value);
            }
            Some((picture, Step::Tail)) => {
                self.going = Some((picture, Step::Taken));
                return Some(Bytes::from_static(PART_END));
            }
            // Asked for more: what came before is in the socket.
            Some((picture, Step::Taken)) => self.committer.followed_by(&picture),
            None => {}
        }
        loop {
            let next = self.stills.next();
            match self.committer.stays_while(next).await? {
                Item::Picture(picture) if !picture.preroll => {
                    let wait = self.pace.wait(self.app.clock.as_ref(), &picture);
                    if !wait.is_zero() {
                        let pause = tokio::time::sleep(wait);
                        self.committer.stays_while(pause).await;
                    }
                    let head = part_head(&picture, !self.begun);
                    self.begun = true;
                    self.going = Some((picture, Step::Value));
                    return Some(head);
                }
                Item::Live => self.pace.live(),
                Item::Ended(_) => return None,
                _ => {}
            }
        }
    }
}

/// Ends a part. The next boundary goes out with it: browsers show a picture when they have seen the boundary behind it.
const PART_END: &[u8] = b"\r\n--frame\r\n";

/// A part's headers: what readers of such streams look for, and which record it is, for those who want to know.
fn part_head(picture: &Picture, first: bool) -> Bytes {
    let boundary = if first { "--frame\r\n" } else { "" };
    let (kind, len_bytes) = (picture.codec.content_type(), picture.value.len());
    let (partition, offset, at_ms) = (picture.partition, picture.offset, picture.timestamp_ms);
    format!(
        "{boundary}Content-Type: {kind}\r\nContent-Length: {len_bytes}\r\n\
         Weir-Partition: {partition}\r\nWeir-Offset: {offset}\r\nWeir-Timestamp-Ms: {at_ms}\r\n\r\n"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::testing::picture;

    #[test]
    fn parts_have_type_length_and_record_and_a_boundary_right_behind_them() {
        let mut out = Vec::new();
        let files = [(Codec::Jpeg, &b"\xff\xd8one"[..]), (Codec::Png, b"\x89PNG")];
        for (n, (codec, file)) in (0..).zip(files) {
            let shown = Picture {
                codec,
                value: Bytes::from_static(file),
                timestamp_ms: 1_000 + n,
                ..Arc::into_inner(picture(n, true, 1)).unwrap()
            };
            out.extend_from_slice(&part_head(&shown, n == 0));
            out.extend_from_slice(file);
            out.extend_from_slice(PART_END);
        }
        let head = |kind: &str, len: usize, n: i64| {
            format!(
                "--frame\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nWeir-Partition: 0\r\nWeir-Offset: {n}\r\n\
                 Weir-Timestamp-Ms: {}\r\n\r\n",
                1_000 + n
            )
        };
        let mut want = head("image/jpeg", 5, 0).into_bytes();
        want.extend_from_slice(b"\xff\xd8one\r\n");
        want.extend_from_slice(head("image/png", 4, 1).as_bytes());
        want.extend_from_slice(b"\x89PNG\r\n--frame\r\n");
        assert_eq!(out, want);
    }
}
