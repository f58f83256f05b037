//! Listens, and runs one task for each connection until the broker shuts down.
//!
//! Sockets come in; requests go to [`handlers`](crate::handlers) and answers back out. What a request means is not known here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::settings;

mod connection;
pub mod frame;

/// Who is on the other end of a connection, and which of our addresses it used.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionInfo {
    /// The broker's address as this client reached it.
    pub local: SocketAddr,
    /// The client's.
    pub peer: SocketAddr,
}

/// Accepts connections until `closing` is cancelled, then waits for those there are to end.
pub(crate) async fn run(listener: TcpListener, broker: Arc<Broker>, closing: CancellationToken) {
    let most =
        usize::try_from(broker.settings.get(settings::MAX_CONNECTIONS)).unwrap_or(usize::MAX);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) if connections.len() >= most => {
                tracing::warn!(%peer, most, "a connection was refused: max.connections are open");
                drop(stream);
            }
            Ok((stream, peer)) => {
                if let Some(info) = prepare(&stream, peer) {
                    connections.spawn(connection::run(
                        stream,
                        info,
                        Arc::clone(&broker),
                        closing.clone(),
                    ));
                }
            }
            Err(error) => {
                // Out of file descriptors, mostly: those in use go on, and a pause keeps this from spinning.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn prepare(stream: &TcpStream, peer: SocketAddr) -> Option<ConnectionInfo> {
    let local = stream.local_addr().ok()?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
    }
    Some(ConnectionInfo { local, peer })
}
