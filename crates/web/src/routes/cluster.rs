//! `GET /cluster`: brokers, leaders, in-sync replicas and what happened to them, once or whenever that changes. A browser that goes
//! there gets the page of the same name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::{Route, page};
use crate::events;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/cluster",
    gives: "brokers, controller, leaders, in-sync replicas and what happened to them, as JSON; whenever that changes with `Accept: text/event-stream`",
    methods: || -> MethodRouter<Arc<App>> { get(cluster) },
};

async fn cluster(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut response = if page::is_for_a_person(&headers) {
        page::page(method, uri, headers).await
    } else if events::wanted(&headers) {
        events::shown(app.cluster.shown(), app.shutdown.clone())
    } else {
        Json(app.cluster.shown().newest().await.as_ref()).into_response()
    };
    let vary = HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}
