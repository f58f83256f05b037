//! What publishes: a video file, a camera, an RTSP server, the test card, sensors, a stock ticker, lines of text, a feed of made-up
//! text.
//!
//! Each source is a plain struct of options with one `run(self, kafka, progress, shutdown)`, which ends when its material
//! does or when it is told to, having flushed what it handed over. Topics that are not there are made with settings that
//! fit. What is decided (when a picture is due, where a line ends, how a number wanders) stands apart from what is done
//! about it, so that tests need neither Kafka nor time.
//!
//! This crate writes topics and reads none.

mod backoff;
pub mod camera;
mod dating;
mod due;
pub mod ffmpeg;
pub mod lines;
mod live;
mod outlet;
mod pace;
mod pictures;
mod random;
pub mod rtsp;
pub mod sensor;
mod summary;
pub mod testcard;
pub mod text_feed;
pub mod ticker;
pub mod video_file;

pub use backoff::Backoff;
pub use summary::{Ended, SourceError, Summary};
pub use weir_base::progress::{Progress, Silent, Snapshot};
