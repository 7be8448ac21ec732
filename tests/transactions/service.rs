//! The transaction token service: token exchange of the draft's profile.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use countersign::clock::Clock;
use countersign::secret::Secret;
use countersign::verify::{TransactionToken, TransactionVerifier};
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, Issuer, TransactionRule, TrustDomain};
use countersign_test::{Answer, ManualClock};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::shop::DOMAIN;

pub(crate) const SECRET: &str = "quaint-heron-lifts-49";
const NAME: &str = "https://sts.test";
pub(crate) const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const TXN: &str = "urn:ietf:params:oauth:token-type:txn_token";

pub(crate) struct Sts {
    pub(crate) issuer: Issuer,
    pub(crate) clock: ManualClock,
}

impl Sts {
    /// `gateway` requests tokens of the shop, `orders` replaces them, and `mail` may do neither.
    pub(crate) fn new() -> Self {
        Self::with(|rule| rule)
    }

    fn with(of_gateway: impl FnOnce(TransactionRule) -> TransactionRule) -> Self {
        let clock = ManualClock::from_system();
        let client = |id: &str| Client::new(id).secret(Secret::from(SECRET)).audiences(["gateway"]);
        let rule = || TransactionRule::new(DOMAIN, ["orders:read", "orders:write"]);
        let issuer = Issuer::builder(NAME)
            .clock(Arc::new(clock.clone()))
            .add_audience(Audience::new("gateway").scopes(["orders:read", "orders:write", "profile"]))
            .add_trust_domain(TrustDomain::new(DOMAIN).scopes(["orders:read", "orders:write", "admin"]))
            .add_trust_domain(TrustDomain::new("bank.example").scopes(["orders:read"]))
            .add_client(client("gateway").scopes(["orders:read"]).add_transaction_rule(of_gateway(rule())))
            .add_client(client("orders").add_transaction_rule(rule().replacements()))
            .add_client(client("mail"))
            .build()
            .expect("a sound configuration");
        Sts { issuer, clock }
    }

    /// An access token of `ann` for the gateway.
    pub(crate) fn subject(&self, scope: Option<&str>) -> Draft {
        let draft = Draft::access_token().subject("ann").audience("gateway").client_id("web-shop");
        scope.into_iter().fold(draft, Draft::scope)
    }

    pub(crate) fn mint(&self, draft: &Draft) -> String {
        self.issuer.mint(draft).expect("a token").as_str().to_owned()
    }

    pub(crate) async fn ask(&self, client: &str, form: &[(&str, &str)]) -> Answer {
        let body = urlencoded(form);
        let basic = base64_simd::STANDARD.encode_to_string(format!("{client}:{SECRET}"));
        let request = Request::post("/token")
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .expect("a request");
        Answer::from_response(self.issuer.router().oneshot(request).await.expect("answered")).await
    }

    /// A request of `client` for the shop, with further parameters, which replace those of the same name.
    pub(crate) async fn request(&self, client: &str, subject: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", TXN),
            ("audience", DOMAIN),
            ("scope", "orders:read"),
            ("subject_token", subject),
            ("subject_token_type", ACCESS),
        ];
        form.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        form.extend(more);
        self.ask(client, &form).await
    }

    /// The published keys.
    pub(crate) async fn jwks(&self) -> Value {
        let request = Request::get("/jwks").body(Body::empty()).expect("a request");
        Answer::from_response(self.issuer.router().oneshot(request).await.expect("answered")).await.json()
    }

    pub(crate) async fn verified(&self, token: &str) -> TransactionToken {
        let service = self.issuer.transaction_service_for(DOMAIN);
        let verifier = TransactionVerifier::builder(service).clock(Arc::new(self.clock.clone())).build();
        verifier.expect("a verifier").verify(token).await.expect("accepted")
    }
}

fn urlencoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

pub(crate) fn token(answer: &Answer) -> String {
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

pub(crate) fn error(answer: &Answer) -> String {
    assert_eq!(answer.status(), 400, "{answer:?}");
    answer.json()["error"].as_str().expect("an error").to_owned()
}

pub(crate) fn segment(token: &str, index: usize) -> Map<String, Value> {
    let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(index).expect("a segment"));
    serde_json::from_slice(&json.expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn s9_09_an_access_token_is_exchanged_for_a_transaction_token() {
    let sts = Sts::new();
    let subject = sts.mint(&sts.subject(Some("orders:read orders:write profile")).claim("tenant", "acme"));
    let context =
        [("request_context", r#"{"req_ip":"::1"}"#), ("request_details", r#"{"action":"BUY","n":{"a":[1]}}"#)];
    let answer = sts.request("gateway", &subject, &context).await;
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&"N_A".into(), &TXN.into()));
    assert_eq!((&body["expires_in"], body.get("refresh_token")), (&120.into(), None));
    assert_eq!((answer.header("cache-control"), &body["scope"]), (Some("no-store"), &"orders:read".into()));

    let issued = token(&answer);
    let (header, claims) = (segment(&issued, 0), segment(&issued, 1));
    assert_eq!((&header["typ"], &header["alg"]), (&"txntoken+jwt".into(), &"ES256".into()));
    assert_eq!((&claims["sub"], &claims["aud"], &claims["req_wl"]), (&"ann".into(), &DOMAIN.into(), &"gateway".into()));
    assert_eq!((&claims["scope"], &claims["tenant"]), (&"orders:read".into(), &"acme".into()));
    assert_eq!((&claims["rctx"], &claims["tctx"]), (&json!({"req_ip":"::1"}), &json!({"action":"BUY","n":{"a":[1]}})));
    assert!(["client_id", "cnf", "roles"].iter().all(|name| !claims.contains_key(*name)));
    let transaction = sts.verified(&issued).await;
    assert_eq!(claims["txn"], transaction.id());
    // Each transaction has an identifier of its own.
    let other = sts.verified(&token(&sts.request("gateway", &subject, &[]).await)).await;
    assert_ne!(other.id(), transaction.id());
    assert!(other.context::<Option<Value>>().expect("absent").is_none());
}

#[tokio::test]
async fn s9_09_what_the_profile_demands_is_demanded() {
    let sts = Sts::new();
    let subject = sts.mint(&sts.subject(Some("orders:read")));
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    for (what, more, code) in [
        ("no audience", &[("audience", "")][..], "invalid_request"),
        ("no scope", &[("scope", "")], "invalid_request"),
        ("no subject token", &[("subject_token", "")], "invalid_request"),
        ("no type", &[("subject_token_type", "")], "invalid_request"),
        ("a refresh token", &[("subject_token_type", refresh)], "invalid_request"),
        ("an ID token", &[("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")], "invalid_request"),
        ("unsigned", &[("subject_token_type", "urn:ietf:params:oauth:token-type:unsigned_json")], "invalid_request"),
        ("opaque", &[("subject_token", "an-opaque-token")], "invalid_request"),
        ("an actor token", &[("actor_token", "x"), ("actor_token_type", ACCESS)], "invalid_request"),
        ("another domain", &[("audience", "bank.example")], "invalid_target"),
        ("an unknown domain", &[("audience", "else.example")], "invalid_target"),
        ("an audience of access tokens", &[("audience", "gateway")], "invalid_target"),
        ("a resource", &[("resource", "https://shop.example")], "invalid_target"),
        ("blank scope", &[("scope", "  ")], "invalid_scope"),
        ("scope of the domain only", &[("scope", "admin")], "invalid_scope"),
        ("scope that the subject lacks", &[("scope", "orders:write")], "invalid_scope"),
        ("scope of the subject only", &[("scope", "profile")], "invalid_scope"),
        ("unknown type", &[("requested_token_type", refresh)], "invalid_request"),
    ] {
        assert_eq!(error(&sts.request("gateway", &subject, more).await), code, "{what}");
    }
    assert_eq!(error(&sts.request("mail", &subject, &[]).await), "unauthorized_client");
    token(&sts.request("gateway", &subject, &[]).await);
}

#[tokio::test]
async fn s9_09_an_unknown_scope_of_the_subject_is_none() {
    let sts = Sts::new();
    let without = sts.mint(&sts.subject(None));
    assert_eq!(error(&sts.request("gateway", &without, &[]).await), "invalid_request");
    let other = sts.mint(&sts.subject(Some("profile")));
    assert_eq!(error(&sts.request("gateway", &other, &[]).await), "invalid_scope");
}

#[tokio::test]
async fn s8_20_s9_09_a_subject_token_is_verified_in_full() {
    let sts = Sts::new();
    let good = sts.mint(&sts.subject(Some("orders:read")));
    let elsewhere = countersign_test::TestIssuer::with_system_clock().token().audience("gateway").scope("orders:read");
    let may_act = sts.mint(&sts.subject(Some("orders:read")).claim("may_act", json!({ "sub": "mail" })));
    let named = Draft::access_token().subject("ann").audience("gateway").client_id("web-shop").scope("orders:read");
    let named = sts.mint(&named.claim("_claim_names", json!({})));
    for (what, subject) in [("another issuer", elsewhere.sign()), ("another actor", may_act), ("elsewhere", named)] {
        assert_eq!(error(&sts.request("gateway", &subject, &[]).await), "invalid_request", "{what}");
    }
    // For the gateway, and so for no other client.
    assert_eq!(error(&sts.request("orders", &good, &[]).await), "invalid_request");
    token(&sts.request("gateway", &good, &[]).await);
    let (id, end) = (segment(&good, 1)["jti"].as_str().expect("an id").to_owned(), sts.clock.now());
    sts.issuer.revoke_token(&id, end.saturating_add(Duration::from_secs(300))).expect("revoked");
    assert_eq!(error(&sts.request("gateway", &good, &[]).await), "invalid_request", "revoked");
    let expired = sts.mint(&sts.subject(Some("orders:read")));
    sts.clock.advance(Duration::from_secs(300));
    assert_eq!(error(&sts.request("gateway", &expired, &[]).await), "invalid_request", "expired");
}

#[tokio::test]
async fn s9_06_a_transaction_token_never_outlives_its_subject_token() {
    let sts = Sts::new();
    let subject = sts.mint(&sts.subject(Some("orders:read")));
    sts.clock.advance(Duration::from_secs(270));
    let answer = sts.request("gateway", &subject, &[]).await;
    let left = answer.json()["expires_in"].as_u64().expect("a number");
    assert!((1..=30).contains(&left), "{left} s, though its own lifetime is 120 s");
}

#[tokio::test]
async fn s9_14_the_context_has_bounds() {
    let sts = Sts::new();
    let subject = sts.mint(&sts.subject(Some("orders:read")));
    let text = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let carried = format!("{{\"a\":{{\"b\":[\"Bearer {subject}\"]}}}}");
    for parameter in ["request_context", "request_details"] {
        for (what, json) in [
            ("too long", text(2049)),
            ("too deep", nested(9)),
            ("a list", "[]".into()),
            ("a text", "\"a\"".into()),
            ("no JSON", "{".into()),
            ("twice", r#"{"a":1,"a":2}"#.into()),
            ("twice, escaped", r#"{"a":1,"\u0061":2}"#.into()),
            ("rounded", r#"{"a":123456789012345678901234567890}"#.into()),
            ("the subject token itself", carried.clone()),
        ] {
            assert_eq!(
                error(&sts.request("gateway", &subject, &[(parameter, &json)]).await),
                "invalid_request",
                "{what}"
            );
        }
        for json in [text(2048), nested(8), "{}".into()] {
            token(&sts.request("gateway", &subject, &[(parameter, &json)]).await);
        }
    }
    let (full, most) = (text(2048), 8 * 1024);
    let both = sts.request("gateway", &subject, &[("request_context", &full), ("request_details", &full)]).await;
    assert!(token(&both).len() < most);
}

#[tokio::test]
async fn s8_24_a_bound_subject_token_needs_its_key_unless_the_rule_permits_it() {
    let bound = |sts: &Sts| sts.subject(Some("orders:read")).claim("cnf", json!({ "jkt": "A".repeat(43) }));
    let sts = Sts::new();
    assert_eq!(error(&sts.request("gateway", &sts.mint(&bound(&sts)), &[]).await), "invalid_request");
    let sts = Sts::with(TransactionRule::bound_subject_tokens);
    let issued = token(&sts.request("gateway", &sts.mint(&bound(&sts)), &[]).await);
    assert!(!segment(&issued, 1).contains_key("cnf"), "it identifies nobody, and binds nobody");
}

#[tokio::test]
async fn s9_11_the_outermost_actor_stays_visible() {
    let sts = Sts::new();
    let act = json!({ "sub": "partner", "iss": NAME });
    let subject = sts.mint(&sts.subject(Some("orders:read")).claim("act", act.clone()));
    let issued = token(&sts.request("gateway", &subject, &[]).await);
    assert_eq!(segment(&issued, 1)["act"], act);
    assert_eq!(sts.verified(&issued).await.actor(), Some("partner"));
}

#[tokio::test]
async fn s9_09_a_transaction_token_is_no_credential_at_its_service() {
    let sts = Sts::new();
    let issued = token(&sts.request("gateway", &sts.mint(&sts.subject(Some("orders:read"))), &[]).await);
    // Neither as an access token to be exchanged, nor one to be introspected.
    assert_eq!(error(&sts.request("gateway", &issued, &[]).await), "invalid_request");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &issued),
        ("subject_token_type", TXN),
    ];
    assert_eq!(error(&sts.ask("gateway", &exchange).await), "invalid_request");
}

#[test]
fn s9_09_senseless_registrations_are_refused_with_every_fault() {
    let build = |domain: TrustDomain, rule: TransactionRule| -> Vec<String> {
        let client = Client::new("gateway").secret(Secret::from(SECRET)).audiences(["api"]).add_transaction_rule(rule);
        let built = Issuer::builder(NAME)
            .add_audience(Audience::new("api"))
            .add_trust_domain(domain)
            .add_client(client)
            .build();
        built
            .err()
            .map(|error| error.faults().iter().map(|fault| fault.field.to_string()).collect())
            .unwrap_or_default()
    };
    let domain = || TrustDomain::new(DOMAIN).scopes(["a"]);
    let rule = || TransactionRule::new(DOMAIN, ["a"]);
    assert_eq!(build(domain(), rule()), Vec::<String>::new());
    let none: [&str; 0] = [];
    let of_client = ["client gateway: transaction rule"];
    assert_eq!(build(domain(), TransactionRule::new(DOMAIN, none)), of_client);
    assert_eq!(build(domain(), TransactionRule::new(DOMAIN, ["b"])), of_client);
    assert_eq!(build(domain(), TransactionRule::new("else.example", ["a"])), of_client);
    assert_eq!(build(domain(), rule().subject_audiences([""])), of_client);
    assert_eq!(build(TrustDomain::new("api").scopes(["a"]), TransactionRule::new("api", ["a"])), ["trust_domain"]);
    let lifetime = |seconds| domain().token_lifetime(Duration::from_secs(seconds));
    assert_eq!(build(lifetime(301), rule()), ["trust domain shop.example: token_lifetime"]);
    assert_eq!(build(lifetime(0), rule()), ["trust domain shop.example: token_lifetime"]);
    assert_eq!(build(lifetime(300), rule()), Vec::<String>::new());
    assert_eq!(build(domain().scopes(["a", "b c"]), rule()), ["trust domain shop.example: scopes"]);
}
