//! S3.30, every kind of token given to the verifier of every other: by its `typ`, and by its claims where `typ` tells nothing.

use countersign::policy::{Profile, TrustedIssuer, danger};
use countersign::verify::Verifier;
use serde_json::{Value, json};

use super::fixture::{AUDIENCE, ISSUER, OK, Token, code, judge, policy, valid, verifier};
use super::http::{TOK, outcome};

/// A kind of token: the types that it has, and the claims that tell it.
struct Kind {
    name: &'static str,
    types: &'static [&'static str],
    claims: Value,
}

/// The issuer's subject in a claim removes it: an object member of `null` below.
fn kinds() -> Vec<Kind> {
    let kind = |name, types, claims| Kind { name, types, claims };
    let events = |event: &str| json!({ "events": { event: {} }, "sid": "s1", "jti": "j2" });
    vec![
        kind("access", &["at+jwt"], json!({ "token_use": "access", "typ": "Bearer" })),
        kind("ID", &["id_token+jwt"], json!({ "nonce": "n", "at_hash": "h", "client_id": null, "azp": "c1" })),
        kind("logout", &["logout+jwt"], events("http://schemas.openid.net/event/backchannel-logout")),
        kind("security event", &["secevent+jwt"], events("https://schemas.openid.net/secevent/caep/event-type/x")),
        kind("DPoP proof", &["dpop+jwt"], json!({ "htm": "GET", "htu": "https://api.test/", "client_id": null })),
        kind("workload proof", &["wpt+jwt"], json!({ "wth": "h", "client_id": null })),
        kind("client assertion", &["client-authentication+jwt"], json!({ "sub": ISSUER, "client_id": null })),
        kind(
            "transaction",
            &["txntoken+jwt", "txn_token+jwt"],
            json!({ "txn": "t", "purp": "trade", "rctx": { "ip": "192.0.2.1" }, "tctx": {} }),
        ),
        kind("SD-JWT", &["dc+sd-jwt", "vc+sd-jwt"], json!({ "_sd": ["x"], "_sd_alg": "sha-256", "vct": "https://v" })),
        kind("credential", &["vc+jwt"], json!({ "vc": { "type": ["VerifiableCredential"] } })),
        kind("refresh", &["rt+jwt"], json!({ "typ": "Refresh" })),
        kind("introspection", &["token-introspection+jwt"], json!({ "token_introspection": { "active": true } })),
        kind(
            "authorization request",
            &["oauth-authz-req+jwt"],
            json!({ "response_type": "code", "redirect_uri": "https://app.test/", "scope": "openid" }),
        ),
        kind("authorization response", &[], json!({ "code": "c", "state": "s", "sub": null, "client_id": null })),
    ]
}

impl Kind {
    /// A token of this kind with this `typ`.
    fn token(&self, typ: Option<&str>) -> Token {
        let token = typ.map_or_else(|| valid().without_header("typ"), |typ| valid().header("typ", typ));
        let claims = self.claims.as_object().expect("an object");
        claims.iter().fold(token, |token, (name, value)| match value {
            Value::Null => token.without(name),
            value => token.claim(name, value.clone()),
        })
    }

    fn is_access(&self) -> bool {
        self.name == "access"
    }
}

/// Kinds whose claims have one form, so that only `typ` tells them apart.
fn family(typ: &str) -> &str {
    match typ {
        "logout+jwt" | "secevent+jwt" => "event",
        "dpop+jwt" | "wpt+jwt" => "proof",
        "dc+sd-jwt" | "vc+sd-jwt" | "vc+jwt" => "credential",
        "txntoken+jwt" | "txn_token+jwt" => "transaction",
        typ => typ,
    }
}

/// The policies that a service may have: of both profiles, of one named type, and of one beside those of the profile.
fn policies() -> Vec<(String, Verifier)> {
    let named = |profile| move |typ: &str| policy().profile(profile).token_type(typ);
    let mut all = vec![
        ("compatible".to_owned(), verifier(policy().profile(Profile::Compatible))),
        ("access_token".to_owned(), verifier(policy())),
        ("named JWT".to_owned(), verifier(named(Profile::Named)("JWT"))),
    ];
    // A policy that names the type of transaction tokens is no policy.
    for typ in kinds().iter().filter(|kind| kind.name != "transaction").flat_map(|kind| kind.types) {
        for (name, profile) in [("named", Profile::Named), ("beside", Profile::Compatible)] {
            all.push((format!("{name} {typ}"), verifier(named(profile)(typ))));
        }
    }
    all
}

#[test]
fn s3_30_s3_17_each_kind_is_refused_by_the_verifier_of_every_other() {
    let kinds = kinds();
    for (name, verifier) in policies() {
        for kind in &kinds {
            let types = kinds.iter().flat_map(|kind| kind.types).chain(&["JWT", "application/jwt"]);
            for typ in types.copied().map(Some).chain([None]) {
                let token = kind.token(typ).sign();
                let is_own_type = typ.is_some_and(|typ| kind.types.contains(&typ));
                let is_untyped = typ.is_none_or(|typ| typ.ends_with("JWT") || typ.ends_with("/jwt"));
                let names = |typ: &str| name.ends_with(&format!(" {typ}"));
                let accepted = match &*name {
                    "compatible" => kind.is_access() && (is_own_type || is_untyped),
                    "access_token" => kind.is_access() && is_own_type,
                    "named JWT" => kind.name == "ID" && is_untyped && typ.is_some(),
                    beside if beside.starts_with("beside") && kind.is_access() => is_own_type || is_untyped,
                    // Client assertions were untyped before they had a type of their own.
                    "beside client-authentication+jwt" if kind.name == "client assertion" => is_own_type || is_untyped,
                    _ => typ.is_some_and(|typ| {
                        kind.types.first().is_some_and(|own| family(typ) == family(own)) && names(typ)
                    }),
                };
                // Of another type, a client assertion differs from an access token by nothing but that type.
                let is_unmarked = kind.name == "client assertion" && !is_own_type && !is_untyped;
                let code = code(&verifier, &token);
                if is_unmarked {
                    continue;
                }
                assert_eq!(code == OK, accepted, "{} of type {typ:?}, given to {name}: {code}", kind.name);
                assert!(accepted || ["wrong_type", "id_token", "missing_claim"].contains(&code), "{code}");
            }
        }
    }
}

/// An issuer that calls as a client of its own: its token names that client, and an assertion does not.
#[test]
fn s3_30_an_untyped_token_of_an_issuer_for_itself_is_an_assertion_only_without_a_client() {
    let verifier = verifier(policy().profile(Profile::Compatible));
    for own in [valid().claim("sub", ISSUER).without_header("typ"), valid().claim("sub", ISSUER).header("typ", "JWT")] {
        assert_eq!(code(&verifier, &own.clone().sign()), OK);
        assert_eq!(code(&verifier, &own.clone().claim("sub", "u1").without("client_id").sign()), OK, "another's");
        assert_eq!(code(&verifier, &own.without("client_id").sign()), "wrong_type");
    }
    assert_eq!(code(&verifier, &valid().claim("sub", ISSUER).without("client_id").sign()), OK, "its type tells it");
}

#[test]
fn s3_30_a_workload_identity_token_and_an_sd_jwt_with_disclosures_are_never_bearer_tokens() {
    let wit = |typ: &str| valid().header("typ", typ).claim("cnf", json!({ "jwk": {} })).sign();
    for (name, verifier) in policies() {
        for typ in ["wit+jwt", "JWT", "at+jwt"] {
            assert_ne!(code(&verifier, &wit(typ)), OK, "{name} {typ}");
        }
        let disclosed = format!("{}~WyJzYWx0IiwiYSIsMV0~", kinds()[8].token(Some("dc+sd-jwt")).sign());
        assert_ne!(code(&verifier, &disclosed), OK, "{name}");
    }
}

/// One claim of a good access token is added, and every answer is the same refusal.
#[test]
fn s3_17_s3_30_a_kind_that_only_one_claim_declares_counts_in_every_profile() {
    let declared = [
        ("token_use", json!("id")),
        ("token_use", json!("ID")),
        ("token_use", json!("refresh")),
        ("token_use", json!("else")),
        ("token_use", json!(["access"])),
        ("token_use", json!(1)),
        ("typ", json!("ID")),
        ("typ", json!("id")),
        ("typ", json!("Refresh")),
        ("typ", json!("REFRESH")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
        ("typ", json!("logout+jwt")),
        ("typ", json!(["ID"])),
        ("token_type", json!("refresh")),
        ("type", json!("refresh")),
        ("events", json!({})),
        ("events", json!({ "https://schemas.openid.net/secevent/x": {} })),
        ("events", json!([])),
        ("htm", json!("GET")),
        ("htu", json!("https://api.test/")),
        ("s_hash", json!("h")),
        ("vct", json!("https://v")),
        ("token_introspection", json!({})),
        ("response_type", json!("code")),
        ("req_wl", json!("w")),
        ("azd", json!({})),
        ("purp", json!("trade")),
        ("rt_hash", json!("h")),
        ("urn:openid:params:jwt:claim:rt_hash", json!("h")),
        ("urn:openid:params:jwt:claim:auth_req_id", json!("a")),
        ("credentialSubject", json!({ "id": "did:example:1" })),
        ("@context", json!(["https://www.w3.org/ns/credentials/v2"])),
        ("type", json!("VerifiableCredential")),
        ("type", json!(["VerifiableCredential", "ExampleDegree"])),
        ("type", json!(["ExampleEnvelope", "VerifiablePresentation"])),
        ("token_type", json!(["id_token"])),
        ("token_type", json!("sd-jwt")),
        ("token_type", json!("application/sd-jwt")),
        ("realm_access", json!({ "_sd": ["h"] })),
        ("realm_access", json!({ "\u{5f}sd": [] })),
        ("address", json!([[{ "region": { "_sd": ["h"], "country": "DE" } }]])),
        ("act", json!({ "sub": "gateway", "_sd": ["h"] })),
        ("groups", json!(["staff", { "...": "h" }])),
        ("cnf-like", json!({ "x": [{ "...": "h" }] })),
        ("verifiableCredential", json!([])),
        ("vp_token", json!({})),
        ("code_challenge", json!("c")),
        ("id_token_hint", json!("e30.e30.")),
        ("tokenType", json!("RefreshToken")),
        ("token_kind", json!("id_token")),
        ("tokenUse", json!("id")),
        ("use", json!("refresh")),
        ("kind", json!("logout_token")),
        ("token_type", json!("vc+jwt")),
        ("token_type", json!("txn_token")),
        ("token_type", json!("authorization_code")),
        ("token_type", json!("urn:ietf:params:oauth:token-type:refresh_token")),
        ("token_type", json!("URN:ietf:params:oauth:token-type:id_token")),
        ("type", json!("urn:ietf:params:oauth:token-type:id_token")),
        ("token_type", json!("urn:ietf:params:oauth:token-type:id-jag")),
        ("token_use", json!("urn:ietf:params:oauth:token-type:refresh_token")),
        ("typ", json!("urn:ietf:params:oauth:token-type:id_token")),
        // Responses by the drafts before RFC 9701, refresh tokens of Spring Security OAuth and of Cloud Foundry UAA, statements
        // of OpenID Federation, a status list, and an ID token that its subject issued.
        ("active", json!(true)),
        ("active", json!(false)),
        ("ati", json!("3ab3")),
        ("granted_scopes", json!(["orders:read"])),
        ("authority_hints", json!(["https://anchor.test"])),
        ("metadata_policy", json!({})),
        ("metadata_policy_crit", json!(["remove"])),
        ("trust_marks", json!([])),
        ("trust_mark_issuers", json!({})),
        ("trust_mark_owners", json!({})),
        ("jwks", json!({ "keys": [] })),
        ("status_list", json!({ "bits": 1, "lst": "eNrbuRgAAhcBXQ" })),
        ("sub_jwk", json!({ "kty": "OKP" })),
    ];
    type Policy = fn() -> TrustedIssuer;
    let profiles: [(&str, Policy); 3] = [
        ("compatible", || policy().profile(Profile::Compatible)),
        ("access_token", policy),
        ("named", || policy().profile(Profile::Named).token_type("at+jwt")),
    ];
    for (profile, policy) in profiles {
        let strict = verifier(policy());
        let any = verifier(danger::any_type(policy()));
        for (name, value) in &declared {
            let token = valid().claim(name, value.clone()).sign();
            let code = super::fixture::code(&strict, &token);
            assert!(["wrong_type", "id_token"].contains(&code), "{profile} {name} {value}: {code}");
            assert_eq!(outcome(&strict, &token), TOK, "{profile} {name} {value}");
            assert_eq!(super::fixture::code(&any, &token), OK, "{profile} {name} {value}");
        }
        // Access tokens of Keycloak, of Amazon Cognito, and of issuers that use the names for something else.
        for (name, value) in [
            ("typ", json!("Bearer")),
            ("typ", json!("bearer")),
            ("typ", json!("JWT")),
            ("typ", json!("at+jwt")),
            ("typ", json!(null)),
            ("token_use", json!("access")),
            ("token_use", json!(null)),
            ("token_type", json!("Bearer")),
            ("type", json!("user")),
            ("type", json!(["refresh"])),
            ("purpose", json!("billing")),
            ("events", json!(null)),
            ("sid", json!("s")),
            ("azp", json!(AUDIENCE)),
            ("txn", json!("t")),
            ("token_use", json!("urn:ietf:params:oauth:token-type:access_token")),
            ("typ", json!("urn:ietf:params:oauth:token-type:access_token")),
            ("token_type", json!("urn:ietf:params:oauth:token-type:access_token")),
            ("token_type", json!("urn:ietf:params:oauth:token-type:jwt")),
            ("token_type", json!("access")),
            ("tokenType", json!("JWTToken")),
            ("tokenName", json!("access_token")),
            ("token_kind", json!("user")),
            ("use", json!("sig")),
            ("type", json!("action")),
            ("purpose", json!("registration")),
            ("state", json!("Bavaria")),
            ("code", json!("DE")),
            ("error", json!(null)),
            ("active", json!("yes")),
            ("active", json!(null)),
            ("jwks", json!("https://app.test/keys")),
            ("ati", json!(null)),
            ("metadata", json!({ "plan": "gold" })),
            ("constraints", json!({})),
            ("status", json!({ "status_list": { "idx": 1, "uri": "https://status.test" } })),
            ("redirect_uri", json!("https://app.test/")),
        ] {
            let token = valid().claim(name, value.clone()).sign();
            assert_eq!(super::fixture::code(&strict, &token), OK, "{profile} {name} {value}");
        }
    }
}

/// The strict profile with `JWT` as a further type takes access tokens of that type, not ID tokens.
#[test]
fn s3_19_s3_30_jwt_stands_for_id_tokens_only_under_the_named_profile() {
    let with = |profile| verifier(policy().profile(profile).token_type("JWT"));
    let id_claims = [("nonce", json!("n")), ("at_hash", json!("h")), ("typ", json!("ID")), ("token_use", json!("id"))];
    let of_jwt = || valid().header("typ", "JWT");
    for profile in [Profile::AccessToken, Profile::Compatible] {
        assert_eq!(code(&with(profile), &of_jwt().sign()), OK);
        for (name, value) in &id_claims {
            let id = of_jwt().claim(name, value.clone()).sign();
            assert_eq!(code(&with(profile), &id), "id_token", "{profile:?} {name}");
        }
    }
    for (name, value) in &id_claims {
        let id = of_jwt().claim(name, value.clone()).sign();
        assert_eq!(code(&with(Profile::Named), &id), OK, "{name}");
    }
}

/// Most issuers sign both with the same `typ`, and few write a claim that says which is which.
#[test]
fn s3_19_s3_30_an_access_token_of_type_jwt_is_no_id_token() {
    let named = verifier(policy().profile(Profile::Named).token_type("JWT"));
    let bare = || valid().header("typ", "JWT").without("scope").without("client_id").without("jti");
    for (name, value) in [
        ("scope", json!("read")),
        ("scope", json!("")),
        ("scp", json!(["read"])),
        ("client_id", json!("c1")),
        ("cid", json!("c1")),
        ("appid", json!("c1")),
        ("appidacr", json!("1")),
        ("azpacr", json!("0")),
        ("gty", json!("client-credentials")),
    ] {
        let access = bare().claim(name, value.clone());
        assert_eq!(code(&named, &access.clone().sign()), "wrong_type", "{name}");
        assert_eq!(code(&named, &access.claim("nonce", "n").sign()), OK, "{name}");
    }
    // The ID tokens of providers, by the flow with a code and without `nonce`.
    for (provider, claims) in [
        ("Keycloak", json!({ "typ": "ID", "azp": "web", "sid": "s", "at_hash": "h", "acr": "1" })),
        ("Google", json!({ "azp": "web", "at_hash": "h", "email": "ann@shop.test", "hd": "shop.test" })),
        ("Entra", json!({ "ver": "2.0", "oid": "o", "tid": "t", "rh": "r", "uti": "u", "roles": ["Clerk"] })),
        ("Auth0", json!({ "sid": "s", "nickname": "ann", "updated_at": "2026-11-01T00:00:00Z" })),
        ("Okta", json!({ "ver": 1, "idp": "i", "amr": ["pwd"], "auth_time": 1_699_999_000, "at_hash": "h" })),
        ("Cognito", json!({ "token_use": "id", "cognito:username": "ann", "origin_jti": "j", "event_id": "e" })),
        ("Hydra", json!({ "at_hash": "h", "auth_time": 1_699_999_000, "rat": 1_699_999_000, "sid": "s" })),
        ("Zitadel", json!({ "azp": "web", "client_id": "web", "at_hash": "h", "amr": ["password"] })),
    ] {
        let claims = claims.as_object().expect("an object");
        let id = claims.iter().fold(bare(), |token, (name, value)| token.claim(name, value.clone()));
        assert_eq!(code(&named, &id.sign()), OK, "{provider}");
    }
}

/// Hidden roles are not absent ones: a rule that denies a role would be met.
#[test]
fn s3_30_s5_26_claims_that_are_disclosed_elsewhere_make_no_access_token() {
    use countersign::authz::{Authorities, role};
    let mapped = policy().authorities(Authorities::new().roles_at("/realm_access/roles"));
    let plain = valid().claim("realm_access", json!({ "roles": ["clerk"] })).sign();
    assert!(super::fixture::judge(&verifier(mapped.clone()), &plain).expect("plain").meets(&role("admin").not()));
    for hidden in [json!({ "_sd": ["h"] }), json!({ "roles": [{ "...": "h" }] }), json!({ "roles": [], "_sd": ["h"] })]
    {
        let token = valid().claim("realm_access", hidden.clone()).sign();
        assert_eq!(code(&verifier(mapped.clone()), &token), "wrong_type", "{hidden}");
    }
}

/// What is elsewhere is not absent: not the key that a token is bound to, nor what tells its kind.
#[test]
fn s3_23_s3_24_s3_30_no_claim_that_decides_validity_is_elsewhere() {
    let policies = [
        policy(),
        policy().profile(Profile::Compatible),
        policy().profile(Profile::Compatible).client_id_for_absent_audience().audience("c1"),
        danger::any_type(policy()),
    ];
    let refused = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce", "at_hash", "c_hash", "s_hash"];
    let kinds = ["events", "token_use", "typ", "token_type", "type", "htm", "_sd", "vct", "vc", "code", "redirect_uri"];
    let kinds = kinds.into_iter().chain(["active", "ati", "jwks", "status_list"]);
    for policy in policies {
        let verifier = verifier(policy);
        for name in refused.into_iter().chain(kinds.clone()) {
            let there = valid().claim("aud", json!([AUDIENCE, "c1"]));
            for token in [there.clone(), there.without(name)] {
                let token = token.claim("_claim_names", json!({ "other": "s", name: "s" }));
                assert_eq!(code(&verifier, &token.sign()), "invalid_claim", "{name}");
            }
        }
        for name in ["other", "roles", "acr", "amr", "auth_time", "scope", "scp"] {
            let token = valid().claim("aud", json!([AUDIENCE, "c1"])).claim("_claim_names", json!({ name: "s" }));
            assert_eq!(code(&verifier, &token.sign()), OK, "{name}: the rules over it know");
        }
    }
    let by_client = policy().profile(Profile::Compatible).client_id_for_absent_audience().audience("c1");
    let token = valid().without("aud");
    assert_eq!(code(&verifier(by_client.clone()), &token.clone().sign()), OK);
    let elsewhere = token.claim("_claim_names", json!({ "client_id": "s" })).sign();
    assert_eq!(code(&verifier(by_client), &elsewhere), "wrong_audience");
}

#[test]
fn s3_30_a_claim_that_must_name_the_kind_and_is_absent_is_called_absent() {
    let verifier = verifier(policy().kind_claim("typ", ["Bearer", "DPoP"]));
    let detail = |token: &str| judge(&verifier, token).expect_err("refused").detail().to_owned();
    assert_eq!(detail(&valid().sign()), "the claim typ is absent; expected Bearer or DPoP");
    assert_eq!(detail(&valid().claim("typ", "JWT").sign()), "typ: expected Bearer or DPoP, found \"JWT\"");
}

#[test]
fn s3_30_a_claim_typ_that_names_no_access_token_refuses() {
    let with = |typ: &str| code(&verifier(policy()), &valid().claim("typ", typ).sign());
    for access in ["Bearer", "bearer", "JWT", "jwt", "DPoP", "dpop", "access", "Access"] {
        assert_eq!(with(access), OK, "{access}");
    }
    for other in ["verify-email", "execute-actions", "reset-credentials", "idp-verify-account", "user", "", "Bearer,ID"]
    {
        assert_eq!(with(other), "wrong_type", "{other}");
    }
}

/// A response names nobody; a caller may have a `code` and live in a `state`.
#[test]
fn s3_17_s3_30_claims_that_declare_a_kind_together_do_so_in_every_profile() {
    let verifier = |profile| verifier(policy().profile(profile).token_type("JWT"));
    let response = |names: &[&str]| {
        let token = valid().header("typ", "JWT").without("sub").without("client_id").without("jti").without("scope");
        names.iter().fold(token, |token, name| token.claim(name, "x"))
    };
    for profile in [Profile::Compatible, Profile::Named] {
        let verifier = verifier(profile);
        for names in [
            &["code", "state"][..],
            &["error", "state"],
            &["error", "error_description", "state"],
            &["access_token", "state"],
            &["id_token", "state"],
            &["code"],
            &["error"],
        ] {
            assert_eq!(code(&verifier, &response(names).sign()), "wrong_type", "{profile:?} {names:?}");
            let of_somebody = valid().header("typ", "JWT").without("scope").without("client_id");
            let of_somebody = names.iter().fold(of_somebody, |token, name| token.claim(name, "x"));
            assert_eq!(code(&verifier, &of_somebody.sign()), OK, "{profile:?} {names:?}");
        }
        let of_client = response(&["code", "state"]).claim("client_id", "c1").sign();
        assert_eq!(code(&verifier, &of_client), "wrong_type", "{profile:?}");
        assert_eq!(code(&verifier, &response(&["state"]).sign()), OK, "{profile:?}");
        let with_client = response(&["code"]).claim("client_id", "c1").sign();
        let expected = if profile == Profile::Named { "wrong_type" } else { OK };
        assert_eq!(code(&verifier, &with_client), expected, "{profile:?}: it is no ID token");
        let request = response(&["redirect_uri", "state"]).claim("client_id", "c1").sign();
        assert_eq!(code(&verifier, &request), "wrong_type", "{profile:?}");
    }
}

#[test]
fn s3_17_s3_30_a_content_type_that_names_a_kind_of_token_counts() {
    for typ in ["at+jwt", "JWT"] {
        let token = |cty: &str| valid().header("typ", typ).header("cty", cty).sign();
        let compatible = verifier(policy().profile(Profile::Compatible));
        for cty in
            ["vc", "VP", "application/vc", "dc+sd-jwt", "logout+jwt", "application/secevent+jwt", "RT+JWT", "other+jwt"]
                .into_iter()
                .chain(["sd-jwt", "application/sd-jwt", "vc+ld+json", "vp+ld+json", "vc+cose", "VC; x=y"])
                .chain(["credential-claims-set+json", "application/credential-claims-set+json", "vc+sd-jwt ; a=b"])
        {
            assert_eq!(code(&compatible, &token(cty)), "wrong_type", "{typ} {cty}");
            assert_eq!(code(&verifier(danger::any_type(policy())), &token(cty)), OK, "{typ} {cty}");
        }
        for cty in ["at+jwt", "application/at+jwt", "json", "application/json", "", "text/plain"] {
            assert_eq!(code(&compatible, &token(cty)), OK, "{typ} {cty}");
        }
    }
    let logout = valid().header("typ", "logout+jwt").header("cty", "logout+jwt").sign();
    assert_eq!(code(&verifier(policy().profile(Profile::Named).token_type("logout+jwt")), &logout), OK);
}
