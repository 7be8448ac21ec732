//! Google by its public documents, as `docs/guides/google.md` says.

use axum::Router;
use axum::routing::get;
use countersign::key::Algorithm;
use countersign::prelude::*;
use countersign_tests::http::Service;
use serde_json::json;

use super::{Form, Identity, Provider};

const BILLING: &str = "113774264463038321964";

async fn google() -> Provider {
    let form = Form {
        algorithm: Algorithm::RS256,
        kid: "6a8ba5652a7044121d4fedac8f14d14c54e4895b",
        key: json!({ "alg": "RS256", "use": "sig" }),
        header: json!({ "typ": "JWT" }),
    };
    Provider::start("google", &["https://accounts.google.com", "https://www.googleapis.com"], form).await
}

#[tokio::test]
async fn s15_05_tokens_of_google_are_read_as_its_guide_says_and_only_of_the_listed_accounts() {
    let google = google().await;
    let verifier = google.verifier("policy.toml");
    let billing = Identity::service(BILLING, BILLING);
    assert_eq!(google.identity(&verifier, "service-token.json", json!({})).await, billing);
    let of_an_instance =
        json!({ "google": { "compute_engine": { "project_id": "shop-example", "zone": "europe-west1-b" } } });
    assert_eq!(google.identity(&verifier, "service-token.json", of_an_instance).await, billing);

    let anybody = "999999999999999999999";
    let browser = "32555940559.apps.googleusercontent.com";
    for (changes, code) in [
        (
            json!({ "azp": anybody, "sub": anybody, "email": "evil@else.iam.gserviceaccount.com" }),
            "subject_not_allowed",
        ),
        (json!({ "azp": null }), "subject_not_allowed"),
        (json!({ "azp": browser, "hd": "shop.example.com", "at_hash": "VLzKchuqkaLiXAfAcv1UHw" }), "id_token"),
        (json!({ "azp": browser, "aud": browser }), "wrong_audience"),
        (json!({ "aud": "https://billing.example.com" }), "wrong_audience"),
        (json!({ "iss": "accounts.google.com" }), "unknown_issuer"),
    ] {
        assert_eq!(google.refusal(&verifier, "service-token.json", changes.clone()).await, code, "{changes}");
    }
    let token = google.sign(google.claims("service-token.json", json!({})));
    let (signed, _) = token.rsplit_once('.').expect("a token");
    let behind_cloud_run = format!("{signed}.SIGNATURE_REMOVED_BY_GOOGLE");
    let code = verifier.verify(&behind_cloud_run).await.expect_err("no signature").code();
    assert!(google.guide.says(&format!("| `{code}`, a token that ends with `SIGNATURE_REMOVED_BY_GOOGLE`")), "{code}");

    let policy = google.guide.file("policy.toml");
    assert!(google.verifier_of(policy).is_ok());
    let for_anybody = policy.lines().filter(|line| !line.starts_with("allowed_clients")).collect::<Vec<_>>().join("\n");
    assert!(google.verifier_of(&for_anybody).is_err());
}

#[tokio::test]
async fn assertions_of_identity_aware_proxy_are_read_as_the_guide_of_google_says() {
    let form = Form {
        algorithm: Algorithm::ES256,
        kid: "mpf0DA",
        key: json!({ "alg": "ES256", "use": "sig" }),
        header: json!({ "typ": "JWT" }),
    };
    let pages = |_: &str, set: String| [("/iap/verify/public_key-jwk".to_owned(), set)].into();
    let proxy = Provider::serve("google", &["https://www.gstatic.com"], form, pages).await;
    let verifier = proxy.verifier("policy-iap.toml");
    let ann = Identity { client: None, ..Identity::user("accounts.google.com:110000000000000000001", "") };
    assert_eq!(proxy.identity(&verifier, "user-token.json", json!({})).await, ann.tenant("shop.example.com"));
    let elsewhere = json!({ "aud": "/projects/415104041262/global/backendServices/1" });
    assert_eq!(proxy.refusal(&verifier, "user-token.json", elsewhere).await, "wrong_audience");
    let token = json!({ "iss": "https://accounts.google.com" });
    assert_eq!(proxy.refusal(&verifier, "user-token.json", token).await, "unknown_issuer");

    let layer = AuthenticateLayer::builder(verifier).header("x-goog-iap-jwt-assertion").public(["/health"]);
    let me = get(|claims: Claims| async move { claims.subject().to_owned() });
    let app = Router::new().route("/me", me).route("/health", get(|| async { "ok" }));
    let service = Service::start(app.layer(layer.build().expect("a layer"))).await;
    let assertion = proxy.sign(proxy.claims("user-token.json", json!({})));
    let header = format!("X-Goog-IAP-JWT-Assertion: {assertion}");
    let answer = service.request("GET /me", &[&header]).await;
    assert_eq!((answer.status, &*answer.body), (200, "accounts.google.com:110000000000000000001"));
    let named =
        service.request("GET /me", &["X-Goog-Authenticated-User-Email: accounts.google.com:ann@shop.example.com"]);
    assert_eq!((named.await.status, service.request("GET /health", &[]).await.status), (401, 200));
}
