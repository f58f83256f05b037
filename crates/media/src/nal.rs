//! NAL units of H.264 and H.265: found in Annex B byte streams, turned to and from length-prefixed samples.
//!
//! What lies inside a NAL unit is the business of [`crate::h264`] and [`crate::h265`].
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

/// The start code written in front of every NAL unit.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a byte stream, without start codes and without the zero bytes that may follow each
/// (ITU-T H.264 Annex B). Bytes before the first start code are passed over.
pub fn units(annex_b: &[u8]) -> Units<'_> {
    let rest = match find_start_code(annex_b) {
        Some((_, after)) => annex_b.get(after..).unwrap_or_default(),
        None => &[],
    };
    Units { rest }
}

/// Iterator of [`units`].
#[derive(Debug, Clone)]
pub struct Units<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match find_start_code(self.rest) {
                Some((at, after)) => (
                    self.rest.get(..at)?,
                    self.rest.get(after..).unwrap_or_default(),
                ),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            let unit = trim_zeros(unit);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

/// Where the next `00 00 01` begins and ends.
fn find_start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    // The third byte decides: above 1 it rules out three positions at once.
    while let Some(window) = bytes.get(at..at + 3) {
        match window {
            [0, 0, 1] => return Some((at, at + 3)),
            [_, _, 2..=255] => at += 3,
            _ => at += 1,
        }
    }
    None
}

fn trim_zeros(mut unit: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = unit {
        unit = rest;
    }
    unit
}

/// Whether the bytes begin with a start code.
pub fn is_annex_b(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, 1, _, ..] | [0, 0, 0, 1, _, ..])
}

/// Appends a NAL unit with its start code.
pub fn push(out: &mut Vec<u8>, unit: &[u8]) {
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(unit);
}

/// Splits a sample whose NAL units each have their length in front (ISO/IEC 14496-15 §5.3.3), `length_size` bytes wide.
///
/// `None` if a length does not fit what is there: nothing after that can be trusted.
pub fn split_lengths(sample: &[u8], length_size: usize) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    let mut rest = sample;
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(length_size.clamp(1, 4))?;
        let len_bytes = length
            .iter()
            .fold(0usize, |len, byte| len << 8 | usize::from(*byte));
        let (unit, after) = after.split_at_checked(len_bytes)?;
        if !unit.is_empty() {
            units.push(unit);
        }
        rest = after;
    }
    Some(units)
}

/// The payload of a NAL unit with its emulation prevention bytes taken out (ITU-T H.264 §7.4.1), at most `max_bytes`
/// of it: headers are short, and whoever sends a long one need not be followed to its end.
pub fn rbsp(unit: &[u8], max_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len().min(max_bytes));
    let mut zeros = 0;
    for &byte in unit {
        if out.len() >= max_bytes {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_found_behind_three_and_four_byte_start_codes() {
        let stream = [
            9, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 4, 0, 0,
        ];
        let found: Vec<_> = units(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
        assert_eq!(units(&[0, 0, 1]).count(), 0);
        assert_eq!(units(&[]).count(), 0);
    }

    #[test]
    fn a_length_that_does_not_fit_refuses_the_sample() {
        assert_eq!(
            split_lengths(&[0, 0, 0, 2, 7, 8], 4),
            Some(vec![&[7u8, 8][..]])
        );
        assert_eq!(split_lengths(&[0, 0, 0, 3, 7, 8], 4), None);
        assert_eq!(split_lengths(&[0xff, 0xff, 0xff, 0xff, 8], 4), None);
        assert_eq!(split_lengths(&[1, 9, 0], 1), Some(vec![&[9u8][..]]));
        assert_eq!(split_lengths(&[0, 0, 0], 4), None);
    }

    #[test]
    fn emulation_prevention_bytes_are_taken_out() {
        assert_eq!(
            rbsp(&[1, 0, 0, 3, 1, 0, 0, 3, 3, 0, 3], 99),
            [1, 0, 0, 1, 0, 0, 3, 0, 3]
        );
        assert_eq!(rbsp(&[1, 2, 3, 4], 2), [1, 2]);
    }

    proptest! {
        #[test]
        fn any_units_come_back_from_a_byte_stream(units_in in prop::collection::vec(prop::collection::vec(1u8..=255, 1..40), 0..8)) {
            let mut stream = Vec::new();
            for unit in &units_in {
                push(&mut stream, unit);
            }
            let found: Vec<Vec<u8>> = units(&stream).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, units_in);
        }

        #[test]
        fn any_bytes_are_split_without_harm(bytes in prop::collection::vec(0u8..4, 0..200), size in 0usize..6) {
            for unit in units(&bytes) {
                prop_assert!(!unit.is_empty());
            }
            let _ = split_lengths(&bytes, size);
            prop_assert!(rbsp(&bytes, 50).len() <= 50);
        }
    }
}
