//! `GET /overview`: one look at everything, once or once a second.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::stream;

use super::Route;
use crate::events;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/overview",
    gives: "every topic with kind, rates and size, as JSON; once a second with `Accept: text/event-stream`",
    methods: || -> MethodRouter<Arc<App>> { get(overview) },
};

async fn overview(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if !events::wanted(&headers) {
        return Json(app.watcher.overview().await.as_ref()).into_response();
    }
    let first = app.watcher.overview().await;
    let mut receiver = app.watcher.subscribe();
    receiver.mark_unchanged();
    let looks = stream::unfold(Some((Some(first), receiver)), |state| async {
        let (first, mut receiver) = state?;
        let overview = match first {
            Some(overview) => overview,
            None => loop {
                receiver.changed().await.ok()?;
                if let Some(overview) = receiver.borrow_and_update().clone() {
                    break overview;
                }
            },
        };
        Some((events::event(overview.as_ref()), Some((None, receiver))))
    });
    events::answer(looks, app.shutdown.clone())
}
