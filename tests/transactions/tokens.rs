//! The rules for transaction tokens.

use std::sync::Arc;
use std::time::Duration;

use countersign::error::VerifyErrorKind::{self, *};
use countersign::key::{Algorithm, StaticKeys};
use countersign::policy::{NeedsAudience, Policy, TransactionService};
use countersign::verify::{TransactionVerifier, Verifier};
use countersign_test::{Attack, TestIssuer, TokenDraft};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shop::{DOMAIN, Shop};

async fn refusal(shop: &Shop, draft: &TokenDraft) -> VerifyErrorKind {
    let verifier = shop.service.transaction_verifier_for(DOMAIN);
    verifier.verify(&draft.sign()).await.expect_err("refused").kind()
}

#[derive(Deserialize)]
struct Trade {
    action: String,
    quantity: u32,
}

#[tokio::test]
async fn s9_08_a_transaction_token_states_subject_purpose_and_context() {
    let shop = Shop::new();
    let verifier = shop.service.transaction_verifier_for(DOMAIN);
    let draft = shop.transaction().claim("txn", "97053963-771d").claim("req_wl", "gateway.shop.example");
    let draft =
        draft.claim("tctx", json!({ "action": "BUY", "quantity": 100 })).claim("rctx", json!({ "req_ip": "::1" }));
    let transaction = verifier.verify(&draft.sign()).await.expect("accepted");
    assert_eq!((transaction.id(), transaction.subject()), ("97053963-771d", "ann"));
    assert_eq!((transaction.trust_domain(), transaction.issuer()), (DOMAIN, "https://sts.test"));
    assert_eq!(transaction.requesting_workload(), "gateway.shop.example");
    assert!(transaction.scopes().eq(["trade.stocks"]));
    assert_eq!(transaction.expires_at().saturating_since(transaction.issued_at()), Duration::from_secs(60));
    let trade: Trade = transaction.context().expect("a trade");
    assert_eq!((trade.action.as_str(), trade.quantity), ("BUY", 100));
    assert_eq!(transaction.request_context::<Value>().expect("an environment"), json!({ "req_ip": "::1" }));
    assert!(transaction.context::<Vec<u8>>().is_err());

    let bare = verifier.verify(&shop.transaction().sign()).await.expect("accepted");
    assert!(bare.context::<Option<Trade>>().is_ok_and(|trade| trade.is_none()));
    assert!(bare.context::<Trade>().is_err(), "absent is not empty");
}

#[tokio::test]
async fn s9_08_each_required_claim_is_required() {
    let shop = Shop::new();
    for claim in ["iat", "exp", "txn", "sub", "scope", "req_wl", "iss"] {
        assert_eq!(refusal(&shop, &shop.transaction().without_claim(claim)).await, MissingClaim, "{claim}");
        if !matches!(claim, "iat" | "exp" | "iss") {
            assert_eq!(refusal(&shop, &shop.transaction().claim(claim, "")).await, MissingClaim, "{claim}");
            assert_eq!(refusal(&shop, &shop.transaction().claim(claim, Value::Null)).await, MissingClaim, "{claim}");
            assert_eq!(refusal(&shop, &shop.transaction().claim(claim, json!({}))).await, InvalidClaim, "{claim}");
        }
    }
    assert_eq!(refusal(&shop, &shop.transaction().without_claim("aud")).await, WrongAudience);
    assert_eq!(refusal(&shop, &shop.transaction().claim("scope", "  ")).await, MissingClaim);
    assert_eq!(refusal(&shop, &shop.transaction().claim("scope", json!(["trade.stocks"]))).await, InvalidClaim);
    for claim in ["tctx", "rctx"] {
        for odd in [json!([]), json!("BUY"), json!(1), Value::Null] {
            assert_eq!(refusal(&shop, &shop.transaction().claim(claim, odd)).await, InvalidClaim, "{claim}");
        }
    }
    for claim in ["txn", "req_wl"] {
        for odd in ["x".repeat(257), "a b".to_owned(), "a\nb".to_owned(), "ä".to_owned()] {
            assert_eq!(refusal(&shop, &shop.transaction().claim(claim, odd)).await, InvalidClaim, "{claim}");
        }
    }
}

#[tokio::test]
async fn s9_08_a_token_of_another_trust_domain_type_or_time_is_refused() {
    let shop = Shop::new();
    for (what, draft, kind) in [
        ("domain", shop.transaction().audience("bank.example"), WrongAudience),
        ("two domains", shop.transaction().add_audience("bank.example"), WrongAudience),
        ("type", shop.transaction().header("typ", "at+jwt"), WrongType),
        ("no type", shop.transaction().without_header("typ"), WrongType),
        ("old type", shop.transaction().header("typ", "txn_token+jwt"), WrongType),
        ("expired", shop.transaction().expired(), Expired),
        ("too long", shop.transaction().lifetime(Duration::from_secs(301)), LifetimeTooLong),
        ("future", shop.transaction().not_yet_valid(), NotYetValid),
        ("issuer", shop.transaction().claim("iss", "https://else.test"), UnknownIssuer),
        ("bound", shop.transaction().claim("cnf", json!({ "jkt": "x" })), ProofRequired),
        ("events", shop.transaction().claim("events", json!({})), WrongType),
        ("nonce", shop.transaction().claim("nonce", "n"), IdToken),
    ] {
        assert_eq!(refusal(&shop, &draft).await, kind, "{what}");
    }
    let verifier = shop.service.transaction_verifier_for(DOMAIN);
    assert!(verifier.verify(&shop.transaction().lifetime(Duration::from_secs(300)).sign()).await.is_ok());
    assert!(verifier.verify(&shop.transaction().header("typ", "application/txntoken+jwt").sign()).await.is_ok());
}

#[tokio::test]
async fn s9_08_no_access_token_is_a_transaction_token_and_none_is_an_access_token() {
    let issuer = TestIssuer::new();
    let (access, transactions) = (issuer.verifier_for(DOMAIN), issuer.transaction_verifier_for(DOMAIN));
    let token = issuer.token().audience(DOMAIN).scope("trade.stocks").sign();
    let transaction = issuer.transaction_token(DOMAIN, "trade.stocks").sign();
    assert!(access.verify(&token).await.is_ok() && transactions.verify(&transaction).await.is_ok());
    assert_eq!(transactions.verify(&token).await.expect_err("refused").kind(), WrongType);
    assert_eq!(access.verify(&transaction).await.expect_err("refused").kind(), WrongType);
    // Its claims alone show what it is.
    let untyped = issuer.transaction_token(DOMAIN, "trade.stocks").header("typ", "JWT").sign();
    assert_eq!(access.verify(&untyped).await.expect_err("refused").kind(), WrongType);
    // Not even a policy that names the type makes it an access token.
    for name in ["txntoken+jwt", "TxnToken+JWT", "txn_token+jwt"] {
        let error = Verifier::new(issuer.trusted_for(DOMAIN).token_type(name)).expect_err("a fault");
        assert_eq!(error.faults()[0].field, "token_types", "{name}");
    }
    let policy = Policy::from_json(
        r#"{"issuers":[{"issuer":"https://id.test","audience":"a","profile":"named","token_types":["txntoken+jwt"]}]}"#,
    );
    let keys = |_: &_| Ok(Arc::new(StaticKeys::new([])) as Arc<dyn countersign::key::KeySource>);
    assert!(Verifier::builder().policy(&policy.expect("a policy"), keys).build().is_err());
}

#[tokio::test]
async fn s9_08_iss_is_what_the_policy_says() {
    let issuer = TestIssuer::new();
    let named = issuer.transaction_service_for(DOMAIN);
    let nameless = TransactionService::new(DOMAIN, issuer.key_source()).algorithms([Algorithm::ES256]);
    let verifier = |service| {
        TransactionVerifier::builder(service).clock(Arc::new(issuer.clock().clone())).build().expect("a verifier")
    };
    let (named, nameless) = (verifier(named), verifier(nameless));
    let with = issuer.transaction_token(DOMAIN, "trade.stocks");
    let without = with.clone().without_claim("iss");
    let domain = with.clone().claim("iss", DOMAIN);
    assert!(named.verify(&with.sign()).await.is_ok());
    assert_eq!(named.verify(&without.sign()).await.expect_err("refused").kind(), MissingClaim);
    let accepted = nameless.verify(&without.sign()).await.expect("accepted");
    assert_eq!(accepted.issuer(), DOMAIN);
    for refused in [with, domain] {
        assert_eq!(nameless.verify(&refused.sign()).await.expect_err("refused").kind(), UnknownIssuer);
    }
}

#[tokio::test]
async fn s9_08_every_attack_on_tokens_fails_on_transaction_tokens_too() {
    let shop = Shop::new();
    let verifier = shop.service.transaction_verifier_for(DOMAIN);
    for attack in Attack::ALL {
        let forged = shop.transaction().hostile(*attack).sign();
        assert!(verifier.verify(&forged).await.is_err(), "{}", attack.name());
    }
    assert!(verifier.verify(&shop.transaction().sign()).await.is_ok());
}

#[test]
fn s9_08_senseless_services_are_refused_with_every_fault() {
    let service = |domain: &str| TransactionService::new(domain, Arc::new(StaticKeys::new([])));
    let fields = |service| -> Vec<String> {
        let error = TransactionVerifier::new(service).expect_err("faults");
        error.faults().iter().map(|fault| fault.field.to_string()).collect()
    };
    assert_eq!(fields(service("").max_lifetime(Duration::from_secs(3601))), ["trust_domain", "max_lifetime"]);
    assert_eq!(fields(service("a b")), ["trust_domain"]);
    assert_eq!(fields(service(DOMAIN).issuer("")), ["issuer"]);
    assert_eq!(fields(service(DOMAIN).algorithms([])), ["algorithms"]);
    assert_eq!(fields(service(DOMAIN).leeway(Duration::from_secs(301))), ["leeway"]);
    assert!(TransactionVerifier::builder(service(DOMAIN)).cache_bytes(0).build().is_err());
    assert!(TransactionVerifier::new(service("spiffe://shop.example")).is_ok());
    // A policy for access tokens is none for transaction tokens.
    let issuer = NeedsAudience::new("https://id.test", Arc::new(StaticKeys::new([]))).audience("a");
    assert!(Verifier::new(issuer).is_ok());
}

#[tokio::test]
async fn s10_01_a_transaction_token_is_hidden_from_debug_and_errors() {
    let shop = Shop::new();
    let verifier = shop.service.transaction_verifier_for(DOMAIN);
    let token = shop.transaction().claim("tctx", json!({ "card": "4111" })).sign();
    let transaction = verifier.verify(&token).await.expect("accepted");
    let shown = format!("{transaction:?} {verifier:?}");
    let expired = verifier.verify(&shop.transaction().expired().sign()).await.expect_err("refused");
    let shown = format!("{shown} {expired:?} {expired}");
    for part in token.split('.').chain(["4111", "ann"]) {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[tokio::test]
async fn s9_08_a_policy_file_names_the_service_and_is_strict() {
    let issuer = TestIssuer::with_system_clock().with_name("https://sts.test");
    let policy = |transactions: Value| {
        let policy = json!({
            "issuers": [{ "issuer": "https://id.test", "audience": "stock" }],
            "deny_danger": false,
            "transactions": transactions,
        });
        Policy::from_json(&policy.to_string())
    };
    let inline = json!({ "inline": issuer.jwks() });
    let good =
        policy(json!({ "trust_domain": DOMAIN, "issuer": issuer.name(), "keys": inline, "max_lifetime_seconds": 60 }));
    let good = good.expect("a policy");
    assert_eq!(Policy::from_json(&good.to_json()).expect("read again"), good);
    let verifier = TransactionVerifier::builder_for(&good, countersign::keys::from_config).expect("keys").build();
    let verifier = verifier.expect("a verifier");
    let draft = issuer.transaction_token(DOMAIN, "trade.stocks");
    assert!(verifier.verify(&draft.sign()).await.is_ok());
    let long = draft.lifetime(Duration::from_secs(61)).sign();
    assert_eq!(verifier.verify(&long).await.expect_err("refused").kind(), LifetimeTooLong);

    assert!(policy(json!({ "trust_domain": DOMAIN, "isuer": "x" })).is_err(), "an unknown field");
    let field = |policy: Policy| {
        let built = TransactionVerifier::builder_for(&policy, countersign::keys::from_config);
        let error = built.and_then(|builder| builder.build()).map(drop).expect_err("a fault");
        error.faults()[0].field.to_string()
    };
    assert_eq!(field(policy(json!({ "trust_domain": DOMAIN })).expect("read")), "transactions: keys");
    assert_eq!(field(policy(Value::Null).expect("read")), "transactions");
    assert_eq!(field(policy(json!({ "trust_domain": "", "keys": inline })).expect("read")), "trust_domain");
    let mut strict = policy(json!({ "trust_domain": DOMAIN, "keys": inline })).expect("read");
    strict.deny_danger = true;
    let strict = TransactionVerifier::builder_for(&strict, countersign::keys::from_config).expect("keys").build();
    assert!(strict.expect("a verifier").denies_danger());
}
