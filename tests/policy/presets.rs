//! Presets by name, in files and in environment variables.

use std::sync::Arc;

use countersign::error::ConfigError;
use countersign::issuers::Preset;
use countersign::key::StaticKeys;
use countersign::policy::{Policy, ProviderMapping};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use serde_json::json;

fn build(policy: &Policy) -> Result<Verifier, ConfigError> {
    Verifier::builder().policy(policy, |_| Ok(Arc::new(StaticKeys::new([])))).build()
}

fn toml(issuer: &str) -> Result<Policy, ConfigError> {
    Policy::from_toml(&format!("[[issuers]]\naudience = \"orders\"\n{issuer}"))
}

fn problem(read: Result<Policy, ConfigError>) -> String {
    read.expect_err("a fault").to_string()
}

#[test]
fn each_preset_by_name_is_the_preset_in_rust() {
    let mut named = Preset::ALL.to_vec();
    named.push(Preset::KEYCLOAK.with_realm_roles());
    assert_eq!(named.len(), ProviderMapping::ALL.len());
    for preset in named {
        let name = preset.config_name;
        let in_rust = preset.issuer("https://id.test").keys(Arc::new(StaticKeys::new([]))).allowed_owner("9919");
        let in_rust = Verifier::new(in_rust.audience("orders/a~b")).expect(name).fingerprint();
        let owners = preset.owner_claim.map_or(String::new(), |_| "preset_owners = [\"9919\"]".to_owned());
        let text = format!(
            "[[issuers]]\npreset = \"{name}\"\nissuer = \"https://id.test\"\naudience = \"orders/a~b\"\n{owners}"
        );
        let policy = Policy::from_toml(&text).expect(name);
        assert_eq!(build(&policy).expect(name).fingerprint(), in_rust, "{name}");
        // The written form holds the effect.
        for again in [Policy::from_toml(&policy.to_toml()), Policy::from_json(&policy.to_json())] {
            assert_eq!(again.as_ref(), Ok(&policy), "{name}");
        }
        let vars = [
            ("AUTH_PRESET", name),
            ("AUTH_ISSUER", "https://id.test"),
            ("AUTH_AUDIENCE", "orders/a~b"),
            ("AUTH_PRESET_OWNERS", "9919"),
        ];
        let vars = vars.into_iter().filter(|(name, _)| *name != "AUTH_PRESET_OWNERS" || !owners.is_empty());
        let from_vars = Policy::from_vars("AUTH_", vars).expect(name);
        assert_eq!(build(&from_vars).expect(name).fingerprint(), in_rust, "{name}");
    }
}

#[test]
fn what_a_table_states_replaces_what_its_preset_gives() {
    let issuer = |fields: &str| {
        let read = toml(&format!("issuer = \"https://id.test\"\n{fields}"));
        read.unwrap_or_else(|error| panic!("{fields}: {error}")).issuers.remove(0)
    };
    let plain = issuer("preset = \"auth0\"");
    let stated =
        issuer("preset = \"auth0\"\nauthorities.own_tokens = \"subject_is_client\"\nauthorities.client_at = []");
    assert_ne!(plain.authorities.own_tokens, stated.authorities.own_tokens);
    assert!(stated.authorities.client_at.is_empty(), "an empty list replaces too");
    assert_eq!(stated.authorities.permissions_at, plain.authorities.permissions_at);
    let okta = issuer("preset = \"okta\"\n[issuers.authorities]\nscopes_in_scp = false\nroles_at = []");
    assert!(!okta.authorities.scopes_in_scp && okta.authorities.roles_at.is_empty());
    let cognito = issuer("preset = \"cognito\"\nclient_id_for_absent_audience = false\nrequired_claims = [\"jti\"]");
    assert!(!cognito.client_id_for_absent_audience);
    assert_eq!(cognito.required_claims, ["client_id", "jti"], "claims that are required are added");
    let fixed = issuer("preset = \"auth0\"\nauthorities.tenant = \"acme\"");
    assert_eq!((fixed.authorities.tenant.as_deref(), fixed.authorities.tenant_at), (Some("acme"), None));
    let keycloak =
        toml("issuer = \"https://id.test\"\npreset = \"keycloak\"\nauthorities.tenant_at = \"/org\"").unwrap();
    assert_eq!(keycloak.issuers[0].authorities.tenant_at.as_deref(), Some("/org"));
    assert!(build(&keycloak).is_ok());
}

#[test]
fn parameters_belong_to_the_presets_that_have_them() {
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let policy = toml(&format!("preset = \"entra_v2\"\npreset_tenant = \"{tenant}\"")).expect("a policy");
    assert_eq!(policy.issuers[0].issuer, format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    let in_rust = Preset::ENTRA_V2.tenant(tenant).expect("an id").keys(Arc::new(StaticKeys::new([])));
    let in_rust = Verifier::new(in_rust.audience("orders")).expect("sound").fingerprint();
    assert_eq!(build(&policy).expect("sound").fingerprint(), in_rust);
    let elsewhere = format!(
        "preset = \"entra_v2\"\npreset_tenant = \"{tenant}\"\nissuer = \"https://login.microsoftonline.us/{tenant}/v2.0\""
    );
    let elsewhere = toml(&elsewhere).expect("another cloud").issuers.remove(0);
    assert!(elsewhere.issuer.contains(".us/") && elsewhere.required_claim_values["tid"] == tenant);

    // Without the parameter, the name of the issuer says which tenant it signs for.
    let by_name = format!("preset = \"entra_v2\"\nissuer = \"https://login.microsoftonline.com/{tenant}/v2.0\"");
    let by_name = toml(&by_name).expect("a policy");
    assert_eq!(by_name.issuers[0].required_claim_values["tid"], tenant);
    assert_eq!(build(&by_name).expect("sound").fingerprint(), in_rust);
    let entra = |fields: &str| {
        problem(toml(&format!(
            "preset = \"entra_v2\"\nissuer = \"https://login.microsoftonline.us/a-1/v2.0\"\n{fields}"
        )))
    };
    for (fields, field) in [
        ("preset_tenant = \"b-2\"", "preset_tenant"),
        ("required_claim_values = { tid = \"b-2\" }", "required_claim_values"),
        ("preset_tenant = \"a-1\"\nrequired_claim_values = { tid = \"b-2\" }", "required_claim_values"),
    ] {
        let found = entra(fields);
        assert!(found.contains(&format!("{field}: another tenant than that of issuer")), "{found}");
    }

    for (fields, expected) in [
        ("preset = \"entra_v2\"", "preset_tenant or issuer"),
        ("preset = \"entra_v2\"\npreset_tenant = \"a/b\"", "preset_tenant: not an ID"),
        ("preset = \"entra_v2\"\npreset_tenant = 7", "preset_tenant: not a string"),
        ("preset = \"auth0\"\nissuer = \"https://a\"\npreset_tenant = \"t\"", "takes none; entra_v1 and entra_v2 do"),
        ("preset = \"auth0\"\nissuer = \"https://a\"\npreset_owners = [\"1\"]", "takes none; github_actions does"),
        ("preset = \"github_actions\"\nissuer = \"https://a\"\npreset_owners = [1]", "not a list of strings"),
        ("issuer = \"https://a\"\npreset_tenant = \"t\"", "missing beside its parameters"),
        (
            "issuer = \"https://a\"\npreset = \"auth0\"\npreset_region = \"eu\"",
            "preset, preset_tenant and preset_owners",
        ),
        ("issuer = \"https://a\"\npreset = 1", "not a string"),
        ("preset = \"auth0\"", "missing field `issuer`"),
    ] {
        let found = problem(toml(fields));
        assert!(found.starts_with("policy: ") && found.contains(expected), "{fields}: {found}");
    }
    let two = "[[issuers]]\nissuer = \"https://a\"\npreset = \"keycloak\"\naudience = [\"a\", \"b\"]\n";
    assert!(problem(Policy::from_toml(two)).contains("authorities.roles_at"), "whose roles?");
    let stated = format!("{two}authorities.roles_at = [\"/resource_access/a/roles\"]");
    assert!(build(&Policy::from_toml(&stated).expect("stated")).is_ok());
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let found = problem(toml("issuer = \"https://a\"\npreset = \"keykloak\\n\""));
    assert!(!found.contains('\n'), "{found}");
    let from_vars = Policy::from_vars("A_", [("A_PRESET", "keykloak"), ("A_ISSUER", "https://a"), ("A_AUDIENCE", "o")]);
    for text in [found, problem(from_vars)] {
        for mapping in ProviderMapping::ALL {
            assert!(text.contains(mapping.config_name), "{text}");
        }
    }
}

/// Anybody can have GitHub sign a token for any audience.
#[test]
fn s15_05_github_in_a_file_needs_its_owners_too() {
    let github = |fields: &str| {
        toml(&format!(
            "issuer = \"https://token.actions.githubusercontent.com\"\npreset = \"github_actions\"\n{fields}"
        ))
        .expect("readable")
    };
    for none in [
        "",
        "preset_owners = []",
        "preset_owners = [\"\"]",
        "allowed_claim_values = {}",
        "allowed_claim_values = { repository_owner_id = [] }",
        "allowed_claim_values = { repository = [\"acme/x\"] }",
    ] {
        let error = build(&github(none)).expect_err(none);
        assert_eq!(error.faults()[0].field, "allowed_claim_values", "{none}");
        assert!(error.to_string().contains("owner"), "{error}");
    }
    for named in ["preset_owners = [\"9919\"]", "allowed_claim_values = { repository_owner_id = [\"9919\"] }"] {
        let policy = github(named);
        assert_eq!(policy.issuers[0].allowed_claim_values["repository_owner_id"], ["9919"]);
        assert!(build(&policy).is_ok(), "{named}");
    }
}

#[test]
fn names_stay_unique_in_every_table_and_format() {
    for twice in [
        r#"{"issuers":[{"preset":"okta","preset":"auth0","issuer":"https://a","audience":"o"}]}"#,
        r#"{"issuers":[{"issuer":"https://a","issuer":"https://b","audience":"o"}]}"#,
        r#"{"issuers":[{"issuer":"https://a","audience":"o","authorities":{"tenant":"a","tenant":"b"}}]}"#,
    ] {
        // Also where a service reads the policy as part of its own settings.
        assert!(serde_json::from_str::<Policy>(twice).expect_err(twice).to_string().contains("duplicate field"));
        assert!(Policy::from_json(twice).is_err());
    }
}

#[tokio::test]
async fn a_keycloak_token_passes_under_a_policy_that_names_the_preset() {
    let issuer = TestIssuer::new().with_name("https://id.test/realms/shop");
    let policy = toml("issuer = \"https://id.test/realms/shop\"\npreset = \"keycloak_realm\"").expect("a policy");
    let verifier = Verifier::builder().policy(&policy, |_| Ok(issuer.key_source()));
    let verifier = verifier.clock(Arc::new(issuer.clock().clone())).build().expect("sound");
    let token =
        || issuer.token().audience("orders").without_claim("client_id").claim("azp", "web").claim("typ", "Bearer");
    let token = || token().claim("realm_access", json!({ "roles": ["clerk"] }));
    let verified = verifier.verify(&token().sign()).await.expect("an access token");
    assert!(verified.grants().roles.contains("clerk"));
    assert_eq!(verifier.verify(&token().claim("typ", "ID").sign()).await.expect_err("an ID token").code(), "id_token");
}
