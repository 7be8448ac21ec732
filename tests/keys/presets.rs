//! Tokens in the form of well-known providers, verified with their presets.

use std::sync::Arc;

use countersign::issuers::Preset;
use countersign::policy::{Profile, TrustedIssuer};
use countersign::verify::Verifier;
use countersign_core::integration::Names;
use countersign_test::TestIssuer;
use serde_json::{Value, json};

struct Shape {
    preset: Preset,
    issuer: &'static str,
    audience: &'static str,
    /// The claims in its documentation, without iss and the times.
    claims: Value,
    scopes: &'static [&'static str],
    roles: &'static [&'static str],
    permissions: &'static [&'static str],
    tenant: Option<&'static str>,
}

fn shapes() -> Vec<Shape> {
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    vec![
        Shape {
            preset: Preset::KEYCLOAK,
            issuer: "https://id.example.com/realms/staff",
            audience: "orders",
            claims: json!({
                "sub": "f:1:ann", "aud": ["orders", "account"], "typ": "Bearer", "azp": "web", "sid": "s", "acr": "1",
                "realm_access": {"roles": ["offline_access", "admin"]},
                "resource_access": {"orders": {"roles": ["clerk"]}, "account": {"roles": ["manage-account"]}},
                "scope": "openid orders:read", "preferred_username": "ann"
            }),
            scopes: &["openid", "orders:read"],
            roles: &["clerk"],
            permissions: &[],
            tenant: None,
        },
        Shape {
            preset: Preset::KEYCLOAK_REALM,
            issuer: "https://id.example.com/realms/staff",
            audience: "orders",
            claims: json!({
                "sub": "d952cf23", "aud": ["orders", "account"], "typ": "Bearer", "azp": "web", "sid": "s",
                "realm_access": {"roles": ["admin"]}, "resource_access": {"orders": {"roles": ["clerk"]}},
                "scope": "openid", "preferred_username": "ann"
            }),
            scopes: &["openid"],
            roles: &["admin"],
            permissions: &[],
            tenant: None,
        },
        Shape {
            preset: Preset::AUTH0,
            issuer: "https://acme.eu.auth0.com/",
            audience: "https://orders.example",
            claims: json!({
                "sub": "auth0|5f7c", "aud": ["https://orders.example", "https://acme.eu.auth0.com/userinfo"],
                "azp": "my_client_id", "scope": "openid profile", "org_id": "org_9ybsU1dN2dKfDkBi",
                "permissions": ["read:orders"]
            }),
            scopes: &["openid", "profile"],
            roles: &[],
            permissions: &["read:orders"],
            tenant: Some("org_9ybsU1dN2dKfDkBi"),
        },
        Shape {
            preset: Preset::OKTA,
            issuer: "https://acme.okta.com/oauth2/default",
            audience: "api://default",
            claims: json!({
                "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default",
                "cid": "0oabv6kx4qq6h1U5l0g7", "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "orders:read"],
                "sub": "ann@example.com", "groups": ["Everyone", "Clerks"]
            }),
            scopes: &["openid", "orders:read"],
            roles: &["Everyone", "Clerks"],
            permissions: &[],
            tenant: None,
        },
        Shape {
            preset: Preset::ENTRA_V1,
            issuer: "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            audience: "api://orders",
            claims: json!({
                "aud": "api://orders", "ver": "1.0", "appid": "app", "appidacr": "0", "oid": "o", "sub": "s",
                "scp": "Orders.Read Orders.Write", "roles": ["Clerk"], "tid": tenant, "uti": "u", "aio": "a"
            }),
            scopes: &["Orders.Read", "Orders.Write"],
            roles: &["Clerk"],
            permissions: &[],
            tenant: Some(tenant),
        },
        Shape {
            preset: Preset::ENTRA_V2,
            issuer: "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            audience: "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            claims: json!({
                "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "ver": "2.0", "azp": "app", "azpacr": "0", "oid": "o",
                "sub": "s", "scp": "access_as_user", "tid": tenant, "name": "Ann", "rh": "r", "uti": "u"
            }),
            scopes: &["access_as_user"],
            roles: &[],
            permissions: &[],
            tenant: Some(tenant),
        },
        Shape {
            preset: Preset::COGNITO,
            issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2",
            audience: "1example23456789",
            claims: json!({
                "sub": "aaaaaaaa-bbbb", "client_id": "1example23456789", "token_use": "access", "version": 2,
                "scope": "openid orders/read", "cognito:groups": ["clerks"], "username": "ann", "origin_jti": "j"
            }),
            scopes: &["openid", "orders/read"],
            roles: &["clerks"],
            permissions: &[],
            tenant: None,
        },
        Shape {
            preset: Preset::GOOGLE,
            issuer: "https://accounts.google.com",
            audience: "https://orders.example",
            claims: json!({
                "aud": "https://orders.example", "azp": "1134", "email": "robot@p.iam.gserviceaccount.com",
                "email_verified": true, "sub": "1134", "hd": "example.com"
            }),
            scopes: &[],
            roles: &[],
            permissions: &[],
            tenant: Some("example.com"),
        },
        Shape {
            preset: Preset::GITHUB_ACTIONS,
            issuer: "https://token.actions.githubusercontent.com",
            audience: "https://orders.example",
            claims: json!({
                "aud": "https://orders.example", "sub": "repo:octo-org/octo-repo:environment:prod",
                "environment": "prod", "ref": "refs/heads/main", "repository": "octo-org/octo-repo",
                "repository_owner": "octo-org",
                "repository_owner_id": "9919", "actor": "octocat", "runner_environment": "github-hosted"
            }),
            scopes: &[],
            roles: &[],
            permissions: &[],
            tenant: Some("9919"),
        },
        Shape {
            preset: Preset::KUBERNETES,
            issuer: "https://kubernetes.default.svc.cluster.local",
            audience: "orders",
            claims: json!({
                "aud": ["orders"], "sub": "system:serviceaccount:shop:web", "jti": "j",
                "kubernetes.io": {
                    "namespace": "shop", "pod": {"name": "web-1", "uid": "u"},
                    "serviceaccount": {"name": "web", "uid": "u"}
                }
            }),
            scopes: &[],
            roles: &[],
            permissions: &[],
            tenant: Some("shop"),
        },
        Shape {
            preset: Preset::SPIFFE,
            issuer: "https://oidc.shop.example",
            audience: "orders",
            claims: json!({"aud": ["orders"], "sub": "spiffe://shop.example/billing"}),
            scopes: &[],
            roles: &[],
            permissions: &[],
            tenant: None,
        },
    ]
}

fn verifier(shape: &Shape, issuer: &TestIssuer) -> Verifier {
    let trusted = shape.preset.issuer(shape.issuer).keys(issuer.key_source()).allowed_owner("9919");
    let mut trusted = trusted.audience(shape.audience);
    if shape.preset == Preset::GOOGLE {
        trusted = trusted.allowed_claim_values("hd", ["example.com"]);
    }
    Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("a good policy")
}

/// A token with exactly these claims and the times.
fn sign(issuer: &TestIssuer, claims: &Value) -> String {
    let mut draft = issuer.token();
    for name in ["aud", "sub", "client_id", "scope", "jti"] {
        draft = draft.without_claim(name);
    }
    let claims = claims.as_object().expect("an object");
    claims.iter().fold(draft, |draft, (name, value)| draft.claim(name, value.clone())).sign()
}

#[tokio::test]
async fn each_preset_reads_its_providers_tokens() {
    assert_eq!(shapes().len(), Preset::ALL.len());
    for shape in shapes() {
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let name = shape.preset.name;
        let verified = verifier(&shape, &issuer).verify(&sign(&issuer, &shape.claims)).await;
        let verified = verified.unwrap_or_else(|error| panic!("{name}: {error}"));
        let grants = verified.grants();
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.sort();
            names
        };
        let held = |names: &Names| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(held(&grants.scopes), sorted(shape.scopes), "{name}");
        assert_eq!(held(&grants.roles), sorted(shape.roles), "{name}");
        assert_eq!(held(&grants.permissions), sorted(shape.permissions), "{name}");
        assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), shape.tenant, "{name}");
    }
}

#[tokio::test]
async fn another_audience_issuer_or_kind_is_refused_by_every_preset() {
    for shape in shapes() {
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let (verifier, name) = (verifier(&shape, &issuer), shape.preset.name);
        let code = async |issuer: &TestIssuer, claims: &Value| match verifier.verify(&sign(issuer, claims)).await {
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        let mut elsewhere = shape.claims.clone();
        elsewhere["aud"] = json!("another-service");
        for client in ["client_id", "azp", "cid", "appid"] {
            elsewhere[client] = json!("another-client");
        }
        assert_eq!(code(&issuer, &elsewhere).await, "wrong_audience", "{name}");
        elsewhere.as_object_mut().expect("an object").remove("aud");
        assert_eq!(code(&issuer, &elsewhere).await, "wrong_audience", "{name}");
        let mut identity = shape.claims.clone();
        identity["nonce"] = json!("n");
        // The provider's own marker of kind counts more than a nonce, which it copies from a browser's request.
        let expected = if shape.preset.kind_claim.is_some() { "ok" } else { "id_token" };
        assert_eq!(code(&issuer, &identity).await, expected, "{name}");
        identity["at_hash"] = json!("h");
        assert_eq!(code(&issuer, &identity).await, "id_token", "{name}");
        if let Some((marker, _)) = shape.preset.kind_claim {
            for other in
                [json!("ID"), json!("Refresh"), json!("Logout"), json!("verify-email"), json!("x"), Value::Null]
            {
                let mut marked = shape.claims.clone();
                marked[marker] = other.clone();
                let refused = code(&issuer, &marked).await;
                assert!(["id_token", "wrong_type"].contains(&refused), "{name} {other}: {refused}");
            }
        }
        for required in shape.preset.required_claims {
            let mut lacking = shape.claims.clone();
            lacking.as_object_mut().expect("an object").remove(*required);
            let refused = code(&issuer, &lacking).await;
            assert!(["missing_claim", "wrong_audience"].contains(&refused), "{name} without {required}: {refused}");
        }
        let slash = issuer.clone().with_name(format!("{}/", shape.issuer));
        assert_eq!(code(&slash, &shape.claims).await, "unknown_issuer", "{name}");
        assert_eq!(code(&issuer, &shape.claims).await, "ok", "{name}");
    }
}

/// Anybody can have GitHub sign a token for any audience.
#[tokio::test]
async fn s15_05_github_is_trusted_only_for_named_owners_and_its_tenants_are_not_ours() {
    let shape = shapes().into_iter().find(|shape| shape.preset == Preset::GITHUB_ACTIONS).expect("there");
    let github = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
    let ours = TestIssuer::new();
    let preset = || shape.preset.issuer(shape.issuer).keys(github.key_source());
    let build = |trusted| Verifier::builder().trust(trusted).clock(Arc::new(github.clock().clone())).build();
    let fields = |error: countersign::error::ConfigError| {
        error.faults().iter().map(|fault| fault.field.clone().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fields(build(preset().audience("orders")).expect_err("nobody is named")), ["allowed_claim_values"]);
    assert_eq!(
        fields(build(preset().allowed_owner("").audience("orders")).expect_err("empty")),
        ["allowed_claim_values"]
    );

    let both = |github_issuer| {
        let builder = Verifier::builder().trust(ours.trusted_for(shape.audience)).trust(github_issuer);
        builder.clock(Arc::new(github.clock().clone())).build()
    };
    let named = || preset().allowed_owner("9919").allowed_owner("65");
    assert_eq!(fields(both(named().audience(shape.audience)).expect_err("whose tenants?")), ["tenant"]);
    let verifier = both(named().tenant_prefix("github.").audience(shape.audience)).expect("a prefix");
    let token = |owner: &str, id: &str| {
        let mut claims = shape.claims.clone();
        (claims["repository_owner"], claims["repository_owner_id"]) = (json!(owner), json!(id));
        sign(&github, &claims)
    };
    // A name that its owner gave up is free for another owner.
    for (owner, id, expected) in
        [("acme", "9919", "github.9919"), ("acme", "65", "github.65"), ("65", "9919", "github.9919")]
    {
        let tenant = verifier.verify(&token(owner, id)).await.expect("a named owner");
        assert_eq!(tenant.tenant().map(ToString::to_string).as_deref(), Some(expected));
    }
    for (owner, id) in [("octo-org", "666"), ("octo-org", "99190"), ("octo-org", ""), ("octo-org", "octo-org")] {
        let refused = verifier.verify(&token(owner, id)).await.expect_err("another owner");
        assert_eq!(refused.code(), "wrong_claim", "{id}");
    }
    let forged = ours.token().audience(shape.audience).tenant("github.acme").sign();
    assert_eq!(verifier.verify(&forged).await.expect_err("not ours to say").code(), "invalid_claim");
}

/// With or without a preset: the audience is the caller's choice at these issuers.
#[tokio::test]
async fn s15_05_an_issuer_that_signs_for_everybody_is_trusted_only_for_named_owners() {
    let build = |issuer: &str, limit: &dyn Fn(TrustedIssuer) -> TrustedIssuer| {
        Verifier::new(limit(TestIssuer::new().with_name(issuer).trusted_for("orders")))
    };
    for (issuer, owner) in [
        ("https://token.actions.githubusercontent.com", "repository_owner_id"),
        ("https://gitlab.com", "namespace_id"),
        ("https://accounts.google.com", "sub"),
        ("accounts.google.com", "hd"),
        ("https://agent.buildkite.com", "organization_id"),
        ("https://app.terraform.io", "terraform_organization_id"),
        ("https://app.eu.terraform.io", "terraform_workspace_id"),
        ("https://oidc.vercel.com", "owner_id"),
        ("https://confidentialcomputing.googleapis.com", "sub"),
    ] {
        let error = build(issuer, &|it| it).expect_err(issuer).to_string();
        assert!(error.contains("anybody") && error.contains(owner), "{error}");
        let unnamed = build(issuer, &|it| it.allowed_claim_values("environment", ["production"]));
        let _ = unnamed.expect_err("anybody's to choose");
        build(issuer, &|it| it.allowed_claim_values(owner, ["4711", "4712"])).expect(issuer);
        build(issuer, &|it| it.required_claim_value(owner, "4711")).expect(issuer);
        let clients = build(issuer, &|it| it.allowed_client("4711"));
        assert_eq!(clients.is_ok(), issuer.ends_with("accounts.google.com"), "others name no client");
    }
    for own in ["https://gitlab.example.com", "https://oidc.vercel.com/acme", "https://agent.buildkite.com.example"] {
        build(own, &|it| it).expect("of one owner");
    }

    let google = TestIssuer::new().with_name("https://accounts.google.com");
    let trusted = google.trusted_for("orders").allowed_claim_values("hd", ["example.com"]);
    let verifier = Verifier::builder().trust(trusted).clock(google.clock().clone()).build().expect("a domain is named");
    let of = |domain: &str| google.token().audience("orders").claim("hd", domain).sign();
    assert!(verifier.verify(&of("example.com")).await.is_ok());
    assert_eq!(verifier.verify(&of("example.org")).await.expect_err("another domain").code(), "wrong_claim");
}

#[tokio::test]
async fn a_cognito_id_token_is_not_an_access_token() {
    let shape = shapes().into_iter().find(|shape| shape.preset == Preset::COGNITO).expect("there");
    let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
    let id_token = json!({"sub": "a", "aud": shape.audience, "token_use": "id", "cognito:username": "ann"});
    let error = verifier(&shape, &issuer).verify(&sign(&issuer, &id_token)).await.expect_err("an ID token");
    assert_eq!(error.code(), "id_token");
}

/// Both versions of Entra's tokens with two trusted tenants: each tenant's issuer accepts only tokens of that tenant.
#[tokio::test]
async fn s3_27_a_tenants_issuer_accepts_only_tokens_of_that_tenant() {
    let (first, second, unlisted) =
        ("72f988bf-86f1-41af-91ab-2d7cd011db47", "9122040d-6c67-4c5b-b112-36a304b66dad", "00000000-dead-beef");
    for (preset, pattern) in [
        (Preset::ENTRA_V1, "https://sts.windows.net/{tenant}/"),
        (Preset::ENTRA_V2, "https://login.microsoftonline.com/{tenant}/v2.0"),
    ] {
        let provider = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256);
        let mut builder = Verifier::builder().clock(Arc::new(provider.clock().clone()));
        for tenant in [first, second] {
            let issuer = preset.tenant(tenant).expect("an id").keys(provider.key_source()).names_of("our application");
            builder = builder.trust(issuer.audience("api://orders"));
        }
        let verifier = builder.build().expect("a good policy");
        let code = async |tenant_in_name: &str, tid: Value| {
            let issuer = provider.clone().with_name(pattern.replace("{tenant}", tenant_in_name));
            let claims =
                json!({"aud": "api://orders", "sub": "a", "scp": "Orders.Read", "tid": tid, "azp": "c", "appid": "c"});
            match verifier.verify(&sign(&issuer, &claims)).await {
                Ok(verified) => verified.tenant().map(ToString::to_string).unwrap_or_default(),
                Err(error) => error.code().to_owned(),
            }
        };
        assert_eq!(code(first, json!(first)).await, first);
        assert_eq!(code(second, json!(second)).await, second);
        assert_eq!(code(first, json!(second)).await, "wrong_claim", "the issuer of one tenant, the ID of another");
        assert_eq!(code(second, json!(first)).await, "wrong_claim");
        assert_eq!(code(unlisted, json!(unlisted)).await, "unknown_issuer");
        for tid in
            [json!("../x"), json!(first.to_uppercase()), json!([first]), json!({"id": first}), json!(7), json!("")]
        {
            assert_eq!(code(first, tid.clone()).await, "wrong_claim", "{tid}");
        }
        assert_eq!(code(first, Value::Null).await, "missing_claim", "null is absence");
        let unnamed = provider.clone().with_name(pattern.replace("{tenant}", first));
        let claims = json!({"aud": "api://orders", "sub": "a", "azp": "c", "appid": "c"});
        let error = verifier.verify(&sign(&unnamed, &claims)).await.expect_err("no tid");
        assert_eq!(error.code(), "missing_claim");

        for bad in ["../x", "x/../y", "", "a.b", "x#", "%2e%2e", "a b", "{tenant}"] {
            assert!(preset.tenant(bad).is_err(), "{bad}");
            assert_eq!(preset.tenant_from_issuer(&pattern.replace("{tenant}", bad)), None, "{bad}");
        }
        assert_eq!(preset.tenant_from_issuer(&pattern.replace("{tenant}", first)), Some(first));
    }
    assert!(Preset::GOOGLE.tenant(first).is_err(), "it has no pattern");
}

/// The name of the issuer says which tenant it signs for, also without the parameter, and for the clouds of nations.
#[tokio::test]
async fn s3_27_an_issuer_by_name_accepts_only_tokens_of_the_tenant_in_its_name() {
    let (own, other) = ("72f988bf-86f1-41af-91ab-2d7cd011db47", "9122040d-6c67-4c5b-b112-36a304b66dad");
    for (preset, pattern) in [
        (Preset::ENTRA_V1, "https://sts.windows.net/{tenant}/"),
        (Preset::ENTRA_V2, "https://login.microsoftonline.com/{tenant}/v2.0"),
        (Preset::ENTRA_V2, "https://login.microsoftonline.us/{tenant}/v2.0"),
        (Preset::ENTRA_V2, "https://acme.ciamlogin.com/{tenant}/v2.0/"),
    ] {
        let name = pattern.replace("{tenant}", own);
        let provider = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(&name);
        let trusted = || preset.issuer(&name).keys(provider.key_source()).audience("orders");
        let with_clock = || Verifier::builder().clock(Arc::new(provider.clock().clone()));
        let resolved = countersign::issuers::ResolvedIssuers::new({
            let trusted = trusted().clients_only();
            move |_: String| std::future::ready(Ok(Some(trusted.clone())))
        });
        for verifier in [with_clock().trust(trusted()), with_clock().trust_resolved(Arc::new(resolved))] {
            let verifier = verifier.build().expect("a policy");
            let token = |tid: &str| {
                let claims = json!({"aud": "orders", "sub": "a", "tid": tid, "azp": "c", "appid": "c"});
                sign(&provider, &claims)
            };
            assert!(verifier.verify(&token(own)).await.is_ok(), "{name}");
            assert_eq!(verifier.verify(&token(other)).await.expect_err(&name).code(), "wrong_claim");
        }
    }
}

/// An ID token without `nonce` has nothing but the lack of a client to tell it by.
#[tokio::test]
async fn s3_19_s3_30_an_id_token_is_no_access_token_of_entra_and_okta() {
    for (preset, client, others) in [
        (Preset::ENTRA_V1, "appid", ["appidacr", "scp"]),
        (Preset::ENTRA_V2, "azp", ["azpacr", "scp"]),
        (Preset::OKTA, "cid", ["uid", "scp"]),
    ] {
        let shape = shapes().into_iter().find(|shape| shape.preset == preset).expect("there");
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let mut claims = shape.claims.clone();
        claims["roles"] = json!(["Clerk"]);
        for name in [client, others[0], others[1]] {
            claims.as_object_mut().expect("an object").remove(name);
        }
        let refused = verifier(&shape, &issuer).verify(&sign(&issuer, &claims)).await.expect_err("an ID token");
        assert_eq!(refused.code(), "missing_claim", "{}", shape.preset.name);
    }
}

/// The `typ` of the providers' access tokens is accepted, that of their other tokens refused.
#[tokio::test]
async fn the_types_of_access_tokens_pass_and_others_do_not() {
    for shape in shapes() {
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let (verifier, name) = (verifier(&shape, &issuer), shape.preset.name);
        let mut draft = issuer.token();
        for claim in ["aud", "sub", "client_id", "scope", "jti"] {
            draft = draft.without_claim(claim);
        }
        let claims = shape.claims.as_object().expect("an object").clone();
        let draft = claims.into_iter().fold(draft, |draft, (name, value)| draft.claim(&name, value));
        for typ in ["JWT", "at+jwt"] {
            assert!(verifier.verify(&draft.clone().header("typ", typ).sign()).await.is_ok(), "{name}: {typ}");
        }
        assert!(verifier.verify(&draft.clone().without_header("typ").sign()).await.is_ok(), "{name}");
        for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JWE"] {
            let error = verifier.verify(&draft.clone().header("typ", typ).sign()).await.expect_err(typ);
            assert_eq!(error.code(), "wrong_type", "{name}: {typ}");
        }
    }
}

/// A preset keeps its roles and client if something is added to its mapping.
#[tokio::test]
async fn s3_21_s3_23_a_preset_keeps_its_mapping_if_something_is_added() {
    let issuer = TestIssuer::new().with_name("https://id.example.com/realms/staff");
    let trusted = Preset::KEYCLOAK_REALM.issuer(issuer.name()).keys(issuer.key_source()).audience("orders");
    let trusted = trusted.map_authorities(|mapping| mapping.tenant_at("/tenant").hierarchy("manager > clerk"));
    let verifier =
        Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("a policy");
    let token = issuer.token().subject("ann").audience("orders").claim("typ", "Bearer").claim("azp", "web");
    let token = token.claim("realm_access", json!({"roles": ["manager"]})).claim("tenant", "acme").sign();
    let verified = verifier.verify(&token).await.expect("good");
    let tenant = verified.tenant().map(ToString::to_string);
    assert_eq!((verified.client_id(), tenant.as_deref()), (Some("web"), Some("acme")));
    let roles: Vec<_> = verified.grants().roles.iter().map(ToString::to_string).collect();
    assert_eq!(roles, ["clerk", "manager"]);
}

/// Each provider writes the client and its own tokens in its own way.
#[tokio::test]
async fn s3_21_client_is_right_for_each_provider() {
    use countersign::authz::client;
    use countersign::claims::Principal;
    use countersign_core::integration::RequestContext;

    // The client of the shape's token of a user, and what makes of it the own token of that client; null removes a claim.
    let cases = [
        (
            Preset::KEYCLOAK,
            "web",
            json!({"sub": "5f7c", "preferred_username": "service-account-web", "client_id": "web", "clientHost": "10.0.0.1", "sid": null}),
        ),
        (Preset::AUTH0, "my_client_id", json!({"sub": "my_client_id@clients", "gty": "client-credentials"})),
        (
            Preset::AUTH0,
            "my_client_id",
            json!({"sub": "my_client_id@clients", "azp": null, "client_id": "my_client_id"}),
        ),
        (Preset::OKTA, "0oabv6kx4qq6h1U5l0g7", json!({"sub": "0oabv6kx4qq6h1U5l0g7", "uid": null})),
        (Preset::ENTRA_V1, "app", json!({"sub": "o", "scp": null})),
        (Preset::ENTRA_V1, "app", json!({"idtyp": "app", "scp": null})),
        (Preset::ENTRA_V2, "app", json!({"sub": "o", "scp": null})),
        (Preset::COGNITO, "1example23456789", json!({"sub": "1example23456789", "username": null})),
    ];
    for (preset, id, own) in cases {
        let shape = shapes().into_iter().find(|shape| shape.preset == preset).expect("there");
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let name = preset.name;
        let trusted = preset.issuer(shape.issuer).keys(issuer.key_source()).audience(shape.audience).allowed_client(id);
        let verifier =
            Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("a policy");
        let changed = |changes: &Value| {
            let mut claims = shape.claims.clone();
            for (claim, value) in changes.as_object().expect("an object") {
                match value {
                    Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
                    value => claims[claim] = value.clone(),
                }
            }
            claims
        };
        let allows = async |claims: &Value| {
            let verified =
                verifier.verify(&sign(&issuer, claims)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(verified.client_id(), Some(id), "{name}");
            let context = RequestContext::new(countersign::clock::Clock::now(issuer.clock()));
            let is_allowed = verified.check(&client(id), context).is_allowed();
            assert_eq!(matches!(verified.principal(), Principal::Client(_)), is_allowed, "{name}");
            is_allowed
        };
        assert!(!allows(&shape.claims).await, "{name}: a user");
        let own_claims = changed(&own);
        assert!(allows(&own_claims).await, "{name}: the client itself");
        let mut acting = own_claims.clone();
        acting["act"] = json!({"sub": "somebody"});
        assert!(!allows(&acting).await, "{name}: with an actor");
        // A user of the same name, and parts of the mark.
        if preset == Preset::KEYCLOAK {
            for partly in [
                json!({"sub": id}),
                json!({"preferred_username": "service-account-web"}),
                json!({"preferred_username": "service-account-other", "client_id": "web"}),
                json!({"client_id": "web"}),
            ] {
                assert!(!allows(&changed(&partly)).await, "{partly}");
            }
        }
        if preset == Preset::AUTH0 {
            assert!(!allows(&changed(&json!({"sub": "other@clients"}))).await);
            assert!(!allows(&changed(&json!({"sub": id}))).await, "a user of that name");
        }
        if matches!(preset, Preset::ENTRA_V1 | Preset::ENTRA_V2) {
            for user in [
                json!({"sub": "o"}),
                json!({"scp": null}),
                json!({"sub": "o", "scp": null, "idtyp": "user"}),
                json!({"sub": id, "scp": null}),
            ] {
                assert!(!allows(&changed(&user)).await, "{user}");
            }
        }
    }
    // Workloads are clients, and all their tokens are their own.
    for preset in [Preset::KUBERNETES, Preset::SPIFFE] {
        let shape = shapes().into_iter().find(|shape| shape.preset == preset).expect("there");
        let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
        let subject = shape.claims["sub"].as_str().expect("a subject").to_owned();
        let mut claims = shape.claims.clone();
        claims["client_id"] = json!("somebody");
        let verified = verifier(&shape, &issuer).verify(&sign(&issuer, &claims)).await.expect("a good token");
        assert_eq!(verified.principal(), Principal::Client(&subject), "{}", preset.name);
    }
    // Tokens of another client are refused, whatever `client_id` says.
    let shape = shapes().remove(0);
    let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
    let trusted = Preset::KEYCLOAK.issuer(shape.issuer).keys(issuer.key_source()).audience(shape.audience);
    let verifier = Verifier::builder().trust(trusted.allowed_client("app")).clock(Arc::new(issuer.clock().clone()));
    let verifier = verifier.build().expect("a policy");
    let mut forged = shape.claims.clone();
    forged["client_id"] = json!("app");
    let refused = verifier.verify(&sign(&issuer, &forged)).await.expect_err("another client");
    assert_eq!(refused.code(), "subject_not_allowed");
    assert!(refused.detail().contains("azp: expected an allowed client, found \"web\""), "{refused}");
}

/// By the flow with a code and without nonce, an ID token of Auth0 has nothing but the lack of a client to tell it by.
#[tokio::test]
async fn s3_19_s3_30_auth0s_id_token_is_no_access_token_at_an_api_named_like_its_client() {
    let shape = shapes().into_iter().find(|shape| shape.preset == Preset::AUTH0).expect("there");
    let issuer = TestIssuer::with_algorithm(countersign::key::Algorithm::RS256).with_name(shape.issuer);
    let id_token = json!({
        "sub": "auth0|5f7c", "aud": shape.audience, "sid": "s", "nickname": "ann", "updated_at": "2026-11-01T00:00:00Z"
    });
    let verify = async |trusted: TrustedIssuer, token: &str| {
        let builder = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone()));
        let verified = builder.build().expect("a policy").verify(token).await;
        verified.map_or_else(|error| error.code(), |_| "ok")
    };
    let trusted = || Preset::AUTH0.issuer(shape.issuer).keys(issuer.key_source()).audience(shape.audience);
    for client in [Value::Null, json!("")] {
        let mut claims = id_token.clone();
        claims["azp"] = client;
        assert_eq!(verify(trusted(), &sign(&issuer, &claims)).await, "missing_claim", "{claims}");
    }
    for client in ["azp", "client_id"] {
        let mut claims = shape.claims.clone();
        claims.as_object_mut().expect("an object").remove("azp");
        claims[client] = json!("my_client_id");
        assert_eq!(verify(trusted(), &sign(&issuer, &claims)).await, "ok", "{client}");
    }
    // Other kinds that a service accepts by name have no client.
    let named = |typ: &str| trusted().profile(Profile::Named).token_type(typ);
    let of_jwt = issuer.token().header("typ", "JWT").without_claim("client_id").without_claim("scope");
    let of_jwt = id_token
        .as_object()
        .expect("an object")
        .iter()
        .fold(of_jwt, |token, (name, value)| token.claim(name, value.clone()));
    assert_eq!(verify(named("JWT"), &of_jwt.clone().sign()).await, "ok");
    assert_eq!(verify(trusted(), &of_jwt.sign()).await, "missing_claim");
    let logout = issuer.token().audience(shape.audience).without_claim("client_id").header("typ", "logout+jwt");
    let logout = logout.claim("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })).sign();
    assert_eq!(verify(named("logout+jwt"), &logout).await, "ok");
    assert_eq!(verify(trusted(), &logout).await, "wrong_type");
}
