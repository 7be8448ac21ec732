//! Shared signals by push (RFC 8935).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::routing::{MethodRouter, post};
use countersign_core::error::{ConfigError, VerifyErrorKind as Kind};
use countersign_core::integration::check_signal_token;
use countersign_core::revocation::RevocationSink;
use countersign_core::verify::Verifier;
use http::{Response, StatusCode};
use serde_json::json;

use super::receiver::{NotTaken, Receiver, invalid, response};
use super::signal::notices;

/// The type of the request's body.
const EVENT_TOKEN: &str = "application/secevent+jwt";

/// Receives security events of a transmitter of the OpenID Shared Signals Framework 1.0, by push (RFC 8935).
///
/// The events *session-revoked*, *token-claims-change* and *credential-change* of CAEP revoke the tokens of the subject that were
/// issued before the event, or those of the session if the subject is complex and has an opaque one. Events of other types, and
/// subjects of other formats than `iss_sub` or of another issuer than the transmitter, are acknowledged and ignored.
///
/// The token is checked with the keys of an issuer that the verifier trusts: `typ` is `secevent+jwt`, `aud` has the stream's
/// audience, `iat`, `jti`, `events`, and no `exp`. A `jti` counts once. Then the response is 202; it is 400 with `err` if the token
/// is refused, and 503 if keys or the sink cannot be had, so that the transmitter tries again.
///
/// If the transmitter cannot reach this service, `SignalPoller` (feature `outbound`) fetches its events.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use axum::Router;
/// use countersign::receivers::SignalReceiver;
/// use countersign::{error::ConfigError, revocation::RevocationList, verify::Verifier};
///
/// fn app(verifier: &Verifier, list: Arc<RevocationList>) -> Result<Router, ConfigError> {
///     let hour = Duration::from_secs(3600); // the longest lifetime of an access token
///     let signals = SignalReceiver::new(verifier, "https://shop.example.com/signals", list, hour)?;
///     Ok(Router::new().route("/signals", signals.route()))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct SignalReceiver {
    pub(super) receiver: Receiver,
}

impl SignalReceiver {
    /// A receiver of events for `audience`, as the stream has it, of the issuers that `verifier` trusts.
    ///
    /// `max_lifetime` is the longest lifetime of an access token: revocations are kept for so long after the event.
    ///
    /// # Errors
    /// `ConfigError` if the audience is empty or the lifetime is zero.
    pub fn new(
        verifier: &Verifier,
        audience: impl Into<String>,
        sink: Arc<impl RevocationSink>,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        let receiver = Receiver::new("signals", verifier, audience.into(), sink, max_lifetime)?;
        Ok(SignalReceiver { receiver })
    }

    /// The route that the transmitter posts to. It needs no access token: add it after the layer.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let receiver = self.clone();
        post(move |request: Request| async move { receiver.respond(request).await })
    }

    async fn respond(&self, request: Request) -> Response<Body> {
        match self.receive(request).await {
            Ok(()) => response(StatusCode::ACCEPTED, None),
            Err(problem) => {
                let status = self.receiver.log(&problem);
                let (err, description) = match &problem {
                    NotTaken::Refused(kind, _) => (err_of(*kind), kind.code()),
                    NotTaken::Unavailable(_) => ("temporarily_unavailable", "try again"),
                };
                response(status, Some(&json!({ "err": err, "description": description })))
            }
        }
    }

    async fn receive(&self, request: Request) -> Result<(), NotTaken> {
        let token = self.receiver.read(request, EVENT_TOKEN).await?;
        self.take(token.trim(), None).await
    }

    /// Takes a token, whose `jti` must be `token_id` if its transmitter names one beside it.
    pub(super) async fn take(&self, token: &str, token_id: Option<&str>) -> Result<(), NotTaken> {
        let Receiver { verifier, audience, max_lifetime, .. } = &self.receiver;
        let check = |outcome: Option<&_>| check_signal_token(verifier, audience, token, outcome);
        let signal = self.receiver.checked(check).await?;
        if token_id.is_some_and(|named| named != &*signal.token_id) {
            return Err(invalid("jti is not the name under which the token was sent"));
        }
        let notices = notices(&signal, *max_lifetime)?;
        self.receiver.hand_over(&signal.issuer, &signal.token_id, None, notices).await
    }
}

/// The error code of RFC 8935 §2.4.
pub(super) fn err_of(kind: Kind) -> &'static str {
    match kind {
        Kind::UnknownIssuer => "invalid_issuer",
        Kind::WrongAudience => "invalid_audience",
        Kind::BadSignature | Kind::UnknownKey | Kind::AlgorithmNotAllowed => "invalid_key",
        _ => "invalid_request",
    }
}
