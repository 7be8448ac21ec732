//! The server hangs, is killed and comes back while requests arrive.

use std::sync::Arc;

use countersign::policy::TrustedIssuerConfig;
use countersign::prelude::*;

use super::shared;
use crate::load::kid;
use crate::outage::{hang_and_die, keys_that_are_fetched_often, recover};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s4_20_while_zitadels_library_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut zitadel = shared().await.write().await;
    let issuer = zitadel.issuer().to_owned();
    let keys = Arc::new(keys_that_are_fetched_often(&issuer));
    let trusted = TrustedIssuerConfig::new(&issuer, "orders").to_trusted_issuer(keys);
    let verifier = Verifier::new(trusted).expect("a verifier");
    let token = zitadel.billing_for_orders().await;
    let load = hang_and_die(&mut zitadel.server, &verifier, token.clone(), |other_issuer| {
        other_issuer.clone().with_name(&issuer).token().audience("orders").header("kid", "invented").sign()
    })
    .await;
    zitadel.rotate();
    let renewed = zitadel.billing_for_orders().await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
}
