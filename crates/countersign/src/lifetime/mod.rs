//! Responses that may outlive their token: event streams, WebSockets, long downloads.
//!
//! A token is verified when a request starts. [`end_with_token`] ends the response body of a route when the token expires.
//! [`TokenEnd`] is a future for everything else:
//!
//! ```
//! use axum::extract::ws::{CloseFrame, Message, WebSocket};
//! use countersign::lifetime::TokenEnd;
//!
//! async fn serve(mut socket: WebSocket, end: TokenEnd) {
//!     tokio::select! {
//!         () = end.reached() => {
//!             let close = CloseFrame { code: 1008, reason: "the token has expired".into() }; // policy violation
//!             let _ = socket.send(Message::Close(Some(close))).await;
//!         }
//!         _ = socket.recv() => { /* the conversation */ }
//!     }
//! }
//! # let _ = serve;
//! ```

mod action;
mod body;
pub(crate) mod end;
mod future;
mod layer;
mod recheck;
mod service;

pub use action::TokenEndAction;
pub use body::{EndWithTokenBody, TokenEnded};
pub use end::TokenEnd;
pub use future::EndWithTokenFuture;
pub use layer::{EndWithTokenLayer, end_with_token};
pub use service::EndWithToken;
