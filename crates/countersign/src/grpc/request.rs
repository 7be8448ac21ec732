//! The caller of a gRPC method.

use countersign_core::authz::Requirement;
use http::request::Parts;
use tonic::{Code, Request, Status};

use crate::authenticate::Authenticated;
use crate::claims::FromClaims;
use crate::extract::{Claims, Rejection, caller, caller_for, caller_or_anonymous, decode};
use crate::response::AnswerForm;

/// Access to the caller of a gRPC method; implemented for [`tonic::Request`].
///
/// Without an authentication layer every method answers `INTERNAL`, and the log states the fix. The
/// [module](crate::grpc) has an example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no authenticated caller",
    note = "call this method on a `tonic::Request`"
)]
pub trait CallerExt {
    /// The caller's claims, decoded into the method's own type.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller, `PERMISSION_DENIED` if the claims do not decode into `C`.
    fn claims<C: FromClaims>(&self) -> Result<Claims<C>, Status>;

    /// The caller's claims, or `None` for an anonymous caller.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if the claims do not decode into `C`.
    fn optional_claims<C: FromClaims>(&self) -> Result<Option<Claims<C>>, Status>;

    /// The transaction that the request belongs to, or `None` if it has no transaction token.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller, `INTERNAL` behind a layer that takes no transaction tokens.
    #[cfg(feature = "txn")]
    fn transaction(&self) -> Result<Option<crate::extract::Transaction>, Status>;

    /// Refuses a caller that does not meet `requirement`, for this method only.
    ///
    /// To hide, use a [guard](crate::guard) around the whole service. A hidden method differs from one that does not exist by the
    /// order of its headers: `content-type` comes first here, and `grpc-status` for an unknown method of the same service.
    ///
    /// A requirement that names a path, a header or a host belongs in a guard; here it is answered with `INTERNAL` and an
    /// error in the log.
    ///
    /// # Errors
    /// `UNIMPLEMENTED` for a hidden resource, as for a method that does not exist, also to an anonymous caller.
    /// `UNAUTHENTICATED` for an anonymous caller of any other, or if a step-up would help. Otherwise `PERMISSION_DENIED`.
    fn require(&self, requirement: &Requirement) -> Result<(), Status>;
}

impl<T> CallerExt for Request<T> {
    fn claims<C: FromClaims>(&self) -> Result<Claims<C>, Status> {
        let mut parts = parts(self);
        Ok(decode(caller(&mut parts)?, &parts)?)
    }

    fn optional_claims<C: FromClaims>(&self) -> Result<Option<Claims<C>>, Status> {
        let mut parts = parts(self);
        Ok(caller_or_anonymous(&mut parts)?.map(|caller| decode(caller, &parts)).transpose()?)
    }

    #[cfg(feature = "txn")]
    fn transaction(&self) -> Result<Option<crate::extract::Transaction>, Status> {
        Ok(crate::extract::Transaction::of(&caller(&mut parts(self))?, "")?)
    }

    fn require(&self, requirement: &Requirement) -> Result<(), Status> {
        let mut parts = parts(self);
        Ok(caller_for(requirement, &mut parts)?.require(requirement)?)
    }
}

/// The request in the form that extractors read, marked as gRPC: the layer's record, and what a router before it left.
fn parts<T>(request: &Request<T>) -> Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.extensions = request.extensions().clone();
    AnswerForm::mark_grpc(&mut parts.extensions);
    if let Some(authenticated) = request.extensions().get::<Authenticated>() {
        parts.extensions.insert(Authenticated { form: AnswerForm::Grpc, ..authenticated.clone() });
    }
    parts
}

/// The status that the layer would answer, with the challenge.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        Status::from_header_map(rejection.headers()).unwrap_or_else(|| Status::new(Code::Internal, "internal error"))
    }
}
