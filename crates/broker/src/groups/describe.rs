//! `DescribeGroups` and `ListGroups`: what is shown of a group.

use super::group::{Group, GroupState, text};
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;

/// Kafka's name for groups of this protocol (KIP-848).
pub const CLASSIC: &str = "classic";

impl Group {
    /// The group with its members. What members said and were given is shown in a stable group only.
    pub fn describe(&self) -> DescribedGroup {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.as_deref().filter(|_| stable);
        DescribedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_group_state(text(self.state.name()))
            .with_protocol_type(text(self.protocol_type.as_deref().unwrap_or_default()))
            .with_protocol_data(text(protocol.unwrap_or_default()))
            .with_members(
                self.members
                    .iter()
                    .map(|(id, member)| {
                        let shown = DescribedGroupMember::default()
                            .with_member_id(text(id))
                            .with_group_instance_id(member.instance_id.as_deref().map(text))
                            .with_client_id(text(&member.client_id))
                            .with_client_host(text(&member.client_host));
                        if stable {
                            shown
                                .with_member_metadata(member.metadata(protocol))
                                .with_member_assignment(member.assignment.clone())
                        } else {
                            shown
                        }
                    })
                    .collect(),
            )
    }

    /// The group as a line of a list.
    pub fn listed(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_protocol_type(text(self.protocol_type.as_deref().unwrap_or_default()))
            .with_group_state(text(self.state.name()))
            .with_group_type(text(CLASSIC))
    }
}
