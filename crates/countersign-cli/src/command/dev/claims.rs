//! The claims of a token, as a provider of each shape writes them.

use countersign_core::integration::sha256;
use serde_json::{Map, Value, json};

use super::{Shape, User};

/// The claims of an access token, without times.
pub(in crate::command) struct Claims<'a> {
    pub(in crate::command) shape: Shape,
    pub(in crate::command) issuer: &'a str,
    pub(in crate::command) audience: &'a str,
    pub(in crate::command) client: &'a str,
    pub(in crate::command) user: &'a User,
    /// True for a service that calls for itself.
    pub(in crate::command) is_service: bool,
}

impl Claims<'_> {
    pub(in crate::command) fn build(&self) -> Map<String, Value> {
        let mut claims = match self.shape {
            Shape::Plain => self.plain(),
            Shape::Keycloak => self.keycloak(),
            Shape::Auth0 => self.auth0(),
        };
        claims["iss"] = json!(self.issuer);
        claims["jti"] = json!(uuid::Uuid::now_v7().to_string());
        let mut claims = claims.as_object().cloned().unwrap_or_default();
        claims.extend(self.user.claims.clone());
        claims.retain(|_, value| !value.is_null());
        claims
    }

    fn plain(&self) -> Value {
        let user = self.user;
        let some = |list: &[String]| (!list.is_empty()).then(|| json!(list));
        json!({
            "sub": user.name, "aud": self.audience, "client_id": self.client, "scope": self.scope(""),
            "roles": some(&user.roles), "permissions": some(&user.permissions), "tenant": user.tenant,
        })
    }

    fn keycloak(&self) -> Value {
        let user = self.user;
        let name = if self.is_service { format!("service-account-{}", self.client) } else { user.name.clone() };
        let roles = [user.roles.as_slice(), &["offline_access".to_owned()]].concat();
        let mut claims = json!({
            "sub": self.subject_id(), "aud": [self.audience, "account"], "typ": "Bearer", "azp": self.client, "acr": "1",
            "realm_access": { "roles": roles },
            "resource_access": { "account": { "roles": ["view-profile"] } },
            "scope": self.scope("profile email"), "preferred_username": name, "tenant": user.tenant,
        });
        if self.is_service {
            claims["client_id"] = json!(self.client);
        } else {
            claims["email"] = json!(format!("{}@example.com", user.name));
            claims["email_verified"] = json!(true);
            claims["sid"] = json!(self.subject_id());
        }
        claims
    }

    fn auth0(&self) -> Value {
        let user = self.user;
        let subject = match self.is_service {
            true => format!("{}@clients", self.client),
            false => format!("auth0|{}", self.subject_id().replace('-', "")),
        };
        let userinfo = format!("{}userinfo", self.issuer);
        let audience = if self.is_service { json!(self.audience) } else { json!([self.audience, userinfo]) };
        let grant = self.is_service.then_some("client-credentials");
        json!({
            "sub": subject, "aud": audience, "azp": self.client, "gty": grant, "scope": self.scope("openid profile"),
            "permissions": user.permissions, "roles": user.roles, "org_id": user.tenant,
        })
    }

    /// The scopes of the user, after those that the provider adds to a login.
    fn scope(&self, added: &str) -> Option<String> {
        let own = self.user.scopes.join(" ");
        let added = if self.is_service { "" } else { added };
        let scope = [added, own.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        (!scope.is_empty()).then_some(scope)
    }

    /// A UUID that stays the same for the name.
    fn subject_id(&self) -> String {
        let digest = sha256(&format!("countersign dev {}", self.user.name));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.split_at(16).0);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// Returns whether a service could take a token of `user`, logged in at `client`, for the client's own (RFC 9068 §5).
pub(super) fn is_taken_for_client(shape: Shape, user: &User, client: &str) -> bool {
    let claims = Claims { shape, issuer: "", audience: "", client, user, is_service: false }.build();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let clients = [client, text("client_id"), text("azp")];
    let is_name = |client: &str| !client.is_empty() && user.name.eq_ignore_ascii_case(client);
    clients.iter().any(|client| is_name(client) || is_about_client(&claims, client))
}

/// Returns whether a service could take the caller of these claims for `client` itself.
pub(super) fn is_about_client(claims: &Map<String, Value>, client: &str) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let service = text("preferred_username").strip_prefix("service-account-").unwrap_or_default();
    let names = [text("sub"), text("sub").strip_suffix("@clients").unwrap_or_default(), service];
    !client.is_empty() && names.iter().any(|name| name.eq_ignore_ascii_case(client))
}
