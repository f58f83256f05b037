//! Small video files made by the code itself, for the tests of this and other crates: no file has to be kept or fetched,
//! and a test says what is in its file.
//!
//! Not for use outside tests: the writers hold everything in memory and panic on pictures they cannot hold.

mod mkv;
mod mp4;
mod sound;

pub use mkv::{MkvLayout, mkv, mkv_with, mkv_with_sound};
pub use mp4::{Mp4Layout, mp4, mp4_without_video};
pub use sound::{mp4_with_sound, sound};

use crate::{AccessUnit, encode::H264Encoder, testcard::TestCard};

/// The wall clock in the first picture of a [`Clip`], in ms since the Unix epoch.
pub const FIRST_WALL_MS: i64 = 1_700_000_000_000;

/// What to put into a made-up file.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Width in pixels, from 16; from 192 the time can be read back from the pictures.
    pub width: u32,
    /// Height in pixels, from 16.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// How many pictures.
    pub pictures: u32,
    /// A key frame every so many pictures.
    pub gop: u32,
}

impl Default for Clip {
    /// Two seconds of 192x108, 25 pictures a second, a key frame every ten pictures.
    fn default() -> Clip {
        Clip {
            width: 192,
            height: 108,
            fps: 25,
            pictures: 50,
            gop: 10,
        }
    }
}

impl Clip {
    /// The clip's access units: the test card, encoded as H.264, starting at 0. The wall clock in the pictures begins with
    /// [`FIRST_WALL_MS`] and goes with their pts.
    pub fn h264(&self) -> Vec<AccessUnit> {
        let mut card = TestCard::new(self.width, self.height).expect("a size of a test");
        let mut encoder = H264Encoder::new(self.width, self.height, f64::from(self.fps), 400_000)
            .expect("a size of a test");
        (0..self.pictures)
            .map(|index| {
                let pts_us = i64::from(index) * 1_000_000 / i64::from(self.fps);
                let picture = card.draw(index.into(), FIRST_WALL_MS + pts_us / 1000);
                encoder
                    .encode(picture, pts_us, index % self.gop == 0)
                    .expect("the test card can be encoded")
            })
            .collect()
    }
}

/// Gives access units the times they would have with two B-frames between references: shown in another order than they
/// are decoded, the first dts negative. Only the times are so: a decoder shows these pictures in the order they stand.
pub fn with_b_frame_times(units: &mut [AccessUnit]) {
    let Some(duration_us) = units.first().map(|unit| unit.duration_us) else {
        return;
    };
    // From one key frame to the next: the key frame, then triples of one reference and the two shown before it.
    let mut start = 0;
    while start < units.len() {
        let len = units[start + 1..]
            .iter()
            .position(|unit| unit.key)
            .map_or(units.len() - start, |next| next + 1);
        for at in 0..len {
            let shown = match at {
                0 => 0,
                _ if at > (len - 1) / 3 * 3 => at,
                _ => match at % 3 {
                    1 => at + 2,
                    _ => at - 1,
                },
            };
            units[start + at].pts_us = (start + shown) as i64 * duration_us;
            units[start + at].dts_us = (start + at) as i64 * duration_us - duration_us;
        }
        start += len;
    }
}
