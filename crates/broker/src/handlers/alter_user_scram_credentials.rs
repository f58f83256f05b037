//! `AlterUserScramCredentials` (KIP-554): gives users credentials and takes them away; one change a user.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};

use super::{Context, Handler, text};
use crate::security::{Mechanism, ScramError};

pub(crate) struct AlterUserScramCredentials;

impl Handler for AlterUserScramCredentials {
    type Request = AlterUserScramCredentialsRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(
        context: &Context,
        request: AlterUserScramCredentialsRequest,
    ) -> AlterUserScramCredentialsResponse {
        let scram = &context.broker.scram;
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        let names = request.deletions.iter().map(|deletion| &deletion.name);
        for name in names.chain(request.upsertions.iter().map(|upsertion| &upsertion.name)) {
            *times.entry(name.to_string()).or_default() += 1;
        }
        let mut results = Vec::new();
        let mut result = |user: &str, altered: Result<(), ScramError>| {
            let result = AlterUserScramCredentialsResult::default()
                .with_user(text(user))
                .with_error_message(None);
            results.push(match altered {
                Ok(()) => result,
                Err(error) => result
                    .with_error_code(code(&error).code())
                    .with_error_message(Some(text(error.to_string()))),
            });
        };
        let once = |user: &str| times.get(user) == Some(&1);
        for deletion in request.deletions.iter().filter(|d| once(&d.name)) {
            let mechanism = Mechanism::of(deletion.mechanism);
            result(&deletion.name, scram.delete(&deletion.name, mechanism));
        }
        for upsertion in request.upsertions.iter().filter(|u| once(&u.name)) {
            let mechanism = Mechanism::of(upsertion.mechanism);
            let altered = scram.upsert(&upsertion.name, mechanism, upsertion.iterations);
            result(&upsertion.name, altered);
        }
        for (user, _) in times.iter().filter(|(_, times)| **times > 1) {
            results.push(
                AlterUserScramCredentialsResult::default()
                    .with_user(text(&**user))
                    .with_error_code(ResponseError::DuplicateResource.code())
                    .with_error_message(Some(text(
                        "A user credential cannot be altered twice in the same request",
                    ))),
            );
        }
        AlterUserScramCredentialsResponse::default().with_results(results)
    }
}

fn code(error: &ScramError) -> ResponseError {
    match error {
        ScramError::Mechanism => ResponseError::UnsupportedSaslMechanism,
        ScramError::Unacceptable(_) => ResponseError::UnacceptableCredential,
        ScramError::NotThere => ResponseError::ResourceNotFound,
        ScramError::Io(_) => ResponseError::KafkaStorageError,
    }
}
