//! `ApiVersions` (KIP-35, KIP-511): what this broker answers, and in which versions.
//!
//! A client whose version of this very request is too new gets version 0 with `UNSUPPORTED_VERSION` and the list, and asks again.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};

use super::{APIS, Body, Context, Handler, encode};

/// The number of this API.
pub(crate) const KEY: i16 = ApiVersionsRequest::KEY;

pub(crate) struct ApiVersions;

impl Handler for ApiVersions {
    type Request = ApiVersionsRequest;
    const VERSIONS: (i16, i16) = (0, 4);

    async fn handle(context: &Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
        if context.version >= 3
            && !(is_software(&request.client_software_name)
                && is_software(&request.client_software_version))
        {
            return ApiVersionsResponse::default()
                .with_error_code(ResponseError::InvalidRequest.code());
        }
        let mut response = list();
        if context.version >= 3 {
            // What the levels of an Apache Kafka 4.3 cluster say; clients take transaction.version 2 as leave for KIP-890.
            response = response
                .with_supported_features(
                    FEATURES
                        .iter()
                        .map(|&(name, min, max, _)| {
                            SupportedFeatureKey::default()
                                .with_name(StrBytes::from_static_str(name))
                                .with_min_version(min)
                                .with_max_version(max)
                        })
                        .collect(),
                )
                .with_finalized_features_epoch(0)
                .with_finalized_features(
                    FEATURES
                        .iter()
                        .filter(|(.., level)| *level > 0)
                        .map(|&(name, _, _, level)| {
                            FinalizedFeatureKey::default()
                                .with_name(StrBytes::from_static_str(name))
                                .with_min_version_level(level)
                                .with_max_version_level(level)
                        })
                        .collect(),
                );
        }
        response
    }
}

/// Features: name, lowest and highest level, the level in force.
///
/// `group.version` 1 would promise the new group protocol (KIP-848), which is not here.
const FEATURES: &[(&str, i16, i16, i16)] = &[("metadata.version", 7, 29, 29)];

/// The answer in version 0 to a request in a version that is not known.
pub(crate) fn unsupported_version() -> Body {
    let response = list().with_error_code(ResponseError::UnsupportedVersion.code());
    encode(&response, 0).unwrap_or_default()
}

fn list() -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(
        APIS.iter()
            .map(|api| {
                ApiVersion::default()
                    .with_api_key(api.key)
                    .with_min_version(api.min_version)
                    .with_max_version(api.max_version)
            })
            .collect(),
    )
}

/// The form that KIP-511 gives a client's name and version.
fn is_software(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}
