//! A video file, access unit by access unit, at its own pace.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::{Progress, SourceError, Summary};

/// What goes into the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodecChoice {
    /// The access units as they are in the file.
    #[default]
    Copy,
    /// Encoded anew as H.264 without B-frames.
    H264,
    /// A JPEG a picture.
    Jpeg,
    /// A PNG a picture.
    Png,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As the file's own times say.
    #[default]
    Realtime,
    /// As fast as Kafka takes it.
    Max,
    /// One record after each such time.
    Every(Duration),
}

/// Publishes a video file.
#[derive(Clone)]
pub struct VideoFile {
    /// The file: MP4, MOV, Matroska or `WebM`.
    pub path: PathBuf,
    /// Where to.
    pub topic: String,
    /// The records' key; `None`: the file's name.
    pub key: Option<String>,
    /// What goes into the topic.
    pub codec: CodecChoice,
    /// So many pictures a second instead of all; not with [`CodecChoice::Copy`].
    pub fps: Option<f64>,
    /// How fast.
    pub pace: Pace,
    /// From the start again at the end, time going on forward.
    pub repeat: bool,
    /// From this time of the file on.
    pub from_us: Option<i64>,
    /// Up to this time of the file.
    pub to_us: Option<i64>,
    /// 1 to 100.
    pub jpeg_quality: u8,
    /// Of [`CodecChoice::H264`]; `None`: by the picture's size.
    pub bitrate_bps: Option<u32>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl VideoFile {
    /// The whole file once, as it is, in real time.
    pub fn new(path: impl Into<PathBuf>, topic: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            topic: topic.into(),
            key: None,
            codec: CodecChoice::Copy,
            fps: None,
            pace: Pace::Realtime,
            repeat: false,
            from_us: None,
            to_us: None,
            jpeg_quality: 85,
            bitrate_bps: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Opens the file and says what is in it, without publishing; what `demo` asks before it starts.
    pub fn probe(&self) -> Result<weir_media::VideoTrack, SourceError> {
        todo!()
    }

    /// Publishes until the end or `shutdown`.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn run(
        self,
        _kafka: &Kafka,
        _progress: Arc<dyn Progress>,
        _shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        todo!()
    }
}
