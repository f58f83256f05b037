//! Every record is in a single file once, in its partition's order, whatever befalls whom at which operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use weir_client::Record;

use super::process::{Logs, Setup, archive_to_one, log, several};
use crate::claim::KEPT;
use crate::store::memory::{Fate, World};

const SETUP: Setup = Setup {
    roll_bytes: 600,
    batch: 7,
};
const FILE: &str = "topics/t.jsonl";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn worlds() -> [World; 2] {
    [World::new(false), World::like_hdfs()]
}

/// Logs of so many partitions.
fn logs(partitions: i32, len: i64, dice: u64) -> Arc<Logs> {
    let of = |partition: i32| {
        let records = log(len, dice.wrapping_add(partition.unsigned_abs().into()));
        let records = records.into_iter().map(|record| Record {
            partition,
            ..record
        });
        Arc::new(records.collect::<Vec<_>>())
    };
    Arc::new((0..partitions).map(of).collect())
}

/// Panics unless the file holds each record once, whole, and those of a partition in their order.
fn check(world: &World, logs: &Logs) {
    let files = world.files();
    let content = std::str::from_utf8(&files[FILE]).unwrap();
    assert!(content.ends_with('\n'), "the last line is cut short");
    let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for line in content.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let of = |name: &str| line[name].as_i64().unwrap();
        found.entry(of("partition")).or_default().push(of("offset"));
    }
    for (partition, log) in (0..).zip(logs) {
        let offsets: Vec<i64> = log.iter().map(|record| record.offset).collect();
        assert_eq!(found.remove(&partition), Some(offsets), "{partition}");
    }
    assert!(found.is_empty(), "nobody wrote {found:?}");
    let other = |path: &&String| *path != FILE && !path.contains("/_weir/jsonl/single/");
    assert_eq!(files.keys().find(other), None);
}

#[test]
fn all_partitions_are_in_one_file_and_a_second_run_finds_it_done() {
    for world in worlds() {
        let logs = logs(3, 200, 1);
        assert!(runtime().block_on(archive_to_one(world.store([]), logs.clone(), SETUP)));
        check(&world, &logs);
        let before = world.files();
        let claims = before
            .keys()
            .filter(|path| path.contains(".json") && *path != FILE);
        assert_eq!(claims.count(), KEPT, "old claims are removed");
        assert!(
            !before.keys().any(|path| path.contains("/tmp/")),
            "{before:?}"
        );
        assert!(runtime().block_on(archive_to_one(world.store([]), logs, SETUP)));
        assert_eq!(world.files(), before);
    }
}

#[test]
fn a_file_that_is_gone_on_with_keeps_what_it_has_and_gets_the_rest() {
    for world in worlds() {
        let logs = logs(2, 200, 5);
        let first: Logs = logs
            .iter()
            .map(|log| Arc::new(log[..log.len() / 3].to_vec()))
            .collect();
        let first = Arc::new(first);
        assert!(runtime().block_on(archive_to_one(world.store([]), first.clone(), SETUP)));
        check(&world, &first);
        let before = world.files()[FILE].clone();
        assert!(runtime().block_on(archive_to_one(world.store([]), logs.clone(), SETUP)));
        check(&world, &logs);
        assert!(world.files()[FILE].starts_with(&before));
    }
}

#[test]
fn a_process_that_fails_or_is_killed_at_any_operation_leaves_nothing_out_and_nothing_twice_or_torn()
{
    for world in [|| World::new(false), World::like_hdfs] {
        let logs = logs(2, 40, 2);
        let unharmed = world().store([]);
        assert!(runtime().block_on(archive_to_one(unharmed.clone(), logs.clone(), SETUP)));
        for at in 1..=unharmed.operations() {
            for fate in [
                Fate::FailsBefore,
                Fate::FailsAfter,
                Fate::DiesBefore,
                Fate::DiesAfter,
            ] {
                let world = world();
                let befallen = world.store([(at, fate)]);
                let lived = runtime().block_on(archive_to_one(befallen, logs.clone(), SETUP));
                if !lived {
                    // The next one is started with another size of pieces.
                    let setup = Setup {
                        roll_bytes: 300,
                        batch: 3,
                    };
                    assert!(runtime().block_on(archive_to_one(
                        world.store([]),
                        logs.clone(),
                        setup
                    )));
                }
                check(&world, &logs);
            }
        }
    }
}

#[test]
fn a_file_that_somebody_else_changed_is_left_alone_and_that_is_said() {
    for world in worlds() {
        let logs = logs(1, 60, 4);
        let keeper = world.store([]);
        assert!(runtime().block_on(archive_to_one(keeper, logs, SETUP)));
        let whole = world.files()[FILE].clone();
        for changed in [whole.slice(..whole.len() - 1), {
            let longer = [&whole[..], b"mine\n"].concat();
            longer.into()
        }] {
            world.put(FILE, changed.clone());
            let said = runtime().block_on(super::process::look(&world.store([])));
            let said = said.unwrap_err().to_string();
            assert!(said.contains("changed by somebody else"), "{said}");
            assert!(said.contains(&format!("{} bytes", changed.len())), "{said}");
            assert_eq!(world.files()[FILE], changed);
        }
    }
}

#[test]
fn a_file_of_another_program_is_left_alone_and_that_is_said() {
    for world in worlds() {
        world.put(FILE, "mine\n".into());
        let said = runtime().block_on(super::process::look(&world.store([])));
        let said = said.unwrap_err().to_string();
        assert!(said.contains("is there already"), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn several_processes_at_once_each_befallen_by_anything_write_every_record_once(
        seed in any::<u64>(),
        like_hdfs in any::<bool>(),
        fates in prop::collection::vec(
            prop::collection::vec((1_u64..150, prop::sample::select(&Fate::ALL[..])), 0..6), 1..4),
        sizes in prop::collection::vec((200_u64..2000, 1_usize..30), 4),
    ) {
        let logs = logs(3, 50, seed);
        let world = if like_hdfs { World::like_hdfs() } else { World::new(false) };
        runtime().block_on(several(&world, fates, &sizes, |store, setup| {
            archive_to_one(store, logs.clone(), setup)
        }));
        check(&world, &logs);
    }
}
