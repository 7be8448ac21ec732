//! Exchanges of tokens of every kind, signed with the key of the issuer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Thumbprint;
use countersign_core::mint::Draft;
use countersign_test::ManualClock;
use serde_json::{Value, json};

use super::exchange::evaluate;
use super::{GrantError, Granted};
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::{Audience, ExchangeRule};
use crate::proof::Possession;
use crate::service::Issuer;

const NAME: &str = "https://sts.test";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

struct Setup {
    clock: ManualClock,
    issuer: Issuer,
    orders: Client,
}

/// The client `orders` exchanges tokens for `billing`.
fn setup(rule: impl FnOnce(ExchangeRule) -> ExchangeRule) -> Setup {
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let client = |id: &str| Client::new(id).public_keys(public_keys()).audiences(["billing"]);
    let orders = client("orders").add_exchange_rule(rule(ExchangeRule::new(["billing"])));
    let issuer = Issuer::builder(NAME)
        .clock(Arc::new(clock.clone()))
        .add_audience(Audience::new("orders"))
        .add_audience(Audience::new("billing"))
        .add_client(orders.clone())
        .add_client(client("reports"))
        .build()
        .expect("a sound configuration");
    Setup { clock, issuer, orders }
}

fn public_keys() -> String {
    let key = countersign_core::mint::Signer::generate(countersign_core::key::Algorithm::ES256).expect("a key");
    json!({ "keys": [key.public_jwk()] }).to_string()
}

impl Setup {
    /// A token for `orders` that ends in 200 s.
    fn draft(&self, subject: &str, client: &str) -> Draft {
        let now = self.clock.now();
        let draft = Draft::access_token().issuer(NAME).subject(subject).client_id(client).audience("orders");
        draft.issued_at(now).expires_at(now.saturating_add(Duration::from_secs(200))).token_id("one")
    }

    fn sign(&self, draft: &Draft) -> String {
        draft.sign(&self.issuer.published().signer).expect("signed")
    }

    async fn exchange_with(&self, subject: &Draft, actor: Option<&Draft>) -> Result<Granted, GrantError> {
        self.exchange_by(None, subject, actor).await
    }

    /// By a client that has proven to possess this key.
    async fn exchange_by(
        &self,
        key: Option<Thumbprint>,
        subject: &Draft,
        actor: Option<&Draft>,
    ) -> Result<Granted, GrantError> {
        let mut form = format!("subject_token_type={ACCESS_TOKEN}&subject_token={}", self.sign(subject));
        if let Some(actor) = actor {
            form += &format!("&actor_token_type={ACCESS_TOKEN}&actor_token={}", self.sign(actor));
        }
        let form = Form::parse(form.as_bytes()).map_err(|_| GrantError::Store)?;
        evaluate(&self.issuer, &self.orders, &form, Possession { key, ..Possession::default() }).await
    }

    async fn exchange(&self, subject: &Draft) -> Granted {
        self.exchange_with(subject, None).await.expect("granted")
    }

    async fn problem(&self, subject: &Draft, actor: Option<&Draft>) -> &'static str {
        match self.exchange_with(subject, actor).await.map(drop) {
            Err(GrantError::InvalidRequest(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }
}

fn link(actor: &str) -> Value {
    json!({ "sub": actor, "iss": NAME })
}

#[tokio::test]
async fn s15_06_s8_09_only_a_clients_own_token_is_exchanged_for_one_of_its_own() {
    let setup = setup(|rule| rule);
    let own = setup.exchange(&setup.draft("orders", "orders")).await;
    assert_eq!((own.claims.get("act"), own.claims.get("sub_is_client")), (None, None));

    let marked = |draft: Draft| draft.claim("sub_is_client", true);
    let with_actor = link("orders");
    for (what, subject, is_client) in [
        ("exchanged by itself, after somebody acted for it", marked(setup.draft("orders", "orders")), true),
        ("exchanged by another client, without an actor", marked(setup.draft("orders", "reports")), true),
        ("of another client, exchanged without an actor", marked(setup.draft("reports", "orders")), true),
        ("another client's own", setup.draft("reports", "reports"), true),
        ("a user's, by way of the client", setup.draft("ann", "orders"), false),
    ] {
        let subject =
            if what.starts_with("exchanged by itself") { subject.claim("act", link("reports")) } else { subject };
        let granted = setup.exchange(&subject).await;
        assert_eq!(granted.claims["act"]["sub"], with_actor["sub"], "{what}");
        assert_eq!(granted.claims.get("sub_is_client"), is_client.then_some(&json!(true)), "{what}");
    }
}

#[tokio::test]
async fn s15_06_a_token_with_an_actor_and_no_mark_is_no_clients_own() {
    // Of a user who has had the name before the client.
    let setup = setup(|rule| rule);
    let subject = setup.draft("reports", "reports").claim("act", link("web"));
    assert_eq!(setup.problem(&subject, None).await, "the subject has the name of a client");
}

#[tokio::test]
async fn s8_20_an_actor_token_has_no_other_subject_client_or_actor() {
    let setup = setup(|rule| rule);
    let caller = setup.draft("ann", "web");
    let wrong = [
        ("a user's, by way of the client", setup.draft("ann", "orders")),
        ("the client's, exchanged by another one", setup.draft("orders", "reports").claim("sub_is_client", true)),
        ("the client's, with an actor", setup.draft("orders", "orders").claim("act", link("reports"))),
    ];
    for (what, actor) in wrong {
        let problem = setup.problem(&caller, Some(&actor)).await;
        assert_eq!(problem, "actor_token was not issued to this client", "{what}");
    }
}

#[tokio::test]
async fn s8_22_an_actor_token_always_names_its_actor() {
    let setup = setup(ExchangeRule::danger_without_actor);
    let own = setup.draft("orders", "orders");
    assert_eq!(setup.exchange(&setup.draft("ann", "web")).await.claims.get("act"), None);
    for (subject, mark) in [("ann", None), ("orders", Some(&json!(true)))] {
        let client = if subject == "ann" { "web" } else { "orders" };
        let granted = setup.exchange_with(&setup.draft(subject, client), Some(&own)).await.expect("granted");
        assert_eq!(granted.claims["act"], link("orders"), "{subject}");
        assert_eq!(granted.claims.get("sub_is_client"), mark, "{subject}");
    }
}

#[tokio::test]
async fn s8_22_an_actor_of_the_same_name_elsewhere_stays_in_the_chain() {
    let setup = setup(|rule| rule);
    let elsewhere = json!({ "sub": "orders", "iss": "https://elsewhere.example" });
    for (before, after) in [
        (elsewhere.clone(), json!({ "sub": "orders", "iss": NAME, "act": elsewhere })),
        (link("reports"), json!({ "sub": "orders", "iss": NAME, "act": link("reports") })),
        (link("orders"), link("orders")),
    ] {
        let granted = setup.exchange(&setup.draft("ann", "web").claim("act", before.clone())).await;
        assert_eq!(granted.claims["act"], after, "{before}");
    }
}

#[tokio::test]
async fn s8_22_may_act_limits_the_next_exchange_too() {
    let setup = setup(|rule| rule);
    let may_act = json!({ "sub": "orders" });
    let granted = setup.exchange(&setup.draft("ann", "web").claim("may_act", may_act.clone())).await;
    assert_eq!(granted.claims.get("may_act"), Some(&may_act));
}

#[tokio::test]
async fn s8_21_a_token_ends_with_the_first_of_subject_and_actor_token() {
    let setup = setup(|rule| rule);
    let now = setup.clock.now();
    let in_secs = |seconds| now.saturating_add(Duration::from_secs(seconds));
    for (subject, actor) in [(150, 250), (250, 150)] {
        let caller = setup.draft("ann", "web").expires_at(in_secs(subject));
        let own = setup.draft("orders", "orders").expires_at(in_secs(actor));
        let granted = setup.exchange_with(&caller, Some(&own)).await.expect("granted");
        assert_eq!(granted.not_after, Some(in_secs(150)), "{subject} {actor}");
    }
}

#[tokio::test]
async fn s6_20_a_bound_token_is_exchanged_by_its_key_or_if_the_rule_permits_it() {
    let (one, other) = (Thumbprint::of_certificate(b"one"), Thumbprint::of_certificate(b"other"));
    let [key, certificate, both] = [
        json!({ "jkt": one.to_string() }),
        json!({ "x5t#S256": one.to_string() }),
        json!({ "jkt": one.to_string(), "x5t#S256": other.to_string() }),
    ];
    let setups = [setup(|rule| rule), setup(ExchangeRule::bound_subject_tokens)];
    // The subject, what it is bound to, the proven key, and whether each of the rules allows it.
    for (subject, binding, proven, is_allowed) in [
        ("ann", &key, None, [false, false]),
        ("ann", &key, Some(other), [false, true]),
        ("ann", &key, Some(one), [true, true]),
        ("ann", &certificate, None, [false, false]),
        ("ann", &certificate, Some(one), [false, true]),
        ("ann", &both, Some(one), [false, true]),
        ("orders", &key, None, [false, false]),
        ("orders", &key, Some(other), [false, false]),
        ("orders", &key, Some(one), [true, true]),
        ("orders", &both, Some(one), [false, false]),
    ] {
        for (setup, is_allowed) in setups.iter().zip(is_allowed) {
            let client = if subject == "ann" { "web" } else { "orders" };
            let bound = setup.draft(subject, client).claim("cnf", binding.clone());
            let granted = setup.exchange_by(proven, &bound, None).await;
            assert_eq!(granted.is_ok(), is_allowed, "{subject} {binding} {proven:?}");
            assert!(granted.is_err() || granted.is_ok_and(|granted| !granted.claims.contains_key("cnf")));
            let actor = setup.draft("orders", "orders").claim("cnf", binding.clone());
            let granted = setup.exchange_by(proven, &setup.draft("ann", "web"), Some(&actor)).await;
            assert_eq!(granted.is_ok(), *binding == key && proven == Some(one), "as actor: {binding} {proven:?}");
        }
    }
    let odd = setups[1].draft("ann", "web").claim("cnf", json!({ "kid": "1" }));
    assert_eq!(setups[1].problem(&odd, None).await, "a presented token is not accepted");
}
