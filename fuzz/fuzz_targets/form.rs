//! Any bytes as the form of a request to the issuer: never a panic, and never more than an error without a client's secret.

#![no_main]

use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use http::Request;
use libfuzzer_sys::fuzz_target;
use tower_service::Service;

struct World {
    runtime: tokio::runtime::Runtime,
    router: Router,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(world());
}

fn world() -> World {
    let pepper = || Secret::new(vec![7; 32]);
    // A keyed hash, because Argon2id would make each run slow.
    let (_, hash) = SecretHash::generate_keyed(&pepper()).expect("a pepper");
    let issuer = Issuer::builder("https://issuer.test")
        .add_audience(Audience::new("billing").scopes(["orders:read"]))
        .add_client(Client::new("orders").secret(hash).audiences(["billing"]).scopes(["orders:read"]))
        .pepper(pepper())
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    World { runtime: runtime.expect("a runtime"), router: issuer.expect("an issuer").router() }
}

fuzz_target!(|form: &[u8]| {
    WORLD.with_borrow_mut(|World { runtime, router }| {
        for path in ["/token", "/introspect", "/revoke"] {
            let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let request = request.body(Body::from(form.to_vec())).expect("a request");
            let answer = runtime.block_on(router.call(request)).expect("an answer");
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
    });
});
