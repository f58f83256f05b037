//! What is known of one partition's pictures: looks taken here and there, and where to look next.
//!
//! A [`Look`] is what a few neighbouring records said. Between two looks nothing is known but how many records lie there and how much
//! time passed; where that fits the rate at which the pictures come, nothing more is asked. Where it does not, or where other keys are
//! seen, the middle is looked at, until the place is found. So a recording of a day costs some hundred small reads, and one that was
//! made of files published one after another costs about a dozen more for each of them.
//!
//! Nothing is read here: [`super::scout`] does that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_media::Codec;

/// Pictures that one look takes, at most.
pub const WINDOW: usize = 8;
/// A longer time without a picture divides two spans.
pub const PAUSE_MS: i64 = 10_000;
/// While a camera is live its newest look gives way to the next, but for one in so much time.
const KEEP_EVERY_MS: i64 = 60_000;

/// The key of a record, where it is text of a sensible length.
pub type Key = Option<Arc<str>>;

/// One picture that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Its record's key.
    pub key: Key,
    /// How it is encoded.
    pub codec: Codec,
    /// Its record's offset.
    pub offset: i64,
    /// When it was captured.
    pub at_ms: i64,
    /// When it is decoded, by its publisher's clock, which runs forward where pictures are shown in another order.
    pub dts_us: Option<i64>,
    /// How long its record is.
    pub len_bytes: usize,
}

/// What the records from `from` up to `next` hold: up to [`WINDOW`] pictures, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The offset that was asked for.
    pub from: i64,
    /// The first offset that was not read.
    pub next: i64,
    /// The pictures, in the order of their offsets.
    pub sights: Vec<Sight>,
}

/// A stretch of offsets to look at: from the first of them on, not beyond the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Where to begin.
    pub from: i64,
    /// The first offset that is known already.
    pub until: i64,
}

/// The looks of one partition, by offset; they do not overlap.
#[derive(Debug, Clone, Default)]
pub struct Index {
    looks: Vec<Look>,
}

/// How long a record stands, as the looks have it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    ms_a_record: f64,
    /// What the time between two looks may differ by for each record between them.
    tolerance_ms: f64,
}

impl Look {
    /// Of the pictures under this key, the first and the last.
    pub fn ends_of(&self, key: &Key) -> Option<(&Sight, &Sight)> {
        let of = || self.sights.iter().filter(|sight| sight.key == *key);
        Some((of().next()?, of().next_back()?))
    }

    /// How many pictures there are under this key.
    pub fn count(&self, key: &Key) -> usize {
        self.sights.iter().filter(|s| s.key == *key).count()
    }

    /// Whether this key comes often enough here to be missed where it is not seen.
    pub fn is_steady(&self, key: &Key) -> bool {
        let count = self.count(key);
        count >= 2 || (count > 0 && count == self.sights.len())
    }

    fn keys(&self) -> BTreeSet<&Key> {
        self.sights.iter().map(|sight| &sight.key).collect()
    }
}

impl Pace {
    /// How long so many records stand.
    pub fn of(&self, records: i64) -> i64 {
        (self.ms_a_record * records as f64) as i64
    }

    /// By how much a time is longer than so many records explain; nothing where it is not.
    pub fn surplus_ms(&self, passed_ms: i64, records: i64) -> Option<i64> {
        let surplus_ms = passed_ms - self.of(records);
        let tolerated_ms = PAUSE_MS + (self.tolerance_ms * records as f64) as i64;
        (surplus_ms > tolerated_ms).then_some(surplus_ms)
    }
}

impl Index {
    /// Takes where the partition begins and ends now, and gives where to look for what is not known of it yet: at `first` places
    /// spread over the whole, or at what retention has left and what has come.
    pub fn ends(&mut self, start: i64, end: i64, first: usize) -> Vec<Place> {
        if self.looks.last().is_some_and(|look| look.next > end) {
            // Deleted and made anew.
            self.looks.clear();
        }
        self.forget_before(start);
        let (Some(oldest), Some(newest)) = (self.looks.first(), self.looks.last()) else {
            return spread(start, end, first);
        };
        let window = WINDOW as i64;
        let mut places = Vec::new();
        if oldest.from > start {
            places.push(Place {
                from: start,
                until: oldest.from,
            });
        }
        if newest.next < end {
            places.push(Place {
                from: newest.next.max(end - window),
                until: end,
            });
        }
        places
    }

    /// Takes a look.
    pub fn insert(&mut self, look: Look) {
        let at = self.looks.partition_point(|known| known.from < look.from);
        self.looks.insert(at, look);
    }

    /// The looks that saw pictures.
    pub fn pictured(&self) -> impl DoubleEndedIterator<Item = &Look> {
        self.looks.iter().filter(|look| !look.sights.is_empty())
    }

    /// The same with other keys.
    pub fn rekeyed(&self, rekey: impl Fn(&Key) -> Key) -> Self {
        let mut index = self.clone();
        for sight in index.looks.iter_mut().flat_map(|look| &mut look.sights) {
            sight.key = rekey(&sight.key);
        }
        index
    }

    /// Where to look next, most needed first: up to `most` places with how much each is needed.
    pub fn doubtful(&self, most: usize) -> Vec<(i64, Place)> {
        let paces = self.paces();
        let looks: Vec<_> = self.pictured().collect();
        let mut doubtful: Vec<_> = looks
            .windows(2)
            .filter_map(|two| {
                let [a, b] = two else { return None };
                let gap = self.unread(a, b)?;
                Some((doubt(a, b, &paces)?, middle(gap)))
            })
            .collect();
        doubtful.sort_by_key(|(doubt, _)| std::cmp::Reverse(*doubt));
        doubtful.truncate(most);
        doubtful
    }

    /// The longest stretch between two looks that nothing is known of.
    pub fn unread(&self, a: &Look, b: &Look) -> Option<Place> {
        let between = self
            .looks
            .iter()
            .skip_while(|look| look.from < a.from)
            .take_while(|look| look.from <= b.from);
        let (mut longest, mut next) = (None, a.next);
        for look in between {
            let gap = Place {
                from: next,
                until: look.from,
            };
            let longer = |than: &Place| gap.until - gap.from > than.until - than.from;
            if gap.until > gap.from && longest.as_ref().is_none_or(longer) {
                longest = Some(gap);
            }
            next = next.max(look.next);
        }
        longest
    }

    /// How long a record stands where pictures of each key come.
    pub fn paces(&self) -> BTreeMap<Key, Pace> {
        let mut between: BTreeMap<&Key, Vec<f64>> = BTreeMap::new();
        let mut within: BTreeMap<&Key, Vec<f64>> = BTreeMap::new();
        let rate = |a: &Sight, b: &Sight| {
            let (records, passed_ms) = (b.offset - a.offset, b.at_ms - a.at_ms);
            (records > 0 && passed_ms >= 0).then(|| passed_ms as f64 / records as f64)
        };
        let mut before: Option<&Look> = None;
        for look in self.pictured() {
            for key in look.keys() {
                let Some((first, last)) = look.ends_of(key) else {
                    continue;
                };
                within.entry(key).or_default().extend(rate(first, last));
                let earlier = before.and_then(|before| before.ends_of(key));
                let earlier = earlier.and_then(|(earlier, _)| rate(earlier, first));
                between.entry(key).or_default().extend(earlier);
            }
            before = Some(look);
        }
        let mut paces = BTreeMap::new();
        for (key, mut within) in within {
            let mut between = between.remove(key).unwrap_or_default();
            let [low, middle, high] = quartiles(&mut between);
            let [_, close, _] = quartiles(&mut within);
            // Where most of the time between looks is pauses, what neighbouring pictures say is the truth.
            let paused = between.len() < 4 || (close > 0.0 && close < middle * 0.9);
            let pace = if paused && close > 0.0 {
                Pace {
                    ms_a_record: close,
                    tolerance_ms: close * 0.1,
                }
            } else {
                Pace {
                    ms_a_record: middle,
                    tolerance_ms: high - low,
                }
            };
            paces.insert(key.clone(), pace);
        }
        paces
    }

    /// Lets go of looks that say no more than their neighbours: the one before the newest, as a live camera goes on, and every
    /// other where there are more than `most`.
    pub fn thin(&mut self, most: usize) {
        let paces = self.paces();
        let count = self.looks.len();
        if let Some([a, b, c]) = self.looks.last_chunk::<3>()
            && spare(a, b, c, &paces)
            && b.sights.last().map_or(0, |last| last.at_ms)
                < a.sights.last().map_or(0, |last| last.at_ms) + KEEP_EVERY_MS
        {
            self.looks.remove(count - 2);
        }
        if self.looks.len() <= most {
            return;
        }
        let mut kept: Vec<Look> = Vec::new();
        let mut looks = std::mem::take(&mut self.looks).into_iter().peekable();
        let mut dropped = false;
        while let Some(look) = looks.next() {
            let neighbours = kept.last().zip(looks.peek());
            dropped = !dropped && neighbours.is_some_and(|(a, c)| spare(a, &look, c, &paces));
            if !dropped {
                kept.push(look);
            }
        }
        // Where all of them say something, the oldest are forgotten last.
        while kept.len() > most {
            let at = kept.len() / 2;
            kept.remove(at);
        }
        self.looks = kept;
    }

    fn forget_before(&mut self, start: i64) {
        self.looks.retain(|look| look.next > start);
        if let Some(look) = self.looks.first_mut() {
            look.from = look.from.max(start);
            look.sights.retain(|sight| sight.offset >= start);
        }
    }
}

/// Places spread over a whole partition, its end among them.
fn spread(start: i64, end: i64, count: usize) -> Vec<Place> {
    let len = end - start;
    let count = i64::try_from(count).unwrap_or(i64::MAX).min(len).max(0);
    let window = WINDOW as i64;
    let mut from: Vec<i64> = (0..count)
        .map(|n| start + (i128::from(len) * i128::from(n) / i128::from(count)) as i64)
        .collect();
    // A partition that fits into the looks is read whole.
    if count > 0 && len > window * count {
        from.push(end - window);
    }
    from.sort_unstable();
    from.dedup();
    let until = from.iter().skip(1).copied().chain([end]);
    from.iter()
        .zip(until)
        .map(|(from, until)| Place { from: *from, until })
        .collect()
}

fn middle(gap: Place) -> Place {
    let len = gap.until - gap.from;
    Place {
        from: if len <= 2 * WINDOW as i64 {
            gap.from
        } else {
            gap.from + len / 2
        },
        ..gap
    }
}

/// How much a look between two is needed; nothing where what they saw explains what lies between them.
fn doubt(a: &Look, b: &Look, paces: &BTreeMap<Key, Pace>) -> Option<i64> {
    let missed = |here: &Look, there: &Look| {
        let keys = here.keys();
        keys.into_iter()
            .any(|key| here.is_steady(key) && there.count(key) == 0)
    };
    if missed(a, b) || missed(b, a) {
        return Some(i64::MAX);
    }
    let surplus = |key: &Key| {
        let ((_, last), (first, _)) = (a.ends_of(key)?, b.ends_of(key)?);
        let pace = paces.get(key)?;
        pace.surplus_ms(first.at_ms - last.at_ms, first.offset - last.offset)
    };
    a.keys().into_iter().filter_map(surplus).max()
}

/// Whether the look in the middle says nothing that the others do not.
fn spare(a: &Look, b: &Look, c: &Look, paces: &BTreeMap<Key, Pace>) -> bool {
    let all_seen = b.keys().into_iter().all(|key| a.count(key) > 0);
    let blank = [a, b, c].iter().any(|look| look.sights.is_empty());
    all_seen && !blank && doubt(a, c, paces).is_none()
}

fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| {
        let at = values.len() * quarter / 4;
        values.get(at).copied().unwrap_or(0.0)
    })
}
