//! Every picture is in one MP4 file once, and each file begins with a key frame, whatever befalls whom at which operation.

use std::io::Cursor;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use weir_base::time::Timestamp;
use weir_client::Record;
use weir_media::record::PictureMeta;
use weir_media::synthetic::Clip;
use weir_media::{AccessUnit, Codec, container};

use super::process::{LATER, Setup, archive_as, to_its_end};
use crate::Format;
use crate::formats::tests::record;
use crate::store::memory::{Fate, World};

const SETUP: Setup = Setup {
    roll_bytes: 3000,
    batch: 5,
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// A picture as its publisher sends it.
pub(crate) fn record_of(offset: i64, unit: &AccessUnit) -> Record {
    let meta = PictureMeta {
        codec: Codec::H264,
        key: unit.key,
        pts_us: Some(unit.pts_us),
        dts_us: Some(unit.dts_us),
        codec_string: None,
        size: None,
        gop_index: None,
    };
    let headers = meta.to_headers().into_iter();
    Record {
        timestamp: Some(Timestamp(
            1_769_850_000_000 + unit.pts_us.clamp(0, 1 << 40) / 1000,
        )),
        headers: headers
            .map(|(name, value)| (name.to_owned(), Some(value.into())))
            .collect(),
        ..record(offset, &unit.data)
    }
}

/// So many pictures, four to a group, with a hole in the offsets now and then.
fn video(pictures: u32) -> Arc<Vec<Record>> {
    let clip = Clip {
        width: 64,
        height: 48,
        pictures,
        gop: 4,
        ..Clip::default()
    };
    let units = clip.h264();
    let offsets = (0..).filter(|offset| offset % 7 != 3);
    Arc::new(
        offsets
            .zip(&units)
            .map(|(offset, unit)| record_of(offset, unit))
            .collect(),
    )
}

/// The pictures of all files one behind the other; each file must begin with a key frame.
fn pictures(world: &World) -> Vec<bytes::Bytes> {
    let mut found = Vec::new();
    let mut files = world.files();
    files.retain(|path, _| path.strip_suffix(".mp4").is_some());
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|(path, _)| path.rsplit('/').next().unwrap().to_owned());
    for (path, file) in files {
        let mut reader = container::open(Cursor::new(file)).unwrap();
        let mut first = true;
        while let Some(unit) = reader.next().unwrap() {
            assert!(unit.key || !first, "{path} does not begin with a key frame");
            first = false;
            found.push(unit.data);
        }
        assert_eq!(reader.damage(), [], "{path}");
        assert!(!first, "{path} is empty");
    }
    found
}

fn check(world: &World, log: &[Record]) {
    let wanted: Vec<_> = log
        .iter()
        .map(|record| record.value.clone().unwrap())
        .collect();
    let found = pictures(world);
    assert_eq!(found.len(), wanted.len());
    assert!(
        found == wanted,
        "the pictures are others, or in another order"
    );
}

#[test]
fn a_video_is_archived_whole_in_files_that_each_begin_with_a_key_frame() {
    let world = World::new(false);
    let log = video(60);
    assert!(runtime().block_on(archive_as(
        Format::Mp4,
        world.store([]),
        log.clone(),
        SETUP,
        LATER
    )));
    check(&world, &log);
    let files = world.files();
    let files = files
        .keys()
        .filter(|path| path.strip_suffix(".mp4").is_some());
    assert!(files.count() > 3, "files are as small as was asked for");
}

#[test]
fn a_group_whose_end_has_not_come_waits_for_the_next_run() {
    let world = World::new(false);
    let log = video(30);
    let now = log.last().unwrap().timestamp.unwrap();
    assert!(runtime().block_on(archive_as(
        Format::Mp4,
        world.store([]),
        log.clone(),
        SETUP,
        now
    )));
    check(&world, &log[..28]);
    let more = video(42);
    assert!(runtime().block_on(archive_as(
        Format::Mp4,
        world.store([]),
        more.clone(),
        SETUP,
        LATER
    )));
    check(&world, &more);
}

#[test]
fn a_process_that_fails_or_is_killed_at_any_operation_leaves_no_picture_out_and_none_twice() {
    let log = video(40);
    let unharmed = World::new(false).store([]);
    assert!(runtime().block_on(archive_as(
        Format::Mp4,
        unharmed.clone(),
        log.clone(),
        SETUP,
        LATER
    )));
    for at in 1..=unharmed.operations() {
        for fate in [
            Fate::FailsBefore,
            Fate::FailsAfter,
            Fate::DiesBefore,
            Fate::DiesAfter,
        ] {
            let world = World::new(false);
            let befallen = world.store([(at, fate)]);
            if !runtime().block_on(archive_as(Format::Mp4, befallen, log.clone(), SETUP, LATER)) {
                let setup = Setup {
                    roll_bytes: 1500,
                    batch: 3,
                };
                assert!(runtime().block_on(archive_as(
                    Format::Mp4,
                    world.store([]),
                    log.clone(),
                    setup,
                    LATER
                )));
            }
            check(&world, &log);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn two_processes_at_once_each_befallen_by_anything_keep_every_picture_once(
        fates in prop::collection::vec((1_u64..80, prop::sample::select(&Fate::ALL[..])), 0..6),
        sizes in prop::collection::vec((800_u64..5000, 1_usize..30), 2),
    ) {
        let log = video(40);
        let world = World::new(false);
        runtime().block_on(async {
            let setup = |at: usize| Setup { roll_bytes: sizes[at].0, batch: sizes[at].1 };
            let store = world.store(fates);
            let befallen = tokio::spawn(archive_as(Format::Mp4, store.clone(), log.clone(), setup(0), LATER));
            assert!(archive_as(Format::Mp4, world.store([]), log.clone(), setup(1), LATER).await);
            to_its_end(store, befallen).await;
        });
        check(&world, &log);
    }
}
