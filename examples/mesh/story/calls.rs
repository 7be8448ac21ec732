//! Steps 1 to 5 and 9: one caller at a time.

use serde_json::json;

use super::teller::Teller;
use crate::mesh::Mesh;
use crate::tokens::Person;
use crate::{Result, forge};

pub const ANN: Person = Person { subject: "ann", role: "clerk", tenant: "acme" };
const MEG: Person = Person { subject: "meg", role: "manager", tenant: "acme" };

/// What ann may do.
pub const READS: &str = "orders:read stock:read";

pub async fn without_a_token(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(1, "no token, through the gateway");
    let answer = teller.get(&format!("{}/orders", mesh.gateway.url), None).await?;
    teller.expect("GET /orders without a token", &answer, 401, "Bearer realm=");
    Ok(())
}

pub async fn through_the_mesh(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(2, "ann's token: client -> gateway -> orders -> inventory");
    let token = mesh.tokens.for_person(&ANN, "gateway", READS)?;
    let answer = teller.get(&format!("{}/orders", mesh.gateway.url), Some(&token)).await?;
    teller.expect("GET /orders as ann", &answer, 200, "\"orders_of\":\"ann\"");
    let stock = &answer.body["stock"];
    let shows_both = stock["asked_for"] == "ann" && stock["asked_by"] == "orders";
    teller.claim("inventory saw the subject ann and the actor orders", shows_both);
    teller.claim("inventory's token was for inventory alone", stock["token_was_for"] == json!(["inventory"]));
    let direct = teller.get(&format!("{}/stock/bolts", mesh.inventory.url), Some(&token)).await?;
    teller.expect("the gateway's token, at inventory itself", &direct, 401, "invalid_token");
    Ok(())
}

pub async fn bad_tokens(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(3, "bad tokens, each refused with its reason");
    let url = format!("{}/orders", mesh.gateway.url);
    let tokens = &mesh.tokens;
    let good = tokens.for_person(&ANN, "gateway", READS)?;
    let stranger = countersign_test::TestIssuer::with_system_clock().token().audience("gateway").sign();
    let jwks = teller.get(&format!("{}/jwks", tokens.url()), None).await?.body;
    let bad = [
        ("for another audience", tokens.for_person(&ANN, "billing", READS)?, "wrong_audience"),
        ("expired an hour ago", tokens.long_ago(&ANN, "gateway", READS)?, "expired"),
        ("of an issuer that nobody knows", stranger, "unknown_issuer"),
        ("with alg none and no signature", forge::with_alg_none(&good, "")?, "malformed"),
        ("with alg none and any signature", forge::with_alg_none(&good, "AAAA")?, "algorithm_not_allowed"),
        ("with a MAC under the public key", forge::with_mac_of_public_key(&good, &jwks)?, "algorithm_not_allowed"),
        ("with one bit of its signature flipped", forge::with_flipped_bit(&good)?, "bad_signature"),
    ];
    for (what, token, reason) in bad {
        let answer = teller.get(&url, Some(&token)).await?;
        teller.expect(&format!("a token {what}"), &answer, 401, reason);
    }
    Ok(())
}

pub async fn permissions(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(4, "a good token that is not enough, and a role that is");
    let url = format!("{}/orders", mesh.gateway.url);
    let clerk = mesh.tokens.for_person(&ANN, "gateway", READS)?;
    let answer = teller.post(&url, Some(&clerk)).await?;
    teller.expect("POST /orders as a clerk", &answer, 403, "scope=\"orders:write\"");
    let manager = mesh.tokens.for_person(&MEG, "gateway", READS)?;
    let answer = teller.post(&url, Some(&manager)).await?;
    teller.expect("POST /orders as a manager, whose role may write", &answer, 200, "\"created_by\":\"meg\"");
    Ok(())
}

pub async fn tenants(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(5, "a token of one tenant on another's orders");
    let token = mesh.tokens.for_person(&ANN, "gateway", READS)?;
    let own = teller.get(&format!("{}/tenants/acme/orders", mesh.gateway.url), Some(&token)).await?;
    teller.expect("acme's ann on acme's orders", &own, 200, "\"orders_of_tenant\":\"acme\"");
    let other = teller.get(&format!("{}/tenants/umbrella/orders", mesh.gateway.url), Some(&token)).await?;
    teller.expect("acme's ann on umbrella's orders", &other, 403, "forbidden");
    Ok(())
}

pub async fn two_generations(teller: &mut Teller, mesh: &Mesh) -> Result<()> {
    teller.step(9, "two generations of the claims, one handler");
    let url = format!("{}/plan", mesh.gateway.url);
    let newer = mesh.tokens.with_claims("ann", "gateway", READS, json!({ "plan": "gold", "region": "north" }))?;
    let answer = teller.get(&url, Some(&newer)).await?;
    teller.expect("a token of schema 2", &answer, 200, "\"region\":\"north\"");
    let older = mesh.tokens.with_claims("ann", "gateway", READS, json!({ "plan": "gold" }))?;
    let answer = teller.get(&url, Some(&older)).await?;
    teller.expect("a token of schema 1, which knew no region", &answer, 200, "\"region\":null");
    let odd = mesh.tokens.with_claims("ann", "gateway", READS, json!({ "plan": 7 }))?;
    let answer = teller.get(&url, Some(&odd)).await?;
    teller.expect("a token whose plan is no text", &answer, 403, "claims_schema");
    Ok(())
}
