//! The kernel's cameras: Video for Linux (V4L2), with buffers that are mapped into memory.
//!
//! Written against the kernel's documentation of the user-space API (`Documentation/userspace-api/media/v4l`) and the layout
//! of `linux/videodev2.h` on 64-bit machines, which `tests::layouts_are_those_of_the_kernels_header` holds ours against. The
//! crates there are need libclang or are not kept.
//!
//! The only module of this crate with `unsafe`: calls into the kernel that are given pointers. Each says why it is sound.
#![allow(
    unsafe_code,
    reason = "ioctl and mmap take pointers; everything unsafe of this crate is in this one module"
)]

mod kernel;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use self::kernel::{Mapping, call};
use super::device::{Buffer, Camera, CameraError, Cameras, Format, Found, Mode};

/// Buffers the kernel fills while one is looked at.
const BUFFERS: u32 = 4;
/// Modes of one camera that are looked at; a driver that lists more is not believed.
const MAX_MODES: usize = 512;
/// The sizes asked after where a camera takes any.
const USUAL_SIZES: [(u32, u32); 6] = [
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (1280, 720),
    (1920, 1080),
];

/// The cameras of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl Cameras for Kernel {
    fn found(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for path in devices() {
            match Device::open(&path) {
                Ok(device) => found.push(Found {
                    path,
                    name: device.name.clone(),
                    modes: Ok(device.modes.clone()),
                }),
                // The other devices of a camera: its metadata, a radio's, an encoder.
                Err(CameraError::NotACamera { .. }) => {}
                Err(error) => found.push(Found {
                    path,
                    name: String::new(),
                    modes: Err(error.to_string()),
                }),
            }
        }
        found
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Camera>, CameraError> {
        Ok(Box::new(Device::open(path)?))
    }
}

/// `/dev/video0`, `/dev/video1`, …
fn devices() -> Vec<PathBuf> {
    let mut numbers: Vec<u32> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_prefix("video")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| PathBuf::from(format!("/dev/video{number}")))
        .collect()
}

struct Device {
    file: File,
    name: String,
    modes: Vec<Mode>,
    buffers: Vec<Mapping>,
}

impl Device {
    fn open(path: &Path) -> Result<Self, CameraError> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
            .open(path);
        let file = opened.map_err(|error| opening(&error))?;
        let mut capability = kernel::Capability::default();
        if let Err(error) = call::query_capabilities(&file, &mut capability) {
            return Err(match error {
                Errno::NOTTY | Errno::INVAL => CameraError::NotACamera {
                    why: "it is no video device; cameras are /dev/video0 and so on".to_owned(),
                },
                error => failed(error),
            });
        }
        let name = kernel::text(&capability.card);
        let able = if capability.capabilities & kernel::CAP_DEVICE_CAPS == 0 {
            capability.capabilities
        } else {
            capability.device_caps
        };
        if able & kernel::CAP_VIDEO_CAPTURE == 0 || able & kernel::CAP_STREAMING == 0 {
            return Err(CameraError::NotACamera {
                why: format!(
                    "{name:?} captures no video here; a camera has several devices, try the others (--list)"
                ),
            });
        }
        let mut device = Self {
            file,
            name,
            modes: Vec::new(),
            buffers: Vec::new(),
        };
        device.modes = device.offered()?;
        Ok(device)
    }

    /// Every format, size and rate.
    fn offered(&self) -> Result<Vec<Mode>, CameraError> {
        let (mut modes, mut others) = (Vec::new(), Vec::new());
        for index in 0..64 {
            let mut described = kernel::FormatDescription {
                index,
                kind: kernel::BUF_TYPE_VIDEO_CAPTURE,
                ..Default::default()
            };
            if call::enum_formats(&self.file, &mut described).is_err() {
                break;
            }
            match format_of(described.pixel_format) {
                Some(format) => self.sizes(format, described.pixel_format, &mut modes),
                None => others.push(kernel::text(&described.description)),
            }
        }
        if modes.is_empty() {
            return Err(CameraError::NoFormat {
                offered: if others.is_empty() {
                    "nothing at all".to_owned()
                } else {
                    others.join(", ")
                },
            });
        }
        Ok(modes)
    }

    fn sizes(&self, format: Format, pixel_format: u32, modes: &mut Vec<Mode>) {
        for index in 0..MAX_MODES as u32 {
            let mut size = kernel::FrameSize {
                index,
                pixel_format,
                ..Default::default()
            };
            if modes.len() >= MAX_MODES || call::enum_sizes(&self.file, &mut size).is_err() {
                break;
            }
            let [min_width, max_width, _, min_height, max_height, _] = size.size;
            if size.kind == kernel::DISCRETE {
                // The union's first two fields are width and height.
                self.rates(format, pixel_format, (min_width, max_width), modes);
                continue;
            }
            for (width, height) in USUAL_SIZES {
                if (min_width..=max_width).contains(&width)
                    && (min_height..=max_height).contains(&height)
                {
                    self.rates(format, pixel_format, (width, height), modes);
                }
            }
            break;
        }
    }

    fn rates(
        &self,
        format: Format,
        pixel_format: u32,
        (width, height): (u32, u32),
        modes: &mut Vec<Mode>,
    ) {
        let mode = |fps| Mode {
            format,
            width,
            height,
            fps,
            stride_bytes: 0,
        };
        let before = modes.len();
        for index in 0..64 {
            let mut interval = kernel::FrameInterval {
                index,
                pixel_format,
                width,
                height,
                ..Default::default()
            };
            if modes.len() >= MAX_MODES || call::enum_intervals(&self.file, &mut interval).is_err()
            {
                break;
            }
            // Discrete: the interval; else the shortest comes first, and any longer one will do.
            modes.extend(rate(interval.interval[0], interval.interval[1]).map(mode));
            if interval.kind != kernel::DISCRETE {
                break;
            }
        }
        if modes.len() == before && modes.len() < MAX_MODES {
            modes.push(mode(30.0));
        }
    }

    fn set_up(&mut self, mode: &Mode) -> Result<Mode, CameraError> {
        let pixel_format = fourcc(mode.format);
        let mut format = kernel::PictureFormat {
            kind: kernel::BUF_TYPE_VIDEO_CAPTURE,
            width: mode.width,
            height: mode.height,
            pixel_format,
            field: kernel::FIELD_NONE,
            ..Default::default()
        };
        call::set_format(&self.file, &mut format).map_err(failed)?;
        if (format.width, format.height, format.pixel_format)
            != (mode.width, mode.height, pixel_format)
        {
            return Err(CameraError::NotOffered {
                wanted: mode.to_string(),
                offered: self.modes.clone(),
            });
        }
        let mut rates = kernel::StreamParameters {
            kind: kernel::BUF_TYPE_VIDEO_CAPTURE,
            numerator: 1_000,
            denominator: (mode.fps * 1_000.0).round() as u32,
            ..Default::default()
        };
        // A camera without a choice of rates refuses this, and has the one it has.
        let fps = call::set_parameters(&self.file, &mut rates)
            .ok()
            .and_then(|()| rate(rates.numerator, rates.denominator));
        Ok(Mode {
            fps: fps.unwrap_or(mode.fps),
            stride_bytes: format.bytes_per_line as usize,
            ..*mode
        })
    }

    fn map_buffers(&mut self) -> Result<(), CameraError> {
        let mut request = kernel::RequestBuffers {
            count: BUFFERS,
            kind: kernel::BUF_TYPE_VIDEO_CAPTURE,
            memory: kernel::MEMORY_MMAP,
            ..Default::default()
        };
        call::request_buffers(&self.file, &mut request).map_err(failed)?;
        if request.count == 0 {
            return Err(io::Error::other("the kernel gives it no buffers").into());
        }
        for index in 0..request.count.min(32) {
            let mut buffer = capture_buffer(index);
            call::query_buffer(&self.file, &mut buffer).map_err(failed)?;
            let mapping = Mapping::new(
                &self.file,
                u64::from(buffer.offset()),
                buffer.length as usize,
            );
            self.buffers.push(mapping.map_err(failed)?);
            call::queue_buffer(&self.file, &mut buffer).map_err(failed)?;
        }
        Ok(())
    }
}

impl Camera for Device {
    fn modes(&self) -> &[Mode] {
        &self.modes
    }

    fn start(&mut self, mode: &Mode) -> Result<Mode, CameraError> {
        let mode = self.set_up(mode)?;
        self.map_buffers()?;
        call::stream_on(&self.file, kernel::BUF_TYPE_VIDEO_CAPTURE).map_err(failed)?;
        Ok(mode)
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Buffer>, CameraError> {
        let mut ready = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::IN)];
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        match poll(&mut ready, Some(&wait)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(failed(error)),
        }
        let mut buffer = capture_buffer(0);
        match call::dequeue_buffer(&self.file, &mut buffer) {
            Ok(()) => {}
            Err(Errno::AGAIN)
                if !ready[0]
                    .revents()
                    .intersects(PollFlags::ERR | PollFlags::HUP) =>
            {
                return Ok(None);
            }
            Err(Errno::AGAIN) => return Err(CameraError::Gone),
            Err(error) => return Err(failed(error)),
        }
        let Some(mapping) = self.buffers.get(buffer.index as usize) else {
            return Err(
                io::Error::other("the kernel gives a buffer that it was not asked for").into(),
            );
        };
        let data = Bytes::copy_from_slice(mapping.filled(buffer.bytes_used as usize));
        let sound = buffer.flags & kernel::BUF_FLAG_ERROR == 0 && !data.is_empty();
        let taken_us = buffer.taken_us();
        let monotonic =
            buffer.flags & kernel::BUF_FLAG_TIMESTAMP_MASK == kernel::BUF_FLAG_TIMESTAMP_MONOTONIC;
        call::queue_buffer(&self.file, &mut buffer).map_err(failed)?;
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = now
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(now.tv_nsec / 1_000);
        let age_us = if monotonic {
            now_us.saturating_sub(taken_us)
        } else {
            0
        };
        Ok(sound.then_some(Buffer {
            data,
            taken_us: if monotonic { taken_us } else { now_us },
            // What a clock that is not this one would make of it is no age.
            age: Duration::from_micros(age_us.clamp(0, 1_000_000).unsigned_abs()),
        }))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Closing it would do as well; a camera that is gone refuses, and that is no matter.
        let _ = call::stream_off(&self.file, kernel::BUF_TYPE_VIDEO_CAPTURE);
    }
}

fn capture_buffer(index: u32) -> kernel::BufferState {
    kernel::BufferState {
        index,
        kind: kernel::BUF_TYPE_VIDEO_CAPTURE,
        memory: kernel::MEMORY_MMAP,
        ..Default::default()
    }
}

const fn four(code: [u8; 4]) -> u32 {
    u32::from_le_bytes(code)
}

fn format_of(pixel_format: u32) -> Option<Format> {
    [
        (four(*b"H264"), Format::H264),
        (four(*b"MJPG"), Format::Mjpeg),
        (four(*b"JPEG"), Format::Mjpeg),
        (four(*b"YUYV"), Format::Yuyv),
    ]
    .into_iter()
    .find_map(|(code, format)| (code == pixel_format).then_some(format))
}

fn fourcc(format: Format) -> u32 {
    match format {
        Format::H264 => four(*b"H264"),
        Format::Mjpeg => four(*b"MJPG"),
        Format::Yuyv => four(*b"YUYV"),
    }
}

/// Pictures a second from the time of one.
fn rate(numerator: u32, denominator: u32) -> Option<f64> {
    let fps = f64::from(denominator) / f64::from(numerator);
    (0.01..=1_000.0).contains(&fps).then_some(fps)
}

fn opening(error: &io::Error) -> CameraError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
            CameraError::NotThere { there: devices() }
        }
        Some(Errno::ACCESS | Errno::PERM) => CameraError::Denied,
        Some(Errno::BUSY) => CameraError::Busy,
        Some(Errno::ISDIR) => CameraError::NotACamera {
            why: "it is a folder".to_owned(),
        },
        _ => CameraError::System(io::Error::new(error.kind(), error.to_string())),
    }
}

fn failed(error: Errno) -> CameraError {
    match error {
        Errno::NODEV | Errno::NXIO | Errno::IO => CameraError::Gone,
        Errno::BUSY => CameraError::Busy,
        error => CameraError::System(error.into()),
    }
}
