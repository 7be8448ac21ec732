//! Transaction tokens of another library, both ways.

use std::sync::Arc;

use countersign::clock::{Clock, SystemClock};
use countersign::key::{KeySet, StaticKeys};
use countersign::policy::TransactionService;
use countersign::verify::TransactionVerifier;
use countersign_tests::peers;
use serde_json::{Value, json};

use crate::service::{Sts, token};
use crate::shop::DOMAIN;

/// JavaScript: npm's `jose`.
#[tokio::test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s9_08_s9_09_jose_of_npm_and_we_take_each_others_transaction_tokens() {
    let sts = Sts::new();
    let subject = sts.mint(&sts.subject(Some("orders:read")));
    let details = [("request_details", r#"{"action":"BUY"}"#), ("request_context", r#"{"req_ip":"::1"}"#)];
    let ours = token(&sts.request("gateway", &subject, &details).await);
    let jwks = sts.jwks().await;
    let now = SystemClock.now().as_secs();
    let input = json!({
        "token": ours, "keys": jwks, "issuer": sts.issuer.name(), "domain": DOMAIN,
        // The example of the draft, §4.2.4, without an issuer.
        "claims": {
            "iat": now, "aud": "trust-domain.example", "exp": now + 120, "txn": "97053963-771d-49cc-a4e3-20aad399c312",
            "sub": "d084sdrt234fsaw34tr23t", "req_wl": "apigateway.trust-domain.example",
            "rctx": { "req_ip": "69.151.72.123", "authn": "face" }, "scope": "trade.stocks",
            "tctx": { "action": "BUY", "ticker": "MSFT", "quantity": "100", "customer_type": { "geo": "US", "level": "VIP" } },
        },
    });
    let answer = peers::answer(peers::node("transaction_jose.mjs"), &input);
    assert_eq!(answer["payload"]["tctx"], json!({ "action": "BUY" }));
    assert_eq!((&answer["payload"]["sub"], &answer["header"]["typ"]), (&"ann".into(), &"txntoken+jwt".into()));
    assert_eq!(answer["asAccessToken"], "ERR_JWT_CLAIM_VALIDATION_FAILED", "by its type");

    let keys = json!({ "keys": [answer["key"]] }).to_string();
    let keys = Arc::new(StaticKeys::from_set(KeySet::from_jwks(keys.as_bytes()).expect("a key set")));
    let verifier = TransactionVerifier::new(TransactionService::new("trust-domain.example", keys)).expect("a verifier");
    let theirs = verifier.verify(answer["token"].as_str().expect("a token")).await.expect("accepted");
    assert_eq!((theirs.id(), theirs.subject()), ("97053963-771d-49cc-a4e3-20aad399c312", "d084sdrt234fsaw34tr23t"));
    assert_eq!(theirs.requesting_workload(), "apigateway.trust-domain.example");
    assert_eq!(theirs.context::<Value>().expect("details")["customer_type"]["level"], "VIP");
}
