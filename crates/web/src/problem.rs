//! Errors as `application/problem+json` (RFC 9457): every refusal of this server goes through here.
//!
//! In: what is wrong and which parameter is at fault, or an error of the client. Out: a response, or the same object
//! inside a WebSocket's `error` text.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use weir_client::{BadFrom, ClientError, ErrorKind};

pub use crate::api::Problem;

impl Problem {
    /// A refusal with this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            remedy: None,
        }
    }

    /// 400: the value of `field` cannot be used.
    pub fn bad(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).field(field)
    }

    /// The same, naming the parameter at fault.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// The same, saying what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The status, as the HTTP library has it.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer where the problem is over after `wait`: with `Retry-After` (RFC 9110 §10.2.3) in whole seconds.
    pub fn until(self, wait: Duration) -> Response {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let mut response = self.into_response();
        if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    /// The object as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// A part of a value that is safe to repeat in a message: short, without control characters.
pub fn excerpt(value: &str) -> String {
    let mut out: String = value
        .chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if value.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let status = match error.kind() {
            ErrorKind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let field = match &error {
            ClientError::NoSuchTopic { .. } | ClientError::BadTopicName { .. } => Some("topic"),
            ClientError::NoSuchPartition { .. } => Some("partition"),
            ClientError::NoSuchGroup { .. } => Some("group"),
            ClientError::OffsetOutOfRange { .. } => Some("from"),
            _ => None,
        };
        // The client's sentences end in `; what to do`.
        let sentence = error.to_string();
        let mut problem = match sentence.split_once("; ") {
            Some((detail, remedy)) => Self::new(status, detail).remedy(remedy),
            None => Self::new(status, sentence),
        };
        problem.field = field.map(str::to_owned);
        problem
    }
}

impl From<BadFrom> for Problem {
    fn from(error: BadFrom) -> Self {
        let field = match error {
            BadFrom::ResumeNeedsGroup => "group",
            BadFrom::Unknown { .. } => "from",
        };
        let sentence = error.to_string();
        match sentence.split_once(": ") {
            Some((detail, remedy)) => Self::bad(field, excerpt(detail)).remedy(remedy),
            None => Self::bad(field, sentence),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status_code(), self.json()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_not_there_is_a_404_that_names_the_field_and_the_remedy() {
        let problem = Problem::from(ClientError::NoSuchTopic {
            topic: "cam".into(),
        });
        assert_eq!(problem.status, 404);
        assert_eq!(problem.field.as_deref(), Some("topic"));
        assert!(problem.detail.contains("cam"), "{}", problem.detail);
        assert!(problem.remedy.is_some());
    }

    #[test]
    fn what_is_repeated_of_a_hostile_value_is_short_and_without_control_characters() {
        let hostile = format!("\r\n\0{}", "x".repeat(10_000));
        let said = excerpt(&hostile);
        assert!(said.chars().count() <= 81);
        assert!(!said.chars().any(char::is_control));
    }
}
