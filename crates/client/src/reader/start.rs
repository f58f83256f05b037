//! From what was asked for to an offset in each partition.

use crate::{ClientError, From, Kafka, Watermarks};

/// Where reading starts in one partition, and what it skips to start there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) next: i64,
    pub(super) gap_from: Option<i64>,
}

impl Start {
    pub(super) fn at(next: i64) -> Self {
        Self {
            next,
            gap_from: None,
        }
    }

    /// At `wanted`, or where the partition begins if that is no longer (or not yet) there.
    pub(super) fn wanted(wanted: i64, marks: Watermarks) -> Self {
        if (marks.start..=marks.end).contains(&wanted) {
            Self::at(wanted)
        } else {
            Self {
                next: marks.start,
                gap_from: Some(wanted),
            }
        }
    }

    /// Whether a reader that `stood` somewhere when the marks were asked for, and reads `next` now, is outside its log.
    ///
    /// The marks are older than `next`: what was read since may well lie behind their end. Only a log that ended before the
    /// place where the reader stood already has been cut back.
    pub(super) fn is_outside(stood: i64, next: i64, marks: Watermarks) -> bool {
        next < marks.start || stood > marks.end
    }
}

impl Kafka {
    /// Where `from` is in each partition, in the order of `ids`.
    pub(super) async fn starts(
        &self,
        topic: &str,
        from: &From,
        ids: &[i32],
        marks: &[Watermarks],
    ) -> Result<Vec<Start>, ClientError> {
        Ok(match from {
            From::Live => marks.iter().map(|m| Start::at(m.end)).collect(),
            From::Start => marks.iter().map(|m| Start::at(m.start)).collect(),
            From::Last(count) => marks
                .iter()
                .map(|m| {
                    let count = i64::try_from(*count).unwrap_or(i64::MAX);
                    Start::at(m.end.saturating_sub(count).max(m.start))
                })
                .collect(),
            From::Offset(offset) => start_at_offset(topic, *offset, marks)?,
            From::Time(at) => self
                .offsets_at_of(topic, ids, *at)
                .await?
                .iter()
                .zip(marks)
                .map(|(found, m)| Start::at(found.offset.unwrap_or(m.end)))
                .collect(),
            From::Positions(positions) => marks
                .iter()
                .map(
                    |m| match positions.iter().find(|(id, _)| *id == m.partition) {
                        Some((_, offset)) => Start::wanted(*offset, *m),
                        None => Start::at(m.start),
                    },
                )
                .collect(),
            From::Resume { group } => self
                .committed_of(group, topic, ids.to_vec())
                .await?
                .iter()
                .zip(marks)
                .map(|(committed, m)| match committed.offset {
                    Some(offset) => Start::wanted(offset, *m),
                    None => Start::at(m.start),
                })
                .collect(),
        })
    }
}

/// An offset must be in one partition at least; those that end before it start at their end, those that begin after it at
/// their beginning.
fn start_at_offset(
    topic: &str,
    offset: i64,
    marks: &[Watermarks],
) -> Result<Vec<Start>, ClientError> {
    let inside = |m: &Watermarks| (m.start..=m.end).contains(&offset);
    match marks.first() {
        Some(first) if !marks.iter().any(inside) => Err(ClientError::OffsetOutOfRange {
            topic: topic.to_owned(),
            partition: first.partition,
            offset,
            start: first.start,
            end: first.end,
        }),
        _ => Ok(marks
            .iter()
            .map(|m| Start::at(offset.clamp(m.start, m.end)))
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(partition: i32, start: i64, end: i64) -> Watermarks {
        Watermarks {
            partition,
            start,
            end,
        }
    }

    #[test]
    fn an_offset_outside_every_partition_is_refused_with_the_range() {
        let error = start_at_offset("t", 50, &[marks(0, 10, 20), marks(1, 0, 5)]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("50") && text.contains("10 to 20"), "{text}");
    }

    #[test]
    fn an_offset_inside_one_partition_starts_the_others_at_their_nearest_end() {
        let starts = start_at_offset(
            "t",
            15,
            &[marks(0, 10, 20), marks(1, 0, 5), marks(2, 30, 40)],
        )
        .unwrap();
        assert_eq!(starts, [Start::at(15), Start::at(5), Start::at(30)]);
    }

    #[test]
    fn the_next_offset_to_be_written_is_in_range() {
        assert!(start_at_offset("t", 20, &[marks(0, 10, 20)]).is_ok());
        assert!(start_at_offset("t", 21, &[marks(0, 10, 20)]).is_err());
        assert!(start_at_offset("t", 9, &[marks(0, 10, 20)]).is_err());
        assert!(start_at_offset("t", -5, &[marks(0, 10, 20)]).is_err());
    }

    #[test]
    fn a_position_that_retention_overtook_goes_on_at_the_oldest_record_and_says_so() {
        assert_eq!(
            Start::wanted(3, marks(0, 10, 20)),
            Start {
                next: 10,
                gap_from: Some(3)
            }
        );
        assert_eq!(Start::wanted(20, marks(0, 10, 20)), Start::at(20));
        // A topic that was deleted and made again.
        assert_eq!(
            Start::wanted(99, marks(0, 0, 20)),
            Start {
                next: 0,
                gap_from: Some(99)
            }
        );
    }

    #[test]
    fn what_was_read_after_the_question_puts_no_reader_outside_its_log() {
        let marks = Watermarks {
            partition: 0,
            start: 10,
            end: 20,
        };
        for (stood, next, outside, what) in [
            (15, 15, false, "in the middle"),
            (20, 20, false, "at the end"),
            (
                20,
                25,
                false,
                "five records came while the answer was under way",
            ),
            (25, 25, true, "the log was cut back"),
            (5, 5, true, "retention took what was to come"),
            (5, 10, false, "reading has found the new start by itself"),
        ] {
            assert_eq!(Start::is_outside(stood, next, marks), outside, "{what}");
        }
    }
}
