//! The page and the HTTP interface: what a browser, a script or a player asks of weir.
//!
//! In: requests over HTTP and WebSocket. Out: the page (from `weir-ui`), live pictures (`hub`, `feed`), numbers in columns (`series`),
//! records and newest values (`view`, `latest`), metadata and metrics. Everything is read from Kafka through `weir-client`; whether
//! that is the embedded broker or a cluster cannot be told from here.
//!
//! - `server`: what routes share, and the router, made of the table in `routes` (one file and one line a route).
//! - `connections`: how many, and for how long. `guard`, `origin`: who may ask. `query`: what was asked, checked. `problem`: every refusal.
//! - `throttle`, `body`: how often and how much may be posted; `gate`: how many are served at a time.
//! - `hub`: one reader a topic and form, fanned out to bounded queues; `feed`: the same from a position in the past; `moment`: one of them, `near`: a key frame.
//! - `library`: what there is to watch, found by looking into topics here and there.
//! - `lookout`: what a task finds out again and again (`watcher`: topics, `cluster`: brokers), for those who watch.
//! - `export`: the same pictures as an MP4 file, for the command line.
//! - `socket`, `events`: a WebSocket and Server-Sent Events, which end with the server and hold up nobody.
//! - `api`: the JSON of it all as types, from which the page's `api.ts` is made.
//!
//! It keeps nothing on disk, decides nothing about topics, and reads no clock and no environment of its own.

pub mod api;
mod body;
mod cluster;
mod connections;
mod events;
pub mod export;
mod feed;
mod gate;
mod guard;
mod hub;
mod latest;
mod library;
mod lookout;
mod metrics;
mod moment;
mod near;
mod origin;
mod problem;
pub mod produce;
pub mod query;
mod quiet;
mod remux;
mod resume;
mod routes;
mod series;
mod server;
mod socket;
mod stills;
mod throttle;
mod turns;
pub mod view;
mod watcher;

pub use connections::Limits;
pub use origin::{BadOrigin, Origin};
pub use routes::table as route_table;
pub use server::{IngestLimits, WebConfig, serve};
