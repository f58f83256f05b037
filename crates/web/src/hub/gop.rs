//! The pictures since the last key frame, and the sound beside them: what a new viewer needs for its first picture to appear at once.
//!
//! Bounded: a GOP longer than [`MAX_PICTURES`] or [`MAX_BYTES`] is not kept, and new viewers then begin at the next key frame.

use std::collections::VecDeque;
use std::sync::Arc;

use super::picture::Picture;
use super::sound::Sound;

/// Over a minute of 30 pictures a second.
pub const MAX_PICTURES: usize = 2_000;
/// Pictures and their fragments together.
pub const MAX_BYTES: usize = 64 << 20;

/// Over a minute of AAC; of more the oldest goes.
const MAX_SOUNDS: usize = 4_000;

/// The pictures since the last key frame, that one in front.
#[derive(Debug, Default)]
pub struct Gop {
    pictures: Vec<Arc<Picture>>,
    /// Each with how many pictures stand in front of it.
    sounds: VecDeque<(usize, Arc<Sound>)>,
    len_bytes: usize,
    /// More than one picture has come.
    recurred: bool,
    begun: bool,
}

impl Gop {
    /// Takes the next picture; a key frame replaces everything before it.
    pub fn push(&mut self, picture: &Arc<Picture>) {
        self.recurred |= self.begun;
        self.begun = true;
        if picture.key {
            self.clear();
        } else if self.pictures.is_empty() {
            return; // nothing to decode it by
        }
        self.len_bytes += picture.len_bytes();
        self.pictures.push(picture.clone());
        let too_long = self.pictures.len() > MAX_PICTURES || self.len_bytes > MAX_BYTES;
        if too_long && self.pictures.len() > 1 {
            self.clear();
        }
    }

    /// Takes the sound behind the newest picture.
    pub fn push_sound(&mut self, sound: &Arc<Sound>) {
        if self.pictures.is_empty() {
            return;
        }
        self.len_bytes += sound.len_bytes();
        self.sounds.push_back((self.pictures.len(), sound.clone()));
        if self.sounds.len() > MAX_SOUNDS
            && let Some((_, oldest)) = self.sounds.pop_front()
        {
            self.len_bytes -= oldest.len_bytes();
        }
    }

    /// Forgets everything: what follows cannot be decoded by it.
    pub fn clear(&mut self) {
        self.pictures.clear();
        self.sounds.clear();
        self.len_bytes = 0;
    }

    /// What it takes in memory, nearly.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether more than one picture of its track has come.
    pub fn has_recurred(&self) -> bool {
        self.recurred
    }

    /// The pictures from the key frame on.
    pub fn pictures(&self) -> &[Arc<Picture>] {
        &self.pictures
    }

    /// The sound beside them: each with how many pictures stand in front of it.
    pub fn sounds(&self) -> impl Iterator<Item = &(usize, Arc<Sound>)> {
        self.sounds.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::picture;
    use super::*;

    fn offsets(gop: &Gop) -> Vec<i64> {
        gop.pictures().iter().map(|p| p.offset).collect()
    }

    #[test]
    fn it_begins_at_the_newest_key_frame() {
        let mut gop = Gop::default();
        for offset in 0..7 {
            gop.push(&picture(offset, offset == 2 || offset == 5, 10));
        }
        assert_eq!(offsets(&gop), [5, 6]);
    }

    #[test]
    fn pictures_before_any_key_frame_are_not_kept() {
        let mut gop = Gop::default();
        gop.push(&picture(0, false, 10));
        assert!(gop.pictures().is_empty());
    }

    #[test]
    fn one_that_is_too_long_is_not_kept_until_the_next_key_frame() {
        let mut gop = Gop::default();
        for offset in 0..=MAX_PICTURES as i64 {
            gop.push(&picture(offset, offset == 0, 10));
        }
        assert!(gop.pictures().is_empty());
        gop.push(&picture(5_000, false, 10));
        assert!(gop.pictures().is_empty());
        gop.push(&picture(5_001, true, 10));
        assert_eq!(offsets(&gop), [5_001]);
        let half = MAX_BYTES / 2 + 1;
        gop.push(&picture(5_002, true, half));
        gop.push(&picture(5_003, false, half));
        assert!(gop.pictures().is_empty());
    }

    #[test]
    fn a_single_picture_is_kept_whatever_its_size() {
        let mut gop = Gop::default();
        gop.push(&picture(0, true, MAX_BYTES + 1));
        assert_eq!(offsets(&gop), [0]);
    }
}
