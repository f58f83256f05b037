//! Ctrl-C and SIGTERM: the first asks for a clean end, the second Ctrl-C ends at once.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

const INTERRUPTED: u8 = 130;

/// What has been signalled so far.
#[derive(Clone)]
pub struct Signals(Arc<AtomicU8>);

impl Signals {
    /// The exit code of a command that ended without a failure: 130 if it was interrupted.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.0.load(Ordering::Acquire))
    }
}

/// Cancels `shutdown` when the process is asked to end.
pub fn watch(shutdown: CancellationToken) -> Signals {
    let signals = Signals(Arc::new(AtomicU8::new(0)));
    let code = signals.0.clone();
    tokio::spawn(async move {
        if ended_by_terminal().await {
            code.store(INTERRUPTED, Ordering::Release);
        }
        shutdown.cancel();
        ended_by_terminal().await;
        std::process::exit(i32::from(INTERRUPTED));
    });
    signals
}

/// Waits for either signal; true for Ctrl-C, false for SIGTERM, which is how a service manager ends a service in order.
#[cfg(unix)]
async fn ended_by_terminal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => true,
        _ = terminate.recv() => false,
    }
}

#[cfg(not(unix))]
async fn ended_by_terminal() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
