//! A group read back from its records is the group that wrote them.

use super::*;
use crate::internal_topics::group_records::{GroupRecord, decode};

/// The group as its journal has it, read at the scene's time.
fn read_back(scene: &Scene) -> Scene {
    let mut read = Scene::new();
    read.now_ms = scene.now_ms;
    let now = Now {
        monotonic: Duration::from_millis(read.now_ms),
        wall_ms: 0,
    };
    for (offset, (producer, record)) in (0..).zip(&scene.journal.records) {
        match decode(record).unwrap() {
            GroupRecord::Offset {
                topic,
                partition,
                value,
                ..
            } => read
                .group
                .load_offset((topic, partition), value, *producer, offset),
            GroupRecord::Group {
                value: Some(value), ..
            } => read.group.load_metadata(value, now),
            other => panic!("{other:?}"),
        }
    }
    read
}

#[test]
fn members_go_on_in_their_generation_after_a_restart() {
    let (mut scene, ids) = Scene::stable(2);
    scene.commit(&ids[0], 1, 0, 5).unwrap();
    let mut read = read_back(&scene);
    assert_eq!(read.group.state(), GroupState::Stable);
    assert_eq!(read.group.leader(), scene.group.leader());
    assert_eq!(read.heartbeat(&ids[0], 1), Ok(()));
    assert_eq!(read.commit(&ids[1], 1, 1, 6), Ok(()));
    assert_eq!((read.committed(0), read.committed(1)), (Some(5), Some(6)));
    let sync = read.sync(&ids[1], 1, &[]);
    assert_eq!(&read.synced(sync).unwrap().assignment[..], b"work");
}

#[test]
fn members_that_stay_silent_after_a_restart_are_out_after_their_session_timeout() {
    let (scene, ids) = Scene::stable(2);
    let mut read = read_back(&scene);
    for _ in 0..3 {
        read.pass_ms(4_000);
        let _ = read.heartbeat(&ids[0], 1);
    }
    assert_eq!(
        read.group.member_ids().collect::<Vec<_>>(),
        [ids[0].as_str()]
    );
}

#[test]
fn a_generation_that_was_never_assigned_is_forgotten_and_its_members_rebalance() {
    let (mut scene, ids) = Scene::stable(1);
    let (_, newcomer) = scene.come(ask());
    scene.join(&ask().id(&ids[0]));
    assert_eq!(scene.joined(newcomer).unwrap().generation_id, 2);
    let mut read = read_back(&scene);
    assert_eq!(
        read.heartbeat(&ids[0], 2),
        Err(ResponseError::IllegalGeneration)
    );
    let call = read.join(&ask().id(&ids[0]));
    assert_eq!(read.joined(call).unwrap().generation_id, 2);
}

#[test]
fn an_empty_group_keeps_its_generation_and_its_offsets() {
    let (mut scene, ids) = Scene::stable(1);
    scene.commit(&ids[0], 1, 0, 5).unwrap();
    scene.leave(&[(&ids[0], None)]);
    let mut read = read_back(&scene);
    assert_eq!(
        (read.group.state(), read.group.generation()),
        (GroupState::Empty, 2)
    );
    assert_eq!(read.committed(0), Some(5));
    assert!(!read.group.is_simple());
    let (_, call) = read.come(ask());
    read.wait_for_generation();
    assert_eq!(read.joined(call).unwrap().generation_id, 3);
}

#[test]
fn a_static_member_is_known_by_its_instance_id_after_a_restart() {
    let mut scene = Scene::without_delay();
    let call = scene.join(&ask().instance("i1"));
    let id = scene.joined(call).unwrap().member_id.to_string();
    scene.sync_as(&id, Some("i1"), 1, &[(&id, b"work")]);
    let mut read = read_back(&scene);
    let call = read.join(&ask().instance("i1"));
    let answer = read.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert_eq!(read.group.state(), GroupState::Stable);
}

#[test]
fn an_open_transactions_offsets_are_still_pending_after_a_restart() {
    let producer = BatchProducer { id: 7, epoch: 0 };
    let mut scene = Scene::new();
    scene.commit_in(Some(producer), "", -1, 0, 5).unwrap();
    let mut read = read_back(&scene);
    assert_eq!(read.committed(0), None);
    assert!(read.group.offsets().is_pending(&("t".into(), 0)));
    read.turn(|group, _| group.complete_transaction(7, true));
    assert_eq!(read.committed(0), Some(5));
}
