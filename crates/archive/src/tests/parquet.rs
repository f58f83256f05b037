//! Every record is a row of one Parquet file once, though its rows are made aside, on threads that may block.

use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor as _;
use tokio::runtime::Builder;

use super::process::{LATER, Setup, archive_as, log};
use crate::Format;
use crate::store::memory::{Fate, World};

const SETUP: Setup = Setup {
    roll_bytes: 9000,
    batch: 7,
};

/// The offsets of all rows of all files, in order.
fn offsets(world: &World) -> Vec<i64> {
    let mut found = Vec::new();
    for (path, content) in world.files() {
        if path.strip_suffix(".parquet").is_some() {
            let file = SerializedFileReader::new(content).unwrap();
            for row in file.get_row_iter(None).unwrap() {
                found.push(row.unwrap().get_long(0).unwrap());
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn a_process_that_fails_or_is_killed_at_any_operation_leaves_no_row_out_and_none_twice() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let log = Arc::new(log(150, 6));
    let wanted: Vec<i64> = log.iter().map(|record| record.offset).collect();
    let run = |world: &World, fate: Option<(u64, Fate)>| {
        let store = world.store(fate);
        let lived = archive_as(Format::Parquet, store.clone(), log.clone(), SETUP, LATER);
        (runtime.block_on(lived), store.operations())
    };
    let world = World::new(false);
    let (lived, operations) = run(&world, None);
    assert!(lived);
    assert_eq!(offsets(&world), wanted);
    for at in 1..=operations {
        for fate in [
            Fate::FailsBefore,
            Fate::FailsAfter,
            Fate::DiesBefore,
            Fate::DiesAfter,
        ] {
            let world = World::new(false);
            if !run(&world, Some((at, fate))).0 {
                assert!(run(&world, None).0);
            }
            assert_eq!(offsets(&world), wanted, "{fate:?} at {at}");
        }
    }
}
