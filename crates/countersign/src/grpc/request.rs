//! The caller of a method.

use countersign_core::authz::Requirement;
use http::request::Parts;
use http::{HeaderValue, header};
use tonic::{Code, Request, Status};

use crate::authenticate::Authenticated;
use crate::claims::FromClaims;
use crate::extract::{Claims, Rejection, caller, caller_or_anonymous, decode};

/// What a method asks about its caller; implemented for [`tonic::Request`].
///
/// Where no layer authenticates, everything is answered `INTERNAL`, and the log says what to add.
pub trait CallerExt {
    /// The caller's claims, as the method's own type.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller, `PERMISSION_DENIED` where the claims are not of type `C`.
    fn claims<C: FromClaims>(&self) -> Result<Claims<C>, Status>;

    /// The caller's claims, or `None` for an anonymous caller.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` where the claims are not of type `C`.
    fn optional_claims<C: FromClaims>(&self) -> Result<Option<Claims<C>>, Status>;

    /// Judges `requirement`, for this method alone. A requirement that names a path, a header or a host is for a guard;
    /// here it is answered `INTERNAL`, and the log says so.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller or where a step-up would help, `NOT_FOUND` for what is hidden, else
    /// `PERMISSION_DENIED`.
    fn require(&self, requirement: &Requirement) -> Result<(), Status>;
}

impl<T> CallerExt for Request<T> {
    fn claims<C: FromClaims>(&self) -> Result<Claims<C>, Status> {
        let parts = parts(self);
        Ok(decode(caller(&parts)?, &parts)?)
    }

    fn optional_claims<C: FromClaims>(&self) -> Result<Option<Claims<C>>, Status> {
        let parts = parts(self);
        Ok(caller_or_anonymous(&parts)?.map(|caller| decode(caller, &parts)).transpose()?)
    }

    fn require(&self, requirement: &Requirement) -> Result<(), Status> {
        let parts = parts(self);
        Ok(caller(&parts)?.require(requirement, &parts.headers)?)
    }
}

/// The request as the extractors see one: the layer's mark, and that answers are wanted in gRPC's form.
fn parts<T>(request: &Request<T>) -> Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(mark) = request.extensions().get::<Authenticated>() {
        parts.extensions.insert(mark.clone());
    }
    parts
}

/// The status that the layer would answer, challenge included.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        Status::from_header_map(rejection.headers()).unwrap_or_else(|| Status::new(Code::Internal, "internal error"))
    }
}
