//! The page's API, one file per endpoint. Every response is JSON; an invalid request is a 400 with `error`.

mod attack;
mod compare;
mod copy;
mod helper;
mod mint;
mod proof;
mod read;
mod response;
mod try_service;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use super::state::Inspector;

pub(super) fn router() -> Router<Arc<Inspector>> {
    Router::new()
        .route("/read", post(read::answer))
        .route("/write", post(read::write))
        .route("/verify", post(verify::answer))
        .route("/compare", post(compare::answer))
        .route("/mint", post(mint::answer))
        .route("/copy", post(copy::answer))
        .route("/try", post(try_service::answer))
        .route("/attack", post(attack::answer))
        .route("/proof", post(proof::answer))
        .route("/helper", post(helper::answer))
}
