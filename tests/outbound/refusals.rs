//! The text of refusals at the token endpoint: where, for which client, why and what to do; once in the log.

use countersign::authenticate::CallerToken;
use countersign::clock::UnixTime;
use countersign::outbound::{ClientCredentials, Outbound, OutboundError, TokenRequest, TokenSource};
use countersign::secret::Secret;

use crate::calls::Recorder;
use crate::cluster::answer_of;
use crate::servers::{Server, json};

/// A token service that refuses with this code and description.
async fn refusing(code: &'static str, description: &'static str) -> Server {
    let body = serde_json::json!({ "error": code, "error_description": description }).to_string();
    Server::start(move |_, _| json(400, body.clone())).await
}

fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refusals-{name}-{}", std::process::id()));
    std::fs::write(&path, text).expect("written");
    path
}

#[tokio::test]
async fn s7_14_a_refusal_names_endpoint_client_code_description_and_secret_file() {
    let secret = file("named", "s3cret-value");
    let source = |url: &str| {
        ClientCredentials::from_token_endpoint(url).client("orders", Secret::from_file(&secret)).scope("a:x b:y")
    };
    let (ann, own) = (CallerToken::unverified(&"ann".into(), UnixTime::from_secs(2000)), TokenRequest::default());
    let mut on_behalf = TokenRequest::default();
    on_behalf.subject = Some(ann);
    let file = format!("its secret in {}", secret.display());
    for (code, request, fix) in [
        ("invalid_client", &own, file.as_str()),
        ("unauthorized_client", &own, "allow the client this grant"),
        ("unauthorized_client", &on_behalf, "allow the client token exchange"),
        ("unsupported_grant_type", &on_behalf, "enable token exchange"),
        ("invalid_grant", &on_behalf, "does not take the caller's token"),
        ("invalid_scope", &own, "these scopes, or request others: a:x b:y"),
        ("invalid_target", &own, "audience or resource"),
    ] {
        let issuer = refusing(code, "AADSTS7000215: nothing is right").await;
        let error = source(&format!("{}/token?key=hidden", issuer.url)).token(request).await.expect_err(code);
        let text = error.to_string();
        assert_eq!(error.oauth_error(), Some(code));
        for part in
            [code, "\"AADSTS7000215: nothing is right\"", "client \"orders\"", &format!("{}/token", issuer.url), fix]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("hidden") && !text.contains("s3cret-value"), "{text}");
        assert_eq!(text, format!("{error:?}"));
    }
    // Other failures name them too.
    let broken = Server::start(|_, _| json(200, "[]".into())).await;
    for (url, part) in [(broken.url.as_str(), "not a JSON object"), ("http://127.0.0.1:1/t", "connection refused")] {
        let text = source(url).token(&own).await.expect_err(part).to_string();
        assert!(text.contains(part) && text.contains(url) && text.contains("client \"orders\""), "{text}");
    }
}

/// S10.01: a service may put what it received into the description.
#[tokio::test]
async fn s10_01_a_description_with_a_part_of_a_credential_is_not_repeated() {
    let caller = CallerToken::unverified(&"header.payload-of-ann.signature".into(), UnixTime::from_secs(2000));
    let mut request = TokenRequest::default();
    request.subject = Some(caller);
    for echo in ["bad secret s3cret-v", "S3CRET-VALUE", "Basic b3JkZXJzOnMzY3JldC12YWx1ZQ==", "payload-of", "s%26cret"]
    {
        let issuer = refusing("invalid_client", echo).await;
        let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", "s3cret-value&s&cret");
        let text = source.token(&request).await.expect_err("refused").to_string();
        assert!(text.contains("invalid_client") && !text.contains(echo), "{text}");
    }
    let long = Box::leak(format!("\u{1b}[31m{}", "x".repeat(500)).into_boxed_str());
    let issuer = refusing("invalid_client", long).await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", "s3cret-value");
    let text = source.token(&request).await.expect_err("refused").to_string();
    assert!(!text.contains('\u{1b}') && !text.contains(&"x".repeat(65)) && text.contains('…'), "{text}");
}

#[tokio::test]
async fn a_refusal_is_in_the_log_once_with_its_binding() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = refusing("invalid_client", "no such client").await;
    let target = Server::start(|_, _| json(200, "{}".into())).await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", "s3cret-value");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(&target.url, source).build().expect("bound");
    for url in [target.url.clone(), "https://unbound.test".to_owned()] {
        let (_, _, body) = answer_of(outbound.clone(), url).await;
        assert!(!body.contains("orders") && !body.contains("no such client"), "{body}");
    }
    let recorded = recorder.text();
    let refusal = format!(
        "token_refused: the token service refused (invalid_client): \"no such client\"; asked at {}/",
        issuer.url
    );
    assert_eq!(recorded.matches(&refusal).count(), 1, "{recorded}");
    assert!(recorded.contains(&format!("(for {})", target.url)), "{recorded}");
    assert_eq!(recorded.matches("no token source is bound").count(), 0, "the event has the origins as fields");
    assert_eq!(recorded.matches("request not sent: its origin is not bound").count(), 1, "{recorded}");
    // If other tests used up the entries of this second for failed fetches, the answer has the error in their place.
    let [again, first] =
        ["request answered by an error that is logged already", "request answered by the error of a call"];
    assert_eq!(recorded.matches(again).count() + recorded.matches(first).count(), 2, "{recorded}");
    // An error that nothing has logged is.
    let _ = axum::response::IntoResponse::into_response(OutboundError::refused("by a source of my own"));
    assert!(recorder.text().contains("by a source of my own"));
}
