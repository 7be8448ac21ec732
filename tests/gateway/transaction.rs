//! The swap of the client's credential for a transaction token, at the embedded issuer: S8.24, S9.05, S9.06, S9.08, S9.09.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::routing::get;
use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::extract::Transaction;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign::verify::TransactionVerifier;
use countersign_core::clock::UnixTime;
use countersign_core::mint::Draft;
use countersign_gateway::{ClientRequest, Edge, EdgeDecision, ForeignHeaders, Gateway, GatewayConfig, RequestChanges};
use countersign_issuer::{Audience, Client, Issuer, SecretHash, TransactionRule, TrustDomain};
use countersign_test::{ManualClock, TestIssuer, TestKey};
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use countersign_tests::proxy::HOST;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

use crate::backend::values;
use crate::edge::Running;
use crate::world::guide;

const SCOPES: [&str; 2] = ["orders:read", "orders:write"];
const DOMAIN: &str = "shop.example";

/// The audit events of the gateway.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Value>>>);

impl AuditSink for Events {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().expect("sound").push(serde_json::from_str(&event.to_json()).expect("JSON"));
    }
}

impl Events {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().expect("sound"))
    }
}

struct Shop {
    issuer: Issuer,
    server: Service,
    secret: String,
    events: Events,
}

impl Shop {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (secret, stored) = SecretHash::generate().expect("a secret");
        let rule = TransactionRule::new(DOMAIN, SCOPES).subject_audiences(["shop"]).bound_subject_tokens();
        let gateway = Client::new("gateway").secret(stored).audiences(["orders"]).add_transaction_rule(rule);
        let issuer = Issuer::builder(format!("http://{}", listener.local_addr().expect("bound")))
            .add_audience(Audience::new("shop").scopes(SCOPES))
            .add_audience(Audience::new("orders"))
            .add_trust_domain(TrustDomain::new(DOMAIN).scopes(SCOPES))
            .add_client(gateway)
            .build()
            .expect("an issuer");
        let server = Service::on(listener, issuer.router());
        Shop { issuer, server, secret: secret.expose().clone(), events: Events::default() }
    }

    fn config(&self, scope: &str) -> GatewayConfig {
        let name = self.issuer.name();
        let port = name.rsplit(':').next().expect("a port");
        let file = std::env::temp_dir().join(format!("cs-gateway-txn-secret-{}-{port}", std::process::id()));
        std::fs::write(&file, &self.secret).expect("a file");
        let swap = format!(
            "[[swap]]\nprefix = \"/orders\"\n[swap.token]\norigin = \"https://orders.internal\"\nissuer = {name:?}\n\
             client = \"gateway\"\nsecret_file = {file:?}\naudience = \"orders\"\n[swap.transaction]\nscope = {scope:?}\n"
        );
        GatewayConfig::from_toml(&format!("{}\n{swap}", guide().file("gateway.toml"))).expect("a configuration")
    }

    /// A gateway of the guide's routes, which begins transactions with this scope on those below `/orders`.
    fn gateway(&self, scope: &str) -> Gateway {
        let layer = AuthenticateLayer::builder(self.verifier("shop")).keep_caller_token();
        let layer = layer.audit(AuditLog::new("gateway", self.events.clone()).client_id("gateway").allowed());
        let layer = layer.dpop(Dpop::at(format!("https://{HOST}"))).build().expect("a layer");
        Gateway::new(self.config(scope).rules(layer, &self.policy()).expect("rules"))
    }

    fn policy(&self) -> Policy {
        let name = self.issuer.name();
        let transactions = json!({ "trust_domain": DOMAIN, "issuer": name });
        let policy = json!({ "issuers": [{ "issuer": name, "audience": "shop" }], "transactions": transactions });
        Policy::from_json(&policy.to_string()).expect("a policy")
    }

    fn verifier(&self, audience: &str) -> Verifier {
        Verifier::new(self.issuer.trusted_for(audience)).expect("a verifier")
    }

    fn transactions(&self) -> TransactionVerifier {
        TransactionVerifier::new(self.issuer.transaction_service_for(DOMAIN)).expect("a verifier")
    }

    fn token(&self, draft: &Draft) -> String {
        self.issuer.mint(draft).expect("a token").as_str().to_owned()
    }

    /// The service behind the gateway, which demands both tokens.
    async fn orders(&self) -> Service {
        let who = |caller: Claims, transaction: Transaction| async move {
            let details: Value = transaction.context().expect("details");
            let scopes: Vec<&str> = transaction.scopes().collect();
            format!("{} for {} {scopes:?} {details}", caller.subject(), transaction.subject())
        };
        let layer = AuthenticateLayer::builder(self.verifier("orders"));
        let layer = layer.transaction_tokens_required(self.transactions()).build().expect("a layer");
        Service::start(Router::new().route("/orders", get(who)).layer(layer)).await
    }
}

fn draft(scope: &str) -> Draft {
    Draft::access_token().subject("ann").audience("shop").client_id("web").scope(scope)
}

/// The changes for `GET` on this path, or the status and code of the refusal.
async fn asks(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Result<RequestChanges, (u16, String)> {
    asks_by(gateway, path, headers, ForeignHeaders::Remove).await
}

async fn asks_by(
    gateway: &Gateway,
    path: &str,
    headers: &[(&str, &str)],
    foreign: ForeignHeaders,
) -> Result<RequestChanges, (u16, String)> {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.append(HeaderName::from_bytes(name.as_bytes()).expect(name), value.parse().expect(name));
    }
    match gateway.decide(ClientRequest::new(Method::GET, HOST, path, all), foreign).await {
        EdgeDecision::Allowed(changes) => Ok(changes),
        EdgeDecision::Refused(response) => {
            let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            Err((response.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned()))
        }
        _ => panic!("a decision of a new kind"),
    }
}

fn nginx(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    crate::nginx::set_up(folder, &|name| {
        let line = "proxy_set_header X-Caller $caller;";
        file(name).replace(line, &format!("{line}\n{}\n{}", file("swap.conf"), file("transaction.conf")))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_05_s9_08_behind_nginx_services_see_a_transaction_token_in_place_of_the_clients() {
    let shop = Shop::new().await;
    let edge = Running::with_gateway(shop.gateway("orders:read"), Edge::Nginx, Part::Nginx, nginx).await;
    let orders = shop.orders().await;
    let outside = shop.token(&draft("orders:read orders:write"));
    let mut txns = Vec::new();
    for _ in 0..2 {
        // A header of the client is replaced.
        let sent = [format!("Authorization: Bearer {outside}"), "Txn-Token: eyJhbGciOiJub25lIn0.e30.".to_owned()];
        let answer = edge.request("GET", "/orders", &sent).await;
        let [seen] = &edge.backend.seen()[..] else { panic!("{answer:?}") };
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!seen.contains(&outside) && !seen.contains("eyJhbGciOiJub25lIn0"), "{seen}");
        let ([authorization], [transaction]) = (&values(seen, "authorization")[..], &values(seen, "txn-token")[..])
        else {
            panic!("{seen}")
        };
        let headers = [format!("Authorization: {authorization}"), format!("Txn-Token: {transaction}")];
        let answer = orders.request("GET /orders", &[&headers[0], &headers[1]]).await;
        assert_eq!(answer.body, r#"gateway for ann ["orders:read"] {"method":"GET","route":"/orders"}"#);
        assert_eq!(orders.request("GET /orders", &[&headers[0]]).await.status, 403, "without the transaction");
        assert_eq!(orders.request("GET /orders", &[&headers[1]]).await.status, 401, "without the gateway's token");
        txns.push(shop.transactions().verify(transaction).await.expect("valid").id().to_owned());
    }
    assert_ne!(txns[0], txns[1], "each request is a transaction");
    let logged: Vec<Value> = shop.events.take().iter().map(|event| event["txn"].clone()).collect();
    assert_eq!(logged, [json!(txns[0]), json!(txns[1])], "the events of the gateway name them");
    // Other spellings cannot be replaced by nginx, and other routes take none.
    let bearer = format!("Authorization: Bearer {outside}");
    let odd = edge.request("GET", "/orders", &[bearer, "Txn-Token-Bin: e30".to_owned()]).await;
    assert_eq!((odd.status, edge.backend.seen().len()), (400, 0));
    let public = edge.request("GET", "/health", &["Txn-Token: e30.e30.AA".to_owned()]).await;
    let [seen] = &edge.backend.seen()[..] else { panic!("{public:?}") };
    assert!(public.status == 200 && values(seen, "txn-token").is_empty(), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_06_a_transaction_never_has_more_than_the_clients_token_and_an_outage_is_503() {
    let shop = Shop::new().await;
    let (read, write) = (shop.gateway("orders:read"), shop.gateway("orders:write"));
    let bearer = |scope: &str| format!("Bearer {}", shop.token(&draft(scope)));
    let reader = bearer("orders:read");
    let changes = asks(&read, "/orders", &[("authorization", &reader)]).await.expect("allowed");
    let token = changes.set["txn-token"].to_str().expect("text").to_owned();
    let all = format!("{changes:?}");
    assert!(!all.contains(&token) && !all.contains(&reader["Bearer ".len()..]), "no token is in Debug");
    assert!(!changes.remove.iter().any(|name| name == "txn-token"));
    let refused = asks(&write, "/orders", &[("authorization", &reader)]).await.expect_err("not its scope");
    assert_eq!(refused, (502, "upstream_refused".to_owned()));
    let event = shop.events.take().pop().expect("an event");
    assert_eq!((&event["outcome"], &event["status"], event.get("txn")), (&"allowed".into(), &502.into(), None));
    // It ends with the token of the client.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
    let soon = UnixTime::from_secs(now + 40);
    let short = format!("Bearer {}", shop.token(&draft("orders:read").expires_at(soon)));
    let changes = asks(&read, "/orders", &[("authorization", &short)]).await.expect("allowed");
    let transaction =
        shop.transactions().verify(changes.set["txn-token"].to_str().expect("text")).await.expect("valid");
    assert!(transaction.expires_at() <= soon);
    // A route without a swap, and a caller without a credential: a header of the client passes nowhere.
    for foreign in [ForeignHeaders::Remove, ForeignHeaders::Refuse] {
        let sent = [("txn-token", token.as_str())];
        let changes = asks_by(&read, "/health", &sent, foreign).await.expect("public");
        assert!(changes.remove.iter().any(|name| name == "txn-token") && !changes.set.contains_key("txn-token"));
        let odd = asks_by(&read, "/health", &[("txn_token", token.as_str())], foreign).await;
        match foreign {
            ForeignHeaders::Remove => assert!(odd.expect("public").remove.iter().any(|name| name == "txn_token")),
            ForeignHeaders::Refuse => assert_eq!(odd.expect_err("refused").0, 400),
        }
    }
    shop.server.stop().await;
    let refused = asks(&read, "/orders", &[("authorization", &reader)]).await.expect_err("no token service");
    assert_eq!(refused, (503, "upstream_unavailable".to_owned()), "none is cached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_24_a_bound_credential_begins_a_transaction_after_its_proof_was_checked() {
    let shop = Shop::new().await;
    let key = TestKey::new(&ManualClock::from_system());
    let bound = draft("orders:read").claim("cnf", json!({ "jkt": key.thumbprint() }));
    let outside = shop.token(&bound);
    let (gateway, header) = (shop.gateway("orders:read"), format!("DPoP {outside}"));
    let proof = key.proof("GET", &format!("https://{HOST}/orders"), &outside).sign();
    let changes = asks(&gateway, "/orders", &[("authorization", &header), ("dpop", &proof)]).await.expect("allowed");
    assert!(changes.remove.iter().any(|name| name == "dpop"));
    let transaction =
        shop.transactions().verify(changes.set["txn-token"].to_str().expect("text")).await.expect("valid");
    assert_eq!(transaction.subject(), "ann");
    let own = changes.set["authorization"].to_str().expect("text").strip_prefix("Bearer ").expect("the gateway's own");
    let own = shop.verifier("orders").verify(own).await.expect("valid");
    assert_eq!((own.subject(), own.actor()), ("gateway", None));
    let without = asks(&gateway, "/orders", &[("authorization", &header)]).await.expect_err("no proof");
    assert_eq!(without.0, 401);
}

/// A token service that gives scopes as it likes, with the keys of the test kit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_06_a_transaction_with_a_scope_that_the_client_lacks_is_not_passed_on() {
    let issuer = TestIssuer::with_system_clock();
    let answer = {
        let issuer = issuer.clone();
        move |body: String| {
            let given = if body.contains("scope=orders%3Aread") { "orders:read orders:admin" } else { "orders:write" };
            let transaction = issuer.transaction_token(DOMAIN, given).subject("ann").sign();
            let kind = "urn:ietf:params:oauth:token-type:txn_token";
            let answer = match body.contains("txn_token") {
                true => json!({ "access_token": transaction, "token_type": "N_A", "issued_token_type": kind }),
                false => json!({ "access_token": "own", "token_type": "Bearer", "expires_in": 60 }),
            };
            std::future::ready(axum::Json(answer))
        }
    };
    let sts = Service::start(Router::new().route("/token", axum::routing::post(answer))).await;
    let mut shop = Shop::new().await;
    let policy = json!({ "issuers": [{ "issuer": issuer.name(), "audience": "shop" }],
        "transactions": { "trust_domain": DOMAIN, "issuer": issuer.name(), "keys": { "inline": issuer.jwks() } } });
    let policy = Policy::from_json(&policy.to_string()).expect("a policy");
    shop.secret = "a-secret".to_owned();
    let outside =
        format!("Bearer {}", issuer.token().audience("shop").subject("ann").scope("orders:read orders:write").sign());
    for (scope, expected) in [("orders:write", Ok(())), ("orders:read", Err((502, "unsuitable_token".to_owned())))] {
        let mut config = shop.config(scope);
        config.swaps[0].token.as_mut().expect("a token").token_endpoint = Some(format!("{}/token", sts.url()));
        let layer =
            AuthenticateLayer::builder(issuer.verifier_for("shop")).keep_caller_token().build().expect("a layer");
        let gateway = Gateway::new(config.rules(layer, &policy).expect("rules"));
        let found = asks(&gateway, "/orders", &[("authorization", &outside)]).await;
        assert_eq!(found.map(drop), expected, "{scope}");
    }
}

#[tokio::test]
async fn what_a_swap_for_transactions_lacks_is_a_fault() {
    let shop = Shop::new().await;
    let layer = || AuthenticateLayer::builder(shop.verifier("shop")).keep_caller_token().build().expect("a layer");
    let faults = |scope: &str, policy: &Policy| {
        let error = shop.config(scope).rules(layer(), policy).expect_err("a fault");
        error.faults().iter().map(|fault| fault.field.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(faults(" ", &shop.policy()), ["swap /orders: transaction: scope"]);
    let mut without = shop.policy();
    without.transactions = None;
    assert_eq!(faults("orders:read", &without), ["swap /orders: transactions"]);
    tokio::time::timeout(Duration::from_secs(60), shop.server.stop()).await.expect("an end");
}
