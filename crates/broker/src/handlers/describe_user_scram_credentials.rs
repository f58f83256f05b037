//! `DescribeUserScramCredentials` (KIP-554): users' mechanisms and iterations. Of no users named, all.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use kafka_protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};

use super::{Context, Handler, text};

pub(crate) struct DescribeUserScramCredentials;

impl Handler for DescribeUserScramCredentials {
    type Request = DescribeUserScramCredentialsRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(
        context: &Context,
        request: DescribeUserScramCredentialsRequest,
    ) -> DescribeUserScramCredentialsResponse {
        let scram = &context.broker.scram;
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for user in request.users.unwrap_or_default() {
            *times.entry(user.name.to_string()).or_default() += 1;
        }
        if times.is_empty() {
            times = scram.users().into_iter().map(|user| (user, 1)).collect();
        }
        let results = times
            .into_iter()
            .map(|(user, times)| {
                let found = scram.of(&user);
                let result = DescribeUserScramCredentialsResult::default()
                    .with_user(text(&*user))
                    .with_error_message(None);
                let refuse = |code: ResponseError, why: String| {
                    result
                        .clone()
                        .with_error_code(code.code())
                        .with_error_message(Some(text(why)))
                };
                match found {
                    _ if times > 1 => refuse(
                        ResponseError::DuplicateResource,
                        format!(
                            "Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
                        ),
                    ),
                    None => refuse(
                        ResponseError::ResourceNotFound,
                        format!("Attempt to describe a user credential that does not exist: {user}"),
                    ),
                    Some(found) => result.with_credential_infos(
                        found
                            .into_iter()
                            .map(|(mechanism, iterations)| {
                                CredentialInfo::default()
                                    .with_mechanism(mechanism as i8)
                                    .with_iterations(iterations)
                            })
                            .collect(),
                    ),
                }
            })
            .collect();
        DescribeUserScramCredentialsResponse::default()
            .with_error_message(None)
            .with_results(results)
    }
}
