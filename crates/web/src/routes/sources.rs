//! `GET /sources`: how the sources are that `weir serve` runs, once or whenever that changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use tokio::sync::watch;

use super::Route;
use crate::api::Sources;
use crate::events;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/sources",
    gives: "how the sources of `weir.toml` are, as JSON; whenever that changes with `Accept: text/event-stream`",
    methods: || -> MethodRouter<Arc<App>> { get(sources) },
};

async fn sources(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    // Where there are none, the answer is an empty list, and stays that.
    let mut receiver = app
        .config
        .sources
        .clone()
        .unwrap_or_else(|| watch::Sender::new(Arc::<Sources>::default()).subscribe());
    if !events::wanted(&headers) {
        return Json(receiver.borrow().as_ref()).into_response();
    }
    receiver.mark_changed();
    let changes = stream::unfold(receiver, |mut receiver| async {
        if receiver.changed().await.is_err() {
            // Nobody will change it any more; the connection stands, as those of the other routes do.
            std::future::pending::<()>().await;
        }
        let now = receiver.borrow_and_update().clone();
        Some((events::event(now.as_ref()), receiver))
    });
    events::answer(changes, app.shutdown.clone())
}
