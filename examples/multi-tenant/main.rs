//! One service with many tenants: which tenant a request concerns, who may access it, and what others get.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::{Router, routing::get};
use countersign::authz::{Authorities, tenant_in_host};
use countersign::claims::TenantKey;
use countersign::extract::Authorized;
use countersign::prelude::*;
use countersign_test::TestIssuer;

type Failure = Box<dyn std::error::Error>;

/// A cache across requests. Its keys include the tenant, so that no tenant gets the data of another.
type Prices = Arc<Mutex<HashMap<TenantKey<&'static str>, usize>>>;

countersign::requirement! {
    /// Orders of another tenant are not found (404); orders of the own tenant require the scope (403).
    OwnOrders = tenant_in_path("tenant").hidden().and(scope("orders:read"));
}

async fn orders(caller: Authorized<OwnOrders>, tenant: Tenant) -> String {
    format!("orders of {tenant} for {}", caller.subject())
}

async fn prices(tenant: Tenant, State(prices): State<Prices>) -> String {
    let mut prices = prices.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = prices.entry(tenant.key("price list")).or_default();
    *seen += 1;
    format!("price list of {tenant}, read {seen} times")
}

fn app(verifier: Verifier) -> Router {
    let support = role("support").and(scope("orders:read")); // internal support, for any tenant
    Router::new()
        .route("/tenants/{tenant}/orders", get(orders))
        .route("/prices", get(prices).layer(require(tenant_in_host("shop.test"))))
        .route("/support/{tenant}", get(async || "support console").layer(require(support)))
        .with_state(Prices::default())
        .layer(AuthenticateLayer::new(verifier)) // last: every route above requires a token
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Most tenants share an issuer, and a claim names the tenant. Globex has its own issuer: all its tokens belong to the
    // tenant globex, and its role "support" is "globex:support" here.
    let shared = TestIssuer::new().with_name("https://id.example.com");
    let globex = TestIssuer::new().with_name("https://login.globex.example");
    let of_globex = Authorities::new().roles_at("/roles").name_prefix("globex:");
    let of_globex = of_globex.tenant("globex").tenants_of("https://issuer.test");
    let verifier = Verifier::builder()
        .trust(shared.trusted_for("shop"))
        .trust(globex.trusted_for("shop").authorities(of_globex))
        .reserve_subjects("svc:", shared.name())
        .clock(Arc::new(shared.clock().clone()))
        .build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app(verifier)).await });

    let token = |issuer: &TestIssuer, name: &str| issuer.token().subject(name).audience("shop").scope("orders:read");
    let ann = token(&shared, "ann").tenant("acme").sign();
    let ann_without_scope = shared.token().subject("ann").audience("shop").tenant("acme").sign();
    let gil = token(&globex, "gil").tenant("acme").role("support").sign(); // the claim has no effect
    let sue = token(&shared, "sue").role("support").sign();
    let forged = token(&globex, "svc:billing").sign();
    let calls = [
        ("ann of acme, her own", "/tenants/acme/orders", "", &ann, 200, "orders of acme for ann"),
        ("ann, without the scope", "/tenants/acme/orders", "", &ann_without_scope, 403, "insufficient_scope"),
        ("ann, another tenant's", "/tenants/globex/orders", "", &ann, 404, ""),
        ("ann, an unknown tenant", "/tenants/nobody/orders", "", &ann, 404, ""),
        ("gil of globex, his own", "/tenants/globex/orders", "", &gil, 200, "orders of globex for gil"),
        ("gil, acme's", "/tenants/acme/orders", "", &gil, 404, ""),
        ("ann, prices by host", "/prices", "acme.shop.test", &ann, 200, "price list of acme, read 1 times"),
        ("ann, again", "/prices", "acme.shop.test", &ann, 200, "price list of acme, read 2 times"),
        ("gil, prices by host", "/prices", "globex.shop.test", &gil, 200, "price list of globex, read 1 times"),
        ("gil, at acme's host", "/prices", "acme.shop.test", &gil, 403, "forbidden"),
        ("sue of internal support", "/support/acme", "", &sue, 200, "support console"),
        ("gil, support only at globex", "/support/acme", "", &gil, 403, "forbidden"),
        ("globex naming a service", "/tenants/globex/orders", "", &forged, 401, "token_invalid"),
    ];
    for (what, path, host, token, status, expected) in calls {
        let mut request = reqwest::Client::new().get(format!("{url}{path}")).bearer_auth(token);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        let response = request.send().await?;
        let (found, text) = (response.status().as_u16(), response.text().await?);
        println!("{what:28} {found} {text}");
        if found != status || !text.contains(expected) {
            return Err(format!("{what}: expected {status} and {expected}").into());
        }
    }
    Ok(())
}
