//! Replacement of a transaction token by a narrower one.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::service::{Sts, TXN, error, segment, token};

async fn begin(sts: &Sts, scope: &str, details: &str) -> String {
    let subject = sts.mint(&sts.subject(Some("orders:read orders:write")).claim("tenant", "acme"));
    token(&sts.request("gateway", &subject, &[("scope", scope), ("request_details", details)]).await)
}

async fn replace(sts: &Sts, before: &str, more: &[(&str, &str)]) -> countersign_test::Answer {
    let mut parameters = vec![("subject_token_type", TXN)];
    parameters.extend(more);
    sts.request("orders", before, &parameters).await
}

#[tokio::test]
async fn s9_09_a_replacement_keeps_the_transaction_member_by_member() {
    let sts = Sts::new();
    let first = begin(&sts, "orders:read orders:write", r#"{"action":"BUY"}"#).await;
    sts.clock.advance(Duration::from_secs(10));
    let answer = replace(&sts, &first, &[("request_details", r#"{"warehouse":7}"#)]).await;
    assert_eq!((&answer.json()["token_type"], &answer.json()["issued_token_type"]), (&"N_A".into(), &TXN.into()));
    let second = token(&answer);
    let (mut before, mut after) = (segment(&first, 1), segment(&second, 1));
    for name in ["txn", "sub", "aud", "iss", "tenant", "exp"] {
        assert_eq!(after.remove(name), before.remove(name), "{name}");
    }
    assert_eq!((&after["scope"], &after["req_wl"]), (&"orders:read".into(), &"orders".into()));
    assert_eq!(after["tctx"], json!({ "action": "BUY", "warehouse": 7 }), "details are only added");
    assert_eq!(after["req_wl_chain"], json!(["gateway"]), "the call chain stays");
    assert_eq!(sts.verified(&second).await.requesting_workload(), "orders");

    let third = token(&replace(&sts, &second, &[("request_details", r#"{"action":"BUY"}"#)]).await);
    assert_eq!(segment(&third, 1)["req_wl_chain"], json!(["gateway", "orders"]));
}

#[tokio::test]
async fn s9_06_s9_09_a_replacement_widens_nothing() {
    let sts = Sts::new();
    let narrow = begin(&sts, "orders:read", r#"{"action":"BUY","items":[1]}"#).await;
    assert_eq!(error(&replace(&sts, &narrow, &[("scope", "orders:write")]).await), "invalid_scope");
    assert_eq!(error(&replace(&sts, &narrow, &[("scope", "orders:read orders:write")]).await), "invalid_scope");
    assert_eq!(error(&replace(&sts, &narrow, &[("audience", "bank.example")]).await), "invalid_target");
    for changed in [r#"{"action":"SELL"}"#, r#"{"action":null}"#, r#"{"items":[1,2]}"#, r#"{"items":{}}"#] {
        assert_eq!(
            error(&replace(&sts, &narrow, &[("request_details", changed)]).await),
            "invalid_request",
            "{changed}"
        );
    }
    // Who may not replace does not, even with its own token.
    let own = sts.request("gateway", &narrow, &[("subject_token_type", TXN)]).await;
    assert_eq!(error(&own), "invalid_request");
    sts.clock.advance(Duration::from_secs(120));
    assert_eq!(error(&replace(&sts, &narrow, &[]).await), "invalid_request", "expired");
}

#[tokio::test]
async fn s9_09_a_token_is_replaced_eight_times_in_a_row() {
    let sts = Sts::new();
    let mut last = begin(&sts, "orders:read", "{}").await;
    for _ in 0..8 {
        last = token(&replace(&sts, &last, &[]).await);
    }
    assert_eq!(segment(&last, 1)["req_wl_chain"].as_array().map(Vec::len), Some(8));
    assert_eq!(error(&replace(&sts, &last, &[]).await), "invalid_request");
}

fn scopes(claims: &Map<String, Value>) -> BTreeSet<String> {
    claims["scope"].as_str().expect("a text").split(' ').map(str::to_owned).collect()
}

fn members(claims: &Map<String, Value>, name: &str) -> Map<String, Value> {
    claims.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// One for all cases, since hashing the secrets of clients takes its time.
static STS: LazyLock<Sts> = LazyLock::new(Sts::new);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn s9_06_no_sequence_of_replacements_widens_a_token(
        steps in prop::collection::vec(
            (prop::sample::subsequence(vec!["orders:read", "orders:write", "admin"], 1..=3), "[abc]", 0..3_u8, 0..40_u64),
            1..7,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let sts = &*STS;
            let mut last = begin(sts, "orders:read orders:write", r#"{"a":0}"#).await;
            for (scope, name, value, wait) in steps {
                sts.clock.advance(Duration::from_secs(wait));
                let (scope, details) = (scope.join(" "), format!("{{\"{name}\":{value}}}"));
                let answer = replace(sts, &last, &[("scope", &scope), ("request_details", &details)]).await;
                if answer.status() != 200 {
                    continue; // refused, which widens nothing
                }
                let next = token(&answer);
                let (before, after) = (segment(&last, 1), segment(&next, 1));
                for kept in ["txn", "sub", "aud", "iss", "tenant"] {
                    assert_eq!(before[kept], after[kept], "{kept}");
                }
                assert!(scopes(&after).is_subset(&scopes(&before)), "{before:?} {after:?}");
                assert!(after["exp"].as_u64() <= before["exp"].as_u64());
                for context in ["tctx", "rctx"] {
                    let (before, after) = (members(&before, context), members(&after, context));
                    assert!(before.iter().all(|(name, value)| after.get(name) == Some(value)), "{before:?} {after:?}");
                }
                last = next;
            }
        });
    }
}
