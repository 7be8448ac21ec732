//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::routing::{MethodRouter, post};
use countersign_core::error::ConfigError;
use countersign_core::integration::{LogoutEvent, check_logout_token};
use countersign_core::revocation::{RevocationNotice, RevocationSink};
use countersign_core::verify::Verifier;
use http::{Response, StatusCode};
use serde_json::json;

use super::receiver::{NotTaken, Receiver, end_of_second, invalid, malformed, response};

/// The type of the request's body.
const FORM: &str = "application/x-www-form-urlencoded";

/// Receives logout tokens of OpenID providers, and revokes the tokens of the session, or of the subject, that was logged out.
///
/// The provider posts a `logout_token` in a form. It is checked as OpenID Connect Back-Channel Logout 1.0 §2.6 says, with the
/// keys of an issuer that the verifier trusts: `typ` is `logout+jwt` if it is present, `aud` has the client ID, `iat`, `exp`,
/// `jti`, the logout event, `sub` or `sid`, and no `nonce`. A `jti` counts once. Then the response is 200; it is 400 if the token
/// is refused, and 503 if keys or the sink cannot be had, so that the provider tries again.
///
/// If the token names a session, that session is revoked: access tokens that have its `sid`. Providers whose access tokens have
/// no `sid` need [`whole_subject`](Self::whole_subject).
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use axum::{Router, routing::get};
/// use countersign::prelude::*;
/// use countersign::{receivers::LogoutReceiver, revocation::RevocationList};
///
/// fn app(verifier: Verifier) -> Result<Router, countersign::error::ConfigError> {
///     let list = Arc::new(RevocationList::new());
///     let hour = Duration::from_secs(3600); // the longest lifetime of an access token
///     let logout = LogoutReceiver::new(&verifier, "web-shop", Arc::clone(&list), hour)?;
///     let layer = AuthenticateLayer::builder(verifier).revocation(list).build()?;
///     let app = Router::new().route("/orders", get(|| async { "orders" })).layer(layer);
///     Ok(app.route("/backchannel-logout", logout.route()))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct LogoutReceiver {
    receiver: Receiver,
    means_whole_subject: bool,
}

impl LogoutReceiver {
    /// A receiver of logout tokens for the client `client_id`, of the issuers that `verifier` trusts.
    ///
    /// `max_lifetime` is the longest lifetime of an access token: revocations are kept for so long after the logout.
    ///
    /// # Errors
    /// `ConfigError` if the client ID is empty or the lifetime is zero.
    pub fn new(
        verifier: &Verifier,
        client_id: impl Into<String>,
        sink: Arc<impl RevocationSink>,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        let receiver = Receiver::new("logout", verifier, client_id.into(), sink, max_lifetime)?;
        Ok(LogoutReceiver { receiver, means_whole_subject: false })
    }

    /// Revokes all tokens of the subject that were issued up to the logout, also if the logout token names a session. Without a
    /// `sub` the session is revoked.
    #[must_use]
    pub fn whole_subject(mut self) -> Self {
        self.means_whole_subject = true;
        self
    }

    /// The route that the provider posts to. It needs no access token: add it after the layer.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let receiver = self.clone();
        post(move |request: Request| async move { receiver.respond(request).await })
    }

    async fn respond(&self, request: Request) -> Response<Body> {
        match self.receive(request).await {
            Ok(()) => response(StatusCode::OK, None),
            Err(problem) => {
                let status = self.receiver.log(&problem);
                let body = match &problem {
                    NotTaken::Refused(kind, _) => {
                        json!({ "error": "invalid_request", "error_description": kind.code() })
                    }
                    NotTaken::Unavailable(_) => json!({ "error": "temporarily_unavailable" }),
                };
                response(status, Some(&body))
            }
        }
    }

    async fn receive(&self, request: Request) -> Result<(), NotTaken> {
        let form = self.receiver.read(request, FORM).await?;
        let mut tokens = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| name == "logout_token");
        let token = match (tokens.next(), tokens.next()) {
            (Some((_, token)), None) => token,
            _ => return Err(malformed("the form has no logout_token, or several")),
        };
        let Receiver { verifier, audience, .. } = &self.receiver;
        let event = self.receiver.checked(|outcome| check_logout_token(verifier, audience, &token, outcome)).await?;
        let notice = self.notice(&event)?;
        let LogoutEvent { issuer, token_id, expires_at, .. } = &event;
        self.receiver.hand_over(issuer, token_id, Some(*expires_at), vec![notice]).await
    }

    /// Times count from the logout, so that a token that is received again says the same.
    fn notice(&self, event: &LogoutEvent) -> Result<RevocationNotice, NotTaken> {
        let LogoutEvent { issuer, subject, session, issued_at, .. } = event;
        let expires_at = issued_at.saturating_add(self.receiver.max_lifetime);
        let notice = match (session, subject) {
            (_, Some(subject)) if self.means_whole_subject || session.is_none() => {
                RevocationNotice::subject(issuer, subject, end_of_second(*issued_at), expires_at)
            }
            (Some(session), _) => RevocationNotice::session(issuer, session, expires_at),
            (None, _) => return Err(invalid("sub and sid are absent")),
        };
        notice.map_err(|_| invalid("sub or sid is too long"))
    }
}
