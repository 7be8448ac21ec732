//! Every danger there is, and that `deny_danger` stops it. The list is made from the source, so that none can be forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use countersign::authenticate::{AuthenticateLayer, danger as of_layers};
use countersign::error::ConfigError;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{Algorithm, KeySet, StaticKeys};
use countersign::keys::{FailoverKeys, RemoteKeys};
use countersign::outbound::{ClientCredentials, Outbound, StaticToken};
use countersign::policy::{NeedsAudience, OutboundConfig, Policy, TrustedIssuer, TrustedIssuerConfig, danger};
use countersign::revocation::{MemoryRevocations, Revocation, UnknownPolicy};
use countersign::verify::{Verifier, VerifierBuilder};
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, IssuerBuilder, IssuerConfig};

/// Every danger, by crate and name, as the source has them.
const DANGERS: [&str; 12] = [
    "countersign danger_allow_plain_http",
    "countersign danger_allow_private_addresses",
    "countersign token_in_form",
    "countersign token_in_query",
    "countersign-core any_type",
    "countersign-core danger_any_audience",
    "countersign-core danger_any_type",
    "countersign-core danger_plain_http",
    "countersign-core plain_http_issuer",
    "countersign-core without_audience",
    // Of the embedded issuer, as a method and as a field of its file.
    "countersign-issuer danger_without_actor",
    "countersign-issuer danger_without_actor (field)",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        match entry.is_dir() {
            true => files(&entry, found),
            false if entry.extension().is_some_and(|end| end == "rs") => found.push(entry),
            false => {}
        }
    }
}

/// The public items of the libraries whose name contains `danger`, or that are in a module of this name.
fn dangers_in_source() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = BTreeSet::new();
    for library in ["countersign", "countersign-core", "countersign-issuer"] {
        let mut sources = Vec::new();
        files(&crates.join(library).join("src"), &mut sources);
        for path in sources {
            let is_module = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("danger"));
            for line in std::fs::read_to_string(&path).expect("text").lines().map(str::trim) {
                let Some(item) = line.strip_prefix("pub ") else { continue };
                let (is_function, item) = match item.strip_prefix("const ").unwrap_or(item).strip_prefix("fn ") {
                    Some(function) => (true, function),
                    None => (false, item),
                };
                let name: String = item.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let is_named =
                    name.to_lowercase().contains("danger") && !name.contains("deny") && !name.contains("denies");
                if is_named && !is_function && item.starts_with(&format!("{name}:")) {
                    let is_also_method = library == "countersign-issuer";
                    found.insert(format!("{library} {name}{}", if is_also_method { " (field)" } else { "" }));
                } else if is_function && (is_named || is_module) {
                    found.insert(format!("{library} {name}"));
                }
            }
        }
    }
    found
}

fn named(issuer: &str) -> NeedsAudience {
    NeedsAudience::new(issuer, Arc::new(StaticKeys::from_set(KeySet::new([]))))
}

fn denying(issuer: TrustedIssuer) -> Result<Verifier, ConfigError> {
    Verifier::builder().deny_danger().trust(issuer).build()
}

fn of_policy(change: impl FnOnce(&mut TrustedIssuerConfig)) -> Result<Verifier, ConfigError> {
    let mut issuer = TrustedIssuerConfig::new("https://id.test", "orders");
    change(&mut issuer);
    let mut policy = Policy::default();
    policy.issuers = vec![issuer];
    policy.deny_danger = true;
    // Also as a file.
    let policy = Policy::from_json(&policy.to_json()).expect("its own data");
    Verifier::builder().policy(&policy, |_| Ok(Arc::new(StaticKeys::from_set(KeySet::new([]))))).build()
}

fn exchanging(rule: ExchangeRule) -> IssuerBuilder {
    let client = Client::new("gateway").add_exchange_rule(rule);
    Issuer::builder("https://id.test").add_audience(Audience::new("orders")).add_client(client)
}

/// The fields of the faults.
fn fields<T>(result: Result<T, ConfigError>) -> Vec<String> {
    let faults = result.err().map(|error| error.faults().to_vec()).unwrap_or_default();
    faults.into_iter().map(|fault| fault.field.into_owned()).collect()
}

/// Tries the danger with `deny_danger`, and returns whether it was stopped.
async fn is_stopped(danger: &str) -> bool {
    let is_danger = |fields: Vec<String>| fields.iter().any(|field| field == "danger");
    let by_keys = |keys: RemoteKeys| {
        let direct = NeedsAudience::new("https://id.test", Arc::new(keys)).audience("orders");
        denying(direct)
    };
    match danger {
        "countersign danger_allow_plain_http" => {
            let keys = || RemoteKeys::from_url("http://keys.test/jwks").danger_allow_plain_http();
            let failover = FailoverKeys::new([
                Arc::new(RemoteKeys::from_url("https://keys.test/jwks")) as _,
                Arc::new(keys()) as _,
            ]);
            let behind = NeedsAudience::new("https://id.test", Arc::new(failover)).audience("orders");
            let token = || ClientCredentials::from_token_endpoint("http://id.test/t").client("a", "s3cret");
            let calls = || Outbound::builder(reqwest::Client::new()).deny_danger();
            let source = calls().bind("https://b.test", token().danger_allow_plain_http()).build();
            let origins = calls().bind("http://b.test", StaticToken::new("t".into())).danger_allow_plain_http().build();
            is_danger(fields(by_keys(keys())))
                && is_danger(fields(denying(behind)))
                && is_danger(fields(source))
                && is_danger(fields(origins))
        }
        "countersign danger_allow_private_addresses" => {
            let issuers = ResolvedIssuers::new(|_: String| async move { Ok(None) }).danger_allow_private_addresses();
            let builder = Verifier::builder().deny_danger().trust_resolved(Arc::new(issuers));
            is_danger(fields(builder.build()))
        }
        "countersign token_in_form" | "countersign token_in_query" => layer_stops(danger).await,
        "countersign-core any_type" => {
            is_danger(fields(denying(danger::any_type(named("https://id.test").audience("a")))))
        }
        "countersign-core without_audience" => {
            is_danger(fields(denying(danger::without_audience(named("https://id.test")))))
        }
        "countersign-core plain_http_issuer" => {
            is_danger(fields(denying(danger::plain_http_issuer(named("http://id.test").audience("a")))))
        }
        "countersign-core danger_any_audience" => {
            is_danger(fields(of_policy(|issuer| issuer.danger_any_audience = true)))
        }
        "countersign-core danger_any_type" => is_danger(fields(of_policy(|issuer| issuer.danger_any_type = true))),
        "countersign-core danger_plain_http" => {
            let issuer = of_policy(|issuer| {
                issuer.issuer = "http://id.test".to_owned();
                issuer.danger_plain_http = true;
            });
            let mut policy = Policy::access_token("https://id.test", "orders");
            let mut binding = OutboundConfig::new("http://b.test");
            (binding.token_file, binding.danger_plain_http) = (Some("token".to_owned()), true);
            (policy.outbound, policy.deny_danger) = (vec![binding], true);
            is_danger(fields(issuer)) && is_danger(fields(Outbound::from_config(&policy)))
        }
        "countersign-issuer danger_without_actor" => {
            let rule = ExchangeRule::new(["orders"]).danger_without_actor();
            is_danger(fields(exchanging(rule).deny_danger().build()))
        }
        "countersign-issuer danger_without_actor (field)" => {
            let file = r#"
                issuer = "https://id.test"
                deny_danger = true
                [[audience]]
                name = "orders"
                [[client]]
                id = "gateway"
                audiences = ["orders"]
                [[client.exchange]]
                targets = ["orders"]
                danger_without_actor = true
            "#;
            let file = IssuerConfig::from_toml(file).expect("a file");
            is_danger(fields(file.build()))
        }
        other => panic!("a danger without a test: {other}"),
    }
}

/// A service whose verifier denies dangers, with a token brought in the dangerous way.
async fn layer_stops(danger: &str) -> bool {
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let keys = StaticKeys::new([signer.verifying_key().expect("public")]);
    let trusted = NeedsAudience::new("https://id.test", Arc::new(keys)).audience("orders");
    let build = |builder: VerifierBuilder| builder.trust(trusted.clone()).build().expect("a verifier");
    let mut statuses = Vec::new();
    for verifier in [build(Verifier::builder()), build(Verifier::builder().deny_danger())] {
        let now = verifier.clock().now();
        let draft = Draft::access_token().issuer("https://id.test").audience("orders").subject("u1").client_id("web");
        let draft = draft.issued_at(now).expires_at(now.saturating_add(std::time::Duration::from_secs(60)));
        let token = draft.claim("jti", "1").sign(&signer).expect("a token");
        let builder = AuthenticateLayer::builder(verifier);
        let app = Router::new().route("/", post(|| async { "in" }));
        let form = format!("access_token={token}");
        let app = match danger {
            "countersign token_in_form" => {
                app.layer(builder.build().expect("a layer")).layer(of_layers::token_in_form())
            }
            _ => app.layer(of_layers::token_in_query(builder).build().expect("a layer")),
        };
        let request = match danger {
            "countersign token_in_form" => axum::http::Request::post("/")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(axum::body::Body::from(form)),
            _ => axum::http::Request::post(format!("/?{form}")).body(axum::body::Body::empty()),
        };
        let response = tower::ServiceExt::oneshot(app, request.expect("a request")).await.expect("answered");
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses[0], 200, "{danger} does what it says");
    (400..500).contains(&statuses[1])
}

#[tokio::test]
async fn deny_danger_stops_every_danger_that_the_source_has() {
    assert_eq!(
        dangers_in_source(),
        DANGERS.map(str::to_owned).into(),
        "add the danger here, with how deny_danger stops it"
    );
    for danger in DANGERS {
        assert!(is_stopped(danger).await, "deny_danger does not stop {danger}");
    }
}

#[tokio::test]
async fn deny_danger_stops_what_weakens_a_check_by_another_name() {
    let fail_open = || Revocation::new(Arc::new(MemoryRevocations::new())).unknown_policy(UnknownPolicy::FailOpen);
    let issuer = || named("https://id.test").audience("orders");
    let strict = Verifier::builder().deny_danger().trust(issuer()).build().expect("a verifier");
    let refused = AuthenticateLayer::builder(strict.clone()).revocation(fail_open()).build();
    assert_eq!(fields(refused), ["danger"]);
    assert!(AuthenticateLayer::builder(strict).revocation(Arc::new(MemoryRevocations::new())).build().is_ok());
    let lax = Verifier::new(issuer()).expect("a verifier");
    assert!(AuthenticateLayer::builder(lax).revocation(fail_open()).build().is_ok());
}
