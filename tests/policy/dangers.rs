//! Every danger there is, and that `deny_danger` stops it. The list is made from the source, so that none can be forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::post;
use countersign::authenticate::{AuthenticateLayer, danger as of_layers};
use countersign::error::ConfigError;
use countersign::introspect::Introspection;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{Algorithm, KeySet, KeySource, StaticKeys};
use countersign::keys::{FailoverKeys, RemoteKeys};
use countersign::outbound::{AttachTokenLayer, AttachTokenMiddleware, ClientCredentials, Outbound, StaticToken};
use countersign::policy::{NeedsAudience, Policy, StatusListRules, TrustedIssuer, danger};
use countersign::reload::PolicyFile;
use countersign::revocation::{Revocation, RevocationList, UnknownPolicy};
use countersign::verify::{Verifier, VerifierBuilder};
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::{
    Audience, Client, ExchangeRule, Federation, IdentityProvider, Issuer, IssuerBuilder, IssuerConfig,
};
use countersign_redis::{RedisReplays, RedisSettings};

/// Every danger, by type or module and name, as the source and the list in SECURITY.md have them.
const DANGERS: [&str; 21] = [
    "ClientCredentials::danger_allow_plain_http",
    "ExchangeConfig::danger_without_actor",
    "ExchangeRule::danger_without_actor",
    "Introspection::danger_allow_plain_http",
    "IntrospectionConfig::danger_plain_http",
    "OutboundBuilder::danger_allow_plain_http",
    "OutboundConfig::danger_plain_http",
    "RedisSettings::danger_allow_plain_tcp",
    "RemoteKeys::danger_allow_plain_http",
    "ResolvedIssuers::danger_allow_private_addresses",
    "StatusListsConfig::danger_accept_unknown",
    "TrustedIssuerConfig::danger_any_audience",
    "TrustedIssuerConfig::danger_any_type",
    "TrustedIssuerConfig::danger_plain_http",
    "audit::danger::raw_subjects",
    "authenticate::danger::token_in_form",
    "authenticate::danger::token_in_query",
    "policy::danger::any_type",
    "policy::danger::plain_http_issuer",
    "policy::danger::unknown_status_accepted",
    "policy::danger::without_audience",
];

/// Dangers by another name, which SECURITY.md lists too. They have tests of their own.
const OTHER_NAMES: [&str; 2] = ["Detail::Code", "UnknownPolicy::FailOpen"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        match entry.is_dir() {
            true => files(&entry, found),
            false if entry.extension().is_some_and(|end| end == "rs") => found.push(entry),
            false => {}
        }
    }
}

/// The items of the libraries whose name contains `danger`, and the public ones of a module of this name.
fn dangers_in_source() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = BTreeSet::new();
    let libraries = [
        "countersign",
        "countersign-apikey",
        "countersign-core",
        "countersign-issuer",
        "countersign-postgres",
        "countersign-redis",
    ];
    for library in libraries {
        let mut sources = Vec::new();
        files(&crates.join(library).join("src"), &mut sources);
        for path in sources {
            let is_module = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("danger"));
            let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
            let module = if is_module { format!("{folder}::danger") } else { folder };
            found.extend(dangers_in(&std::fs::read_to_string(&path).expect("text"), &module, is_module));
        }
    }
    found
}

/// The same in one file of this module.
fn dangers_in(text: &str, module: &str, is_module: bool) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    let mut owner = String::new();
    for line in text.lines() {
        let item = line.trim();
        if line.starts_with('}') {
            owner.clear();
        } else if let Some(block) = line.strip_prefix("impl") {
            // Of `impl<T> Trait for Type<T> {` the type, without the parameters.
            let of = block.rsplit(" for ").next().unwrap_or(block).trim_start();
            let of = if of.starts_with('<') { of.split_once("> ").map_or(of, |(_, rest)| rest) } else { of };
            owner = word(of);
        }
        let public = item.strip_prefix("pub ");
        let bare = public.unwrap_or(item).trim_start_matches("const ").trim_start_matches("async ");
        let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "static "];
        let kind = kinds.into_iter().find(|kind| bare.starts_with(kind));
        let name = word(kind.map_or(bare, |kind| &bare[kind.len()..]));
        let is_named = name.to_lowercase().contains("danger") && !name.contains("deny") && !name.contains("denies");
        let is_field = public.is_some() && kind.is_none() && bare.starts_with(&format!("{name}:"));
        let is_variant = public.is_none()
            && kind.is_none()
            && name.starts_with(|first: char| first.is_ascii_uppercase())
            && (bare == name || bare[name.len()..].starts_with([',', '(', '{', ' ']) && !bare.contains("=>"));
        let is_item = public.is_some() && kind.is_some();
        if is_named && (is_item || is_field || is_variant) || is_module && is_item {
            found.insert(if owner.is_empty() { format!("{module}::{name}") } else { format!("{owner}::{name}") });
        }
        if line == item && is_item && ["struct ", "enum "].iter().any(|one| kind == Some(*one)) && line.ends_with('{') {
            owner = name;
        }
    }
    found
}

#[test]
fn a_danger_of_any_form_is_found() {
    let source = "
pub async fn danger_later() {}
pub struct DangerousLayer;
pub enum Mode {
    Safe,
    DangerOpen,
    DangerOf(u8),
}
impl<T: Into<String>> From<T> for Mode {
    pub const fn danger_const(self) -> Self {
        match self {
            DangerOpen => self,
        }
    }
}
pub struct Config {
    pub danger_field: bool,
    pub deny_danger: bool,
}
pub fn plain() {}
";
    let named = ["Config::danger_field", "Mode::DangerOf", "Mode::DangerOpen", "Mode::danger_const"];
    let expected = named.into_iter().chain(["m::DangerousLayer", "m::danger_later"]).map(str::to_owned);
    assert_eq!(dangers_in(source, "m", false), expected.collect());
    assert!(dangers_in(source, "m::danger", true).contains("m::danger::plain"));
}

#[test]
fn security_md_lists_every_danger() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../SECURITY.md")).expect("text");
    let listed = text.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()));
    let expected = DANGERS.into_iter().chain(OTHER_NAMES).map(str::to_owned);
    assert_eq!(listed.collect::<BTreeSet<_>>(), expected.collect());
}

fn named(issuer: &str) -> NeedsAudience {
    NeedsAudience::new(issuer, Arc::new(StaticKeys::from_set(KeySet::new([]))))
}

fn is_danger<T>(result: Result<T, ConfigError>) -> bool {
    // A fault of an outbound binding begins with its origin.
    fields(result).iter().any(|field| field == "danger" || field.ends_with(": danger"))
}

/// The fields of the faults.
fn fields<T>(result: Result<T, ConfigError>) -> Vec<String> {
    let faults = result.err().map(|error| error.faults().to_vec()).unwrap_or_default();
    faults.into_iter().map(|fault| fault.field.into_owned()).collect()
}

/// A place in which a danger was written, and whether `deny_danger` stopped it there.
type Place = (&'static str, bool);

/// Every place in which Rust code can put an issuer with its rules and keys.
async fn as_issuer(issuer: TrustedIssuer) -> Vec<Place> {
    let denying = || Verifier::builder().deny_danger();
    let (_verifier, replacer) =
        denying().trust(named("https://other.test").audience("a")).build_replaceable().expect("good");
    let federation = Federation::new(issuer.clone()).add_subject("build", "orders");
    let issuing = Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
    let issuing = issuing.add_client(Client::new("orders").audiences(["billing"])).add_federation(federation);
    assert!(issuing.build().is_ok(), "it can be used without deny_danger");
    let federation = Federation::new(issuer.clone()).add_subject("build", "orders");
    let issuing = Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
    let issuing = issuing.add_client(Client::new("orders").audiences(["billing"])).add_federation(federation);
    let provider = || {
        let provider = IdentityProvider::new(issuer.clone(), "staff:");
        Issuer::builder("https://sts.test").add_identity_provider(provider)
    };
    assert!(provider().build().is_ok(), "it can be used without deny_danger");
    vec![
        ("a verifier", is_danger(denying().trust(issuer.clone()).build())),
        ("a replaced policy", is_danger(replacer.replace(Verifier::builder().trust(issuer.clone())))),
        ("a federation", is_danger(issuing.deny_danger().build())),
        ("an identity provider", is_danger(provider().deny_danger().build())),
        ("a resolved issuer", !is_resolved(issuer).await),
    ]
}

/// Returns whether a verifier that denies dangers accepts a token of this issuer, when a resolver returns it.
async fn is_resolved(issuer: TrustedIssuer) -> bool {
    let name = issuer.issuer().to_owned();
    let resolver = ResolvedIssuers::new(move |_: String| {
        let issuer = issuer.clone();
        async move { Ok(Some(issuer)) }
    });
    let verifier = Verifier::builder().deny_danger().trust_resolved(Arc::new(resolver)).build().expect("good");
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let now = verifier.clock().now();
    let draft = Draft::access_token().issuer(name).audience("a").subject("u1").client_id("web").token_id("1");
    let draft = draft.issued_at(now).expires_at(now.saturating_add(std::time::Duration::from_secs(60)));
    let error = verifier.verify(&draft.sign(&signer).expect("a token")).await.expect_err("not signed by its key");
    error.code() != "unknown_issuer"
}

const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Every place in which a file or the environment can have this field of an issuer.
fn as_field(field: &str, issuer: &str) -> Vec<Place> {
    let rules = format!("issuer = \"{issuer}\"\naudience = \"orders\"\n{field} = true\nkeys = {{ inline = '{JWKS}' }}");
    let federation = format!(
        "issuer = \"https://sts.test\"\ndeny_danger = true\n[[audience]]\nname = \"billing\"\n\
         [[client]]\nid = \"orders\"\naudiences = [\"billing\"]\n\
         [[federation]]\nsubjects = {{ build = \"orders\" }}\n[federation.trusted]\n{rules}"
    );
    let lax = IssuerConfig::from_toml(&federation.replace("deny_danger = true\n", "")).expect("a file").build();
    assert!(lax.is_ok(), "{field} can be used without deny_danger: {lax:?}");
    let provider = format!(
        "issuer = \"https://sts.test\"\ndeny_danger = true\n[[identity_provider]]\nprefix = \"staff:\"\n\
         [identity_provider.trusted]\n{}",
        rules.replace("\"orders\"", "\"https://sts.test\"")
    );
    let lax = IssuerConfig::from_toml(&provider.replace("deny_danger = true\n", "")).expect("a file").build();
    assert!(lax.is_ok(), "{field} can be used without deny_danger: {lax:?}");
    let variable = format!("AUTH_{}", field.to_uppercase());
    let keys = format!("{{\"inline\":{}}}", serde_json::Value::from(JWKS));
    let vars =
        [("AUTH_ISSUER", issuer), ("AUTH_AUDIENCE", "orders"), ("AUTH_KEYS", &keys), ("AUTH_DENY_DANGER", "true")];
    let vars = Policy::from_vars("AUTH_", vars.into_iter().chain([(variable.as_str(), "true")]));
    let mut places =
        in_files(&format!("[[issuers]]\n{rules}"), "[[issuers]]\nissuer = \"https://other.test\"\naudience = \"a\"");
    places.push(("the environment", is_danger(verifier_of(&vars.expect("a policy")))));
    places.push(("an identity provider", is_danger(IssuerConfig::from_toml(&provider).expect("a file").build())));
    places.push(("a federation", is_danger(IssuerConfig::from_toml(&federation).expect("a file").build())));
    places
}

fn verifier_of(policy: &Policy) -> Result<Verifier, ConfigError> {
    Verifier::builder().policy(policy, |_| Ok(Arc::new(StaticKeys::from_set(KeySet::new([]))))).build()
}

/// The policy `weak` in TOML and JSON, in a watched file at start, and in place of `good` while the service runs.
fn in_files(weak: &str, good: &str) -> Vec<Place> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("countersign-dangers-{}-{number}.toml", std::process::id()));
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    let watch = || {
        let file = PolicyFile::new(&path).interval(std::time::Duration::from_secs(3600)).deny_danger();
        file.keys(|_| Ok(Arc::new(StaticKeys::from_set(KeySet::new([]))))).build()
    };
    let policy = |text: &str| Policy::from_toml(text).expect("a policy");
    assert!(verifier_of(&policy(weak)).is_ok(), "it can be used without deny_danger: {weak}");
    let denying = policy(&format!("deny_danger = true\n{weak}"));
    let json = Policy::from_json(&denying.to_json()).expect("its own data");
    write(weak);
    let at_start = is_danger(watch());
    write(good);
    let watched = watch().expect("a good policy");
    write(weak);
    let reloaded = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async { is_danger(watched.reload().await) })
    });
    std::fs::remove_file(&path).expect("removed");
    vec![
        ("TOML", is_danger(verifier_of(&denying))),
        ("JSON", is_danger(verifier_of(&json))),
        ("a watched file", at_start),
        ("a watched file, later", reloaded),
    ]
}

fn exchanging(rule: ExchangeRule) -> IssuerBuilder {
    let client = Client::new("gateway").add_exchange_rule(rule);
    Issuer::builder("https://id.test").add_audience(Audience::new("orders")).add_client(client)
}

/// Tries the danger with `deny_danger` in each place in which it can be written.
async fn places(danger: &str) -> Vec<Place> {
    let by_keys = |keys: Arc<dyn KeySource>| NeedsAudience::new("https://id.test", keys).audience("a");
    match danger {
        "policy::danger::any_type" => as_issuer(danger::any_type(named("https://id.test").audience("a"))).await,
        "policy::danger::without_audience" => as_issuer(danger::without_audience(named("https://id.test"))).await,
        "policy::danger::plain_http_issuer" => {
            as_issuer(danger::plain_http_issuer(named("http://id.test").audience("a"))).await
        }
        "policy::danger::unknown_status_accepted" => {
            let lists = danger::unknown_status_accepted(StatusListRules::new("https://id.test/lists/"));
            // A token service takes no issuer with status lists.
            let issuer = named("https://id.test").audience("a").status_lists(lists);
            assert!(Verifier::new(issuer.clone()).is_ok(), "it can be used without deny_danger");
            let other = Verifier::builder().deny_danger().trust(named("https://other.test").audience("a"));
            let (_verifier, replacer) = other.build_replaceable().expect("good");
            vec![
                ("a verifier", is_danger(Verifier::builder().deny_danger().trust(issuer.clone()).build())),
                ("a replaced policy", is_danger(replacer.replace(Verifier::builder().trust(issuer.clone())))),
                ("a resolved issuer", !is_resolved(issuer).await),
            ]
        }
        "StatusListsConfig::danger_accept_unknown" => {
            let weak = "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n[issuers.status_lists]\n\
                        locations = [\"https://id.test/lists/\"]\ndanger_accept_unknown = true";
            in_files(weak, "[[issuers]]\nissuer = \"https://other.test\"\naudience = \"a\"")
        }
        "RemoteKeys::danger_allow_plain_http" => {
            let keys = || RemoteKeys::from_url("http://keys.test/jwks").danger_allow_plain_http();
            let sources = [Arc::new(RemoteKeys::from_url("https://keys.test/jwks")) as _, Arc::new(keys()) as _];
            let mut places = as_issuer(by_keys(Arc::new(keys()))).await;
            places.extend(as_issuer(by_keys(Arc::new(FailoverKeys::new(sources)))).await);
            let issuing = Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
            let client = Client::new("orders").audiences(["billing"]).key_source(Arc::new(keys()));
            places.push(("a client of the issuer", is_danger(issuing.add_client(client).deny_danger().build())));
            places
        }
        "OutboundBuilder::danger_allow_plain_http" => {
            let calls = Outbound::builder(reqwest::Client::new()).deny_danger();
            let layer = AttachTokenLayer::builder().deny_danger();
            let stack = AttachTokenMiddleware::builder().deny_danger();
            let token = || StaticToken::new("t".into());
            vec![
                ("a client", is_danger(calls.bind("http://b.test", token()).danger_allow_plain_http().build())),
                ("a layer", is_danger(layer.bind("http://b.test", token()).danger_allow_plain_http().build())),
                ("a middleware", is_danger(stack.bind("http://b.test", token()).danger_allow_plain_http().build())),
            ]
        }
        "ClientCredentials::danger_allow_plain_http" => {
            let token = || ClientCredentials::from_token_endpoint("http://id.test/t").client("a", "s3cret");
            let token = || token().danger_allow_plain_http();
            let calls = || Outbound::builder(reqwest::Client::new()).deny_danger();
            let layer = AttachTokenLayer::builder().deny_danger();
            let actor =
                || ClientCredentials::from_token_endpoint("https://id.test/t").client("a", "s3cret").actor(token());
            vec![
                ("a client", is_danger(calls().bind("https://b.test", token()).build())),
                ("a layer", is_danger(layer.bind("https://b.test", token()).build())),
                ("an actor", is_danger(calls().bind("https://b.test", actor()).build())),
            ]
        }
        "ResolvedIssuers::danger_allow_private_addresses" => {
            let issuers = ResolvedIssuers::new(|_: String| async move { Ok(None) }).danger_allow_private_addresses();
            let issuers = Arc::new(issuers);
            let builder = || Verifier::builder().trust_resolved(Arc::clone(&issuers) as _);
            let good = Verifier::builder().deny_danger().trust(named("https://id.test").audience("a"));
            let (_verifier, replacer) = good.build_replaceable().expect("good");
            vec![
                ("a verifier", is_danger(builder().deny_danger().build())),
                ("a replaced policy", is_danger(replacer.replace(builder()))),
            ]
        }
        "authenticate::danger::token_in_form" | "authenticate::danger::token_in_query" => {
            vec![("a layer", layer_stops(danger).await)]
        }
        "TrustedIssuerConfig::danger_any_audience" => as_field("danger_any_audience", "https://id.test"),
        "TrustedIssuerConfig::danger_any_type" => as_field("danger_any_type", "https://id.test"),
        "TrustedIssuerConfig::danger_plain_http" => as_field("danger_plain_http", "http://id.test"),
        "Introspection::danger_allow_plain_http" => {
            let asking = Introspection::at_issuer("https://id.test").endpoint("http://id.test/introspect");
            let asking = asking.client("a", "s3cret").danger_allow_plain_http();
            let strict = Verifier::builder().deny_danger().trust(named("https://id.test").audience("a"));
            let strict = strict.build().expect("a verifier");
            vec![("a layer", is_danger(AuthenticateLayer::builder(strict).introspection(asking).build()))]
        }
        "audit::danger::raw_subjects" => {
            let log = countersign::audit::AuditLog::new("orders", countersign::audit::AuditEvents);
            let strict = Verifier::builder().deny_danger().trust(named("https://id.test").audience("a"));
            let layer = AuthenticateLayer::builder(strict.build().expect("a verifier"));
            vec![("a layer", is_danger(layer.audit(countersign::audit::danger::raw_subjects(log)).build()))]
        }
        "IntrospectionConfig::danger_plain_http" => {
            let issuers = "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n";
            let weak = "[introspection]\nclient = \"a\"\nsecret_file = \"s\"\ndanger_plain_http = true";
            in_files(&format!("{issuers}{weak}"), issuers)
        }
        "OutboundConfig::danger_plain_http" => {
            let issuers = "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n";
            let weak = "[[outbound]]\norigin = \"http://b.test\"\ntoken_file = \"token\"\ndanger_plain_http = true";
            let mut places = in_files(&format!("{issuers}{weak}"), issuers);
            let policy = Policy::from_toml(&format!("deny_danger = true\n{issuers}{weak}")).expect("a policy");
            places.push(("a client", is_danger(Outbound::from_config(&policy))));
            places.push(("a layer", is_danger(AttachTokenLayer::builder().config(&policy).build())));
            places
        }
        "RedisSettings::danger_allow_plain_tcp" => {
            let settings = || RedisSettings::new("redis://redis.internal").danger_allow_plain_tcp();
            assert!(RedisReplays::connect_in_background(settings()).is_ok(), "it can be used without deny_danger");
            let stopped = RedisReplays::connect_in_background(settings().deny_danger());
            vec![
                ("a store", is_danger(stopped)),
                ("a store, later", is_danger(RedisReplays::connect(settings().deny_danger()).await)),
            ]
        }
        "ExchangeRule::danger_without_actor" => {
            let rule = ExchangeRule::new(["orders"]).danger_without_actor();
            vec![("an issuer", is_danger(exchanging(rule).deny_danger().build()))]
        }
        "ExchangeConfig::danger_without_actor" => {
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
            vec![("a file", is_danger(IssuerConfig::from_toml(file).expect("a file").build()))]
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
            "authenticate::danger::token_in_form" => {
                app.layer(builder.build().expect("a layer")).layer(of_layers::token_in_form())
            }
            _ => app.layer(of_layers::token_in_query(builder).build().expect("a layer")),
        };
        let request = match danger {
            "authenticate::danger::token_in_form" => axum::http::Request::post("/")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_danger_stops_every_danger_that_the_source_has() {
    assert_eq!(
        dangers_in_source(),
        DANGERS.map(str::to_owned).into(),
        "add the danger here, with how deny_danger stops it"
    );
    for danger in DANGERS {
        for (place, is_stopped) in places(danger).await {
            assert!(is_stopped, "deny_danger does not stop {danger} in {place}");
        }
    }
}

/// The outbound client of a policy that its watcher denies dangers denies them too.
#[tokio::test]
async fn a_watched_policy_that_denies_danger_says_so_to_the_outbound_client() {
    let path = std::env::temp_dir().join(format!("countersign-dangers-{}-said.toml", std::process::id()));
    std::fs::write(&path, "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n").expect("written");
    let file = PolicyFile::new(&path).deny_danger().keys(|_| Ok(Arc::new(StaticKeys::from_set(KeySet::new([])))));
    let policy = file.build().expect("a policy").policy();
    std::fs::remove_file(&path).expect("removed");
    assert!(policy.deny_danger);
    let token = StaticToken::new("t".into());
    let calls = Outbound::builder(reqwest::Client::new()).config(&policy).bind("http://b.test", token);
    assert!(is_danger(calls.danger_allow_plain_http().build()));
}

/// An issuer that denies dangers, to which a client proves itself with a key of tests.
#[tokio::test]
async fn with_deny_danger_keys_of_tests_authenticate_no_client_of_the_issuer() {
    let signer = Signer::generate(Algorithm::ES256).expect("a key").with_key_id("test-only-1");
    let jwks = serde_json::json!({ "keys": [signer.public_jwk().expect("public")] }).to_string();
    let keys = || Arc::new(StaticKeys::from_set(KeySet::from_jwks(jwks.as_bytes()).expect("keys")));
    for is_federated in [false, true] {
        let name = if is_federated { "https://ci.test" } else { "orders" };
        let mut statuses = Vec::new();
        for denies in [false, true] {
            let mut client = Client::new("orders").audiences(["billing"]);
            let mut builder = Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
            if is_federated {
                let trusted = NeedsAudience::new(name, keys()).audience("https://sts.test");
                builder = builder.add_federation(Federation::new(trusted).add_subject("orders", "orders"));
            } else {
                client = client.public_keys(jwks.clone());
            }
            let builder = builder.add_client(client);
            let builder = if denies { builder.deny_danger() } else { builder };
            let issuer = builder.build().expect("sound");
            let now = countersign::clock::Clock::now(&countersign::clock::SystemClock);
            let draft = Draft::with_type("client-authentication+jwt")
                .issuer(name)
                .subject("orders")
                .audience("https://sts.test");
            let draft = draft.issued_at(now).expires_at(now.saturating_add(std::time::Duration::from_secs(60)));
            let assertion = draft.token_id("1").sign(&signer).expect("signed");
            let form = match is_federated {
                true => {
                    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
                }
                false => format!(
                    "grant_type=client_credentials&client_assertion={assertion}&client_assertion_type=\
                     urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                ),
            };
            let request =
                axum::http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
            let request = request.body(axum::body::Body::from(form)).expect("a request");
            let response = tower::ServiceExt::oneshot(issuer.router(), request).await.expect("answered");
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [200, if is_federated { 400 } else { 401 }], "federated: {is_federated}");
    }
}

#[tokio::test]
async fn deny_danger_stops_what_weakens_a_check_by_another_name() {
    let fail_open = || Revocation::new(Arc::new(RevocationList::new())).unknown_policy(UnknownPolicy::FailOpen);
    let issuer = || named("https://id.test").audience("orders");
    let strict = Verifier::builder().deny_danger().trust(issuer()).build().expect("a verifier");
    let refused = AuthenticateLayer::builder(strict.clone()).revocation(fail_open()).build();
    assert_eq!(fields(refused), ["danger"]);
    let of_one = Revocation::new(Arc::new(RevocationList::new()));
    let of_one = of_one.unknown_policy_of("https://id.test", UnknownPolicy::FailOpen);
    let refused = AuthenticateLayer::builder(strict.clone()).revocation(of_one).build();
    assert_eq!(fields(refused), ["danger"], "for one issuer");
    assert!(AuthenticateLayer::builder(strict).revocation(Arc::new(RevocationList::new())).build().is_ok());
    let lax = Verifier::new(issuer()).expect("a verifier");
    assert!(AuthenticateLayer::builder(lax).revocation(fail_open()).build().is_ok());
}
