//! Layers that check tokens against revocations.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::clock::UnixTime;
use countersign::revocation::RevocationList;
use countersign::status::{StatusListIssuer, StatusLists};
use countersign_core::mint::Signer;
use countersign_core::status::{StatusList, StatusListDraft};
use countersign_core::verify::Verifier;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use crate::sample::ISSUER;

/// A day: nothing is read again meanwhile.
const LASTING: Duration = Duration::from_secs(86_400);

/// The distance between places of a status list that are valid for certain.
pub const STEP: u64 = 3_001;

/// The identifiers of a list, half of them tokens and half of them sessions. None is that of a measured token.
///
/// # Panics
/// If the list has no room.
pub fn fill(list: &RevocationList, identifiers: usize) {
    let in_a_day = now().saturating_add(LASTING);
    for number in 0..identifiers / 2 {
        list.revoke_token(ISSUER, &format!("00000000-7c4a-7b21-9e5d-{number:012x}"), in_a_day).expect("room");
        list.revoke_session(ISSUER, &format!("11111111-54e3-4f8a-b6c9-{number:012x}"), in_a_day).expect("room");
    }
}

/// A layer of `verifier` with a list of so many revoked identifiers that a feed keeps up to date, and that has none of the
/// tokens that are measured.
///
/// # Panics
/// If the list has no room.
#[must_use]
pub fn layer(verifier: Verifier, identifiers: usize) -> AuthenticateLayer {
    let list = Arc::new(RevocationList::new());
    let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&list)).build().expect("a layer");
    list.feed(LASTING).confirm();
    fill(&list, identifiers);
    layer
}

/// A layer of `verifier` that checks tokens against the status list at the address, and the address. The caller's runtime
/// serves the list, which has room for so many tokens; those at a multiple of [`STEP`] are valid.
///
/// # Panics
/// If the list cannot be made or served.
pub async fn status_layer(verifier: Verifier, signer: &Signer, entries: u64) -> (AuthenticateLayer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}/status-lists/0", listener.local_addr().expect("an address"));
    let mut list = StatusList::new(1, entries).expect("a list");
    // One in a hundred is revoked.
    let revoked = (0..entries).filter(|index| (1..=STEP / 100).contains(&(index % STEP)));
    revoked.for_each(|index| assert!(list.set(index, 1)));
    let draft = StatusListDraft::new(&*uri, &list).issued_at(now()).lifetime(LASTING).ttl(LASTING);
    let token = draft.sign(signer).expect("a signed list");
    let served = get(async move || ([(CONTENT_TYPE, "application/statuslist+jwt")], token));
    tokio::spawn(async { axum::serve(listener, Router::new().route("/status-lists/0", served)).await });
    let issuer = StatusListIssuer::new(ISSUER).location(&*uri);
    let lists = Arc::new(StatusLists::new(&verifier).max_age(LASTING).add_issuer(issuer));
    (AuthenticateLayer::builder(verifier).revocation(lists).build().expect("a layer"), uri)
}

fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
