//! One connection: requests are read and handled in order, answers written in the same order.
//!
//! Two halves. The reading half takes a frame, has it handled, and reads nothing but a little ahead meanwhile, so that what a
//! client may have under way is bounded. The writing half sends answers as they become ready, several in one system call.
//! An answer that waits for the disk ([`Reply::Later`]) holds up the writing half alone.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::ConnectionInfo;
use super::frame::{FrameError, FrameReader, Header};
use crate::broker::Broker;
use crate::handlers::{Api, Body, BoxFuture, Context, Reply, api_versions};
use crate::request::Malformed;
use crate::settings;

/// Answers of one connection that may be under way at once.
const MAX_IN_FLIGHT: usize = 64;
/// Bytes of answers that may wait for one client to read them. One larger answer may wait alone.
const MAX_WAITING_BYTES: u32 = 1024 * 1024;
/// Answers are sent when so much has come together.
const FLUSH_BYTES: usize = 256 * 1024;
/// How long a client may take for its last answers when the broker shuts down.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Pieces in one system call (Linux takes 1024).
const MAX_PIECES: usize = 256;

/// Serves `stream` until either side ends it.
pub(crate) async fn run(
    stream: TcpStream,
    info: ConnectionInfo,
    broker: Arc<Broker>,
    shutdown: CancellationToken,
) {
    let closing = shutdown.child_token();
    let idle = Duration::from_millis(
        u64::try_from(broker.settings.get(settings::CONNECTIONS_MAX_IDLE_MS))
            .unwrap_or(u64::MAX >> 1),
    );
    let max_bytes =
        usize::try_from(broker.settings.get(settings::SOCKET_REQUEST_MAX_BYTES)).unwrap_or(0);
    let (read_half, write_half) = stream.into_split();
    let (answers, waiting) = mpsc::channel(MAX_IN_FLIGHT);
    let writer = tokio::spawn(write(write_half, waiting, idle, closing.clone()));
    let mut requests = Requests {
        frames: FrameReader::new(read_half, max_bytes),
        context: Context {
            broker,
            connection: Arc::new(info),
            version: 0,
            client_id: String::new(),
            closing,
        },
        answers,
        budget: Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize)),
    };
    // What a request leaves undone at the shutdown is as after a crash, which every handler is made for.
    let ended = tokio::select! {
        ended = requests.serve(idle) => ended,
        () = grace(&shutdown) => Ended::Quietly,
    };
    match ended {
        Ended::Quietly => tracing::trace!(peer = %info.peer, "connection ended"),
        // No warning: whoever can reach the port could fill the log with them.
        Ended::Because(why) => tracing::info!(peer = %info.peer, why, "connection closed"),
    }
    drop(requests);
    let aborter = writer.abort_handle();
    tokio::select! {
        _ = writer => {}
        () = grace(&shutdown) => aborter.abort(),
    }
}

/// Returns some time after the broker has begun to shut down.
async fn grace(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_ANSWERS).await;
}

enum Ended {
    Quietly,
    Because(String),
}

struct Requests<R> {
    frames: FrameReader<R>,
    context: Context,
    answers: mpsc::Sender<Answer>,
    budget: Arc<Semaphore>,
}

impl<R: tokio::io::AsyncRead + Unpin> Requests<R> {
    async fn serve(&mut self, idle: Duration) -> Ended {
        loop {
            let frame = tokio::select! {
                biased;
                () = self.context.closing.cancelled() => return Ended::Quietly,
                frame = tokio::time::timeout(idle, self.frames.next()) => frame,
            };
            let result = match frame {
                Err(_) | Ok(Err(FrameError::Closed | FrameError::Io(_))) => return Ended::Quietly,
                Ok(Err(error @ FrameError::Length { .. })) => {
                    return Ended::Because(error.to_string());
                }
                Ok(Ok(frame)) => self.one(frame).await,
            };
            match result {
                Ok(true) => {}
                Ok(false) => return Ended::Quietly,
                Err(Malformed(why)) => return Ended::Because(why.to_owned()),
            }
        }
    }

    /// Handles one request; false when nobody takes the answers any more.
    async fn one(&mut self, mut frame: BytesMut) -> Result<bool, Malformed> {
        let header = Header::take(&mut frame, |key, version| {
            Api::find(key).is_some_and(|api| api.request_header_is_flexible(version))
        })?;
        let api = Api::find(header.api_key).ok_or(Malformed("no such API is served here"))?;
        if !api.serves(header.api_version) {
            // KIP-511: a client too new learns what it may ask; any other request that cannot be read ends the connection.
            if header.api_key == api_versions::KEY {
                let body = api_versions::unsupported_version();
                return Ok(self.send(&header, false, Outcome::Ready(body)).await);
            }
            return Err(Malformed("this version of the API is not served here"));
        }
        self.context.version = header.api_version;
        self.context.client_id = header.client_id.clone().unwrap_or_default();
        tracing::trace!(
            key = header.api_key,
            version = header.api_version,
            "request"
        );
        let reply = {
            let mut handled = pin!(api.call(&self.context, frame));
            tokio::select! {
                biased;
                reply = &mut handled => reply?,
                _ = self.frames.until_closed() => {
                    self.context.closing.cancel();
                    handled.await?
                }
            }
        };
        let flexible = api.response_header_is_flexible(header.api_version);
        Ok(match reply {
            Reply::None => true,
            Reply::Now(body) => self.send(&header, flexible, Outcome::Ready(body)).await,
            Reply::Later(body) => self.send(&header, flexible, Outcome::Pending(body)).await,
        })
    }

    async fn send(&self, header: &Header, flexible: bool, outcome: Outcome) -> bool {
        let len = match &outcome {
            Outcome::Ready(body) => body.iter().map(Bytes::len).sum(),
            Outcome::Pending(_) => 256,
        };
        let weight = u32::try_from(len)
            .unwrap_or(u32::MAX)
            .min(MAX_WAITING_BYTES);
        let Ok(room) = Arc::clone(&self.budget).acquire_many_owned(weight).await else {
            return false;
        };
        let answer = Answer {
            correlation_id: header.correlation_id,
            flexible,
            outcome,
            room,
        };
        self.answers.send(answer).await.is_ok()
    }
}

enum Outcome {
    Ready(Body),
    Pending(BoxFuture<'static, Body>),
}

struct Answer {
    correlation_id: i32,
    flexible: bool,
    outcome: Outcome,
    room: OwnedSemaphorePermit,
}

async fn write(
    mut socket: OwnedWriteHalf,
    mut answers: mpsc::Receiver<Answer>,
    idle: Duration,
    closing: CancellationToken,
) {
    let mut queue = Queue::default();
    loop {
        let answer = if let Ok(answer) = answers.try_recv() {
            answer
        } else {
            if queue.flush(&mut socket, idle).await.is_err() {
                break;
            }
            match answers.recv().await {
                Some(answer) => answer,
                None => break,
            }
        };
        let body = match answer.outcome {
            Outcome::Ready(body) => body,
            Outcome::Pending(mut pending) => {
                let ready = tokio::select! {
                    biased;
                    body = &mut pending => Some(body),
                    () = std::future::ready(()) => None,
                };
                if let Some(body) = ready {
                    body
                } else {
                    if queue.flush(&mut socket, idle).await.is_err() {
                        break;
                    }
                    pending.await
                }
            }
        };
        queue.push(answer.correlation_id, answer.flexible, body, answer.room);
        if queue.len_bytes >= FLUSH_BYTES && queue.flush(&mut socket, idle).await.is_err() {
            break;
        }
    }
    closing.cancel();
    let _ = socket.shutdown().await;
}

/// Answers that have come together to be sent at once.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    len_bytes: usize,
    room: Vec<OwnedSemaphorePermit>,
}

impl Queue {
    fn push(
        &mut self,
        correlation_id: i32,
        flexible: bool,
        body: Body,
        room: OwnedSemaphorePermit,
    ) {
        let mut head = [0_u8; 9];
        let head_len = if flexible { 9 } else { 8 };
        let body_len: usize = body.iter().map(Bytes::len).sum();
        let len = head_len - 4 + body_len;
        head[..4].copy_from_slice(&(len as u32).to_be_bytes());
        head[4..8].copy_from_slice(&correlation_id.to_be_bytes());
        self.pieces
            .push_back(Bytes::copy_from_slice(&head[..head_len]));
        self.pieces
            .extend(body.into_iter().filter(|piece| !piece.is_empty()));
        self.len_bytes += 4 + len;
        self.room.push(room);
    }

    async fn flush(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        idle: Duration,
    ) -> std::io::Result<()> {
        while !self.pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> = self
                .pieces
                .iter()
                .take(MAX_PIECES)
                .map(|piece| IoSlice::new(piece))
                .collect();
            let written = tokio::time::timeout(idle, socket.write_vectored(&slices))
                .await
                .map_err(|_| std::io::ErrorKind::TimedOut)??;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        self.len_bytes = 0;
        self.room.clear();
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
    }
}
