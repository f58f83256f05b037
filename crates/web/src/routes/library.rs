//! `GET /library`: every video in the topics. A browser that goes there gets the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::{Route, page};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/library",
    gives: "every video in the topics: poster, length, live or not, where named viewers stopped",
    methods: || -> MethodRouter<Arc<App>> { get(library) },
};

async fn library(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let vary = [(header::VARY, "accept, accept-encoding")];
    if page::is_for_a_person(&headers) {
        return (vary, page::page(method, uri, headers).await).into_response();
    }
    let cache = [(header::CACHE_CONTROL, "no-store")];
    (vary, cache, Json(app.library.all().await)).into_response()
}
