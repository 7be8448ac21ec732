//! The layer without a service behind it, for code that decides about requests and answers them by itself.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::verify::Verified;
use http::{HeaderMap, Request, Response, StatusCode};

use super::addition::Addition;
use super::admission::Admission;
use super::authenticated::Authenticated;
use super::authenticator::Authenticator;
use super::layer::AuthenticateLayer;
use crate::response::{AnswerForm, Refusal, SetupFault};

/// A request that a layer let through, and the guard of its route.
///
/// Its audit event is written with the status that is [answered](Self::answered), or without one when the value is dropped.
#[derive(Debug)]
pub struct AdmittedRequest {
    pub(crate) caller: Authenticated,
    addition: Addition,
}

impl AdmittedRequest {
    /// The caller; `None` for an anonymous one.
    #[must_use]
    pub fn caller(&self) -> Option<&Arc<Verified>> {
        self.caller.verified.as_ref()
    }

    /// Leaves the record of the caller on the request, where outbound clients read it.
    pub fn record_on<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.caller.clone());
    }

    /// Ends the request with an answer of this status; returns the headers that the layer adds to it.
    #[must_use]
    pub fn answered(mut self, status: StatusCode) -> HeaderMap {
        let mut response = Response::new(());
        *response.status_mut() = status;
        self.addition.add_to(&mut response);
        std::mem::take(response.headers_mut())
    }

    /// Ends the request with this answer.
    pub(crate) fn answered_with<B>(mut self, response: &mut Response<B>) {
        self.addition.add_to(response);
    }
}

/// A decision of a layer, as far as it is there at once.
pub(crate) enum LayerDecision {
    Made(Result<AdmittedRequest, Response<Bytes>>),
    Waits(WaitingRequest),
}

/// A request of which the layer waits for keys, a store or an endpoint.
pub(crate) struct WaitingRequest {
    authenticator: Arc<Authenticator>,
    admission: Admission,
}

impl AuthenticateLayer {
    /// Decides about a request as the service of this layer does. The record of the caller is not on the request.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>) -> LayerDecision {
        let authenticator = &self.authenticator;
        LayerDecision::Made(match authenticator.authenticate(request) {
            Ok(Admission::Forward(caller)) => Ok(admitted(authenticator, caller, request)),
            Err(refusal) => Err(refused(authenticator, refusal, request)),
            Ok(admission) => {
                let authenticator = Arc::clone(authenticator);
                return LayerDecision::Waits(WaitingRequest { authenticator, admission });
            }
        })
    }
}

impl WaitingRequest {
    /// The decision about this request, which is that of [`admit`](AuthenticateLayer::admit).
    pub(crate) async fn decided<B: Send>(self, request: &mut Request<B>) -> Result<AdmittedRequest, Response<Bytes>> {
        let WaitingRequest { authenticator, mut admission } = self;
        loop {
            let next = match admission {
                Admission::Forward(caller) => return Ok(admitted(&authenticator, caller, request)),
                Admission::Respond(response) => return Err(response),
                Admission::AnswerPreflight(answer) => return Err(answer.await),
                Admission::Await(wait) => {
                    let resumption = wait.await;
                    authenticator.resume(request, resumption)
                }
            };
            admission = next.map_err(|refusal| refused(&authenticator, refusal, request))?;
        }
    }
}

fn admitted<B>(authenticator: &Authenticator, caller: Authenticated, request: &mut Request<B>) -> AdmittedRequest {
    AdmittedRequest { caller, addition: authenticator.addition(request) }
}

#[cold]
fn refused<B>(authenticator: &Authenticator, refusal: Refusal, request: &mut Request<B>) -> Response<Bytes> {
    let answer = authenticator.refuse(refusal, request);
    // Only a layer of hidden routes sends refused requests on, to a router that is not here.
    answer.unwrap_or_else(|| SetupFault.response(AnswerForm::Http))
}
