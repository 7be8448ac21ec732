//! Every fault that somebody's verified-token cache had (S11.05), as a test of its own.

use std::sync::Arc;
use std::time::Duration;

use countersign::error::VerifyErrorKind as Kind;
use countersign::verify::Verifier;
use countersign_test::{Attack, TestIssuer, TokenDraft};

const SECOND: Duration = Duration::from_secs(1);

fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("ann").audience("orders")
}

async fn refused(verifier: &Verifier, token: &str) -> Kind {
    verifier.verify(token).await.expect_err("refused").kind()
}

/// Verified once, and found in the cache the second time.
async fn cached(verifier: &Verifier, token: &str) {
    let before = verifier.stats();
    verifier.verify(token).await.expect("good");
    verifier.verify(token).await.expect("good");
    assert_eq!(verifier.stats().from_cache, before.from_cache + 1, "the second is a hit");
}

#[tokio::test]
async fn s11_05_s3_10_a_cached_token_does_not_outlive_its_exp() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).lifetime(60 * SECOND).sign();
    cached(&verifier, &token).await;
    issuer.clock().advance(89 * SECOND); // 60 s of life and 30 s of leeway, less one
    assert!(verifier.verify(&token).await.is_ok());
    issuer.clock().advance(SECOND);
    assert_eq!(refused(&verifier, &token).await, Kind::Expired);
    assert_eq!(verifier.cached_tokens(), 0, "and it is forgotten");
}

#[tokio::test]
async fn s11_05_s3_09_a_cached_token_does_not_outlive_the_age_that_its_policy_allows() {
    let issuer = TestIssuer::new();
    let policy = issuer.trusted_for("orders").max_age(60 * SECOND);
    let clock = Arc::new(issuer.clock().clone());
    let verifier = Verifier::builder().clock(clock).trust(policy).build().expect("a policy");
    let token = good(&issuer).lifetime(600 * SECOND).sign();
    cached(&verifier, &token).await;
    issuer.clock().advance(90 * SECOND); // 60 s of age and 30 s of leeway
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(verifier.stats().from_cache, 2);
    issuer.clock().advance(SECOND);
    assert_eq!(refused(&verifier, &token).await, Kind::TooOld);
    assert_eq!(verifier.cached_tokens(), 0);
}

#[tokio::test]
async fn s3_28_a_cached_token_follows_the_wall_clock_both_ways() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let now = countersign::clock::Clock::now(issuer.clock());
    let token = good(&issuer).claim("nbf", now.as_secs()).sign();
    cached(&verifier, &token).await;
    issuer.clock().step_wall(now.saturating_sub(3600 * SECOND));
    let kind = refused(&verifier, &token).await;
    assert!(matches!(kind, Kind::NotYetValid | Kind::IssuedInFuture), "{kind:?}");
    issuer.clock().step_wall(now);
    assert!(verifier.verify(&token).await.is_ok());
    issuer.clock().step_wall(now.saturating_add(3600 * SECOND));
    assert_eq!(refused(&verifier, &token).await, Kind::Expired);
}

#[tokio::test]
async fn s11_05_s4_08_a_cached_token_does_not_survive_its_key() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).sign();
    cached(&verifier, &token).await;
    issuer.rotate();
    assert!(verifier.verify(&token).await.is_ok(), "its key is still published");
    issuer.withdraw_old_keys();
    assert_eq!(refused(&verifier, &token).await, Kind::UnknownKey);
    assert!(verifier.verify(&good(&issuer).sign()).await.is_ok());
}

#[tokio::test]
async fn s11_05_s3_13_nothing_cached_is_shared_between_issuers() {
    let (ours, theirs) = (TestIssuer::new(), TestIssuer::new().with_name("https://partner.test"));
    let verifier = Verifier::builder()
        .trust(ours.trusted_for("orders"))
        .trust(theirs.trusted_for("orders"))
        .clock(Arc::new(ours.clock().clone()))
        .build()
        .expect("two issuers");
    cached(&verifier, &good(&ours).sign()).await;
    cached(&verifier, &good(&theirs).sign()).await;
    // The same names of keys, and each issuer's key under the other's name.
    assert_eq!(ours.key_id(), theirs.key_id());
    assert_eq!(refused(&verifier, &good(&ours).claim("iss", theirs.name()).sign()).await, Kind::BadSignature);
    assert_eq!(refused(&verifier, &good(&theirs).claim("iss", ours.name()).sign()).await, Kind::BadSignature);
}

#[tokio::test]
async fn s11_05_nothing_cached_is_shared_between_policies() {
    let issuer = TestIssuer::new();
    let orders = issuer.verifier_for("orders");
    let billing = issuer.verifier_for("billing");
    let token = good(&issuer).sign();
    cached(&orders, &token).await;
    assert_eq!(refused(&billing, &token).await, Kind::WrongAudience);
    assert_eq!((orders.cached_tokens(), billing.cached_tokens()), (1, 0));
    assert_ne!(orders.fingerprint(), billing.fingerprint());
    cached(&orders.clone(), &good(&issuer).sign()).await; // clones are one verifier
    assert_eq!(orders.cached_tokens(), 2);
}

#[tokio::test]
async fn a_hit_does_not_lengthen_the_life_of_an_entry() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).lifetime(3600 * SECOND).sign();
    verifier.verify(&token).await.expect("good");
    for _ in 0..3 {
        issuer.clock().advance(99 * SECOND);
        verifier.verify(&token).await.expect("good");
    }
    assert_eq!(verifier.stats().verified, 1, "hits all along");
    issuer.clock().advance(3 * SECOND); // 300 s after it was verified, however often it was asked for
    verifier.verify(&token).await.expect("good");
    assert_eq!(verifier.stats().verified, 2, "verified anew");
}

#[tokio::test]
async fn a_token_without_iat_is_cached_no_longer_than_any() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).without_claim("iat").sign();
    cached(&verifier, &token).await;
    issuer.clock().advance(331 * SECOND);
    assert_eq!(refused(&verifier, &token).await, Kind::Expired);
}

#[tokio::test]
async fn a_cache_of_zero_bytes_keeps_nothing() {
    let issuer = TestIssuer::new();
    let verifier = Verifier::builder()
        .trust(issuer.trusted_for("orders"))
        .clock(Arc::new(issuer.clock().clone()))
        .cache_bytes(0)
        .build()
        .expect("a cache is no duty");
    let token = good(&issuer).sign();
    for _ in 0..3 {
        verifier.verify(&token).await.expect("good");
    }
    assert_eq!((verifier.stats().from_cache, verifier.stats().verified, verifier.cached_tokens()), (0, 3, 0));
}

#[tokio::test]
async fn refusals_are_not_cached() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).not_yet_valid().sign();
    assert_eq!(refused(&verifier, &token).await, Kind::NotYetValid);
    issuer.clock().advance(3600 * SECOND);
    verifier.verify(&token).await.expect("its time has come, and no earlier answer stands in the way");
}

#[tokio::test]
async fn s11_04_refused_tokens_do_not_fill_the_cache() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = good(&issuer).sign();
    cached(&verifier, &token).await;
    for attack in Attack::ALL {
        assert!(verifier.verify(&good(&issuer).hostile(*attack).sign()).await.is_err(), "{}", attack.name());
    }
    assert_eq!(verifier.cached_tokens(), 1);
    let before = verifier.stats().from_cache;
    verifier.verify(&token).await.expect("good");
    assert_eq!(verifier.stats().from_cache, before + 1, "and push nothing out");
}

#[tokio::test]
async fn s11_05_a_hit_needs_the_very_same_bytes() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let (one, other) = (good(&issuer).sign(), good(&issuer).subject("bob").sign());
    cached(&verifier, &one).await;
    cached(&verifier, &other).await;
    // The head of one token with the tail of the other, cut at every segment and within each.
    for at in [20, 60, one.find('.').expect("a dot"), one.rfind('.').expect("a dot") - 1, one.len() - 32, one.len() - 1]
    {
        let spliced = format!("{}{}", &one[..at], &other[at.min(other.len())..]);
        if spliced != one && spliced != other {
            assert!(verifier.verify(&spliced).await.is_err(), "cut at {at}");
        }
    }
    let mut hits = 0;
    for at in (0..one.len()).step_by(7) {
        let mut bytes = one.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("still ASCII");
        hits += usize::from(verifier.verify(&changed).await.is_ok());
    }
    assert_eq!(hits, 0);
}
