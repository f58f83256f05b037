//! Bodies that are posted: read whole, up to a length, and all of them together up to [`ROOM_BYTES`].
//!
//! What is too long is read to its end and thrown away, up to a point, before it is refused: a server that closes with something unread
//! takes its answer back (RFC 9112 §9.6), and who posted would see a broken connection and no reason.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_base::units::show_bytes;

use crate::problem::Problem;

/// What the bodies of all requests may hold in memory at a time.
const ROOM_BYTES: usize = 128 << 20;
/// What is read of a body that is refused.
const THROWN_AWAY_BYTES: usize = 16 << 20;
/// Room is given out in pieces of this length.
const PIECE_BYTES: usize = 1 << 10;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It is longer than it may be.
    TooLong,
    /// Others have taken all the room.
    NoRoom,
    /// It broke off.
    Broken,
}

impl NotTaken {
    /// What whoever posted is told; `limit`: what the body may be long.
    pub fn problem(self, limit: usize) -> Problem {
        match self {
            Self::TooLong => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "the body is longer than this server takes: {}",
                    show_bytes(limit as u64)
                ),
            )
            .field("Content-Length")
            .remedy("send less at a time"),
            Self::NoRoom => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "more is being posted by all together than this server holds in memory",
            )
            .remedy("send again in a second"),
            Self::Broken => Problem::bad("body", "the body broke off"),
        }
    }
}

/// The room that bodies share.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES / PIECE_BYTES)))
    }
}

/// A body, and the room it takes up for as long as this is held.
pub struct Whole {
    /// The body.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Reads a body of at most `limit` bytes.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: usize,
    ) -> Result<Whole, NotTaken> {
        let mut chunks = body.into_data_stream();
        let announced = headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let mut whole = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut refused = announced
            .filter(|length| *length > limit)
            .map(|_| NotTaken::TooLong);
        // One that waits to be told to go on (RFC 9110 §10.1.1) has sent nothing yet, and need not.
        if let Some(refused) = refused
            && headers.contains_key(header::EXPECT)
        {
            return Err(refused);
        }
        let mut read: usize = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| NotTaken::Broken)?;
            read = read.saturating_add(chunk.len());
            if refused.is_none() && read > limit {
                refused = Some(NotTaken::TooLong);
            }
            if refused.is_none() {
                let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
                let missing = read.div_ceil(PIECE_BYTES).saturating_sub(held);
                let missing = u32::try_from(missing).unwrap_or(u32::MAX);
                match self.0.clone().try_acquire_many_owned(missing) {
                    Ok(more) => match &mut room {
                        Some(room) => room.merge(more),
                        None => room = Some(more),
                    },
                    Err(_) => refused = Some(NotTaken::NoRoom),
                }
            }
            if refused.is_none() {
                whole.extend_from_slice(&chunk);
            } else {
                (whole, room) = (BytesMut::new(), None);
                if read > limit.saturating_add(THROWN_AWAY_BYTES) {
                    break;
                }
            }
        }
        match refused {
            Some(refused) => Err(refused),
            None => Ok(Whole {
                bytes: whole.freeze(),
                _room: room,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures_util::stream;

    use super::*;

    fn body(chunks: usize, len_bytes: usize) -> Body {
        let chunk = Bytes::from(vec![b'x'; len_bytes]);
        Body::from_stream(stream::iter(
            (0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        ))
    }

    async fn read(room: &Room, body: Body, limit: usize) -> Result<usize, NotTaken> {
        let whole = room.read(&HeaderMap::new(), body, limit).await;
        whole.map(|whole| whole.bytes.len())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_gives_its_room_back() {
        let room = Room::default();
        for _ in 0..3 {
            assert_eq!(read(&room, body(10, 1_000), 10_000).await, Ok(10_000));
            assert_eq!(read(&room, body(0, 0), 10_000).await, Ok(0));
            assert_eq!(
                read(&room, body(11, 1_000), 10_000).await,
                Err(NotTaken::TooLong)
            );
        }
        assert_eq!(room.0.available_permits(), ROOM_BYTES / PIECE_BYTES);
    }

    #[tokio::test]
    async fn who_waits_to_be_told_to_go_on_is_refused_by_what_it_announces() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("11"));
        headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = Room::default().read(&headers, never, 10).await;
        assert_eq!(refused.err(), Some(NotTaken::TooLong));
    }

    #[tokio::test]
    async fn bodies_together_have_so_much_room_and_no_more() {
        let room = Room::default();
        let none = HeaderMap::new();
        let first = room.read(&none, body(100, 1 << 20), usize::MAX).await;
        assert_eq!(
            read(&room, body(50, 1 << 20), usize::MAX).await,
            Err(NotTaken::NoRoom)
        );
        drop(first);
        assert!(read(&room, body(50, 1 << 20), usize::MAX).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_read_for_ever() {
        let endless = Body::from_stream(stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 8_192]))
        }));
        assert_eq!(
            read(&Room::default(), endless, 10).await,
            Err(NotTaken::TooLong)
        );
    }
}
