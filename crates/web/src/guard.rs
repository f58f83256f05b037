//! Who may ask: keeps pages of other sites from reading local topics through the visitor's browser.
//!
//! A page elsewhere can reach a server on the loopback address in three ways, each closed here: by a name of its own that
//! it lets point to 127.0.0.1 (the `Host` is checked), by a WebSocket or form post, which browsers send across sites (the `Origin`
//! must be this server's), and by embedding what it gets (`Sec-Fetch-Site`, `Cross-Origin-Resource-Policy`). There are no CORS headers
//! but for pages that were named, and those may only post to `/ingest` ([`crate::origin`]).
//! Programs send neither `Origin` nor `Sec-Fetch-Site` and are not hindered.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::hub::held;
use crate::origin;
use crate::problem::{Problem, excerpt};
use crate::server::App;

/// Where the page may take things from: this server alone. Svelte and uPlot set styles from scripts; pictures come from
/// Media Source Extensions as `blob:`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
     style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'self'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Another port of the same machine (a notebook, a Flask page) is the same site.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-site"),
    ),
];

/// The names under which this server may be asked.
#[derive(Debug, Clone)]
pub struct Guard {
    listen: IpAddr,
    allowed: Vec<String>,
}

impl Guard {
    /// A guard for a server that listens on `listen` and may also be asked as any of `allowed`.
    pub fn new(listen: SocketAddr, allowed: &[String]) -> Self {
        Self {
            listen: listen.ip(),
            allowed: allowed
                .iter()
                .map(|host| host.trim().to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether the request may be answered, or why not.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.check_host(headers)?;
        self.check_origin(method, headers, host)?;
        let cross_site = headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site");
        let followed_link = headers
            .get("sec-fetch-mode")
            .is_some_and(|mode| mode == "navigate");
        if cross_site && !(followed_link && method == Method::GET) {
            return Err(refused(
                "a page of another site asked for this; only this server's own page may",
            )
            .field("Sec-Fetch-Site"));
        }
        Ok(())
    }

    fn check_host<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Problem::bad("Host", "the request has not one Host header"));
        };
        let host = host
            .to_str()
            .map_err(|_| Problem::bad("Host", "the Host header is not ASCII"))?;
        if self.serves(host_name(host)) {
            return Ok(host);
        }
        Err(refused(format!(
            "this server is not to be asked as {:?}",
            excerpt(host)
        ))
        .field("Host")
        .remedy("use http://127.0.0.1 or http://localhost, or start weir with --allow-host NAME"))
    }

    fn check_origin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        host: &str,
    ) -> Result<(), Problem> {
        let upgrade = headers.contains_key(header::UPGRADE);
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        if reads && !upgrade {
            return Ok(()); // without CORS headers the browser keeps the answer from the page
        }
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .unwrap_or_default();
        let named = self
            .allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host_name(authority)));
        if !authority.is_empty() && (authority.eq_ignore_ascii_case(host) || named) {
            return Ok(());
        }
        let detail = format!(
            "a page of {:?} asked for this; only this server's own page may",
            excerpt(origin)
        );
        Err(refused(detail).field("Origin").remedy(
            "open the page under the address it asks for, or start weir with --allow-host NAME; \
             pages of your own site may post to /ingest with --allow-origin ORIGIN",
        ))
    }

    fn serves(&self, name: &str) -> bool {
        if self.allowed.iter().any(|a| a.eq_ignore_ascii_case(name)) {
            return true;
        }
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bare = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(name);
        match bare.parse::<IpAddr>() {
            // To point elsewhere's page here takes a name; with an address the browser knows whom it asks.
            Ok(address) => {
                address.is_loopback() || address == self.listen || self.listen.is_unspecified()
            }
            Err(_) => false,
        }
    }
}

/// The part of `HOST[:PORT]` in front of the port.
pub fn host_name(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority
            .find(']')
            .and_then(|end| authority.get(..=end))
            .unwrap_or(authority);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name)
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// Between two words on the terminal about what was refused.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Says on the terminal what the guard refuses: whoever set a page up looks there, since a page is told nothing (`sendBeacon`) or little.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Option<Duration>>);

impl Refusals {
    /// One more, at the monotonic time `now`.
    fn told(&self, now: Duration, problem: &Problem) {
        let mut last = held(&self.0);
        if last.is_none_or(|last| now.saturating_sub(last) >= SAY_AGAIN) {
            *last = Some(now);
            let remedy = problem.remedy.as_deref().unwrap_or_default();
            tracing::warn!("refused: {}; {remedy}", problem.detail);
        }
    }
}

/// Lets through what may be asked and puts the security headers on every answer.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path());
    let headers = request.headers();
    let allowed = &app.config.ingest.allowed_origins;
    let origin = origin::may_ingest(allowed, &method, path, headers);
    let checked = match &origin {
        Some(_) => app.guard.check_host(headers).map(|_| ()),
        None => app.guard.check(&method, headers),
    };
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            app.refusals.told(app.clock.monotonic(), &problem);
            problem.into_response()
        }
    };
    if let Some(origin) = origin {
        origin::answer(origin, &method, response.headers_mut());
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new("192.168.7.1:8080".parse().unwrap(), &["cam.lan".to_owned()])
    }

    fn asked(method: &Method, headers: &[(&str, &str)]) -> Result<(), String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        guard()
            .check(method, &map)
            .map_err(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn loopback_the_listen_address_and_the_named_hosts_are_served_and_no_other() {
        for host in [
            "127.0.0.1:8080",
            "127.8.9.1",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8080",
            "192.168.7.1:8080",
            "cam.lan",
            "CAM.LAN:8080",
        ] {
            assert_eq!(asked(&Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.nip.io",
            "192.168.7.2",
            "",
            "[::1",
            "[::2]",
            "@127.0.0.1",
            "cam.lan.",
        ] {
            assert_eq!(
                asked(&Method::GET, &[("host", host)]),
                Err("Host".into()),
                "{host}"
            );
        }
        assert_eq!(asked(&Method::GET, &[]), Err("Host".into()));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(asked(&Method::GET, &twice), Err("Host".into()));
    }

    #[test]
    fn a_websocket_or_post_from_another_origin_is_refused() {
        let host = ("host", "localhost:8080");
        let upgrade = ("upgrade", "websocket");
        let get = &Method::GET;
        let own = ("origin", "http://localhost:8080");
        assert_eq!(asked(get, &[host, upgrade]), Ok(()));
        assert_eq!(asked(get, &[host, upgrade, own]), Ok(()));
        assert_eq!(asked(&Method::POST, &[host, own]), Ok(()));
        assert_eq!(
            asked(&Method::POST, &[host, ("origin", "https://cam.lan")]),
            Ok(())
        );
        for origin in [
            "http://evil.example",
            "http://localhost:8081",
            "null",
            "",
            "http://",
            "file://",
            "http://localhost:8080.evil.example",
        ] {
            for (method, extra) in [(get, Some(upgrade)), (&Method::POST, None)] {
                let mut headers = vec![host, ("origin", origin)];
                headers.extend(extra);
                assert_eq!(asked(method, &headers), Err("Origin".into()), "{origin}");
            }
        }
    }

    #[test]
    fn what_a_page_elsewhere_embeds_is_refused_but_a_link_to_the_page_works() {
        let host = ("host", "localhost:8080");
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(
            asked(&Method::GET, &[host, cross, ("sec-fetch-mode", "no-cors")]),
            Err("Sec-Fetch-Site".into())
        );
        assert_eq!(
            asked(&Method::GET, &[host, cross, ("sec-fetch-mode", "navigate")]),
            Ok(())
        );
        assert_eq!(
            asked(&Method::GET, &[host, ("sec-fetch-site", "same-origin")]),
            Ok(())
        );
    }
}
