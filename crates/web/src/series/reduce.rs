//! Of each column of time the first, least, greatest and last point: as much as a screen can show, and every peak of it.
//!
//! The grid of columns is laid once. Where points turn out to lie in more columns than there is room for, all columns are joined two
//! by two, which loses none of the four: what holds for two columns holds for both together. Times outside the window that was asked
//! for (a clock that is wrong, a record that came late) lie in further columns of the same width.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use super::Point;

/// Points a column keeps.
pub const KEPT: usize = 4;
/// A column is never narrower.
const NARROWEST_MS: f64 = 0.001;

/// Equal columns of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    from_ms: f64,
    width_ms: f64,
}

impl Grid {
    /// `columns` columns from `from_ms` to `to_ms`.
    pub fn of(from_ms: f64, to_ms: f64, columns: u32) -> Self {
        let width_ms = (to_ms - from_ms) / f64::from(columns.max(1));
        Self {
            from_ms,
            width_ms: width_ms.max(NARROWEST_MS),
        }
    }

    /// How many of these columns lie between two times; one at least.
    pub fn columns(self, from_ms: f64, to_ms: f64) -> u32 {
        // A float becomes the nearest integer there is.
        (((to_ms - from_ms) / self.width_ms).round() as u32).max(1)
    }

    fn column(self, t_ms: f64) -> i64 {
        ((t_ms - self.from_ms) / self.width_ms).floor() as i64
    }
}

/// What is kept of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    index: i64,
    first: Point,
    least: Point,
    greatest: Point,
    last: Point,
}

impl Column {
    fn of(index: i64, point: Point) -> Self {
        Self {
            index,
            first: point,
            least: point,
            greatest: point,
            last: point,
        }
    }

    fn join(&mut self, other: &Self) {
        if is_before(&other.first, &self.first) {
            self.first = other.first;
        }
        // Of equals the earliest.
        let by_value = |a: &Point, b: &Point| a.v.total_cmp(&b.v);
        if by_value(&other.least, &self.least)
            .then(in_time(&other.least, &self.least))
            .is_lt()
        {
            self.least = other.least;
        }
        if by_value(&self.greatest, &other.greatest)
            .then(in_time(&other.greatest, &self.greatest))
            .is_lt()
        {
            self.greatest = other.greatest;
        }
        if !is_before(&other.last, &self.last) {
            self.last = other.last;
        }
    }

    fn points(&self, out: &mut Vec<Point>) {
        let mut kept = [self.first, self.least, self.greatest, self.last];
        kept.sort_by(in_time);
        let mut last = None;
        for point in kept {
            if last != Some(point) {
                out.push(point);
                last = Some(point);
            }
        }
    }
}

/// The order of time; of the same time, the order of the log.
pub fn in_time(a: &Point, b: &Point) -> std::cmp::Ordering {
    a.t_ms.total_cmp(&b.t_ms).then(a.offset.cmp(&b.offset))
}

fn is_before(a: &Point, b: &Point) -> bool {
    in_time(a, b).is_lt()
}

/// Series reduced to columns as their points come.
#[derive(Debug)]
pub struct Reduction {
    grid: Grid,
    series: Vec<Vec<Column>>,
    columns: usize,
    most_each: usize,
    most: usize,
}

impl Reduction {
    /// No points yet. At most `most_each` columns a series and `most` in all, or two a series where that is more.
    pub fn new(grid: Grid, most_each: usize, most: usize) -> Self {
        Self {
            grid,
            series: Vec::new(),
            columns: 0,
            most_each: most_each.max(2),
            most,
        }
    }

    /// The columns as they are now.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Takes a point of the series with this index.
    pub fn add(&mut self, series: usize, point: Point) {
        if series >= self.series.len() {
            self.series.resize_with(series + 1, Vec::new);
        }
        let index = self.grid.column(point.t_ms);
        let new = Column::of(index, point);
        let Some(columns) = self.series.get_mut(series) else {
            return;
        };
        // Nearly always the newest column, or the next.
        match columns.last_mut() {
            Some(last) if last.index == index => return last.join(&new),
            Some(last) if last.index > index => {
                match columns.binary_search_by_key(&index, |column| column.index) {
                    Ok(at) => {
                        if let Some(column) = columns.get_mut(at) {
                            column.join(&new);
                        }
                        return;
                    }
                    Err(at) => columns.insert(at, new),
                }
            }
            _ => columns.push(new),
        }
        self.columns += 1;
        while self.is_crowded(series) {
            self.coarsen();
        }
    }

    fn is_crowded(&self, series: usize) -> bool {
        let columns = self.series.get(series).map_or(0, Vec::len);
        columns > self.most_each || self.columns > self.most.max(2 * self.series.len())
    }

    /// The points kept of each series, by index, in order of time.
    pub fn into_points(self) -> impl Iterator<Item = Vec<Point>> {
        self.series.into_iter().map(|columns| {
            let mut points = Vec::with_capacity(columns.len() * KEPT);
            for column in columns {
                column.points(&mut points);
            }
            points
        })
    }

    /// Joins the columns two by two.
    fn coarsen(&mut self) {
        self.grid.width_ms *= 2.0;
        self.columns = 0;
        for columns in &mut self.series {
            for column in columns.iter_mut() {
                column.index = column.index.div_euclid(2);
            }
            columns.dedup_by(|next, column| {
                let same = next.index == column.index;
                if same {
                    column.join(next);
                }
                same
            });
            self.columns += columns.len();
        }
    }
}

/// What is kept of `points`, in any order, cut by `grid`.
pub fn reduce(points: &[Point], grid: Grid) -> Vec<Point> {
    let mut reduction = Reduction::new(grid, usize::MAX, usize::MAX);
    for point in points {
        reduction.add(0, *point);
    }
    reduction.into_points().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(t_ms: f64, v: f64, offset: i64) -> Point {
        Point {
            t_ms,
            v,
            arrival_ms: t_ms,
            offset,
        }
    }

    fn values(points: &[Point]) -> Vec<f64> {
        points.iter().map(|point| point.v).collect()
    }

    #[test]
    fn first_least_greatest_and_last_of_each_column_are_kept_in_order_of_time() {
        let all: Vec<_> = [5.0, 9.0, 7.0, 1.0, 6.0, 6.5, 2.0, 2.0]
            .iter()
            .zip(0..)
            .map(|(v, n)| point(n as f64 * 10.0, *v, n))
            .collect();
        let kept = reduce(&all, Grid::of(0.0, 100.0, 2));
        assert_eq!(values(&kept), [5.0, 9.0, 1.0, 6.0, 6.5, 2.0, 2.0]);
        let mut shuffled = all.clone();
        shuffled.reverse();
        assert_eq!(reduce(&shuffled, Grid::of(0.0, 100.0, 2)), kept);
        assert_eq!(reduce(&all[..1], Grid::of(0.0, 100.0, 2)), all[..1]);
    }

    #[test]
    fn times_outside_the_window_are_kept_too() {
        let all = [
            point(-1_000.0, 1.0, 0),
            point(5.0, 2.0, 1),
            point(9e13, 3.0, 2),
        ];
        assert_eq!(reduce(&all, Grid::of(0.0, 10.0, 10)), all);
    }

    #[test]
    fn a_window_of_no_length_has_columns_of_some() {
        assert_eq!(Grid::of(5.0, 5.0, 10).columns(5.0, 5.0), 1);
        let all = [point(5.0, 1.0, 0), point(5.0, 3.0, 1), point(5.0, 2.0, 2)];
        assert_eq!(
            values(&reduce(&all, Grid::of(5.0, 5.0, 1))),
            [1.0, 3.0, 2.0]
        );
    }

    #[test]
    fn a_thousand_series_of_a_year_stay_within_their_room_and_the_width_is_told() {
        let mut reduction = Reduction::new(Grid::of(0.0, 1_000.0, 100), 100, 10_000);
        for n in 0..100_000_i64 {
            let t_ms = (n * 315_360) as f64;
            reduction.add((n % 1_000) as usize, point(t_ms, (n % 977) as f64, n));
            assert!(reduction.columns <= 10_000);
        }
        let year_ms = 31_536_000_000.0;
        let columns = reduction.grid().columns(0.0, year_ms);
        assert!((5..=10).contains(&columns), "{columns}");
        let kept: Vec<_> = reduction.into_points().collect();
        assert_eq!(kept.len(), 1_000);
        assert!(
            kept.iter()
                .all(|points| points.len() <= columns as usize * KEPT + KEPT)
        );
    }

    #[test]
    fn times_far_apart_end_as_two_columns_a_series_and_no_fewer() {
        let mut reduction = Reduction::new(Grid::of(1_000.0, 1_001.0, 4_096), 4_096, 1);
        for (n, t_ms) in [0.0, 2.5e14, 999.0, 1_000.0].into_iter().enumerate() {
            reduction.add(0, point(t_ms, n as f64, n as i64));
        }
        let kept = reduction.into_points().next().unwrap();
        assert_eq!(kept.first().unwrap().t_ms.to_bits(), 0.0_f64.to_bits());
        assert_eq!(kept.last().unwrap().t_ms.to_bits(), 2.5e14_f64.to_bits());
    }

    proptest! {
        #[test]
        fn the_ends_and_extremes_of_any_points_survive_whatever_the_room(
            raw in prop::collection::vec((0_u32..10_000, -100_i32..100), 1..300),
            columns in 1_u32..50,
            room in 1_usize..60,
        ) {
            let all: Vec<_> = raw.iter().zip(0..).map(|((t, v), n)| point(f64::from(*t), f64::from(*v), n)).collect();
            let mut reduction = Reduction::new(Grid::of(2_000.0, 8_000.0, columns), room, room);
            for point in &all {
                reduction.add(0, *point);
            }
            let grid = reduction.grid();
            let kept = reduction.into_points().next().unwrap();
            prop_assert!(kept.len() <= KEPT * room.max(2));
            prop_assert!(kept.is_sorted_by(is_before));
            // The points of each column are among those kept, by value.
            for point in &all {
                let same = |p: &&Point| grid.column(p.t_ms) == grid.column(point.t_ms);
                let column: Vec<_> = kept.iter().filter(same).collect();
                prop_assert!(column.iter().any(|p| p.v <= point.v) && column.iter().any(|p| p.v >= point.v));
                prop_assert!(!is_before(point, column[0]) && !is_before(column[column.len() - 1], point));
            }
        }
    }
}
