//! The request to the endpoint (RFC 7662 §2.1).

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::integration::MAX_ANSWER_BYTES;
use countersign_core::secret::Secret;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};
use url::form_urlencoded::Serializer;

use super::settings::Introspection;
use crate::client::{self, ClientError, Credential, SecretLocation, ServerEndpoint, retry_delay};
use crate::fetch::{self, CallClients, ConnectionSettings, Endpoint, FetchFailure, FetchedResponse};

/// The media type of signed answers.
pub(super) const SIGNED: &str = "application/token-introspection+jwt";

/// A client of the endpoint.
pub(super) struct Asking {
    endpoint: ServerEndpoint,
    connection: ConnectionSettings,
    clients: CallClients,
    id: String,
    credential: Credential,
    secret_location: SecretLocation,
    assertion_audience: String,
    accept: HeaderValue,
    clock: SourceClock,
}

/// The reason why there is no usable answer, and the pause that the server asks for.
#[derive(Debug)]
pub(super) struct NoAnswer {
    pub(super) detail: String,
    pub(super) retry_after: Option<Duration>,
    /// True if no other token would get an answer either. The content of an answer, its status and its time may be due to the one
    /// token that was asked about, which its sender chose.
    pub(super) is_of_endpoint: bool,
}

impl NoAnswer {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        NoAnswer { detail: detail.into(), retry_after: None, is_of_endpoint: false }
    }
}

impl From<ClientError> for NoAnswer {
    fn from(error: ClientError) -> Self {
        NoAnswer::new(error.to_string())
    }
}

impl From<FetchFailure> for NoAnswer {
    fn from(failure: FetchFailure) -> Self {
        let retry_after = match &failure {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        };
        let is_of_endpoint = match &failure {
            FetchFailure::NoClient | FetchFailure::Connection(_) | FetchFailure::NotPublic => true,
            FetchFailure::Status(status, _) => matches!(status.as_u16(), 429 | 502..=504),
            _ => false,
        };
        NoAnswer { detail: failure.to_string(), retry_after, is_of_endpoint }
    }
}

impl Asking {
    /// `None` without a client or with connection settings that cannot be used, which are faults of the settings.
    pub(super) fn new(settings: &Introspection, clock: SourceClock) -> Option<Self> {
        const FIELD: &str = "introspection_endpoint";
        let (id, credential) = settings.client.clone()?;
        let mut endpoint = match &settings.endpoint {
            Some(url) => ServerEndpoint::from_url(url.clone(), FIELD),
            None => ServerEndpoint::from_issuer(settings.issuer.clone(), FIELD),
        };
        endpoint.reach = settings.reach;
        let accept = if settings.requires_signed { SIGNED } else { "application/json" };
        Some(Asking {
            endpoint,
            connection: settings.connection.clone(),
            clients: CallClients::new(settings.connection.clone(), fetch::keeping_connections).ok()?,
            id,
            credential,
            secret_location: settings.secret_location,
            assertion_audience: settings.assertion_audience.clone().unwrap_or_else(|| settings.issuer.clone()),
            accept: HeaderValue::from_static(accept),
            clock,
        })
    }

    /// Asks about `token`, and once more if that is harmless and may help.
    pub(super) async fn ask(&self, token: &Secret<String>) -> Result<FetchedResponse, NoAnswer> {
        let endpoint = match self.credential {
            Credential::Certificate => Endpoint::IntrospectionWithCertificate,
            _ => Endpoint::Introspection,
        };
        let url = self.endpoint.url(endpoint, &self.connection, &self.clock).await?;
        for attempt in 0.. {
            let used = self.credential_in_use().await?;
            let request = self.request(&url, token).await?;
            let sent = self.clients.send(self.endpoint.reach, request, MAX_ANSWER_BYTES).await;
            if attempt == 0 {
                let is_refused = sent.as_ref().is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED);
                if is_refused && self.credential_in_use().await? != used {
                    continue; // the secret was rotated meanwhile
                }
                if let Some(delay) = retry_delay(&sent, 0) {
                    crate::rt::sleep(delay).await;
                    continue;
                }
            }
            if sent.as_ref().map_or(true, |answer| matches!(answer.status.as_u16(), 404 | 405 | 410)) {
                self.endpoint.has_failed(&url); // it may have moved: the next request reads the metadata again
            }
            let answer = sent?;
            return match answer.status {
                StatusCode::OK => Ok(answer),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    let (status, credential) = (answer.status.as_u16(), self.credential.in_words());
                    Err(NoAnswer::new(format!(
                        "the endpoint refuses the client (status {status}); check its {credential}"
                    )))
                }
                _ => Err(answer.unexpected_status().into()),
            };
        }
        Err(NoAnswer::new("the endpoint was not asked"))
    }

    async fn request(&self, url: &Url, token: &Secret<String>) -> Result<Request, NoAnswer> {
        let proof = match &self.credential {
            Credential::Assertion(assertion) => {
                let signed = assertion.token(client::CLIENT_AUTHENTICATION, &self.assertion_audience);
                Some(Arc::new(signed.await?))
            }
            Credential::Secret(secret) => Some(secret.current().await?),
            Credential::Certificate => None,
        };
        let mut request = Request::new(Method::POST, url.clone());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, self.accept.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.expose()).append_pair("token_type_hint", "access_token");
        let client = (self.id.as_str(), &self.credential);
        client::authenticate(client, self.secret_location, proof.as_deref(), &mut form, headers)
            .ok_or_else(|| NoAnswer::new("the client's id or secret does not fit into a header"))?;
        *request.body_mut() = Some(form.finish().into());
        Ok(request)
    }

    /// The identity of a secret or key that is read from a file; `None` for other credentials.
    async fn credential_in_use(&self) -> Result<Option<usize>, ClientError> {
        Ok(match &self.credential {
            credential if !credential.may_change() => None,
            Credential::Secret(secret) => Some(Arc::as_ptr(&secret.current().await?).addr()),
            Credential::Assertion(assertion) => assertion.key().await?.map(|key| Arc::as_ptr(&key).addr()),
            Credential::Certificate => None,
        })
    }
}
