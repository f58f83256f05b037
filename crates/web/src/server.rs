//! The server: what every route shares, the router made of the table of routes, and the end of it all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_base::time::Clock;
use weir_base::units::Rate;
use weir_client::{ClientError, Kafka, Producer, ProducerOptions};

use crate::api::Sources;
use crate::body::Room;
use crate::cluster::ClusterWatcher;
use crate::connections::{self, Limits};
use crate::gate::Gate;
use crate::guard::{Guard, Refusals, guard};
use crate::hub::Hubs;
use crate::latest::Tables;
use crate::library::Library;
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::routes;
use crate::throttle::Throttle;
use crate::turns::Turns;
use crate::watcher::Watcher;

/// What the caller decides.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// Host names besides the loopback ones and the listen address under which the server may be asked.
    pub allowed_hosts: Vec<String>,
    /// The topic of `/video` without `topic=`.
    pub default_video_topic: Option<String>,
    /// How many connections at a time, and how long they may take to ask.
    pub limits: Limits,
    /// What may be posted to `/ingest`.
    pub ingest: IngestLimits,
    /// How the sources are that run in this process; `None`: there are none.
    pub sources: Option<watch::Receiver<Arc<Sources>>>,
    /// The broker runs in this process.
    pub embedded: bool,
}

/// Who may post to `/ingest`, how much and how often.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// Pages besides the server's own that may.
    pub allowed_origins: Vec<Origin>,
    /// The longest body.
    pub max_bytes: usize,
    /// Requests of one sender.
    pub rate: Rate,
    /// Requests of all senders together.
    pub rate_total: Rate,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            max_bytes: 1_000_000,
            rate: Rate { per_second: 100.0 },
            rate_total: Rate {
                per_second: 1_000.0,
            },
        }
    }
}

/// What every route shares.
pub struct App {
    pub(crate) kafka: Kafka,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: WebConfig,
    pub(crate) guard: Guard,
    pub(crate) refusals: Refusals,
    pub(crate) throttle: Throttle,
    pub(crate) bodies: Room,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) library: Arc<Library>,
    pub(crate) cluster: Arc<ClusterWatcher>,
    /// Places for those who want a single picture.
    pub(crate) stills: Gate,
    /// Places for those who read a window of numbers at once.
    pub(crate) windows: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: CancellationToken,
    /// Viewers' positions on their way to Kafka.
    pub(crate) commits: TaskTracker,
    /// Which of several connections says where a viewer is.
    pub(crate) turns: Arc<Turns>,
    producer: OnceCell<Producer>,
}

impl App {
    /// The producer of what is posted here, made at the first post.
    pub(crate) async fn producer(&self) -> Result<&Producer, ClientError> {
        self.producer
            .get_or_try_init(|| async {
                self.kafka.producer(ProducerOptions {
                    // Whoever posts waits for the answer: let the failure come while it still does.
                    delivery_timeout_ms: 20_000,
                    ..ProducerOptions::default()
                })
            })
            .await
    }
}

/// What connections, and then the last positions, may still take after a shutdown was asked for.
const GRACE: Duration = Duration::from_millis(450);

/// Windows of numbers read at a time, at some 50 MB each at most.
const MAX_WINDOWS: usize = 6;

/// Single pictures looked for and decoded at a time, and how many requests may wait for that.
const MAX_STILLS: usize = 4;
const MAX_WAITING_FOR_STILLS: usize = 128;

/// How long a request with a body may take, its answer included: a body that trickles in is not waited for.
const POSTED: Duration = Duration::from_mins(1);

/// Serves until `shutdown`, then ends every connection in less than a second.
pub async fn serve(
    listener: TcpListener,
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    config: WebConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let metrics = Arc::new(Metrics::default());
    let commits = TaskTracker::new();
    let limits = config.limits;
    let watcher = Watcher::start(
        kafka.clone(),
        clock.clone(),
        metrics.clone(),
        shutdown.clone(),
    );
    let app = Arc::new(App {
        guard: Guard::new(listener.local_addr()?, &config.allowed_hosts),
        refusals: Refusals::default(),
        throttle: Throttle::new(config.ingest.rate, config.ingest.rate_total),
        bodies: Room::default(),
        hubs: Hubs::new(kafka.clone(), metrics.clone(), shutdown.clone()),
        tables: Tables::new(kafka.clone(), shutdown.clone()),
        library: Library::new(
            kafka.clone(),
            clock.clone(),
            watcher.clone(),
            shutdown.clone(),
        ),
        watcher,
        cluster: ClusterWatcher::start(
            kafka.clone(),
            clock.clone(),
            config.embedded,
            shutdown.clone(),
        ),
        stills: Gate::new(MAX_STILLS, MAX_WAITING_FOR_STILLS),
        windows: Arc::new(Semaphore::new(MAX_WINDOWS)),
        kafka,
        clock,
        config,
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
        commits: commits.clone(),
        turns: Arc::default(),
        producer: OnceCell::new(),
    });
    connections::serve(listener, router(app), limits, metrics, shutdown, GRACE).await;
    // Whoever watched with a group finds its position when it comes back.
    commits.close();
    let _ = tokio::time::timeout(GRACE, commits.wait()).await;
    Ok(())
}

/// The table of routes as a router; what is in no route is the page, or a 404.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for (index, route) in routes::TABLE.iter().enumerate() {
        let counted = (route.methods)()
            .fallback(routes::wrong_method)
            .layer(from_fn_with_state((app.clone(), index), count));
        router = router.route(route.path, counted);
    }
    let other = (app.clone(), routes::TABLE.len());
    router
        .fallback(routes::page::page)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn_with_state(other, unmatched))
        .with_state(app)
}

async fn count(
    State((app, index)): State<(Arc<App>, usize)>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(figure) = app.metrics.requests.get(index) {
        figure.add(1);
    }
    next.run(request).await
}

fn too_slow() -> Response {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        format!("the body did not come within {} s", POSTED.as_secs()),
    )
    .remedy("send less at a time")
    .into_response()
}

async fn unmatched(
    State((app, index)): State<(Arc<App>, usize)>,
    request: Request,
    next: Next,
) -> Response {
    if request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .is_none()
        && let Some(figure) = app.metrics.requests.get(index)
    {
        figure.add(1);
    }
    let has_body = !matches!(*request.method(), Method::GET | Method::HEAD);
    let answering = next.run(request);
    let response = if has_body {
        tokio::time::timeout(POSTED, answering)
            .await
            .unwrap_or_else(|_| too_slow())
    } else {
        answering.await
    };
    // The library's own refusals (a body that is too long, a path it cannot read) become problems like all others.
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if plain && (status.is_client_error() || status.is_server_error()) {
        let detail = status.canonical_reason().unwrap_or("it cannot be answered");
        let mut problem = Problem::new(status, detail).into_response();
        for (name, value) in response.headers() {
            if name != header::CONTENT_LENGTH {
                problem.headers_mut().entry(name).or_insert(value.clone());
            }
        }
        return problem;
    }
    response
}
