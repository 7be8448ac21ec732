//! Okta by its public documents, as `docs/guides/okta.md` says.

use base64_simd::URL_SAFE_NO_PAD;
use countersign::key::Algorithm;
use serde_json::{Value, json};

use super::{Form, Identity, Provider};

async fn okta() -> Provider {
    let form = Form {
        algorithm: Algorithm::RS256,
        kid: "RQ8ExampleOfOkta3QRk",
        key: json!({ "alg": "RS256", "use": "sig" }),
        header: json!({}),
    };
    Provider::start("okta", &["https://acme.okta.com"], form).await
}

#[tokio::test]
async fn s3_21_tokens_of_okta_are_read_as_its_guide_says() {
    let okta = okta().await;
    let verifier = okta.verifier("policy.toml");
    let billing = Identity::service("0oa1billing2example", "0oa1billing2example").scopes(&["orders:read"]);
    assert_eq!(okta.identity(&verifier, "service-token.json", json!({})).await, billing);
    let ann = Identity::user("ann@shop.example.com", "0oa3web4example").scopes(&["openid", "orders:read"]);
    let ann = ann.roles(&["managers"]);
    assert_eq!(okta.identity(&verifier, "user-token.json", json!({})).await, ann);

    let (path, scope) = ("/oauth2/aus1shop2example3/v1/token", ("scope", "orders:read"));
    okta.token_request("calls.toml").await.check(path, &[scope]);
    let request = okta.token_request("calls-with-a-key.toml").await;
    request.check(path, &[scope]);
    let assertion = request.fields["client_assertion"].split('.').nth(1).expect("claims");
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(assertion).expect("base64url")).expect("JSON");
    assert_eq!(claims["aud"], format!("{}{path}", okta.service.url()));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("0oa1billing2example"), &json!("0oa1billing2example")));
}

#[tokio::test]
async fn other_tokens_of_okta_are_refused_with_the_codes_of_its_guide() {
    let okta = okta().await;
    let verifier = okta.verifier("policy.toml");
    let url = okta.service.url();
    let of_the_org = json!({ "iss": url, "aud": url });
    assert_eq!(okta.refusal(&verifier, "user-token.json", of_the_org).await, "unknown_issuer");
    let of_another_server = json!({ "iss": format!("{url}/oauth2/default"), "aud": "api://default" });
    assert_eq!(okta.refusal(&verifier, "user-token.json", of_another_server).await, "unknown_issuer");
    let elsewhere = json!({ "aud": "https://billing.example.com" });
    assert_eq!(okta.refusal(&verifier, "service-token.json", elsewhere).await, "wrong_audience");
    let id_token = json!({
        "aud": "0oa3web4example", "cid": null, "uid": null, "scp": null, "amr": ["pwd"], "jti": "ID.4eAW0example",
        "at_hash": "cpqKfdQA5eH891Ff5oJr_Q",
    });
    assert_eq!(okta.refusal(&verifier, "user-token.json", id_token).await, "id_token");
    let unmarked = json!({ "cid": null, "uid": null, "scp": null });
    assert_eq!(okta.refusal(&verifier, "user-token.json", unmarked).await, "missing_claim");
    let token = okta.sign_with(okta.claims("user-token.json", json!({})), json!({ "kid": "pinned-by-a-client" }));
    assert_eq!(verifier.verify(&token).await.expect_err("another key").code(), "unknown_key");
}
