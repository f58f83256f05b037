//! Static members (KIP-345).

use super::*;

/// A stable group of two static members, `i1` and `i2`, with their member ids.
fn stable() -> (Scene, [String; 2]) {
    let mut scene = Scene::new();
    let calls = ["i1", "i2"].map(|instance| scene.join(&ask().instance(instance)));
    scene.wait_for_generation();
    let ids = calls.map(|call| scene.joined(call).unwrap().member_id.to_string());
    let generation = scene.group.generation();
    let leader = scene.group.leader().unwrap().to_owned();
    let given: [(&str, &'static [u8]); 2] = [(&ids[0], b"one"), (&ids[1], b"two")];
    scene.sync(&leader, generation, &given);
    for id in ids.iter().filter(|id| **id != leader) {
        scene.sync(id, generation, &[]);
    }
    assert_eq!(scene.group.state(), GroupState::Stable);
    (scene, ids)
}

#[test]
fn a_static_member_joins_in_one_step() {
    let mut scene = Scene::without_delay();
    let call = scene.join(&ask().instance("i1"));
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert!(answer.member_id.starts_with("i1-"));
    assert_eq!(answer.members[0].group_instance_id.as_deref(), Some("i1"));
}

#[test]
fn a_static_member_that_restarts_keeps_its_assignment_and_nobody_rebalances() {
    let (mut scene, ids) = stable();
    for (instance, old) in [("i1", &ids[0]), ("i2", &ids[1])] {
        let was_leader = scene.group.leader() == Some(old);
        let call = scene.join(&ask().instance(instance));
        let answer = scene.joined(call).unwrap();
        assert_eq!((answer.error_code, answer.generation_id), (0, 1));
        assert_ne!(*answer.member_id, **old);
        assert_eq!(
            answer.skip_assignment, was_leader,
            "KIP-814: a leader need not assign anew"
        );
        assert_eq!(scene.group.state(), GroupState::Stable);
        let new = answer.member_id.to_string();
        let sync = scene.sync_as(&new, Some(instance), 1, &[]);
        let expected = if instance == "i1" { "one" } else { "two" };
        assert_eq!(
            &scene.synced(sync).unwrap().assignment[..],
            expected.as_bytes()
        );
    }
}

#[test]
fn an_older_client_that_led_is_not_told_so_after_its_restart() {
    let (mut scene, ids) = stable();
    let leader = scene.group.leader().unwrap().to_owned();
    let instance = if leader == ids[0] { "i1" } else { "i2" };
    let call = scene.join(&ask().instance(instance).version(7));
    let answer = scene.joined(call).unwrap();
    assert_eq!(*answer.leader, *leader);
    assert_ne!(answer.leader, answer.member_id);
    assert!(answer.members.is_empty() && !answer.skip_assignment);
}

#[test]
fn the_former_self_of_a_static_member_is_fenced() {
    let (mut scene, ids) = stable();
    scene.join(&ask().instance("i1"));
    let fenced = Err(ResponseError::FencedInstanceId);
    let old = ids[0].clone();
    assert_eq!(
        scene.turn(|group, turn| group.heartbeat(&old, Some("i1"), 1, turn)),
        fenced
    );
    let sync = scene.sync_as(&ids[0], Some("i1"), 1, &[]);
    assert_eq!(
        scene.synced(sync).unwrap().error_code,
        code(ResponseError::FencedInstanceId)
    );
    let join = scene.join(&ask().id(&ids[0]).instance("i1"));
    assert_eq!(
        scene.joined(join).unwrap().error_code,
        code(ResponseError::FencedInstanceId)
    );
    let codes = scene.leave(&[(&ids[0], Some("i1"))]);
    assert_eq!(codes, [code(ResponseError::FencedInstanceId)]);
}

#[test]
fn a_parked_request_of_the_former_self_is_answered_as_fenced() {
    let mut scene = Scene::new();
    let first = scene.join(&ask().instance("i1"));
    let second = scene.join(&ask().instance("i1"));
    assert_eq!(
        scene.joined(first).unwrap().error_code,
        code(ResponseError::FencedInstanceId)
    );
    scene.wait_for_generation();
    assert_eq!(scene.joined(second).unwrap().error_code, 0);
    assert_eq!(scene.group.member_ids().count(), 1);
}

#[test]
fn a_static_member_with_other_protocols_makes_the_group_rebalance_if_the_choice_changes() {
    let mut scene = Scene::without_delay();
    let both = ask()
        .instance("i1")
        .protocols(&[("range", 1), ("sticky", 1)]);
    let call = scene.join(&both);
    let id = scene.joined(call).unwrap().member_id.to_string();
    scene.settle(&[id]);
    let call = scene.join(&ask().instance("i1").protocols(&[("sticky", 1)]));
    assert_eq!(scene.joined(call).unwrap().generation_id, 2);
}

#[test]
fn a_restart_while_assignments_are_awaited_rebalances() {
    let mut scene = Scene::without_delay();
    scene.join(&ask().instance("i1"));
    assert_eq!(scene.group.state(), GroupState::CompletingRebalance);
    let call = scene.join(&ask().instance("i1"));
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
}

#[test]
fn a_static_member_that_does_not_join_again_keeps_its_place_until_its_session_ends() {
    let (mut scene, ids) = stable();
    let mut once = ask().instance("i1").id(&ids[0]);
    once.protocols = vec![("range", vec![9])];
    once.rebalance_timeout_ms = 1_000;
    scene
        .group
        .members
        .get_mut(&ids[1])
        .unwrap()
        .rebalance_timeout_ms = 1_000;
    let call = scene.join(&once);
    scene.pass_ms(1_001);
    let answer = scene.joined(call).unwrap();
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
    assert_eq!(scene.group.member_ids().count(), 2);
}

#[test]
fn an_administrator_puts_a_static_member_out_by_its_instance_id() {
    let (mut scene, _) = stable();
    assert_eq!(scene.leave(&[("", Some("i1"))]), [0]);
    assert_eq!(scene.group.member_ids().count(), 1);
    assert_eq!(
        scene.leave(&[("", Some("i1")), ("", None)]),
        [code(ResponseError::UnknownMemberId); 2]
    );
}

#[test]
fn a_static_member_stays_what_it_was_if_its_return_cannot_be_written_down() {
    let (mut scene, ids) = stable();
    scene.journal.refuse = Some(ResponseError::CoordinatorNotAvailable);
    let call = scene.join(&ask().instance("i1"));
    assert_eq!(
        scene.joined(call).unwrap().error_code,
        code(ResponseError::CoordinatorNotAvailable)
    );
    let old = ids[0].clone();
    assert_eq!(
        scene.turn(|group, turn| group.heartbeat(&old, Some("i1"), 1, turn)),
        Ok(())
    );
}
