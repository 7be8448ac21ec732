//! Every requirement over every state of every fact: what is not known never lets anybody in (S3.23, S5.26).

use std::sync::LazyLock;

use countersign::authz::Requirement;
use countersign::clock::Clock;
use countersign::verify::{Verified, Verifier};
use countersign_core::integration::{RequestContext, RequestFacts, Step};
use countersign_test::TestIssuer;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Each claim that a requirement can be about: its name, the value that the leaf below asks for, another one, and one of
/// another type.
fn facts() -> [(&'static str, Value, Value, Value); 14] {
    [
        ("scope", json!("a b"), json!("b"), json!({})),
        ("roles", json!(["a"]), json!(["b"]), json!([7])),
        ("permissions", json!(["a"]), json!([]), json!({})),
        ("groups", json!("a"), json!(["b"]), json!([["a"]])),
        ("sub", json!("web"), json!("u2"), json!(7)),
        ("client_id", json!("web"), json!("app"), json!([])),
        ("act", json!({ "sub": "gw" }), json!({ "sub": "other" }), json!("gw")),
        ("acr", json!("gold"), json!("iron"), json!(1)),
        ("amr", json!(["pwd"]), json!(["otp"]), json!({})),
        ("auth_time", json!(1_699_999_990_u64), json!(1_600_000_000_u64), json!("now")),
        ("plan", json!("gold"), json!("free"), json!(["gold"])),
        ("org", json!({ "size": 7 }), json!({ "size": 8 }), json!("big")),
        ("tenant", json!("acme"), json!("globex"), json!("../x")),
        ("jti", json!("j1"), json!("j2"), json!(1)),
    ]
}

/// A leaf about each fact, as data.
fn leaves() -> Vec<Value> {
    vec![
        json!({ "scope": "a" }),
        json!({ "role": "a" }),
        json!({ "role": "lower" }),
        json!({ "permission": "a" }),
        json!({ "permission": "implied" }),
        json!({ "group": "a" }),
        json!({ "subject": "web" }),
        json!({ "owner": { "issuer": "https://issuer.test", "subject": "web" } }),
        json!({ "client": "web" }),
        json!({ "actor": "gw" }),
        json!({ "issued_by": "https://issuer.test" }),
        json!({ "acr": ["gold"] }),
        json!({ "amr": "pwd" }),
        json!({ "authenticated_within": { "seconds": 300 } }),
        json!({ "claim": { "path": "/plan", "value": "gold" } }),
        json!({ "claim": { "path": "/org/size", "value": 7 } }),
        json!({ "tenant_in_path": "tenant" }),
        json!({ "tenant_in_path": "none" }),
        json!({ "tenant_in_header": "x-tenant" }),
        json!({ "tenant_in_host": "example.com" }),
        json!({ "any_authenticated": {} }),
    ]
}

/// Any requirement, as data.
fn requirement() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(leaves());
    leaf.prop_recursive(4, 24, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            some.clone().prop_map(|parts| json!({ "all_of": parts })),
            some.clone().prop_map(|parts| json!({ "any_of": parts })),
            (some, any::<prop::sample::Index>()).prop_map(|(parts, index)| {
                json!({ "at_least": { "count": index.index(parts.len()) + 1, "of": parts } })
            }),
            inner.clone().prop_map(|inner| json!({ "not": inner })),
            inner.clone().prop_map(|inner| json!({ "not": inner })),
            inner.clone().prop_map(|inner| json!({ "hidden": inner })),
            inner.prop_map(|inner| json!({ "shadowed": inner })),
        ]
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Asked,
    Other,
    Absent,
    Null,
    Malformed,
}

/// How a fact becomes unknown: declared to be elsewhere, its value left in the token or not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    Declared,
    Moved,
}

fn states() -> impl Strategy<Value = Vec<State>> {
    use State::{Absent, Asked, Malformed, Null, Other};
    let state =
        prop_oneof![8 => Just(Asked), 8 => Just(Other), 4 => Just(Absent), 1 => Just(Null), 1 => Just(Malformed)];
    prop::collection::vec(state, facts().len())
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![3 => Just(Change::None), 1 => Just(Change::Declared), 1 => Just(Change::Moved)];
    prop::collection::vec(change, facts().len())
}

fn token(states: &[State], changes: &[Change]) -> String {
    let mut draft = ISSUER.token().audience("api");
    let mut elsewhere = Map::new();
    for (((name, asked, other, malformed), state), change) in facts().into_iter().zip(states).zip(changes) {
        let value = match state {
            State::Asked => Some(asked),
            State::Other => Some(other),
            State::Null => Some(Value::Null),
            State::Malformed => Some(malformed),
            State::Absent => None,
        };
        // A value that refuses the whole token stays.
        let is_moved = *change == Change::Moved && matches!(state, State::Asked | State::Other | State::Absent);
        draft = match value.filter(|_| !is_moved) {
            Some(value) => draft.claim(name, value),
            None => draft.without_claim(name),
        };
        if *change != Change::None {
            elsewhere.insert(name.to_owned(), json!("src1"));
        }
    }
    if elsewhere.is_empty() { draft.sign() } else { draft.claim("_claim_names", Value::Object(elsewhere)).sign() }
}

static ISSUER: LazyLock<TestIssuer> = LazyLock::new(TestIssuer::new);

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let authorities = TestIssuer::authorities().hierarchy("a > lower").role_permission("lower", "implied");
    let builder = Verifier::builder().trust(ISSUER.trusted_for("api").authorities(authorities)).cache_bytes(0);
    builder.clock(std::sync::Arc::new(ISSUER.clock().clone())).build().expect("a policy")
});

struct OfAcme;

impl RequestFacts for OfAcme {
    fn path_parameter(&self, name: &str) -> Option<&str> {
        (name == "tenant").then_some("acme")
    }

    fn header(&self, name: &str) -> Option<&str> {
        (name == "x-tenant").then_some("acme")
    }

    fn host(&self) -> Option<&str> {
        Some("acme.example.com")
    }
}

/// Returns whether the token passes; a token that is refused as a whole does not.
fn passes(requirement: &Requirement, token: &str) -> bool {
    let Step::Done(Ok(verified)) = VERIFIER.verify_with_cached_keys(token) else { return false };
    check(requirement, &verified)
}

fn check(requirement: &Requirement, verified: &Verified) -> bool {
    verified.check(requirement, RequestContext::new(ISSUER.clock().now()).request(&OfAcme)).is_allowed()
}

fn read(data: &Value) -> Requirement {
    Requirement::from_json(&data.to_string()).expect("a requirement")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn s3_23_s5_26_what_becomes_unknown_never_turns_a_refusal_into_a_pass(
        data in requirement(), states in states(), changes in changes(),
    ) {
        let requirement = read(&data);
        let (known, unknown) = (token(&states, &vec![Change::None; states.len()]), token(&states, &changes));
        prop_assert!(
            passes(&requirement, &known) || !passes(&requirement, &unknown),
            "{}: {:?} {:?}", requirement, states, changes
        );
        // Never both a rule and its negation.
        let negated = read(&json!({ "not": data }));
        if !requirement.is_shadow() {
            prop_assert!(!(passes(&requirement, &unknown) && passes(&negated, &unknown)), "{}", requirement);
        }
    }

    #[test]
    fn s3_23_a_leaf_over_a_claim_that_is_elsewhere_is_neither_met_nor_unmet(
        index in 0..14_usize, leaf in prop::sample::select(leaves()), states in states(), change in 1..3_u8,
    ) {
        let mut changes = vec![Change::None; states.len()];
        changes[index] = if change == 1 { Change::Declared } else { Change::Moved };
        let requirement = read(&leaf);
        let mut alike: Vec<bool> = Vec::new();
        for state in [State::Asked, State::Other, State::Absent] {
            let mut states = states.clone();
            states[index] = state;
            alike.push(passes(&requirement, &token(&states, &vec![Change::None; states.len()])));
        }
        // If the leaf depends on the claim, it is refused while the claim is elsewhere, and so is its negation.
        if alike.contains(&true) && alike.contains(&false) {
            let unknown = token(&states, &changes);
            prop_assert!(!passes(&requirement, &unknown), "{}", requirement);
            prop_assert!(!passes(&read(&json!({ "not": leaf })), &unknown), "not {}", requirement);
        }
    }
}

/// The facts that a leaf needs, and without which it is neither met nor unmet. Absent lists of authorities are empty lists.
#[test]
fn s3_23_a_leaf_without_its_fact_is_neither_met_nor_unmet() {
    let present = || ISSUER.token().audience("api").subject("u1").client_id("web").tenant("acme");
    let full = || present().claim("acr", "gold").claim("amr", json!(["pwd"])).claim("auth_time", 1_699_999_990_u64);
    let leaves = [
        ("sub", json!({ "subject": "web" })),
        ("sub", json!({ "owner": { "issuer": "https://issuer.test", "subject": "web" } })),
        ("sub", json!({ "client": "web" })),
        ("client_id", json!({ "client": "web" })),
        ("acr", json!({ "acr": ["silver"] })),
        ("amr", json!({ "amr": "otp" })),
        ("sub", json!({ "authenticated_within": { "seconds": 1 } })),
        ("auth_time", json!({ "authenticated_within": { "seconds": 1 } })),
        ("tenant", json!({ "tenant_in_header": "x-tenant" })),
    ];
    for (fact, leaf) in leaves {
        let (rule, negated) = (read(&leaf), read(&json!({ "not": leaf })));
        let known = full().sign();
        assert!(passes(&rule, &known) || passes(&negated, &known), "{rule}");
        for unknown in [
            full().without_claim(fact).sign(),
            full().claim(fact, Value::Null).sign(),
            full().claim(fact, "").sign(),
            full().claim(fact, json!({})).sign(),
        ] {
            assert!(!passes(&rule, &unknown) && !passes(&negated, &unknown), "{rule} without {fact}");
        }
    }
    // Nobody logged in to get a client's own token, and an empty list of logins asks for nothing.
    let own = full().subject("web").sign();
    for leaf in [json!({ "authenticated_within": { "seconds": 900 } }), json!({ "acr": [] })] {
        let (rule, negated) = (read(&leaf), read(&json!({ "not": leaf })));
        assert!(!passes(&rule, &own) && !passes(&negated, &own), "{rule}");
    }
    // An actor without a name is not nobody.
    let nameless = full().claim("act", json!({ "sub": "" })).sign();
    let actor = json!({ "actor": "gw" });
    assert!(!passes(&read(&actor), &nameless) && !passes(&read(&json!({ "not": actor })), &nameless));
    assert!(passes(&read(&json!({ "not": { "actor": "gw" } })), &full().sign()), "nobody acts");
}

#[test]
fn s3_23_a_number_is_equal_in_every_spelling() {
    for (spelled, rule, is_met) in
        [(json!(3.0), 3, Some(true)), (json!(3), 3, Some(true)), (json!(4.0), 3, Some(false)), (json!("3"), 3, None)]
    {
        let token = ISSUER.token().audience("api").claim("level", spelled.clone()).sign();
        let rule = countersign::authz::claim("level", rule);
        assert_eq!(passes(&rule, &token), is_met == Some(true), "{spelled}");
        assert_eq!(passes(&rule.not(), &token), is_met == Some(false), "{spelled}");
    }
}
