//! Made-up prices of made-up shares: numbers with a key, of which the newest of each key counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock, Timestamp};
use weir_client::{Kafka, NewRecord, ProducerOptions, TopicSpec};

use crate::due::{Material, send_when_due};
use crate::outlet::Outlet;
use crate::pace::Pacer;
use crate::random::Random;
use crate::{Progress, SourceError, Summary};

/// How much a price moves in a second, as a part of itself (the standard deviation).
const MOVE_PER_SQRT_SECOND: f64 = 0.001;
/// No price is less or more than this.
const PRICES: (f64, f64) = (0.01, 1_000_000.0);
const MAX_SYMBOLS: usize = 1_000;
const MAX_SYMBOL_LEN: usize = 32;

/// Publishes prices.
#[derive(Clone)]
pub struct Ticker {
    /// Where to.
    pub topic: String,
    /// The shares' names, the records' keys.
    pub symbols: Vec<String>,
    /// Prices a second of each share, on average: trades come when they come.
    pub per_second: f64,
    /// So many prices in all; `None`: without end.
    pub count: Option<u64>,
    /// The same seed gives the same prices; `None`: others each time.
    pub seed: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Ticker {
    /// Five shares, a price a second of each.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            symbols: ["BOLT", "CORK", "DUNE", "FERN", "GULL"]
                .map(str::to_owned)
                .to_vec(),
            per_second: 1.0,
            count: None,
            seed: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `count` or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        self.check()?;
        let mut outlet = Outlet::open(
            kafka,
            TopicSpec::new(&self.topic),
            ProducerOptions::default(),
            self.clock.clone(),
            progress,
        )
        .await?;
        let mut market = Market::new(&self, outlet.topic().clone());
        let ended = send_when_due(&mut market, &mut outlet, &*self.clock, &shutdown).await?;
        outlet.finish(ended).await
    }

    fn check(&self) -> Result<(), SourceError> {
        let wrong = |option, why: &str| {
            Err(SourceError::Option {
                option,
                why: why.to_owned(),
            })
        };
        if !(self.per_second > 0.0 && self.per_second <= 10_000.0) {
            return wrong(
                "--rate",
                "give more than 0 and at most 10000 prices a second",
            );
        }
        if self.symbols.is_empty() || self.symbols.len() > MAX_SYMBOLS {
            return wrong("--symbols", "give 1 to 1000 names, separated by commas");
        }
        let fits = |symbol: &String| {
            (1..=MAX_SYMBOL_LEN).contains(&symbol.len())
                && symbol.chars().all(|c| c.is_ascii_graphic() && c != ',')
        };
        if !self.symbols.iter().all(fits) {
            return wrong(
                "--symbols",
                "a name is 1 to 32 letters, digits and signs without blanks, such as BOLT",
            );
        }
        let different: BTreeSet<&String> = self.symbols.iter().collect();
        if different.len() < self.symbols.len() {
            return wrong("--symbols", "give each name once");
        }
        Ok(())
    }
}

/// All shares.
struct Market {
    topic: Arc<str>,
    shares: Vec<Share>,
    per_second: f64,
    random: Random,
    left: Option<u64>,
    total: Option<u64>,
}

struct Share {
    symbol: String,
    price: f64,
    /// When it was traded last, and is traded next.
    last: Duration,
    due: Duration,
}

impl Market {
    fn new(options: &Ticker, topic: Arc<str>) -> Self {
        let mut random = Random::new(
            options
                .seed
                .unwrap_or_else(|| options.clock.now().0.unsigned_abs()),
        );
        let shares = options
            .symbols
            .iter()
            .map(|symbol| Share {
                symbol: symbol.clone(),
                // From 10 to 500, small ones as often as large ones.
                price: 10.0 * 50_f64.powf(random.unit()),
                last: Duration::ZERO,
                due: Duration::ZERO,
            })
            .collect();
        Self {
            topic,
            shares,
            per_second: options.per_second,
            random,
            left: options.count,
            total: options.count,
        }
    }

    fn next(&self) -> Option<usize> {
        let shares = self.shares.iter().enumerate();
        shares.min_by_key(|(_, share)| share.due).map(|(at, _)| at)
    }
}

impl Material for Market {
    fn due(&self) -> Option<Duration> {
        if self.left == Some(0) {
            return None;
        }
        Some(self.shares.get(self.next()?)?.due)
    }

    fn take(&mut self, pacer: &Pacer) -> NewRecord {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        let random = &mut self.random;
        let Some(share) = self.shares.iter_mut().min_by_key(|share| share.due) else {
            unreachable!("`due` has found one");
        };
        let passed = share.due.saturating_sub(share.last).as_secs_f64();
        let moved = MOVE_PER_SQRT_SECOND * passed.sqrt() * normal(random);
        share.price = (share.price * moved.exp()).clamp(PRICES.0, PRICES.1);
        share.last = share.due;
        // Times between trades that know nothing of one another.
        let wait = -(1.0 - random.unit()).ln() / self.per_second;
        let at = pacer.wall(i64::try_from(share.due.as_micros()).unwrap_or(i64::MAX));
        share.due += Duration::from_secs_f64(wait.min(1e9));
        NewRecord::new(self.topic.clone(), json(at, share.price))
            .key(share.symbol.clone())
            .timestamp(at)
    }

    fn total(&self) -> Option<u64> {
        self.total
    }
}

/// `{"t":"…","price":…}`, the price in hundredths.
fn json(at: Timestamp, price: f64) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    format!("{{\"t\":\"{time:.3}\",\"price\":{price:.2}}}")
}

/// A number from the normal distribution (Box and Muller).
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use weir_base::time::ManualClock;

    use super::*;

    fn ticker() -> Ticker {
        Ticker {
            seed: Some(1),
            count: Some(5_000),
            ..Ticker::new("t")
        }
    }

    fn records(ticker: &Ticker) -> Vec<(Duration, NewRecord)> {
        let pacer = Pacer::start(&ManualClock::new(Timestamp(1_769_860_800_000)));
        let mut market = Market::new(ticker, Arc::from("t"));
        let mut records = Vec::new();
        while let Some(due) = market.due() {
            records.push((due, market.take(&pacer)));
        }
        records
    }

    #[test]
    fn every_share_is_traded_about_as_often_as_asked_for_and_in_order_of_time() {
        let records = records(&ticker());
        assert_eq!(records.len(), 5_000);
        assert!(records.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let took = records.last().unwrap().0.as_secs_f64();
        assert!((900.0..1_100.0).contains(&took), "{took}");
        for symbol in ticker().symbols {
            let of = |record: &&(Duration, NewRecord)| {
                record.1.key.as_deref() == Some(symbol.as_bytes())
            };
            assert!((850..1_150).contains(&records.iter().filter(of).count()));
        }
    }

    #[test]
    fn prices_move_by_little_and_stay_in_bounds() {
        let records = records(&Ticker {
            symbols: vec!["A".to_owned()],
            ..ticker()
        });
        let prices: Vec<f64> = records
            .iter()
            .map(|(_, record)| {
                let parsed = weir_media::numbers::parse(record.value.as_ref().unwrap()).unwrap();
                assert_eq!(parsed.values[0].0, "price");
                assert!(parsed.time_ms.is_some());
                parsed.values[0].1
            })
            .collect();
        for pair in prices.windows(2) {
            assert!((pair[1] / pair[0] - 1.0).abs() < 0.02, "{pair:?}");
        }
        assert!(prices.iter().any(|price| *price > prices[0]));
        assert!(
            prices
                .iter()
                .all(|price| (PRICES.0..=PRICES.1).contains(price))
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_prices() {
        assert_eq!(records(&ticker()), records(&ticker()));
    }

    #[test]
    fn options_that_cannot_be_are_refused_by_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (ticker, option) in [
            (
                Ticker {
                    per_second: f64::NAN,
                    ..ticker()
                },
                "--rate",
            ),
            (
                Ticker {
                    symbols: Vec::new(),
                    ..ticker()
                },
                "--symbols",
            ),
            (
                Ticker {
                    symbols: names(&["A", "B", "A"]),
                    ..ticker()
                },
                "--symbols",
            ),
            (
                Ticker {
                    symbols: names(&["A", ""]),
                    ..ticker()
                },
                "--symbols",
            ),
            (
                Ticker {
                    symbols: names(&["A B"]),
                    ..ticker()
                },
                "--symbols",
            ),
        ] {
            let error = ticker.check().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }
}
