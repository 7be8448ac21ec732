//! Auth0 by its public documents, as `docs/guides/auth0.md` says.

use countersign::key::Algorithm;
use serde_json::json;

use super::{Form, Identity, Provider};

async fn auth0() -> Provider {
    let form = Form {
        algorithm: Algorithm::RS256,
        kid: "Kq3ExampleOfAuth0_b1",
        key: json!({ "alg": "RS256", "use": "sig", "x5c": ["MIIDBzCCAe+gAwIBAgIJ"], "x5t": "Kq3ExampleOfAuth0_b1" }),
        header: json!({ "typ": "JWT" }),
    };
    Provider::start("auth0", &["https://acme.eu.auth0.com"], form).await
}

fn billing() -> Identity {
    let billing = Identity::service("kT3yBilling0Example@clients", "kT3yBilling0Example");
    billing.scopes(&["read:orders"]).permissions(&["read:orders"])
}

fn ann() -> Identity {
    let ann = Identity::user("auth0|65f0c0ffee0123456789abcd", "wEb0Shop0Example").tenant("org_Xq1Example7ZpL2");
    ann.scopes(&["openid", "profile", "read:orders"]).permissions(&["read:orders", "write:orders"])
}

#[tokio::test]
async fn s3_21_tokens_of_auth0_in_both_profiles_are_read_as_its_guide_says() {
    let auth0 = auth0().await;
    let verifier = auth0.verifier("policy.toml");
    assert_eq!(auth0.identity(&verifier, "service-token.json", json!({})).await, billing());
    assert_eq!(auth0.identity(&verifier, "user-token.json", json!({})).await, ann());
    for (file, client, identity) in
        [("service-token.json", "kT3yBilling0Example", billing()), ("user-token.json", "wEb0Shop0Example", ann())]
    {
        let in_rfc_9068 = json!({ "azp": null, "gty": null, "client_id": client, "jti": "73WakrExample" });
        let token = auth0.sign_with(auth0.claims(file, in_rfc_9068), json!({ "typ": "at+jwt" }));
        assert_eq!(Identity::of(&verifier.verify(&token).await.expect(file)), identity);
    }
    let with_roles = auth0.verifier("roles.toml");
    let roles = json!({ "https://shop.example.com/roles": ["manager"] });
    assert_eq!(auth0.identity(&with_roles, "user-token.json", roles).await, ann().roles(&["manager"]));
    let audience = ("audience", "https://orders.example.com");
    auth0.token_request("calls.toml").await.check("/oauth/token", &[audience]);
}

#[tokio::test]
async fn other_tokens_of_auth0_are_refused_with_the_codes_of_its_guide() {
    let auth0 = auth0().await;
    let verifier = auth0.verifier("policy.toml");
    let url = auth0.service.url();
    let elsewhere = json!({ "aud": format!("{url}/api/v2/") });
    assert_eq!(auth0.refusal(&verifier, "service-token.json", elsewhere).await, "wrong_audience");
    let id_token = json!({ "aud": "wEb0Shop0Example", "azp": null, "scope": null, "permissions": null, "sid": "s1" });
    assert_eq!(auth0.refusal(&verifier, "user-token.json", id_token).await, "wrong_audience");
    let id_token = json!({ "aud": "https://orders.example.com", "nonce": "n1" });
    assert_eq!(auth0.refusal(&verifier, "user-token.json", id_token).await, "id_token");
    let id_token = json!({ "azp": null, "scope": null, "permissions": null, "sid": "s1", "nickname": "ann" });
    assert_eq!(auth0.refusal(&verifier, "user-token.json", id_token).await, "missing_claim");
    for other in [url.clone(), format!("{url}/other/")] {
        assert_eq!(auth0.refusal(&verifier, "user-token.json", json!({ "iss": other })).await, "unknown_issuer");
    }
    let hs256 = auth0.sign_with(auth0.claims("user-token.json", json!({})), json!({ "alg": "HS256" }));
    let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..MTIzNDU2Nzg5MDEy.AAAA.MTIzNDU2Nzg5MDEyMzQ1Ng";
    for (token, code) in
        [("kJ8opaque0example0QqW", "malformed"), (encrypted, "jwe_unsupported"), (&*hs256, "algorithm_not_allowed")]
    {
        assert_eq!(verifier.verify(token).await.expect_err(code).code(), code);
    }
}
