//! Responses that outlive their token: event streams, WebSockets, long downloads.
//!
//! A token is judged when a request begins. [`end_with_token`] ends a response's body with the token, as the route says;
//! [`TokenEnd`] is a future for everything else:
//!
//! ```
//! use axum::extract::ws::{CloseFrame, Message, WebSocket};
//! use countersign::lifetime::TokenEnd;
//!
//! async fn serve(mut socket: WebSocket, end: TokenEnd) {
//!     tokio::select! {
//!         () = end.reached() => {
//!             let close = CloseFrame { code: 1008, reason: "the token ended".into() }; // policy violation
//!             let _ = socket.send(Message::Close(Some(close))).await;
//!         }
//!         _ = socket.recv() => { /* the conversation */ }
//!     }
//! }
//! # let _ = serve;
//! ```

mod body;
mod end;
mod future;
mod layer;
mod service;

pub use body::{EndWithTokenBody, TokenEnded};
pub use end::TokenEnd;
pub use future::EndWithTokenFuture;
pub use layer::{EndWithTokenLayer, TokenEndAction, end_with_token};
pub use service::EndWithToken;
