//! What crosses the border to the kernel: the structures of `linux/videodev2.h` on 64-bit machines, the calls that take them, and
//! mapped memory.

use std::fs::File;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

pub(super) const CAP_VIDEO_CAPTURE: u32 = 0x1;
pub(super) const CAP_STREAMING: u32 = 0x0400_0000;
pub(super) const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
pub(super) const BUF_TYPE_VIDEO_CAPTURE: u32 = 1;
pub(super) const MEMORY_MMAP: u32 = 1;
pub(super) const FIELD_NONE: u32 = 1;
/// Of sizes and intervals: `V4L2_FRMSIZE_TYPE_DISCRETE`, `V4L2_FRMIVAL_TYPE_DISCRETE`.
pub(super) const DISCRETE: u32 = 1;
pub(super) const BUF_FLAG_ERROR: u32 = 0x40;
pub(super) const BUF_FLAG_TIMESTAMP_MASK: u32 = 0xe000;
pub(super) const BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x2000;

/// `struct v4l2_capability`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus_info: [u8; 32],
    pub(super) version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    pub(super) reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FormatDescription {
    pub(super) index: u32,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) description: [u8; 32],
    pub(super) pixel_format: u32,
    pub(super) mbus_code: u32,
    pub(super) reserved: [u32; 3],
}

/// `struct v4l2_format` with its union as `struct v4l2_pix_format`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct PictureFormat {
    pub(super) kind: u32,
    /// The union is aligned to eight bytes.
    pub(super) align: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_format: u32,
    pub(super) field: u32,
    pub(super) bytes_per_line: u32,
    pub(super) size_image: u32,
    pub(super) colorspace: u32,
    pub(super) private: u32,
    pub(super) flags: u32,
    pub(super) encoding: u32,
    pub(super) quantization: u32,
    pub(super) transfer: u32,
    pub(super) rest: [u32; 38],
}

impl Default for PictureFormat {
    fn default() -> Self {
        Self {
            kind: 0,
            align: 0,
            width: 0,
            height: 0,
            pixel_format: 0,
            field: 0,
            bytes_per_line: 0,
            size_image: 0,
            colorspace: 0,
            private: 0,
            flags: 0,
            encoding: 0,
            quantization: 0,
            transfer: 0,
            rest: [0; 38],
        }
    }
}

/// `struct v4l2_frmsizeenum`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameSize {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) kind: u32,
    /// Width and height, or least, greatest and step of each.
    pub(super) size: [u32; 6],
    pub(super) reserved: [u32; 2],
}

/// `struct v4l2_frmivalenum`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameInterval {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) kind: u32,
    /// Seconds as numerator and denominator, or those of the shortest, the longest and the step.
    pub(super) interval: [u32; 6],
    pub(super) reserved: [u32; 2],
}

/// `struct v4l2_streamparm` with its union as `struct v4l2_captureparm`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamParameters {
    pub(super) kind: u32,
    pub(super) capability: u32,
    pub(super) mode: u32,
    pub(super) numerator: u32,
    pub(super) denominator: u32,
    pub(super) rest: [u32; 46],
}

impl Default for StreamParameters {
    fn default() -> Self {
        Self {
            kind: 0,
            capability: 0,
            mode: 0,
            numerator: 0,
            denominator: 0,
            rest: [0; 46],
        }
    }
}

/// `struct v4l2_requestbuffers`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestBuffers {
    pub(super) count: u32,
    pub(super) kind: u32,
    pub(super) memory: u32,
    pub(super) capabilities: u32,
    pub(super) flags: [u8; 4],
}

/// `struct v4l2_buffer`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BufferState {
    pub(super) index: u32,
    pub(super) kind: u32,
    pub(super) bytes_used: u32,
    pub(super) flags: u32,
    pub(super) field: u32,
    pub(super) align: u32,
    pub(super) seconds: i64,
    pub(super) micros: i64,
    pub(super) timecode: [u32; 4],
    pub(super) sequence: u32,
    pub(super) memory: u32,
    /// Of mapped memory the first half, an offset.
    pub(super) place: u64,
    pub(super) length: u32,
    pub(super) reserved: u32,
    pub(super) request: i32,
    pub(super) end: u32,
}

impl BufferState {
    /// Where the buffer is mapped from.
    pub(super) fn offset(&self) -> u32 {
        let bytes = self.place.to_ne_bytes();
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    pub(super) fn taken_us(&self) -> i64 {
        self.seconds
            .saturating_mul(1_000_000)
            .saturating_add(self.micros)
    }
}

const GROUP: u8 = b'V';
pub(super) const QUERYCAP: Opcode = opcode::read::<Capability>(GROUP, 0);
pub(super) const ENUM_FMT: Opcode = opcode::read_write::<FormatDescription>(GROUP, 2);
pub(super) const S_FMT: Opcode = opcode::read_write::<PictureFormat>(GROUP, 5);
pub(super) const REQBUFS: Opcode = opcode::read_write::<RequestBuffers>(GROUP, 8);
pub(super) const QUERYBUF: Opcode = opcode::read_write::<BufferState>(GROUP, 9);
pub(super) const QBUF: Opcode = opcode::read_write::<BufferState>(GROUP, 15);
pub(super) const DQBUF: Opcode = opcode::read_write::<BufferState>(GROUP, 17);
pub(super) const STREAMON: Opcode = opcode::write::<i32>(GROUP, 18);
pub(super) const STREAMOFF: Opcode = opcode::write::<i32>(GROUP, 19);
pub(super) const S_PARM: Opcode = opcode::read_write::<StreamParameters>(GROUP, 22);
pub(super) const ENUM_FRAMESIZES: Opcode = opcode::read_write::<FrameSize>(GROUP, 74);
pub(super) const ENUM_FRAMEINTERVALS: Opcode = opcode::read_write::<FrameInterval>(GROUP, 75);

/// The calls, each with the one structure that it takes.
pub(super) mod call {
    use super::{
        BufferState, Capability, DQBUF, ENUM_FMT, ENUM_FRAMEINTERVALS, ENUM_FRAMESIZES, Errno,
        File, FormatDescription, FrameInterval, FrameSize, PictureFormat, QBUF, QUERYBUF, QUERYCAP,
        REQBUFS, RequestBuffers, S_FMT, S_PARM, STREAMOFF, STREAMON, StreamParameters, Updater,
        ioctl,
    };

    macro_rules! calls {
        ($($(#[$doc:meta])* $name:ident, $code:expr, $kind:ty;)*) => {$(
            $(#[$doc])*
            pub(in super::super) fn $name(file: &File, value: &mut $kind) -> Result<(), Errno> {
                // SAFETY: the opcode carries the size of the structure, which the kernel reads and writes in place and
                // not beyond; every field of it is a plain number that may have any value.
                unsafe { ioctl(file, Updater::<{ $code }, $kind>::new(value)) }
            }
        )*};
    }

    calls! {
        query_capabilities, QUERYCAP, Capability;
        enum_formats, ENUM_FMT, FormatDescription;
        set_format, S_FMT, PictureFormat;
        enum_sizes, ENUM_FRAMESIZES, FrameSize;
        enum_intervals, ENUM_FRAMEINTERVALS, FrameInterval;
        set_parameters, S_PARM, StreamParameters;
        request_buffers, REQBUFS, RequestBuffers;
        query_buffer, QUERYBUF, BufferState;
        queue_buffer, QBUF, BufferState;
        dequeue_buffer, DQBUF, BufferState;
        on, STREAMON, u32;
        off, STREAMOFF, u32;
    }

    /// Begins to capture.
    pub(in super::super) fn stream_on(file: &File, mut kind: u32) -> Result<(), Errno> {
        on(file, &mut kind)
    }

    /// Ends capturing.
    pub(in super::super) fn stream_off(file: &File, mut kind: u32) -> Result<(), Errno> {
        off(file, &mut kind)
    }
}

/// A camera's buffer in our memory.
pub(super) struct Mapping {
    start: *mut u8,
    len_bytes: usize,
}

// SAFETY: the memory is the process's; nothing about it belongs to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    pub(super) fn new(file: &File, offset: u64, len_bytes: usize) -> Result<Self, Errno> {
        // SAFETY: the kernel chooses the place, so that nothing that is in use is mapped over.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len_bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                offset,
            )?
        };
        Ok(Self {
            start: start.cast(),
            len_bytes,
        })
    }

    /// What the camera has put into it. Only of a buffer that has been dequeued and not queued again: the kernel writes to
    /// others.
    pub(super) fn filled(&self, len_bytes: usize) -> &[u8] {
        // SAFETY: so many bytes are mapped at most, for as long as this lives, and readable; the kernel leaves a dequeued
        // buffer alone.
        unsafe { std::slice::from_raw_parts(self.start, len_bytes.min(self.len_bytes)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and nothing borrowed from it lives any more.
        let _ = unsafe { munmap(self.start.cast(), self.len_bytes) };
    }
}

/// A text of the kernel's, up to its NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};
    use std::process::Command;

    use super::*;

    /// What the header says, by a C program that prints it.
    const PROGRAM: &str = r#"
#include <stdio.h>
#include <stddef.h>
#include <linux/videodev2.h>
int main(void) {
    printf("%zu %zu %zu %zu ", sizeof(struct v4l2_capability), sizeof(struct v4l2_fmtdesc),
        sizeof(struct v4l2_format), sizeof(struct v4l2_frmsizeenum));
    printf("%zu %zu %zu %zu ", sizeof(struct v4l2_frmivalenum), sizeof(struct v4l2_streamparm),
        sizeof(struct v4l2_requestbuffers), sizeof(struct v4l2_buffer));
    printf("%zu %zu %zu ", offsetof(struct v4l2_capability, device_caps), offsetof(struct v4l2_fmtdesc, pixelformat),
        offsetof(struct v4l2_format, fmt.pix.bytesperline));
    printf("%zu %zu %zu ", offsetof(struct v4l2_frmsizeenum, discrete), offsetof(struct v4l2_frmivalenum, discrete),
        offsetof(struct v4l2_streamparm, parm.capture.timeperframe));
    printf("%zu %zu %zu %zu ", offsetof(struct v4l2_buffer, timestamp), offsetof(struct v4l2_buffer, sequence),
        offsetof(struct v4l2_buffer, m.offset), offsetof(struct v4l2_buffer, length));
    printf("%lu %lu %lu %lu ", (unsigned long)VIDIOC_QUERYCAP, (unsigned long)VIDIOC_ENUM_FMT,
        (unsigned long)VIDIOC_S_FMT, (unsigned long)VIDIOC_REQBUFS);
    printf("%lu %lu %lu %lu ", (unsigned long)VIDIOC_QUERYBUF, (unsigned long)VIDIOC_QBUF,
        (unsigned long)VIDIOC_DQBUF, (unsigned long)VIDIOC_STREAMON);
    printf("%lu %lu %lu %lu", (unsigned long)VIDIOC_STREAMOFF, (unsigned long)VIDIOC_S_PARM,
        (unsigned long)VIDIOC_ENUM_FRAMESIZES, (unsigned long)VIDIOC_ENUM_FRAMEINTERVALS);
    return 0;
}
"#;

    #[test]
    fn layouts_are_those_of_the_kernels_header() {
        let folder = tempfile::tempdir().unwrap();
        let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
        std::fs::write(&source, PROGRAM).unwrap();
        let built = Command::new("cc")
            .arg(&source)
            .arg("-o")
            .arg(&program)
            .output();
        if !built.is_ok_and(|built| built.status.success()) {
            eprintln!("SKIPPED: no C compiler with linux/videodev2.h");
            return;
        }
        let printed = Command::new(&program).output().unwrap().stdout;
        let theirs: Vec<u64> = String::from_utf8(printed)
            .unwrap()
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let sizes = [
            size_of::<Capability>(),
            size_of::<FormatDescription>(),
            size_of::<PictureFormat>(),
            size_of::<FrameSize>(),
            size_of::<FrameInterval>(),
            size_of::<StreamParameters>(),
            size_of::<RequestBuffers>(),
            size_of::<BufferState>(),
            offset_of!(Capability, device_caps),
            offset_of!(FormatDescription, pixel_format),
            offset_of!(PictureFormat, bytes_per_line),
            offset_of!(FrameSize, size),
            offset_of!(FrameInterval, interval),
            offset_of!(StreamParameters, numerator),
            offset_of!(BufferState, seconds),
            offset_of!(BufferState, sequence),
            offset_of!(BufferState, place),
            offset_of!(BufferState, length),
        ];
        let codes = [
            QUERYCAP,
            ENUM_FMT,
            S_FMT,
            REQBUFS,
            QUERYBUF,
            QBUF,
            DQBUF,
            STREAMON,
            STREAMOFF,
            S_PARM,
            ENUM_FRAMESIZES,
            ENUM_FRAMEINTERVALS,
        ];
        let ours: Vec<u64> = sizes
            .map(|size| size as u64)
            .into_iter()
            .chain(codes.map(u64::from))
            .collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_text_ends_at_its_nul() {
        assert_eq!(text(b"UVC Camera\0\0x"), "UVC Camera");
        assert_eq!(text(b"full"), "full");
    }
}
