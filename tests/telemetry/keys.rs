//! What is told of keys: a fetch, a rotation, a look that cools down, a failure. S10.12.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::KeySet;
use countersign::keys::RemoteKeys;
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use countersign_test::{Provider, TestIssuer};
use tracing::Level;

use crate::recorder::{Recorder, Told};

fn thumbprints(issuer: &TestIssuer) -> Vec<String> {
    let set = KeySet::from_jwks(issuer.jwks().as_bytes()).expect("a key set");
    set.keys().map(|key| key.thumbprint().to_owned()).collect()
}

fn only(told: &[Told]) -> &Told {
    assert_eq!(told.len(), 1, "{told:?}");
    &told[0]
}

#[tokio::test]
async fn s10_12_each_turn_of_a_key_source_is_one_event() {
    let (recorder, _guard) = Recorder::begin();
    let provider = Provider::start(&TestIssuer::new()).await.expect("a port");
    let issuer = provider.issuer().clone();
    let clock = Arc::new(issuer.clock().clone());
    let keys = RemoteKeys::at(provider.jwks_url()).clock(clock.clone());
    let trusted = NeedsAudience::new(provider.url(), Arc::new(keys)).audience("api");
    let verifier = Verifier::builder().trust(trusted).clock(clock).build().expect("a policy");
    let token = || provider.token().audience("api").sign();
    let told = || recorder.take("countersign::keys");

    verifier.verify(&token()).await.expect("a first fetch");
    let first = told();
    let fetched = only(&first);
    let old = thumbprints(&issuer);
    assert_eq!((fetched.level, fetched.field("message")), (Level::INFO, "keys fetched"));
    assert_eq!((fetched.field("added"), fetched.field("removed")), (old.join(" ").as_str(), ""), "by thumbprint");
    assert_eq!(fetched.field("source"), provider.jwks_url());
    verifier.verify(&token()).await.expect("held keys");
    assert!(told().is_empty(), "held keys are no event");

    issuer.rotate();
    issuer.withdraw_old_keys();
    verifier.verify(&token()).await.expect("the new key");
    let rotated = told();
    let new = thumbprints(&issuer);
    let rotation = only(&rotated);
    assert_eq!((rotation.level, rotation.field("forced")), (Level::INFO, "true"));
    assert_eq!((rotation.field("added"), rotation.field("removed")), (new.join(" ").as_str(), old.join(" ").as_str()));

    let stranger = provider.token().audience("api").header("kid", "nope").sign();
    let refused = verifier.verify(&stranger).await.expect_err("no such key");
    let cooled = told();
    assert_eq!((only(&cooled).level, refused.code()), (Level::DEBUG, "unknown_key"), "it was looked a moment ago");
    assert_eq!(only(&cooled).field("source"), provider.jwks_url());

    issuer.clock().advance(Duration::from_secs(11));
    provider.go_down();
    let undecided = verifier.verify(&stranger).await.expect_err("nobody knows");
    assert!(undecided.is_unavailable());
    let failed = told();
    let failure = only(&failed);
    assert_eq!((failure.level, failure.field("forced")), (Level::WARN, "true"));
    assert!(!failure.field("error").is_empty() && !failure.field("error").contains(&stranger));
}
