//! Hosted providers, set up by the words of their guides, which follow public documents: the tokens of each page, signed here,
//! with a key set and a discovery document of the provider's form.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use countersign::claims::Principal;
use countersign::key::Algorithm;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::guide::Guide;

mod auth0;
mod cognito;
mod entra;
mod github_actions;
mod google;
mod okta;

/// The form of a provider's keys and tokens.
struct Form {
    algorithm: Algorithm,
    kid: &'static str,
    /// Members of each key besides its numbers.
    key: Value,
    /// The header of tokens besides `alg` and `kid`.
    header: Value,
}

/// A provider of whose addresses a service on loopback takes the place.
struct Provider {
    guide: Guide,
    hosts: &'static [&'static str],
    form: Form,
    signer: TestIssuer,
    service: Service,
    /// The last request to the token endpoint.
    requested: Arc<Mutex<Option<Requested>>>,
}

/// A request to a token endpoint.
#[derive(Clone, Debug)]
struct Requested {
    path: String,
    /// It has an `Authorization` header.
    has_header: bool,
    fields: HashMap<String, String>,
}

impl Provider {
    /// Serves the documents of `hosted/NAME.json`, the provider of `docs/guides/NAME.md`, whose addresses begin with `hosts`.
    async fn start(name: &str, hosts: &'static [&'static str], form: Form) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers/hosted");
        let document = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a discovery document");
        let pages = |url: &str, set: String| {
            let document: Value = serde_json::from_str(&placed(&document, hosts, url)).expect("JSON");
            let path = |name: &str| document[name].as_str().and_then(|address| address.strip_prefix(url)).expect(name);
            let discovery = format!("{}/.well-known/openid-configuration", path("issuer").trim_end_matches('/'));
            HashMap::from([(discovery, document.to_string()), (path("jwks_uri").to_owned(), set)])
        };
        Self::serve(name, hosts, form, pages).await
    }

    /// Serves these pages, by their paths. They are made from the address of the service and the key set.
    async fn serve(
        name: &str,
        hosts: &'static [&'static str],
        form: Form,
        pages: impl FnOnce(&str, String) -> HashMap<String, String>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let signer = TestIssuer::with_algorithm(form.algorithm);
        let pages = pages(&url, key_set(&signer, &form));
        let requested = Arc::<Mutex<Option<Requested>>>::default();
        let last = Arc::clone(&requested);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: String| {
            let mut page = pages.get(uri.path()).cloned();
            if method == Method::POST {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Requested::new(&uri, &headers, &body));
                page =
                    Some(json!({ "access_token": "issued", "token_type": "Bearer", "expires_in": 3600 }).to_string());
            }
            async move { page.ok_or(StatusCode::NOT_FOUND) }
        };
        let service = Service::on(listener, Router::new().fallback(answer));
        Provider { guide: Guide::read(name), hosts, form, signer, service, requested }
    }

    /// A file of the guide with the addresses of the service in place of the provider's.
    fn file(&self, name: &str) -> String {
        placed(self.guide.file(name), self.hosts, &self.service.url())
    }

    /// The verifier of a policy of the guide, with keys by discovery.
    fn verifier(&self, policy: &str) -> Verifier {
        self.verifier_of(&self.file(policy)).expect("a verifier")
    }

    fn verifier_of(&self, policy: &str) -> Result<Verifier, countersign::error::ConfigError> {
        let policy = Policy::from_toml(policy)?;
        let builder = Verifier::builder().clock(Arc::new(self.signer.clock().clone()));
        builder.policy(&policy, countersign::keys::from_config).build()
    }

    /// The claims in a file of the guide, with these in their place or, if `null`, without them.
    fn claims(&self, file: &str, changes: Value) -> Map<String, Value> {
        let mut claims: Map<String, Value> = serde_json::from_str(&self.file(file)).expect("claims");
        claims.extend(changes.as_object().expect("an object").clone());
        claims.retain(|_, value| !value.is_null());
        claims
    }

    /// A token with exactly these claims and the provider's header.
    fn sign(&self, claims: Map<String, Value>) -> String {
        self.sign_with(claims, json!({}))
    }

    /// A token with these members of the header too.
    fn sign_with(&self, claims: Map<String, Value>, header: Value) -> String {
        let draft = ["sub", "client_id", "jti", "iat", "nbf"]
            .iter()
            .fold(self.signer.token(), |draft, name| draft.without_claim(*name))
            .without_header("typ")
            .header("kid", self.form.kid);
        let members = [&self.form.header, &header].into_iter().flat_map(|part| part.as_object().expect("an object"));
        let draft = members.fold(draft, |draft, (name, value)| draft.header(name, value.clone()));
        claims.into_iter().fold(draft, |draft, (name, value)| draft.claim(name, value)).sign()
    }

    /// The identity that the guide's policy reads from a token of the guide.
    async fn identity(&self, verifier: &Verifier, file: &str, changes: Value) -> Identity {
        let token = self.sign(self.claims(file, changes));
        Identity::of(&verifier.verify(&token).await.unwrap_or_else(|error| panic!("{file}: {error}")))
    }

    /// The code with which a token of the guide is refused after these changes.
    async fn refusal(&self, verifier: &Verifier, file: &str, changes: Value) -> &'static str {
        let token = self.sign(self.claims(file, changes.clone()));
        verifier.verify(&token).await.map(|_| ()).expect_err(&changes.to_string()).code()
    }

    /// The folder of secrets.
    fn secrets(&self) -> PathBuf {
        let secrets =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hosted-{}", self.form.kid.replace('/', "-")));
        std::fs::create_dir_all(&secrets).expect("a folder");
        secrets
    }

    /// The request for a token that a call by this file of the guide causes.
    async fn token_request(&self, file: &str) -> Requested {
        let secrets = self.secrets();
        std::fs::write(secrets.join("billing"), "replace-me").expect("a secret");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem();
        std::fs::write(secrets.join("billing.pem"), key).expect("a key");
        let text = format!("{}\n{}", self.file("policy.toml"), self.file(file));
        let text = text.replace("/run/secrets", secrets.to_str().expect("text"));
        let text = text.replace("https://orders.internal", &self.service.url());
        let outbound = Outbound::from_config(&Policy::from_toml(&text).expect("a policy")).expect("bound");
        let call = outbound.client().get(format!("{}/orders", self.service.url()));
        let _ = outbound.send(call).await.expect("a token and an answer");
        self.requested.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a request")
    }
}

impl Requested {
    fn new(uri: &Uri, headers: &HeaderMap, body: &str) -> Self {
        let form = reqwest::Url::parse(&format!("http://form.test/?{body}")).expect("a form");
        Requested {
            path: uri.path().to_owned(),
            has_header: headers.contains_key("authorization"),
            fields: form.query_pairs().into_owned().collect(),
        }
    }

    /// Checks the path and the fields, of those the header or the assertion that authenticates only the presence.
    fn check(&self, path: &str, fields: &[(&str, &str)]) {
        assert_eq!(self.path, path);
        assert!(self.has_header != self.fields.contains_key("client_assertion"), "{self:?}");
        let mut found = self.fields.clone();
        found.retain(|name, _| !name.starts_with("client_"));
        let grant = [("grant_type", "client_credentials")];
        let expected = grant.iter().chain(fields).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assert_eq!(found, expected.collect());
    }
}

fn placed(text: &str, hosts: &[&str], url: &str) -> String {
    hosts.iter().fold(text.to_owned(), |text, host| text.replace(host, url))
}

/// The key of `signer` in the provider's form, and another one that signs nothing yet.
fn key_set(signer: &TestIssuer, form: &Form) -> String {
    let (own, next) = (signer.jwks(), TestIssuer::with_algorithm(form.algorithm).jwks());
    let key = |set: &str, kid: &str| {
        let set: Value = serde_json::from_str(set).expect("a key set");
        let mut key = set["keys"][0].as_object().expect("a key").clone();
        key.remove("alg");
        key.remove("use");
        key.extend(form.key.as_object().expect("an object").clone());
        key.insert("kid".to_owned(), json!(kid));
        key
    };
    json!({ "keys": [key(&own, form.kid), key(&next, "next-of-these")] }).to_string()
}

/// What a verifier reads from a token.
#[derive(Debug, PartialEq)]
struct Identity {
    subject: String,
    client: Option<String>,
    /// The client got the token for itself.
    is_own: bool,
    scopes: Vec<String>,
    roles: Vec<String>,
    permissions: Vec<String>,
    tenant: Option<String>,
}

impl Identity {
    fn of(verified: &countersign::verify::Verified) -> Self {
        let grants = verified.grants();
        let names = |names: &countersign_core::integration::Names| names.iter().map(ToOwned::to_owned).collect();
        Identity {
            subject: verified.subject().to_owned(),
            client: verified.client_id().map(ToOwned::to_owned),
            is_own: matches!(verified.principal(), Principal::Client(_)),
            scopes: names(&grants.scopes),
            roles: names(&grants.roles),
            permissions: names(&grants.permissions),
            tenant: verified.tenant().map(ToString::to_string),
        }
    }

    /// A client with a token of its own.
    fn service(subject: &str, client: &str) -> Self {
        Identity { is_own: true, ..Identity::user(subject, client) }
    }

    /// A user of a client.
    fn user(subject: &str, client: &str) -> Self {
        Identity {
            subject: subject.to_owned(),
            client: Some(client.to_owned()),
            is_own: false,
            scopes: Vec::new(),
            roles: Vec::new(),
            permissions: Vec::new(),
            tenant: None,
        }
    }

    fn scopes(self, scopes: &[&str]) -> Self {
        Identity { scopes: owned(scopes), ..self }
    }

    fn roles(self, roles: &[&str]) -> Self {
        Identity { roles: owned(roles), ..self }
    }

    fn permissions(self, permissions: &[&str]) -> Self {
        Identity { permissions: owned(permissions), ..self }
    }

    fn tenant(self, tenant: &str) -> Self {
        Identity { tenant: Some(tenant.to_owned()), ..self }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
