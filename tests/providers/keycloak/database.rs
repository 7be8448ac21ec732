//! Keycloak whose database is killed and comes back while requests arrive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::issuers::Preset;
use countersign::prelude::*;
use countersign_tests::peers::Postgres;
use countersign_tests::ports::free_ports;

use super::guide;
use super::rotation::next_priority;
use super::server::Keycloak;
use crate::load::{Load, kid};
use crate::outage::{keys_that_are_fetched_often, outage, recover};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_keycloak, has_postgres)), ignore = "needs Keycloak and PostgreSQL: tests/peers/install")]
async fn s4_20_while_keycloak_lost_its_database_its_known_keys_verify_all_tokens_and_later_a_new_one() {
    let [port] = free_ports();
    let mut database = Postgres::start_at(port);
    let keycloak = Keycloak::start_with_postgres(&guide(), port).await;
    keycloak.set_up(&guide()).await;
    let issuer = keycloak.issuer("shop");
    let keys = Arc::new(keys_that_are_fetched_often(&issuer));
    let verifier =
        Verifier::new(Preset::KEYCLOAK.config(&issuer, "orders").to_trusted_issuer(keys)).expect("a verifier");
    let token = keycloak.billing("orders:read").await;
    let load = Load::start(&verifier, token.clone()).await;
    database.kill();
    tokio::time::sleep(outage()).await;
    let keys = reqwest::get(format!("{issuer}/protocol/openid-connect/certs")).await.expect("an answer");
    assert_eq!(keys.status(), 200, "of its cache");
    let secret = ("client_secret", "replace-me-billing");
    let fields = [("grant_type", "client_credentials"), ("client_id", "billing"), secret];
    assert!(keycloak.answer_of("shop", &fields).await["access_token"].is_null(), "no tokens without the database");
    database.start_again();

    let began = Instant::now();
    while keycloak.answer_of("shop", &fields).await["access_token"].is_null() {
        assert!(began.elapsed() < Duration::from_secs(60), "Keycloak has not recovered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("Keycloak gave a token {:?} after its database was back", began.elapsed());
    keycloak.rotate(next_priority()).await;
    let renewed = keycloak.billing("orders:read").await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
}
