//! Committed offsets, with and without transactions, and their end.

use super::*;

const PRODUCER: BatchProducer = BatchProducer { id: 7, epoch: 0 };

#[test]
fn a_member_commits_in_its_generation_only() {
    let (mut scene, ids) = Scene::stable(1);
    assert_eq!(scene.commit(&ids[0], 1, 0, 5), Ok(()));
    assert_eq!(scene.committed(0), Some(5));
    let wrong = [
        (ids[0].as_str(), 0, ResponseError::IllegalGeneration),
        (ids[0].as_str(), 2, ResponseError::IllegalGeneration),
        ("nobody", 1, ResponseError::UnknownMemberId),
        ("", -1, ResponseError::UnknownMemberId),
        ("", 1, ResponseError::UnknownMemberId),
    ];
    for (id, generation, error) in wrong {
        assert_eq!(
            scene.commit(id, generation, 0, 9),
            Err(error),
            "{id} {generation}"
        );
    }
    assert_eq!(scene.committed(0), Some(5));
}

#[test]
fn a_simple_consumer_commits_to_a_group_without_members() {
    let mut scene = Scene::new();
    assert_eq!(scene.commit("", -1, 0, 5), Ok(()));
    assert!(scene.group.is_simple());
    assert_eq!(scene.committed(0), Some(5));
}

#[test]
fn commits_wait_until_assignments_are_out_but_not_until_everyone_has_joined() {
    let (mut scene, ids) = Scene::stable(2);
    let (_, newcomer) = scene.come(ask());
    assert_eq!(scene.commit(&ids[0], 1, 0, 5), Ok(()));
    scene.join(&ask().id(&ids[0]));
    scene.join(&ask().id(&ids[1]));
    assert!(scene.joined(newcomer).is_some());
    assert_eq!(
        scene.commit(&ids[0], 2, 0, 6),
        Err(ResponseError::RebalanceInProgress)
    );
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let (mut scene, ids) = Scene::stable(1);
    for offset in 0..5 {
        scene.pass_ms(9_000);
        assert_eq!(scene.commit(&ids[0], 1, 0, offset), Ok(()));
    }
}

#[test]
fn a_commit_that_cannot_be_written_down_did_not_happen() {
    let mut scene = Scene::new();
    scene.commit("", -1, 0, 5).unwrap();
    scene.journal.refuse = Some(ResponseError::CoordinatorNotAvailable);
    assert_eq!(
        scene.commit("", -1, 0, 6),
        Err(ResponseError::CoordinatorNotAvailable)
    );
    scene.journal.refuse = Some(ResponseError::MessageTooLarge);
    assert_eq!(
        scene.commit("", -1, 0, 6),
        Err(ResponseError::InvalidCommitOffsetSize)
    );
    assert_eq!(scene.committed(0), Some(5));
}

#[test]
fn a_text_that_is_too_long_refuses_its_partition_alone() {
    let mut scene = Scene::new();
    let committer = Committer {
        member_id: "",
        instance_id: None,
        generation: -1,
        producer: None,
    };
    let commit = |partition, len| Commit {
        partition: ("t".into(), partition),
        offset: 1,
        leader_epoch: -1,
        metadata: "x".repeat(len),
    };
    let commits = [commit(0, 4096), commit(1, 4097), commit(2, 0)];
    let results = scene
        .turn(|group, turn| group.commit(&committer, &commits, None, turn))
        .unwrap();
    assert_eq!(
        results,
        [Ok(()), Err(ResponseError::OffsetMetadataTooLarge), Ok(())]
    );
    assert_eq!(
        (scene.committed(0), scene.committed(1), scene.committed(2)),
        (Some(1), None, Some(1))
    );
}

#[test]
fn a_transactions_offsets_are_seen_when_it_commits_and_never_when_it_aborts() {
    for commit in [true, false] {
        let mut scene = Scene::new();
        scene.commit("", -1, 0, 5).unwrap();
        scene.commit_in(Some(PRODUCER), "", -1, 0, 9).unwrap();
        assert_eq!(scene.committed(0), Some(5));
        assert!(scene.group.offsets().is_pending(&("t".into(), 0)));
        scene.turn(|group, _| group.complete_transaction(PRODUCER.id, commit));
        assert!(!scene.group.offsets().is_pending(&("t".into(), 0)));
        assert_eq!(scene.committed(0), Some(if commit { 9 } else { 5 }));
    }
}

#[test]
fn a_plain_commit_after_a_transactions_stands_when_that_ends() {
    let mut scene = Scene::new();
    scene.commit_in(Some(PRODUCER), "", -1, 0, 5).unwrap();
    scene.commit("", -1, 0, 9).unwrap();
    scene.turn(|group, _| group.complete_transaction(PRODUCER.id, true));
    assert_eq!(scene.committed(0), Some(9));
}

#[test]
fn a_transaction_of_a_fenced_generation_cannot_commit_offsets() {
    let (mut scene, ids) = Scene::stable(1);
    assert_eq!(
        scene.commit_in(Some(PRODUCER), &ids[0], 0, 0, 5),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(
        scene.commit_in(Some(PRODUCER), "nobody", 1, 0, 5),
        Err(ResponseError::UnknownMemberId)
    );
    // Producers from before KIP-447 do not say which generation they are in.
    assert_eq!(scene.commit_in(Some(PRODUCER), "", -1, 0, 5), Ok(()));
}

#[test]
fn offsets_outlive_their_groups_last_member_by_the_retention_time() {
    let (mut scene, ids) = Scene::stable(1);
    scene.commit(&ids[0], 1, 0, 5).unwrap();
    let week_ms = 7 * 24 * 60 * 60 * 1_000;
    scene
        .group
        .members
        .get_mut(&ids[0])
        .unwrap()
        .heartbeat_deadline = None;
    scene.group.wake_at = None;
    scene.now_ms += 2 * week_ms;
    scene.turn(Group::expire).unwrap();
    assert_eq!(scene.committed(0), Some(5), "not while members live");
    scene.leave(&[(&ids[0], None)]);
    scene.now_ms += week_ms - 1;
    scene.turn(Group::expire).unwrap();
    assert_eq!(scene.committed(0), Some(5));
    scene.now_ms += 1;
    scene.turn(Group::expire).unwrap();
    assert_eq!(scene.committed(0), None);
    assert_eq!(
        scene.group.state(),
        GroupState::Dead,
        "nothing is left of the group"
    );
}

#[test]
fn a_simple_consumers_offsets_end_the_retention_time_after_each_commit() {
    let mut scene = Scene::new();
    scene.commit("", -1, 0, 5).unwrap();
    scene.now_ms += 6 * 24 * 60 * 60 * 1_000;
    scene.commit("", -1, 1, 5).unwrap();
    scene.now_ms += 24 * 60 * 60 * 1_000;
    scene.turn(Group::expire).unwrap();
    assert_eq!((scene.committed(0), scene.committed(1)), (None, Some(5)));
}

#[test]
fn offsets_of_an_open_transaction_do_not_expire() {
    let mut scene = Scene::new();
    scene.commit("", -1, 0, 5).unwrap();
    scene.commit_in(Some(PRODUCER), "", -1, 0, 6).unwrap();
    scene.now_ms += 30 * 24 * 60 * 60 * 1_000;
    scene.turn(Group::expire).unwrap();
    assert_eq!(scene.committed(0), Some(5));
}

#[test]
fn offsets_of_a_topic_that_members_read_cannot_be_deleted() {
    let mut scene = Scene::without_delay();
    // ConsumerProtocolSubscription v0: version, one topic "t", no user data.
    let mut reads_t = ask();
    reads_t.protocols = vec![(
        "range",
        vec![0, 0, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255],
    )];
    let (id, _) = scene.come(reads_t);
    scene.settle(std::slice::from_ref(&id));
    scene.commit(&id, 1, 0, 5).unwrap();
    let partitions = [("t".to_owned(), 0), ("other".to_owned(), 0)];
    let results = scene
        .turn(|group, turn| group.delete_offsets(&partitions, turn))
        .unwrap();
    assert_eq!(
        results,
        [Err(ResponseError::GroupSubscribedToTopic), Ok(())]
    );
    scene.leave(&[(&id, None)]);
    let results = scene
        .turn(|group, turn| group.delete_offsets(&partitions, turn))
        .unwrap();
    assert_eq!(results, [Ok(()), Ok(())]);
    assert_eq!(scene.committed(0), None);
}
