//! The data form: read as it was written, and within bounds.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::authz::{all_of, any_of, at_least, claims_where, in_transaction, transaction};
use crate::token::CredentialKind;

/// One requirement of every kind that can be read, in the order of the documented table.
fn every_kind() -> Vec<(Requirement, Value)> {
    let read = || scope("read");
    vec![
        (any_authenticated(), json!({ "any_authenticated": {} })),
        (scope("a"), json!({ "scope": "a" })),
        (role("a"), json!({ "role": "a" })),
        (permission("a"), json!({ "permission": "a" })),
        (group("a"), json!({ "group": "a" })),
        (subject("a"), json!({ "subject": "a" })),
        (client("a"), json!({ "client": "a" })),
        (issued_by("https://a"), json!({ "issued_by": "https://a" })),
        (actor("a"), json!({ "actor": "a" })),
        (owner("https://a", "b"), json!({ "owner": { "issuer": "https://a", "subject": "b" } })),
        (claim("plan", "gold"), json!({ "claim": { "path": "/plan", "value": "gold" } })),
        (claim("/a~1b/c", json!([1, null])), json!({ "claim": { "path": "/a~1b/c", "value": [1, null] } })),
        (tenant_in_path("a"), json!({ "tenant_in_path": "a" })),
        (tenant_in_header("x-a"), json!({ "tenant_in_header": "x-a" })),
        (tenant_in_host("a.test"), json!({ "tenant_in_host": "a.test" })),
        (authenticated_within(Duration::from_secs(900)), json!({ "authenticated_within": { "seconds": 900 } })),
        (
            authenticated_within(Duration::from_millis(1_500)),
            json!({ "authenticated_within": { "seconds": 1, "nanoseconds": 500_000_000 } }),
        ),
        (acr(["gold", "silver"]), json!({ "acr": ["gold", "silver"] })),
        (amr("mfa"), json!({ "amr": "mfa" })),
        (proof_of_possession(), json!({ "proof_of_possession": {} })),
        (token_kind(CredentialKind::Signed), json!({ "token_kind": "signed" })),
        (token_kind(CredentialKind::ApiKey), json!({ "token_kind": "api_key" })),
        (transaction(), json!({ "transaction": {} })),
        (in_transaction(read()), json!({ "in_transaction": { "scope": "read" } })),
        (all_of([read()]), json!({ "all_of": [{ "scope": "read" }] })),
        (read().and(role("a")), json!({ "all_of": [{ "scope": "read" }, { "role": "a" }] })),
        (any_of([read(), role("a")]), json!({ "any_of": [{ "scope": "read" }, { "role": "a" }] })),
        (at_least(1, [read()]), json!({ "at_least": { "count": 1, "of": [{ "scope": "read" }] } })),
        (read().not(), json!({ "not": { "scope": "read" } })),
        (read().hidden(), json!({ "hidden": { "scope": "read" } })),
        (read().shadowed(), json!({ "shadowed": { "scope": "read" } })),
    ]
}

#[test]
fn every_kind_is_written_and_read_as_documented() {
    let kinds = every_kind();
    for (number, (requirement, data)) in kinds.iter().enumerate() {
        assert_eq!(&serde_json::to_value(requirement).expect("data"), data);
        let read = Requirement::from_json(&data.to_string()).expect("a requirement");
        assert_eq!((&read, read.to_string()), (requirement, requirement.to_string()));
        assert_eq!(serde_json::from_value::<Requirement>(data.clone()).expect("a requirement"), *requirement);
        let others = kinds.iter().enumerate().filter(|(other, _)| *other != number);
        others.for_each(|(_, (other, _))| assert_ne!(requirement, other, "{data}"));
    }
}

#[test]
fn a_closure_is_written_by_its_description_and_not_read() {
    let own = scope("read").and(claims_where("weekdays only", |_: &Value| true));
    let json = r#"{"all_of":[{"scope":"read"},{"claims_where":"weekdays only"}]}"#;
    assert_eq!(own.to_json(), json);
    assert_eq!((own.clone() == own, own == all_of([])), (true, false));
    let again = claims_where("weekdays only", |_: &Value| true);
    assert_ne!(again, claims_where("weekdays only", |_: &Value| true), "two closures");
    let error = Requirement::from_json(json).expect_err("no closure in data");
    assert_eq!(error.kind(), Kind::OnlyCode);
    assert!(error.to_string().contains("weekdays only"), "{error}");
}

#[test]
fn s10_04_s15_09_data_that_reads_in_two_ways_or_hides_text_is_refused() {
    for json in [
        r#"{"claim":{"path":"/a","value":{"b":1,"b":2}}}"#,
        r#"{"claim":{"path":"/a","value":[{"b":1,"\u0062":2}]}}"#,
        r#"{"claim":{"path":"/a","path":"/b","value":1}}"#,
        r#"{"scope":"a","scope":"b"}"#,
    ] {
        assert_eq!(Requirement::from_json(json).expect_err(json).kind(), Kind::Malformed);
    }
    // Also when a service reads the requirement as part of its own settings.
    for twice in [
        r#"{"claim":{"path":"/a","value":{"b":1,"b":2}}}"#,
        r#"{"not":{"claim":{"path":"/a","value":[{"b":{"c":1,"\u0063":2}}]}}}"#,
        r#"{"claim":{"path":"/a","value":{"$serde_json::private::RawValue":"{\"b\":1,\"b\":2}"}}}"#,
    ] {
        assert!(serde_json::from_str::<Requirement>(twice).is_err(), "{twice}");
    }
    for value in [json!(3), json!(-3), json!(2.5), json!(null), json!({ "a": [true, "x", { "b": 1 }] })] {
        let rule = claim("/a", value);
        assert_eq!(serde_json::from_str::<Requirement>(&rule.to_json()).expect("data"), rule);
    }
    let evil = format!("x\\nlevel=ERROR \\u202e{}", "y".repeat(200_000));
    for json in [
        format!(r#"{{"owner":{{"{evil}":1}}}}"#),
        format!(r#"{{"{evil}":1}}"#),
        format!(r#"{{"at_least":{{"{evil}":1}}}}"#),
        format!(r#"{{"authenticated_within":{{"seconds":"{evil}"}}}}"#),
    ] {
        let text = Requirement::from_json(&json).expect_err("unknown").to_string();
        assert!(text.len() < 2048 && !text.contains(['\n', '\u{202e}']), "{text}");
    }
}

#[test]
fn other_data_is_refused() {
    for (json, kind) in [
        ("", Kind::Malformed),
        ("{}", Kind::Malformed),
        ("null", Kind::Malformed),
        (r#""scope""#, Kind::Malformed),
        (r#"[{"scope":"a"}]"#, Kind::Malformed),
        (r#"{"scope":"a"} x"#, Kind::Malformed),
        (r#"{"scope":7}"#, Kind::Malformed),
        (r#"{"scope":["a"]}"#, Kind::Malformed),
        (r#"{"scope":"a","role":"b"}"#, Kind::Malformed),
        (r#"{"scope":"a","scope":"a"}"#, Kind::Malformed),
        (r#"{"any_authenticated":{"but":"one"}}"#, Kind::Malformed),
        (r#"{"owner":{"issuer":"a"}}"#, Kind::Malformed),
        (r#"{"owner":{"issuer":"a","subject":"b","subject":"c"}}"#, Kind::Malformed),
        (r#"{"claim":{"path":"/a","value":1,"or":2}}"#, Kind::Malformed),
        (r#"{"claim":{"path":"/a"}}"#, Kind::Malformed),
        (r#"{"authenticated_within":900}"#, Kind::Malformed),
        (r#"{"authenticated_within":{"seconds":-1}}"#, Kind::Malformed),
        (r#"{"authenticated_within":{"seconds":1,"nanoseconds":1000000000}}"#, Kind::Malformed),
        (r#"{"at_least":{"count":1}}"#, Kind::Malformed),
        (r#"{"at_least":{"count":1,"of":[{"role":"a"}],"of":[]}}"#, Kind::Malformed),
        (r#"{"at_least":{"count":1,"of":[{"role":"a"}],"or":1}}"#, Kind::Malformed),
        (r#"{"not":[]}"#, Kind::Malformed),
        (r#"{"Scope":"a"}"#, Kind::UnknownKind),
        (r#"{"all_of":[{"role":"a"},{"everyone":{}}]}"#, Kind::UnknownKind),
        (r#"{"all_of":[]}"#, Kind::Faulty),
        (r#"{"not":{"any_of":[]}}"#, Kind::Faulty),
        (r#"{"at_least":{"count":0,"of":[{"role":"a"}]}}"#, Kind::Faulty),
        (r#"{"at_least":{"of":[{"role":"a"}],"count":2}}"#, Kind::Faulty),
    ] {
        let error = Requirement::from_json(json).expect_err(json);
        assert_eq!(error.kind(), kind, "{json}: {error}");
        assert!(serde_json::from_str::<Requirement>(json).is_err(), "{json}");
    }
    let foreign = Requirement::from_json("{\"a\\r\\nb\":1}").expect_err("unknown");
    assert!(!foreign.to_string().contains('\n'), "{foreign}");
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| (1..depth).fold(role("a").to_json(), |inner, _| format!("{{\"not\":{inner}}}"));
    assert!(Requirement::from_json(&nested(MAX_DEPTH)).is_ok());
    for too_deep in [MAX_DEPTH + 1, 10_000] {
        assert_eq!(Requirement::from_json(&nested(too_deep)).expect_err("deep").kind(), Kind::TooDeep);
    }
    let wide = |parts: usize| format!("{{\"all_of\":[{}]}}", vec![r#"{"role":"a"}"#; parts].join(","));
    assert!(Requirement::from_json(&wide(MAX_PARTS - 1)).is_ok());
    assert_eq!(Requirement::from_json(&wide(MAX_PARTS)).expect_err("wide").kind(), Kind::TooLarge);
    let long = role("a".repeat(MAX_BYTES)).to_json();
    assert_eq!(Requirement::from_json(&long).expect_err("long").kind(), Kind::TooLarge);
}

/// Any requirement that data can express, its names of any characters.
fn any_requirement() -> impl Strategy<Value = Requirement> {
    let leaf = (any::<String>(), any::<String>(), any::<u64>(), 0..1_000_000_000_u32).prop_flat_map(|(a, b, s, n)| {
        prop::sample::select(vec![
            any_authenticated(),
            scope(&*a),
            role(&*a),
            permission(&*a),
            group(&*a),
            subject(&*a),
            owner(&*a, &*b),
            client(&*a),
            issued_by(&*a),
            actor(&*a),
            claim(&*a, json!({ b.clone(): [s, null, a.clone()] })),
            tenant_in_path(&*a),
            tenant_in_header(&*a),
            tenant_in_host(&*a),
            authenticated_within(Duration::new(s, n)),
            acr([&*a, &*b]),
            amr(&*a),
        ])
    });
    leaf.prop_recursive(4, 32, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            some.clone().prop_map(all_of),
            some.clone().prop_map(any_of),
            (some, any::<prop::sample::Index>()).prop_map(|(parts, i)| at_least(i.index(parts.len()) + 1, parts)),
            inner.clone().prop_map(Requirement::not),
            inner.clone().prop_map(Requirement::hidden),
            inner.prop_map(Requirement::shadowed),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_read_equals_what_was_written(requirement in any_requirement()) {
        let read = Requirement::from_json(&requirement.to_json()).expect("its own data");
        prop_assert_eq!(&read, &requirement);
        prop_assert_eq!(read.to_string(), requirement.to_string());
        prop_assert_eq!(read.to_json(), requirement.to_json());
    }
}
