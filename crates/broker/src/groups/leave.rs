//! `LeaveGroup`: one member goes, or several are put out by an administrator (KIP-345).

use super::group::{Group, GroupState, text};
use super::turn::Turn;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;

impl Group {
    /// Takes out whoever is named, and answers for each.
    pub fn leave(
        &mut self,
        members: &[MemberIdentity],
        turn: &mut Turn<'_>,
    ) -> Result<Vec<MemberResponse>, ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        let mut anyone = false;
        let responses = members
            .iter()
            .map(|identity| {
                let result = self.leave_one(identity, turn);
                anyone |= result.is_ok();
                MemberResponse::default()
                    .with_member_id(text(&identity.member_id))
                    .with_group_instance_id(identity.group_instance_id.as_deref().map(text))
                    .with_error_code(result.err().map_or(0, |error| error.code()))
            })
            .collect();
        if anyone {
            match self.state {
                GroupState::Stable | GroupState::CompletingRebalance => {
                    self.rebalance_or_complete_join(turn);
                }
                GroupState::PreparingRebalance => self.maybe_complete_join(turn),
                GroupState::Empty | GroupState::Dead => {}
            }
        }
        Ok(responses)
    }

    fn leave_one(
        &mut self,
        identity: &MemberIdentity,
        turn: &mut Turn<'_>,
    ) -> Result<(), ResponseError> {
        let instance_id = identity.group_instance_id.as_deref();
        let member_id = if identity.member_id.is_empty() {
            // An administrator knows a static member by its instance id alone.
            instance_id
                .and_then(|instance| self.static_members.get(instance))
                .cloned()
                .ok_or(ResponseError::UnknownMemberId)?
        } else if self.pending_join.contains_key(identity.member_id.as_str()) {
            identity.member_id.to_string()
        } else {
            self.validate_member(&identity.member_id, instance_id)?;
            identity.member_id.to_string()
        };
        self.remove(&member_id, ResponseError::UnknownMemberId, turn);
        Ok(())
    }
}
