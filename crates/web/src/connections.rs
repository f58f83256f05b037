//! The connections: taken up to a limit, each with a time within which it has to ask, ended together.
//!
//! In: a listener and the router. Out: HTTP/1.1 answers, and the socket itself to whoever goes over to WebSocket. A connection
//! counts until its socket is closed, also after that. One beyond the limit is told so (503) and closed at once: who holds
//! connections open without asking loses them after [`Limits::header_timeout`] and costs a socket, no thread and at most
//! [`MAX_BUFFER_BYTES`] until then.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::problem::Problem;

/// What one server holds open at most, and for how long it waits to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, those gone over to WebSocket too.
    pub max_connections: usize,
    /// How long a request's head may take, counted from the connection's beginning or the last answer's end.
    pub header_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_timeout: Duration::from_secs(20),
        }
    }
}

/// The longest head of a request, and what is gathered of an answer before it is written.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Refused connections that are told why at the same time; those beyond are only closed.
const MAX_REFUSALS: usize = 64;
/// How long one of these may take.
const REFUSAL: Duration = Duration::from_secs(1);
/// Before the next try when the system gives no socket.
const NO_SOCKET: Duration = Duration::from_millis(200);

/// What the kernel may hold of a viewer's bytes before the socket counts as full: enough to keep a fast viewer's pipe
/// filled, little enough that a slow viewer is noticed within a few pictures.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 128 << 10;

/// Answers until `shutdown`, and then what is under way for as long as `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    grace: Duration,
) {
    let tasks = TaskTracker::new();
    let hard_end = CancellationToken::new();
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_BUFFER_BYTES);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if was_its_own_end(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken; the limit of open files may be too low");
                tokio::select! {
                    () = tokio::time::sleep(NO_SOCKET) => continue,
                    () = shutdown.cancelled() => break,
                }
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            metrics.refused_connections.add(1);
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                let hard_end = hard_end.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = refuse(socket, limits.max_connections) => {}
                        () = hard_end.cancelled() => {}
                    }
                    drop(permit);
                });
            }
            continue;
        };
        if let Err(error) = tune(&socket) {
            tracing::debug!(%error, "a socket's options could not be set");
        }
        metrics.connections.add(1);
        let socket = Counted {
            socket,
            metrics: metrics.clone(),
            _place: place,
        };
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let connection = http
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        let (shutdown, hard_end) = (shutdown.clone(), hard_end.clone());
        tasks.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => ended,
                        () = hard_end.cancelled() => return,
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection has ended");
            }
        });
    }
    drop(listener);
    tasks.close();
    let _ = tokio::time::timeout(grace, tasks.wait()).await;
    hard_end.cancel();
}

/// The errors of `accept` that concern only the connection that was to be taken.
fn was_its_own_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Says why and closes. What the other side has sent is read first: a socket that is closed with something unread takes its
/// last words back.
async fn refuse(mut socket: TcpStream, max_connections: usize) {
    let body = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("all of the {max_connections} connections are in use"),
    )
    .remedy("close some, or try again later")
    .json();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Retry-After: 5\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let said = async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        let mut unread = [0; 1_024];
        while socket.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = tokio::time::timeout(REFUSAL, said).await;
}

/// Pictures go out at once, and what a slow viewer does not take stays where it can be skipped.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

/// A socket that holds its place until it is closed, whatever protocol it has gone over to.
struct Counted {
    socket: TcpStream,
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.connections.sub(1);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
