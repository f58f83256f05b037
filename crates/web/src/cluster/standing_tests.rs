//! Two looks, and what is said of the difference.

use super::*;
use weir_client::PartitionInfo;

/// Topic, partition, leader, replicas, in sync.
type Row = (
    &'static str,
    i32,
    Option<i32>,
    &'static [i32],
    &'static [i32],
);

fn look(at_ms: i64, brokers: &[i32], rows: &[Row]) -> Look {
    let mut topics: Vec<TopicInfo> = Vec::new();
    for (name, id, leader, replicas, isr) in rows {
        let partition = PartitionInfo {
            id: *id,
            leader: *leader,
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
        };
        match topics.last_mut().filter(|topic| topic.name == *name) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(TopicInfo {
                name: (*name).to_owned(),
                internal: name.starts_with("__"),
                partitions: vec![partition],
            }),
        }
    }
    Look {
        at_ms,
        cluster: ClusterInfo {
            id: Some("C".to_owned()),
            brokers: brokers
                .iter()
                .map(|id| BrokerInfo {
                    id: *id,
                    address: format!("host:{id}"),
                })
                .collect(),
            topics,
        },
        silent: BTreeMap::new(),
        controller: Some(Controller::Node(1)),
    }
}

fn silent(mut look: Look, id: i32) -> Look {
    look.silent
        .insert(id, format!("nobody listens at host:{id}"));
    look
}

fn led_by(mut look: Look, controller: Controller) -> Look {
    look.controller = Some(controller);
    look
}

/// What is said of a second look.
fn said(first: Look, second: Look) -> Vec<String> {
    all(&[first, second])
}

/// Oldest first.
fn all(looks: &[Look]) -> Vec<String> {
    let mut standing = Standing::default();
    for look in looks {
        standing.look(look.clone());
    }
    texts(&standing)
}

fn texts(standing: &Standing) -> Vec<String> {
    let events = standing.show(0, false).events;
    events.into_iter().rev().map(|event| event.text).collect()
}

const ALL: &[i32] = &[1, 2, 3];

#[test]
fn the_first_look_and_one_like_it_tell_nothing() {
    let one = look(0, ALL, &[("video", 0, Some(2), ALL, ALL)]);
    assert_eq!(said(one.clone(), Look { at_ms: 1, ..one }), [""; 0]);
}

#[test]
fn a_broker_that_dies_is_silent_then_gone_and_its_partitions_move() {
    let fine = look(0, ALL, &[("video", 0, Some(2), ALL, ALL)]);
    let dead = silent(look(1_000, ALL, &[("video", 0, Some(2), ALL, ALL)]), 2);
    let moved = look(10_000, &[1, 3], &[("video", 0, Some(3), ALL, &[1, 3])]);
    let back = look(31_000, ALL, &[("video", 0, Some(3), ALL, &[1, 3])]);
    let whole = look(33_000, ALL, &[("video", 0, Some(3), ALL, ALL)]);
    assert_eq!(
        all(&[fine, dead, moved, back, whole]),
        [
            "broker 2 does not answer (nobody listens at host:2); Kafka counts on it until its session ends",
            "broker 2 is gone",
            "video/0: leader 2 → 3",
            "video/0: broker 2 is out of sync, 2 of 3 in sync",
            "broker 2 is back after 30 s",
            "video/0: broker 2 is back in sync, 3 of 3 in sync",
        ]
    );
}

#[test]
fn a_broker_that_answers_again_before_it_counts_as_gone_is_back() {
    let fine = look(0, ALL, &[]);
    let dead = silent(look(1_000, ALL, &[]), 2);
    let back = look(5_000, ALL, &[]);
    let said = all(&[fine, dead.clone(), dead, back]);
    assert_eq!(said[1..], ["broker 2 is back after 4 s"]);
}

#[test]
fn a_broker_that_joins_is_told_and_one_that_was_gone_at_first_is_known_by_its_replicas() {
    let mut standing = Standing::default();
    standing.look(look(0, &[1], &[("a", 0, Some(1), &[1, 2], &[1])]));
    let shown = standing.show(0, false);
    let two = &shown.brokers[1];
    assert_eq!((two.id, two.state), (2, BrokerState::Gone));
    assert_eq!((two.address.as_deref(), two.since_ms), (None, None));
    assert_eq!((two.replicas, two.in_sync, two.leads), (1, 0, 0));
    standing.look(look(5, &[1, 2, 4], &[("a", 0, Some(1), &[1, 2], &[1])]));
    assert_eq!(
        texts(&standing),
        ["broker 2 is back", "broker 4 has joined"]
    );
}

#[test]
fn elections_without_and_with_an_outcome_are_told() {
    let with = |leader| look(0, ALL, &[("v", 0, leader, ALL, ALL)]);
    assert_eq!(
        said(with(Some(1)), with(None)),
        ["v/0: no leader; it was 1"]
    );
    assert_eq!(
        said(with(None), with(Some(3))),
        ["v/0: leader 3, after there was none"]
    );
}

#[test]
fn too_few_in_sync_is_told_by_the_setting_and_never_above_the_replicas_there_are() {
    let mut standing = Standing::default();
    let with = |isr| look(0, ALL, &[("v", 0, Some(1), ALL, isr)]);
    standing.look(with(ALL));
    standing.learn([("v".to_owned(), 2)]);
    standing.look(with(&[1, 3]));
    standing.look(with(&[1]));
    assert_eq!(
        texts(&standing)[1..],
        [
            "v/0: broker 3 is out of sync, 1 of 3 in sync",
            "v/0: too few in sync (1; min.insync.replicas is 2): records with acks=all wait",
        ]
    );
    let shown = standing.show(0, false);
    assert_eq!(
        shown.topics[0].partitions[0].state,
        PartitionState::TooFewInSync
    );
    assert_eq!(shown.partitions.too_few_in_sync, 1);
    standing.look(with(&[1, 2]));
    let last = texts(&standing).pop();
    assert_eq!(
        last.as_deref(),
        Some("v/0: enough in sync: records with acks=all go through again")
    );
    // One replica there is, and the setting asks for two.
    let one = look(0, ALL, &[("v", 0, Some(1), &[1], &[1])]);
    standing.look(one);
    assert_eq!(
        standing.show(0, false).topics[0].partitions[0].state,
        PartitionState::Fine
    );
}

#[test]
fn replicas_that_are_moved_elsewhere_are_not_out_of_sync() {
    let said = said(
        look(0, ALL, &[("v", 0, Some(1), &[1, 2], &[1, 2])]),
        look(0, ALL, &[("v", 0, Some(1), &[1, 3], &[1, 3])]),
    );
    assert_eq!(said, ["v/0: held by brokers 1, 3 now"]);
}

#[test]
fn the_controller_moves_goes_and_comes() {
    let by = |controller| led_by(look(0, ALL, &[]), controller);
    assert_eq!(
        all(&[
            by(Controller::Node(1)),
            by(Controller::Node(2)),
            by(Controller::Nobody),
            by(Controller::Nobody),
            by(Controller::Node(3)),
        ]),
        [
            "controller 1 → 2",
            "no controller; it was 2, and the controllers elect another",
            "controller 2 → 3",
        ]
    );
    let mut standing = Standing::default();
    standing.look(by(Controller::NotTold("why")));
    let shown = standing.show(0, false);
    assert_eq!(shown.controller, None);
    assert_eq!(shown.controller_note.as_deref(), Some("not known: why"));
}

#[test]
fn no_answer_at_all_is_told_once_and_its_end_with_its_length() {
    let mut standing = Standing::default();
    standing.look(look(0, ALL, &[("v", 0, Some(1), ALL, ALL)]));
    standing.no_answer(1_000, "nobody listens".to_owned());
    standing.no_answer(2_000, "nobody listens".to_owned());
    assert!(matches!(
        standing.show(0, false).kafka,
        KafkaState::Disconnected {
            since_ms: 1_000,
            ..
        }
    ));
    standing.look(look(9_000, ALL, &[("v", 0, Some(1), ALL, ALL)]));
    assert_eq!(
        texts(&standing),
        [
            "no broker answers: nobody listens",
            "brokers answer again after 8 s"
        ]
    );
    assert_eq!(standing.show(0, false).kafka, KafkaState::Connected);
}

/// So many topics of one partition each, and fifty of Kafka's own.
fn many(leader: i32, topics: usize) -> Look {
    let mut look = look(0, ALL, &[]);
    let named = |name: String, internal, id| TopicInfo {
        name,
        internal,
        partitions: vec![PartitionInfo {
            id,
            leader: Some(leader),
            replicas: ALL.to_vec(),
            isr: ALL.to_vec(),
        }],
    };
    let own = (0..50).map(|n| named(format!("__own-{n:03}"), true, n));
    let others = (0..topics).map(|n| named(format!("t-{n:05}"), false, 0));
    look.cluster.topics = own.chain(others).collect();
    look
}

#[test]
fn of_many_that_move_at_once_some_are_named_and_the_others_counted() {
    let said = said(many(1, 300), many(2, 300));
    assert_eq!(said.len(), 7, "{said:?}");
    assert_eq!(said[0], "t-00000/0: leader 1 → 2");
    assert_eq!(said[6], "344 more partitions: leader 1 → 2");
    let own = all(&[many(1, 0), many(2, 0)]);
    assert_eq!(own, ["50 partitions of Kafka’s own: leader 1 → 2"]);
}

#[test]
fn a_large_cluster_is_cut_where_it_is_sound_and_says_so() {
    let mut standing = Standing::default();
    let mut large = many(1, 3_000);
    large.cluster.topics[2_900].partitions[0].isr = vec![1];
    standing.look(large);
    let shown = standing.show(0, false);
    assert_eq!(shown.topics.len(), MOST_PARTITIONS);
    assert_eq!(shown.left_out, 1_050);
    assert_eq!(shown.partitions.all, 3_050);
    assert_eq!(shown.partitions.under_replicated, 1);
    assert_eq!(
        shown.topics[0].partitions[0].state,
        PartitionState::UnderReplicated
    );
    assert!(!shown.topics[1].internal, "the user's own come first");
    // What happens beyond what is listed is told all the same, and all of it is counted.
    assert_eq!(shown.brokers[0].leads, 3_050);
}

#[test]
fn the_newest_hundred_events_are_kept() {
    let mut standing = Standing::default();
    for n in 0..300 {
        let leader = Some(1 + n % 2);
        standing.look(look(i64::from(n), ALL, &[("v", 0, leader, ALL, ALL)]));
    }
    let events = standing.show(0, false).events;
    assert_eq!((events.len(), events[0].at_ms), (MOST_EVENTS, 299));
}
