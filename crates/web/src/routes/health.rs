//! `GET /healthz`: whether the process answers. Says nothing of Kafka: a restart would not bring that back.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};

use super::Route;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/healthz",
    gives: "200 while the process answers",
    methods: || -> MethodRouter<Arc<App>> { get(|| async { "ok\n" }) },
};
