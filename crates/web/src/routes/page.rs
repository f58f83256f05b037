//! The page: its files by their names, and `index.html` for each of its addresses (`/`, `/t/…`, `/library`, …).
//!
//! Where there is nothing, a browser that goes there gets the page too, which says so, with status 404; a program gets the problem.

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use weir_ui::Asset;

use crate::problem::{Problem, excerpt};

/// First parts of the page's own addresses.
const PAGES: &[&str] = &[
    "",
    "t",
    "library",
    "plots",
    "groups",
    "processors",
    "archive",
    "cluster",
    "index.html",
];

/// Whatever is in no route.
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if !matches!(method, Method::GET | Method::HEAD) {
        return super::wrong_method(method, uri).await.into_response();
    }
    let first = path.split('/').next().unwrap_or_default();
    let found = weir_ui::asset(path).or_else(|| {
        PAGES
            .contains(&first)
            .then(|| weir_ui::asset("index.html"))
            .flatten()
    });
    match found {
        Some(asset) => answer(asset, &headers),
        None => nowhere(&method, &uri, &headers),
    }
}

fn nowhere(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let person = *method == Method::GET && is_for_a_person(headers);
    let page = person.then(|| weir_ui::asset("index.html")).flatten();
    match page {
        Some(asset) => {
            // No ETag: there is nothing here to be kept.
            let html = [
                (header::CONTENT_TYPE, asset.mime),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (StatusCode::NOT_FOUND, html, asset.bytes.into_owned()).into_response()
        }
        None => Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is nothing at {}", excerpt(uri.path())),
        )
        .remedy("the page is at /, the topics are at /topics")
        .into_response(),
    }
}

/// Whether it is a browser that goes to this address, and no program that asks for what is there.
pub fn is_for_a_person(headers: &HeaderMap) -> bool {
    lists(headers, &header::ACCEPT, "text/html")
}

/// Whether a header that is a list has this member, whatever parameters stand behind it.
pub fn lists(headers: &HeaderMap, name: &HeaderName, what: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.split(';').next())
        .any(|part| {
            part.trim()
                .trim_start_matches("W/")
                .eq_ignore_ascii_case(what)
        })
}

fn answer(asset: Asset, headers: &HeaderMap) -> Response {
    let cache = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = if lists(headers, &header::IF_NONE_MATCH, asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if let Some(gzip) = asset.gzip.filter(|_| takes_gzip(headers)) {
        let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        ([encoding], gzip).into_response()
    } else {
        asset.bytes.into_owned().into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value.split(',').any(|part| {
                let (name, quality) = part.split_once(';').unwrap_or((part, ""));
                let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                name.trim().eq_ignore_ascii_case("gzip") && !refused
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(path: &str) -> StatusCode {
        let uri = path.parse().unwrap();
        page(Method::GET, uri, HeaderMap::new()).await.status()
    }

    #[tokio::test]
    async fn the_pages_addresses_are_the_page_and_others_are_nothing() {
        for path in ["/", "/t/cam", "/t/cam?tab=records", "/library", "/plots/3"] {
            assert_eq!(status(path).await, StatusCode::OK, "{path}");
        }
        for path in [
            "/no.js",
            "/assets/no.js",
            "/tt",
            "/../Cargo.toml",
            "/.git/config",
        ] {
            assert_eq!(status(path).await, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn where_there_is_nothing_a_person_gets_the_page_and_a_program_the_problem() {
        for (method, accept, kind) in [
            (
                Method::GET,
                "text/html,application/xhtml+xml,*/*;q=0.8",
                "text/html; charset=utf-8",
            ),
            (
                Method::GET,
                "application/json, Text/HTML;q=0.1",
                "text/html; charset=utf-8",
            ),
            (Method::GET, "*/*", "application/problem+json"),
            (Method::GET, "application/json", "application/problem+json"),
            (Method::GET, "", "application/problem+json"),
            (Method::HEAD, "text/html", "application/problem+json"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            let uri = "/nothing/here".parse().unwrap();
            let answer = page(method, uri, headers).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{accept}");
            assert_eq!(answer.headers()[header::CONTENT_TYPE], kind, "{accept}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        let posted = page(Method::POST, "/nothing".parse().unwrap(), headers).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn a_browser_that_has_it_is_not_sent_it_again() {
        let first = page(Method::GET, "/".parse().unwrap(), HeaderMap::new()).await;
        let mut headers = HeaderMap::new();
        let etag = first.headers()[header::ETAG].clone();
        headers.insert(header::IF_NONE_MATCH, etag);
        let again = page(Method::GET, "/".parse().unwrap(), headers).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (accept, takes) in [
            ("gzip, br", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(takes_gzip(&headers), takes, "{accept}");
        }
    }
}
