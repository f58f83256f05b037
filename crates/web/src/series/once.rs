//! Everything of a window for one that asks and goes: read once, kept whole as long as it is little, reduced while it is read when
//! it is much.
//!
//! A partition is read up to where its end was when the reading began, or to where `to=` says.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use weir_base::time::Timestamp;
use weir_client::{Event, From, Kafka, ReaderOptions};

use super::reduce::{Grid, KEPT, Reduction, in_time};
use super::{Intake, MAX_COLUMNS, MAX_POINTS, Point};
use crate::api::{SeriesAnswer, SeriesColumns};
use crate::problem::Problem;
use crate::query::End;

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    /// The topic, which must be there.
    pub topic: String,
    /// Where to begin.
    pub from: From,
    /// Where to end; at the end of the topic if there is none.
    pub end: Option<End>,
    /// `columns=`.
    pub columns: Option<u32>,
    /// `series=`.
    pub intake: Intake,
    /// The time at which it was asked.
    pub now: Timestamp,
}

/// Reads what is asked for.
pub async fn read(kafka: &Kafka, asked: Asked) -> Result<SeriesAnswer, Problem> {
    let Asked {
        topic,
        from,
        end,
        columns,
        mut intake,
        now,
    } = asked;
    let from_ms = match &from {
        From::Time(time) => Some(time.0 as f64),
        _ => None,
    };
    let to_ms = match end {
        None => Some(now.0 as f64),
        Some(End::Time(time)) => Some(time.0 as f64),
        Some(End::Offset(_)) => None,
    };
    let stops = stops(kafka, &topic, end).await?;
    let info = kafka.topic(&topic).await?;
    let mut open: BTreeSet<i32> = info.partitions.iter().map(|p| p.id).collect();
    let mut reader = kafka.reader(&topic, from, ReaderOptions::default()).await?;
    let mut collected = Collected::new(from_ms, to_ms, columns);
    while !open.is_empty() {
        match reader.next().await? {
            Event::Record(record) if open.contains(&record.partition) => {
                let stop = stops.get(&record.partition);
                if stop.is_some_and(|stop| record.offset >= *stop) {
                    open.remove(&record.partition);
                    continue;
                }
                let arrival_ms = record.timestamp.unwrap_or(now).0 as f64;
                intake.take(&record, arrival_ms, |series, point| {
                    collected.add(series, point);
                });
            }
            Event::CaughtUp { partition } => {
                open.remove(&partition);
            }
            Event::Disconnected { why } => {
                return Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("Kafka went away while topic {topic:?} was being read: {why}"),
                )
                .remedy("ask again when it is back"));
            }
            _ => {}
        }
    }
    let (passed_over, reasons) = intake.take_counts();
    let mut answer = collected.finish(&intake);
    answer.topic = topic;
    answer.passed_over = passed_over;
    answer.reasons = reasons;
    Ok(answer)
}

/// The first offset of each partition that is not asked for.
async fn stops(
    kafka: &Kafka,
    topic: &str,
    end: Option<End>,
) -> Result<BTreeMap<i32, i64>, Problem> {
    Ok(match end {
        None => BTreeMap::new(),
        Some(End::Offset(offset)) => {
            let info = kafka.topic(topic).await?;
            info.partitions.iter().map(|p| (p.id, offset)).collect()
        }
        Some(End::Time(time)) => {
            let found = kafka.offsets_at(topic, time).await?;
            found
                .iter()
                .filter_map(|timed| Some((timed.partition, timed.offset?)))
                .collect()
        }
    })
}

/// The points so far: all of them, or, where they are many, what columns keep of them.
#[derive(Debug)]
struct Collected {
    from_ms: Option<f64>,
    to_ms: Option<f64>,
    columns: Option<u32>,
    /// The earliest and the latest time there was.
    span: Option<(f64, f64)>,
    kept: Kept,
    count: usize,
}

#[derive(Debug)]
enum Kept {
    /// By series.
    Whole(Vec<Vec<Point>>),
    Reduced(Reduction),
}

impl Collected {
    fn new(from_ms: Option<f64>, to_ms: Option<f64>, columns: Option<u32>) -> Self {
        Self {
            from_ms,
            to_ms,
            columns,
            span: None,
            kept: Kept::Whole(Vec::new()),
            count: 0,
        }
    }

    fn add(&mut self, series: usize, point: Point) {
        let (earliest, latest) = self.span.unwrap_or((point.t_ms, point.t_ms));
        self.span = Some((earliest.min(point.t_ms), latest.max(point.t_ms)));
        match &mut self.kept {
            Kept::Reduced(reduction) => reduction.add(series, point),
            Kept::Whole(all) => {
                if series >= all.len() {
                    all.resize_with(series + 1, Vec::new);
                }
                all[series].push(point);
                self.count += 1;
                if self.count > MAX_POINTS {
                    let all = std::mem::take(all);
                    self.kept = Kept::Reduced(self.reduce(all));
                }
            }
        }
    }

    /// The window: as asked for, or what the points take up.
    fn window(&self) -> (f64, f64) {
        let known = self.from_ms.or(self.to_ms).unwrap_or(0.0);
        let (earliest, latest) = self.span.unwrap_or((known, known));
        let from_ms = self.from_ms.unwrap_or(earliest);
        (from_ms, self.to_ms.unwrap_or(latest).max(from_ms))
    }

    fn reduce(&self, all: Vec<Vec<Point>>) -> Reduction {
        let (from_ms, mut to_ms) = self.window();
        let columns = self.columns.unwrap_or(MAX_COLUMNS);
        let mut most_each = columns as usize;
        if self.from_ms.is_some() && self.to_ms.is_some() {
            // Room for what lies outside the window, so that a late record does not make its columns twice as wide.
            most_each *= 2;
        } else {
            // Where the points end is yet to be seen.
            to_ms = self.span.map_or(to_ms, |(_, latest)| latest);
        }
        let grid = Grid::of(from_ms, to_ms, columns);
        let mut reduction = Reduction::new(grid, most_each, MAX_POINTS / KEPT);
        for (series, points) in all.into_iter().enumerate() {
            for point in points {
                reduction.add(series, point);
            }
        }
        reduction
    }

    /// The answer without what the intake counted.
    fn finish(mut self, intake: &Intake) -> SeriesAnswer {
        let (from_ms, to_ms) = self.window();
        if let (Kept::Whole(all), Some(_)) = (&mut self.kept, self.columns) {
            let all = std::mem::take(all);
            // All there is has been seen.
            (self.from_ms, self.to_ms) = (Some(from_ms), Some(to_ms));
            self.kept = Kept::Reduced(self.reduce(all));
        }
        let mut reduced_to_columns = None;
        let named = |(at, points): (usize, Vec<Point>)| {
            (!points.is_empty()).then(|| SeriesColumns::of(intake.name(at), &points))
        };
        let mut series: Vec<_> = match self.kept {
            Kept::Whole(all) => {
                let sorted = all.into_iter().map(|mut points| {
                    points.sort_by(in_time);
                    points
                });
                sorted.enumerate().filter_map(named).collect()
            }
            Kept::Reduced(reduction) => {
                reduced_to_columns = Some(reduction.grid().columns(from_ms, to_ms));
                let points = reduction.into_points();
                points.enumerate().filter_map(named).collect()
            }
        };
        series.sort_by(|a, b| a.name.cmp(&b.name));
        SeriesAnswer {
            topic: String::new(),
            from_ms,
            to_ms,
            reduced_to_columns,
            series,
            passed_over: 0,
            reasons: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(t_ms: f64, v: f64, offset: i64) -> Point {
        Point {
            t_ms,
            v,
            arrival_ms: t_ms,
            offset,
        }
    }

    /// An intake that knows the first series of `a` and `b`.
    fn intake(series: usize) -> Intake {
        Intake::of(["a", "b"].into_iter().take(series))
    }

    fn length(answer: &SeriesAnswer) -> usize {
        answer.series.iter().map(|series| series.v.len()).sum()
    }

    #[test]
    fn little_is_given_whole_in_order_of_time_under_the_window_asked_for() {
        let mut collected = Collected::new(Some(0.0), Some(1_000.0), None);
        for (t, n) in [(500.0, 0), (100.0, 1), (1_500.0, 2), (100.0, 3)] {
            collected.add(1, point(t, t, n));
        }
        collected.add(0, point(7.0, 1.0, 4));
        let answer = collected.finish(&intake(2));
        assert_eq!(answer.reduced_to_columns, None);
        assert_eq!(answer.from_ms.to_bits(), 0.0_f64.to_bits());
        assert_eq!(answer.to_ms.to_bits(), 1_000.0_f64.to_bits());
        assert_eq!(answer.series[0].name, "a");
        assert_eq!(answer.series[1].t_ms, [100.0, 100.0, 500.0, 1_500.0]);
        assert_eq!(answer.series[1].offset, [1, 3, 0, 2]);
    }

    #[test]
    fn a_window_without_times_of_its_own_is_that_of_its_points() {
        let mut collected = Collected::new(None, None, Some(2));
        for n in 0..10 {
            collected.add(0, point(f64::from(n) * 10.0 + 5.0, f64::from(n), n.into()));
        }
        let answer = collected.finish(&intake(1));
        assert_eq!(answer.series[0].v, [0.0, 4.0, 5.0, 8.0, 9.0]);
        assert_eq!((answer.from_ms, answer.to_ms), (5.0, 95.0));
        let empty = Collected::new(None, Some(7.0), Some(2)).finish(&intake(1));
        assert_eq!((empty.from_ms, empty.to_ms), (7.0, 7.0));
        assert!(empty.series.is_empty());
    }

    #[test]
    fn columns_are_kept_as_asked_for_though_some_points_lie_outside_the_window() {
        let mut collected = Collected::new(Some(0.0), Some(100.0), Some(10));
        for n in -50..1_500 {
            collected.add(0, point(f64::from(n) / 10.0, 1.0, n.into()));
        }
        let answer = collected.finish(&intake(1));
        assert_eq!(answer.reduced_to_columns, Some(10));
    }

    #[test]
    fn much_is_reduced_while_it_is_read_and_the_answer_says_to_how_many_columns() {
        for (from_ms, columns) in [(Some(0.0), None), (None, None), (Some(0.0), Some(100))] {
            let to_ms = 3.0 * MAX_POINTS as f64;
            let mut collected = Collected::new(from_ms, Some(to_ms), columns);
            for n in 0..3 * MAX_POINTS {
                let v = if n == 777_777 { 1e9 } else { (n % 7) as f64 };
                collected.add(n % 2, point(n as f64, v, n as i64));
            }
            let answer = collected.finish(&intake(2));
            let reduced = answer.reduced_to_columns.unwrap();
            let most = columns.unwrap_or(MAX_COLUMNS);
            assert!(
                (most / 2 - 1..=most).contains(&reduced),
                "{reduced} of {most}"
            );
            assert!(length(&answer) <= 2 * KEPT * (reduced as usize + 1));
            let greatest = answer.series[1].v.iter().copied().fold(0.0, f64::max);
            assert!((greatest - 1e9).abs() < 1.0);
            let ends = (answer.series[0].offset[0], answer.series[1].offset.last());
            assert_eq!(ends, (0, Some(&(3 * MAX_POINTS as i64 - 1))));
        }
    }
}
