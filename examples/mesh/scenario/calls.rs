//! Steps 1 to 5 and 9: single requests.

use serde_json::json;

use super::report::Report;
use crate::mesh::Mesh;
use crate::tokens::Person;
use crate::{Result, forge};

pub const ANN: Person =
    Person { subject: "ann", role: "clerk", tenant: "acme", plan: "\"gold\"", region: Some("north") };
pub const MEG: Person = Person { subject: "meg", role: "manager", ..ANN };

/// A person with the claims of schema 1, and one with invalid claims.
const OLD: Person = Person { subject: "old", region: None, ..ANN };
const ODD: Person = Person { subject: "odd", plan: "7", ..ANN };

/// The scopes of ann.
pub const READS: &str = "orders:read stock:read";

pub async fn without_a_token(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(1, "no token, through the gateway");
    let answer = report.get(&format!("{}/orders", mesh.gateway.url), None).await?;
    report.expect("GET /orders without a token", &answer, 401, "Bearer realm=");
    Ok(())
}

pub async fn through_the_mesh(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(2, "ann's token: client -> gateway -> orders -> inventory");
    let token = mesh.tokens.for_person(&ANN, "gateway", READS).await?;
    let answer = report.get(&format!("{}/orders", mesh.gateway.url), Some(&token)).await?;
    report.expect("GET /orders as ann", &answer, 200, "\"orders_of\":\"ann\"");
    let stock = &answer.body["stock"];
    let shows_both = stock["asked_for"] == "ann" && stock["asked_by"] == "orders";
    report.check("inventory saw the subject ann and the caller orders", shows_both);
    report.check("the token at inventory was valid only for inventory", stock["token_was_for"] == json!(["inventory"]));
    let direct = report.get(&format!("{}/stock/bolts", mesh.inventory.url), Some(&token)).await?;
    report.expect("the token for the gateway, sent to inventory", &direct, 401, "invalid_token");
    Ok(())
}

pub async fn bad_tokens(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(3, "bad tokens: the reason is stated only if the signature holds");
    let url = format!("{}/orders", mesh.gateway.url);
    let tokens = &mesh.tokens;
    let good = tokens.for_person(&ANN, "gateway", READS).await?;
    let unknown = countersign_test::TestIssuer::with_system_clock().token().audience("gateway").sign();
    let jwks = report.get(&tokens.keys_url(), None).await?.body;
    let bad = [
        ("for another audience", tokens.for_person(&ANN, "billing", READS).await?, "wrong_audience"),
        ("that has expired", tokens.expired_for_person(&ANN, "gateway", READS).await?, "expired"),
        ("of an unknown issuer", unknown, "token_invalid"),
        ("with alg none and no signature", forge::with_alg_none(&good, "")?, "token_invalid"),
        ("with alg none and any signature", forge::with_alg_none(&good, "AAAA")?, "token_invalid"),
        ("with a MAC under the public key", forge::with_mac_of_public_key(&good, &jwks)?, "token_invalid"),
        ("with one bit of its signature flipped", forge::with_flipped_bit(&good)?, "token_invalid"),
    ];
    for (what, token, reason) in bad {
        let answer = report.get(&url, Some(&token)).await?;
        report.expect(&format!("a token {what}"), &answer, 401, reason);
    }
    Ok(())
}

pub async fn permissions(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(4, "a valid token without the permission, and one with it");
    let url = format!("{}/orders", mesh.gateway.url);
    let clerk = mesh.tokens.for_person(&ANN, "gateway", READS).await?;
    let answer = report.post(&url, Some(&clerk)).await?;
    report.expect("POST /orders as a clerk", &answer, 403, "scope=\"orders:write\"");
    let manager = mesh.tokens.for_person(&MEG, "gateway", READS).await?;
    let answer = report.post(&url, Some(&manager)).await?;
    report.expect("POST /orders as a manager, whose role may write", &answer, 200, "\"created_by\":\"meg\"");
    Ok(())
}

pub async fn tenants(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(5, "a token of one tenant, used for orders of another");
    let token = mesh.tokens.for_person(&ANN, "gateway", READS).await?;
    let own = report.get(&format!("{}/tenants/acme/orders", mesh.gateway.url), Some(&token)).await?;
    report.expect("ann of acme, orders of acme", &own, 200, "\"orders_of_tenant\":\"acme\"");
    let other = report.get(&format!("{}/tenants/umbrella/orders", mesh.gateway.url), Some(&token)).await?;
    report.expect("ann of acme, orders of umbrella", &other, 403, "forbidden");
    Ok(())
}

pub async fn two_versions(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(9, "two versions of the claims, one handler");
    let url = format!("{}/plan", mesh.gateway.url);
    let newer = mesh.tokens.for_person(&ANN, "gateway", READS).await?;
    let answer = report.get(&url, Some(&newer)).await?;
    report.expect("a token of schema 2", &answer, 200, "\"region\":\"north\"");
    let older = mesh.tokens.for_person(&OLD, "gateway", READS).await?;
    let answer = report.get(&url, Some(&older)).await?;
    report.expect("a token of schema 1, without a region", &answer, 200, "\"region\":null");
    let invalid = mesh.tokens.for_person(&ODD, "gateway", READS).await?;
    let answer = report.get(&url, Some(&invalid)).await?;
    report.expect("a token whose plan is not a string", &answer, 403, "claims_schema");
    Ok(())
}
