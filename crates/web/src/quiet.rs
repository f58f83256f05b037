//! Silence where a topic's sound has a hole: a player has nothing to show where one of its two tracks has nothing.
//!
//! Sound that begins behind the pictures, ends before them or is missing in between is made up for, so far as the pictures have come; what
//! is only late is waited for. A longer hole is one in the pictures too, and stays.

use std::sync::Arc;

use bytes::Bytes;
use weir_media::fmp4::SoundMuxer;
use weir_media::sound::{self, SoundUnit};

use crate::hub::picture::Picture;
use crate::hub::sound::{Sound, SoundInit};

/// Sound this much behind the pictures is missing, and not only late.
const LATE_US: i64 = 500_000;
/// The longest hole that is filled at once.
const LONGEST_US: i64 = 5_000_000;
/// At the live edge sound comes so much behind its pictures.
const AT_EDGE_US: i64 = 150_000;
/// Less than this between two pieces is rounding.
const ROUNDING_US: i64 = 5_000;

/// How far one viewer's sound has come.
#[derive(Debug, Default)]
pub struct Quiet {
    /// What is heard last.
    like: Option<(Arc<SoundInit>, SoundMuxer, Bytes)>,
    /// Where the sound ends, or the first picture begins.
    end_us: Option<i64>,
    /// Where the pictures end.
    shown_us: i64,
}

impl Quiet {
    /// Sound comes next, at this time: the silence in front of it.
    pub fn sound(&mut self, sound: &Sound, shift_us: i64) -> Vec<Silence> {
        let unit = sound.moved(shift_us);
        let known = matches!(&self.like, Some((init, ..)) if Arc::ptr_eq(init, &sound.init));
        if !known {
            let codec = sound.init.muxer.track().codec;
            let silence = sound::silence(codec, &unit.data);
            self.like = silence.map(|data| (sound.init.clone(), sound.init.muxer.clone(), data));
        }
        let silence = self.up_to(unit.pts_us);
        self.end_us = Some(unit.pts_us.saturating_add(unit.duration_us));
        silence
    }

    /// A picture came: the silence that stands in for sound that did not.
    pub fn picture(&mut self, picture: &Picture, shift_us: i64) -> Vec<Silence> {
        let at_us = picture.dts_us.saturating_add(shift_us);
        let ends_us = picture.pts_us.saturating_add(picture.duration_us);
        self.shown_us = self.shown_us.max(ends_us.saturating_add(shift_us));
        let end_us = *self
            .end_us
            .get_or_insert(picture.pts_us.saturating_add(shift_us));
        if at_us.saturating_sub(end_us) > LATE_US {
            self.up_to(at_us.saturating_sub(LATE_US / 2))
        } else {
            Vec::new()
        }
    }

    /// There are no more pictures just now: the last ones are not to wait for sound that may never come.
    pub fn caught_up(&mut self) -> Vec<Silence> {
        let missing_us = self
            .shown_us
            .saturating_sub(self.end_us.unwrap_or(self.shown_us));
        if missing_us > AT_EDGE_US {
            self.up_to(self.shown_us)
        } else {
            Vec::new()
        }
    }

    fn up_to(&mut self, until_us: i64) -> Vec<Silence> {
        let mut out = Vec::new();
        let (Some(end_us), Some((init, muxer, data))) = (&mut self.end_us, &mut self.like) else {
            return out;
        };
        let hole_us = until_us.saturating_sub(*end_us);
        if !(ROUNDING_US..=LONGEST_US).contains(&hole_us) {
            if hole_us > LONGEST_US {
                *end_us = until_us;
            }
            return out;
        }
        let codec = init.muxer.track().codec;
        let Some(duration_us) = sound::duration_us(codec, data).filter(|us| *us > 0) else {
            return out;
        };
        while *end_us < until_us {
            // The last may be longer than the hole: what follows cuts it off, where a shorter one would be decoded as long as it is.
            let unit = SoundUnit {
                pts_us: *end_us,
                duration_us,
                data: data.clone(),
            };
            *end_us += unit.duration_us;
            out.extend(
                muxer
                    .fragment(&unit)
                    .map(|fragment| Silence { unit, fragment }),
            );
        }
        out
    }
}

/// A piece of it.
#[derive(Debug)]
pub struct Silence {
    /// Its place.
    pub unit: SoundUnit,
    /// Its fragment.
    pub fragment: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::testing::{picture, sound};

    fn spans(silence: &[Silence]) -> Option<(i64, i64)> {
        let (first, last) = (silence.first()?, silence.last()?);
        assert!(silence.is_sorted_by_key(|piece| piece.unit.pts_us));
        Some((first.unit.pts_us, last.unit.pts_us + last.unit.duration_us))
    }

    #[test]
    fn sound_that_begins_late_or_has_a_hole_is_made_up_for() {
        let mut quiet = Quiet::default();
        // Pictures of 40 ms each from zero on; nothing is known of sound yet.
        for offset in 0..5 {
            assert_eq!(
                spans(&quiet.picture(&picture(offset, offset == 0, 1), 0)),
                None
            );
        }
        // 20 ms at 200 ms, and then where it follows.
        assert_eq!(spans(&quiet.sound(&sound(5), 0)), Some((0, 200_000)));
        assert_eq!(spans(&quiet.sound(&sound(5), 20_000)), None);
        assert_eq!(spans(&quiet.sound(&sound(7), 0)), Some((240_000, 280_000)));
    }

    #[test]
    fn where_sound_ends_before_the_pictures_silence_goes_on_with_them() {
        let mut quiet = Quiet::default();
        quiet.picture(&picture(0, true, 1), 0);
        quiet.sound(&sound(0), 0);
        let mut end_us = 20_000;
        for offset in 1..200 {
            let silence = quiet.picture(&picture(offset, false, 1), 0);
            if let Some((from_us, to_us)) = spans(&silence) {
                assert_eq!(from_us, end_us);
                end_us = to_us;
            }
            assert!(offset * 40_000 - end_us <= LATE_US, "{offset}");
        }
        // It comes again.
        let silence = quiet.sound(&sound(200), 0);
        assert_eq!(spans(&silence), Some((end_us, 8_000_000)));
    }

    #[test]
    fn the_last_pictures_of_a_recording_do_not_wait_for_sound() {
        let mut quiet = Quiet::default();
        quiet.picture(&picture(0, true, 1), 0);
        assert_eq!(spans(&quiet.caught_up()), None);
        quiet.sound(&sound(0), 0);
        for offset in 1..10 {
            quiet.picture(&picture(offset, false, 1), 0);
        }
        assert_eq!(spans(&quiet.caught_up()), Some((20_000, 400_000)));
        assert_eq!(spans(&quiet.caught_up()), None);
    }

    #[test]
    fn a_hole_of_the_pictures_too_is_left() {
        let mut quiet = Quiet::default();
        quiet.picture(&picture(0, true, 1), 0);
        quiet.sound(&sound(0), 0);
        assert_eq!(spans(&quiet.picture(&picture(1_000, true, 1), 0)), None);
        assert_eq!(
            spans(&quiet.sound(&sound(1_000), 0)),
            Some((39_750_000, 40_010_000))
        );
    }
}
