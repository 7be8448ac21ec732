use std::sync::Arc;

use super::*;
use crate::error::ConfigError;
use crate::key::{Algorithm, KeySource, StaticKeys};
use crate::verify::Verifier;

const FULL: &str = r#"{
    "issuers": [{
        "issuer": "https://id.example.com",
        "audience": ["orders", "billing"],
        "keys": {"jwks_url": "https://id.example.com/keys"},
        "algorithms": ["ES256", "ML-DSA-65"],
        "profile": "access_token",
        "leeway_seconds": 5,
        "max_lifetime_seconds": 3600,
        "max_age_seconds": 600,
        "required_claims": ["tenant"],
        "required_claim_values": {"tid": "72f988bf"},
        "refused_subject_prefixes": ["svc:"],
        "allowed_clients": ["web", "app"],
        "client_id_for_absent_audience": true,
        "authorities": {
            "roles_at": ["/roles"],
            "tenant_at": "/tenant",
            "hierarchy": ["admin > clerk"],
            "role_permissions": {"clerk": ["orders:read"]}
        },
        "danger_plain_http": true
    }],
    "max_token_bytes": 8192,
    "cache_bytes": 0
}"#;

fn no_keys(_: &TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    Ok(Arc::new(StaticKeys::new([])))
}

fn build(policy: &Policy) -> Result<Verifier, ConfigError> {
    Verifier::builder().policy(policy, no_keys).build()
}

#[test]
fn a_policy_is_what_it_was_after_writing_and_reading() {
    let policy = Policy::from_json(FULL).expect("a policy");
    assert_eq!(Policy::from_json(&policy.to_json()).expect("its own writing"), policy);
    assert_eq!(policy.issuers[0].algorithms, Some(vec![Algorithm::ES256, Algorithm::MlDsa65]));
    assert!(build(&policy).is_ok());
}

#[cfg(feature = "config")]
#[test]
fn toml_and_variables_say_the_same_as_json() {
    let policy = Policy::from_json(FULL).expect("a policy");
    assert_eq!(Policy::from_toml(&policy.to_toml()).expect("its own writing"), policy);
    let vars = [
        ("X_ISSUER", "https://id.example.com"),
        ("X_AUDIENCE", "orders, billing"),
        ("X_KEYS", r#"{"jwks_url":"https://id.example.com/keys"}"#),
        ("X_ALGORITHMS", "ES256,ML-DSA-65"),
        ("X_PROFILE", "access_token"),
        ("X_LEEWAY_SECONDS", "5"),
        ("X_MAX_LIFETIME_SECONDS", "3600"),
        ("X_MAX_AGE_SECONDS", "600"),
        ("X_REQUIRED_CLAIMS", "tenant"),
        ("X_REQUIRED_CLAIM_VALUES", r#"{"tid":"72f988bf"}"#),
        ("X_REFUSED_SUBJECT_PREFIXES", "svc:"),
        ("X_ALLOWED_CLIENTS", "web,app"),
        ("X_CLIENT_ID_FOR_ABSENT_AUDIENCE", "true"),
        (
            "X_AUTHORITIES",
            r#"{"roles_at":["/roles"],"tenant_at":"/tenant","hierarchy":["admin > clerk"],"role_permissions":{"clerk":["orders:read"]}}"#,
        ),
        ("X_DANGER_PLAIN_HTTP", "true"),
        ("X_MAX_TOKEN_BYTES", "8192"),
        ("X_CACHE_BYTES", "0"),
        ("OTHER_ISSUER", "ignored"),
    ];
    assert_eq!(Policy::from_vars("X_", vars).expect("a policy"), policy);
    let faulty = [("X_ISUER", "x"), ("X_LEEWAY_SECONDS", "soon"), ("X_DENY_DANGER", "perhaps")];
    let fields: Vec<String> =
        Policy::from_vars("X_", faulty).expect_err("faults").faults().iter().map(|f| f.field.to_string()).collect();
    assert_eq!(fields, ["X_ISUER", "X_LEEWAY_SECONDS", "X_DENY_DANGER"]);
}

#[cfg(feature = "config")]
#[test]
fn s15_09_a_field_that_is_set_twice_is_a_fault() {
    let base = [("X_ISSUER", "https://a.test"), ("X_AUDIENCE", "orders")];
    for (twice, field) in [
        ([("X_DENY_DANGER", "true"), ("X_deny_danger", "false")], "X_deny_danger"),
        ([("X_deny_danger", "false"), ("X_DENY_DANGER", "true")], "X_DENY_DANGER"),
        ([("X_PROFILE", "access_token"), ("X_Profile", "access_token")], "X_Profile"),
        ([("X_KEYS", "\"discovery\""), ("X_keys", "\"discovery\"")], "X_keys"),
    ] {
        let error = Policy::from_vars("X_", base.into_iter().chain(twice)).expect_err("twice");
        assert_eq!(error.faults()[0].field, field);
    }
    for (name, json) in [
        ("X_AUTHORITIES", r#"{"tenant":"a","ten\u0061nt":"b"}"#),
        ("X_RESERVED_SUBJECTS", r#"{"svc:":"https://a.test","svc:":"https://b.test"}"#),
        ("X_REQUIRED_CLAIM_VALUES", r#"{"a":"b","a":"c"}"#),
    ] {
        let error = Policy::from_vars("X_", base.into_iter().chain([(name, json)])).expect_err("twice");
        assert_eq!(error.faults()[0].field, name);
    }
    for member in
        [r#""reserved_subjects":{"svc:":"https://a","svc:":"https://b"}"#, r#""deny_danger":true,"deny_danger":false"#]
    {
        let json = format!(r#"{{"issuers":[],{member}}}"#);
        assert_eq!(Policy::from_json(&json).expect_err("twice").faults()[0].field, "policy");
    }
}

#[test]
fn s10_04_names_of_unknown_fields_are_escaped_and_cut() {
    let evil = format!("x\\nlevel=ERROR \\u202e{}", "y".repeat(10_000));
    for json in [
        format!(r#"{{"issuers":[],"{evil}":1}}"#),
        format!(r#"{{"issuers":[{{"issuer":"https://a","audience":"x","{evil}":1}}]}}"#),
        format!(r#"{{"issuers":[{{"issuer":"https://a","audience":"x","profile":"{evil}"}}]}}"#),
    ] {
        let error = Policy::from_json(&json).expect_err("unknown");
        let (text, problem) = (error.to_string(), &error.faults()[0].problem);
        assert!(text.len() < 2048 && problem.len() < 2048, "{text}");
        assert!(!problem.contains(['\n', '\u{202e}']) && !text.contains(['\n', '\u{202e}']), "{text}");
    }
}

#[test]
fn unknown_fields_and_missing_ones_are_refused() {
    for bad in [
        r#"{"issuers":[{"issuer":"https://a","audience":"x","leewey_seconds":1}]}"#,
        r#"{"issuers":[{"issuer":"https://a","audience":"x","authorities":{"role_at":["/r"]}}]}"#,
        r#"{"issuers":[],"danger":true}"#,
        r#"{"issuers":[{"issuer":"https://a"}]}"#,
        r#"{"issuers":[{"audience":"x"}]}"#,
        r#"{"issuers":[{"issuer":"https://a","audience":"x","algorithms":["none"]}]}"#,
        r#"{"issuers":[{"issuer":"https://a","audience":"x","algorithms":["es256"]}]}"#,
        r#"{"issuers":[{"issuer":"https://a","audience":"x","keys":{"ftp":"x"}}]}"#,
    ] {
        let faults = Policy::from_json(bad).expect_err(bad);
        assert_eq!(faults.faults()[0].field, "policy", "{bad}");
    }
    assert!(Policy::from_json(r#"{"issuers":[{"issuer":"https://a","audience":"x"}]}"#).is_ok());
}

#[test]
fn s3_16_s2_01_data_meets_the_same_checks_as_the_builder_all_at_once() {
    let policy = Policy::from_json(
        r#"{"issuers":[{"issuer":"http://a.example","audience":[],"algorithms":[],"leeway_seconds":301}]}"#,
    )
    .expect("readable");
    let faults = build(&policy).expect_err("senseless");
    let fields: Vec<&str> = faults.faults().iter().map(|fault| fault.field.as_ref()).collect();
    assert_eq!(fields, ["issuer", "audience", "algorithms", "leeway"]);
    assert!(build(&Policy::default()).is_err(), "nobody is trusted");
}

#[test]
fn weakenings_are_named_so_and_can_be_forbidden() {
    let mut policy = Policy::access_token("http://a.example", "orders");
    assert!(build(&policy).is_err());
    policy.issuers[0].danger_plain_http = true;
    assert!(build(&policy).is_ok());
    policy.issuers[0] = TrustedIssuerConfig::new("https://a.example", "orders");
    policy.issuers[0].danger_any_type = true;
    assert!(build(&policy).is_ok());
    policy.deny_danger = true;
    assert_eq!(build(&policy).expect_err("forbidden").faults()[0].field, "danger");
}

#[test]
fn a_source_that_cannot_be_made_is_a_fault_among_the_others() {
    let policy = Policy::access_token("https://a.example", "");
    let broken = |_: &TrustedIssuerConfig| Err(ConfigError::new("keys", "the file is missing"));
    let faults = Verifier::builder().policy(&policy, broken).build().expect_err("faults");
    let fields: Vec<&str> = faults.faults().iter().map(|fault| fault.field.as_ref()).collect();
    assert_eq!(fields, ["keys", "audience"]);
    assert!(matches!(KeysConfig::Inline("{}".into()).inline(), Some(Err(_))));
    assert!(KeysConfig::Discovery.inline().is_none());
}

#[test]
fn fingerprints_tell_policies_apart_and_not_their_spelling() {
    let fingerprint = |json: &str| build(&Policy::from_json(json).expect("readable")).expect("builds").fingerprint();
    let plain = fingerprint(r#"{"issuers":[{"issuer":"https://a","audience":"x"}]}"#);
    assert_eq!(plain, fingerprint(r#"{"issuers":[{"audience":["x"],"issuer":"https://a","leeway_seconds":30}]}"#));
    let two = fingerprint(r#"{"issuers":[{"issuer":"https://a","audience":["x","y"]}]}"#);
    assert_eq!(two, fingerprint(r#"{"issuers":[{"issuer":"https://a","audience":["y","x","x"]}]}"#));
    let mut seen = std::collections::HashSet::from([plain, two]);
    for differing in [
        r#""leeway_seconds":31"#,
        r#""profile":"access_token""#,
        r#""algorithms":["ES256"]"#,
        r#""max_age_seconds":5"#,
        r#""max_lifetime_seconds":5"#,
        r#""required_claims":["a"]"#,
        r#""required_claim_values":{"a":"b"}"#,
        r#""required_claim_values":{"ab":"c"}"#,
        r#""refused_subject_prefixes":["a"]"#,
        r#""allowed_clients":["a"]"#,
        r#""client_required":true"#,
        r#""proof_of_possession_required":true"#,
        r#""client_id_for_absent_audience":true"#,
        r#""authorities":{"roles_at":["/a"]}"#,
        r#""authorities":{"permissions_at":["/a"]}"#,
        r#""authorities":{"tenant_at":"/a"}"#,
        r#""authorities":{"groups_at":["/a"]}"#,
        r#""authorities":{"tenant":"a"}"#,
        r#""authorities":{"name_prefix":"a"}"#,
        r#""authorities":{"roles_at":["/a"],"names_of":"a"}"#,
        r#""authorities":{"tenant_at":"/a","tenants_of":"a"}"#,
        r#""authorities":{"known_roles":["a"]}"#,
        r#""authorities":{"scopes_in_scp":true}"#,
        r#""authorities":{"hierarchy":["a > b"]}"#,
        r#""authorities":{"scope_hierarchy":["a > b"]}"#,
        r#""authorities":{"role_permissions":{"a":["b"]}}"#,
        r#""danger_any_audience":true"#,
        r#""danger_plain_http":true"#,
    ] {
        let json = format!(r#"{{"issuers":[{{"issuer":"https://a","audience":"x",{differing}}}]}}"#);
        assert!(seen.insert(fingerprint(&json)), "{differing}");
    }
    // A literal, so that a change of the canonical form fails: it would give equal policies different fingerprints.
    assert_eq!(plain.to_string(), "7ad7157614fc7eeec764251dafc6c79b6bebe2caa29579f9e4762d7068c9e8e7");
}

#[test]
fn senseless_authorities_and_reservations_name_their_field() {
    let field = |authorities: &str, rest: &str| {
        let json =
            format!(r#"{{"issuers":[{{"issuer":"https://a","audience":"x","authorities":{authorities}}}]{rest}}}"#);
        let built = build(&Policy::from_json(&json).expect("readable"));
        built.err().map_or("none".to_owned(), |error| error.faults()[0].field.to_string())
    };
    let full = r#"{"known_roles":["a","b"],"hierarchy":["a > b"],"role_permissions":{"b":["p"]},"groups_at":["/g"],
        "tenant":"acme","name_prefix":"x:"}"#;
    assert_eq!(field(full, r#","reserved_subjects":{"svc:":"https://a"}"#), "none");
    for (authorities, rest, expected) in [
        (r#"{"hierarchy":["a > b","b > a"]}"#, "", "hierarchy"),
        (r#"{"known_roles":["a"],"hierarchy":["a > b"]}"#, "", "hierarchy"),
        (r#"{"scope_hierarchy":["a > b","b > a"]}"#, "", "scope_hierarchy"),
        (r#"{"scope_hierarchy":["a > > b"]}"#, "", "scope_hierarchy"),
        (r#"{"known_roles":["a"],"scope_hierarchy":["c > b"]}"#, "", "none"),
        (r#"{"hierarchy":["a > b"],"role_permissions":{"c":["p"]}}"#, "", "role_permissions"),
        (r#"{"tenant":"../a"}"#, "", "tenant"),
        (r#"{"tenant":"a","tenant_at":"/t"}"#, "", "tenant"),
        (r#"{"tenant_at":"/client_id"}"#, "", "authorities"),
        (r#"{"roles_at":["/scope"]}"#, "", "authorities"),
        (r#"{"roles_at":["roles"]}"#, "", "none"),
        (r#"{"roles_at":["https://shop.test/roles","/https:~1~1shop.test~1roles/x"]}"#, "", "none"),
        (r#"{"roles_at":[{"path":"roles","keys":true},{"path":"/r","member":"name"}]}"#, "", "none"),
        (r#"{"roles_at":["/https://shop.test/roles"]}"#, "", "authorities"),
        (r#"{"tenant_at":"/http://shop.test/tenant"}"#, "", "authorities"),
        (r#"{"roles_at":["/a~2b"]}"#, "", "authorities"),
        (r#"{"roles_at":[""]}"#, "", "authorities"),
        (r#"{"roles_at":[{"path":"/r","separator":""}]}"#, "", "authorities"),
        (r#"{"client_at":["/azp","client_id"],"own_tokens":"app_only"}"#, "", "none"),
        (r#"{"client_at":["/sub"]}"#, "", "authorities"),
        ("{}", r#","reserved_subjects":{"svc:":"https://b"}"#, "reserved_subjects"),
        ("{}", r#","reserved_subjects":{"":"https://a"}"#, "reserved_subjects"),
    ] {
        assert_eq!(field(authorities, rest), expected, "{authorities} {rest}");
    }
}

/// Such as by a template that has lost its last entry.
#[test]
fn s15_09_an_allow_list_that_is_written_and_empty_is_a_fault() {
    let read = |members: &str| {
        Policy::from_json(&format!(r#"{{"issuers":[{{"issuer":"https://a","audience":"x"{members}}}]}}"#))
    };
    for members in [r#","allowed_clients":[]"#, r#","preset":"keycloak_realm","allowed_clients":[]"#] {
        let error = read(members).expect_err(members).to_string();
        assert!(error.contains("allowed_clients names nobody"), "{error}");
    }
    assert_eq!(read(r#","allowed_clients":["web"]"#).expect("one").issuers[0].allowed_clients, ["web"]);
    assert!(read("").expect("none").issuers[0].allowed_clients.is_empty());
    #[cfg(feature = "config")]
    {
        let error = Policy::from_toml("[[issuers]]\nissuer = \"https://a\"\naudience = \"x\"\nallowed_clients = []");
        assert!(error.expect_err("nobody").to_string().contains("allowed_clients names nobody"));
        let vars = [("X_ISSUER", "https://a"), ("X_AUDIENCE", "x"), ("X_ALLOWED_CLIENTS", "")];
        let policy = Policy::from_vars("X_", vars).expect("one empty name");
        assert_eq!(build(&policy).expect_err("an empty name").faults()[0].field, "allowed_clients");
    }
}

#[cfg(feature = "config")]
#[test]
fn a_syntax_error_in_toml_names_its_line() {
    for (text, line) in [
        ("[[issuers]]\nissuer = \"https://id.test\"\naudience = \n", "; line 3"),
        ("deny_danger = true\n\n[[issuers\n", "; line 3"),
    ] {
        let error = Policy::from_toml(text).expect_err("refused").to_string();
        assert!(error.ends_with(line), "{error}");
    }
}
