//! The published key set and metadata.

use axum::http::StatusCode;
use serde_json::Value;

use crate::service::Service;

fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            found.push(name.clone());
            names(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn s8_17_the_key_set_is_public_cacheable_and_has_an_etag() {
    let service = Service::start().await;
    service.issuer.rotate().expect("a key");
    let answer = service.get("/jwks").await;
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let keys = answer.json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    for key in keys["keys"].as_array().expect("keys") {
        assert_eq!((&key["use"], &key["alg"]), (&"sig".into(), &"ES256".into()));
    }
    let mut found = Vec::new();
    names(&keys, &mut found);
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        assert!(!found.iter().any(|name| name == private), "{private}");
    }

    let etag = answer.header("etag").expect("a version").to_owned();
    let url = format!("{}/jwks", service.issuer.name());
    for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = service.send(service.http.get(&url).header("if-none-match", known)).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(again.header("etag"), Some(etag.as_str()));
    }
    let other = service.send(service.http.get(&url).header("if-none-match", "\"x\"")).await;
    assert_eq!(other.status, StatusCode::OK);
    service.issuer.rotate_now().expect("a key");
    let changed = service.send(service.http.get(&url).header("if-none-match", &etag)).await;
    assert_eq!(changed.status, StatusCode::OK, "the order of keys is part of the version");
    assert_eq!(service.send(service.http.head(&url)).await.status, StatusCode::OK);
    assert_eq!(service.send(service.http.post(&url)).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn s8_18_metadata_names_only_what_is_served() {
    let service = Service::start().await;
    let name = service.issuer.name();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let answer = service.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        assert_eq!(document["issuer"], name);
        assert_eq!(document["token_endpoint"], format!("{name}/token"));
        assert_eq!(document["jwks_uri"], format!("{name}/jwks"));
        assert_eq!(document["response_types_supported"], serde_json::json!([]));
        assert_eq!(document["id_token_signing_alg_values_supported"], serde_json::json!(["ES256"]));
        assert!(!answer.text.contains("none"), "no algorithm or method is called none");
        for (member, value) in document.as_object().expect("an object") {
            let is_endpoint = member.ends_with("_endpoint") || member == "jwks_uri";
            if let (true, Some(url)) = (is_endpoint, value.as_str()) {
                let served = service.send(service.http.get(url)).await;
                assert_ne!(served.status, StatusCode::NOT_FOUND, "{member}");
            }
        }
        assert!(document.get("authorization_endpoint").is_none());
    }
    for unserved in ["/authorize", "/par", "/userinfo", "/register", "/"] {
        assert_eq!(service.get(unserved).await.status, StatusCode::NOT_FOUND, "{unserved}");
    }
}

#[tokio::test]
async fn an_issuer_below_a_path_is_found_by_both_documents() {
    use tower::ServiceExt;
    let issuer = countersign_issuer::Issuer::builder("https://example.com/sts").build().expect("sound");
    for (path, status) in [
        ("/sts/.well-known/openid-configuration", 200),
        ("/.well-known/oauth-authorization-server/sts", 200),
        ("/sts/jwks", 200),
        ("/jwks", 404),
    ] {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
        let response = issuer.router().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), status, "{path}");
    }
}
