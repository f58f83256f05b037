//! `GET /video?topic=`: `video.mjpeg` where older programs look for it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::{Route, mjpeg};
use crate::problem::Problem;
use crate::query::{Params, Topic};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/video",
    gives: "the same as video.mjpeg, of `topic=` or the default video topic",
    methods: || -> MethodRouter<Arc<App>> { get(video) },
};

async fn video(State(app): State<Arc<App>>, params: Params) -> Result<Response, Problem> {
    let named = params.text("topic");
    let Some(topic) = named.or(app.config.default_video_topic.as_deref()) else {
        return Err(Problem::bad("topic", "no topic is named")
            .remedy("ask for /video?topic=NAME; /topics lists what there is"));
    };
    let Topic(topic) = Topic::check(topic)?;
    mjpeg::answer(app, topic, &params).await
}
