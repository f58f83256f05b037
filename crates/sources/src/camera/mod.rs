//! A camera of this machine: pictures that it encodes itself pass through, bare samples are encoded as H.264.
//!
//! The camera must be there at the start, so that a wrong name or a format it does not offer is told at once. One that is unplugged
//! is waited for, and goes on when it is there again.

mod device;
pub mod fake;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod v4l2;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

pub use self::device::{Buffer, Camera, CameraError, Cameras, Format, Found, Mode, Wanted, modes};
use self::work::Event;
use crate::backoff::Backoff;
use crate::live::Live;
use crate::pace::sleep;
use crate::{Ended, Progress, SourceError, Summary};

/// Publishes the pictures of a camera.
#[derive(Clone)]
pub struct CameraSource {
    /// Its device; `None`: the first there is.
    pub device: Option<PathBuf>,
    /// Where to.
    pub topic: String,
    /// The records' key; `None`: what the camera calls itself.
    pub key: Option<String>,
    /// Which of its modes.
    pub wanted: Wanted,
    /// Bits a second where bare samples are encoded; `None`: by the picture's size.
    pub bitrate_bps: Option<u32>,
    /// Where cameras are.
    pub cameras: Arc<dyn Cameras>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

/// The cameras of this machine.
pub fn system() -> Arc<dyn Cameras> {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    return Arc::new(v4l2::Kernel);
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    return Arc::new(NoCameras);
}

/// Of systems whose cameras are not read.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
struct NoCameras;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
impl Cameras for NoCameras {
    fn found(&self) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, _path: &Path) -> Result<Box<dyn Camera>, CameraError> {
        Err(CameraError::NoDriver)
    }
}

impl CameraSource {
    /// The first camera, as it encodes pictures itself.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            device: None,
            topic: topic.into(),
            key: None,
            wanted: Wanted::default(),
            bitrate_bps: None,
            cameras: system(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        let (path, name) = self.find()?;
        // Nobody is asked for a Kafka before there is something to publish.
        let (events, mode) = self
            .start(&path)
            .await
            .map_err(|error| refused(&path, &error))?;
        progress.note(&format!("{}: {mode}", path.display()));
        let key = self.key.clone().unwrap_or(name);
        let clock = self.clock.clone();
        let mut live = Live::open(kafka, &self.topic, &key, clock, progress).await?;
        let mut backoff = Backoff::default();
        let mut running = Some(events);
        loop {
            let begun = self.clock.monotonic();
            let opened = match running.take() {
                Some(events) => Ok(events),
                None => self.start(&path).await.map(|(events, mode)| {
                    live.going_on(&format!("{} is there again: {mode}", path.display()));
                    events
                }),
            };
            let (why, worked) = match opened {
                Err(error) => (error, Duration::ZERO),
                Ok(events) => match self.publish(events, &mut live, &shutdown).await? {
                    None => break,
                    Some(error) => (error, self.clock.monotonic().saturating_sub(begun)),
                },
            };
            let wait = backoff.after(worked);
            live.broke_off(&format!(
                "{}: {why}; trying again in {} s",
                path.display(),
                wait.as_secs()
            ));
            if !sleep(wait, &shutdown).await {
                break;
            }
        }
        live.finish(Ended::Shutdown).await
    }

    /// Which camera, and what it calls itself.
    fn find(&self) -> Result<(PathBuf, String), SourceError> {
        let found = self.cameras.found();
        let usable = |found: &&Found| match &self.device {
            Some(device) => found.path == *device,
            None => found.modes.is_ok(),
        };
        if let Some(camera) = found.iter().find(usable) {
            return Ok((camera.path.clone(), camera.name.clone()));
        }
        match (&self.device, found.first()) {
            // A name that only stands for a device, such as those in /dev/v4l/by-id.
            (Some(device), _) => {
                let name = device.file_name().unwrap_or_default();
                Ok((device.clone(), name.to_string_lossy().into_owned()))
            }
            (
                None,
                Some(Found {
                    path,
                    modes: Err(why),
                    ..
                }),
            ) => Err(SourceError::Media(format!("{}: {why}", path.display()))),
            (None, _) => Err(SourceError::Media(
                "there is no camera: no /dev/video0 or other that captures video. Plug one in"
                    .to_owned(),
            )),
        }
    }

    /// Opens and starts it on a thread of its own.
    async fn start(&self, path: &Path) -> Result<(mpsc::Receiver<Event>, Mode), CameraError> {
        let (cameras, path, wanted) = (self.cameras.clone(), path.to_owned(), self.wanted);
        let bitrate_bps = self.bitrate_bps;
        let started = tokio::task::spawn_blocking(move || {
            let mut camera = cameras.open(&path)?;
            let mode = wanted.choose(camera.modes())?;
            let mode = camera.start(&mode)?;
            Ok((work::start(camera, mode, bitrate_bps)?, mode))
        });
        started
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }

    /// Until it breaks off, and why; nothing if told to end.
    async fn publish(
        &self,
        mut events: mpsc::Receiver<Event>,
        live: &mut Live,
        shutdown: &CancellationToken,
    ) -> Result<Option<CameraError>, SourceError> {
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(None),
                event = events.recv() => event,
            };
            match event {
                Some(Event::Picture(picture)) => {
                    let shot = picture.shot(self.clock.now());
                    if !live.send(shot, shutdown).await? {
                        return Ok(None);
                    }
                }
                Some(Event::Lost) => live.gap(),
                Some(Event::Unencodable(why)) => return Err(SourceError::Media(why)),
                Some(Event::Failed(error)) => return Ok(Some(error)),
                None => return Ok(Some(CameraError::Gone)),
            }
        }
    }
}

fn refused(path: &Path, error: &CameraError) -> SourceError {
    SourceError::Media(format!("{}: {error}", path.display()))
}
