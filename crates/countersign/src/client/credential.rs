//! Client authentication at the token endpoint: one method for each request, never two.

use countersign_core::error::Fault;
use countersign_core::integration::visible_text;
use countersign_core::secret::Secret;
use http::{HeaderMap, HeaderValue, header};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::assertion::Assertion;
use super::secret_source::SecretSource;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The credential of a client.
#[derive(Clone)]
pub(crate) enum Credential {
    Secret(SecretSource),
    Assertion(Assertion),
    /// The certificate in the settings of the connections (RFC 8705 §2).
    Certificate,
}

/// The location of a secret in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretLocation {
    Basic,
    RawBasic,
    Body,
}

impl Credential {
    /// Returns whether another secret or key may be read later.
    pub(crate) fn may_change(&self) -> bool {
        match self {
            Credential::Secret(secret) => secret.may_change(),
            Credential::Assertion(assertion) => assertion.may_change(),
            Credential::Certificate => false,
        }
    }

    /// The credential in words, with the file that has it.
    pub(crate) fn in_words(&self) -> String {
        let (kind, file) = match self {
            Credential::Secret(secret) => ("secret", secret.file()),
            Credential::Assertion(assertion) => ("key or assertion", assertion.file()),
            Credential::Certificate => ("certificate in the connection's settings", None),
        };
        match file {
            Some(file) => format!("{kind} in {}", visible_text(&file.display().to_string())),
            None => kind.to_owned(),
        }
    }

    /// The assertion, if the client authenticates by one.
    pub(crate) fn assertion(&self) -> Option<&Assertion> {
        match self {
            Credential::Assertion(assertion) => Some(assertion),
            Credential::Secret(_) | Credential::Certificate => None,
        }
    }
}

/// Adds the client and its credential to a request; returns `None` if they do not fit into a header.
///
/// `proof` is the current secret or a new assertion, for clients that authenticate by one.
pub(crate) fn authenticate(
    (id, credential): (&str, &Credential),
    location: SecretLocation,
    proof: Option<&Secret<String>>,
    form: &mut Serializer<'_, String>,
    headers: &mut HeaderMap,
) -> Option<()> {
    match (credential, location) {
        (Credential::Secret(_), SecretLocation::Body) => {
            form.append_pair("client_id", id).append_pair("client_secret", proof?.expose());
        }
        (Credential::Secret(_), SecretLocation::Basic) => {
            let encoded = Secret::new(byte_serialize(proof?.expose().as_bytes()).collect::<String>());
            let id: String = byte_serialize(id.as_bytes()).collect();
            headers.insert(header::AUTHORIZATION, basic(&id, &encoded)?);
        }
        (Credential::Secret(_), SecretLocation::RawBasic) => {
            headers.insert(header::AUTHORIZATION, basic(id, proof?)?);
        }
        (Credential::Assertion(_), _) => {
            form.append_pair("client_id", id)
                .append_pair("client_assertion_type", ASSERTION_TYPE)
                .append_pair("client_assertion", proof?.expose());
        }
        (Credential::Certificate, _) => drop(form.append_pair("client_id", id)),
    }
    Some(())
}

/// The faults of a client's settings, except those of its assertion.
pub(crate) fn faults(id: &str, credential: &Credential, location: SecretLocation) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |bad: bool, problem: &'static str| {
        if bad {
            faults.push(Fault::new("client", problem));
        }
    };
    fault(id.is_empty(), "id is empty; name the client");
    match credential {
        Credential::Secret(secret) => {
            fault(secret.is_empty(), "secret is empty; set it");
            let has_colon = location == SecretLocation::RawBasic && id.contains(':');
            fault(has_colon, "the id has a colon, which raw_basic cannot send");
        }
        Credential::Assertion(_) | Credential::Certificate => {
            fault(location != SecretLocation::Basic, "client_secret_post and raw_basic are for clients with a secret");
        }
    }
    faults
}

/// `Basic` credentials, marked sensitive so that `Debug` hides them.
fn basic(id: &str, secret: &Secret<String>) -> Option<HeaderValue> {
    let pair = Secret::new(format!("{id}:{}", secret.expose()));
    let encoded = Secret::new(base64_simd::STANDARD.encode_to_string(pair.expose()));
    let text = Secret::new(format!("Basic {}", encoded.expose()));
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
