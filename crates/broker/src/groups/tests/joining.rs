//! `JoinGroup`, `SyncGroup` and heartbeats of dynamic members.

use super::*;

#[test]
fn a_new_member_is_given_an_id_and_must_come_back_with_it() {
    let mut scene = Scene::new();
    let call = scene.join(&ask());
    let answer = scene.joined(call).unwrap();
    assert_eq!(answer.error_code, code(ResponseError::MemberIdRequired));
    assert!(answer.member_id.starts_with("client-"));
    assert!(
        scene.group.member_ids().next().is_none(),
        "an id alone is no membership"
    );
}

#[test]
fn a_client_from_before_kip_394_joins_in_one_step() {
    let mut scene = Scene::without_delay();
    let call = scene.join(&ask().version(3));
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert_eq!(answer.leader, answer.member_id);
}

#[test]
fn an_id_nobody_comes_back_with_is_forgotten_after_its_session_timeout() {
    let mut scene = Scene::new();
    let call = scene.join(&ask());
    let id = scene.joined(call).unwrap().member_id.to_string();
    scene.pass_ms(10_001);
    assert!(scene.group.is_blank());
    let call = scene.join(&ask().id(&id));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::UnknownMemberId)
    );
}

#[test]
fn the_first_generation_waits_for_more_members_as_long_as_they_keep_coming() {
    let mut scene = Scene::new();
    let (_, first) = scene.come(ask());
    scene.pass_ms(2_000);
    let (_, second) = scene.come(ask());
    scene.pass_ms(2_000);
    assert!(
        scene.joined(first).is_none(),
        "the second member's arrival extends the delay of 3 s"
    );
    scene.pass_ms(2_001);
    let (first, second) = (scene.joined(first).unwrap(), scene.joined(second).unwrap());
    assert_eq!((first.generation_id, second.generation_id), (1, 1));
    assert_eq!(first.leader, second.leader);
    let (leader, follower) = if first.leader == first.member_id {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
}

#[test]
fn the_initial_delay_ends_with_the_rebalance_timeout_at_the_latest() {
    let mut scene = Scene::new();
    let mut patient = ask();
    patient.rebalance_timeout_ms = 5_000;
    let (_, first) = scene.come(patient.clone());
    for _ in 0..4 {
        scene.pass_ms(1_500);
        scene.come(patient.clone());
    }
    assert_eq!(scene.joined(first).unwrap().generation_id, 1);
}

#[test]
fn without_a_delay_the_first_generation_begins_at_once() {
    let mut scene = Scene::without_delay();
    let (id, call) = scene.come(ask());
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert_eq!(answer.protocol_name.as_deref(), Some("range"));
    assert_eq!(*answer.member_id, *id);
}

#[test]
fn the_leaders_assignment_reaches_everyone_and_is_written_down_first() {
    let mut scene = Scene::new();
    let (a, _) = scene.come(ask());
    let (b, _) = scene.come(ask());
    scene.wait_for_generation();
    let leader = scene.group.leader().unwrap().to_owned();
    let follower = if leader == a { &b } else { &a };
    let waiting = scene.sync(follower, 1, &[]);
    assert!(scene.synced(waiting).is_none());
    let records = scene.journal.records.len();
    let given: [(&str, &'static [u8]); 2] = [(&a, b"A"), (&b, b"B")];
    let led = scene.sync(&leader, 1, &given);
    assert_eq!(scene.journal.records.len(), records + 1);
    let expected = |id: &str| if id == a { &b"A"[..] } else { b"B" };
    assert_eq!(
        &scene.synced(led).unwrap().assignment[..],
        expected(&leader)
    );
    assert_eq!(
        &scene.synced(waiting).unwrap().assignment[..],
        expected(follower)
    );
    assert_eq!(scene.group.state(), GroupState::Stable);
}

#[test]
fn an_assignment_that_cannot_be_written_down_makes_the_group_rebalance() {
    let mut scene = Scene::without_delay();
    let (id, _) = scene.come(ask());
    scene.journal.refuse = Some(ResponseError::CoordinatorNotAvailable);
    let call = scene.sync(&id, 1, &[(&id, b"A")]);
    assert_eq!(
        scene.synced(call).unwrap().error_code,
        code(ResponseError::CoordinatorNotAvailable)
    );
    assert_eq!(scene.group.state(), GroupState::PreparingRebalance);
    scene.journal.refuse = None;
    let call = scene.join(&ask().id(&id));
    assert_eq!(scene.joined(call).unwrap().generation_id, 2);
}

#[test]
fn a_member_the_leader_forgot_gets_an_empty_assignment() {
    let mut scene = Scene::without_delay();
    let (id, _) = scene.come(ask());
    let call = scene.sync(&id, 1, &[("somebody else", b"A")]);
    let answer = scene.synced(call).unwrap();
    assert_eq!((answer.error_code, answer.assignment.len()), (0, 0));
}

#[test]
fn a_newcomer_makes_the_others_join_again_which_their_heartbeats_tell_them() {
    let (mut scene, ids) = Scene::stable(2);
    assert_eq!(scene.heartbeat(&ids[0], 1), Ok(()));
    let (_, newcomer) = scene.come(ask());
    assert_eq!(
        scene.heartbeat(&ids[0], 1),
        Err(ResponseError::RebalanceInProgress)
    );
    let sync = scene.sync(&ids[0], 1, &[]);
    assert_eq!(
        scene.synced(sync).unwrap().error_code,
        code(ResponseError::RebalanceInProgress)
    );
    let first = scene.join(&ask().id(&ids[0]));
    assert!(scene.joined(newcomer).is_none());
    let second = scene.join(&ask().id(&ids[1]));
    for call in [newcomer, first, second] {
        let answer = scene.joined(call).unwrap();
        assert_eq!((answer.error_code, answer.generation_id), (0, 2));
    }
    assert_eq!(
        scene.heartbeat(&ids[0], 1),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(
        scene.heartbeat("nobody", 2),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn members_that_do_not_join_again_in_time_are_out_of_the_next_generation() {
    let (mut scene, ids) = Scene::stable(2);
    let again = scene.join(&ask().id(&ids[0]).protocols(&[("range", 2)]));
    for _ in 0..12 {
        scene.pass_ms(5_000);
        let _ = scene.heartbeat(&ids[1], 1);
    }
    let answer = scene.joined(again).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
    assert_eq!(
        scene.group.member_ids().collect::<Vec<_>>(),
        [ids[0].as_str()]
    );
}

#[test]
fn a_member_that_sends_no_heartbeat_for_its_session_timeout_is_out() {
    let (mut scene, ids) = Scene::stable(2);
    for _ in 0..3 {
        scene.pass_ms(4_000);
        let _ = scene.heartbeat(&ids[0], 1);
    }
    assert_eq!(
        scene.group.member_ids().collect::<Vec<_>>(),
        [ids[0].as_str()]
    );
    assert_eq!(
        scene.heartbeat(&ids[0], 1),
        Err(ResponseError::RebalanceInProgress)
    );
}

#[test]
fn a_parked_member_needs_no_heartbeat() {
    let (mut scene, ids) = Scene::stable(2);
    let parked = scene.join(&ask().id(&ids[0]).protocols(&[("range", 2)]));
    for _ in 0..10 {
        scene.pass_ms(4_000);
        let _ = scene.heartbeat(&ids[1], 1);
    }
    assert!(scene.joined(parked).is_none());
    let last = scene.join(&ask().id(&ids[1]));
    assert_eq!(scene.joined(last).unwrap().generation_id, 2);
    assert_eq!(scene.joined(parked).unwrap().generation_id, 2);
}

#[test]
fn members_that_never_ask_for_their_assignment_are_out_after_the_rebalance_timeout() {
    let mut scene = Scene::new();
    let (a, _) = scene.come(ask());
    let (b, _) = scene.come(ask());
    scene.wait_for_generation();
    let leader = scene.group.leader().unwrap().to_owned();
    let other = if leader == a { b } else { a };
    let waiting = scene.sync(&other, 1, &[]);
    for _ in 0..13 {
        scene.pass_ms(5_000);
        let _ = scene.heartbeat(&leader, 1);
    }
    assert_eq!(
        scene.synced(waiting).unwrap().error_code,
        code(ResponseError::RebalanceInProgress)
    );
    assert!(!scene.group.member_ids().any(|id| id == leader));
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_its_generation_back() {
    let (mut scene, ids) = Scene::stable(2);
    let leader = scene.group.leader().unwrap().to_owned();
    let follower = ids.iter().find(|id| **id != leader).unwrap().clone();
    let call = scene.join(&ask().id(&follower));
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert_eq!(scene.group.state(), GroupState::Stable);
    let again = scene.sync(&follower, 1, &[]);
    assert_eq!(&scene.synced(again).unwrap().assignment[..], b"work");
}

#[test]
fn a_leader_that_joins_again_starts_a_rebalance() {
    let (mut scene, _) = Scene::stable(2);
    let leader = scene.group.leader().unwrap().to_owned();
    scene.join(&ask().id(&leader));
    assert_eq!(scene.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn another_member_leads_when_the_leader_does_not_join_in_time() {
    let (mut scene, ids) = Scene::stable(2);
    let leader = scene.group.leader().unwrap().to_owned();
    let follower = ids.iter().find(|id| **id != leader).unwrap().clone();
    let call = scene.join(&ask().id(&follower).protocols(&[("range", 2)]));
    scene.wait_for_generation();
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
    assert_eq!(*answer.leader, *follower);
    assert_eq!(answer.members.len(), 1);
}

#[test]
fn the_protocol_most_members_prefer_among_those_all_support_is_chosen() {
    let mut scene = Scene::new();
    let (_, a) = scene.come(ask().protocols(&[("range", 1), ("sticky", 1), ("own", 1)]));
    let (_, b) = scene.come(ask().protocols(&[("sticky", 2), ("range", 2)]));
    let (_, c) = scene.come(ask().protocols(&[("sticky", 3), ("range", 3)]));
    scene.wait_for_generation();
    for call in [a, b, c] {
        assert_eq!(
            scene.joined(call).unwrap().protocol_name.as_deref(),
            Some("sticky")
        );
    }
}

#[test]
fn a_member_that_shares_no_protocol_with_the_group_is_refused() {
    let (mut scene, _) = Scene::stable(1);
    let call = scene.join(&ask().protocols(&[("other", 1)]));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::InconsistentGroupProtocol)
    );
    let call = scene.join(&ask().protocols(&[]));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::InconsistentGroupProtocol)
    );
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut scene = Scene::with(GroupSettings {
        max_size: 1,
        initial_rebalance_delay_ms: 0,
        ..GroupSettings::default()
    });
    let (id, _) = scene.come(ask());
    scene.settle(std::slice::from_ref(&id));
    let call = scene.join(&ask());
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::GroupMaxSizeReached)
    );
    let call = scene.join(&ask().id(&id));
    assert_eq!(scene.joined(call).unwrap().error_code, 0);
}

#[test]
fn a_second_join_of_the_same_member_answers_the_first() {
    let mut scene = Scene::new();
    let (id, first) = scene.come(ask());
    let second = scene.join(&ask().id(&id));
    assert_eq!(
        scene.joined(first).unwrap().error_code,
        code(ResponseError::RebalanceInProgress)
    );
    scene.wait_for_generation();
    assert_eq!(scene.joined(second).unwrap().error_code, 0);
}

#[test]
fn names_of_hostile_length_are_refused() {
    let mut scene = Scene::new();
    let call = scene.join(&ask().instance(&"x".repeat(100_000)));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::InvalidRequest)
    );
    let call = scene.join(&ask().id(&"x".repeat(100_000)));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::InvalidRequest)
    );
    assert!(scene.group.is_blank());
}

#[test]
fn timeouts_of_hostile_size_harm_nobody() {
    for (session, rebalance) in [(i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (0, 0), (-1, 1)] {
        let mut scene = Scene::without_delay();
        let mut hostile = ask().version(0);
        hostile.session_timeout_ms = session;
        hostile.rebalance_timeout_ms = rebalance;
        scene.join(&hostile);
        scene.pass_ms(1_000);
    }
}
