//! A WebSocket as the routes use it: events out, and an end when the viewer hangs up, takes nothing for too long, or the server stops.
//!
//! What the viewer sends is always read, so that closing and pings work.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

/// A viewer whose socket took nothing for so long is gone.
const STALLED: Duration = Duration::from_secs(20);
/// Viewers have little to say.
const MAX_INCOMING_BYTES: usize = 4_096;
/// Pictures are written as they come; more than this only delays the first byte, and stays with each viewer.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Each viewer has one for as long as it watches, and it is written to whole.
const READ_BUFFER_BYTES: usize = 2 << 10;

/// How long a viewer that was told to go may take to do so.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// The viewer is gone, or is to go.
#[derive(Debug)]
pub struct Gone;

/// A viewer's WebSocket.
pub struct Socket {
    socket: WebSocket,
    shutdown: CancellationToken,
}

/// What a viewer says.
#[derive(Debug)]
pub enum Heard {
    /// A text.
    Text(Utf8Bytes),
    /// Something of no meaning here: a ping, bytes.
    Noise,
    /// The end; also after a message that is too long.
    HungUp,
}

impl Socket {
    /// Puts an event into the socket's buffer.
    pub async fn event(&mut self, event: &impl Serialize) -> Result<(), Gone> {
        let text = serde_json::to_string(event).map_err(|_| Gone)?;
        self.feed(Message::Text(text.into())).await
    }

    /// Puts bytes into the socket's buffer.
    pub async fn binary(&mut self, bytes: Bytes) -> Result<(), Gone> {
        self.feed(Message::Binary(bytes)).await
    }

    /// Sends what is in the buffer.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        taken(self.socket.flush(), &self.shutdown).await
    }

    async fn feed(&mut self, message: Message) -> Result<(), Gone> {
        taken(self.socket.feed(message), &self.shutdown).await
    }

    /// The next thing the viewer says. Cancel-safe.
    pub async fn next(&mut self) -> Heard {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::HungUp,
            Some(Ok(_)) => Heard::Noise,
        }
    }

    /// Returns when the viewer hangs up; what it says is passed over. Cancel-safe.
    pub async fn hung_up(&mut self) {
        while !matches!(self.next().await, Heard::HungUp) {}
    }

    /// Says good-bye and waits for nothing.
    async fn leave(&mut self, code: u16, reason: &'static str) -> bool {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let closing = self.socket.send(Message::Close(Some(frame)));
        let closed = tokio::time::timeout(Duration::from_millis(200), closing).await;
        matches!(closed, Ok(Ok(())))
    }

    /// Says good-bye and waits a moment for the viewer's: what it had sent and nobody had read would reset the connection, and
    /// take our last words with it.
    pub async fn close(mut self, code: u16, reason: &'static str) {
        if self.leave(code, reason).await {
            let _ = tokio::time::timeout(GOOD_BYE, self.hung_up()).await;
        }
    }
}

/// Waits until the viewer's socket has taken what is sent, for [`STALLED`] at most. Nearly always it does so at once: a thousand
/// viewers' timers and looks at the server's end are begun only where it does not.
async fn taken(
    sending: impl Future<Output = Result<(), axum::Error>>,
    shutdown: &CancellationToken,
) -> Result<(), Gone> {
    let mut sending = pin!(sending);
    let at_once = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
    if let Poll::Ready(sent) = at_once {
        return sent.map_err(|_| Gone);
    }
    tokio::select! {
        sent = tokio::time::timeout(STALLED, sending) => match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        },
        () = shutdown.cancelled() => Err(Gone),
    }
}

/// The answer to a request for a WebSocket: the upgrade and then `serve`, or what is wrong.
///
/// A browser shows a page nothing of a refused upgrade, so where the request was one, the problem goes as the socket's
/// only event, made by `as_event`; where it was none, the problem is the HTTP answer.
pub fn answer<Asked, Served, Event>(
    upgrade: Option<WebSocketUpgrade>,
    asked: Result<Asked, Problem>,
    shutdown: CancellationToken,
    as_event: fn(Problem) -> Event,
    serve: impl FnOnce(Asked, Socket) -> Served + Send + 'static,
) -> Response
where
    Asked: Send + 'static,
    Served: Future<Output = Option<Socket>> + Send,
    Event: Serialize + Send + Sync + 'static,
{
    let Some(upgrade) = upgrade else {
        let problem = asked.err().unwrap_or_else(upgrade_required);
        let mut response = problem.into_response();
        if response.status() == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        return response;
    };
    upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| async move {
            let mut socket = Socket { socket, shutdown };
            match asked {
                Ok(asked) => {
                    if let Some(mut socket) = serve(asked, socket).await {
                        socket.leave(close_code::AWAY, "the server stops").await;
                    }
                }
                Err(problem) => {
                    let told = socket.event(&as_event(problem)).await;
                    if told.is_ok() {
                        socket.close(close_code::POLICY, "refused").await;
                    }
                }
            }
        })
}

/// What a request that is no WebSocket's gets when nothing else is wrong with it.
pub fn upgrade_required() -> Problem {
    Problem::new(
        StatusCode::UPGRADE_REQUIRED,
        "this address speaks WebSocket",
    )
    .field("Upgrade")
    .remedy("connect with ws://")
}
