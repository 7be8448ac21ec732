//! Requests that two readers could read differently are refused.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};

use crate::direct::{CC, basic, send};

const FORM: &str = "application/x-www-form-urlencoded";

fn issuer() -> (Issuer, String, String) {
    let pepper = Secret::new(b"a pepper of at least 32 bytes, for tests".to_vec());
    let (secret, stored) = SecretHash::generate_keyed(&pepper).expect("a secret");
    let client = Client::new("orders").secret(stored).audiences(["billing"]);
    let builder = Issuer::builder("https://issuer.test").pepper(pepper).add_audience(Audience::new("billing"));
    let issuer = builder.add_client(client).build().expect("sound");
    (issuer, basic("orders", secret.expose()), secret.expose().clone())
}

// S15.09
#[tokio::test]
async fn s15_09_what_can_be_read_in_two_ways_is_refused() {
    let (issuer, credentials, secret) = issuer();
    let ask = async |uri: &str, headers: &[(header::HeaderName, &str)], body: &str| {
        let request = Request::post(uri).body(Body::from(body.to_owned())).expect("a request");
        let mut request = request;
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().expect("a header"));
        }
        send(&issuer, request).await.0
    };
    let (authorization, content_type) = ((header::AUTHORIZATION, credentials.as_str()), (header::CONTENT_TYPE, FORM));
    let good = [authorization.clone(), content_type.clone()];
    assert_eq!(ask("/token", &good, CC).await, StatusCode::OK);
    assert_eq!(ask("/token?", &good, CC).await, StatusCode::OK, "an empty query has no parameter");
    for uri in ["/token", "/introspect", "/revoke"] {
        for query in ["client_id=orders", "grant_type=client_credentials", "token=x", "x"] {
            let refused = ask(&format!("{uri}?{query}"), &good, &format!("{CC}&token=x")).await;
            assert_eq!(refused, StatusCode::BAD_REQUEST, "{uri}?{query}");
        }
        for body in [
            format!("{CC}&token=x&token=y"),
            format!("{CC}&token=x&token="),
            format!("{CC}&token=x&%74oken=x"),
            format!("{CC}&token=x&client_secret={secret}"),
            format!("{CC}&token=x&client_assertion=x"),
            format!("{CC}&token=x&client_assertion_type=x"),
            format!("{CC}&token=x&client_id=orders&client_id=orders"),
        ] {
            assert_eq!(ask(uri, &good, &body).await, StatusCode::BAD_REQUEST, "{uri} {body}");
        }
        let duplicate = [authorization.clone(), authorization.clone(), content_type.clone()];
        let two_types = [authorization.clone(), content_type.clone(), content_type.clone()];
        let other_type = [authorization.clone(), content_type.clone(), (header::CONTENT_TYPE, "application/json")];
        let encoded = [authorization.clone(), content_type.clone(), (header::CONTENT_ENCODING, "gzip")];
        for headers in [&duplicate[..], &two_types, &other_type, &encoded] {
            let refused = ask(uri, headers, &format!("{CC}&token=x")).await;
            assert_eq!(refused, StatusCode::BAD_REQUEST, "{uri} {headers:?}");
        }
    }
    let bearer = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x";
    let (refused, _, body) = {
        let request = Request::post("/token").header(header::CONTENT_TYPE, FORM);
        let request = request.header(header::AUTHORIZATION, &credentials).body(Body::from(bearer)).expect("a request");
        send(&issuer, request).await
    };
    assert_eq!((refused, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_request".into()));
}
