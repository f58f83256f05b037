//! The thread that reads, and where asked for decodes and encodes: file in, pictures with their times out.
//!
//! It blocks on the disk and takes processor time, so it is no task of the runtime; the channel out of it holds a few
//! pictures and makes it wait.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use weir_media::container::{self, Demuxer};
use weir_media::decode::{self, PictureDecoder};
use weir_media::encode::H264Encoder;
use weir_media::sound::{SoundTrack, SoundUnit};
use weir_media::{AccessUnit, Codec, MediaError, VideoTrack, Yuv420, jpeg, png};

use super::timeline::{Thin, Timeline};
use super::{CodecChoice, VideoFile};
use crate::SourceError;
use crate::pictures::fitting_bitrate_bps;

/// Pictures that may wait to be sent.
const AHEAD: usize = 4;

/// What the thread has to say.
pub(super) enum Item {
    /// The next picture.
    Ready {
        /// With the publisher's times.
        unit: AccessUnit,
        /// Of a JPEG or PNG.
        size: Option<(u32, u32)>,
        /// When the file shows it.
        file_us: i64,
    },
    /// The next sound, with the publisher's times.
    Sound(SoundUnit),
    /// What was passed over.
    Damage { pictures: u64, what: String },
    /// It could not go on.
    Failed(SourceError),
}

/// Opens the file.
pub(super) fn open(path: &Path) -> Result<Box<dyn Demuxer>, SourceError> {
    let file = File::open(path).map_err(|error| crate::lines::cannot_open(path, &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(SourceError::File {
            path: path.display().to_string(),
            why: "it is a folder; name a video file".to_owned(),
        });
    }
    container::open(file).map_err(|error| about(path, &error))
}

/// How long what is to be published plays, from its first picture on; read through where the file does not say. `None`: it has none.
pub(super) fn length(options: &VideoFile) -> Result<Option<Duration>, SourceError> {
    let mut demuxer = open(&options.path)?;
    let measured = measure(&mut *demuxer, options);
    measured.map_err(|error| about(&options.path, &error))
}

fn measure(demuxer: &mut dyn Demuxer, options: &VideoFile) -> Result<Option<Duration>, MediaError> {
    let from_us = options.from_us.unwrap_or(0);
    demuxer.seek(from_us)?;
    let Some(first) = demuxer.next()? else {
        return Ok(None);
    };
    // As they are, pictures begin at the key frame in front; encoded anew, at the very one.
    let zero_us = match options.codec {
        CodecChoice::Copy => first.pts_us,
        _ => first.pts_us.max(from_us),
    };
    let to_us = options.to_us.unwrap_or(i64::MAX);
    let said_us = demuxer.track().duration_us.filter(|us| *us > 0);
    let end_us = if let Some(end_us) = said_us {
        end_us
    } else {
        let (mut newest_us, mut step_us) = (first.pts_us, 0);
        while let Some(unit) = demuxer.next()?.filter(|unit| unit.dts_us < to_us) {
            if unit.pts_us > newest_us {
                step_us = unit.pts_us - newest_us;
                newest_us = unit.pts_us;
            }
        }
        newest_us.saturating_add(step_us)
    };
    let length_us = end_us.min(to_us).saturating_sub(zero_us);
    Ok(u64::try_from(length_us).ok().map(Duration::from_micros))
}

pub(super) fn about(path: &Path, error: &MediaError) -> SourceError {
    let sentence = error.about(&path.display().to_string());
    if error.others_may_read() {
        SourceError::NotRead(sentence)
    } else {
        SourceError::Media(sentence)
    }
}

/// Which codec the topic will hold.
pub(super) fn published_codec(choice: CodecChoice, track: &VideoTrack) -> Codec {
    match choice {
        CodecChoice::Copy => track.codec,
        CodecChoice::H264 => Codec::H264,
        CodecChoice::Jpeg => Codec::Jpeg,
        CodecChoice::Png => Codec::Png,
    }
}

/// When the file shows it, its size where it is a JPEG or PNG, and what is to be published, with the file's times.
type Ready = (i64, Option<(u32, u32)>, AccessUnit);

/// What is done to each access unit.
enum Work {
    Copy,
    Convert(Box<Converter>),
}

struct Converter {
    decoder: Box<dyn PictureDecoder + Send>,
    encoder: Encoder,
    thin: Option<Thin>,
    from_us: Option<i64>,
    to_us: Option<i64>,
}

enum Encoder {
    H264(Box<H264Encoder>),
    Jpeg(u8),
    Png,
}

/// Prepares the decoder and encoder, so that what cannot work is refused before anything is published.
pub(super) struct Reading {
    options: VideoFile,
    demuxer: Box<dyn Demuxer>,
    work: Work,
    timeline: Timeline,
    damage_told: usize,
}

impl Reading {
    pub(super) fn new(options: VideoFile) -> Result<Self, SourceError> {
        let demuxer = open(&options.path)?;
        let track = demuxer.track();
        let media = |error: MediaError| about(&options.path, &error);
        let work = match options.codec {
            CodecChoice::Copy => Work::Copy,
            choice => {
                let encoder = match choice {
                    CodecChoice::Jpeg => Encoder::Jpeg(options.jpeg_quality),
                    CodecChoice::Png => Encoder::Png,
                    CodecChoice::H264 | CodecChoice::Copy => {
                        let fps = options.fps.or_else(|| fps_of(track)).unwrap_or(25.0);
                        let bitrate_bps = options
                            .bitrate_bps
                            .unwrap_or_else(|| fitting_bitrate_bps(track.width, track.height, fps));
                        Encoder::H264(Box::new(
                            H264Encoder::new(track.width, track.height, fps, bitrate_bps)
                                .map_err(media)?,
                        ))
                    }
                };
                Work::Convert(Box::new(Converter {
                    decoder: decode::decoder_for(track.codec).map_err(media)?,
                    encoder,
                    thin: options.fps.map(Thin::new),
                    from_us: options.from_us,
                    to_us: options.to_us,
                }))
            }
        };
        Ok(Self {
            options,
            demuxer,
            work,
            timeline: Timeline::default(),
            damage_told: 0,
        })
    }

    pub(super) fn track(&self) -> &VideoTrack {
        self.demuxer.track()
    }

    /// The sound that goes into the topic with the pictures: none beside those that stand alone, which no player plays.
    pub(super) fn sound(&self) -> Option<&SoundTrack> {
        self.demuxer.sound().filter(|_| self.wants_sound())
    }

    fn wants_sound(&self) -> bool {
        let video = matches!(self.options.codec, CodecChoice::Copy | CodecChoice::H264);
        self.options.sound && video
    }

    /// What is to be told of sound that cannot go into the topic, and how it could.
    pub(super) fn sound_left_out(&self) -> Option<String> {
        let what = self.demuxer.sound_left_out()?;
        self.wants_sound().then(|| {
            let name = self.options.path.display();
            format!(
                "the pictures are published without their sound, which is {what}: weir carries AAC and Opus; \
                 `ffmpeg -i {name} -c:v copy -c:a aac OUT.mp4` makes it AAC"
            )
        })
    }

    /// Starts the thread; it ends when the channel's other end is dropped.
    pub(super) fn start(self) -> mpsc::Receiver<Item> {
        let (out, items) = mpsc::channel(AHEAD);
        let failed = out.clone();
        let spawned = std::thread::Builder::new()
            .name("video-file".to_owned())
            .spawn(move || self.read(&out));
        if let Err(error) = spawned {
            // The channel is empty, so there is room.
            drop(failed.try_send(Item::Failed(SourceError::Media(format!(
                "no thread to read the file on: {error}"
            )))));
        }
        items
    }

    fn read(mut self, out: &mpsc::Sender<Item>) {
        loop {
            match self.lap(out) {
                Ok(Some(0)) => {
                    drop(out.blocking_send(Item::Failed(SourceError::Media(format!(
                        "{}: no picture between --from and --to that can be published",
                        self.options.path.display()
                    )))));
                    return;
                }
                Ok(Some(_)) if self.options.repeat => {
                    self.timeline.next_lap();
                    // The damage was told in the first lap.
                    self.damage_told = usize::MAX;
                }
                // Nobody listens any more, or it is done.
                Ok(None | Some(_)) => return,
                Err(error) => {
                    drop(out.blocking_send(Item::Failed(about(&self.options.path, &error))));
                    return;
                }
            }
        }
    }

    /// The file once; how many pictures, or nothing if nobody listens any more.
    fn lap(&mut self, out: &mpsc::Sender<Item>) -> Result<Option<u64>, MediaError> {
        self.demuxer.seek(self.options.from_us.unwrap_or(0))?;
        if let Work::Convert(converter) = &mut self.work {
            // Nothing of the lap before may be left in it.
            converter.decoder = decode::decoder_for(self.demuxer.track().codec)?;
            converter.thin = self.options.fps.map(Thin::new);
        }
        let mut sent = 0;
        while let Some(unit) = self.demuxer.next()? {
            if !self.tell_damage(out) {
                return Ok(None);
            }
            if self.options.to_us.is_some_and(|to_us| unit.dts_us >= to_us) {
                break;
            }
            let ready = match &mut self.work {
                Work::Copy => {
                    // Decoded before `to`, shown after it: needed by those shown before, if they are needed at all.
                    vec![(unit.pts_us, None, unit)]
                }
                Work::Convert(converter) => {
                    let at_us = unit.pts_us;
                    match converter
                        .decoder
                        .decode(&unit)
                        .and_then(|pictures| converter.encode(pictures))
                    {
                        Ok(ready) => ready,
                        Err(error) => {
                            let what =
                                format!("the picture at {} was left out: {error}", seconds(at_us));
                            if out
                                .blocking_send(Item::Damage { pictures: 1, what })
                                .is_err()
                            {
                                return Ok(None);
                            }
                            continue;
                        }
                    }
                }
            };
            match self.hand_over(ready, out)? {
                Some(count) => sent += count,
                None => return Ok(None),
            }
        }
        if !self.tell_damage(out) {
            return Ok(None);
        }
        let rest = match &mut self.work {
            Work::Copy => Vec::new(),
            Work::Convert(converter) => {
                let pictures = converter.decoder.flush()?;
                converter.encode(pictures)?
            }
        };
        let Some(count) = self.hand_over(rest, out)? else {
            return Ok(None);
        };
        // What sounds behind the last picture.
        let until_us = self.options.to_us.unwrap_or(i64::MAX);
        Ok(self.hand_over_sound(until_us, out)?.then_some(sent + count))
    }

    fn hand_over(
        &mut self,
        ready: Vec<Ready>,
        out: &mpsc::Sender<Item>,
    ) -> Result<Option<u64>, MediaError> {
        let count = ready.len() as u64;
        for (file_us, size, unit) in ready {
            if self.timeline.has_begun() && !self.hand_over_sound(unit.dts_us, out)? {
                return Ok(None);
            }
            let placed = self
                .timeline
                .place(unit.pts_us, unit.dts_us, unit.duration_us);
            let unit = AccessUnit {
                pts_us: placed.pts_us,
                dts_us: placed.dts_us,
                ..unit
            };
            let item = Item::Ready {
                unit,
                size,
                file_us,
            };
            if out.blocking_send(item).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(count))
    }

    /// Hands over what sounds before a picture of this time is decoded; `false` if nobody listens any more.
    fn hand_over_sound(
        &mut self,
        until_us: i64,
        out: &mpsc::Sender<Item>,
    ) -> Result<bool, MediaError> {
        if !self.wants_sound() {
            return Ok(true);
        }
        while let Some(unit) = self.demuxer.next_sound(until_us)? {
            let placed = self.timeline.place_sound(unit.pts_us, self.options.repeat);
            let Some(pts_us) = placed else { continue };
            if out
                .blocking_send(Item::Sound(SoundUnit { pts_us, ..unit }))
                .is_err()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tell_damage(&mut self, out: &mpsc::Sender<Item>) -> bool {
        let damage = self.demuxer.damage();
        for found in damage.iter().skip(self.damage_told) {
            let what = match (found.pts_us, found.position_bytes) {
                (Some(at_us), _) => format!("damaged at {}: {}", seconds(at_us), found.what),
                (None, Some(at)) => format!("damaged at byte {at}: {}", found.what),
                (None, None) => format!("damaged: {}", found.what),
            };
            let pictures = found.pictures;
            if out.blocking_send(Item::Damage { pictures, what }).is_err() {
                return false;
            }
        }
        self.damage_told = self.damage_told.max(damage.len());
        true
    }
}

impl Converter {
    fn encode(&mut self, pictures: Vec<(i64, Yuv420)>) -> Result<Vec<Ready>, MediaError> {
        let mut ready = Vec::new();
        for (pts_us, picture) in pictures {
            let outside = self.from_us.is_some_and(|from_us| pts_us < from_us)
                || self.to_us.is_some_and(|to_us| pts_us >= to_us)
                // Before the edit list's start: there to decode later ones with, not to be shown.
                || pts_us < 0;
            if outside || self.thin.as_mut().is_some_and(|thin| !thin.takes(pts_us)) {
                continue;
            }
            let size = (picture.width, picture.height);
            let whole = |data: Vec<u8>| AccessUnit {
                pts_us,
                dts_us: pts_us,
                duration_us: 0,
                key: true,
                data: Bytes::from(data),
            };
            ready.push(match &mut self.encoder {
                Encoder::H264(encoder) => (pts_us, None, encoder.encode(&picture, pts_us, false)?),
                Encoder::Jpeg(quality) => {
                    (pts_us, Some(size), whole(jpeg::encode(&picture, *quality)?))
                }
                Encoder::Png => (pts_us, Some(size), whole(png::encode(&picture)?)),
            });
        }
        Ok(ready)
    }
}

fn fps_of(track: &VideoTrack) -> Option<f64> {
    let seconds = track.duration_us? as f64 / 1e6;
    let fps = track.pictures? as f64 / seconds;
    (0.1..=240.0).contains(&fps).then_some(fps)
}

pub(super) fn seconds(us: i64) -> String {
    format!("{:.3} s", us as f64 / 1e6)
}
