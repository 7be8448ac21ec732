//! Layer, guards and claims in tonic services.
//!
//! [`grpc`] adapts any layer of this crate to tonic, for a whole server or for one service; refusals are gRPC statuses. In a
//! method, [`CallerExt`] decodes the claims and evaluates requirements on a [`tonic::Request`].
//!
//! ```
//! use countersign::grpc::{CallerExt, grpc};
//! use countersign::prelude::*;
//! use tonic::{Request, Response, Status};
//!
//! async fn cancel(request: Request<String>) -> Result<Response<String>, Status> {
//!     request.require(&scope("orders:write"))?;
//!     let claims: Claims = request.claims()?;
//!     Ok(Response::new(format!("{} cancelled {}", claims.subject(), request.get_ref())))
//! }
//!
//! # use countersign::lifetime::{TokenEndAction, end_with_token};
//! # fn stack(verifier: Verifier) {
//! let server_layer = grpc(AuthenticateLayer::new(verifier));  // Server::builder().layer(…)
//! let service_layer = grpc(require(scope("orders:read"))); // .add_service(….layer(OrdersServer::new(…)))
//! let stream_layer = grpc(end_with_token(TokenEndAction::Abort)); // streams end with UNAUTHENTICATED at the token's expiry
//! # let _ = (server_layer, service_layer, stream_layer);
//! # }
//! # let _ = cancel;
//! ```

mod body;
mod layer;
mod request;
mod route;

pub use layer::{Grpc, GrpcFuture, GrpcInner, GrpcLayer, grpc};
pub use request::CallerExt;
