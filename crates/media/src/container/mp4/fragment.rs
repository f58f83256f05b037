//! Movie fragments (ISO/IEC 14496-12 §8.8): the samples of one `moof` that belong to the video track.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::VecDeque;

use super::{
    boxes::{Fields, boxes, find},
    movie::Defaults,
    table::Sample,
};

/// The largest `moof` that is read.
pub(super) const MAX_MOOF_BYTES: u64 = 16 * 1024 * 1024;

/// The most samples of one fragment.
const MAX_FRAGMENT_SAMPLES: usize = 1_000_000;
/// The most samples of one run that share all they say.
const MAX_SAME_SAMPLES: u32 = 1000;

/// `sample_is_non_sync_sample` of a sample's flags (§8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// Appends the track's samples in a `moof` box; `next_dts` is where time goes on if the fragment does not say, and is
/// left where it ends. `None` if the fragment is not sound; what was appended before that is.
pub(super) fn read(
    moof: &[u8],
    moof_position: u64,
    track_id: u32,
    defaults: Defaults,
    next_dts: &mut i64,
    out: &mut VecDeque<Sample>,
) -> Option<()> {
    let mut data_end = moof_position;
    for (kind, traf) in boxes(moof) {
        if kind != *b"traf" {
            continue;
        }
        let (_, flags, mut tfhd) = Fields::full(find(traf, *b"tfhd")?)?;
        let id = tfhd.u32()?;
        let mut base = if flags & 0x02_0000 != 0 {
            moof_position
        } else {
            data_end
        };
        if flags & 0x1 != 0 {
            base = tfhd.u64()?;
        }
        let mut track_defaults = defaults;
        let optional = [
            (0x2, &mut track_defaults.description),
            (0x8, &mut track_defaults.duration),
            (0x10, &mut track_defaults.len_bytes),
            (0x20, &mut track_defaults.flags),
        ];
        for (flag, value) in optional {
            if flags & flag != 0 {
                *value = tfhd.u32()?;
            }
        }
        if flags & 0x2 != 0 {
            track_defaults.description = track_defaults.description.saturating_sub(1);
        }
        let ours = id == track_id;
        if ours && let Some((version, _, mut tfdt)) = find(traf, *b"tfdt").and_then(Fields::full) {
            *next_dts = i64::try_from(tfdt.u32_or_u64(version)?).unwrap_or(i64::MAX);
        }
        let mut position = base;
        for (kind, trun) in boxes(traf) {
            if kind == *b"trun" {
                let mut ignored = 0;
                let dts = if ours { &mut *next_dts } else { &mut ignored };
                position = read_run(
                    trun,
                    base,
                    position,
                    track_defaults,
                    dts,
                    if ours { Some(&mut *out) } else { None },
                )?;
            }
        }
        data_end = position;
    }
    Some(())
}

/// One `trun` (§8.8.8); gives the place where its data ends.
fn read_run(
    trun: &[u8],
    base: u64,
    mut position: u64,
    defaults: Defaults,
    dts: &mut i64,
    out: Option<&mut VecDeque<Sample>>,
) -> Option<u64> {
    let (_, flags, mut fields) = Fields::full(trun)?;
    let count = fields.u32()?;
    if flags & 0x1 != 0 {
        position = base.checked_add_signed(i64::from(fields.i32()?))?;
    }
    let mut first_flags = if flags & 0x4 != 0 {
        Some(fields.u32()?)
    } else {
        None
    };
    let sample_bytes = 4 * (flags >> 8 & 0xf).count_ones();
    if u64::from(count) * u64::from(sample_bytes) > fields.0.len() as u64 {
        return None;
    }
    let Some(out) = out else {
        if flags & 0x200 == 0 {
            return position.checked_add(u64::from(count) * u64::from(defaults.len_bytes));
        }
        for sample in fields
            .0
            .chunks_exact(sample_bytes as usize)
            .take(count as usize)
        {
            // The size comes after the duration, if there is one.
            let len_bytes = Fields(sample.get(if flags & 0x100 != 0 { 4 } else { 0 }..)?).u32()?;
            position = position.checked_add(u64::from(len_bytes))?;
        }
        return Some(position);
    };
    // Samples that say nothing of their own take no room in the file, so their number cannot be checked against that;
    // pictures, whose sizes differ, are not written so.
    if sample_bytes == 0 && count > MAX_SAME_SAMPLES
        || out.len() + count as usize > MAX_FRAGMENT_SAMPLES
    {
        return None;
    }
    for _ in 0..count {
        let mut own = |flag: u32, otherwise: u32| {
            if flags & flag != 0 {
                fields.u32()
            } else {
                Some(otherwise)
            }
        };
        let duration = own(0x100, defaults.duration)?;
        let len_bytes = own(0x200, defaults.len_bytes)?;
        let sample_flags = own(0x400, first_flags.take().unwrap_or(defaults.flags))?;
        let composition = own(0x800, 0)? as i32;
        out.push_back(Sample {
            position,
            len_bytes,
            dts: *dts,
            composition: i64::from(composition),
            duration,
            sync: Some(sample_flags & NON_SYNC == 0),
            description: defaults.description,
        });
        *dts = dts.saturating_add(i64::from(duration));
        position = position.checked_add(u64::from(len_bytes))?;
    }
    Some(position)
}
