//! S3, what a token says: required claims, authorities, confirmation, actors.

use std::time::Duration;

use countersign::authz::{Authorities, client};
use countersign::policy::{Profile, danger};
use countersign::prelude::{permission, role, scope, tenant_in_path};
use countersign::verify::Verifier;
use serde_json::{Value, json};

use super::fixture::{OK, code, code_of, judge, policy, valid, verifier};
use super::http::{DENY, SCOPE, TOK, guarded_outcome, outcome};

/// CVE-2026-75509 again: `sub` of another type.
#[test]
fn s3_20_rfc_9068_requires_its_claims() {
    for (name, when_absent, when_empty) in [
        ("iss", "missing_claim", "unknown_issuer"),
        ("exp", "missing_claim", "invalid_claim"),
        ("aud", "wrong_audience", "wrong_audience"),
        ("sub", "missing_claim", "missing_claim"),
        ("client_id", "missing_claim", "missing_claim"),
        ("iat", "missing_claim", "invalid_claim"),
        ("jti", "missing_claim", "missing_claim"),
    ] {
        assert_eq!(code_of(&valid().without(name).sign()), when_absent, "{name} absent");
        assert_eq!(code_of(&valid().claim(name, "").sign()), when_empty, "{name} empty");
    }
    for name in ["sub", "jti", "client_id", "acr"] {
        for wrong in [json!(42), json!([]), json!(["u1"]), json!({}), json!(true), json!(1.5)] {
            assert_eq!(code_of(&valid().claim(name, wrong.clone()).sign()), "invalid_claim", "{name} {wrong}");
        }
        // `null` is absence.
        let absent = code_of(&valid().without(name).sign());
        assert_eq!(code_of(&valid().claim(name, Value::Null).sign()), absent, "{name}");
    }
    assert_eq!(code_of(&valid().sign()), OK);
    let compatible = verifier(policy().profile(Profile::Compatible));
    let sparse = valid().without("sub").without("client_id").without("jti").without("iat");
    assert_eq!(code(&compatible, &sparse.sign()), OK, "the other profile needs fewer");
}

#[test]
fn s3_20_a_policy_may_require_more() {
    const NAMES: [&str; 12] =
        ["department", "acr", "amr", "auth_time", "nbf", "scope", "scp", "act", "sub", "jti", "client_id", "iat"];
    for name in NAMES {
        let verifier = verifier(policy().profile(Profile::Compatible).required_claim(name));
        let value = match name {
            "auth_time" | "nbf" | "iat" => json!(1_600_000_000),
            "amr" => json!(["pwd"]),
            "act" => json!({ "sub": "gateway" }),
            _ => json!("x"),
        };
        assert_eq!(code(&verifier, &valid().without(name).sign()), "missing_claim", "{name}");
        assert_eq!(code(&verifier, &valid().claim(name, value).sign()), OK, "{name}");
    }
}

#[test]
fn s3_20_a_policy_may_require_what_id_tokens_have() {
    for name in ["nonce", "at_hash", "c_hash"] {
        let policy = policy().profile(Profile::Named).token_type("receipt+jwt");
        let verifier = verifier(policy.required_claim(name));
        let receipt = || valid().header("typ", "receipt+jwt");
        assert_eq!(code(&verifier, &receipt().sign()), "missing_claim", "{name}");
        assert_eq!(code(&verifier, &receipt().claim(name, "x").sign()), OK, "{name}");
    }
}

#[test]
fn s3_20_s3_27_a_claim_of_a_required_value_has_that_very_string() {
    for name in ["sub", "jti", "client_id", "acr", "tid"] {
        let policy = policy().profile(Profile::Compatible).required_claim_value(name, "a\"b");
        let verifier = verifier(policy);
        let with = |value: Value| code(&verifier, &valid().claim(name, value).sign());
        assert_eq!(with(json!("a\"b")), OK, "{name}");
        assert_eq!(code(&verifier, &valid().without(name).sign()), "missing_claim", "{name}");
        for other in ["", "a", "a\"bc", "A\"B", "a\\\"b"] {
            assert_eq!(with(json!(other)), "wrong_claim", "{name} {other}");
        }
    }
    let verifier = verifier(policy().required_claim_value("tid", "1"));
    for other in [json!(1), json!(["1"]), json!({ "1": "1" }), json!(null), json!(true)] {
        assert_eq!(code(&verifier, &valid().claim("tid", other.clone()).sign()), "wrong_claim", "{other}");
    }
    assert_eq!(code(&verifier, &valid().claim("tid", "1").sign()), OK);
    let verifier = super::fixture::verifier(policy().required_claim_value("tid", "JSON 1"));
    assert_eq!(
        code(&verifier, &valid().claim("tid", 1).sign()),
        "wrong_claim",
        "no spelling of another type equals it"
    );
}

#[test]
fn s3_21_a_subject_that_spells_a_client_is_not_that_client() {
    let verifier = verifier(policy());
    let outcome = |sub: &str, client_id: &str| {
        let token = valid().claim("sub", sub).claim("client_id", client_id).sign();
        guarded_outcome(&verifier, client("svc-a"), &token)
    };
    assert_eq!(outcome("svc-a", "web"), DENY, "a user of that name");
    assert_eq!(outcome("u1", "svc-a"), DENY, "a user of that client");
    assert_eq!(outcome("svc-b", "svc-b"), DENY, "another client");
    assert_eq!(outcome("svc-a", "svc-a"), OK);

    let policy = policy().refused_subject_prefix("svc-");
    let strict = super::fixture::verifier(policy);
    assert_eq!(code(&strict, &valid().claim("sub", "svc-a").sign()), "subject_not_allowed");
    assert_eq!(code(&strict, &valid().claim("sub", "u-svc-a").sign()), OK);
}

#[test]
fn s3_22_scopes_are_whole_words_of_one_string_or_of_a_list() {
    let verifier = verifier(policy());
    let with_scope = |value: Value| guarded_outcome(&verifier, scope("read"), &valid().claim("scope", value).sign());
    for lacking in ["reads", "READ", "read,write", "xread", "write", "", " ", "read\twrite", "re ad"] {
        assert_eq!(with_scope(json!(lacking)), SCOPE, "{lacking:?}");
    }
    for having in ["read", "write read", "write  read", " read ", "a b c read d"] {
        assert_eq!(with_scope(json!(having)), OK, "{having:?}");
    }
    assert_eq!(guarded_outcome(&verifier, scope("read"), &valid().without("scope").sign()), SCOPE);
    for having in [json!(["read"]), json!(["write", "read"]), json!(["read", "read", ""])] {
        assert_eq!(with_scope(having.clone()), OK, "{having}");
    }
    for lacking in [json!([]), json!(["reads"]), json!(["READ"]), json!(["read,write"]), json!(null)] {
        assert_eq!(with_scope(lacking.clone()), SCOPE, "{lacking}");
    }
    for wrong in [
        json!(["read write"]),
        json!(["write", "read "]),
        json!(["read\twrite"]),
        json!(["read", 1]),
        json!([["read"]]),
        json!(["read", null]),
        json!(1),
        json!({}),
        json!(true),
    ] {
        assert_eq!(with_scope(wrong.clone()), TOK, "{wrong}");
        assert_eq!(code_of(&valid().claim("scope", wrong.clone()).sign()), "invalid_claim", "{wrong}");
    }
}

#[test]
fn s3_22_scp_counts_where_it_is_mapped() {
    let mapped = verifier(policy().authorities(Authorities::new().scopes_in_scp()));
    let unmapped = verifier(policy());
    for scp in [json!(["write", "read"]), json!("write read")] {
        let token = valid().without("scope").claim("scp", scp).sign();
        assert_eq!(guarded_outcome(&mapped, scope("read"), &token), OK);
        assert_eq!(guarded_outcome(&unmapped, scope("read"), &token), SCOPE);
    }
    for wrong in [json!(1), json!([1]), json!(["read", null]), json!({}), json!(["read write"])] {
        let token = valid().claim("scp", wrong.clone()).sign();
        assert_eq!((code(&mapped, &token), code(&unmapped, &token)), ("invalid_claim", OK), "{wrong}");
    }
}

fn mapping_verifier() -> Verifier {
    let authorities = Authorities::new().roles_at("/roles").permissions_at("/realm/permissions").tenant_at("/tenant");
    verifier(policy().authorities(authorities))
}

/// The published audit of jwt-simple found claims that failed open.
#[test]
fn s3_23_mapped_claims_fail_closed() {
    let verifier = mapping_verifier();
    let with_roles = |value: Value| valid().claim("roles", value).sign();
    for (wrong, found) in [
        (json!({ "admin": true }), "an object"),
        (json!([1]), "a number in it"),
        (json!(["admin", 1]), "a number in it"),
        (json!([{ "name": "admin" }]), "an object in it"),
        (json!([null]), "null in it"),
        (json!(true), "a boolean"),
        (json!(7), "a number"),
    ] {
        let refused = judge(&verifier, &with_roles(wrong.clone())).expect_err("refused");
        assert_eq!(refused.code(), "invalid_claim", "{wrong}");
        assert!(refused.detail().starts_with("/roles: ") && refused.detail().ends_with(found), "{refused}");
        assert_eq!(outcome(&verifier, &with_roles(wrong.clone())), TOK, "{wrong}");
    }
    for lacking in [
        json!([]),
        json!(null),
        json!(["notadmin"]),
        json!(["Admin"]),
        json!(["admin "]),
        json!(["admin,user"]),
        json!("notadmin"),
        json!("admin,user"),
        json!("admin user"),
        json!("user admin"),
        json!(" admin"),
        json!(""),
    ] {
        assert_eq!(guarded_outcome(&verifier, role("admin"), &with_roles(lacking.clone())), DENY, "{lacking}");
    }
    assert_eq!(guarded_outcome(&verifier, role("admin"), &valid().sign()), DENY, "no roles at all");
    assert_eq!(guarded_outcome(&verifier, role("admin"), &with_roles(json!(["user", "admin"]))), OK);
    assert_eq!(guarded_outcome(&verifier, role("admin"), &with_roles(json!("admin"))), OK, "a list of one");
    let both = with_roles(json!("user admin"));
    assert_eq!(guarded_outcome(&verifier, role("user admin"), &both), OK, "one name, never split");

    let within = |value: Value| valid().claim("realm", value).sign();
    for wrong in
        [json!("x"), json!([]), json!(1), json!({ "permissions": { "write": 1 } }), json!({ "permissions": [1] })]
    {
        assert_eq!(code(&verifier, &within(wrong.clone())), "invalid_claim", "{wrong}");
    }
    // Behind this name, serde_json would read a text of its own: with a name that stands twice, say.
    let hidden = json!({ "$serde_json::private::RawValue": r#"{"permissions":[],"permissions":["write"]}"# });
    assert_eq!(code(&verifier, &within(hidden)), "malformed");
    let allowed = within(json!({ "permissions": ["write"] }));
    assert_eq!(guarded_outcome(&verifier, permission("write"), &allowed), OK);
    assert_eq!(guarded_outcome(&verifier, permission("write"), &within(json!({ "permissions": "write" }))), OK);
    for lacking in [json!({}), json!(null), json!({ "permissions": null })] {
        assert_eq!(guarded_outcome(&verifier, permission("write"), &within(lacking)), DENY);
    }
}

#[test]
fn s3_23_a_tenant_is_a_name_or_the_token_is_refused() {
    let verifier = mapping_verifier();
    for wrong in [json!("../x"), json!(""), json!("a/b"), json!(1), json!(["acme"]), json!("a\u{0}")] {
        assert_eq!(code(&verifier, &valid().claim("tenant", wrong.clone()).sign()), "invalid_claim", "{wrong}");
    }
    let error = judge(&verifier, &valid().claim("tenant", "Acme GmbH").sign()).expect_err("a space");
    assert_eq!(
        error.detail(),
        "/tenant: not a tenant id, which is 1 to 128 characters of A-Z a-z 0-9 . _ - and no other"
    );
    let token = valid().claim("tenant", "acme").sign();
    assert_eq!(code(&verifier, &token), OK);
    assert_eq!(guarded_outcome(&verifier, tenant_in_path("tenant"), &token), DENY, "no such parameter in the path");
}

/// S6.01, S6.26: until proofs are checked.
#[test]
fn s3_24_a_bound_token_is_no_bearer_token() {
    for cnf in [json!({ "jkt": "abc" }), json!({ "x5t#S256": "abc" }), json!({}), json!(null), json!("x"), json!([])] {
        let token = valid().claim("cnf", cnf.clone()).sign();
        assert_eq!((code_of(&token), outcome(&verifier(policy()), &token)), ("proof_required", TOK), "{cnf}");
    }
    for policy in [policy().profile(Profile::Compatible), danger::any_type(policy())] {
        let verifier = verifier(policy);
        assert_eq!(code(&verifier, &valid().claim("cnf", json!({ "jkt": "abc" })).sign()), "proof_required");
    }
    assert_eq!(code_of(&valid().claim("confirmation", json!({ "jkt": "abc" })).sign()), OK);
}

#[test]
fn s3_26_unknown_claims_are_ignored() {
    let values = [json!(1), json!("x"), json!(null), json!([1, "x"]), json!({ "a": { "b": [] } })];
    let token = (0..20).fold(valid(), |token, index| token.claim(&format!("x{index}"), values[index % 5].clone()));
    assert_eq!(code_of(&token.sign()), OK);
}

#[test]
fn s3_29_only_the_outermost_actor_acts() {
    let verifier = verifier(policy());
    let token = valid().claim("act", json!({ "sub": "gateway", "act": { "sub": "admin-svc" } })).sign();
    let verified = judge(&verifier, &token).expect("accepted");
    assert_eq!(verified.actor(), Some("gateway"));
    assert_eq!(judge(&verifier, &valid().sign()).expect("accepted").actor(), None);

    let chain = |actors: usize| {
        (0..actors).fold(Value::Null, |inner, _| match inner {
            Value::Null => json!({ "sub": "a" }),
            inner => json!({ "sub": "a", "act": inner }),
        })
    };
    for wrong in [
        json!("x"),
        json!(1),
        json!([]),
        json!(["a", null]),
        json!({ "sub": 1 }),
        json!({ "sub": "a", "act": "x" }),
        json!({ "sub": "a", "act": ["b", null] }),
    ] {
        assert_eq!(code(&verifier, &valid().claim("act", wrong.clone()).sign()), "invalid_claim", "{wrong}");
    }
    assert_eq!(code(&verifier, &valid().claim("act", Value::Null).sign()), OK, "nobody acts");
    assert_eq!(code(&verifier, &valid().claim("act", chain(8)).sign()), OK);
    assert_eq!(code(&verifier, &valid().claim("act", chain(9)).sign()), "invalid_claim");
}

/// S3.28's other side: what a guard asks about time it asks the same clock.
#[test]
fn s3_05_the_time_of_login_is_judged_by_the_verifiers_clock() {
    let verifier = verifier(policy());
    let guard = || countersign::prelude::authenticated_within(Duration::from_secs(900));
    let logged_in = |at: u64| valid().claim("auth_time", at).sign();
    let now = super::fixture::T;
    assert_eq!(guarded_outcome(&verifier, guard(), &logged_in(now - 900)), OK);
    assert_eq!(guarded_outcome(&verifier, guard(), &logged_in(now - 901)), super::http::STEP);
    assert_eq!(guarded_outcome(&verifier, guard(), &valid().sign()), super::http::STEP);
}

#[test]
fn s3_23_a_named_mapping_says_how_to_read_names() {
    use countersign::authz::NamesClaim;
    let at = || NamesClaim::new("/roles");
    for (claim, value, roles) in [
        (
            at().keys(),
            json!({ "admin": { "org": "1" }, "clerk": true, "no": false, "none": null }),
            Some(vec!["admin", "clerk"]),
        ),
        (at().keys(), json!({}), Some(vec![])),
        (at().keys(), json!({ "a": {}, "b": [], "c": ["x"], "d": { "org": null } }), Some(vec!["c", "d"])),
        (at().keys(), json!({ "admin": "false" }), None),
        (at().keys(), json!({ "admin": "" }), None),
        (at().keys(), json!({ "admin": 0 }), None),
        (at().keys(), json!({ "clerk": true, "admin": 1 }), None),
        (at().keys(), json!(["admin"]), None),
        (at().member("name"), json!([{ "name": "admin", "id": 1 }, { "name": "clerk" }]), Some(vec!["admin", "clerk"])),
        (at().member("name"), json!({ "name": "admin" }), Some(vec!["admin"])),
        (at().member("name"), json!([{ "id": 1 }]), None),
        (at().member("name"), json!([{ "name": 1 }]), None),
        (at().member("name"), json!(["admin"]), None),
        (at().separator(","), json!("admin, clerk,,"), Some(vec!["admin", "clerk"])),
        (at().separator(","), json!(["b,a", " c ", ""]), Some(vec!["a", "b", "c"])),
        (at().separator(","), json!(["a", 7]), None),
        (at().separator(","), json!(7), None),
        (at(), json!("a,b"), Some(vec!["a,b"])),
        (at(), json!(["", "a"]), Some(vec!["a"])),
        (at(), json!(""), Some(vec![])),
        (at().member("name"), json!([{ "name": "" }, { "name": "a" }]), Some(vec!["a"])),
        (at().keys(), json!({ "": true, "a": true }), Some(vec!["a"])),
        (at().keys(), json!(null), Some(vec![])),
    ] {
        let verifier = verifier(policy().authorities(Authorities::new().roles_at(claim.clone())));
        let read = judge(&verifier, &valid().claim("roles", value.clone()).sign());
        let read = read.map(|verified| verified.grants().roles.iter().map(str::to_owned).collect::<Vec<_>>());
        match roles {
            Some(roles) => {
                assert_eq!(read.expect("read"), roles, "{claim:?} {value}");
                let prefixed = Authorities::new().roles_at(claim.clone()).name_prefix("p:");
                let prefixed = super::fixture::verifier(policy().authorities(prefixed));
                let verified = judge(&prefixed, &valid().claim("roles", value.clone()).sign()).expect("read");
                assert_eq!(verified.grants().roles.len(), roles.len(), "a prefix makes no name of an empty string");
            }
            None => assert!(read.expect_err("another form").detail().starts_with("/roles: expected "), "{value}"),
        }
    }
}

#[test]
fn s3_23_claims_named_like_addresses_are_mapped() {
    let claims = || {
        valid().claim("https://shop.test/roles", json!(["admin"])).claim("https://shop.test/d", json!({ "t": "acme" }))
    };
    for (roles, tenant) in [
        ("https://shop.test/roles", "/https:~1~1shop.test~1d/t"),
        ("/https:~1~1shop.test~1roles", "/https:~1~1shop.test~1d/t"),
    ] {
        let verifier = verifier(policy().authorities(Authorities::new().roles_at(roles).tenant_at(tenant)));
        let verified = judge(&verifier, &claims().sign()).expect("accepted");
        assert!(verified.grants().roles.contains("admin"), "{roles}");
        assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("acme"));
        let elsewhere = claims().claim("_claim_names", json!({ "https://shop.test/roles": "src1" })).sign();
        assert_eq!(guarded_outcome(&verifier, role("none").not(), &elsewhere), DENY);
    }
}

#[test]
fn s3_19_nonce_alone_may_be_permitted_and_never_a_hash() {
    let with_nonce = verifier(policy().nonce_in_access_tokens());
    let marked = verifier(policy().kind_claim("token_use", ["access"]));
    let access = || valid().claim("token_use", "access");
    assert_eq!(code_of(&access().claim("nonce", "n").sign()), "id_token", "without a setting");
    for verifier in [&with_nonce, &marked] {
        assert_eq!(code(verifier, &access().claim("nonce", "n").sign()), OK);
        for hash in ["at_hash", "c_hash"] {
            assert_eq!(code(verifier, &access().claim(hash, "h").sign()), "id_token", "{hash}");
        }
    }
    assert_eq!(code(&with_nonce, &valid().claim("nonce", "n").sign()), OK);
    for other in [valid(), valid().claim("token_use", "at"), valid().claim("token_use", Value::Null)] {
        assert_eq!(code(&marked, &other.claim("nonce", "n").sign()), "wrong_type");
    }
}
