//! The request to the endpoint, and the settings that are refused.

use axum::http::header;
use countersign::authenticate::AuthenticateLayer;
use countersign::introspect::Introspection;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign_test::TestIssuer;

use crate::server::{Server, TOKEN, answer, asking, claims, got, json_answer, service};

#[tokio::test]
async fn s13_01_the_request_is_a_form_with_the_token_a_hint_and_one_proof_of_the_client() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let base = || Introspection::at_issuer(issuer.name()).endpoint(server.url());
    for (name, settings) in [
        ("basic", asking(&issuer, &server)),
        ("post", asking(&issuer, &server).client_secret_post()),
        ("key", base().client_key("api-client", signer)),
    ] {
        assert_eq!(got(&service(&issuer, settings), TOKEN).await.status, 200, "{name}");
        let seen = server.seen().pop().expect("asked");
        assert_eq!((seen.method.as_str(), seen.member("token")), ("POST", Some(TOKEN)));
        assert_eq!(seen.member("token_type_hint"), Some("access_token"));
        assert_eq!(seen.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert_eq!(seen.headers[header::ACCEPT], "application/json");
        let basic = seen.headers.get(header::AUTHORIZATION).map(|value| value.to_str().expect("text"));
        let proofs = (basic, seen.member("client_secret"), seen.member("client_assertion").is_some());
        match name {
            // Each part form-encoded: api-client:s3cret%2F%2B
            "basic" => assert_eq!(proofs, (Some("Basic YXBpLWNsaWVudDpzM2NyZXQlMkYlMkI="), None, false)),
            "post" => assert_eq!(proofs, (None, Some("s3cret/+"), false)),
            _ => {
                assert_eq!(proofs, (None, None, true));
                let assertion = seen.member("client_assertion").expect("there");
                let inspection = countersign::inspect::inspect(assertion);
                assert_eq!(inspection.payload().expect("claims")["aud"], issuer.name());
            }
        }
    }
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn s13_01_answers_beyond_64_kib_redirects_and_other_statuses_are_not_used() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let good = claims(&issuer).to_string();
    let padded = |bytes: usize| format!("{}{}", " ".repeat(bytes - good.len()), good);
    let elsewhere = server.url();
    let cases: Vec<(&str, Box<dyn Fn() -> _ + Send + Sync>)> = vec![
        (
            "64 KiB",
            Box::new({
                let body = padded(64 * 1024);
                move || answer(200, "application/json", body.clone())
            }),
        ),
        (
            "more",
            Box::new({
                let body = padded(64 * 1024 + 1);
                move || answer(200, "application/json", body.clone())
            }),
        ),
        (
            "a redirect",
            Box::new(move || {
                let mut moved = answer(307, "text/plain", "");
                moved.headers_mut().insert(header::LOCATION, elsewhere.parse().expect("an address"));
                moved
            }),
        ),
        (
            "created",
            Box::new({
                let good = good.clone();
                move || answer(201, "application/json", good.clone())
            }),
        ),
        ("not the client", Box::new(|| answer(401, "application/json", "{\"error\":\"invalid_client\"}"))),
        ("a login page", Box::new(|| answer(200, "text/html", "<!doctype html><title>Sign in</title>"))),
        (
            "an unexpected signature",
            Box::new({
                let good = good.clone();
                move || answer(200, "application/token-introspection+jwt", good.clone())
            }),
        ),
    ];
    for (name, answers) in cases {
        server.answer_with(move |_| answers());
        let got = got(&service(&issuer, asking(&issuer, &server)), TOKEN).await;
        assert!(if name == "64 KiB" { got.status == 200 } else { got.is_unavailable() }, "{name}: {got:?}");
    }
}

#[tokio::test]
async fn s13_01_a_secret_that_was_rotated_is_read_again_after_a_401() {
    let issuer = TestIssuer::new();
    let file = std::env::temp_dir().join(format!("countersign-introspection-{}", std::process::id()));
    std::fs::write(&file, "old").expect("written");
    let (said, path) = (claims(&issuer), file.clone());
    let server = Server::start(move |seen| match seen.member("client_secret") {
        Some("new") => json_answer(&said),
        _ => {
            std::fs::write(&path, "new").expect("written");
            answer(401, "application/json", "{\"error\":\"invalid_client\"}")
        }
    })
    .await;
    let secret = countersign::secret::Secret::from_file(&file);
    let settings = Introspection::at_issuer(issuer.name()).endpoint(server.url());
    let service = service(&issuer, settings.client("api-client", secret).client_secret_post());
    assert_eq!(got(&service, TOKEN).await.status, 200);
    assert_eq!(server.asked(), 2);
    std::fs::remove_file(&file).expect("removed");
}

#[test]
fn s13_01_faulty_settings_are_named_when_the_layer_is_built() {
    let issuer = TestIssuer::new();
    let fields = |introspection: Introspection| {
        let built = AuthenticateLayer::builder(issuer.verifier_for("api")).introspection(introspection).build();
        let faults = built.map(|_| Vec::new()).unwrap_or_else(|error| error.faults().to_vec());
        faults.into_iter().map(|fault| fault.field.into_owned()).collect::<Vec<_>>()
    };
    let good =
        || Introspection::at_issuer(issuer.name()).endpoint("https://id.test/introspect").client("api", "secret");
    let none = Vec::<String>::new();
    assert_eq!(fields(good()), none);
    assert_eq!(fields(good().endpoint("http://id.test/introspect")), ["introspection_endpoint"]);
    assert_eq!(fields(good().endpoint("http://id.test/introspect").danger_allow_plain_http()), none);
    assert_eq!(fields(Introspection::at_issuer(issuer.name()).endpoint("https://id.test/i")), ["client"]);
    assert_eq!(fields(good().client("api", "")), ["client"]);
    assert_eq!(fields(good().client_certificate("api")), ["client"]);
    let other = Introspection::at_issuer("https://other.test").client("api", "secret");
    assert_eq!(fields(other), ["introspection"], "its rules are unknown");
    for odd in [
        good().max_age(std::time::Duration::from_secs(601)),
        good().max_age(std::time::Duration::ZERO),
        good().max_concurrent(1),
        good().token_bytes(9, 8),
        good().absent_audience(""),
        good().token_prefix(""),
    ] {
        assert_eq!(fields(odd), ["introspection"]);
    }
    let strict = countersign::verify::Verifier::builder().trust(issuer.trusted_for("api")).deny_danger();
    let strict = strict.clock(issuer.clock().clone()).build().expect("a verifier");
    let plain = good().endpoint("http://id.test/introspect").danger_allow_plain_http();
    let error = AuthenticateLayer::builder(strict).introspection(plain).build().expect_err("danger");
    assert_eq!(error.faults()[0].field, "danger");
    assert!(!format!("{:?}", good()).contains("secret"));
}

#[tokio::test]
async fn s13_01_the_settings_of_a_policy_are_those_of_the_builder() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let read = |table: &str| {
        let text = format!(
            "[[issuers]]\nissuer = \"{}\"\naudience = \"api\"\n[introspection]\nendpoint = \"{}\"\n{table}",
            issuer.name(),
            server.url()
        );
        let policy = countersign::policy::Policy::from_toml(&text).expect("a policy");
        assert_eq!(countersign::policy::Policy::from_toml(&policy.to_toml()).expect("its own writing"), policy);
        Introspection::from_config(&policy)
    };
    let file = std::env::temp_dir().join(format!("countersign-introspection-policy-{}", std::process::id()));
    std::fs::write(&file, "s3cret\n").expect("written");
    let table = format!(
        "client = \"api-client\"\nsecret_file = \"{}\"\nclient_secret_post = true\ntoken_prefixes = [\"{}\"]\n\
         max_age_seconds = 5",
        file.display(),
        &TOKEN[..4]
    );
    let service = service(&issuer, read(&table).expect("good").expect("there"));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    assert_eq!(server.seen()[0].member("client_secret"), Some("s3cret"));
    assert_eq!(got(&service, &TOKEN.to_lowercase()).await.status, 401, "another prefix");
    issuer.clock().advance(std::time::Duration::from_secs(5));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    assert_eq!(server.asked(), 2, "its age is over");
    for (table, field) in [
        ("client = \"api\"", "client"),
        ("client = \"api\"\nkey_file = \"/k\"", "key_algorithm"),
        ("client = \"api\"\nsecret_env = \"NO_SUCH_VARIABLE_HERE\"", "NO_SUCH_VARIABLE_HERE"),
    ] {
        assert_eq!(read(table).expect_err("faulty").faults()[0].field, field);
    }
    std::fs::remove_file(&file).expect("removed");
}
