//! Rectangles, discs and letters on a [`Yuv420`], cut off at its edges.
//!
//! Positions are in luma pixels; chroma follows at half the resolution.

use crate::Yuv420;

/// A colour in BT.601 limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour {
    pub(crate) y: u8,
    pub(crate) u: u8,
    pub(crate) v: u8,
}

impl Colour {
    pub(crate) const BLACK: Colour = Colour::grey(16);
    pub(crate) const WHITE: Colour = Colour::grey(235);

    pub(crate) const fn grey(y: u8) -> Colour {
        Colour { y, u: 128, v: 128 }
    }
}

/// Where something is: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// Start and end of the part of a plane's row or column that lies in `0..limit`.
fn span(start: i32, len: i32, limit: usize) -> std::ops::Range<usize> {
    let from = start.clamp(0, limit as i32);
    let to = start.saturating_add(len.max(0)).clamp(from, limit as i32);
    from as usize..to as usize
}

fn chroma(area: Area) -> Area {
    let (right, bottom) = (area.x + area.width, area.y + area.height);
    let (x, y) = (area.x.div_euclid(2), area.y.div_euclid(2));
    Area {
        x,
        y,
        width: (right + 1).div_euclid(2) - x,
        height: (bottom + 1).div_euclid(2) - y,
    }
}

/// Fills an area with one colour.
pub(crate) fn fill(picture: &mut Yuv420, area: Area, colour: Colour) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let columns = span(area.x, area.width, width);
    for row in span(area.y, area.height, height) {
        picture.y[row * width..][columns.clone()].fill(colour.y);
    }
    let (width, height) = (picture.chroma_width(), picture.chroma_height());
    let area = chroma(area);
    let columns = span(area.x, area.width, width);
    for row in span(area.y, area.height, height) {
        picture.u[row * width..][columns.clone()].fill(colour.u);
        picture.v[row * width..][columns.clone()].fill(colour.v);
    }
}

/// Copies an area from a picture of the same size.
pub(crate) fn restore(picture: &mut Yuv420, from: &Yuv420, area: Area) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let columns = span(area.x, area.width, width);
    for row in span(area.y, area.height, height) {
        let part = row * width + columns.start..row * width + columns.end;
        picture.y[part.clone()].copy_from_slice(&from.y[part]);
    }
    let (width, height) = (picture.chroma_width(), picture.chroma_height());
    let area = chroma(area);
    let columns = span(area.x, area.width, width);
    for row in span(area.y, area.height, height) {
        let part = row * width + columns.start..row * width + columns.end;
        picture.u[part.clone()].copy_from_slice(&from.u[part.clone()]);
        picture.v[part.clone()].copy_from_slice(&from.v[part]);
    }
}

/// A filled circle.
pub(crate) fn disc(picture: &mut Yuv420, centre: (i32, i32), radius: i32, colour: Colour) {
    for row in -radius..=radius {
        let half = f64::from(radius * radius - row * row).sqrt() as i32;
        let area = Area {
            x: centre.0 - half,
            y: centre.1 + row,
            width: 2 * half + 1,
            height: 1,
        };
        fill(picture, area, colour);
    }
}

/// How wide and high `text` is at a scale: letters are 8x8 times the scale.
pub(crate) fn text_size(text: &str, scale: i32) -> (i32, i32) {
    (text.len() as i32 * 8 * scale, 8 * scale)
}

/// ASCII text with its top left corner at `x`, `y`.
pub(crate) fn text(
    picture: &mut Yuv420,
    text: &str,
    (x, y): (i32, i32),
    scale: i32,
    colour: Colour,
) {
    for (at, byte) in text.bytes().enumerate() {
        let glyph = font8x8::legacy::BASIC_LEGACY[usize::from(byte & 0x7f)];
        for (row, bits) in glyph.into_iter().enumerate() {
            let mut column = 0;
            while column < 8 {
                let run = (column..8).take_while(|bit| bits >> bit & 1 == 1).count() as i32;
                if run > 0 {
                    let area = Area {
                        x: x + (at as i32 * 8 + column) * scale,
                        y: y + row as i32 * scale,
                        width: run * scale,
                        height: scale,
                    };
                    fill(picture, area, colour);
                }
                column += run.max(1);
            }
        }
    }
}
