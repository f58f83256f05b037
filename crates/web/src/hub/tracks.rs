//! Whose picture it is: what to do where more than one camera, or more than one codec, is in a topic.
//!
//! A [`Track`] is the pictures of one record key in one codec. Each has a maker and a GOP of its own, so that pictures of two
//! cameras never lean on each other. A viewer gets one track at a time ([`Chooser`]): the key it asked for or, where it asked
//! for none, the one that the topic began with for it, until that falls silent and another goes on in its place.
//!
//! Keys that never come again, such as a picture's number, are no cameras: the next picture simply follows.

use std::sync::Arc;

use bytes::Bytes;
use weir_client::Record;
use weir_media::record::{PictureMeta, SoundMeta};
use weir_media::{Codec, record};

use super::maker::{Made, Maker};
use super::picture::Picture;
use super::sound::Sound;

/// Tracks of one topic that are told apart at a time; the one whose last picture is the oldest gives way.
pub const MAX_TRACKS: usize = 16;
/// A track is over when another's key frame is younger by this much than its newest picture,
const SILENT_MS: i64 = 2_000;
/// or when so many pictures of others have come since (where clocks differ, times say nothing).
const SILENT_PICTURES: u32 = 300;

/// The pictures of one record key in one codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The records' key.
    pub key: Option<Bytes>,
    /// How they are encoded.
    pub codec: Codec,
}

/// Makes pictures of a topic's records, each by its own track.
#[derive(Debug, Default)]
pub struct Makers {
    /// The one used last stands last.
    tracks: Vec<Used>,
    wanted_from: i64,
}

#[derive(Debug)]
struct Used {
    track: Arc<Track>,
    maker: Maker,
    /// It has pictures under keys that came only once.
    of_strangers: bool,
    /// Of the picture before, where its publisher says.
    gop_index: Option<u32>,
    pictures: u64,
}

impl Makers {
    /// Makers that mark the pictures in front of `wanted_from` as sent only to be decoded by.
    pub fn with_preroll(wanted_from: i64) -> Self {
        Self {
            wanted_from,
            ..Self::default()
        }
    }

    /// The next record of the topic.
    pub fn make(&mut self, record: &Record) -> Made {
        let Some(value) = &record.value else {
            return Made::NotAPicture;
        };
        let Some(meta) = record::read(record.header_pairs(), value) else {
            return match record::read_sound(record.header_pairs()) {
                Some(meta) => self.make_sound(record, &meta),
                None => Made::NotAPicture,
            };
        };
        let at = self.track_of(record.key.as_ref(), &meta);
        let Some(used) = self.use_last(at) else {
            return Made::NoKeyYet;
        };
        // Somebody else's pictures under the same key, or one that is missing: those behind it lean on what is not here.
        if !meta.key && used.pictures > 0 && !follows(used.gop_index, meta.gop_index) {
            used.maker.lost();
        }
        used.gop_index = meta.gop_index;
        used.pictures += 1;
        used.maker.make(record, &meta, &used.track)
    }

    /// Sound belongs to the pictures of its key that came last.
    fn make_sound(&mut self, record: &Record, meta: &SoundMeta) -> Made {
        let beside = self.tracks.iter_mut().rev().find(|used| {
            used.track.key.as_ref() == record.key.as_ref() && used.track.codec.is_inter()
        });
        match beside {
            Some(used) => used.maker.make_sound(record, meta, &used.track),
            None => Made::NoKeyYet,
        }
    }

    /// Records are missing here: nothing can be done before the next key frames.
    pub fn lost(&mut self) {
        for used in &mut self.tracks {
            used.maker.lost();
        }
    }

    /// The keys that pictures have come under more than once.
    pub fn keys(&self) -> Vec<Option<Bytes>> {
        let mut keys: Vec<_> = self
            .tracks
            .iter()
            .filter(|used| used.pictures > 1)
            .map(|used| used.track.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    fn track_of(&mut self, key: Option<&Bytes>, meta: &PictureMeta) -> usize {
        let codec = meta.codec;
        let known = |used: &Used| used.track.codec == codec && used.track.key.as_ref() == key;
        if let Some(at) = self.tracks.iter().position(known) {
            if let Some(used) = self.tracks.get_mut(at) {
                used.of_strangers = false;
            }
            return at;
        }
        let before = self
            .tracks
            .iter()
            .rposition(|used| used.track.codec == codec && codec.is_inter());
        if let Some(at) = before
            && let Some(used) = self.tracks.get_mut(at)
        {
            // A picture that leans on others and has a key of its own can only lean on the one before it.
            let leans = !meta.key && follows(used.gop_index, meta.gop_index);
            used.of_strangers |= leans && used.pictures == 1;
            if used.of_strangers {
                return at;
            }
        }
        if self.tracks.len() >= MAX_TRACKS {
            self.tracks.remove(0);
        }
        // Times go on where those of the track before are, so that a viewer who changes over sees no break.
        let maker = match self.tracks.last() {
            Some(used) => used.maker.beside(),
            None => Maker::with_preroll(self.wanted_from),
        };
        self.tracks.push(Used {
            track: Arc::new(Track {
                key: key.cloned(),
                codec,
            }),
            maker,
            of_strangers: false,
            gop_index: None,
            pictures: 0,
        });
        self.tracks.len() - 1
    }

    fn use_last(&mut self, at: usize) -> Option<&mut Used> {
        self.tracks.get_mut(at..)?.rotate_left(1);
        self.tracks.last_mut()
    }
}

/// Whether a picture follows the one before it, as far as both say.
fn follows(before: Option<u32>, index: Option<u32>) -> bool {
    match (before, index) {
        (Some(before), Some(index)) => before.checked_add(1) == Some(index),
        _ => true,
    }
}

/// What a viewer wants of a topic's pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Only pictures under this key.
    pub key: Option<Bytes>,
    /// Only what a player takes: no JPEG or PNG.
    pub inter_only: bool,
    /// The sound beside the pictures too.
    pub sound: bool,
}

impl Wanted {
    /// Whether the other wants the same pictures, with sound or without.
    pub fn same_pictures(&self, other: &Wanted) -> bool {
        (&self.key, self.inter_only) == (&other.key, other.inter_only)
    }
}

/// Chooses one track of a topic, and stays with it while it lives.
#[derive(Debug, Clone, Default)]
pub struct Chooser {
    wanted: Wanted,
    current: Option<Current>,
    /// Those shown before, the newest last: one of them that comes again is a camera.
    before: Vec<Arc<Track>>,
}

#[derive(Debug, Clone)]
struct Current {
    track: Arc<Track>,
    newest_ms: i64,
    pictures: u64,
    /// Pictures of other tracks since.
    others: u32,
}

impl Chooser {
    /// Nothing is chosen yet.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            current: None,
            before: Vec::new(),
        }
    }

    /// The same choice with the sound beside the pictures, or without.
    pub fn listening(mut self, sound: bool) -> Self {
        self.wanted.sound = sound;
        self
    }

    /// Whether this picture is for the viewer. Ask of every picture, in order.
    pub fn takes(&mut self, picture: &Picture) -> bool {
        let wanted = self.wanted.key.is_none() || self.wanted.key == picture.track.key;
        if !wanted || (self.wanted.inter_only && !picture.codec.is_inter()) {
            return false;
        }
        if let Some(current) = &mut self.current {
            if current.track == picture.track {
                current.newest_ms = current.newest_ms.max(picture.timestamp_ms);
                current.pictures += 1;
                current.others = 0;
                return true;
            }
            let since_ms = picture.timestamp_ms.saturating_sub(current.newest_ms);
            let lives =
                current.pictures > 1 && since_ms < SILENT_MS && current.others < SILENT_PICTURES;
            if lives || !picture.key {
                current.others = current.others.saturating_add(1);
                return false;
            }
        }
        if !picture.key {
            return false;
        }
        let known = self.before.iter().position(|track| *track == picture.track);
        if let Some(at) = known {
            self.before.remove(at);
        }
        let current = self.current.replace(Current {
            track: picture.track.clone(),
            newest_ms: picture.timestamp_ms,
            pictures: if known.is_some() { 2 } else { 1 },
            others: 0,
        });
        self.before.extend(current.map(|current| current.track));
        if self.before.len() > MAX_TRACKS {
            self.before.remove(0);
        }
        true
    }

    /// Whether this sound is for the viewer: that of the pictures it is shown.
    pub fn hears(&self, sound: &Sound) -> bool {
        let shown = self.current.as_ref().map(|current| &current.track);
        self.wanted.sound && shown == Some(&sound.track)
    }

    /// The track that is shown.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.current.as_ref().map(|current| &current.track)
    }

    /// What was asked for.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::picture;
    use super::*;

    /// The `n`-th picture of a camera: `A` or `a` of camera a, a key frame where it is a capital.
    fn of(camera: char, n: i64) -> Picture {
        let picture = picture(n, camera.is_ascii_uppercase(), 1);
        Picture {
            track: Arc::new(Track {
                key: Some(Bytes::from(camera.to_ascii_lowercase().to_string())),
                codec: Codec::H264,
            }),
            partition: 0,
            offset: n,
            timestamp_ms: n * 40,
            value: picture.value.clone(),
            message: None,
            init: None,
            ..*picture
        }
    }

    fn taken(wanted: Wanted, cameras: &str) -> String {
        let mut chooser = Chooser::new(wanted);
        let come = cameras.chars().enumerate();
        come.filter(|(n, camera)| *camera != ' ' && chooser.takes(&of(*camera, *n as i64)))
            .map(|(_, camera)| camera)
            .collect()
    }

    #[test]
    fn of_two_cameras_a_viewer_sees_one_and_stays_with_it() {
        assert_eq!(taken(Wanted::default(), "AaaBababAbaBab"), "AaaaaAaa");
        let wanted = Wanted {
            key: Some("b".into()),
            inter_only: true,
            sound: false,
        };
        assert_eq!(taken(wanted, "AaabaBababAbaBab"), "BbbbBb");
    }

    #[test]
    fn when_a_camera_falls_silent_the_next_key_frame_of_another_takes_its_place() {
        let cameras = format!("AaaBab{}bbBbb", " ".repeat(50));
        assert_eq!(taken(Wanted::default(), &cameras), "AaaaBbb");
    }

    #[test]
    fn a_camera_whose_clock_is_ahead_does_not_take_over() {
        let mut chooser = Chooser::default();
        let mut seen = String::new();
        for n in 0..200 {
            let mut picture = of(if n % 2 == 0 { 'A' } else { 'B' }, n);
            if n % 2 == 1 {
                picture.timestamp_ms -= 3_600_000;
            }
            if chooser.takes(&picture) {
                seen.push(if n % 2 == 0 { 'a' } else { 'b' });
            }
        }
        // Until the first comes again nothing says that there are two.
        assert_eq!(seen, format!("ab{}", "a".repeat(99)));
    }

    #[test]
    fn keys_that_never_come_again_are_no_cameras() {
        assert_eq!(taken(Wanted::default(), "ABCDEFG"), "ABCDEFG");
    }
}
