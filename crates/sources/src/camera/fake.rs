//! Cameras for tests: each plays a file, and can be unplugged, held by another program, or forbidden.
//!
//! A file of JPEGs one behind the other is played as Motion JPEG, an H.264 byte stream as H.264, anything else as bare samples.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use weir_media::{h264, nal, record};

use super::device::{Buffer, Camera, CameraError, Cameras, Format, Found, Mode};

/// Pictures a second of every camera here.
const FPS: u32 = 25;

/// A machine's cameras.
#[derive(Debug, Clone, Default)]
pub struct FakeCameras {
    plugged: Arc<Mutex<BTreeMap<PathBuf, Fake>>>,
}

/// What stands behind a device's name.
#[derive(Debug, Clone)]
enum Fake {
    Camera {
        buffers: Arc<[Bytes]>,
        mode: Mode,
        /// So many buffers are given; then it waits to be unplugged.
        give: usize,
        /// Of those, so many have been given in all.
        given: usize,
    },
    Refusing(Refusal),
}

/// Why a camera cannot be opened.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// It may not.
    Denied,
    /// Another program has it.
    Busy,
}

impl FakeCameras {
    /// Plugs a camera in that plays `file` over and over, and gives `give` pictures at most.
    pub fn plug_in(
        &self,
        path: &str,
        file: &Path,
        size: (u32, u32),
        give: usize,
    ) -> io::Result<()> {
        let bytes = Bytes::from(std::fs::read(file)?);
        let (format, buffers) = match record::sniff(&bytes) {
            Some(weir_media::Codec::Jpeg) => (Format::Mjpeg, jpegs(&bytes)),
            Some(weir_media::Codec::H264) => (Format::H264, access_units(&bytes)),
            _ => {
                let len_bytes = (size.0 * size.1 * 2) as usize;
                let whole = bytes.chunks_exact(len_bytes);
                (Format::Yuyv, whole.map(Bytes::copy_from_slice).collect())
            }
        };
        let mode = Mode {
            format,
            width: size.0,
            height: size.1,
            fps: f64::from(FPS),
            stride_bytes: size.0 as usize * 2,
        };
        let camera = Fake::Camera {
            buffers: buffers.into(),
            mode,
            give,
            given: 0,
        };
        self.lock().insert(path.into(), camera);
        Ok(())
    }

    /// Makes a device that cannot be opened.
    pub fn refuse(&self, path: &str, refusal: Refusal) {
        self.lock().insert(path.into(), Fake::Refusing(refusal));
    }

    /// Unplugs a camera: whoever reads it finds it gone.
    pub fn unplug(&self, path: &str) {
        self.lock().remove(Path::new(path));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Fake>> {
        self.plugged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cameras for FakeCameras {
    fn found(&self) -> Vec<Found> {
        let plugged = self.lock();
        let found = plugged.iter().map(|(path, fake)| Found {
            path: path.clone(),
            name: "Fake Camera".to_owned(),
            modes: match fake {
                Fake::Camera { mode, .. } => Ok(vec![*mode]),
                Fake::Refusing(refusal) => Err(refused(*refusal).to_string()),
            },
        });
        found.collect()
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Camera>, CameraError> {
        let plugged = self.lock();
        match plugged.get(path) {
            Some(Fake::Camera { mode, .. }) => Ok(Box::new(Open {
                cameras: self.clone(),
                path: path.to_owned(),
                modes: [*mode],
                taken: 0,
            })),
            Some(Fake::Refusing(refusal)) => Err(refused(*refusal)),
            None => Err(CameraError::NotThere {
                there: plugged.keys().cloned().collect(),
            }),
        }
    }
}

fn refused(refusal: Refusal) -> CameraError {
    match refusal {
        Refusal::Denied => CameraError::Denied,
        Refusal::Busy => CameraError::Busy,
    }
}

struct Open {
    cameras: FakeCameras,
    path: PathBuf,
    modes: [Mode; 1],
    taken: usize,
}

impl Camera for Open {
    fn modes(&self) -> &[Mode] {
        &self.modes
    }

    fn start(&mut self, mode: &Mode) -> Result<Mode, CameraError> {
        Ok(*mode)
    }

    fn next(&mut self, _wait: Duration) -> Result<Option<Buffer>, CameraError> {
        // Not so fast that pictures are left out for want of somebody who takes them.
        std::thread::sleep(Duration::from_millis(5));
        let mut plugged = self.cameras.lock();
        let Some(Fake::Camera {
            buffers,
            give,
            given,
            ..
        }) = plugged.get_mut(&self.path)
        else {
            return Err(CameraError::Gone);
        };
        if *given >= *give || buffers.is_empty() {
            return Ok(None);
        }
        let data = buffers
            .get(self.taken % buffers.len())
            .cloned()
            .unwrap_or_default();
        let taken_us = self.taken as i64 * 1_000_000 / i64::from(FPS);
        self.taken += 1;
        *given += 1;
        Ok(Some(Buffer {
            data,
            taken_us,
            age: Duration::ZERO,
        }))
    }
}

/// Splits a file of JPEGs: each begins with `FF D8 FF`, which stands nowhere else in one without a thumbnail.
fn jpegs(bytes: &Bytes) -> Vec<Bytes> {
    let starts: Vec<usize> = bytes
        .windows(3)
        .enumerate()
        .filter_map(|(at, window)| (window == [0xff, 0xd8, 0xff]).then_some(at))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| bytes.slice(*start..end))
        .collect()
}

/// Splits a byte stream without several slices a picture: an access unit ends with its slice.
fn access_units(bytes: &Bytes) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut unit = Vec::new();
    for nal in nal::units(bytes) {
        nal::push(&mut unit, nal);
        if matches!(h264::nal_type(nal), 1..=5) {
            out.push(std::mem::take(&mut unit).into());
        }
    }
    out
}
