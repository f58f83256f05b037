//! Pictures made smaller, for posters and thumbnails: each pixel is the mean of those it stands for.

use crate::Yuv420;

impl Yuv420 {
    /// The picture at this width, its height in proportion; `None` where it is no wider than that already, or no pixels are asked
    /// for. Never larger than it was.
    pub fn scaled_down_to(&self, width: u32) -> Option<Yuv420> {
        if width == 0 || width >= self.width || !self.planes_fit() {
            return None;
        }
        let height = u64::from(self.height) * u64::from(width);
        let height = (height + u64::from(self.width) / 2) / u64::from(self.width);
        let height = u32::try_from(height.max(1)).ok()?;
        let mut small = Yuv420::new(width, height).ok()?;
        let from = (self.width as usize, self.height as usize);
        let to = (width as usize, height as usize);
        shrink(&self.y, from, &mut small.y, to);
        let from = (self.chroma_width(), self.chroma_height());
        let to = (small.chroma_width(), small.chroma_height());
        shrink(&self.u, from, &mut small.u, to);
        shrink(&self.v, from, &mut small.v, to);
        Some(small)
    }
}

/// One plane; `to` is at most as large as `from`, and neither is empty.
fn shrink(plane: &[u8], from: (usize, usize), out: &mut [u8], to: (usize, usize)) {
    let bounds = |at: usize, from: usize, to: usize| {
        let start = at * from / to;
        start..((at + 1) * from / to).max(start + 1)
    };
    let mut sums = vec![0_u32; from.0];
    for (y, row_out) in out.chunks_exact_mut(to.0).enumerate() {
        let rows = bounds(y, from.1, to.1);
        sums.fill(0);
        for row in plane.chunks_exact(from.0).skip(rows.start).take(rows.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += u32::from(*value);
            }
        }
        for (x, value) in row_out.iter_mut().enumerate() {
            let columns = bounds(x, from.0, to.0);
            let count = (columns.len() * rows.len()).max(1) as u64;
            let of = sums.get(columns).unwrap_or_default();
            let sum: u64 = of.iter().map(|sum| u64::from(*sum)).sum();
            *value = u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_one_colour_keeps_it_and_its_proportions_at_any_width() {
        for (width, height) in [(1280, 720), (641, 479), (17, 3), (3, 900)] {
            let mut picture = Yuv420::new(width, height).unwrap();
            picture.y.fill(200);
            picture.u.fill(90);
            for to in [1, 2, 16, 159, 320, 640] {
                let Some(small) = picture.scaled_down_to(to) else {
                    assert!(to >= width);
                    continue;
                };
                assert!(small.planes_fit());
                assert_eq!(small.width, to);
                let exact = f64::from(height) * f64::from(to) / f64::from(width);
                assert!((f64::from(small.height) - exact.max(1.0)).abs() <= 0.5);
                assert!(small.y.iter().all(|value| *value == 200), "{width} to {to}");
                assert!(small.u.iter().all(|value| *value == 90));
            }
        }
    }

    #[test]
    fn halves_stay_where_they_are_and_no_picture_becomes_larger() {
        let mut picture = Yuv420::new(64, 32).unwrap();
        for row in picture.y.chunks_mut(64) {
            row[..32].fill(100);
        }
        let small = picture.scaled_down_to(16).unwrap();
        assert_eq!((small.width, small.height), (16, 8));
        for row in small.y.chunks(16) {
            assert_eq!(row[..8], [100; 8]);
            assert_eq!(row[8..], [16; 8]);
        }
        for width in [0, 64, 65, u32::MAX] {
            assert!(picture.scaled_down_to(width).is_none(), "{width}");
        }
    }
}
