//! Cuts a connection's bytes into requests: a length, a header, a body.
//!
//! In goes what the socket gave, out come whole frames. Nothing is allocated because a frame *says* it is long: the buffer
//! doubles with what has arrived, up to `socket.request.max.bytes`. Bodies are not looked into here.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::request::Malformed;

/// The room made for a connection that sends little.
const SMALLEST_ROOM_BYTES: usize = 16 * 1024;
/// The longest frame for which room is made at once when its first [`SMALLEST_ROOM_BYTES`] are here.
const LARGEST_STEP_AHEAD_BYTES: usize = 1024 * 1024;
/// The most that one read makes room for.
const LARGEST_STEP_BYTES: usize = 4 * 1024 * 1024;

/// What stands before every request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Which API.
    pub api_key: i16,
    /// In which version of it.
    pub api_version: i16,
    /// What the answer repeats, so that the client finds its request.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

impl Header {
    /// Takes the header off the front of `frame`. `flexible` tells of an API and version whether its header carries tagged
    /// fields (header version 2, KIP-482).
    pub fn take(
        frame: &mut BytesMut,
        flexible: impl Fn(i16, i16) -> bool,
    ) -> Result<Self, Malformed> {
        let short = |_| Malformed("the frame ends within its header");
        let api_key = frame.try_get_i16().map_err(short)?;
        let api_version = frame.try_get_i16().map_err(short)?;
        let correlation_id = frame.try_get_i32().map_err(short)?;
        let client_id = match frame.try_get_i16().map_err(short)? {
            -1 => None,
            len => {
                let len = usize::try_from(len)
                    .map_err(|_| Malformed("the client id's length is negative"))?;
                if frame.len() < len {
                    return Err(Malformed("the frame ends within the client id"));
                }
                let text = frame.split_to(len);
                Some(String::from_utf8_lossy(&text).into_owned())
            }
        };
        if flexible(api_key, api_version) {
            let skipped = crate::request::tagged_fields_len(frame)?;
            frame.advance(skipped);
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }
}

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side is gone.
    #[error("the connection was closed")]
    Closed,
    /// A frame longer than this broker takes, or of no possible length.
    #[error(
        "a frame of {len} bytes was announced; at most {max} are taken (socket.request.max.bytes)"
    )]
    Length {
        /// The length announced.
        len: i32,
        /// The longest taken.
        max: usize,
    },
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads frames one after another.
#[derive(Debug)]
pub struct FrameReader<R> {
    socket: R,
    buffer: BytesMut,
    max_bytes: usize,
    ended: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Takes frames of up to `max_bytes` from `socket`.
    pub fn new(socket: R, max_bytes: usize) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            max_bytes,
            ended: false,
        }
    }

    /// The next whole frame, without its length. Safe to drop while it waits: nothing read is lost.
    pub async fn next(&mut self) -> Result<BytesMut, FrameError> {
        loop {
            if let Some(frame) = self.take_whole()? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Reads on while a request is being worked on: how a closed connection is noticed. Never ends unless the connection
    /// does, and stops reading when the next request's first bytes are here.
    pub async fn until_closed(&mut self) -> FrameError {
        while self.buffer.len() < SMALLEST_ROOM_BYTES {
            if let Err(error) = self.fill().await {
                return error;
            }
        }
        std::future::pending().await
    }

    fn take_whole(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let announced = i32::from_be_bytes(*head);
        let len = usize::try_from(announced)
            .ok()
            .filter(|len| *len <= self.max_bytes)
            .ok_or(FrameError::Length {
                len: announced,
                max: self.max_bytes,
            })?;
        if self.buffer.len() < 4 + len {
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(len)))
    }

    /// What is missing of a frame that has begun to arrive in earnest and is of ordinary length, so that it is copied once, not
    /// each time the buffer doubles; 0 for one that could make the broker hold much memory by announcing much.
    fn rest_of_frame(&self, arrived: usize) -> usize {
        let announced = self.buffer.first_chunk::<4>().map_or(0, |head| {
            usize::try_from(i32::from_be_bytes(*head)).unwrap_or_default()
        });
        if arrived < SMALLEST_ROOM_BYTES || announced > LARGEST_STEP_AHEAD_BYTES {
            return 0;
        }
        (4 + announced).saturating_sub(arrived)
    }

    async fn fill(&mut self) -> Result<(), FrameError> {
        if self.ended {
            return Err(FrameError::Closed);
        }
        if self.buffer.capacity() == self.buffer.len() {
            let arrived = self.buffer.len();
            let step = arrived.clamp(
                SMALLEST_ROOM_BYTES.max(self.rest_of_frame(arrived)),
                LARGEST_STEP_BYTES,
            );
            self.buffer.reserve(step);
        }
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => {
                self.ended = true;
                Err(FrameError::Closed)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn room_is_made_for_what_has_arrived_and_not_for_what_was_announced() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut frames = FrameReader::new(server, 100 << 20);
        client
            .write_all(&(90_i32 << 20).to_be_bytes())
            .await
            .unwrap();
        client.write_all(&[0; 500]).await.unwrap();
        drop(client);
        assert!(matches!(frames.next().await, Err(FrameError::Closed)));
        assert!(frames.buffer.capacity() <= SMALLEST_ROOM_BYTES);
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_arrive() {
        let (mut client, server) = tokio::io::duplex(7);
        let mut frames = FrameReader::new(server, 1000);
        let sent: Vec<Vec<u8>> = (0..50).map(|len| vec![len; usize::from(len)]).collect();
        let writer = sent.clone();
        let writing = tokio::spawn(async move {
            for frame in writer {
                client
                    .write_all(&(frame.len() as i32).to_be_bytes())
                    .await
                    .unwrap();
                client.write_all(&frame).await.unwrap();
            }
        });
        for frame in sent {
            assert_eq!(frames.next().await.unwrap(), frame);
        }
        writing.await.unwrap();
        assert!(matches!(frames.next().await, Err(FrameError::Closed)));
    }

    #[tokio::test]
    async fn a_length_below_zero_or_beyond_the_bound_is_refused_at_once() {
        for len in [-1, i32::MIN, 1001, i32::MAX] {
            let (mut client, server) = tokio::io::duplex(64);
            let mut frames = FrameReader::new(server, 1000);
            client.write_all(&i32::to_be_bytes(len)).await.unwrap();
            assert!(matches!(
                frames.next().await,
                Err(FrameError::Length { .. })
            ));
        }
    }
}
