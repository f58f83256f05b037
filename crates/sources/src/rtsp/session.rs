//! One RTSP session, from DESCRIBE to TEARDOWN: pictures out, or why there are none, as a sentence.
//!
//! The protocol is `retina`'s. It gives presentation times only, so decode times are derived here; it says nothing of what does
//! not come, so whoever is silent for too long is taken for gone here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use retina::client::{
    Credentials, Demuxed, PlayOptions, Session as Retina, SessionGroup, SessionOptions,
    SetupOptions,
};
use retina::codec::{CodecItem, FrameFormat, VideoFrame};
use tokio::time::timeout;
use weir_base::time::Clock;
use weir_media::order::DecodeTimes;
use weir_media::{AccessUnit, Codec, h264, h265, jpeg};

use super::address::Address;
use super::capture::CaptureClock;
use crate::live::Shot;

/// How long DESCRIBE, SETUP and PLAY may take together.
const CONNECT: Duration = Duration::from_secs(10);
/// A server that sends nothing for so long is gone: slow cameras send a picture a second, and reports every five.
const SILENCE: Duration = Duration::from_secs(15);
/// How long TEARDOWN may take: a server that is gone does not answer it.
const TEARDOWN: Duration = Duration::from_millis(300);
/// How far apart pictures are until they say.
const USUAL_STEP_US: i64 = 40_000;

/// Why there are no pictures, with the remedy.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
}

/// What a server sends.
pub(super) enum Taken {
    /// A picture.
    Shot(Shot),
    /// Packets were lost here.
    Gap,
}

/// A server that plays.
pub(super) struct Session {
    demuxed: Demuxed,
    group: Arc<SessionGroup>,
    address: Address,
    codec: Codec,
    clock: Arc<dyn Clock>,
    capture: CaptureClock,
    times: Times,
    /// A picture that came behind a gap.
    held: Option<Shot>,
}

impl Session {
    pub(super) async fn open(address: &Address, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let group = Arc::<SessionGroup>::default();
        let opened = timeout(CONNECT, connect(address, &group)).await;
        let (demuxed, codec) = opened.map_err(|_| Failure {
            why: format!(
                "{address} does not answer within {} s; is it RTSP that listens there?",
                CONNECT.as_secs()
            ),
        })??;
        Ok(Self {
            demuxed,
            group,
            address: address.clone(),
            codec,
            clock,
            capture: CaptureClock::default(),
            times: Times::default(),
            held: None,
        })
    }

    /// The next picture.
    pub(super) async fn next(&mut self) -> Result<Taken, Failure> {
        if let Some(shot) = self.held.take() {
            return Ok(Taken::Shot(shot));
        }
        loop {
            let item = timeout(SILENCE, self.demuxed.next()).await.map_err(|_| {
                self.failed(&format!("has sent nothing for {} s", SILENCE.as_secs()))
            })?;
            match item {
                None => return Err(self.failed("has ended the session")),
                Some(Err(error)) => return Err(refusal(&self.address, &error)),
                Some(Ok(CodecItem::Rtcp(packet))) => {
                    let Some(at) = packet.rtp_timestamp() else {
                        continue;
                    };
                    let report = packet.pkts().find_map(|pkt| pkt.as_sender_report().ok()?);
                    if let Some(report) = report {
                        self.capture.report(micros(at), report.ntp_timestamp().0);
                    }
                }
                Some(Ok(CodecItem::VideoFrame(frame))) => {
                    let gap = frame.loss() > 0;
                    let Some(shot) = self.shot(frame) else {
                        continue;
                    };
                    if !gap {
                        return Ok(Taken::Shot(shot));
                    }
                    self.held = Some(shot);
                    return Ok(Taken::Gap);
                }
                Some(Ok(_)) => {}
            }
        }
    }

    fn shot(&mut self, frame: VideoFrame) -> Option<Shot> {
        let pts_us = micros(frame.timestamp());
        let key = frame.is_random_access_point();
        let data = Bytes::from(frame.into_data());
        let size = match self.codec {
            Codec::Jpeg => Some(jpeg::size(&data)?),
            _ => None,
        };
        let dts_us = if size.is_some() {
            pts_us
        } else {
            self.times.next(self.codec, key.then_some(&*data), pts_us)
        };
        Some(Shot {
            codec: self.codec,
            unit: AccessUnit {
                pts_us,
                dts_us,
                duration_us: 0,
                key: key || size.is_some(),
                data,
            },
            size,
            // In the order of decoding, so that capture times go forward as records do.
            captured: self.capture.at(dts_us, self.clock.now()),
        })
    }

    fn failed(&self, what: &str) -> Failure {
        Failure {
            why: format!("{} {what}", self.address),
        }
    }

    /// Tells the server that nobody listens any more.
    pub(super) async fn close(self) {
        drop(self.demuxed);
        // A server that does not hear of it finds out by itself.
        let _ = timeout(TEARDOWN, self.group.await_teardown()).await;
    }
}

async fn connect(
    address: &Address,
    group: &Arc<SessionGroup>,
) -> Result<(Demuxed, Codec), Failure> {
    let credentials = address.user().map(|user| Credentials {
        username: user.to_owned(),
        password: address.password().unwrap_or_default().to_owned(),
    });
    let options = SessionOptions::default()
        .creds(credentials)
        .session_group(group.clone())
        .user_agent(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned());
    let refused = |error: retina::Error| refusal(address, &error);
    let mut session = Retina::describe(address.url().clone(), options)
        .await
        .map_err(refused)?;
    let found = session
        .streams()
        .iter()
        .enumerate()
        .find_map(|(at, offered)| {
            let codec = codec_of(offered.encoding_name()).filter(|_| offered.media() == "video")?;
            Some((at, codec))
        });
    let Some((at, codec)) = found else {
        let mut offers = String::new();
        for offered in session.streams() {
            let _ = write!(offers, ", {} {}", offered.media(), offered.encoding_name());
        }
        let offers = offers.strip_prefix(", ").unwrap_or("nothing at all");
        return Err(Failure {
            why: format!(
                "{address} has no video that weir carries: it offers {offers}; set the camera to H.264"
            ),
        });
    };
    let setup = SetupOptions::default().frame_format(FrameFormat::SIMPLE);
    session.setup(at, setup).await.map_err(refused)?;
    let playing = session
        .play(PlayOptions::default())
        .await
        .map_err(refused)?;
    Ok((playing.demuxed().map_err(refused)?, codec))
}

/// By the name in the session description (RFC 6184, RFC 7798, RFC 2435).
fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        "jpeg" => Some(Codec::Jpeg),
        _ => None,
    }
}

/// What went wrong, in a sentence.
fn refusal(address: &Address, error: &retina::Error) -> Failure {
    let why = match (error.status_code(), address.user()) {
        (Some(401), None) => format!(
            "{address} asks for a sign-in: give --user NAME and the password in WEIR_RTSP_PASSWORD"
        ),
        (Some(401 | 403), user) => format!(
            "{address} refuses the sign-in of {:?}: the name or the password is wrong",
            user.unwrap_or_default()
        ),
        (Some(404), _) => format!(
            "{address}: the server has nothing at {:?}; the camera's manual names its path",
            address.url().path()
        ),
        _ => {
            // What follows the first line is for whoever reads the packets.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let first = first
                .strip_prefix("Unable to connect to RTSP server: ")
                .unwrap_or(first);
            format!("{address}: {first}")
        }
    };
    Failure { why }
}

fn micros(at: retina::Timestamp) -> i64 {
    let us = i128::from(at.elapsed()) * 1_000_000 / i128::from(at.clock_rate().get());
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// Decode times, by how many pictures the parameter sets say may be shown before one decoded earlier.
#[derive(Default)]
struct Times {
    depth: u32,
    derived: Option<DecodeTimes>,
    before_us: Option<i64>,
}

impl Times {
    fn next(&mut self, codec: Codec, key_frame: Option<&[u8]>, pts_us: i64) -> i64 {
        let depth = key_frame.and_then(|data| match codec {
            Codec::H264 => h264::find_sps(data).map(|sps| reorders(&sps)),
            _ => h265::find_sps(data).map(|sps| sps.num_reorder),
        });
        let depth = depth.unwrap_or(self.depth);
        if depth != self.depth {
            self.derived = None;
            self.depth = depth;
        }
        let step_us = self
            .before_us
            .replace(pts_us)
            .map(|before_us| pts_us.saturating_sub(before_us))
            .filter(|step_us| (1..1_000_000).contains(step_us));
        self.derived
            .get_or_insert_with(|| DecodeTimes::new(depth, step_us.unwrap_or(USUAL_STEP_US)))
            .next(pts_us)
    }
}

/// Cameras send pictures in the order they take them; only who says otherwise is believed to have B-frames.
fn reorders(sps: &h264::Sps) -> u32 {
    sps.num_reorder.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_times_go_by_what_the_parameter_sets_say() {
        let mut times = Times::default();
        let plain = [0, 40_000, 80_000].map(|pts| times.next(Codec::H264, None, pts));
        assert_eq!(plain, [0, 40_000, 80_000]);
        let mut times = Times {
            depth: 1,
            ..Times::default()
        };
        let reordered = [0, 80_000, 40_000, 160_000].map(|pts| times.next(Codec::H265, None, pts));
        assert_eq!(reordered, [-40_000, 0, 40_000, 80_000]);
    }
}
