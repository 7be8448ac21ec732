//! Valid and invalid configurations.

use std::time::Duration;

use countersign_core::error::ConfigError;

use super::*;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn whole() -> String {
    format!(
        r#"
        issuer = "https://sts.example.com"
        listen = "127.0.0.1:4000"
        algorithm = "EdDSA"
        token_lifetime_seconds = 120
        rotation_interval_seconds = 86400
        concurrent_secret_checks = 2
        dpop_bound_access_tokens = true
        dpop_nonces = true
        certificate_proxies = ["10.0.0.5"]
        certificate_envoys = ["10.0.0.6"]
        certificate_proxies_verify_chains = true

        [status_lists]
        ttl_seconds = 10
        lifetime_seconds = 60

        [[audience]]
        name = "billing"
        scopes = ["read", "write"]
        token_lifetime_seconds = 60

        [[client]]
        id = "orders"
        secret = "{HASH}"
        grants = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
        audiences = ["billing"]
        default_audience = "billing"
        scopes = ["read"]
        introspected_audiences = ["billing"]
        tenant = "acme"
        dpop_bound_access_tokens = true
        certificates = ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
        certificate_bound_access_tokens = true
        locked = true

        [[client.exchange]]
        targets = ["billing"]
        subject_audiences = ["orders", "https://orders.example.com"]
        scopes = ["read"]
        subject_prefixes = ["user:"]
        copied_claims = ["roles"]
        bound_subject_tokens = true
        danger_without_actor = true

        [[client]]
        id = "shipping"
        audiences = ["billing"]

        [[client]]
        id = "mesh"
        tls_client_auth_san_uri = "spiffe://shop.example/mesh"
        audiences = ["billing"]

        [[federation]]
        subjects = {{ "system:serviceaccount:shop:shipping" = "shipping" }}
        [federation.trusted]
        issuer = "https://cluster.example.com"
        audience = "https://sts.example.com"
        keys = {{ inline = '{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}' }}

        [[identity_provider]]
        prefix = "staff:"
        max_lifetime_seconds = 120
        only_tenant = "t-1"
        tenant = "acme"
        default_scopes = ["read"]
        copied_claims = ["amr"]
        [identity_provider.trusted]
        issuer = "https://id.example.com"
        audience = "https://sts.example.com"
        keys = {{ inline = '{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}' }}
        "#
    )
}

#[test]
fn every_setting_in_rust_has_a_field_in_toml() {
    let config = IssuerConfig::from_toml(&whole()).expect("a configuration");
    assert!(!format!("{config:?}").contains("argon2id"));
    assert_eq!(config.listen.map(|address| address.port()), Some(4000));
    let issuer = config.build().expect("sound");
    assert_eq!((issuer.name(), issuer.token_lifetime().as_secs()), ("https://sts.example.com", 120));
    let audience = issuer.audience("billing").expect("known");
    assert_eq!(audience.lifetime, Some(Duration::from_secs(60)));
    assert!(issuer.proofs().nonce().is_some());
    assert!(issuer.status_index("https://sts.example.com/status-lists/0", 3).is_some());
}

#[test]
fn s8_06_a_client_has_exactly_one_name_in_its_certificate() {
    let own = "tls_client_auth_san_uri = \"spiffe://shop.example/mesh\"";
    let names = [
        "tls_client_auth_subject_dn = \"CN=mesh,O=Shop\"",
        "tls_client_auth_san_dns = \"mesh.shop.example\"",
        "tls_client_auth_san_email = \"mesh@shop.example\"",
        "tls_client_auth_san_ip = \"2001:db8::7\"",
    ];
    let build = |text: &str| IssuerConfig::from_toml(&whole().replacen(own, text, 1)).and_then(|config| config.build());
    for name in names {
        build(name).expect("one name");
        let error = build(&format!("{own}\n{name}")).expect_err("two names").to_string();
        assert!(error.contains("client mesh: tls_client_auth: more than one"), "{error}");
    }
    let error = build("tls_client_auth_san_dns = \"*.shop.example\"").expect_err("a wildcard").to_string();
    assert!(error.contains("client mesh: certificate_name: not a DNS name"), "{error}");
    assert!(build("tls_client_auth_san_ip = \"mesh\"").is_err());
    let both = format!("{own}\ncertificates = [\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"]");
    assert!(build(&both).expect_err("two ways").to_string().contains("set beside certificates"));
}

#[test]
fn an_unknown_field_is_refused_in_every_table() {
    for (at, odd) in [
        ("listen = ", "lisen = "),
        ("token_lifetime_seconds = 60", "lifetime = 60"),
        ("ttl_seconds = 10", "ttl = 10"),
        ("introspected_audiences = ", "introspects = "),
        ("copied_claims = ", "copied_claim = "),
        ("subjects = ", "subject = "),
        ("audience = \"https", "audiences = \"https"),
        ("only_tenant = ", "only_tenants = "),
    ] {
        let error = IssuerConfig::from_toml(&whole().replacen(at, odd, 1)).expect_err(odd).to_string();
        assert!(error.starts_with("config: line ") && !error.contains("argon2id"), "{error}");
    }
}

#[test]
fn s12_11_assertions_are_for_this_issuer_and_of_one_type() {
    let own = "issuer = \"https://id.example.com\"\n        audience = \"https://sts.example.com\"";
    let build = |rules: &str| {
        let text = whole().replacen(own, rules, 1);
        assert_ne!(text, whole(), "{rules}");
        IssuerConfig::from_toml(&text).and_then(|config| config.build()).expect_err(rules)
    };
    let issuer = "issuer = \"https://id.example.com\"\n";
    for (rules, problem) in [
        ("audience = \"https://else.example.com\"", "audience is not this issuer"),
        ("audience = [\"https://sts.example.com\", \"other\"]", "audience is not this issuer"),
        ("audience = \"https://sts.example.com\"\nprofile = \"access_token\"", "profile or token_types is set"),
        ("audience = \"https://sts.example.com\"\ntoken_types = [\"JWT\"]", "profile or token_types is set"),
    ] {
        let error = build(&format!("{issuer}{rules}"));
        assert_eq!(error.faults()[0].field, "identity_provider");
        assert!(error.to_string().contains(problem), "{error}");
    }
    let error = build("issuer = \"https://sts.example.com\"\naudience = \"https://sts.example.com\"");
    assert_eq!(error.faults()[0].field, "identity provider https://sts.example.com: issuer");
}

#[test]
fn s10_01_a_secret_in_the_wrong_place_is_not_repeated() {
    let store = |text: &str| format!("{}\n[store]\n{text}", whole());
    for text in [
        format!("store = \"host=/run password=hunter2-hunter2\"\n{}", whole()),
        format!("pepper_env = [\"hunter2-hunter2\"]\n{}", whole()),
        format!("deny_danger = \"hunter2-hunter2\"\n{}", whole()),
        whole().replacen("locked = true", "more_secrets = \"hunter2-hunter2\"", 1),
        whole().replacen("\"EdDSA\"", "\"hunter2-hunter2\"", 1),
        whole().replacen("\"client_credentials\"", "\"hunter2-hunter2\"", 1),
        store("postgres_env = \"host=/run user=issuer password=hunter2-hunter2\""),
        store("file = \"f\"\nkey_env = \"hunter2-hunter2\""),
        format!("pepper_env = \"hunter2-hunter2\"\n{}", whole()),
    ] {
        let error = IssuerConfig::from_toml(&text).and_then(|config| config.build()).expect_err(&text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn faults_name_their_fields_and_are_reported_at_once() {
    let bad = whole()
        .replace(HASH, "plain-secret-of-somebody")
        .replace("\"client_credentials\", ", "\"password\", ")
        .replace("{ inline", "{ jwks_url = \"https://cluster.example.com/keys\" } #");
    let error = IssuerConfig::from_toml(&bad).expect("readable").build().expect_err("not sound");
    let fields: Vec<_> = error.faults().iter().map(|fault| fault.field.to_string()).collect();
    let of_keys = ["federation https://cluster.example.com: keys", "identity provider https://id.example.com: keys"];
    assert_eq!(fields, ["client orders: grants", of_keys[0], of_keys[1]]);
    let bad = whole().replace(HASH, "plain-secret-of-somebody").replace("= 86400", "= 60");
    let error = IssuerConfig::from_toml(&bad).expect("readable").build().expect_err("not sound");
    assert_eq!(error.faults()[0].field, "client orders: secret");
    assert!(!error.to_string().contains("plain-secret"), "{error}");
}

#[test]
#[cfg(feature = "file")]
fn relative_paths_start_at_the_folder_of_the_configuration() {
    let folder = std::env::temp_dir().join(format!("countersign-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = "issuer = \"http://127.0.0.1:4000\"\n[store]\nfile = \"state.redb\"\n";
    let path = folder.join("issuer.toml");
    std::fs::write(&path, text).expect("written");
    let keys = || IssuerConfig::from_file(&path).expect("readable").build().expect("sound").keys();
    assert_eq!(keys(), keys(), "the state persists");
    assert!(folder.join("state.redb").exists());
    for bad in ["file = \"a\"\npostgres_env = \"B\"", "", "file = \"a\"\nkey_env = \"A\"\nkey_file = \"b\""] {
        std::fs::write(&path, format!("issuer = \"http://127.0.0.1:4000\"\n[store]\n{bad}\n")).expect("written");
        let error = IssuerConfig::from_file(&path).expect("readable").build().expect_err(bad);
        assert_eq!(error.faults()[0].field, "store", "{bad}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn s6_21_a_certificate_is_its_sha_256_in_base64url() {
    const GOOD: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let hex = "4E:12:43:BD:22:C6:6E:76:C2:BA:9E:DD:C1:F9:13:94:E5:7F:9F:83:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA";
    for wrong in ["", "orders.pem", hex, &format!("{GOOD}="), &GOOD[1..], &GOOD.replace('_', "/")] {
        let config = IssuerConfig::from_toml(&whole().replace(GOOD, wrong)).expect("readable");
        let error = config.build().expect_err(wrong);
        assert_eq!(error.faults()[0].field, "client orders: certificates", "{wrong}");
    }
    let only = whole().replace(&format!("secret = \"{HASH}\""), "");
    assert!(IssuerConfig::from_toml(&only).expect("readable").build().is_ok(), "a certificate is enough");
}

/// Such as by a template that has lost its last entry: not a list of everybody.
#[test]
fn s15_09_subject_prefixes_that_are_written_and_empty_are_a_fault() {
    let built = |prefixes: &str| {
        IssuerConfig::from_toml(&whole().replace("subject_prefixes = [\"user:\"]", prefixes)).expect("readable").build()
    };
    assert!(built("").is_ok() && built("subject_prefixes = [\"user:\"]").is_ok());
    for empty in ["subject_prefixes = []", "subject_prefixes = [\"\"]"] {
        let error = built(empty).expect_err(empty).to_string();
        assert!(error.contains("exchange rule") && error.contains("prefix"), "{error}");
    }
}

#[test]
fn s6_20_instances_with_one_secret_have_the_same_nonces() {
    let plain = "issuer = \"https://sts.example.com\"\n";
    let now = countersign_core::clock::UnixTime::from_secs(1_700_000_000);
    let nonce = |text: &str| {
        let no_keys = |_: &_| Err(ConfigError::new("keys", "none"));
        let builder = IssuerConfig::from_toml(&format!("{plain}{text}")).expect("readable").builder(no_keys)?;
        let issuer = builder.clock(countersign_core::clock::FixedClock::new(now)).build()?;
        Ok::<_, ConfigError>(issuer.proofs().nonce())
    };
    assert_eq!(nonce("").expect("sound"), None);
    // Cargo sets both: one text of over 32 bytes, and one that is shorter.
    let [shared, again] = [(); 2].map(|()| nonce("dpop_nonce_secret_env = \"CARGO_PKG_DESCRIPTION\"").expect("sound"));
    assert!(shared.is_some() && shared == again);
    let [one, other] = [(); 2].map(|()| nonce("dpop_nonces = true").expect("sound"));
    assert!(one.is_some() && one != other && one != shared);
    for (text, field) in [
        ("dpop_nonce_secret_env = \"CARGO_PKG_NAME\"", "dpop_nonce_secret_env"),
        ("dpop_nonce_secret_env = \"UNSET_NONCE_SECRET\"", "UNSET_NONCE_SECRET"),
        ("dpop_nonces = true\n[store]\npostgres_env = \"UNSET_DATABASE\"", "dpop_nonce_secret_env"),
    ] {
        assert_eq!(nonce(text).expect_err(text).faults()[0].field, field, "{text}");
    }
}
