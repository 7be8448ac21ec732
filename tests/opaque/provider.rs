//! oidc-provider, a certified OpenID provider.

#[cfg(has_node)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use countersign::authenticate::AuthenticateLayer;
    use countersign::introspect::Introspection;
    use countersign::prelude::*;
    use countersign_tests::peers::OpenIdProvider;

    use crate::server::{got, service_of};

    /// An opaque token of the client `svc-basic` for this resource.
    async fn token(provider: &OpenIdProvider, resource: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", "orders:read")];
        let request = reqwest::Client::new().post(format!("{}/token", provider.issuer())).form(&form);
        let answer = request.basic_auth("svc-basic", Some(provider.client_secret())).send().await.expect("sent");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn revoke(provider: &OpenIdProvider, token: &str) {
        let request = reqwest::Client::new().post(format!("{}/token/revocation", provider.issuer()));
        let request = request.form(&[("token", token)]).basic_auth("svc-basic", Some(provider.client_secret()));
        assert_eq!(request.send().await.expect("sent").status().as_u16(), 200);
    }

    fn service(provider: &OpenIdProvider, change: impl FnOnce(Introspection) -> Introspection) -> Router {
        let verifier = Verifier::new(oidc(provider.issuer()).audience("https://opaque.test")).expect("a verifier");
        let introspection = Introspection::at_issuer(provider.issuer()).client("svc-post", provider.client_secret());
        let introspection = change(introspection.client_secret_post()).max_age(Duration::from_secs(1));
        service_of(&AuthenticateLayer::builder(verifier).introspection(introspection).build().expect("a layer"))
    }

    /// Accepted; refused for another audience; refused after its revocation within the age of an answer.
    async fn round_trip(provider: &OpenIdProvider, service: &Router) {
        let good = token(provider, "https://opaque.test").await;
        assert_eq!(good.split('.').count(), 1, "it is opaque");
        let accepted = got(service, &good).await;
        assert_eq!((accepted.status.as_u16(), accepted.body.as_str()), (200, "svc-basic Opaque"));
        let other = token(provider, "https://other-opaque.test").await;
        assert_eq!(got(service, &other).await.status, 401);
        assert_eq!(got(service, "Bm1Y8sK3qXv5TzWc0dRfHuGjLpNa7eIo4rStUvWxYz2").await.status, 401, "invented");
        revoke(provider, &good).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await; // the age of an answer
        assert_eq!(got(service, &good).await.status, 401);
    }

    #[tokio::test]
    async fn s13_01_oidc_provider_vouches_for_opaque_tokens_until_they_are_revoked() {
        let provider = OpenIdProvider::start("ES256");
        round_trip(&provider, &service(&provider, |settings| settings)).await;
        let before = provider.control("counts")["/token/introspection"].clone();
        let signed = reqwest::Client::new().post(format!("{}/token", provider.issuer()));
        let form =
            [("grant_type", "client_credentials"), ("resource", "https://orders.test"), ("scope", "orders:read")];
        let signed = signed.form(&form).basic_auth("svc-basic", Some(provider.client_secret()));
        let signed: serde_json::Value = signed.send().await.expect("sent").json().await.expect("JSON");
        let signed = signed["access_token"].as_str().expect("a token");
        assert_eq!(got(&service(&provider, |settings| settings), signed).await.status, 401, "for another service");
        assert_eq!(provider.control("counts")["/token/introspection"], before, "signed tokens are not sent");
    }

    #[tokio::test]
    async fn s13_08_oidc_provider_signs_its_answers() {
        let provider = OpenIdProvider::start("ES256");
        round_trip(&provider, &service(&provider, Introspection::require_signed_answers)).await;
    }
}
