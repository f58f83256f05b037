//! A hub's task: a topic as JPEGs, decoded and encoded once for all who watch it that way.
//!
//! It is a viewer of the topic's own hub like any other: when decoding is too slow for the machine, it loses pictures up to
//! the next key frame and nobody else notices. JPEG passes as it is, and PNG where that will do. The work is done on one blocking thread, which ends
//! when its channel closes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use weir_media::decode::{PictureDecoder, decoder_for};
use weir_media::{Codec, Yuv420, jpeg};

use super::picture::{Item, Picture};
use super::tracks::Wanted;
use super::{Form, Hub, Hubs};
use crate::problem::Problem;

/// What cameras use; artefacts of the video codec are larger.
pub const QUALITY: u8 = 80;
/// Pictures under way to the thread: more would only be delay.
const UNDER_WAY: usize = 4;
/// Pictures of which the decoder keeps the record's position until they come out; more than any reordering.
const REORDERED: usize = 64;
/// A picture that the decoder cannot make sense of is nothing rare at a damaged start; this many without one are.
const HOPELESS: u32 = 300;

/// Feeds the hub until the topic's own hub ends, and says why that did.
pub async fn run(hubs: &Arc<Hubs>, hub: &Arc<Hub>, form: Form, wanted: Wanted) -> Problem {
    let source = match form {
        // What is decoded is decoded once.
        Form::Jpegs => Form::Stills,
        Form::Stills | Form::AsIs => Form::AsIs,
    };
    let mut source = hubs.view(&hub.topic, source, wanted);
    let mut worker: Option<mpsc::Sender<Work>> = None;
    loop {
        match source.next().await {
            Item::Picture(picture) if !form.changes(picture.codec) => hub.push(&picture),
            Item::Picture(picture) => {
                let sender = worker.get_or_insert_with(|| start_worker(hub.clone()));
                if sender.send(Work::Picture(picture)).await.is_err() {
                    return Problem::bad(
                        "topic",
                        format!(
                            "the pictures of topic {:?} cannot be decoded here",
                            hub.topic
                        ),
                    )
                    .remedy("watch it on the page, or as video.mp4, which need no decoding here");
                }
            }
            Item::Skipped(_) => {
                if let Some(sender) = &worker {
                    // A full channel means that it is busy with what came before; the key frame behind comes anyway.
                    let _ = sender
                        .send_timeout(Work::Lost, Duration::from_secs(1))
                        .await;
                }
            }
            Item::Ended(problem) => return problem,
            Item::Sound(_) => {}
            note => hub.note(note),
        }
    }
}

enum Work {
    Picture(Arc<Picture>),
    /// Pictures are missing here: the next is a key frame.
    Lost,
}

fn start_worker(hub: Arc<Hub>) -> mpsc::Sender<Work> {
    let (sender, mut receiver) = mpsc::channel(UNDER_WAY);
    tokio::task::spawn_blocking(move || {
        let mut transcoder = Transcoder::default();
        while let Some(work) = receiver.blocking_recv() {
            match work {
                Work::Picture(picture) => {
                    transcoder.take(&picture, |still| {
                        hub.metrics.transcoded.add(1);
                        hub.push(&Arc::new(still));
                    });
                }
                Work::Lost => transcoder.reset(),
            }
            if transcoder.failures > HOPELESS {
                return; // closes the channel, which the task takes for what it is
            }
        }
    });
    sender
}

/// Decodes one topic's pictures and encodes each as JPEG.
#[derive(Default)]
pub struct Transcoder {
    decoder: Option<(Codec, Box<dyn PictureDecoder + Send>)>,
    /// Those that went in and have not come out.
    inside: Vec<Arc<Picture>>,
    /// Pictures refused since the last that was not.
    failures: u32,
}

impl Transcoder {
    /// The next picture in decode order; gives what comes out, in the order it is shown.
    pub fn take(&mut self, picture: &Arc<Picture>, mut out: impl FnMut(Picture)) {
        if self
            .decoder
            .as_ref()
            .is_none_or(|(codec, _)| *codec != picture.codec)
        {
            self.inside.clear();
            match decoder_for(picture.codec) {
                Ok(decoder) => self.decoder = Some((picture.codec, decoder)),
                Err(error) => {
                    tracing::debug!(%error, "no JPEGs of this topic");
                    self.failures = HOPELESS + 1;
                    return;
                }
            }
        }
        let Some((_, decoder)) = &mut self.decoder else {
            return;
        };
        if self.inside.len() >= REORDERED {
            self.inside.remove(0);
        }
        self.inside.push(picture.clone());
        match decoder.decode(&picture.access_unit(0)) {
            Ok(decoded) => {
                for (pts_us, yuv) in decoded {
                    self.failures = 0;
                    let Some(at) = self.inside.iter().position(|p| p.pts_us == pts_us) else {
                        continue;
                    };
                    let source = self.inside.swap_remove(at);
                    if let Ok(file) = jpeg::encode(&yuv, QUALITY) {
                        out(still(&source, Codec::Jpeg, file.into()));
                    }
                }
            }
            Err(error) => {
                self.failures += 1;
                tracing::debug!(%error, offset = picture.offset, "a picture is passed over");
            }
        }
    }

    /// Forgets what came before: the next picture is a key frame.
    pub fn reset(&mut self) {
        self.decoder = None;
        self.inside.clear();
    }

    /// Whether it has given up on this codec.
    pub fn is_hopeless(&self) -> bool {
        self.failures > HOPELESS
    }
}

/// One picture as a file, decoded by those in front of it, all in decode order; no wider than `width`.
pub fn still_of(
    pictures: &[Arc<Picture>],
    target: &Arc<Picture>,
    width: Option<u32>,
) -> Option<Picture> {
    if !target.codec.is_inter() {
        let smaller = width.and_then(|width| smaller(target, width));
        let as_it_is = || still(target, target.codec, target.value.clone());
        return Some(smaller.unwrap_or_else(as_it_is));
    }
    let mut decoder = decoder_for(target.codec).ok()?;
    let is_it = |(pts_us, _): &(i64, Yuv420)| *pts_us == target.pts_us;
    let decode = |decoder: &mut Box<dyn PictureDecoder + Send>, picture: &Picture| {
        let decoded = decoder.decode(&picture.access_unit(0));
        decoded.ok()?.into_iter().find(is_it)
    };
    let shown = pictures
        .iter()
        .find_map(|picture| decode(&mut decoder, picture))
        .or_else(|| decoder.flush().ok()?.into_iter().find(is_it));
    let (_, yuv) = shown?;
    let yuv = width
        .and_then(|width| yuv.scaled_down_to(width))
        .unwrap_or(yuv);
    let file = jpeg::encode(&yuv, QUALITY).ok()?;
    Some(still(target, Codec::Jpeg, file.into()))
}

/// A JPEG or PNG as a smaller JPEG; `None` where it is no wider, or cannot be decoded.
fn smaller(target: &Picture, width: u32) -> Option<Picture> {
    let mut decoder = decoder_for(target.codec).ok()?;
    let decoded = decoder.decode(&target.access_unit(0)).ok()?;
    let (_, yuv) = decoded.into_iter().next()?;
    let file = jpeg::encode(&yuv.scaled_down_to(width)?, QUALITY).ok()?;
    Some(still(target, Codec::Jpeg, file.into()))
}

fn still(source: &Picture, codec: Codec, file: Bytes) -> Picture {
    Picture {
        track: source.track.clone(),
        partition: source.partition,
        offset: source.offset,
        timestamp_ms: source.timestamp_ms,
        codec,
        key: true,
        preroll: source.preroll,
        pts_us: source.pts_us,
        dts_us: source.pts_us,
        duration_us: source.duration_us,
        shift_us: source.shift_us,
        value: file,
        message: None,
        init: None,
    }
}
