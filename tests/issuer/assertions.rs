//! Identity assertions (ID-JAG) as grants: CONFORMANCE S12.11.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::Clock;
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, Grant, IdentityProvider, IssuerBuilder, MemoryStore, PostgresStore, SecretHash, Store,
};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::peers::Postgres;
use serde_json::{Value, json};

use crate::certificates::certificate;
use crate::direct::basic;
use crate::dpop::{Answer, NAME, World};
use crate::fresh::Blocking;
use crate::service::claims;

pub const MCP: &str = "https://mcp.example.com/mcp";
pub const FILES: &str = "https://files.example.com/";
pub const OTHERS: &str = "https://others.example.com/";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An identity provider of the staff, and an issuer with clients that present its assertions.
pub struct Setup {
    pub world: World,
    staff: TestIssuer,
}

/// The secret of every client, and its keyed hash, which costs little.
pub fn credential() -> (String, SecretHash) {
    static SECRET: LazyLock<(String, SecretHash)> = LazyLock::new(|| {
        let (secret, hash) = SecretHash::generate_keyed(&pepper()).expect("a secret");
        (secret.expose().clone(), hash)
    });
    SECRET.clone()
}

fn pepper() -> Secret<Vec<u8>> {
    Secret::new(b"a pepper of at least 32 bytes, for tests".to_vec())
}

/// `agent` and `other` present assertions for two servers, `plain` may not.
pub fn servers(builder: IssuerBuilder) -> IssuerBuilder {
    let client = |id: &str| Client::new(id).secret(credential().1).audiences([MCP, FILES]);
    let agent = |id: &str| client(id).grants([Grant::JwtBearer]).scopes(["tools:read", "tools:write"]);
    builder
        .pepper(pepper())
        .add_audience(Audience::new(MCP).scopes(["tools:read", "tools:write", "tools:admin"]))
        .add_audience(Audience::new(FILES).scopes(["tools:read"]))
        .add_audience(Audience::new(OTHERS).scopes(["tools:read"]))
        .add_client(agent("agent"))
        .add_client(agent("other"))
        .add_client(client("plain"))
        .add_client(client("staff:robot"))
}

impl Setup {
    pub fn new() -> Self {
        Self::with(|provider| provider, |builder| builder)
    }

    pub fn with(
        provider: impl FnOnce(IdentityProvider) -> IdentityProvider,
        settings: impl FnOnce(IssuerBuilder) -> IssuerBuilder,
    ) -> Self {
        let staff = TestIssuer::new().with_name("https://id.test");
        let world = World::at(NAME, staff.clock().clone(), |builder| {
            let provider = provider(IdentityProvider::new(staff.trusted_for(NAME), "staff:"));
            settings(servers(builder).add_identity_provider(provider))
        });
        Setup { world, staff }
    }

    /// A good assertion about `ann`, for `agent`.
    pub fn ann(&self) -> TokenDraft {
        assertion(&self.staff)
    }

    pub async fn ask(&self, assertion: &TokenDraft) -> Answer {
        self.ask_as("agent", &assertion.sign(), "").await
    }

    pub async fn ask_as(&self, client: &str, assertion: &str, more: &str) -> Answer {
        self.world.ask_as(&basic(client, &credential().0), &[], &form(assertion, more)).await
    }
}

pub fn assertion(provider: &TestIssuer) -> TokenDraft {
    let draft = provider.token().header("typ", "oauth-id-jag+jwt").subject("ann").audience(NAME).client_id("agent");
    draft.lifetime(Duration::from_secs(60)).claim("resource", MCP).scope("tools:read tools:admin elsewhere")
}

pub fn form(assertion: &str, more: &str) -> String {
    format!("grant_type={BEARER}&assertion={assertion}{more}")
}

/// S12.11, S15.05: the token is for the user, under the name that the provider's users have here, and without names of the provider.
#[tokio::test]
async fn s12_11_an_assertion_grants_its_client_a_token_for_its_user() {
    let setup = Setup::new();
    let draft = setup.ann().claim("acr", "phr").claim("auth_time", 1_700_000_000).claim("roles", json!(["admin"]));
    let answer = setup.ask(&draft.claim("amr", json!(["hwk"]))).await;
    let token = claims(&answer.token_for(None));
    assert_eq!((&token["sub"], &token["client_id"]), (&json!("staff:ann"), &json!("agent")));
    assert_eq!((&token["aud"], &token["iss"]), (&json!(MCP), &json!(NAME)));
    assert_eq!((&token["scope"], &answer.body["scope"]), (&json!("tools:read"), &json!("tools:read")));
    assert_eq!(token["auth_time"], 1_700_000_000);
    for absent in ["acr", "roles", "amr", "act", "tenant", "resource"] {
        assert_eq!(token.get(absent), None, "{absent}");
    }
    assert_eq!(answer.body["resource"], MCP);
    assert!(answer.body.get("refresh_token").is_none() && answer.body.get("issued_token_type").is_none());
    assert_eq!(token["exp"].as_u64().zip(token["iat"].as_u64()).map(|(end, start)| end - start), Some(300));
}

/// S12.11: each broken member.
#[tokio::test]
async fn s12_11_a_broken_assertion_is_refused() {
    let setup = Setup::new();
    let now = setup.world.clock.now().as_secs();
    let namesake = TestIssuer::new().with_name("https://id.test"); // with a key of its own
    let stranger = TestIssuer::new().with_name("https://else.test");
    let cases = [
        ("of another key", assertion(&namesake)),
        ("of an unknown provider", assertion(&stranger)),
        ("typ absent", setup.ann().without_header("typ")),
        ("typ JWT", setup.ann().header("typ", "JWT")),
        ("typ of access tokens", setup.ann().header("typ", "at+jwt")),
        ("typ of client assertions", setup.ann().header("typ", "client-authentication+jwt")),
        ("alg none", setup.ann().header("alg", "none")),
        ("no aud", setup.ann().without_claim("aud")),
        ("another aud", setup.ann().claim("aud", "https://sts.test")),
        ("aud of the endpoint", setup.ann().claim("aud", format!("{NAME}/token"))),
        ("two audiences", setup.ann().claim("aud", json!([NAME, "https://else.test"]))),
        ("the same audience twice", setup.ann().claim("aud", json!([NAME, NAME]))),
        ("no client_id", setup.ann().without_claim("client_id")),
        ("another client", setup.ann().client_id("other")),
        ("an unknown client", setup.ann().client_id("nobody")),
        ("a client in a list", setup.ann().claim("client_id", json!(["agent"]))),
        ("no sub", setup.ann().without_claim("sub")),
        ("an empty sub", setup.ann().subject("")),
        ("a sub with the name of a client", setup.ann().subject("robot")),
        ("no jti", setup.ann().without_claim("jti")),
        ("an empty jti", setup.ann().claim("jti", "")),
        ("a long jti", setup.ann().claim("jti", "a".repeat(257))),
        ("no exp", setup.ann().without_claim("exp")),
        ("expired", setup.ann().expired()),
        ("no iat", setup.ann().without_claim("iat")),
        ("from the future", setup.ann().claim("iat", now + 3600).claim("exp", now + 3660)),
        ("not valid yet", setup.ann().not_yet_valid()),
        ("an hour long", setup.ann().lifetime(Duration::from_secs(3600))),
        ("301 s long", setup.ann().lifetime(Duration::from_secs(301))),
        ("of a tenant of the provider", setup.ann().claim("tenant", "t-1")),
        ("for a tenant here", setup.ann().claim("aud_tenant", "acme")),
        ("a resource of another form", setup.ann().claim("resource", json!({ "uri": MCP }))),
        ("no resource in the list", setup.ann().claim("resource", json!([]))),
        ("a number among the resources", setup.ann().claim("resource", json!([MCP, 5]))),
        ("null as resource", setup.ann().claim("resource", Value::Null)),
        ("scopes as a list", setup.ann().claim("scope", json!(["tools:read"]))),
        ("a malformed scope", setup.ann().claim("scope", "tools:read \"")),
        ("details of the authorization", setup.ann().claim("authorization_details", json!([{ "type": "x" }]))),
        ("a limit on who acts", setup.ann().claim("may_act", json!({ "sub": "agent" }))),
        ("claims elsewhere", setup.ann().claim("_claim_names", json!({ "act": "src" }))),
        ("bound to a key", setup.ann().claim("cnf", json!({ "jkt": "A".repeat(43) }))),
        ("a binding that is not understood", setup.ann().claim("cnf", json!({ "kid": "1" }))),
    ];
    for (what, draft) in cases {
        let answer = setup.ask(&draft).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_grant")),
            "{what}"
        );
        assert_eq!(answer.body["error_description"], "the assertion was not accepted", "{what}");
    }
    for text in ["x", "a.b.c", ""] {
        let error = setup.ask_as("agent", text, "").await.body["error"].clone();
        assert!(["invalid_grant", "invalid_request"].iter().any(|code| error == *code), "{text}: {error}");
    }
    // Its repaired twins.
    for good in [
        setup.ann(),
        setup.ann().claim("aud", json!([NAME])),
        setup.ann().header("typ", "application/OAUTH-ID-JAG+jwt"),
        setup.ann().lifetime(Duration::from_secs(300)),
        setup.ann().claim("tenant", Value::Null),
    ] {
        setup.ask(&good).await.token_for(None);
    }
}

/// S12.11: one use, also if requests race, and until its end has passed with its leeway.
#[tokio::test]
async fn s12_11_an_assertion_counts_once() {
    let setup = Setup::new();
    let first = setup.ann().claim("jti", "one");
    setup.ask(&first).await.token_for(None);
    setup.ask(&first).await.assert_refused("invalid_grant");
    setup.ask(&first.clone().subject("bob")).await.assert_refused("invalid_grant"); // the same name of the same provider
    setup.ask_as("other", &first.clone().client_id("other").sign(), "").await.assert_refused("invalid_grant");
    for _ in 0..8 {
        setup.world.clock.advance(Duration::from_secs(10));
        setup.ask(&first).await.assert_refused("invalid_grant");
    }
    let raced = setup.ann();
    let (a, b, c) = tokio::join!(setup.ask(&raced), setup.ask(&raced), setup.ask(&raced));
    assert_eq!([a, b, c].iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
}

/// A request that the client can correct uses nothing up.
#[tokio::test]
async fn s12_11_a_refused_request_leaves_the_assertion() {
    let setup = Setup::new();
    let assertion = setup.ann().sign();
    for (more, error) in [
        ("&scope=tools:write", "invalid_scope"),
        ("&scope=%20", "invalid_scope"),
        ("&resource=https://files.example.com/", "invalid_target"),
        ("&resource=https://mcp.example.com/mcp&resource=https://files.example.com/", "invalid_target"),
        ("&resource=mcp", "invalid_target"),
        ("&audience=https://others.example.com/", "invalid_target"),
    ] {
        setup.ask_as("agent", &assertion, more).await.assert_refused(error);
    }
    setup.ask_as("plain", &assertion, "").await.assert_refused("unauthorized_client");
    setup.ask_as("other", &assertion, "").await.assert_refused("invalid_grant");
    setup.ask_as("agent", &assertion, "&scope=tools:read").await.token_for(None);
}

/// S6.20, S8.24: bound assertions need their key, and tokens are bound as the client's rules say.
#[tokio::test]
async fn s12_11_s6_20_s8_24_a_bound_assertion_needs_its_key() {
    let bound = Client::new("bound").grants([Grant::JwtBearer]).audiences([MCP]).dpop_bound_access_tokens();
    let setup = Setup::with(|it| it, |builder| builder.add_client(bound.secret(credential().1)));
    let world = &setup.world;
    let own = json!({ "jkt": world.key.thumbprint() });
    let agent = basic("agent", &credential().0);
    let draft = setup.ann().claim("cnf", own).sign();
    world.ask_as(&agent, &[], &form(&draft, "")).await.assert_refused("invalid_grant");
    let other = world.other_key();
    world.ask_as(&agent, &[&world.proof_by(&other).sign()], &form(&draft, "")).await.assert_refused("invalid_grant");
    world.ask_as(&agent, &[&world.proof(json!({}))], &form(&draft, "")).await.token_for(Some(&world.key));
    // An assertion that is not bound.
    world.ask_as(&agent, &[&world.proof(json!({}))], &form(&setup.ann().sign(), "")).await.token_for(Some(&world.key));
    let draft = setup.ann().client_id("bound").without_claim("scope").sign();
    let bound = basic("bound", &credential().0);
    world.ask_as(&bound, &[], &form(&draft, "")).await.assert_refused("invalid_dpop_proof");
    world.ask_as(&bound, &[&world.proof(json!({}))], &form(&draft, "")).await.token_for(Some(&world.key));
}

/// The client authenticates in any of its ways; without its credential an assertion is worth nothing.
#[tokio::test]
async fn s12_11_s8_06_the_client_authenticates_itself() {
    let own = certificate("own");
    let mesh = Client::new("mesh").certificates([own.thumbprint()]).grants([Grant::JwtBearer]).audiences([MCP]);
    let mesh = mesh.certificate_bound_access_tokens();
    let setup = Setup::with(|it| it, |builder| builder.add_client(mesh));
    let world = &setup.world;
    let draft = setup.ann().client_id("mesh").without_claim("scope").sign();
    for (presented, more) in [(None, ""), (None, "&client_id=mesh"), (Some(certificate("other")), "&client_id=mesh")] {
        world.ask_with(presented, "", &[], &form(&draft, more)).await.assert_not_authenticated();
    }
    let wrong = basic("agent", "a wrong secret, long enough");
    world.ask_as(&wrong, &[], &form(&setup.ann().sign(), "")).await.assert_not_authenticated();
    world.ask_with(Some(own), "", &[], &form(&draft, "&client_id=mesh")).await.token_of(None, Some(own));
    let in_body = format!("&client_id=agent&client_secret={}", credential().0);
    world.ask_as("", &[], &form(&setup.ann().sign(), &in_body)).await.token_for(None);
}

/// Off unless a provider is configured, and of no use as another credential.
#[tokio::test]
async fn s12_11_without_a_provider_an_assertion_is_refused_and_it_is_no_other_credential() {
    let setup = Setup::new();
    let (assertion, agent) = (setup.ann().sign(), basic("agent", &credential().0));
    let closed = World::at(NAME, setup.world.clock.clone(), servers);
    closed.ask_as(&agent, &[], &form(&assertion, "")).await.assert_refused("invalid_request");
    closed.ask_as("", &[], &form(&assertion, "")).await.assert_refused("invalid_grant");
    // It authenticates no client, neither by the same grant nor by an assertion of the client.
    let federation = countersign_issuer::Federation::new(setup.staff.trusted_for(NAME)).add_subject("ann", "agent");
    let federated = World::at(NAME, setup.world.clock.clone(), |builder| servers(builder).add_federation(federation));
    federated.ask_as("", &[], &form(&assertion, "")).await.assert_refused("invalid_grant");
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let as_client = format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}");
    setup.world.ask_as("", &[], &as_client).await.assert_not_authenticated();
    let exchange = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:ietf:params:oauth:token-type:jwt";
    let exchanging = Client::new("exchanging").secret(credential().1).audiences([MCP]);
    let rule = countersign_issuer::ExchangeRule::new([MCP]).subject_audiences([NAME]);
    let setup = Setup::with(|it| it, |builder| builder.add_client(exchanging.add_exchange_rule(rule)));
    let assertion = setup.ann().client_id("exchanging").sign();
    let (exchanging, exchange) =
        (basic("exchanging", &credential().0), format!("{exchange}&subject_token={assertion}"));
    setup.world.ask_as(&exchanging, &[], &exchange).await.assert_refused("invalid_request");
    // A client whose grant this is gets no token for itself by it.
    setup.ask_as("agent", &setup.ann().sign(), "").await.token_for(None);
    setup.world.ask_as(&agent, &[], "grant_type=client_credentials").await.assert_refused("unauthorized_client");
    setup.world.ask_as(&agent, &[], &format!("grant_type={BEARER}")).await.assert_refused("invalid_request");
}

/// If the store cannot say whether it was used, nothing is granted; and a client has only its share of it.
#[tokio::test]
async fn s12_11_s15_01_the_store_of_used_assertions_has_shares_and_fails_closed() {
    let store = Arc::new(Blocking::default());
    let setup = Setup::with(|it| it, |builder| builder.store(store.clone()));
    setup.ask(&setup.ann()).await.token_for(None);
    store.fails.store(true, Ordering::Relaxed);
    let assertion = setup.ann();
    let answer = setup.ask(&assertion).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("temporarily_unavailable"))
    );
    assert_eq!(answer.headers["retry-after"], "1");
    store.fails.store(false, Ordering::Relaxed);
    setup.ask(&assertion).await.token_for(None);

    let setup = Setup::with(|it| it, |builder| builder.store(Arc::new(MemoryStore::new().max_ids(20))));
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(setup.ask(&setup.ann()).await.status);
    }
    assert!(statuses[..10].iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert!(statuses[10..].iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
    setup.ask_as("other", &setup.ann().client_id("other").sign(), "").await.token_for(None);
}

/// S12.11: two instances that share a database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s12_11_an_assertion_counts_once_for_all_instances() {
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    let staff = TestIssuer::new().with_name("https://id.test");
    let instance = || {
        let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(&settings).expect("a store"));
        World::at(NAME, staff.clock().clone(), |builder| {
            let provider = IdentityProvider::new(staff.trusted_for(NAME), "staff:");
            servers(builder).add_identity_provider(provider).store(store)
        })
    };
    let (one, other, agent) = (instance(), instance(), basic("agent", &credential().0));
    for _ in 0..5 {
        let form = form(&assertion(&staff).sign(), "");
        let (a, b) = tokio::join!(one.ask_as(&agent, &[], &form), other.ask_as(&agent, &[], &form));
        assert_eq!([a, b].iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
        other.ask_as(&agent, &[], &form).await.assert_refused("invalid_grant");
    }
}
