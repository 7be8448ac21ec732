//! Amazon Cognito by its public documents, as `docs/guides/cognito.md` says.

use countersign::key::Algorithm;
use serde_json::json;

use super::{Form, Identity, Provider};

async fn cognito() -> Provider {
    let form = Form {
        algorithm: Algorithm::RS256,
        kid: "xTl/ExampleOfCognito+a1B2c3D4e5F6g7H8=",
        key: json!({ "alg": "RS256", "use": "sig" }),
        header: json!({}),
    };
    let hosts = &["https://cognito-idp.eu-west-1.amazonaws.com", "https://shop.auth.eu-west-1.amazoncognito.com"];
    Provider::start("cognito", hosts, form).await
}

fn ann() -> Identity {
    let ann = Identity::user("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "5web6shop7example8client");
    ann.scopes(&["openid", "orders/read"]).roles(&["managers"])
}

#[tokio::test]
async fn s3_21_tokens_of_cognito_are_read_as_its_guide_says() {
    let cognito = cognito().await;
    let verifier = cognito.verifier("policy.toml");
    let billing = Identity::service("1billing2example3client4", "1billing2example3client4").scopes(&["orders/read"]);
    assert_eq!(cognito.identity(&verifier, "service-token.json", json!({})).await, billing);
    assert_eq!(cognito.identity(&verifier, "user-token.json", json!({})).await, ann());
    cognito.token_request("calls.toml").await.check("/oauth2/token", &[("scope", "orders/read")]);

    let bound = cognito.verifier("policy-bound.toml");
    let to_orders = json!({ "aud": "https://orders.example.com" });
    assert_eq!(cognito.identity(&bound, "user-token.json", to_orders).await, ann());
    assert_eq!(cognito.identity(&bound, "service-token.json", json!({})).await, billing);
    let to_billing = json!({ "aud": "https://billing.example.com" });
    assert_eq!(cognito.refusal(&bound, "user-token.json", to_billing.clone()).await, "wrong_audience");
    assert_eq!(cognito.refusal(&verifier, "user-token.json", to_billing).await, "wrong_audience");
    assert_eq!(cognito.refusal(&bound, "user-token.json", json!({})).await, "wrong_audience", "not bound");
}

#[tokio::test]
async fn other_tokens_of_cognito_are_refused_with_the_codes_of_its_guide() {
    let cognito = cognito().await;
    let verifier = cognito.verifier("policy.toml");
    let another_pool = format!("{}/eu-west-1_z9Y8x7W6v", cognito.service.url());
    for (changes, code) in [
        (json!({ "client_id": "9other0example1client2" }), "wrong_audience"),
        (json!({ "client_id": null }), "wrong_audience"),
        (json!({ "iss": another_pool }), "unknown_issuer"),
        (
            json!({ "token_use": "id", "aud": "5web6shop7example8client", "client_id": null, "scope": null, "email": "a@b.test" }),
            "id_token",
        ),
        (json!({ "token_use": "id" }), "id_token"),
        (json!({ "token_use": null }), "wrong_type"),
    ] {
        assert_eq!(cognito.refusal(&verifier, "user-token.json", changes.clone()).await, code, "{changes}");
    }
}
