//! Every record is archived once, whatever befalls whom at which operation.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::process::{Setup, archive, check, log, several};
use crate::claim::KEPT;
use crate::store::memory::{Fate, State, World};

const SETUP: Setup = Setup {
    roll_bytes: 1200,
    batch: 7,
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn worlds() -> [World; 2] {
    [false, true].map(World::new)
}

fn claims(world: &World) -> usize {
    let files = world.files();
    files
        .keys()
        .filter(|path| path.strip_suffix(".json").is_some())
        .count()
}

#[test]
fn a_log_is_archived_whole_and_in_the_hours_of_its_records() {
    for world in worlds() {
        let log = Arc::new(log(400, 1));
        assert!(runtime().block_on(archive(world.store([]), log.clone(), SETUP)));
        check(&world, &log);
        assert_eq!(claims(&world), KEPT, "old claims are removed");
        let again = world.store([]);
        let before = world.files();
        assert!(runtime().block_on(archive(again, log, SETUP)));
        assert_eq!(world.files(), before, "a second run finds it done");
    }
}

#[test]
fn what_killed_processes_had_begun_is_removed_once_nobody_can_need_it() {
    let world = World::new(false);
    let log = Arc::new(log(400, 1));
    assert!(runtime().block_on(archive(world.store([]), log.clone(), SETUP)));
    let before = world.files();
    let mark = before.keys().find(|path| path.ends_with("/pruned"));
    let folder = mark.unwrap().strip_suffix("/pruned").unwrap();
    for left in [
        ".pruned.ab",
        ".00000000000000000042.json.ab",
        "tmp/00000000000000000042-ab-0",
    ] {
        world.put(&format!("{folder}/{left}"), Bytes::new());
    }
    assert!(runtime().block_on(archive(world.store([]), log, SETUP)));
    assert_eq!(world.files(), before);
}

#[test]
fn a_process_that_fails_or_is_killed_at_any_operation_leaves_nothing_out_and_nothing_twice() {
    for like_s3 in [false, true] {
        let log = Arc::new(log(60, 2));
        let world = || World::new(like_s3);
        let unharmed = world().store([]);
        assert!(runtime().block_on(archive(unharmed.clone(), log.clone(), SETUP)));
        for at in 1..=unharmed.operations() {
            for fate in [
                Fate::FailsBefore,
                Fate::FailsAfter,
                Fate::DiesBefore,
                Fate::DiesAfter,
            ] {
                let world = world();
                let lived =
                    runtime().block_on(archive(world.store([(at, fate)]), log.clone(), SETUP));
                if !lived {
                    // The next one is started with another size of files.
                    let setup = Setup {
                        roll_bytes: 700,
                        batch: 3,
                    };
                    assert!(runtime().block_on(archive(world.store([]), log.clone(), setup)));
                }
                check(&world, &log);
            }
        }
    }
}

#[test]
fn a_process_that_wakes_up_when_all_is_done_changes_nothing() {
    for like_s3 in [false, true] {
        // Long enough for claims to be removed meanwhile.
        let log = Arc::new(log(400, 3));
        let operations = 60;
        for at in 1..=operations {
            for fate in [Fate::SleepsBefore, Fate::SleepsAfter] {
                let world = World::new(like_s3);
                let sleeper = world.store([(at, fate)]);
                runtime().block_on(async {
                    let mut state = sleeper.state();
                    let sleeping = tokio::spawn(archive(sleeper.clone(), log.clone(), SETUP));
                    state
                        .wait_for(|state| *state == State::Sleeps)
                        .await
                        .unwrap();
                    let setup = Setup {
                        roll_bytes: 500,
                        batch: 5,
                    };
                    assert!(archive(world.store([]), log.clone(), setup).await);
                    sleeper.wake();
                    assert!(sleeping.await.unwrap());
                });
                check(&world, &log);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn several_processes_at_once_each_befallen_by_anything_archive_every_record_once(
        seed in any::<u64>(),
        like_s3 in any::<bool>(),
        fates in prop::collection::vec(
            prop::collection::vec((1_u64..120, prop::sample::select(&Fate::ALL[..])), 0..6), 1..4),
        sizes in prop::collection::vec((300_u64..3000, 1_usize..30), 4),
    ) {
        let log = Arc::new(log(150, seed));
        let world = World::new(like_s3);
        runtime().block_on(several(&world, fates, &sizes, |store, setup| {
            archive(store, log.clone(), setup)
        }));
        check(&world, &log);
    }
}
