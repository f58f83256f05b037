//! A store that is away for an hour: nothing is read and nothing is held meanwhile, it is said why, and all is caught up with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use weir_base::time::{Clock, ManualClock, Timestamp};

use super::process::{check, feed, log};
use crate::claim::Chain;
use crate::formats::Encoders;
use crate::keeper::{Keeper, Said};
use crate::range::Rolling;
use crate::store::memory::World;
use crate::{Format, Layout};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_store_that_is_away_for_an_hour_is_waited_for_with_nothing_in_memory_and_then_caught_up_with()
 {
    for like_s3 in [false, true] {
        let world = World::new(like_s3);
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        // In the middle of a file.
        let store = world.store([]).away(30, HOUR, clock.clone());
        let log = Arc::new(log(400, 7));
        let (said, mut hears) = mpsc::unbounded_channel();
        let layout = Layout::new("t".into(), 0, Format::Jsonl);
        let keeper = Keeper {
            encoders: Encoders::new(&layout),
            chain: Chain::new(Arc::new(store), layout),
            rolling: Rolling {
                bytes: 1200,
                after: Duration::MAX,
                held_bytes: usize::MAX,
            },
            follow: false,
            clock: clock.clone(),
            retry: Duration::ZERO,
            said,
        };
        let keeping = tokio::spawn(keeper.run());
        let mut reading: Option<(mpsc::Sender<_>, JoinHandle<()>)> = None;
        let (mut reads, mut waits) = (0, 0);
        while let Some(said) = hears.recv().await {
            match said {
                Said::ReadFrom { offset, to, .. } => {
                    reads += 1;
                    let feeding = tokio::spawn(feed(log.clone(), offset, to.clone(), 7));
                    reading = Some((to, feeding));
                }
                Said::Hold { .. } => {
                    if let Some((to, feeding)) = reading.take() {
                        assert!(to.is_closed(), "what waited for it is gone too");
                        feeding.abort();
                    }
                }
                Said::Waiting { why, .. } => {
                    waits += 1;
                    assert!(reading.is_none(), "nothing is read meanwhile");
                    assert!(why.to_string().contains("meant to fail"));
                }
                Said::Archived { .. } => {}
                Said::PassedOver { .. } | Said::Refused { .. } => panic!("{said:?}"),
                Said::Done { .. } => break,
            }
        }
        keeping.await.unwrap();
        assert!(clock.monotonic() >= HOUR);
        assert_eq!(reads, 2, "at the beginning and after the hour");
        assert!(waits > 1000, "it was tried {waits} times in the hour");
        check(&world, &log);
    }
}
