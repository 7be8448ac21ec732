//! Identity assertions only narrow what a client may request, and their names stay apart from others.

use countersign_core::claims::TenantId;
use countersign_core::mint::Draft;
use countersign_issuer::{Client, Grant, IdentityProvider, MintError};
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::{Value, json};

use crate::assertions::{FILES, MCP, OTHERS, Setup, assertion, credential, form, servers};
use crate::direct::basic;
use crate::dpop::{NAME, World};
use crate::service::claims;

/// S12.11, RFC 8707: the assertion narrows the audience, and the request may narrow it further.
#[tokio::test]
async fn s12_11_s8_10_resources_narrow_the_audience() {
    let setup = Setup::new();
    let ask = async |resource: Option<Value>, more: &str| {
        let draft = match resource {
            Some(resource) => setup.ann().claim("resource", resource),
            None => setup.ann().without_claim("resource"),
        };
        let answer = setup.ask_as("agent", &draft.claim("scope", "tools:read").sign(), more).await;
        match answer.body.get("access_token") {
            Some(_) => claims(&answer.token_for(None))["aud"].as_str().expect("text").to_owned(),
            None => answer.body["error"].as_str().expect("an error").to_owned(),
        }
    };
    let both = || Some(json!([MCP, FILES]));
    let files = "&resource=https%3A%2F%2Ffiles.example.com%2F";
    for (resource, more, expected) in [
        (Some(json!(FILES)), "", FILES),
        (Some(json!([FILES])), "", FILES),
        (both(), files, FILES),
        (both(), "", "invalid_target"), // one resource per token
        (both(), "&resource=https%3A%2F%2Fothers.example.com%2F", "invalid_target"),
        (Some(json!(MCP)), files, "invalid_target"), // never wider
        (Some(json!(OTHERS)), "", "invalid_target"), // not one of the client
        (Some(json!("https://else.test")), "", "invalid_target"),
        (Some(json!(format!("{MCP}/"))), "", "invalid_target"), // byte for byte
        (None, files, FILES),
        (None, "", "invalid_target"), // the client has two, and no default
    ] {
        assert_eq!(ask(resource.clone(), more).await, expected, "{resource:?} {more}");
    }
}

/// S12.11: scopes are those of assertion, client and target; an assertion without any grants none, unless the provider says so.
#[tokio::test]
async fn s12_11_s8_21_scopes_only_narrow() {
    let setup = Setup::new();
    let unscoped = setup.ann().without_claim("scope");
    assert_eq!(claims(&setup.ask(&unscoped).await.token_for(None)).get("scope"), None);
    setup
        .ask_as("agent", &setup.ann().without_claim("scope").sign(), "&scope=tools:read")
        .await
        .assert_refused("invalid_scope");
    setup.ask(&setup.ann().claim("scope", "tools:admin")).await.assert_refused("invalid_scope"); // not the client's
    let both = setup.ann().claim("scope", "tools:read tools:write").sign();
    let answer = setup.ask_as("agent", &both, "&scope=tools:write").await;
    assert_eq!(claims(&answer.token_for(None))["scope"], "tools:write");
    let setup = Setup::with(|provider| provider.default_scopes(["tools:write", "tools:admin"]), |builder| builder);
    let unscoped = setup.ann().without_claim("scope");
    assert_eq!(claims(&setup.ask(&unscoped).await.token_for(None))["scope"], "tools:write");
    assert_eq!(claims(&setup.ask(&setup.ann()).await.token_for(None))["scope"], "tools:read", "its own count first");
}

/// S15.05: names of two providers, of the application and of clients stay apart.
#[tokio::test]
async fn s12_11_s15_05_names_count_with_their_issuer() {
    let partners = TestIssuer::new().with_name("https://partner.test");
    let clock = partners.clock().clone();
    let staff = TestIssuer::new().with_name("https://id.test");
    let world = World::at(NAME, clock, |builder| {
        let provider = |issuer: &TestIssuer, prefix| IdentityProvider::new(issuer.trusted_for(NAME), prefix);
        let tenant = TenantId::new("acme").expect("a tenant");
        servers(builder)
            .add_identity_provider(provider(&staff, "staff:"))
            .add_identity_provider(provider(&partners, "partners:").only_tenant("t-1").tenant(tenant.clone()))
            .add_client(
                Client::new("acme-agent")
                    .secret(credential().1)
                    .grants([Grant::JwtBearer])
                    .audiences([MCP])
                    .scopes(["tools:read"])
                    .tenant(tenant),
            )
    });
    let ask = async |client: &str, draft: TokenDraft| {
        let draft = draft.client_id(client);
        world.ask_as(&basic(client, &credential().0), &[], &form(&draft.sign(), "")).await
    };
    let partner = || assertion(&partners).claim("tenant", "t-1");
    assert_eq!(claims(&ask("agent", assertion(&staff)).await.token_for(None))["sub"], "staff:ann");
    let token = claims(&ask("agent", partner()).await.token_for(None));
    assert_eq!((&token["sub"], &token["tenant"]), (&json!("partners:ann"), &json!("acme")));
    ask("agent", partner().claim("tenant", "t-2")).await.assert_refused("invalid_grant");
    ask("agent", partner().without_claim("tenant")).await.assert_refused("invalid_grant");
    ask("agent", partner().claim("aud_tenant", "globex")).await.assert_refused("invalid_grant");
    ask("agent", partner().claim("aud_tenant", "acme")).await.token_for(None);
    // A client with a tenant speaks for no user of another one.
    ask("acme-agent", partner()).await.token_for(None);
    ask("acme-agent", assertion(&staff)).await.assert_refused("invalid_grant");
    // Keys of one provider sign nothing for the other.
    ask("agent", assertion(&staff.clone().with_name("https://partner.test")).claim("tenant", "t-1"))
        .await
        .assert_refused("invalid_grant");
    // Nor does the application name such users.
    let user = |name: &str| Draft::access_token().subject(name).audience(MCP).client_id("web");
    assert_eq!(world.issuer.mint(&user("staff:ann")).unwrap_err(), MintError::SubjectOfProvider);
    assert!(world.issuer.mint(&user("users:ann")).is_ok());
}

/// The actor is a name of its issuer, and more claims are copied only if the provider's setting names them.
#[tokio::test]
async fn s12_11_s9_11_an_actor_keeps_its_issuer() {
    let setup = Setup::with(|provider| provider.copied_claims(["amr", "email"]), |builder| builder);
    let draft = setup.ann().claim("act", json!({ "sub": "assistant", "act": { "sub": "inner" } }));
    let draft = draft.claim("amr", json!(["hwk"])).claim("email", "ann@example.com").claim("name", "Ann");
    let token = claims(&setup.ask(&draft).await.token_for(None));
    assert_eq!(token["act"], json!({ "sub": "assistant", "iss": "https://id.test" }));
    assert_eq!((&token["amr"], &token["email"]), (&json!(["hwk"]), &json!("ann@example.com")));
    assert_eq!(token.get("name"), None);
}
