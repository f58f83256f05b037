//! Server-Sent Events as the routes use them: back-pressured by the socket, alive through proxies, ended by the shutdown.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::lookout::Lookout;

/// Whether the request asks for events.
pub fn wanted(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

/// One event.
pub fn event(event: &impl Serialize) -> Event {
    Event::default()
        .json_data(event)
        .unwrap_or_else(|error| Event::default().comment(error.to_string()))
}

/// The response that sends what is found out, from the newest on, whenever it is shown.
pub fn shown<T: Serialize + Send + Sync + 'static>(
    lookout: &Lookout<T>,
    shutdown: CancellationToken,
) -> Response {
    let mut receiver = lookout.subscribe();
    receiver.mark_changed();
    let shown = stream::unfold(receiver, |mut receiver| async {
        loop {
            receiver.changed().await.ok()?;
            let newest = receiver.borrow_and_update().clone();
            if let Some(newest) = newest {
                return Some((event(newest.as_ref()), receiver));
            }
        }
    });
    answer(shown, shutdown)
}

/// The response that sends these events until they or the server end.
pub fn answer(
    events: impl Stream<Item = Event> + Send + 'static,
    shutdown: CancellationToken,
) -> Response {
    let events = events
        .map(Ok::<_, Infallible>)
        .take_until(shutdown.cancelled_owned());
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}
