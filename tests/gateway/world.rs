//! The policy of the tests: one provider of tokens, one authority of API keys, and the routes of the guide.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use countersign::app::{Routes, protect};
use countersign::authenticate::AuthenticateLayerBuilder;
use countersign::introspect::Introspection;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign::secret::Secret;
use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_gateway::{Gateway, GatewayConfig};
use countersign_test::{Provider, TestIssuer, TestKey};
use countersign_tests::guide::Guide;
use countersign_tests::proxy::HOST;
use tower::ServiceExt as _;

pub fn guide() -> Guide {
    Guide::read("gateway")
}

pub struct World {
    pub provider: Provider,
    pub config: GatewayConfig,
    keys: ApiKeys,
    key: TestKey,
    /// The library's own app with the same routes.
    app: Router,
}

/// A credential: its name in failures, and the headers that a request for `GET /orders` brings.
pub type Credential = (&'static str, Vec<String>);

impl World {
    pub async fn new() -> Self {
        let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a free port");
        let pepper = Pepper::new(&Secret::new(vec![7; 32])).expect("a pepper");
        let keys = ApiKeys::builder("https://shop.test/api-keys", MemoryKeyStore::new(), pepper).prefix("shop");
        let keys = keys.build().expect("keys");
        let config = GatewayConfig::from_toml(guide().file("gateway.toml")).expect("the guide's file");
        let table = config.table().expect("its routes");
        let key = TestKey::new(provider.issuer().clock());
        let mut world = World { provider, config, keys, key, app: Router::new() };
        let routes: Routes = Routes::from_table(&table, || async { "passed" }).expect("routes");
        world.app = protect(routes, world.layer()).into();
        world
    }

    /// The layer of the policy, with used proofs of its own.
    pub fn layer(&self) -> AuthenticateLayer {
        self.layer_builder().build().expect("a layer")
    }

    pub fn layer_builder(&self) -> AuthenticateLayerBuilder {
        let (keys, issuer) = (&self.keys, self.provider.issuer());
        let of_keys = keys.issuer("orders").map_authorities({
            let name = "https://issuer.test"; // to which the test kit assigns them
            move |keys| keys.names_of(name).tenants_of(name)
        });
        let verifier = Verifier::builder().trust(issuer.trusted_for("orders")).trust(of_keys);
        let verifier = verifier.clock(issuer.clock().clone()).build().expect("a verifier");
        let introspection =
            Introspection::at_issuer(self.provider.url()).client("gateway", "secret").token_prefix("opaque_");
        let layer = AuthenticateLayer::builder(verifier).introspection(introspection).api_keys(keys.clone());
        layer.dpop(Dpop::at(format!("https://{HOST}")))
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.config.rules(self.layer(), &Policy::default()).expect("rules"))
    }

    pub fn token(&self, scope: &str, role: &str) -> String {
        let draft = self.provider.token().subject("ann").audience("orders").scope(scope).role(role);
        format!("Authorization: Bearer {}", draft.sign())
    }

    pub fn good(&self) -> String {
        self.token("orders:read", "clerk")
    }

    /// Every kind of credential, made for this request. Proofs are new at each call: each counts once.
    pub async fn credentials(&self, method: &str, path: &str) -> Vec<Credential> {
        let bearer = |token: &str| format!("Authorization: Bearer {token}");
        let draft = || self.provider.token().subject("ann").audience("orders").scope("orders:read");
        let bound = draft().bound_to(&self.key).sign();
        let proof = |url: &str| format!("DPoP: {}", self.key.proof(method, url, &bound).sign());
        let dpop = format!("Authorization: DPoP {bound}");
        let here = format!("https://{HOST}{path}");
        let new = NewApiKey::new("reports", "orders").scopes(["orders:read"]);
        let api_key = self.keys.create(new).await.expect("a key");
        let foreign = TestIssuer::with_system_clock().with_name(self.provider.url());
        let foreign = foreign.token().subject("admin").audience("orders").scope("orders:read").sign();
        let opaque = self.provider.opaque(&draft());
        let ended = self.provider.opaque(&draft());
        self.provider.revoke_opaque(&ended);
        vec![
            ("none", vec![]),
            ("malformed", vec![bearer("e30.e30")]),
            ("not base64url", vec![bearer("a b")]),
            ("another scheme", vec!["Authorization: Basic YTpi".to_owned()]),
            ("empty", vec!["Authorization: Bearer ".to_owned()]),
            ("expired", vec![bearer(&draft().expired().sign())]),
            ("for another service", vec![bearer(&self.provider.token().audience("stock").scope("orders:read").sign())]),
            ("of another key", vec![bearer(&foreign)]),
            ("insufficient", vec![self.token("stock:read", "clerk")]),
            ("good", vec![self.good()]),
            ("a manager's", vec![self.token("orders:read orders:write", "manager")]),
            ("two", vec![self.good(), self.good()]),
            ("bound, with its proof", vec![dpop.clone(), proof(&here)]),
            ("bound, with a proof for another address", vec![dpop.clone(), proof(&format!("https://{HOST}/other"))]),
            ("bound, with a proof for another host", vec![dpop.clone(), proof(&format!("https://evil.test{path}"))]),
            ("bound, without its proof", vec![dpop.clone()]),
            ("bound, as Bearer", vec![bearer(&bound)]),
            ("unbound, as DPoP", vec![format!("Authorization: DPoP {}", draft().sign()), proof(&here)]),
            ("opaque", vec![bearer(&opaque)]),
            ("opaque, ended", vec![bearer(&ended)]),
            ("opaque, unknown", vec![bearer("opaque_abc")]),
            ("an API key", vec![bearer(api_key.text().expose())]),
            ("an API key that nobody made", vec![bearer("shop_0000000000000000_abc")]),
        ]
    }

    /// The status of the library's own app.
    pub async fn decides(&self, method: &str, path: &str, headers: &[String]) -> u16 {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        for header in headers {
            let (name, value) = header.split_once(':').expect("a header");
            request = request.header(name, value.trim());
        }
        let Ok(request) = request.body(Body::empty()) else { return 400 };
        self.app.clone().oneshot(request).await.expect("an answer").status().as_u16()
    }
}
