//! All known attacks on tokens, sent to the token endpoint as credentials and as grants, and requests that ask for too much.

use aws_lc_rs::hmac;
use axum::http::StatusCode;
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::Client;
use countersign_test::Attack;
use serde_json::{Map, Value, json};

use crate::assertions::{MCP, Setup, credential, form};
use crate::direct::basic;
use crate::dpop::{Answer, NAME, World};
use crate::service::{SECRET, segment};

const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
                        &subject_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token=";

const ASSERTION: &str =
    "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=";

/// A token as a value of a form: attacks may have any byte in it.
fn encoded(token: &str) -> String {
    form_urlencoded::byte_serialize(token.as_bytes()).collect()
}

/// Checks that a grant with this token has this error, or is too large to be read.
#[track_caller]
fn assert_refused(attack: Attack, answer: &Answer, error: &str) {
    let expected = match attack {
        Attack::Oversize if answer.status == StatusCode::PAYLOAD_TOO_LARGE => {
            (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request")
        }
        _ => (StatusCode::BAD_REQUEST, error),
    };
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (expected.0, &json!(expected.1)),
        "{}: {answer:?}",
        attack.name()
    );
}

/// S12.11: of a provider whose good assertion is granted.
#[tokio::test]
async fn s12_11_no_attack_on_an_assertion_is_granted() {
    let setup = Setup::new();
    setup.ask(&setup.ann()).await.token_for(None);
    // A nonce makes an ID token of a token without a type of its own, and this one has one.
    for attack in Attack::ALL.iter().filter(|attack| **attack != Attack::IdToken) {
        let forged = setup.ann().hostile(*attack).sign();
        let answer = setup.ask_as("agent", &encoded(&forged), "").await;
        assert_refused(*attack, &answer, "invalid_grant");
    }
    setup.ask(&setup.ann()).await.token_for(None);
}

/// S8.06: of a platform whose good token authenticates the client.
#[tokio::test]
async fn s8_06_no_attack_on_a_token_of_a_platform_authenticates() {
    let (platform, world) = World::with_platform();
    let good = platform.token().without_claim("client_id").subject("pod").audience(NAME);
    world.ask_as("", &[], &form(&good.sign(), "")).await.token_for(None);
    // That type is the right one for such a credential.
    for attack in Attack::ALL.iter().filter(|attack| **attack != Attack::TypClientAssertion) {
        let forged = encoded(&good.clone().hostile(*attack).sign());
        let answer = world.ask_as("", &[], &form(&forged, "")).await;
        assert_refused(*attack, &answer, "invalid_grant");
    }
    world.ask_as("", &[], &form(&good.sign(), "")).await.token_for(None);
}

/// S8.20: of this issuer, whose good token is exchanged.
#[tokio::test]
async fn s8_20_no_forged_subject_token_is_exchanged() {
    let world = World::new();
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("read");
    let good = world.issuer.mint(&draft).expect("a token").as_str().to_owned();
    let exchange =
        async |token: &str| world.ask_as(&basic("orders", SECRET), &[], &format!("{EXCHANGE}{}", encoded(token))).await;
    exchange(&good).await.token_for(None);
    let (header, claims) = (segment(&good, 0), segment(&good, 1));
    let with = |members: &Map<String, Value>, name: &str, value: Value| {
        let mut members = members.clone();
        members.insert(name.to_owned(), value);
        members
    };
    let [_, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three segments") };
    let [none, empty_alg] = ["none", ""].map(|alg| text(&with(&header, "alg", json!(alg))));
    let mut cases = vec![
        ("alg none, no signature", format!("{none}.{payload}.")),
        ("alg none, its signature", format!("{none}.{payload}.{signature}")),
        ("alg empty", format!("{empty_alg}.{payload}.{signature}")),
        ("no signature", format!("{}.{payload}.", text(&header))),
        ("a zero signature", format!("{}.{payload}.{}", text(&header), "A".repeat(signature.len()))),
        ("no segments", "x".to_owned()),
        ("a token twice", format!("{good}.{good}")),
        ("a line break behind it", format!("{good}\n")),
    ];
    for (claim, value) in [("sub", json!("root")), ("aud", json!("billing")), ("scope", json!("admin"))] {
        cases.push(("another claim", format!("{}.{}.{signature}", text(&header), text(&with(&claims, claim, value)))));
    }
    let by = |signer: &Signer, header: &Map<String, Value>| {
        let [header, claims] = [header, &claims].map(|members| serde_json::to_vec(members).expect("JSON"));
        signer.sign_compact(&header, &claims).expect("a token")
    };
    let own = Signer::generate(Algorithm::ES256).expect("a key");
    cases.push(("another key under the same name", by(&own, &header)));
    let public = own.public_jwk().expect("a public key");
    cases.push(("its own key in the header", by(&own, &with(&header, "jwk", public))));
    for (name, url) in [("jku", "https://attacker.test/keys"), ("x5u", "https://attacker.test/certificate")] {
        cases.push(("its own key by address", by(&own, &with(&header, name, json!(url)))));
    }
    let jwks = published(&world).await;
    for secret in [jwks.to_string(), jwks["keys"][0].to_string()] {
        let signed = format!("{}.{payload}", text(&with(&header, "alg", json!("HS256"))));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = base64_simd::URL_SAFE_NO_PAD.encode_to_string(hmac::sign(&key, signed.as_bytes()));
        cases.push(("HMAC by the public key", format!("{signed}.{tag}")));
    }
    for (what, forged) in cases {
        let answer = exchange(&forged).await;
        assert_eq!(answer.body["error"], "invalid_request", "{what}: {answer:?}");
        answer.assert_refused("invalid_request");
    }
    exchange(&good).await.token_for(None);
}

/// What asks for too much or in two ways, with the error of each.
const REQUESTS: &[(&str, &str)] = &[
    ("&resource=mcp", "invalid_target"),
    ("&resource=%2Fmcp", "invalid_target"),
    ("&resource=https%3A%2F%2Fmcp.example.com%2Fmcp%23part", "invalid_target"),
    ("&resource=https%3A%2F%2Felse.test%2F", "invalid_target"),
    ("&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&resource=https%3A%2F%2Fothers.example.com%2F", "invalid_target"),
    ("&audience=https%3A%2F%2Fothers.example.com%2F", "invalid_target"),
    ("&audience=nowhere", "invalid_target"),
    ("&audience=*", "invalid_target"),
    ("&scope=tools:admin", "invalid_scope"),
    ("&scope=tools:read%20tools:admin", "invalid_scope"),
    ("&scope=tools:read%20unknown", "invalid_scope"),
    ("&scope=*", "invalid_scope"),
    ("&scope=tools:read%22", "invalid_scope"),
    ("&scope=tools:read&scope=tools:read", "invalid_request"),
    ("&grant_type=client_credentials", "invalid_request"),
    ("&client_id=agent&client_secret=x", "invalid_request"),
    ("&client_secret=x", "invalid_request"),
    ("&client_assertion=x", "invalid_request"),
];

/// S8.06, S8.07, S8.10, S8.21, S12.11: of each grant whose honest request is answered with a token.
#[tokio::test]
async fn s8_07_s8_10_s8_21_s12_11_hostile_requests_of_every_grant_have_their_error() {
    let setup = Setup::with(
        |provider| provider,
        |builder| {
            let rule = countersign_issuer::ExchangeRule::new([MCP]);
            let client = Client::new("service").secret(credential().1).audiences([MCP]).scopes(["tools:read"]);
            builder
                .add_audience(countersign_issuer::Audience::new("service").scopes(["tools:read", "tools:admin"]))
                .add_client(client.add_exchange_rule(rule))
        },
    );
    let draft =
        Draft::access_token().subject("ann").audience("service").client_id("web").scope("tools:read tools:admin");
    let subject = setup.world.issuer.mint(&draft).expect("a token").as_str().to_owned();
    let grants = [
        ("service", "grant_type=client_credentials".to_owned()),
        ("service", format!("{EXCHANGE}{subject}")),
        ("agent", form(&setup.ann().sign(), "")),
    ];
    for (client, grant) in grants {
        let ask = async |more: &str| -> Answer {
            setup.world.ask_as(&basic(client, &credential().0), &[], &format!("{grant}{more}")).await
        };
        for (more, error) in REQUESTS {
            // The second way to authenticate and the other name are for a client with another name.
            let more = if client == "agent" {
                (*more).to_owned()
            } else {
                more.replace("client_id=agent", "client_id=service")
            };
            let answer = ask(&more).await;
            assert_eq!(answer.body["error"], *error, "{grant}{more}: {answer:?}");
            answer.assert_refused(error);
        }
        ask("&client_id=other").await.assert_not_authenticated();
        let two = format!("&{ASSERTION}{subject}");
        ask(&two).await.assert_refused("invalid_request");
        ask("&scope=tools:read").await.token_for(None);
    }
}

async fn published(world: &World) -> Value {
    let request = axum::http::Request::get("/tokens/jwks").body(axum::body::Body::empty()).expect("a request");
    let (status, _, jwks) = crate::direct::send(&world.issuer, request).await;
    assert!(status.is_success(), "{status}");
    jwks
}

fn text(members: &Map<String, Value>) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(serde_json::to_vec(members).expect("JSON"))
}
