//! `LeaveGroup`, and what is left when everyone has gone.

use super::*;
use crate::internal_topics::group_records::{GroupRecord, decode};

#[test]
fn the_others_rebalance_when_one_leaves() {
    let (mut scene, ids) = Scene::stable(2);
    assert_eq!(scene.leave(&[(&ids[0], None)]), [0]);
    assert_eq!(
        scene.heartbeat(&ids[1], 1),
        Err(ResponseError::RebalanceInProgress)
    );
    let call = scene.join(&ask().id(&ids[1]));
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.generation_id, answer.members.len()), (2, 1));
    assert_eq!(*answer.leader, *ids[1]);
}

#[test]
fn a_group_whose_last_member_leaves_is_empty_and_written_down_so() {
    let (mut scene, ids) = Scene::stable(1);
    assert_eq!(scene.leave(&[(&ids[0], None)]), [0]);
    assert_eq!(scene.group.state(), GroupState::Empty);
    assert_eq!(scene.group.generation(), 2);
    let (_, last) = scene.journal.records.last().unwrap();
    let Ok(GroupRecord::Group {
        value: Some(value), ..
    }) = decode(last)
    else {
        panic!("the last record is not the group's");
    };
    assert!(value.members.is_empty());
    assert_eq!(value.protocol, None);
}

#[test]
fn several_leave_at_once_and_each_is_answered_for() {
    let (mut scene, ids) = Scene::stable(3);
    let codes = scene.leave(&[(&ids[0], None), ("nobody", None), (&ids[2], None)]);
    assert_eq!(codes, [0, code(ResponseError::UnknownMemberId), 0]);
    assert_eq!(
        scene.group.member_ids().collect::<Vec<_>>(),
        [ids[1].as_str()]
    );
}

#[test]
fn a_member_that_was_only_given_an_id_may_leave() {
    let mut scene = Scene::new();
    let call = scene.join(&ask());
    let id = scene.joined(call).unwrap().member_id.to_string();
    assert_eq!(scene.leave(&[(&id, None)]), [0]);
    assert!(scene.group.is_blank());
}

#[test]
fn the_join_phase_ends_when_the_one_it_waited_for_leaves() {
    let (mut scene, ids) = Scene::stable(2);
    let waiting = scene.join(&ask().id(&ids[0]).protocols(&[("range", 2)]));
    assert!(scene.joined(waiting).is_none());
    scene.leave(&[(&ids[1], None)]);
    assert_eq!(scene.joined(waiting).unwrap().generation_id, 2);
}

#[test]
fn a_parked_request_of_one_who_is_put_out_is_answered() {
    let mut scene = Scene::new();
    let (id, join) = scene.come(ask());
    scene.leave(&[(&id, None)]);
    assert_eq!(
        scene.joined(join).unwrap().error_code,
        code(ResponseError::UnknownMemberId)
    );

    let (mut scene, ids) = Scene::stable(2);
    let leader = scene.group.leader().unwrap().to_owned();
    let follower = ids.iter().find(|id| **id != leader).unwrap().clone();
    scene.join(&ask().id(&leader));
    scene.join(&ask().id(&follower));
    let sync = scene.sync(&follower, 2, &[]);
    scene.leave(&[(&follower, None)]);
    assert_eq!(
        scene.synced(sync).unwrap().error_code,
        code(ResponseError::UnknownMemberId)
    );
}

#[test]
fn only_an_empty_group_can_be_deleted() {
    let (mut scene, ids) = Scene::stable(1);
    assert_eq!(scene.turn(Group::delete), Err(ResponseError::NonEmptyGroup));
    scene.commit(&ids[0], 1, 0, 5).unwrap();
    scene.leave(&[(&ids[0], None)]);
    let before = scene.journal.records.len();
    assert_eq!(scene.turn(Group::delete), Ok(()));
    assert_eq!(scene.group.state(), GroupState::Dead);
    let tombstones = &scene.journal.records[before..];
    assert_eq!(tombstones.len(), 2, "the offset's and the group's");
    assert!(tombstones.iter().all(|(_, record)| record.value.is_none()));
}
