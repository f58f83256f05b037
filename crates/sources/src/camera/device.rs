//! What a camera is to the rest: the modes it offers, pictures when it has been started; and which mode fits what was asked for.
//!
//! The kernel's cameras are in [`super::v4l2`], those of tests, which play a file, in [`super::fake`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

/// How a camera hands its pictures over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// H.264 in Annex B form, a picture a buffer.
    H264,
    /// A JPEG a buffer.
    Mjpeg,
    /// Bare samples, 4:2:2, which are encoded here.
    Yuyv,
}

impl Format {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Mjpeg => "mjpeg",
            Self::Yuyv => "yuyv",
        }
    }
}

/// One way in which a camera can be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// How it hands its pictures over.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures a second, at most.
    pub fps: f64,
    /// Bytes from row to row, of bare samples.
    pub stride_bytes: usize,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fps = (self.fps * 100.0).round() / 100.0;
        write!(
            f,
            "{} {}x{} at {fps} a second",
            self.format.name(),
            self.width,
            self.height
        )
    }
}

/// A picture as the camera handed it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffer {
    /// The picture.
    pub data: Bytes,
    /// When it was taken, by the camera's own clock.
    pub taken_us: i64,
    /// How long ago that was.
    pub age: Duration,
}

/// A camera that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its device.
    pub path: PathBuf,
    /// What it calls itself.
    pub name: String,
    /// What it offers, or why that cannot be told.
    pub modes: Result<Vec<Mode>, String>,
}

/// The cameras of a machine.
pub trait Cameras: Send + Sync {
    /// Those that are there.
    fn found(&self) -> Vec<Found>;
    /// Opens one.
    fn open(&self, path: &Path) -> Result<Box<dyn Camera>, CameraError>;
}

/// A camera that has been opened. It is closed when dropped.
pub trait Camera: Send {
    /// What it offers.
    fn modes(&self) -> &[Mode];
    /// Starts it; gives the mode it runs in, whose rate may be another.
    fn start(&mut self, mode: &Mode) -> Result<Mode, CameraError>;
    /// The next picture; `None` if there is none for as long as `wait`.
    fn next(&mut self, wait: Duration) -> Result<Option<Buffer>, CameraError>;
}

/// Why a camera gives no pictures. Each is a sentence behind the device's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CameraError {
    /// There is none.
    #[error("there is no such device; {}", listed(.there))]
    NotThere {
        /// The devices there are.
        there: Vec<PathBuf>,
    },
    /// It may not be opened.
    #[error(
        "permission denied: cameras belong to the group `video`; add yourself with `sudo usermod -aG video $USER` and log in again"
    )]
    Denied,
    /// Another program has it.
    #[error(
        "another program is using it (`fuser -v` with its name tells which); end that one first"
    )]
    Busy,
    /// It is something else.
    #[error("it is no camera: {why}")]
    NotACamera {
        /// What it is instead.
        why: String,
    },
    /// Nothing it offers can be published.
    #[error(
        "it offers no format that weir reads (h264, mjpeg, yuyv), but {offered}; try `ffmpeg -f v4l2`"
    )]
    NoFormat {
        /// What it offers.
        offered: String,
    },
    /// It does not offer what was asked for.
    #[error("it does not offer {wanted}; it offers {}", modes(.offered))]
    NotOffered {
        /// What was asked for.
        wanted: String,
        /// What it offers.
        offered: Vec<Mode>,
    },
    /// It was unplugged.
    #[error("it was unplugged")]
    Gone,
    /// It is there and gives no pictures.
    #[error("it has given no picture for {} s", .0.as_secs())]
    Silent(Duration),
    /// Anything else the system says.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// This system's cameras are not read.
    #[error(
        "weir reads cameras on 64-bit Linux; elsewhere `ffmpeg` can send one to `weir publish video -`"
    )]
    NoDriver,
}

fn listed(there: &[PathBuf]) -> String {
    if there.is_empty() {
        return "there is no camera here at all".to_owned();
    }
    let names: Vec<String> = there
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!("there is {}", names.join(", "))
}

/// Modes in a few words: sizes and rates of each format.
pub fn modes(offered: &[Mode]) -> String {
    let words: Vec<String> = offered.iter().map(Mode::to_string).collect();
    words.join("; ")
}

/// What is asked of a camera; nothing of it is `None` for want of a wish.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Wanted {
    /// How it hands its pictures over.
    pub format: Option<Format>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Pictures a second.
    pub fps: Option<f64>,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.format.map(|format| format.name().to_owned()),
            self.size.map(|(width, height)| format!("{width}x{height}")),
            self.fps.map(|fps| format!("{fps} pictures a second")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

/// The size that is taken where nobody asks for one: as large as fits into it.
const USUAL_SIZE: (u32, u32) = (1280, 720);
/// The rate that is taken where nobody asks for one: the nearest to it.
const USUAL_FPS: f64 = 30.0;

impl Wanted {
    /// The mode that fits; sizes are met exactly, rates from above.
    pub fn choose(&self, offered: &[Mode]) -> Result<Mode, CameraError> {
        let fits = |mode: &&Mode| {
            self.format.is_none_or(|format| mode.format == format)
                && self
                    .size
                    .is_none_or(|size| (mode.width, mode.height) == size)
                && self.fps.is_none_or(|fps| mode.fps + 0.01 >= fps)
        };
        let fps = self.fps.unwrap_or(USUAL_FPS);
        offered
            .iter()
            .filter(fits)
            .min_by(|a, b| {
                rank(a, fps)
                    .partial_cmp(&rank(b, fps))
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
            .copied()
            .ok_or_else(|| CameraError::NotOffered {
                wanted: self.to_string(),
                offered: offered.to_vec(),
            })
    }
}

/// Less is better: a size that fits into the usual one and is nearest to it, a rate near the one wanted, what needs no encoding.
fn rank(mode: &Mode, fps: f64) -> (bool, u64, u64, bool, Format) {
    let (width, height) = USUAL_SIZE;
    let pixels = u64::from(mode.width) * u64::from(mode.height);
    let away = pixels.abs_diff(u64::from(width) * u64::from(height));
    let too_slow = mode.fps + 0.01 < fps.min(10.0);
    let off = ((mode.fps - fps).abs() * 10.0).round() as u64;
    (
        too_slow,
        if mode.width > width || mode.height > height {
            away + (1 << 32)
        } else {
            away
        },
        off,
        mode.format == Format::Yuyv,
        mode.format,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: Format, width: u32, height: u32, fps: f64) -> Mode {
        Mode {
            format,
            width,
            height,
            fps,
            stride_bytes: 0,
        }
    }

    fn webcam() -> Vec<Mode> {
        vec![
            mode(Format::Yuyv, 640, 480, 30.0),
            mode(Format::Yuyv, 1280, 720, 10.0),
            mode(Format::Mjpeg, 640, 480, 30.0),
            mode(Format::Mjpeg, 1280, 720, 30.0),
            mode(Format::Mjpeg, 1280, 720, 15.0),
            mode(Format::Mjpeg, 1920, 1080, 30.0),
        ]
    }

    #[test]
    fn without_a_wish_it_is_720p_as_the_camera_encodes_it() {
        let chosen = Wanted::default().choose(&webcam()).unwrap();
        assert_eq!(chosen, mode(Format::Mjpeg, 1280, 720, 30.0));
        let with_h264 = [webcam(), vec![mode(Format::H264, 1280, 720, 30.0)]].concat();
        assert_eq!(
            Wanted::default().choose(&with_h264).unwrap().format,
            Format::H264
        );
        let small = [
            mode(Format::Yuyv, 320, 240, 30.0),
            mode(Format::Yuyv, 2592, 1944, 2.0),
        ];
        assert_eq!(Wanted::default().choose(&small).unwrap().width, 320);
    }

    #[test]
    fn a_wish_is_met_exactly_or_refused_with_what_is_offered() {
        let wanted = Wanted {
            size: Some((1920, 1080)),
            ..Wanted::default()
        };
        assert_eq!(wanted.choose(&webcam()).unwrap().height, 1080);
        let wanted = Wanted {
            fps: Some(15.0),
            ..Wanted::default()
        };
        assert_eq!(
            wanted.choose(&webcam()).unwrap(),
            mode(Format::Mjpeg, 1280, 720, 15.0)
        );
        let wanted = Wanted {
            format: Some(Format::Yuyv),
            size: Some((800, 600)),
            fps: None,
        };
        let refusal = wanted.choose(&webcam()).unwrap_err().to_string();
        assert!(refusal.contains("yuyv 800x600"), "{refusal}");
        assert!(
            refusal.contains("mjpeg 1920x1080 at 30 a second"),
            "{refusal}"
        );
    }

    #[test]
    fn every_refusal_names_the_remedy() {
        for (error, word) in [
            (
                CameraError::NotThere {
                    there: vec!["/dev/video2".into()],
                },
                "/dev/video2",
            ),
            (CameraError::NotThere { there: vec![] }, "no camera here"),
            (CameraError::Denied, "usermod -aG video"),
            (CameraError::Busy, "fuser"),
        ] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
