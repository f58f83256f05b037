//! A time written in black and white blocks, to be read back from pixels by a program.
//!
//! **Geometry**, for a picture of width `w` and height `h`: the strip is the lowest `h / 20` rows. It has
//! [`BLOCKS`] = 48 blocks side by side; block `i` spans from `i * w / 48` to `(i + 1) * w / 48` (rounded down). Reading
//! needs one point a block: `x = (i + 0.5) * w / 48`, `y = h - h / 40`, white where the luma is above the middle. This
//! holds at any scale the picture is shown at.
//!
//! **Code**: white is 1. Blocks 0 to 41 are the time in milliseconds since the Unix epoch, most significant bit first
//! (enough until 2109). Blocks 42 to 47 are a check: the exclusive or of the time's seven groups of
//! six bits and `101010`, so that an all-black or all-white strip is no time.

use super::draw::{Area, Colour, fill};
use crate::Yuv420;

/// How many blocks the strip has.
pub const BLOCKS: u32 = 48;
/// How many of them are the time.
pub const TIME_BITS: u32 = 42;
const CHECK_BITS: u32 = BLOCKS - TIME_BITS;
const CHECK_MASK: u64 = 0b10_1010;

/// Where the strip is.
pub(crate) fn area(picture: &Yuv420) -> Area {
    let height = (picture.height / 20).max(1) as i32;
    Area {
        x: 0,
        y: picture.height as i32 - height,
        width: picture.width as i32,
        height,
    }
}

/// Writes a time into the strip.
pub(crate) fn draw(picture: &mut Yuv420, wall_ms: i64) {
    let time = wall_ms.max(0) as u64 & ((1 << TIME_BITS) - 1);
    let code = time << CHECK_BITS | check(time);
    let strip = area(picture);
    let edge =
        |block: u32| (u64::from(block) * u64::from(picture.width) / u64::from(BLOCKS)) as i32;
    let edges: Vec<i32> = (0..=BLOCKS).map(edge).collect();
    for (block, sides) in edges.windows(2).enumerate() {
        let white = code >> (BLOCKS as usize - 1 - block) & 1 == 1;
        let area = Area {
            x: sides[0],
            width: sides[1] - sides[0],
            ..strip
        };
        fill(
            picture,
            area,
            if white { Colour::WHITE } else { Colour::BLACK },
        );
    }
}

fn check(time: u64) -> u64 {
    let groups = (0..TIME_BITS / CHECK_BITS).map(|group| time >> (group * CHECK_BITS) & 0x3f);
    groups.fold(CHECK_MASK, |check, group| check ^ group)
}

/// Reads the time back from the strip of a picture of the test card, whatever it went through; `None` if the picture
/// has no strip or its check does not hold.
pub fn read_time(picture: &Yuv420) -> Option<i64> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    if width < BLOCKS as usize || !picture.planes_fit() {
        return None;
    }
    // The mean of the block's middle half stands more noise than one point does.
    let row = height - (height / 40).max(1);
    let mut code = 0u64;
    for block in 0..BLOCKS as usize {
        let left = (block * 4 + 1) * width / (BLOCKS as usize * 4);
        let right = ((block * 4 + 3) * width / (BLOCKS as usize * 4)).max(left + 1);
        let luma = picture.y.get(row * width + left..row * width + right)?;
        let sum: usize = luma.iter().map(|value| usize::from(*value)).sum();
        code = code << 1 | u64::from(sum > luma.len() * 126);
    }
    let time = code >> CHECK_BITS;
    (code & 0x3f == check(time)).then_some(time as i64)
}
