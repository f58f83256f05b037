//! Where a page comes from, as browsers say it: `https://shop.example`, `http://localhost:8000` (RFC 6454 §6.2).
//!
//! A page whose origin was named with `--allow-origin` may post to `/ingest`, and read whether that was taken. It can read nothing else
//! of this server: no other route answers it with the headers of the Fetch standard (§3.2, CORS).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::fmt;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

/// Scheme, host and port of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// `*`.
    #[error(
        "every page there is may not post here: name the origins of your own pages, each with --allow-origin"
    )]
    Any,
    /// `null`.
    #[error(
        "`null` is what every page opened as a file, and many others, call themselves: serve the page, as with `python3 -m http.server 8000`, and name http://localhost:8000"
    )]
    Null,
    /// Anything else.
    #[error(
        "{0:?} is no origin: write scheme, host and, where there is one, port, as https://shop.example or http://localhost:8000"
    )]
    Other(String),
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let text = text.trim().to_ascii_lowercase();
        match text.as_str() {
            "*" => return Err(BadOrigin::Any),
            "null" => return Err(BadOrigin::Null),
            _ => {}
        }
        let other = || BadOrigin::Other(text.clone());
        // As it is copied from the address bar, with the path `/`.
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| other())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(other());
        };
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(other()),
        };
        let host = authority.host();
        let bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
        if !bare || host.is_empty() || host.contains('*') {
            return Err(other());
        }
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => None,
            Some(rest) => {
                let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
                Some(port.ok_or_else(other)?).filter(|port: &u16| *port != default_port)
            }
            None => return Err(other()),
        };
        Ok(Self(match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the request is a post to `/ingest`, or the question whether one may be made, by a page of one of these origins. Gives the
/// origin to be answered.
pub fn may_ingest(
    allowed: &[Origin],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let ingests = matches!(*method, Method::POST | Method::OPTIONS) && path.starts_with("/ingest/");
    let origin = headers.get(header::ORIGIN).filter(|_| ingests)?;
    let known = |known: &Origin| known.0.as_bytes() == origin.as_bytes();
    allowed.iter().any(known).then(|| origin.clone())
}

/// Tells the browser that the page of this origin may post, and what came of it.
pub fn answer(origin: HeaderValue, method: &Method, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    // sendBeacon always sends what cookies there are (Beacon §3.1); a browser then wants to hear that they are welcome. Here nobody reads them.
    let yes = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    let retry_after = HeaderValue::from_static("Retry-After");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, retry_after);
    if *method == Method::OPTIONS {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_as_browsers_write_it() {
        for (text, want) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTP://LocalHost:8000/", "http://localhost:8000"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_or_too_many_is_refused_with_what_to_write() {
        assert_eq!("*".parse::<Origin>(), Err(BadOrigin::Any));
        assert_eq!("null".parse::<Origin>(), Err(BadOrigin::Null));
        for text in [
            "",
            "shop.example",
            "localhost:8000",
            "ftp://shop.example",
            "file:///tmp/a.html",
            "https://shop.example/page",
            "https://shop.example?a",
            "https://me@shop.example",
            "https://",
            "http://shop.example:",
            "http://shop.example:99999",
            "http://*.shop.example",
            "http://a b",
        ] {
            let refused = text.parse::<Origin>();
            assert!(
                matches!(refused, Err(BadOrigin::Other(_))),
                "{text}: {refused:?}"
            );
        }
    }

    #[test]
    fn only_a_post_to_ingest_by_a_named_page_is_let_in() {
        let allowed = ["http://localhost:8000".parse().unwrap()];
        let asked = |method: Method, path: &str, origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            may_ingest(&allowed, &method, path, &headers).is_some()
        };
        assert!(asked(
            Method::POST,
            "/ingest/clicks",
            "http://localhost:8000"
        ));
        assert!(asked(
            Method::OPTIONS,
            "/ingest/clicks",
            "http://localhost:8000"
        ));
        for (method, path, origin) in [
            (Method::GET, "/ingest/clicks", "http://localhost:8000"),
            (Method::POST, "/topics/clicks", "http://localhost:8000"),
            (Method::POST, "/ingest", "http://localhost:8000"),
            (Method::POST, "/ingest/clicks", "http://localhost:8001"),
            (Method::POST, "/ingest/clicks", "https://localhost:8000"),
            (
                Method::POST,
                "/ingest/clicks",
                "http://localhost:8000.evil.example",
            ),
            (Method::POST, "/ingest/clicks", "null"),
            (Method::POST, "/ingest/clicks", ""),
        ] {
            assert!(
                !asked(method.clone(), path, origin),
                "{method} {path} {origin}"
            );
        }
        assert!(may_ingest(&allowed, &Method::POST, "/ingest/c", &HeaderMap::new()).is_none());
    }
}
