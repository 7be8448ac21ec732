//! How a client proves itself at the token endpoint: one way a request, never two (S7.03).

use countersign_core::error::Fault;
use countersign_core::secret::Secret;
use http::{HeaderMap, HeaderValue, header};
use reqwest::Client;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::assertion::Assertion;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's proof.
pub(super) enum Credential {
    Secret(Secret<String>),
    Assertion(Assertion),
    /// The certificate of this TLS client (RFC 8705 §2); `None` where it could not be built.
    Certificate(Option<Client>),
}

/// Where a secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretPlace {
    Basic,
    RawBasic,
    Body,
}

/// Puts the client and its proof on a request; `None` where they fit no header. `assertion` is the fresh one, for
/// clients that have such.
pub(super) fn authenticate(
    (id, credential): (&str, &Credential),
    place: SecretPlace,
    assertion: Option<&Secret<String>>,
    form: &mut Serializer<'_, String>,
    headers: &mut HeaderMap,
) -> Option<()> {
    match (credential, place) {
        (Credential::Secret(secret), SecretPlace::Body) => {
            form.append_pair("client_id", id).append_pair("client_secret", secret.expose());
        }
        (Credential::Secret(secret), SecretPlace::Basic) => {
            let encoded = Secret::new(byte_serialize(secret.expose().as_bytes()).collect::<String>());
            let id: String = byte_serialize(id.as_bytes()).collect();
            headers.insert(header::AUTHORIZATION, basic(&id, &encoded)?);
        }
        (Credential::Secret(secret), SecretPlace::RawBasic) => {
            headers.insert(header::AUTHORIZATION, basic(id, secret)?);
        }
        (Credential::Assertion(_), _) => {
            form.append_pair("client_id", id)
                .append_pair("client_assertion_type", ASSERTION_TYPE)
                .append_pair("client_assertion", assertion?.expose());
        }
        (Credential::Certificate(_), _) => drop(form.append_pair("client_id", id)),
    }
    Some(())
}

/// What is wrong with a client's set-up.
pub(super) fn faults(id: &str, credential: &Credential, place: SecretPlace) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |bad: bool, problem: &'static str| {
        if bad {
            faults.push(Fault::new("client", problem));
        }
    };
    fault(id.is_empty(), "id is empty; name the client");
    match credential {
        Credential::Secret(secret) => {
            fault(secret.expose().is_empty(), "secret is empty; give it");
            let has_colon = place == SecretPlace::RawBasic && id.contains(':');
            fault(has_colon, "the id has a colon, which raw_basic cannot carry");
        }
        Credential::Assertion(_) | Credential::Certificate(Some(_)) => {
            fault(place != SecretPlace::Basic, "client_secret_post and raw_basic are for clients with a secret");
        }
        Credential::Certificate(None) => fault(true, "its TLS client cannot be built; check certificate and key"),
    }
    if let Credential::Assertion(assertion) = credential {
        faults.extend(assertion.faults());
    }
    faults
}

/// `Basic` credentials, hidden from `Debug` as headers are.
fn basic(id: &str, secret: &Secret<String>) -> Option<HeaderValue> {
    let pair = Secret::new(format!("{id}:{}", secret.expose()));
    let encoded = Secret::new(base64_simd::STANDARD.encode_to_string(pair.expose()));
    let text = Secret::new(format!("Basic {}", encoded.expose()));
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
