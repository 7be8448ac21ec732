//! The same layer, guards and claims in tonic services.
//!
//! [`grpc`] makes any layer of this crate one for tonic, on a whole server or on one service; refusals are gRPC statuses.
//! In a method, [`CallerExt`] gives the claims and judges requirements on a [`tonic::Request`].
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
//! # fn stack(verifier: Verifier) {
//! let for_the_server = grpc(AuthenticateLayer::new(verifier)); // Server::builder().layer(…)
//! let for_a_service = grpc(require(scope("orders:read")));     // .add_service(….layer(OrdersServer::new(…)))
//! # let _ = (for_the_server, for_a_service);
//! # }
//! # let _ = cancel;
//! ```

mod body;
mod layer;
mod request;

pub use body::GrpcBody;
pub use layer::{Grpc, GrpcInner, GrpcLayer, grpc};
pub use request::CallerExt;
