//! `GET /topics/{topic}/records`: any topic's records as Server-Sent Events.
//!
//! The viewer's own reader, held back by its socket: nothing is dropped, however slow it is. Each record's `id` is `partition:offset`; a
//! browser that lost its connection sends it back and goes on behind it (topics of one partition; others begin as first asked).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event as Sent;
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use weir_client::{Event, From, Reader, ReaderOptions};

use super::{Route, check_from, topic};
use crate::api::RecordsEvent;
use crate::events;
use crate::problem::Problem;
use crate::query::{End, Params, Topic};
use crate::resume::Committer;
use crate::server::App;
use crate::view;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/records",
    gives: "Server-Sent Events, a record each; `from=` (`-N`: the last N), `to=`, `limit=`, `partition=`, `full=true`",
    methods: || -> MethodRouter<Arc<App>> { get(records) },
};

const MOST: u64 = 1_000_000_000;

async fn records(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut from = params.from()?;
    let end = params.to()?;
    Params::check_order(&from, end)?;
    let limit = params.number("limit", 1..=MOST)?;
    let full = params.flag("full")?;
    let partition = params.number("partition", 0..=i32::MAX)?;
    let info = app.kafka.topic(&topic).await?;
    if let Some(partition) = partition {
        topic::check_partition(&info, partition)?;
    }
    // Also for one that goes on behind its last record: the group is still its own.
    let committer = Committer::new(&app, &topic, &from).await;
    if info.partitions.len() == 1
        && let Some(seen) = headers.get("last-event-id").and_then(last_seen)
    {
        from = From::Offset(seen.saturating_add(1));
    } else {
        check_from(&app, &topic, &from).await?;
    }
    let partitions = partition.map_or(info.partitions.len(), |_| 1);
    let options = ReaderOptions {
        partitions: partition.map(|partition| vec![partition]),
        ..ReaderOptions::default()
    };
    let reading = Reading {
        reader: app.kafka.reader(&topic, from, options).await?,
        committer,
        taken: None,
        partitions,
        caught_up: 0,
        limit,
        end,
        full,
        sent: 0,
        ended: false,
    };
    let events = stream::unfold(reading, |mut reading| async move {
        let event = reading.next().await?;
        Some((event, reading))
    });
    Ok(events::answer(events, app.shutdown.clone()))
}

fn last_seen(id: &axum::http::HeaderValue) -> Option<i64> {
    let (_, offset) = id.to_str().ok()?.split_once(':')?;
    offset.parse().ok().filter(|offset| *offset >= 0)
}

struct Reading {
    reader: Reader,
    committer: Committer,
    taken: Option<(i32, i64)>,
    partitions: usize,
    caught_up: usize,
    limit: Option<u64>,
    end: Option<End>,
    full: bool,
    sent: u64,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Sent> {
        if let Some((partition, offset)) = self.taken.take() {
            self.committer.sent(partition, offset);
        }
        loop {
            if self.ended {
                return None;
            }
            if self.limit.is_some_and(|limit| self.sent >= limit) {
                return Some(self.end());
            }
            match self.reader.next().await {
                Ok(Event::Record(record)) => {
                    let timestamp_ms = record.timestamp.map_or(i64::MIN, |time| time.0);
                    if self
                        .end
                        .is_some_and(|end| end.reached_by(record.offset, timestamp_ms))
                    {
                        if self.partitions == 1 {
                            return Some(self.end());
                        }
                        continue; // other partitions may not be there yet
                    }
                    self.sent += 1;
                    self.taken = Some((record.partition, record.offset));
                    let id = format!("{}:{}", record.partition, record.offset);
                    let view = RecordsEvent::Record(view::record(&record, self.full));
                    return Some(events::event(&view).id(id));
                }
                Ok(Event::CaughtUp { .. }) => {
                    self.caught_up += 1;
                    if self.caught_up == self.partitions {
                        return Some(events::event(&RecordsEvent::Live));
                    }
                }
                Ok(Event::Disconnected { why }) => {
                    return Some(events::event(&RecordsEvent::Waiting { why }));
                }
                Ok(Event::Reconnected) => return Some(events::event(&RecordsEvent::Reconnected)),
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    let problem = error.into();
                    return Some(events::event(&RecordsEvent::Error { problem }));
                }
            }
        }
    }

    fn end(&mut self) -> Sent {
        self.ended = true;
        events::event(&RecordsEvent::End { records: self.sent })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_last_event_id_is_where_to_go_on_and_nonsense_is_nothing() {
        let seen = |id: &'static str| last_seen(&HeaderValue::from_static(id));
        assert_eq!(seen("0:41"), Some(41));
        for nonsense in ["", "41", ":", "0:-1", "0:x", "0:99999999999999999999"] {
            assert_eq!(seen(nonsense), None, "{nonsense}");
        }
    }
}
