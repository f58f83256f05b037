//! The key frame near a moment: for posters, and for thumbnails under a pointer that moves.
//!
//! It is found by the record's own word for how far back it lies, and else within some thousand records; nothing is decoded but the
//! picture itself.

use weir_base::time::Timestamp;
use weir_client::{Kafka, Record, Watermarks};

use crate::hub::maker::Made;
use crate::hub::tracks::{Makers, Wanted};
use crate::library::scout::{Scout, picture};
use crate::moment::{Found, Moment};
use crate::problem::Problem;

/// How far back one is looked for, in records.
const BACK: &[i64] = &[64, 512, 4_096];
/// How far on, where there is none in front.
const ON: i64 = 512;

/// The newest key frame at or in front of a moment, or else the first one behind it; empty where there is none near. `partitions`:
/// those that have what is wanted, where that is known.
pub async fn key_frame(
    kafka: &Kafka,
    topic: &str,
    moment: Moment,
    wanted: &Wanted,
    partitions: Option<&[i32]>,
) -> Result<Found, Problem> {
    let mut marks = kafka.watermarks(topic).await?;
    marks.retain(|marks| {
        let among = partitions.is_none_or(|those| those.contains(&marks.partition));
        marks.end > marks.start && among
    });
    let later = match moment {
        Moment::Time(at) => kafka.offsets_at(topic, at.plus_ms(1)).await?,
        _ => Vec::new(),
    };
    let mut best: Option<Record> = None;
    for marks in marks {
        let offset = match moment {
            Moment::Offset(offset) => offset,
            Moment::Last(count) => marks.end.saturating_sub_unsigned(count.max(1)),
            Moment::Time(_) => {
                let later = later.iter().find(|l| l.partition == marks.partition);
                later.and_then(|l| l.offset).unwrap_or(marks.end) - 1
            }
        };
        let offset = offset.clamp(marks.start, marks.end - 1);
        let found = in_partition(kafka, topic, marks, offset, wanted).await?;
        best = nearer(best, found, moment);
    }
    let Some(record) = best else {
        return Ok(Found::default());
    };
    Ok(match Makers::default().make(&record) {
        Made::Picture(picture) => Found::alone(picture),
        _ => Found::default(),
    })
}

async fn in_partition(
    kafka: &Kafka,
    topic: &str,
    marks: Watermarks,
    offset: i64,
    wanted: &Wanted,
) -> Result<Option<Record>, Problem> {
    let is_wanted = |record: &Record| {
        let key = wanted.key.is_none() || wanted.key == record.key;
        key && picture(record).is_some()
    };
    let mut scout = Scout::new(kafka, topic);
    if let Some(found) = scout.key_frame(marks, offset, BACK, is_wanted).await? {
        return Ok(Some(found));
    }
    let is_key =
        |record: &Record| is_wanted(record) && picture(record).is_some_and(|meta| meta.key);
    Ok(scout.first(marks, offset, ON, is_key).await?)
}

/// Of two key frames of different partitions the one to show.
fn nearer(best: Option<Record>, found: Option<Record>, moment: Moment) -> Option<Record> {
    let (Some(best), Some(found)) = (&best, &found) else {
        return best.or(found);
    };
    let at = |record: &Record| record.timestamp.unwrap_or(Timestamp(0));
    let better = match moment {
        Moment::Time(moment) => match (at(best) <= moment, at(found) <= moment) {
            (true, true) => at(found) > at(best),
            (false, false) => at(found) < at(best),
            (best_is_before, _) => !best_is_before,
        },
        Moment::Last(_) => at(found) > at(best),
        Moment::Offset(_) => false,
    };
    Some(if better { found } else { best }.clone())
}
