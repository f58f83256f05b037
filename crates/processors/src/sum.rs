//! A sum of finite numbers that neither overflows nor drifts while numbers come and go.
//!
//! Numbers are scaled by a power of two, which is exact and leaves room for 2⁶⁴ of the greatest; what each addition rounds
//! away is kept beside the sum (Neumaier, ZAMM 54, 1974).

/// 2⁻⁶⁴.
const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// The sum of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sum {
    sum: f64,
    rounded_away: f64,
}

impl Sum {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = Self::default();
        for value in values {
            sum.add(value);
        }
        sum
    }

    pub(crate) fn add(&mut self, value: f64) {
        let value = value * SCALE;
        let sum = self.sum + value;
        self.rounded_away += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    pub(crate) fn take_away(&mut self, value: f64) {
        self.add(-value);
    }

    /// The sum over `count`, which is not 0. Always finite.
    pub(crate) fn mean(self, count: usize) -> f64 {
        let mean = (self.sum + self.rounded_away) / count as f64 / SCALE;
        // Rounding may put the mean of the greatest numbers just beyond them.
        mean.clamp(f64::MIN, f64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "exactness is what is tested")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mean_of_the_greatest_numbers_is_no_infinity() {
        for count in 1..20 {
            let mean = Sum::of(std::iter::repeat_n(f64::MAX, count)).mean(count);
            assert!(mean.is_finite() && mean > f64::MAX * 0.999_999, "{mean}");
        }
        assert_eq!(Sum::of([f64::MAX, f64::MIN]).mean(2), 0.0);
    }

    #[test]
    fn a_great_number_that_has_gone_leaves_the_small_ones() {
        let mut sum = Sum::of([1e300, 1.0, 2.0]);
        sum.take_away(1e300);
        assert_eq!(sum.mean(2), 1.5);
    }

    #[test]
    fn ten_tenths_are_one() {
        assert_eq!(Sum::of([0.1; 10]).mean(10), 0.1);
    }

    proptest! {
        #[test]
        fn whole_numbers_have_the_mean_that_arithmetic_says(values in prop::collection::vec(-1_000_000_i64..1_000_000, 1..50)) {
            let sum = Sum::of(values.iter().map(|value| *value as f64));
            let expected = values.iter().sum::<i64>() as f64 / values.len() as f64;
            prop_assert_eq!(sum.mean(values.len()), expected);
        }
    }
}
