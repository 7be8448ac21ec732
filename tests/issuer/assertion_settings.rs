//! The settings of identity providers, and what a client sees of them.

use std::sync::Arc;
use std::time::Duration;

use countersign::keys::RemoteKeys;
use countersign_core::policy::{NeedsAudience, danger};
use countersign_issuer::{IdentityProvider, IssuerBuilder};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::ports::free_port;
use serde_json::{Value, json};

use crate::assertions::{assertion, credential, form, servers};
use crate::direct::basic;
use crate::dpop::{NAME, World};

const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The faults of the settings.
#[test]
fn s12_11_s15_05_providers_whose_names_could_meet_are_refused() {
    let (staff, partners) =
        (TestIssuer::new().with_name("https://id.test"), TestIssuer::new().with_name("https://partner.test"));
    let provider = |issuer: &TestIssuer, prefix: &str| IdentityProvider::new(issuer.trusted_for(NAME), prefix);
    let fields = |providers: Vec<IdentityProvider>| -> Vec<String> {
        let builder =
            providers.into_iter().fold(countersign_issuer::Issuer::builder(NAME), IssuerBuilder::add_identity_provider);
        let error = builder.build().err();
        error.iter().flat_map(|error| error.faults()).map(|fault| fault.field.to_string()).collect()
    };
    let of_staff = |field: &str| vec![format!("identity provider https://id.test: {field}")];
    assert_eq!(fields(vec![provider(&staff, "staff:"), provider(&partners, "partners:")]), Vec::<String>::new());
    assert_eq!(fields(vec![provider(&staff, ""), provider(&partners, "partners:")]), of_staff("prefix"));
    assert_eq!(fields(vec![provider(&staff, "s:"), provider(&partners, "s:partners:")]), of_staff("prefix"));
    let twice = fields(vec![provider(&staff, "a:"), provider(&staff, "b:")]);
    assert_eq!(twice, [of_staff("issuer"), of_staff("issuer")].concat());
    assert_eq!(
        fields(vec![provider(&staff.clone().with_name(NAME), "a:")]),
        [format!("identity provider {NAME}: issuer")]
    );
    let staff = || provider(&staff, "staff:");
    assert_eq!(fields(vec![staff().max_lifetime(Duration::from_secs(3601))]), of_staff("max_lifetime"));
    assert_eq!(fields(vec![staff().max_lifetime(Duration::ZERO)]), of_staff("max_lifetime"));
    assert_eq!(fields(vec![staff().only_tenant("")]), of_staff("only_tenant"));
    assert_eq!(fields(vec![staff().default_scopes(["a b"])]), of_staff("default_scopes"));
    for own in ["sub", "client_id", "tenant", "act", "cnf", ""] {
        assert_eq!(fields(vec![staff().copied_claims([own])]), of_staff("copied_claims"), "{own}");
    }
}

/// Rules that are weakened for every other token change nothing for assertions.
#[tokio::test]
async fn s12_11_a_weakened_provider_still_asserts_only_for_this_issuer() {
    let staff = TestIssuer::new().with_name("https://id.test");
    let weak = || danger::any_type(danger::without_audience(NeedsAudience::new(staff.name(), staff.key_source())));
    let world = World::at(NAME, staff.clock().clone(), |builder| {
        servers(builder).add_identity_provider(IdentityProvider::new(weak(), "staff:"))
    });
    let agent = basic("agent", &credential().0);
    let ask = async |draft: TokenDraft| world.ask_as(&agent, &[], &form(&draft.sign(), "")).await;
    ask(assertion(&staff)).await.token_for(None);
    ask(assertion(&staff).header("typ", "at+jwt")).await.assert_refused("invalid_grant");
    ask(assertion(&staff).audience("https://else.test")).await.assert_refused("invalid_grant");
    let denied = countersign_issuer::Issuer::builder(NAME).deny_danger();
    let error = denied.add_identity_provider(IdentityProvider::new(weak(), "staff:")).build().expect_err("weakened");
    assert!(error.faults().iter().all(|fault| fault.field == "danger"), "{error}");
    // Test keys sign nothing there either.
    let denying = World::at(NAME, staff.clock().clone(), |builder| {
        servers(builder).deny_danger().add_identity_provider(IdentityProvider::new(staff.trusted_for(NAME), "staff:"))
    });
    denying.ask_as(&agent, &[], &form(&assertion(&staff).sign(), "")).await.assert_refused("invalid_grant");
}

/// S12.11: keys that cannot be fetched are 503, not a refusal.
#[tokio::test]
async fn s12_11_a_provider_without_keys_is_503() {
    let staff = TestIssuer::new().with_name("https://id.test");
    let closed = RemoteKeys::from_url(format!("http://127.0.0.1:{}/keys", free_port()));
    let trusted = NeedsAudience::new(staff.name(), Arc::new(closed)).audience(NAME);
    let world = World::at(NAME, staff.clock().clone(), |builder| {
        servers(builder).add_identity_provider(IdentityProvider::new(trusted, "staff:"))
    });
    let form = form(&assertion(&staff).sign(), "");
    let answer = world.ask_as(&basic("agent", &credential().0), &[], &form).await;
    assert_eq!((answer.status.as_u16(), &answer.body["error"]), (503, &json!("temporarily_unavailable")), "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
}

/// The metadata names the profile only if it is served, and no provider.
#[tokio::test]
async fn s12_11_s8_18_the_metadata_names_the_profile() {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;
    let staff = TestIssuer::new();
    let with_provider = || {
        let provider = IdentityProvider::new(staff.trusted_for(NAME), "staff:");
        World::with(|builder| servers(builder).add_identity_provider(provider))
    };
    for (world, expected) in
        [(with_provider(), json!(["urn:ietf:params:oauth:grant-profile:id-jag"])), (World::with(servers), Value::Null)]
    {
        let path = "/.well-known/oauth-authorization-server/tokens";
        let request = axum::http::Request::get(path).body(Body::empty()).expect("a request");
        let response = world.issuer.router().oneshot(request).await.expect("infallible");
        let body = to_bytes(response.into_body(), 65_536).await.expect("a body");
        assert!(!String::from_utf8_lossy(&body).contains(staff.name()));
        let document: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document.get("authorization_grant_profiles_supported").unwrap_or(&Value::Null), &expected);
        assert!(document["grant_types_supported"].as_array().expect("a list").contains(&json!(BEARER)));
    }
}
