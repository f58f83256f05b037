//! Access units, containers and codecs: bytes and times in, bytes out.
//!
//! What flows in: the bytes of a video file (`Read + Seek`, handed in by the caller), the value and headers of a
//! record, or a picture as [`Yuv420`]. What flows out: access units with their times, record headers, fragments a
//! browser plays, pictures.
//!
//! | module | for |
//! |---|---|
//! | [`container`] | MP4, MOV, Matroska and `WebM` files → access units |
//! | [`camera`] | what a camera hands over, put right |
//! | [`sound`] | what is known of AAC and Opus |
//! | [`record`] | what a record's headers mean, which kind of topic it belongs to |
//! | [`order`] | decode times where only the times shown are known |
//! | [`numbers`] | what numbers a record's value holds |
//! | [`fmp4`] | access units → init segment and fragments |
//! | [`movie`] | access units → a whole MP4 file |
//! | [`h264`], [`h265`], [`av1`], [`vp9`], [`nal`] | parameter sets, codec strings, key frames |
//! | [`encode`], [`decode`] | pictures ↔ H.264 |
//! | [`jpeg`], [`png`] | pictures ↔ image files |
//! | [`testcard`] | a moving picture with the time in it |
//! | [`synthetic`] | small video files for tests |
//!
//! This crate opens no file and no socket and reads no clock: whoever calls it passes those in as bytes and times.
//! No parser here panics on, or allocates by, a length it has not checked against the bytes that are there.

pub mod av1;
mod bits;
pub mod camera;
pub mod container;
pub mod decode;
pub mod encode;
mod error;
pub mod fmp4;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod movie;
pub mod nal;
pub mod numbers;
pub mod order;
pub mod png;
pub mod record;
mod scale;
pub mod sound;
pub mod synthetic;
pub mod testcard;
mod types;
pub mod vp9;
mod yuv;

pub use error::MediaError;
pub use types::{AccessUnit, Codec, VideoTrack};
pub use yuv::{MAX_PIXELS, Yuv420};
