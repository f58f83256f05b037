//! The thread that waits for a camera's pictures and, where it gives bare samples, encodes them.
//!
//! It blocks on the device and takes processor time, so it is no task of the runtime. The channel out of it is short: when nobody takes
//! pictures in time, those that come are left out, for a camera does not wait.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use weir_base::time::Timestamp;
use weir_media::camera::{H264Camera, jpeg_file, yuyv};
use weir_media::encode::H264Encoder;
use weir_media::{AccessUnit, Codec, jpeg};

use super::device::{Buffer, Camera, CameraError, Format, Mode};
use crate::live::Shot;
use crate::pictures::fitting_bitrate_bps;

/// Pictures that may wait to be sent: a second of them, which is longer than a topic takes to be made.
const AHEAD: usize = 32;
/// How long the thread is deaf to its end.
const WAIT: Duration = Duration::from_millis(250);
/// A camera that gives nothing for so long is started anew.
const SILENT: Duration = Duration::from_secs(10);

/// What the thread has to say.
pub(super) enum Event {
    /// A picture.
    Picture(Picture),
    /// Pictures were left out here.
    Lost,
    /// The built-in encoder does not take them.
    Unencodable(String),
    /// The camera gives no more.
    Failed(CameraError),
}

/// A picture, and how long ago it was taken.
pub(super) struct Picture {
    codec: Codec,
    unit: AccessUnit,
    size: Option<(u32, u32)>,
    age: Duration,
}

impl Picture {
    pub(super) fn shot(self, now: Timestamp) -> Shot {
        let age_ms = i64::try_from(self.age.as_millis()).unwrap_or(0);
        Shot {
            codec: self.codec,
            unit: self.unit,
            size: self.size,
            captured: now.plus_ms(-age_ms),
        }
    }
}

/// Starts the thread; it ends, and lets go of the camera, when the channel's other end is dropped.
pub(super) fn start(
    camera: Box<dyn Camera>,
    mode: Mode,
    bitrate_bps: Option<u32>,
) -> Result<mpsc::Receiver<Event>, CameraError> {
    let (out, events) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("camera".to_owned())
        .spawn(move || watch(camera, &mode, bitrate_bps, &out))?;
    Ok(events)
}

fn watch(
    mut camera: Box<dyn Camera>,
    mode: &Mode,
    bitrate_bps: Option<u32>,
    out: &mpsc::Sender<Event>,
) {
    let mut work = match Work::new(mode, bitrate_bps) {
        Ok(work) => work,
        Err(why) => {
            drop(out.blocking_send(Event::Unencodable(why)));
            return;
        }
    };
    let mut waited = Duration::ZERO;
    let mut lost = false;
    while !out.is_closed() {
        let buffer = match camera.next(WAIT) {
            Ok(Some(buffer)) => buffer,
            Ok(None) => {
                waited += WAIT;
                if waited < SILENT {
                    continue;
                }
                drop(out.blocking_send(Event::Failed(CameraError::Silent(SILENT))));
                return;
            }
            Err(error) => {
                drop(out.blocking_send(Event::Failed(error)));
                return;
            }
        };
        waited = Duration::ZERO;
        if lost && out.try_send(Event::Lost).is_err() {
            continue;
        }
        lost = false;
        let picture = match work.picture(buffer) {
            Ok(Some(picture)) => picture,
            Ok(None) => continue,
            Err(why) => {
                drop(out.blocking_send(Event::Unencodable(why)));
                return;
            }
        };
        lost = matches!(
            out.try_send(Event::Picture(picture)),
            Err(TrySendError::Full(_))
        );
    }
}

/// What is done to each buffer.
enum Work {
    H264(H264Camera),
    Mjpeg,
    Yuyv {
        encoder: Box<H264Encoder>,
        mode: Mode,
    },
}

impl Work {
    fn new(mode: &Mode, bitrate_bps: Option<u32>) -> Result<Self, String> {
        Ok(match mode.format {
            Format::H264 => Self::H264(H264Camera::default()),
            Format::Mjpeg => Self::Mjpeg,
            Format::Yuyv => {
                let fps = mode.fps.clamp(0.1, 240.0);
                let bitrate_bps = bitrate_bps
                    .unwrap_or_else(|| fitting_bitrate_bps(mode.width, mode.height, fps));
                Self::Yuyv {
                    encoder: Box::new(
                        H264Encoder::new(mode.width, mode.height, fps, bitrate_bps)
                            .map_err(|error| format!("{error}; choose another --size"))?,
                    ),
                    mode: *mode,
                }
            }
        })
    }

    /// The picture in a buffer, if there is one.
    fn picture(&mut self, buffer: Buffer) -> Result<Option<Picture>, String> {
        let Buffer {
            data,
            taken_us,
            age,
        } = buffer;
        let made = |codec, data: Bytes, key, size| {
            Some(Picture {
                codec,
                unit: AccessUnit {
                    pts_us: taken_us,
                    dts_us: taken_us,
                    duration_us: 0,
                    key,
                    data,
                },
                size,
                age,
            })
        };
        Ok(match self {
            Self::H264(camera) => camera
                .unit(&data)
                .and_then(|(data, key)| made(Codec::H264, data, key, None)),
            Self::Mjpeg => jpeg_file(&data).and_then(|file| {
                let size = jpeg::size(&file)?;
                made(Codec::Jpeg, file, true, Some(size))
            }),
            Self::Yuyv { encoder, mode } => {
                let stride = mode.stride_bytes.max(mode.width as usize * 2);
                match yuyv(mode.width, mode.height, stride, &data) {
                    None => None,
                    Some(picture) => {
                        let unit = encoder
                            .encode(&picture, taken_us, false)
                            .map_err(|error| error.to_string())?;
                        made(Codec::H264, unit.data, unit.key, None)
                    }
                }
            }
        })
    }
}
