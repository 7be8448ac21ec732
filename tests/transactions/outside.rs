//! Subjects of other issuers, such as the identity provider of users.

use std::sync::Arc;

use countersign::error::ConfigError;
use countersign::secret::Secret;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, Issuer, IssuerConfig, TransactionRule, TrustDomain};
use countersign_test::{Answer, ManualClock, TestIssuer, TokenDraft};
use serde_json::json;

use crate::service::{SECRET, Sts, error, segment, token};
use crate::shop::DOMAIN;

const API: &str = "https://api.shop.example";

/// Users of an identity provider, and partners of another issuer.
struct Outside {
    sts: Sts,
    users: TestIssuer,
    partners: TestIssuer,
}

impl Outside {
    fn new() -> Self {
        let users = TestIssuer::with_system_clock().with_name("https://id.test");
        let partners = TestIssuer::with_system_clock().with_name("https://partner.test");
        let clock = users.clock().clone();
        let issuer = Self::build(clock.clone(), |domain| {
            let domain = domain.add_subject_issuer(users.trusted_for(API), "users:");
            domain.add_subject_issuer(partners.trusted_for(API), "partners:")
        });
        Outside { sts: Sts { issuer: issuer.expect("sound"), clock }, users, partners }
    }

    fn build(clock: ManualClock, domain: impl FnOnce(TrustDomain) -> TrustDomain) -> Result<Issuer, ConfigError> {
        let rule = TransactionRule::new(DOMAIN, ["orders:read"]).subject_audiences([API, "gateway"]);
        let client = |id: &str| Client::new(id).secret(Secret::from(SECRET)).audiences(["gateway"]);
        Issuer::builder("https://sts.test")
            .clock(Arc::new(clock))
            .add_audience(Audience::new("gateway").scopes(["orders:read"]))
            .add_trust_domain(domain(TrustDomain::new(DOMAIN).scopes(["orders:read"])))
            .add_client(client("gateway").add_transaction_rule(rule))
            .add_client(client("users:robot"))
            .build()
    }

    fn user(&self, name: &str) -> TokenDraft {
        self.users.token().subject(name).audience(API).scope("orders:read").tenant("acme")
    }

    async fn request(&self, draft: &TokenDraft) -> Answer {
        self.sts.request("gateway", &draft.sign(), &[]).await
    }
}

#[tokio::test]
async fn s9_09_s15_05_subjects_of_several_issuers_have_names_of_their_own() {
    let outside = Outside::new();
    let issued = token(&outside.request(&outside.user("ann")).await);
    let claims = segment(&issued, 1);
    assert_eq!((&claims["sub"], &claims["iss"]), (&"users:ann".into(), &"https://sts.test".into()));
    assert!(["tenant", "roles", "client_id"].iter().all(|name| !claims.contains_key(*name)), "{claims:?}");
    let partner = outside.partners.token().subject("ann").audience(API).scope("orders:read");
    assert_eq!(segment(&token(&outside.request(&partner).await), 1)["sub"], "partners:ann");
    // Nobody else has such a name: neither a client nor a subject of the issuer itself.
    assert_eq!(error(&outside.request(&outside.user("robot")).await), "invalid_request");
    let own = |subject: &str| {
        Draft::access_token().subject(subject).audience("gateway").client_id("web").scope("orders:read")
    };
    let own = |subject: &str| outside.sts.mint(&own(subject));
    assert_eq!(error(&outside.sts.request("gateway", &own("users:ann"), &[]).await), "invalid_request");
    assert_eq!(segment(&token(&outside.sts.request("gateway", &own("ann"), &[]).await), 1)["sub"], "ann");
}

#[tokio::test]
async fn s8_20_s9_09_a_token_from_outside_is_verified_in_full() {
    let outside = Outside::new();
    let stranger = TestIssuer::with_system_clock().with_name("https://id.test");
    for (what, draft) in [
        ("of another key", stranger.token().audience(API).scope("orders:read")),
        ("for another service", outside.user("ann").audience("https://else.example")),
        ("an ID token", outside.user("ann").header("typ", "JWT").claim("nonce", "n")),
        ("expired", outside.user("ann").expired()),
        ("without a scope", outside.user("ann").without_claim("scope")),
        ("with a limit on who acts", outside.user("ann").claim("may_act", json!({ "sub": "gateway" }))),
        ("bound to a key", outside.user("ann").claim("cnf", json!({ "jkt": "A".repeat(43) }))),
        ("with claims elsewhere", outside.user("ann").claim("_claim_names", json!({ "x": "src" }))),
        ("a transaction token", outside.users.transaction_token(DOMAIN, "orders:read")),
    ] {
        assert_eq!(error(&outside.request(&draft).await), "invalid_request", "{what}");
    }
    assert_eq!(error(&outside.request(&outside.user("ann").claim("scope", "profile")).await), "invalid_scope");
}

#[tokio::test]
async fn s9_11_an_actor_from_outside_keeps_its_issuer() {
    let outside = Outside::new();
    let draft = outside.user("ann").claim("act", json!({ "sub": "app", "act": { "sub": "inner" } }));
    let issued = token(&outside.request(&draft).await);
    assert_eq!(segment(&issued, 1)["act"], json!({ "sub": "app", "iss": "https://id.test" }));
}

#[test]
fn s15_05_prefixes_that_could_meet_are_refused() {
    let users = TestIssuer::with_system_clock().with_name("https://id.test");
    let partners = users.clone().with_name("https://partner.test");
    let fields = |of_users: &str, of_partners: &str, second: &TestIssuer| -> Vec<String> {
        let built = Outside::build(users.clock().clone(), |domain| {
            let domain = domain.add_subject_issuer(users.trusted_for(API), of_users);
            domain.add_subject_issuer(second.trusted_for(API), of_partners)
        });
        built.err().iter().flat_map(|error| error.faults()).map(|fault| fault.field.to_string()).collect()
    };
    let faulty = ["trust domain shop.example: subject_issuer"];
    assert_eq!(fields("users:", "partners:", &partners), Vec::<String>::new());
    assert_eq!(fields("", "partners:", &partners), faulty);
    assert_eq!(fields("users:", "users:", &partners), faulty);
    assert_eq!(fields("users:", "users:partner:", &partners), faulty);
    assert_eq!(fields("users:", "partners:", &users), faulty, "one issuer twice");
}

#[tokio::test]
async fn a_configuration_file_has_trust_domains_and_is_strict() {
    let users = TestIssuer::with_system_clock().with_name("https://id.test");
    let text = |more: &str| {
        format!(
            r#"
            issuer = "https://sts.test"
            [[audience]]
            name = "gateway"
            [[client]]
            id = "gateway"
            secret = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            [[client.transaction]]
            trust_domain = "shop.example"
            scopes = ["orders:read"]
            subject_audiences = ["https://api.shop.example"]
            replacements = true
            bound_subject_tokens = true
            [[trust_domain]]
            name = "shop.example"
            scopes = ["orders:read"]
            token_lifetime_seconds = 60
            {more}
            [[trust_domain.subject_issuer]]
            prefix = "users:"
            [trust_domain.subject_issuer.trusted]
            issuer = "https://id.test"
            audience = "https://api.shop.example"
            keys = {{ inline = '{}' }}
            "#,
            users.jwks()
        )
    };
    let config = IssuerConfig::from_toml(&text("")).expect("readable");
    assert!(config.build().is_ok(), "{:?}", config.build().err());
    assert_eq!(config.trust_domains[0].subject_issuers[0].prefix, "users:");
    assert!(IssuerConfig::from_toml(&text("token_lifetime_second = 60")).is_err(), "an unknown field");
    let long = text("").replace("token_lifetime_seconds = 60", "token_lifetime_seconds = 301");
    let error = IssuerConfig::from_toml(&long).expect("readable").build().expect_err("too long");
    assert_eq!(error.faults()[0].field, "trust domain shop.example: token_lifetime");
}
