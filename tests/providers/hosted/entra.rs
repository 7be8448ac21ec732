//! Microsoft Entra ID by its public documents, as `docs/guides/entra.md` says.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use countersign::authz::{Requirement, client};
use countersign::error::ConfigError;
use countersign::key::Algorithm;
use countersign::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::{Form, Identity, Provider};

const TENANT: &str = "8d2f4c1a-3b5e-4f60-9a7b-0c1d2e3f4a5b";
const BILLING: &str = "b1111111-2222-4333-8444-555555555555";

async fn entra() -> Provider {
    let kid = "jS1ExampleOfEntra_52vb";
    // No `alg`, and the issuer that may sign with the key.
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let form = Form {
        algorithm: Algorithm::RS256,
        kid,
        key: json!({ "use": "sig", "x5t": kid, "x5c": ["MIIC/TCCAeWgAwIBAgII"], "issuer": issuer }),
        header: json!({ "typ": "JWT" }),
    };
    Provider::start("entra", &["https://login.microsoftonline.com"], form).await
}

/// The guide's policy, with the address of the service as the issuer.
fn verifier(entra: &Provider) -> Verifier {
    let policy = format!("{}issuer = \"{}/{TENANT}/v2.0\"\n", entra.file("policy.toml"), entra.service.url());
    entra.verifier_of(&policy).expect("a verifier")
}

fn billing() -> Identity {
    let billing = Identity::service("0a0b0c0d-1111-4222-8333-444455556666", BILLING);
    billing.roles(&["Orders.Read.All"]).tenant(TENANT)
}

fn ann() -> Identity {
    let ann = Identity::user("HKZpfaExampleOfAnnAtOrders", "c7777777-8888-4999-8aaa-bbbbbbbbbbbb");
    ann.scopes(&["Orders.Read"]).roles(&["Manager"]).tenant(TENANT)
}

#[tokio::test]
async fn s3_21_tokens_of_entra_are_read_as_its_guide_says() {
    let entra = entra().await;
    let verifier = verifier(&entra);
    assert_eq!(entra.identity(&verifier, "service-token.json", json!({})).await, billing());
    assert_eq!(entra.identity(&verifier, "service-token.json", json!({ "idtyp": "app" })).await, billing());
    assert_eq!(entra.identity(&verifier, "user-token.json", json!({})).await, ann());
    assert_eq!(entra.identity(&verifier, "user-token.json", json!({ "idtyp": "user" })).await, ann());
    // Any application of the tenant gets a token without roles, if the service does not require an assignment.
    let unassigned = json!({ "roles": null, "azp": "99999999-0000-4111-8222-333333333333" });
    let token = entra.sign(entra.claims("service-token.json", unassigned));
    let verified = verifier.verify(&token).await.expect("a token of the tenant");
    let allows = |requirement: Requirement| verified.meets(&requirement);
    assert!(!allows(scope("Orders.Read").or(role("Orders.Read.All"))) && !allows(client(BILLING)));
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    entra.token_request("calls.toml").await.check(&path, &[("scope", "api://orders/.default")]);
}

#[tokio::test]
async fn s3_27_other_tokens_of_entra_are_refused_with_the_codes_of_its_guide() {
    let entra = entra().await;
    let verifier = verifier(&entra);
    let url = entra.service.url();
    let other = "99998888-7777-4666-8555-444433332222";
    for (changes, code) in [
        (json!({ "aud": "api://orders" }), "wrong_audience"),
        (json!({ "aud": "00000003-0000-0000-c000-000000000000" }), "wrong_audience"),
        (json!({ "aud": "c7777777-8888-4999-8aaa-bbbbbbbbbbbb", "azp": null, "scp": null }), "wrong_audience"),
        (json!({ "nonce": "n1", "scp": null }), "id_token"),
        // An ID token of the service's own application, by the flow with a code.
        (json!({ "azp": null, "azpacr": null, "scp": null }), "missing_claim"),
        (json!({ "tid": other }), "wrong_claim"),
        (json!({ "tid": null }), "missing_claim"),
        (json!({ "iss": format!("{url}/{other}/v2.0"), "tid": other }), "unknown_issuer"),
        (json!({ "iss": format!("https://sts.windows.net/{TENANT}/"), "ver": "1.0" }), "unknown_issuer"),
    ] {
        assert_eq!(entra.refusal(&verifier, "user-token.json", changes.clone()).await, code, "{changes}");
    }
    // The header of a token for Microsoft Graph has a nonce whose hash was signed in its place.
    let graph = entra.sign_with(entra.claims("user-token.json", json!({})), json!({ "nonce": "signed-as-its-hash" }));
    let (_, signed) = graph.split_once('.').expect("a token");
    let shown = entra.sign_with(entra.claims("user-token.json", json!({})), json!({ "nonce": "shown" }));
    let (header, _) = shown.split_once('.').expect("a token");
    assert_eq!(verifier.verify(&format!("{header}.{signed}")).await.expect_err("Graph").code(), "bad_signature");
}

#[tokio::test]
async fn s3_21_tokens_of_version_1_are_read_as_the_guide_of_entra_says() -> Result<(), ConfigError> {
    let entra = entra().await;
    let policy = countersign::policy::Policy::from_toml(entra.guide.file("policy-v1.toml"))?;
    let builder = Verifier::builder().clock(entra.signer.clock().clone());
    let verifier = builder.policy(&policy, |_| Ok(entra.signer.key_source())).build()?;
    let in_version_1 = |file: &str, client: &str, aud: &str, more: Value| {
        let mut claims = entra.claims(file, more);
        claims.extend(entra.claims(file, json!({ "iss": format!("https://sts.windows.net/{TENANT}/"), "aud": aud })));
        claims.extend([("appid".to_owned(), json!(client)), ("ver".to_owned(), json!("1.0"))]);
        claims.retain(|name, _| !["azp", "azpacr", "preferred_username"].contains(&name.as_str()));
        let kid = entra.signer.key_id();
        entra.sign_with(claims, json!({ "kid": kid, "x5t": kid }))
    };
    for audience in ["api://orders", "6e74172b-be56-4843-9ff4-e66a39bb12e3"] {
        let service = in_version_1("service-token.json", BILLING, audience, json!({ "appidacr": "1" }));
        assert_eq!(Identity::of(&verifier.verify(&service).await.expect("a service")), billing());
        let more = json!({ "acr": "1", "amr": ["pwd"], "ipaddr": "192.0.2.1", "unique_name": "ann@shop.example.com" });
        let user = in_version_1("user-token.json", "c7777777-8888-4999-8aaa-bbbbbbbbbbbb", audience, more);
        assert_eq!(Identity::of(&verifier.verify(&user).await.expect("a user")), ann());
    }
    Ok(())
}

#[tokio::test]
async fn s7_04_a_certificate_names_the_key_as_the_guide_of_entra_says() {
    let entra = entra().await;
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    let certificate =
        CertificateParams::new(["billing".to_owned()]).expect("a name").self_signed(&key).expect("signed");
    std::fs::write(entra.secrets().join("billing-rsa.pem"), key.serialize_pem()).expect("a file");
    std::fs::write(entra.secrets().join("billing.crt"), certificate.pem()).expect("a file");
    let requested = entra.token_request("calls-with-a-certificate.toml").await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    requested.check(&path, &[("scope", "api://orders/.default")]);
    assert_eq!((&*requested.fields["client_id"], &*requested.fields["client_assertion_type"]), (BILLING, kind));

    let parts: Vec<_> = requested.fields["client_assertion"].split('.').collect();
    let decoded = |part: &str| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url");
    let json_of = |part: &str| -> Value { serde_json::from_slice(&decoded(part)).expect("JSON") };
    let thumbprint = digest(&SHA256, certificate.der());
    let thumbprint = base64_simd::URL_SAFE_NO_PAD.encode_to_string(thumbprint.as_ref());
    assert_eq!(json_of(parts[0]), json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
    let claims = json_of(parts[1]);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(BILLING), &json!(BILLING)));
    assert_eq!(claims["aud"], json!(format!("{}{path}", entra.service.url())));
    assert_eq!(claims["nbf"], claims["iat"]);
    let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public_key_raw());
    let signed = format!("{}.{}", parts[0], parts[1]);
    public.verify(signed.as_bytes(), &decoded(parts[2])).expect("signed by the key of the certificate");
}
