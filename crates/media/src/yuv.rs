//! One uncompressed picture, and the way to and from RGB.
//!
//! Values are BT.601 limited range (luma 16–235), what H.264 without colour information means. Integer arithmetic with
//! eight bits of fraction: within one step of the exact value.

use crate::MediaError;

/// The most pixels a picture may have: 8K (7680 × 4320) and a little more.
pub const MAX_PIXELS: u64 = 40_000_000;

/// A picture in planar YUV with chroma at half width and height (rounded up), planes without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yuv420 {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Luma, `width * height` bytes.
    pub y: Vec<u8>,
    /// Blue difference, `ceil(width/2) * ceil(height/2)` bytes.
    pub u: Vec<u8>,
    /// Red difference, as `u`.
    pub v: Vec<u8>,
}

impl Yuv420 {
    /// A black picture.
    pub fn new(width: u32, height: u32) -> Result<Yuv420, MediaError> {
        check_size(width.into(), height.into())?;
        let luma = width as usize * height as usize;
        let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
        Ok(Yuv420 {
            width,
            height,
            y: vec![16; luma],
            u: vec![128; chroma],
            v: vec![128; chroma],
        })
    }

    /// A picture from planes whose rows may be longer than the picture is wide: `strides` are the rows' lengths in
    /// bytes, of luma and of chroma. `None` if the planes are too short for it.
    pub fn from_planes(
        (width, height): (u32, u32),
        (y, u, v): (&[u8], &[u8], &[u8]),
        (luma_stride, chroma_stride): (usize, usize),
    ) -> Option<Yuv420> {
        check_size(width.into(), height.into()).ok()?;
        let chroma = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
        Some(Yuv420 {
            width,
            height,
            y: copy_rows(y, width as usize, height as usize, luma_stride)?,
            u: copy_rows(u, chroma.0, chroma.1, chroma_stride)?,
            v: copy_rows(v, chroma.0, chroma.1, chroma_stride)?,
        })
    }

    /// Whether the planes are as long as the size says. Whoever hands planes to foreign code checks this first.
    pub fn planes_fit(&self) -> bool {
        let chroma = self.chroma_width() * self.chroma_height();
        let luma = u64::from(self.width) * u64::from(self.height);
        luma > 0 && self.y.len() as u64 == luma && self.u.len() == chroma && self.v.len() == chroma
    }

    /// Bytes in a chroma row.
    pub fn chroma_width(&self) -> usize {
        self.width.div_ceil(2) as usize
    }

    /// Chroma rows.
    pub fn chroma_height(&self) -> usize {
        self.height.div_ceil(2) as usize
    }

    /// A picture from `width * height` pixels of three bytes: red, green, blue. Where some are
    /// missing the picture stays without colour.
    pub fn from_rgb(width: u32, height: u32, rgb: &[u8]) -> Result<Yuv420, MediaError> {
        let mut picture = Yuv420::new(width, height)?;
        let width = width as usize;
        let (chroma_width, chroma_height) = (picture.chroma_width(), picture.chroma_height());
        for (row, luma) in rgb
            .chunks_exact(width * 3)
            .zip(picture.y.chunks_exact_mut(width))
        {
            for (pixel, value) in row.chunks_exact(3).zip(luma) {
                *value = luma_of(
                    i32::from(pixel[0]),
                    i32::from(pixel[1]),
                    i32::from(pixel[2]),
                );
            }
        }
        if rgb.len() < width * picture.height as usize * 3 {
            return Ok(picture);
        }
        for row in 0..chroma_height {
            let top = &rgb[2 * row * width * 3..][..width * 3];
            let bottom =
                &rgb[(2 * row + 1).min(picture.height as usize - 1) * width * 3..][..width * 3];
            for column in 0..chroma_width {
                let (left, right) = (2 * column * 3, (2 * column + 1).min(width - 1) * 3);
                let mean = |channel: usize| {
                    let of = |line: &[u8]| {
                        i32::from(line[left + channel]) + i32::from(line[right + channel])
                    };
                    (of(top) + of(bottom) + 2) / 4
                };
                let (red, green, blue) = (mean(0), mean(1), mean(2));
                let at = row * chroma_width + column;
                picture.u[at] =
                    (((-38 * red - 74 * green + 112 * blue + 128) >> 8) + 128).clamp(0, 255) as u8;
                picture.v[at] =
                    (((112 * red - 94 * green - 18 * blue + 128) >> 8) + 128).clamp(0, 255) as u8;
            }
        }
        Ok(picture)
    }

    /// The picture's pixels, three bytes each: red, green, blue.
    pub fn to_rgb(&self) -> Vec<u8> {
        let width = self.width as usize;
        let mut out = vec![0; self.y.len() * 3];
        let chroma_width = self.chroma_width();
        for (row, (luma, pixels)) in self
            .y
            .chunks_exact(width)
            .zip(out.chunks_exact_mut(width * 3))
            .enumerate()
        {
            let start = row / 2 * chroma_width;
            let (u, v) = (
                &self.u[start..start + chroma_width],
                &self.v[start..start + chroma_width],
            );
            for (column, (value, pixel)) in luma.iter().zip(pixels.chunks_exact_mut(3)).enumerate()
            {
                let luma = 298 * (i32::from(*value) - 16) + 128;
                let (u, v) = (
                    i32::from(u[column / 2]) - 128,
                    i32::from(v[column / 2]) - 128,
                );
                pixel[0] = ((luma + 409 * v) >> 8).clamp(0, 255) as u8;
                pixel[1] = ((luma - 100 * u - 208 * v) >> 8).clamp(0, 255) as u8;
                pixel[2] = ((luma + 516 * u) >> 8).clamp(0, 255) as u8;
            }
        }
        out
    }

    /// Takes the samples for full range (0–255, as JPEG has them) and brings them to limited range.
    pub(crate) fn limit_range(&mut self) {
        let luma = table(|value| (value * 219 + 127) / 255 + 16);
        let chroma = table(|value| ((value - 128) * 224 + 127).div_euclid(255) + 128);
        for value in &mut self.y {
            *value = luma[usize::from(*value)];
        }
        for value in self.u.iter_mut().chain(&mut self.v) {
            *value = chroma[usize::from(*value)];
        }
    }
}

/// The other way than [`Yuv420::limit_range`]: what limited values are in full range, for luma and for chroma.
pub(crate) fn full_range_tables() -> ([u8; 256], [u8; 256]) {
    let luma = table(|value| ((value - 16) * 255 + 109).div_euclid(219));
    let chroma = table(|value| ((value - 128) * 255 + 112).div_euclid(224) + 128);
    (luma, chroma)
}

fn table(of: impl Fn(i32) -> i32) -> [u8; 256] {
    std::array::from_fn(|value| of(value as i32).clamp(0, 255) as u8)
}

fn luma_of(red: i32, green: i32, blue: i32) -> u8 {
    (((66 * red + 129 * green + 25 * blue + 128) >> 8) + 16) as u8
}

fn copy_rows(plane: &[u8], width: usize, height: usize, stride: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(width * height);
    for row in 0..height {
        let start = row.checked_mul(stride)?;
        out.extend_from_slice(plane.get(start..start.checked_add(width)?)?);
    }
    Some(out)
}

/// Refuses a picture without pixels or with more than [`MAX_PIXELS`].
pub(crate) fn check_size(width: u64, height: u64) -> Result<(), MediaError> {
    match width.checked_mul(height) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err(MediaError::PictureSize { width, height }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_the_way_to_yuv_and_back() {
        for rgb in [
            [255, 255, 255],
            [0, 0, 0],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [12, 200, 130],
            [128, 128, 128],
        ] {
            for (width, height) in [(4, 4), (1, 1), (3, 5)] {
                let pixels: Vec<u8> = rgb
                    .iter()
                    .copied()
                    .cycle()
                    .take(width * height * 3)
                    .collect();
                let picture = Yuv420::from_rgb(width as u32, height as u32, &pixels).unwrap();
                assert!(picture.planes_fit());
                for (back, there) in picture.to_rgb().iter().zip(&pixels) {
                    assert!(back.abs_diff(*there) <= 4, "{rgb:?}: {back} for {there}");
                }
            }
        }
    }

    #[test]
    fn ranges_are_converted_there_and_back() {
        let (luma, chroma) = full_range_tables();
        let mut picture = Yuv420::new(256, 2).unwrap();
        picture.y = (0..=255).chain(0..=255).collect();
        picture.limit_range();
        assert_eq!((picture.y[0], picture.y[255], picture.u[0]), (16, 235, 128));
        for (at, value) in picture.y.iter().take(256).enumerate() {
            assert!(usize::from(luma[usize::from(*value)]).abs_diff(at) <= 1);
        }
        assert_eq!(chroma[128], 128);
    }

    #[test]
    fn pictures_without_or_with_too_many_pixels_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (u32::MAX, u32::MAX), (40_000_001, 1)] {
            assert!(matches!(
                Yuv420::new(width, height),
                Err(MediaError::PictureSize { .. })
            ));
        }
        assert!(Yuv420::from_planes((4, 4), (&[0; 16], &[0; 4], &[0; 3]), (4, 2)).is_none());
        assert!(
            Yuv420::from_planes((4, 4), (&[0; 16], &[0; 4], &[0; 4]), (usize::MAX, 2)).is_none()
        );
    }
}
