//! Groups' positions on their way: where each group goes on in the target.
//!
//! A position is set together with a note that says it is the mirror's. What has none was committed by a consumer at the target,
//! and from then on the group's position there is its own affair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_client::{ClientError, GroupPositions, Kafka, Position};

use crate::error::{MirrorError, OfSide, Side};
use crate::events::{Events, Told};
use crate::lock;
use crate::state::Topics;

/// What stands beside a position that the mirror has set.
const NOTE: &str = "weir mirror";
/// Groups whose clients are kept between looks; more are asked anew each time.
const KEPT: usize = 64;

type Place = (Arc<str>, i32);

/// Mirrors positions.
pub(crate) struct Groups {
    from: Kafka,
    to: Kafka,
    kept: BTreeMap<String, Sides>,
    /// Groups that are left alone, as was told.
    left: BTreeSet<String>,
}

struct Sides {
    from: GroupPositions,
    to: GroupPositions,
    /// What the target has of the mirror.
    set: BTreeMap<Place, i64>,
}

/// What a look at all groups found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// How many have a position in what is mirrored.
    pub(crate) groups: usize,
    /// Groups with a position at the source that the target cannot have yet.
    pub(crate) behind: Vec<String>,
    /// Groups with members at the source.
    pub(crate) reading: Vec<String>,
}

impl Groups {
    pub(crate) fn new(from: &Kafka, to: &Kafka) -> Self {
        Self {
            from: from.clone(),
            to: to.clone(),
            kept: BTreeMap::new(),
            left: BTreeSet::new(),
        }
    }

    /// Sets every group's position in the target as far as it is mirrored.
    pub(crate) async fn carry(
        &mut self,
        topics: &Topics,
        events: &Events,
    ) -> Result<Looked, MirrorError> {
        let places: Vec<Place> = topics
            .all()
            .iter()
            .flat_map(|(name, topic)| topic.places.keys().map(|id| (name.clone(), *id)))
            .collect();
        let mut looked = Looked::default();
        let groups = self.from.groups().await.of(Side::From)?;
        for group in groups {
            if group.name.starts_with(lock::GROUP_PREFIX) || group.name.is_empty() {
                continue;
            }
            let mut sides = match self.kept.remove(&group.name) {
                Some(sides) => sides,
                None => Sides {
                    from: self.from.group_positions(&group.name).of(Side::From)?,
                    to: self.to.group_positions(&group.name).of(Side::To)?,
                    set: BTreeMap::new(),
                },
            };
            let carried = sides.carry(&places, topics).await;
            if self.kept.len() < KEPT {
                self.kept.insert(group.name.clone(), sides);
            }
            let carried = carried?;
            if carried.positions == 0 {
                continue;
            }
            looked.groups += 1;
            if !group.members.is_empty() {
                looked.reading.push(group.name.clone());
            }
            if carried.behind {
                looked.behind.push(group.name.clone());
            }
            if let Some(why) = carried.left
                && self.left.insert(group.name.clone())
            {
                let group = group.name;
                events.tell(&Told::GroupLeft { group, why });
            }
        }
        Ok(looked)
    }
}

#[derive(Default)]
struct Carried {
    positions: usize,
    behind: bool,
    /// Why some position is not the mirror's to set.
    left: Option<String>,
}

impl Sides {
    async fn carry(&mut self, places: &[Place], topics: &Topics) -> Result<Carried, MirrorError> {
        let here = self.from.committed(places.to_vec()).await.of(Side::From)?;
        let mut carried = Carried {
            positions: here.len(),
            ..Carried::default()
        };
        let mut wanted: BTreeMap<Place, i64> = BTreeMap::new();
        for position in here {
            let found = topics.all().get(&position.topic).and_then(|topic| {
                let place = topic.places.get(&position.partition)?;
                Some(place.position(position.offset))
            });
            let Some((target, whole)) = found else {
                continue;
            };
            carried.behind |= !whole;
            let place = (position.topic, position.partition);
            if self.set.get(&place) != Some(&target) {
                wanted.insert(place, target);
            }
        }
        if wanted.is_empty() {
            return Ok(carried);
        }
        let there = self.to.committed(wanted.keys().cloned().collect()).await;
        let there = there.of(Side::To)?;
        let own: Vec<Place> = there
            .into_iter()
            .filter(|position| position.note != NOTE)
            .map(|position| (position.topic, position.partition))
            .collect();
        for place in own {
            if let Some(target) = wanted.remove(&place) {
                // It is asked again when the source's position has moved on.
                self.set.insert(place, target);
                carried.left = Some(
                    "it has read at --to; its positions there are its own from now on".to_owned(),
                );
            }
        }
        let positions: Vec<Position> = wanted
            .iter()
            .map(|((topic, partition), target)| Position {
                topic: topic.clone(),
                partition: *partition,
                offset: *target,
                note: NOTE.to_owned(),
            })
            .collect();
        match self.to.commit(&positions).await {
            Ok(()) => self.set.extend(wanted),
            Err(ClientError::GroupInUse { .. }) => {
                carried.left =
                    Some("it has members at --to; its positions there are its own now".to_owned());
            }
            Err(error) => return Err(error).of(Side::To),
        }
        Ok(carried)
    }
}
