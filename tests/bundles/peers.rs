//! Bundles against JOSE libraries that nobody here wrote.

use countersign::bundle::BundleVerifier;
use countersign::clock::Clock;
use countersign::key::KeySet;
use countersign_tests::peers;
use serde_json::{Value, json};

use crate::world::{FLEET, World};

/// The other library verifies ours, and services take its bundle under its pinned key, and not under ours.
fn exchange(world: &World, command: std::process::Command) {
    let now = world.issuer.clock().now();
    let policy = World::policy("orders", "");
    let text = world.draft(7, policy.clone()).sign(&world.signer).expect("signed");
    let payload = json!({
        "aud": FLEET, "revision": 8, "iat": now.as_secs(), "exp": now.as_secs() + 3600,
        "policy": serde_json::from_str::<Value>(&policy.to_json()).expect("JSON"),
    });
    let keys = json!({ "keys": [world.signer.public_jwk().expect("public")] });
    let answer = peers::answer(
        command,
        &json!({ "bundle": text, "keys": keys, "fleet": FLEET, "now": now.as_secs(), "payload": payload }),
    );
    assert_eq!(answer["payload"]["revision"], 7, "{answer}");
    assert_eq!(answer["payload"]["policy"], payload["policy"]);
    assert_eq!(answer["header"]["typ"], "policy-bundle+jwt");
    assert_ne!(answer["tampered"], "accepted");
    assert_ne!(answer["other_fleet"], "accepted");

    let theirs = answer["made"].as_str().expect("a bundle");
    let pinned = KeySet::from_jwks(json!({ "keys": [answer["key"]] }).to_string().as_bytes()).expect("a key");
    let bundle = BundleVerifier::new(FLEET, pinned).expect("sound").verify(theirs, now).expect("accepted");
    assert_eq!((bundle.revision(), &**bundle.policy()), (8, &policy));
    assert_eq!(world.pins().verify(theirs, now).expect_err("not our key").code(), "bundle_unknown_key");
}

#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
#[test]
fn s14_01_jose_verifies_a_bundle_and_makes_one() {
    exchange(&World::new("jose"), peers::node("bundle_jose.mjs"));
}

#[cfg_attr(not(has_python), ignore = "needs Python: tests/peers/install")]
#[test]
fn s14_01_pyjwt_verifies_a_bundle_and_makes_one() {
    exchange(&World::new("pyjwt"), peers::python("bundle_pyjwt.py"));
}
