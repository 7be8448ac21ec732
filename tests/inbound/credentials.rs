//! Bytes that are a credential, and bytes that are not.

use axum::Router;
use axum::routing::post;
use countersign_tests::http::{Answer, Service};

use crate::app::{good, layer, service, who};

fn assert_bare_challenge(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 401, "{case}");
    assert_eq!(answer.challenge(), "Bearer realm=\"api\"", "{case}");
    assert_eq!(answer.code(), "no_token", "{case}");
}

fn assert_invalid_request(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 400, "{case}");
    assert!(answer.challenge().contains("error=\"invalid_request\""), "{case}: {}", answer.challenge());
}

#[tokio::test]
async fn s5_01_no_credentials_get_a_bare_challenge() {
    let (issuer, service) = service().await;
    assert_bare_challenge(&service.request("GET /", &[]).await, "no header");
    for line in ["", "Basic dXNlcjpwdw==", "Negotiate YII=", "Unknown x", "Bearerx y"] {
        let answer = service.request("GET /", &[&format!("Authorization: {line}")]).await;
        assert_bare_challenge(&answer, line);
    }
    assert_eq!(service.get("/", &good(&issuer).sign()).await.body, "u1");
}

#[tokio::test]
async fn s5_02_malformed_credentials_are_a_bad_request() {
    let (_, service) = service().await;
    for line in ["Bearer", "Bearer a b", "Bearer a,b", "Bearer\ttok", "Bearer {\"a\":1}", "Bearer ="] {
        let answer = service.request("GET /", &[&format!("Authorization: {line}")]).await;
        assert_invalid_request(&answer, line);
    }
    // Credentials that another reader may take for a bearer token.
    for line in [
        "Bearer\t tok",
        "Bearer \ttok",
        "Bearer;tok",
        "Bearer:tok",
        "Bearer\"tok",
        "Basic dQ==, Bearer tok",
        "Basic dQ==,bearer tok",
    ] {
        let answer = service.request("GET /", &[&format!("Authorization: {line}")]).await;
        assert_invalid_request(&answer, line);
    }
    let obs_text = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer a\xff\xfe\r\n\r\n";
    assert_invalid_request(&service.send(obs_text).await, "obs-text");
}

#[tokio::test]
async fn s5_08_the_scheme_is_read_in_any_case_and_with_more_spaces() {
    let (issuer, service) = service().await;
    let token = good(&issuer).sign();
    for scheme in ["bearer ", "BEARER   ", "BeArEr "] {
        let answer = service.request("GET /", &[&format!("Authorization: {scheme}{token}")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "u1"), "{scheme}");
    }
}

#[tokio::test]
async fn s5_09_two_authorization_lines_are_a_bad_request() {
    let (issuer, service) = service().await;
    let token = good(&issuer).sign();
    let bearer = format!("Authorization: Bearer {token}");
    for second in [bearer.as_str(), "Authorization: Basic dXNlcjpwdw==", "authorization:"] {
        assert_invalid_request(&service.request("GET /", &[&bearer, second]).await, second);
        assert_invalid_request(&service.request("GET /", &[second, &bearer]).await, second);
    }
    let joined = format!("Authorization: Bearer {token}, Bearer {token}");
    assert_invalid_request(&service.request("GET /", &[&joined]).await, "joined");
}

#[tokio::test]
async fn s5_09_the_same_over_http_2() {
    let (issuer, service) = service().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
    let request = || client.get(service.url()).header("authorization", format!("Bearer {}", good(&issuer).sign()));
    let twice = request().header("authorization", format!("Bearer {}", good(&issuer).sign()));
    assert_eq!(twice.send().await.expect("answered").status(), 400);
    let once = request().send().await.expect("answered");
    assert_eq!((once.status().as_u16(), once.version()), (200, reqwest::Version::HTTP_2));
}

#[tokio::test]
async fn s5_10_tokens_in_query_and_form_are_never_read() {
    let issuer = countersign_test::TestIssuer::new();
    let echo = post(|body: String| async { body }).get(who);
    let service = Service::start(Router::new().route("/", echo).layer(layer(&issuer))).await;
    let token = good(&issuer).sign();

    let answer = service.request(&format!("GET /?access_token={token}"), &[]).await;
    assert_bare_challenge(&answer, "in the query");
    let header = format!("Authorization: Bearer {token}");
    let answer = service.request(&format!("GET /?a=1&access_token={token}"), &[&header]).await;
    assert_invalid_request(&answer, "in both");
    for name in ["access%5Ftoken", "access%5ftoken", "%61ccess_token", "%61%63%63%65%73%73%5F%74%6F%6B%65%6E"] {
        let answer = service.request(&format!("GET /?a=%&{name}=x"), &[&header]).await;
        assert_invalid_request(&answer, name);
    }
    for other in ["Access_token=x", "access+token=x", "access%255Ftoken=x", "a=access_token", "access_token%3Dx"] {
        assert_eq!(service.request(&format!("GET /?{other}"), &[&header]).await.status, 200, "{other}");
    }

    let form = format!("access_token={token}");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n",
        form.len()
    );
    let answer = service.send(format!("{head}\r\n{form}").as_bytes()).await;
    assert_bare_challenge(&answer, "in a form");
    let answer = service.send(format!("{head}{header}\r\n\r\n{form}").as_bytes()).await;
    assert_eq!((answer.status, answer.body), (200, form), "the body arrives untouched");
}

#[tokio::test]
async fn s5_11_a_cookie_is_no_credential() {
    let (issuer, service) = service().await;
    let token = good(&issuer).sign();
    for name in ["access_token", "token", "Authorization"] {
        let answer = service.request("GET /", &[&format!("Cookie: {name}={token}")]).await;
        assert_bare_challenge(&answer, name);
    }
}

#[tokio::test]
async fn s5_32_trailers_and_proxy_authorization_are_ignored() {
    let (issuer, service) = service().await;
    let token = good(&issuer).sign();
    let answer = service.request("GET /", &[&format!("Proxy-Authorization: Bearer {token}")]).await;
    assert_bare_challenge(&answer, "proxy");
    let in_trailer = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: Authorization\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nx\r\n0\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    assert_bare_challenge(&service.send(in_trailer.as_bytes()).await, "trailer");
}

/// HTTP/2 carries a value with its outer spaces. On a route with optional login, it must not count as none.
#[tokio::test]
async fn s5_02_s5_22_a_space_before_the_scheme_is_no_absence_of_credentials() {
    let issuer = countersign_test::TestIssuer::new();
    let layer = crate::app::builder(&issuer).allow_anonymous().build().expect("a layer");
    let app = Router::new().route("/", axum::routing::get(who)).layer(layer);
    for (line, status) in
        [("Bearer x.y.z", 401), (" Bearer x.y.z", 400), ("\tBearer x.y.z", 400), ("Digest a=\"b, c\"", 200)]
    {
        let request = axum::http::Request::get("/").header("authorization", line);
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(app.clone(), request).await.expect("answered");
        assert_eq!(answer.status(), status, "{line:?}");
    }
}
