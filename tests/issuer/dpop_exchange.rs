//! Exchange of bound tokens: a binding is kept by its key, replaced by that of the client, and never passed to another.

use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{Client, ExchangeRule, IssuerBuilder};
use countersign_test::TestKey;
use serde_json::json;

use crate::direct::basic;
use crate::dpop::{Answer, World};
use crate::service::{SECRET, shop};

/// The shop, with `gateway`, whose rule permits bound subject tokens.
fn with_gateway(builder: IssuerBuilder) -> IssuerBuilder {
    let rule = ExchangeRule::new(["billing"]).subject_audiences(["orders"]).bound_subject_tokens();
    let gateway = Client::new("gateway").secret(Secret::from(SECRET)).audiences(["billing"]);
    shop(builder).add_client(gateway.scopes(["read"]).add_exchange_rule(rule))
}

async fn exchange(world: &World, client: &str, subject: &str, proofs: &[&str]) -> Answer {
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let form = format!("grant_type={grant}&subject_token={subject}&subject_token_type={kind}");
    world.ask_as(&basic(client, SECRET), proofs, &form).await
}

/// A proof by this key.
fn by(world: &World, key: &TestKey) -> String {
    world.proof_by(key).sign()
}

#[tokio::test]
async fn s6_20_s8_24_an_exchanged_token_is_bound_to_the_key_of_who_gets_it_and_a_bound_one_never_to_none() {
    let world = World::with(with_gateway);
    let [caller, own] = [(); 2].map(|()| world.other_key());
    let draft = || Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
    let mint = |draft: &Draft| world.issuer.mint(draft).expect("a token").as_str().to_owned();
    let unbound = mint(&draft());
    let bound = mint(&draft().claim("cnf", json!({ "jkt": caller.thumbprint() })));

    for client in ["orders", "gateway"] {
        exchange(&world, client, &unbound, &[]).await.token_for(None);
        exchange(&world, client, &unbound, &[&by(&world, &own)]).await.token_for(Some(&own));
        exchange(&world, client, &bound, &[&by(&world, &caller)]).await.token_for(Some(&caller));
    }

    // Who does not have the key of the token exchanges it only under a rule that permits it.
    let proof = by(&world, &own);
    for proofs in [&[][..], &[proof.as_str()]] {
        let refused = exchange(&world, "orders", &bound, proofs).await;
        refused.assert_refused("invalid_request");
        let description = refused.body["error_description"].as_str().expect("text");
        assert!(description.starts_with("a presented token is bound to a key"), "{description}");
    }
    exchange(&world, "orders", &unbound, &[&proof]).await.token_for(Some(&own)); // not used up
    let unproven = exchange(&world, "gateway", &bound, &[]).await;
    unproven.assert_refused("invalid_request");
    let description = unproven.body["error_description"].as_str().expect("text");
    assert!(description.contains("send a proof by a key of your own"), "{description}");
    exchange(&world, "gateway", &bound, &[&by(&world, &own)]).await.token_for(Some(&own));
    let copied = exchange(&world, "gateway", &bound, &[&by(&world, &own), &by(&world, &caller)]).await;
    copied.assert_refused("invalid_dpop_proof");
}

/// A stolen secret and a stolen token of the client are not enough, whoever the subject is.
#[tokio::test]
async fn s6_20_s8_24_a_token_that_was_issued_to_the_client_needs_its_key_again() {
    let world = World::with(|builder| {
        let rule =
            ExchangeRule::new(["billing", "orders"]).subject_audiences(["orders", "billing"]).bound_subject_tokens();
        let gateway = Client::new("gateway").secret(Secret::from(SECRET)).audiences(["billing", "orders"]);
        shop(builder).add_client(gateway.scopes(["read"]).default_audience("billing").add_exchange_rule(rule))
    });
    let (own, thief) = (world.other_key(), world.other_key());
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
    let draft = draft.claim("cnf", json!({ "jkt": thief.thumbprint() }));
    let callers = world.issuer.mint(&draft).expect("a token").as_str().to_owned();
    let exchanged = exchange(&world, "gateway", &callers, &[&by(&world, &own)]).await.token_for(Some(&own));
    exchange(&world, "gateway", &exchanged, &[&by(&world, &thief)]).await.assert_refused("invalid_request");
    exchange(&world, "gateway", &exchanged, &[]).await.assert_refused("invalid_request");
    exchange(&world, "gateway", &exchanged, &[&by(&world, &own)]).await.token_for(Some(&own));
}

#[tokio::test]
async fn s6_20_a_client_exchanges_its_own_bound_token_only_with_its_key() {
    let world = World::with(|builder| {
        let rule = || ExchangeRule::new(["billing", "orders"]).subject_audiences(["orders"]).bound_subject_tokens();
        let client = Client::new("self").secret(Secret::from(SECRET)).audiences(["billing", "orders"]);
        shop(builder).add_client(client.default_audience("orders").add_exchange_rule(rule()))
    });
    let (key, other) = (world.other_key(), world.other_key());
    let form = "grant_type=client_credentials";
    let own = world.ask_as(&basic("self", SECRET), &[&by(&world, &key)], form).await.token_for(Some(&key));
    exchange(&world, "self", &own, &[]).await.assert_refused("invalid_request");
    exchange(&world, "self", &own, &[&by(&world, &other)]).await.assert_refused("invalid_request");
    exchange(&world, "self", &own, &[&by(&world, &key)]).await.token_for(Some(&key));
}
