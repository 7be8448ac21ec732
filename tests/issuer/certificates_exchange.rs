//! Exchange of tokens that are bound to a certificate: CONFORMANCE S6.21, S6.24 and S8.24.

use countersign::proof::PeerCertificate;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{Client, ExchangeRule, IssuerBuilder};
use countersign_test::TestKey;
use serde_json::{Value, json};

use crate::certificates::certificate;
use crate::direct::basic;
use crate::dpop::{Answer, World};
use crate::service::{SECRET, shop};

/// The shop, with `gateway`, whose rule permits bound subject tokens, and `bound`, whose tokens are bound to its certificate.
fn with_gateway(builder: IssuerBuilder) -> IssuerBuilder {
    let rule = || ExchangeRule::new(["billing", "orders"]).subject_audiences(["orders"]);
    let client = |id: &str| {
        let client = Client::new(id).secret(Secret::from(SECRET)).audiences(["billing", "orders"]);
        client.default_audience("billing").scopes(["read"])
    };
    shop(builder)
        .add_client(client("gateway").add_exchange_rule(rule().bound_subject_tokens()))
        .add_client(client("bound").add_exchange_rule(rule()).certificate_bound_access_tokens())
}

struct Case<'a> {
    world: &'a World,
    client: &'a str,
    subject: &'a str,
}

impl Case<'_> {
    async fn ask(&self, presented: Option<PeerCertificate>, key: Option<&TestKey>, more: &str) -> Answer {
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let form = format!("grant_type={grant}&subject_token={}&subject_token_type={kind}{more}", self.subject);
        let proof = key.map(|key| self.world.proof_by(key).sign());
        let proofs: Vec<&str> = proof.as_deref().into_iter().collect();
        self.world.ask_with(presented, &basic(self.client, SECRET), &proofs, &form).await
    }
}

fn mint(world: &World, cnf: Value) -> String {
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
    world.issuer.mint(&draft.claim("cnf", cnf)).expect("a token").as_str().to_owned()
}

#[tokio::test]
async fn s8_24_s6_21_a_token_of_a_certificate_is_exchanged_on_a_connection_with_it_and_stays_bound() {
    let world = World::with(with_gateway);
    let (own, other) = (Some(certificate("own")), Some(certificate("other")));
    let (key, thief) = (world.other_key(), world.other_key());
    let subject = mint(&world, json!({ "x5t#S256": certificate("own").thumbprint().to_string() }));

    // The client itself is not registered for bound tokens, and its rule permits nothing more.
    let orders = Case { world: &world, client: "orders", subject: &subject };
    for (presented, key) in [(None, None), (other, None), (None, Some(&key)), (other, Some(&key))] {
        orders.ask(presented, key, "").await.assert_refused("invalid_request");
    }
    orders.ask(own, None, "").await.token_of(None, own);
    orders.ask(own, Some(&key), "").await.token_of(Some(&key), own);

    // A rule that permits it replaces the binding by what the client has, and by nothing else.
    let gateway = Case { world: &world, client: "gateway", subject: &subject };
    gateway.ask(None, None, "").await.assert_refused("invalid_request");
    gateway.ask(other, None, "").await.token_of(None, other);
    gateway.ask(None, Some(&key), "").await.token_of(Some(&key), None);

    let both = json!({ "jkt": key.thumbprint(), "x5t#S256": certificate("own").thumbprint().to_string() });
    let subject = mint(&world, both);
    let orders = Case { world: &world, client: "orders", subject: &subject };
    for (presented, key) in
        [(None, None), (own, None), (None, Some(&key)), (other, Some(&key)), (own, Some(&thief)), (other, None)]
    {
        orders.ask(presented, key, "").await.assert_refused("invalid_request");
    }
    orders.ask(own, Some(&key), "").await.token_of(Some(&key), own);
}

#[tokio::test]
async fn s8_24_s6_21_tokens_of_keys_and_of_nothing_on_connections_with_certificates() {
    let world = World::with(with_gateway);
    let own = Some(certificate("own"));
    let key = world.other_key();
    let of_key = mint(&world, json!({ "jkt": key.thumbprint() }));
    let orders = Case { world: &world, client: "orders", subject: &of_key };
    orders.ask(own, None, "").await.assert_refused("invalid_request");
    orders.ask(own, Some(&key), "").await.token_of(Some(&key), None);
    // A certificate replaces a key where the rule permits it.
    let gateway = Case { world: &world, client: "gateway", subject: &of_key };
    gateway.ask(own, None, "").await.token_of(None, own);

    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
    let unbound = world.issuer.mint(&draft).expect("a token").as_str().to_owned();
    Case { world: &world, client: "orders", subject: &unbound }.ask(own, None, "").await.token_of(None, None);
    let bound = Case { world: &world, client: "bound", subject: &unbound };
    bound.ask(None, None, "").await.assert_refused("invalid_request");
    bound.ask(own, None, "").await.token_of(None, own);
}

#[tokio::test]
async fn s8_24_s6_21_a_clients_own_token_needs_its_certificate_again_as_subject_and_as_actor() {
    let world = World::with(with_gateway);
    let (own, other) = (Some(certificate("own")), Some(certificate("other")));
    let user = mint(&world, json!({ "x5t#S256": certificate("own").thumbprint().to_string() }));
    let first = Case { world: &world, client: "gateway", subject: &user };
    let exchanged = first.ask(own, None, "&audience=orders").await.token_of(None, own);
    // It was issued to the gateway, so its rule for others does not count.
    let again = Case { world: &world, client: "gateway", subject: &exchanged };
    for presented in [None, other] {
        again.ask(presented, None, "").await.assert_refused("invalid_request");
    }
    again.ask(own, None, "").await.token_of(None, own);

    let form = "grant_type=client_credentials&audience=orders";
    let of_bound = world.ask_with(own, &basic("bound", SECRET), &[], form).await.token_of(None, own);
    let unbound = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
    let unbound = world.issuer.mint(&unbound).expect("a token").as_str().to_owned();
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let actor = format!("&actor_token={of_bound}&actor_token_type={kind}");
    let acting = Case { world: &world, client: "bound", subject: &unbound };
    acting.ask(other, None, &actor).await.assert_refused("invalid_request");
    acting.ask(own, None, &actor).await.token_of(None, own);
}
