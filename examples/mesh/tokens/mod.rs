//! The token service of the mesh: the embedded issuer, or Keycloak.

mod embedded;
mod keycloak;

use countersign::policy::TrustedIssuer;
use countersign::secret::Secret;
use serde_json::{Value, json};

use crate::{Result, policy};
use embedded::Embedded;
use keycloak::Keycloak;

/// The client id of the gateway, and the audience of tokens for it.
pub const GATEWAY: &str = "gateway";

/// The client id of orders, and the audience of tokens for it.
pub const ORDERS: &str = "orders";

/// The issuers that the mesh can use.
#[derive(Clone, Copy, Default)]
pub enum IssuerKind {
    #[default]
    Embedded,
    Keycloak,
}

pub enum TokenService {
    Embedded(Embedded),
    Keycloak(Keycloak),
}

/// A person who has logged in to the application.
pub struct Person {
    pub subject: &'static str,
    pub role: &'static str,
    pub tenant: &'static str,
    /// As JSON.
    pub plan: &'static str,
    pub region: Option<&'static str>,
}

impl Person {
    /// The claims of the application.
    fn claims(&self) -> Result<Value> {
        let plan: Value = serde_json::from_str(self.plan)?;
        let mut claims = json!({ "tenant": self.tenant, "roles": [self.role], "plan": plan });
        if let Some(region) = self.region {
            claims["region"] = json!(region);
        }
        Ok(claims)
    }
}

impl TokenService {
    pub async fn start(kind: IssuerKind) -> Result<Self> {
        Ok(match kind {
            IssuerKind::Embedded => TokenService::Embedded(Embedded::start().await?),
            IssuerKind::Keycloak => TokenService::Keycloak(Keycloak::start().await?),
        })
    }

    pub fn url(&self) -> &str {
        match self {
            TokenService::Embedded(issuer) => issuer.url(),
            TokenService::Keycloak(keycloak) => keycloak.issuer(),
        }
    }

    /// Returns whether exchanged tokens tell who acts (`act`).
    pub fn names_actors(&self) -> bool {
        matches!(self, TokenService::Embedded(_))
    }

    /// The address of the key set.
    pub fn keys_url(&self) -> String {
        match self {
            TokenService::Embedded(issuer) => format!("{}/jwks", issuer.url()),
            TokenService::Keycloak(keycloak) => format!("{}/protocol/openid-connect/certs", keycloak.issuer()),
        }
    }

    /// The rules for tokens with this audience.
    pub fn trusted(&self, audience: &str) -> TrustedIssuer {
        match self {
            TokenService::Embedded(issuer) => policy::trusted(issuer.url(), audience),
            TokenService::Keycloak(keycloak) => policy::trusted_keycloak(keycloak.issuer(), audience),
        }
    }

    pub fn secret_of(&self, client: &str) -> Secret<String> {
        match self {
            TokenService::Embedded(issuer) => issuer.secret_of(client),
            TokenService::Keycloak(_) => keycloak::secret_of(client),
        }
    }

    /// A token for a person, as the application requests it after the login.
    pub async fn for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        match self {
            TokenService::Embedded(issuer) => issuer.for_person(person, audience, scope),
            TokenService::Keycloak(keycloak) => keycloak.for_person(person, audience, scope).await,
        }
    }

    /// A token that has expired.
    pub async fn expired_for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        match self {
            TokenService::Embedded(issuer) => issuer.expired_for_person(person, audience, scope),
            TokenService::Keycloak(keycloak) => keycloak.expired_for_person(person, audience, scope).await,
        }
    }

    /// Signs with a new key from now on. The old key stays published.
    pub async fn rotate(&self) -> Result<()> {
        match self {
            TokenService::Embedded(issuer) => issuer.rotate(),
            TokenService::Keycloak(keycloak) => keycloak.rotate().await,
        }
    }

    /// The number of requests for the key set, if the issuer counts them.
    pub fn key_fetches(&self) -> Option<u64> {
        match self {
            TokenService::Embedded(issuer) => Some(issuer.key_fetches()),
            TokenService::Keycloak(_) => None,
        }
    }

    pub async fn stop(&mut self) -> Result<()> {
        match self {
            TokenService::Embedded(issuer) => {
                issuer.stop().await;
                Ok(())
            }
            TokenService::Keycloak(keycloak) => keycloak.signal("STOP"),
        }
    }

    pub async fn come_back(&mut self) -> Result<()> {
        match self {
            TokenService::Embedded(issuer) => issuer.come_back().await,
            TokenService::Keycloak(keycloak) => keycloak.signal("CONT"),
        }
    }
}
