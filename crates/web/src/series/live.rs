//! A viewer that stays: batches of new points, first those of the past, then what arrives.
//!
//! A point waits at most [`BATCH`] for others. With `columns=` a batch holds of each column no more than the column keeps; one that
//! is cut in two by the end of a batch is given in two parts, each with its own ends and extremes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_base::time::Clock;
use weir_client::{Event, Reader, Record};

use super::reduce::{Grid, reduce};
use super::{Intake, Point};
use crate::api::{SeriesColumns, SeriesEvent};

/// The longest a point waits for others.
const BATCH: Duration = Duration::from_millis(50);
/// Points after which a batch is sent though its time is not up; more where they are reduced before they are sent.
const BATCH_POINTS: usize = 5_000;
const BATCH_POINTS_REDUCED: usize = 50_000;

/// One batch in the making.
struct Batch {
    intake: Intake,
    grid: Option<Grid>,
    /// By series.
    points: Vec<Vec<Point>>,
    /// The series that have points.
    filled: Vec<usize>,
    count: usize,
}

impl Batch {
    fn new(intake: Intake, grid: Option<Grid>) -> Self {
        Self {
            intake,
            grid,
            points: Vec::new(),
            filled: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, record: &Record, arrival_ms: f64) {
        self.intake.take(record, arrival_ms, |series, point| {
            if series >= self.points.len() {
                self.points.resize_with(series + 1, Vec::new);
            }
            if self.points[series].is_empty() {
                self.filled.push(series);
            }
            self.points[series].push(point);
            self.count += 1;
        });
    }

    fn is_full(&self) -> bool {
        let most = match self.grid {
            Some(_) => BATCH_POINTS_REDUCED,
            None => BATCH_POINTS,
        };
        self.count >= most
    }

    /// The batch, if there is anything in it.
    fn take(&mut self) -> Option<SeriesEvent> {
        if self.count == 0 && !self.intake.has_counts() {
            return None;
        }
        self.count = 0;
        let mut series = Vec::with_capacity(self.filled.len());
        for at in self.filled.drain(..) {
            let points = std::mem::take(&mut self.points[at]);
            let name = self.intake.name(at);
            series.push(match self.grid {
                Some(grid) => SeriesColumns::of(name, &reduce(&points, grid)),
                None => SeriesColumns::of(name, &points),
            });
        }
        let (passed_over, reasons): (u64, BTreeMap<_, _>) = self.intake.take_counts();
        Some(SeriesEvent::Columns {
            series,
            passed_over,
            reasons,
        })
    }
}

/// One viewer's batches.
pub struct Batches {
    reader: Reader,
    clock: Arc<dyn Clock>,
    partitions: usize,
    caught_up: usize,
    batch: Batch,
    /// When the batch in the making must go.
    due: Option<Instant>,
    /// What comes behind the batch.
    note: Option<SeriesEvent>,
    ended: bool,
}

impl Batches {
    /// What `reader` reads of a topic of so many partitions, taken in by `intake`, cut by `grid` if there is one.
    pub fn new(
        reader: Reader,
        partitions: usize,
        clock: Arc<dyn Clock>,
        intake: Intake,
        grid: Option<Grid>,
    ) -> Self {
        Self {
            reader,
            clock,
            partitions,
            caught_up: 0,
            batch: Batch::new(intake, grid),
            due: None,
            note: None,
            ended: false,
        }
    }

    /// The next event; `None` is the end. Cancel-safe: what was read stays in the batch.
    pub async fn next(&mut self) -> Option<SeriesEvent> {
        loop {
            if self.note.is_some() || self.batch.is_full() || self.ended {
                let ready = self.take().or_else(|| self.note.take());
                if ready.is_some() || self.ended {
                    return ready;
                }
                continue;
            }
            let due = self.due;
            let event = tokio::select! {
                biased;
                event = self.reader.next() => event,
                () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    if let Some(batch) = self.take() {
                        return Some(batch);
                    }
                    continue;
                }
            };
            match event {
                Ok(event) => self.happened(event),
                Err(error) => {
                    self.ended = true;
                    self.note = Some(SeriesEvent::Error {
                        problem: error.into(),
                    });
                }
            }
            if self.due.is_some_and(|due| due <= Instant::now())
                && let Some(batch) = self.take()
            {
                return Some(batch);
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Record(record) => {
                let now_ms = self.clock.now().0;
                let live = self.caught_up >= self.partitions;
                // When a record of the past arrived nobody noted; its timestamp is the nearest there is.
                let arrival_ms = record
                    .timestamp
                    .filter(|_| !live)
                    .map_or(now_ms, |time| time.0);
                self.batch.add(&record, arrival_ms as f64);
                self.due.get_or_insert_with(|| Instant::now() + BATCH);
            }
            Event::CaughtUp { .. } => {
                self.caught_up += 1;
                if self.caught_up == self.partitions {
                    self.note = Some(SeriesEvent::Live);
                }
            }
            Event::Disconnected { why } => self.note = Some(SeriesEvent::Waiting { why }),
            Event::Reconnected => self.note = Some(SeriesEvent::Reconnected),
            _ => {}
        }
    }

    fn take(&mut self) -> Option<SeriesEvent> {
        self.due = None;
        self.batch.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::intake::tests::record;
    use super::*;

    fn columns(batch: &mut Batch) -> (Vec<SeriesColumns>, u64) {
        match batch.take() {
            Some(SeriesEvent::Columns {
                series,
                passed_over,
                ..
            }) => (series, passed_over),
            _ => (Vec::new(), 0),
        }
    }

    #[test]
    fn a_batch_has_the_points_of_each_series_since_the_last() {
        let mut batch = Batch::new(Intake::default(), None);
        batch.add(&record(0, Some("a"), "1"), 5.0);
        batch.add(&record(1, Some("b"), "2"), 6.0);
        batch.add(&record(2, Some("a"), "3"), 7.0);
        let (series, passed_over) = columns(&mut batch);
        assert_eq!(passed_over, 0);
        let a = SeriesColumns {
            name: "a".into(),
            t_ms: vec![1_000.0, 1_002.0],
            v: vec![1.0, 3.0],
            arrival_ms: vec![5.0, 7.0],
            offset: vec![0, 2],
        };
        assert_eq!((series.len(), &series[0]), (2, &a));
        batch.add(&record(3, Some("b"), "4"), 8.0);
        let (series, _) = columns(&mut batch);
        assert_eq!((series.len(), series[0].name.as_str()), (1, "b"));
        assert_eq!(series[0].v, [4.0]);
    }

    #[test]
    fn a_batch_of_nothing_but_what_was_passed_over_tells_of_it() {
        let mut batch = Batch::new(Intake::default(), None);
        assert!(batch.take().is_none());
        batch.add(&record(0, None, "hello"), 0.0);
        assert_eq!(columns(&mut batch), (Vec::new(), 1));
        assert!(batch.take().is_none());
    }

    #[test]
    fn a_batch_is_bounded_and_starts_empty() {
        let mut batch = Batch::new(Intake::default(), None);
        while !batch.is_full() {
            batch.add(&record(0, None, "1"), 0.0);
        }
        assert!(batch.take().is_some());
        assert!(batch.take().is_none());
        assert!(!batch.is_full());
    }

    #[test]
    fn of_a_reduced_batch_each_column_has_four_points_at_most_and_its_peaks() {
        let mut batch = Batch::new(Intake::default(), Some(Grid::of(1_000.0, 2_000.0, 10)));
        for n in 0..1_000 {
            batch.add(&record(n, None, if n == 555 { "99" } else { "1" }), 0.0);
        }
        let (series, _) = columns(&mut batch);
        assert!(series[0].v.len() <= 40, "{}", series[0].v.len());
        let greatest = series[0].v.iter().copied().fold(0.0, f64::max);
        assert!((greatest - 99.0).abs() < 1e-9);
        assert_eq!(series[0].offset.first(), Some(&0));
        assert_eq!(series[0].offset.last(), Some(&999));
    }
}
