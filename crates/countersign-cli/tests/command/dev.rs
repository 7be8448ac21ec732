//! `countersign dev` and `countersign attack`, run as binaries against a service.

use std::process::Stdio;
use std::sync::Arc;

use crate::run::{Server, assert_form, countersign_with, file, new_path};
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::get;
use countersign::authenticate::{AuthenticateLayer, CallerToken};
use countersign::authz::role;
use countersign::clock::UnixTime;
use countersign::keys;
use countersign::outbound::{ClientCredentials, Outbound};
use countersign::policy::Policy;
use countersign::verify::Verifier;
use serde_json::{Value, json};

/// A running provider.
struct Dev(Server);

impl Dev {
    fn start(home: &str, arguments: &[&str]) -> Self {
        let arguments = [&["--port", "0"], arguments].concat();
        Dev(Server::start_with("dev", &arguments, |command| {
            command.env("COUNTERSIGN_HOME", home).stderr(Stdio::null())
        }))
    }

    fn text(&self, name: &str) -> &str {
        self.0.text(name)
    }

    async fn token_of(&self, user: &str) -> String {
        let urls = self.0.ready["users"].as_array().expect("a list");
        let url = urls.iter().filter_map(Value::as_str).find(|url| url.ends_with(&format!("/{user}")));
        reqwest::get(url.expect("a user")).await.expect("an answer").text().await.expect("a token")
    }

    /// A service with the printed policy, for clerks.
    async fn service(&self) -> String {
        serve(self.app(AuthenticateLayer::new(self.verifier()))).await
    }

    fn verifier(&self) -> Verifier {
        let policy = Policy::from_toml(self.text("policy")).expect("a policy");
        Verifier::builder().policy(&policy, keys::from_config).build().expect("a verifier")
    }

    fn app(&self, layer: AuthenticateLayer) -> Router {
        Router::new()
            .route("/orders", get(|| async { "orders" }).layer(countersign::guard::require(role("clerk"))))
            .layer(layer)
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/orders", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn status(url: &str, token: &str) -> StatusCode {
    let request = reqwest::Client::new().get(url).bearer_auth(token);
    request.send().await.expect("an answer").status()
}

async fn command(home: &str, arguments: Vec<String>, input: String) -> crate::run::Output {
    let home = home.to_owned();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        countersign_with(&arguments, &input, &[("COUNTERSIGN_HOME", &home)])
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_06_no_user_has_the_name_of_a_client() {
    let home = new_path("home");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port"); // so that no version starts
    let dev_at_taken = format!("dev --port {}", taken.local_addr().expect("bound").port());
    for shape in ["plain", "keycloak", "auth0"] {
        for arguments in ["--user web", "--user ann --user web", "--client ann --user ann", "--user ann --client ann"] {
            let given = words(&format!("{dev_at_taken} --like {shape} {arguments}"));
            let refused = command(home.path(), given, String::new()).await;
            assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{shape} {arguments}");
            assert!(refused.stderr.contains("would take it for the client"), "{shape} {arguments}: {}", refused.stderr);
        }
        let dev = Dev::start(home.path(), &["--like", shape, "--user", "svc:clerk", "--user", "ann"]);
        for (username, client, expected) in
            [("svc", "svc", 400), ("ann", "ann", 400), ("svc", "web", 200), ("ann", "svc", 200)]
        {
            let form = [("grant_type", "password"), ("username", username), ("client_id", client)];
            let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
            assert_eq!(answer.status(), expected, "{shape} {username} {client}");
        }
        // A service with roles is described as a user is, and calls for itself.
        let form = [("grant_type", "client_credentials"), ("client_id", "svc")];
        let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{shape}");
    }
    let users = file("users.toml", "[[user]]\nname = \"ann\"\nclaims = { sub = \"web\" }\n");
    let refused = command(home.path(), words(&format!("{dev_at_taken} --users {}", users.path())), String::new()).await;
    assert!(refused.stderr.contains("would take it for the client"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_the_printed_policy_takes_the_tokens_of_each_shape() {
    let home = new_path("home");
    for shape in ["plain", "keycloak", "auth0"] {
        let dev = Dev::start(home.path(), &["--like", shape, "--user", "ann:clerk@acme", "--user", "bob"]);
        let service = dev.service().await;
        let (ann, bob) = (dev.token_of("ann").await, dev.token_of("bob").await);
        assert_eq!(status(&service, &ann).await, StatusCode::OK, "{shape}");
        assert_eq!(status(&service, &bob).await, StatusCode::FORBIDDEN, "{shape}");
        let policy = file("policy.toml", dev.text("policy"));
        let checked = command(home.path(), words(&format!("policy check {}", policy.path())), String::new()).await;
        assert_eq!(checked.code, 0, "{}", checked.stdout);
        let explained = words(&format!("explain --path /orders --json --policy {} -", policy.path()));
        let explained = command(home.path(), explained, ann.clone()).await;
        assert_eq!(
            (explained.code, &explained.json()["caller"]["tenant"]),
            (0, &json!("acme")),
            "{}",
            explained.stderr
        );

        let form = [("grant_type", "client_credentials"), ("client_id", "billing")];
        let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let answer: Value = answer.json().await.expect("JSON");
        let token = answer["access_token"].as_str().expect("a token");
        assert_eq!(status(&service, token).await, StatusCode::FORBIDDEN, "{shape}: a valid token without roles");
        let form = [("grant_type", "password"), ("username", "nobody")];
        let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let mut other = reqwest::Client::new().get(dev.text("jwks"));
        other = other.header("host", "attacker.test");
        assert_eq!(other.send().await.expect("an answer").status(), StatusCode::FORBIDDEN, "DNS rebinding");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_the_same_and_mint_and_jwks_build_name_them_alike() {
    let home = new_path("home");
    let keys = async |dev: &Dev| {
        let set = reqwest::get(dev.text("jwks")).await.expect("an answer").text().await.expect("text");
        serde_json::from_str::<Value>(&set).expect("JSON")
    };
    let first = keys(&Dev::start(home.path(), &[])).await;
    assert_eq!(first, keys(&Dev::start(home.path(), &[])).await);
    let built = words(&format!("jwks build {}/dev-es256.pem", home.path()));
    let built = command(home.path(), built, String::new()).await.json();
    let minted = words("mint --issuer https://dev.test --audience orders --subject ann --json");
    let minted = command(home.path(), minted, String::new()).await.json();
    for set in [&first, &built] {
        assert_eq!((&set["keys"][0]["kid"], &set["keys"][0]["x"]), (&minted["kid"], &minted["jwk"]["x"]));
    }
    let set = file("keys", &built.to_string());
    let verify = words(&format!("verify --issuer https://dev.test --audience orders --jwks {} -", set.path()));
    let verified = command(home.path(), verify, minted["token"].as_str().expect("text").to_owned()).await;
    assert_eq!(verified.code, 0, "{}", verified.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_token_has_its_scopes_and_is_exchanged_for_another_audience() {
    let home = new_path("home");
    for shape in ["plain", "keycloak", "auth0"] {
        let dev = Dev::start(home.path(), &["--like", shape, "--user", "ann:clerk", "--scope", "ann=orders:read a:x"]);
        let policy = dev.text("policy").to_owned();
        assert_eq!(policy.contains("preset = "), shape != "plain", "{policy}");
        let token = dev.token_of("ann").await;
        let decoded = command(home.path(), words("decode --json -"), token.clone()).await.json();
        let scope = decoded["payload"]["scope"].as_str().expect("scopes").to_owned();
        assert!(scope.ends_with("orders:read a:x"), "{shape}: {scope}");

        let source = ClientCredentials::from_issuer(dev.text("issuer")).client("orders", "any").audience("billing");
        let target =
            serve(Router::new().route(
                "/orders",
                get(|headers: axum::http::HeaderMap| async move {
                    headers["authorization"].to_str().expect("text").to_owned()
                }),
            ))
            .await;
        let outbound = Outbound::builder(reqwest::Client::new()).bind(target.trim_end_matches("/orders"), source);
        let outbound = outbound.build().expect("bound");
        let caller = CallerToken::unverified(&token.as_str().into(), UnixTime::from_secs(u64::MAX / 4));
        let answer = outbound.on_behalf_of(&caller).send(reqwest::Client::new().get(&target)).await.expect("exchanged");
        let exchanged = answer.text().await.expect("text").trim_start_matches("Bearer ").to_owned();
        let claims = command(home.path(), words("decode --json -"), exchanged).await.json()["payload"].clone();
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!("billing"), &decoded["payload"]["sub"]), "{shape}");
        assert_eq!((&claims["act"]["sub"], claims["scope"].as_str()), (&json!("orders"), Some(scope.as_str())));
        for forged in [format!("{token}x"), String::new(), token.replacen('.', ".e30", 1)] {
            let form = [("grant_type", exchange()), ("client_id", "orders"), ("subject_token", &forged)];
            let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        }
    }
    let refused = command(home.path(), words("dev --port 0 --user ann --scope e/ve=x"), String::new()).await;
    assert!(refused.code == 2 && refused.stderr.contains("user e/ve"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_the_scopes_that_it_requests_within_its_own() {
    let home = new_path("home");
    for shape in ["plain", "keycloak", "auth0"] {
        let dev = Dev::start(home.path(), &["--like", shape, "--scope", "billing=orders:read orders:write"]);
        for (client, requested, granted) in [
            ("svc", "orders:read a:x", json!("orders:read a:x")),
            ("svc", "", Value::Null),
            ("billing", "orders:read a:x", json!("orders:read")),
            ("billing", "", json!("orders:read orders:write")),
        ] {
            let form = [("grant_type", "client_credentials"), ("client_id", client), ("scope", requested)];
            let answer = reqwest::Client::new().post(dev.text("token")).form(&form).send().await.expect("an answer");
            let answer: Value = answer.json().await.expect("JSON");
            let token = answer["access_token"].as_str().expect("a token").to_owned();
            let decoded = command(home.path(), words("decode --json -"), token).await.json();
            assert_eq!(decoded["payload"]["scope"], granted, "{shape} {client} {requested}");
        }
    }
}

fn exchange() -> &'static str {
    "urn:ietf:params:oauth:grant-type:token-exchange"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_come_from_a_file() {
    let home = new_path("home");
    let users = file(
        "users.toml",
        "[[user]]\nname = \"eve\"\nroles = [\"clerk\"]\nscopes = [\"orders:read\"]\n[user.claims]\nplan = \"gold\"\n",
    );
    let dev = Dev::start(home.path(), &["--users", users.path()]);
    let token = dev.token_of("eve").await;
    assert_eq!(status(&dev.service().await, &token).await, StatusCode::OK);
    let decoded = command(home.path(), words("decode --json -"), token).await.json();
    assert_eq!((&decoded["payload"]["plan"], &decoded["payload"]["scope"]), (&json!("gold"), &json!("orders:read")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_are_refused_by_a_guarded_service_and_reported_of_an_open_one() {
    let home = new_path("home");
    for shape in ["plain", "keycloak"] {
        let dev = Dev::start(home.path(), &["--like", shape]);
        let guarded = dev.service().await;
        let junit = new_path("junit.xml");
        let arguments =
            format!("attack {guarded} --json --like {shape} --issuer {} --junit {}", dev.text("issuer"), junit.path());
        let found = command(home.path(), words(&arguments), String::new()).await;
        let report = found.json();
        assert_form("attack", &report);
        assert_eq!(found.code, 0, "{shape}: {}", found.stdout);
        assert!(report["attacks"].as_array().expect("a list").len() > 80);
        assert_eq!((&report["proves"], &report["valid"]), (&json!(true), &json!([200, 200])));
        let xml = std::fs::read_to_string(junit.path()).expect("written");
        assert!(xml.contains("failures=\"0\" errors=\"0\"") && xml.contains("name=\"wrong_audience\""), "{xml}");
        let skipped = report["skipped"].as_array().expect("a list");
        let reason = skipped[0]["reason"].as_str().expect("text");
        assert!(skipped.len() > 30 && reason.contains("was answered with 401"), "S6.01, no proofs taken: {reason}");
        assert!(xml.contains(&format!("skipped=\"{}\"", skipped.len())) && xml.contains("<skipped message="), "{xml}");

        // Refusals of a service that trusts nobody prove nothing.
        let deaf = serve(Router::new().route("/orders", get(|| async { StatusCode::UNAUTHORIZED }))).await;
        let found =
            command(home.path(), words(&format!("attack {deaf} --junit {}", junit.path())), String::new()).await;
        assert!(found.code == 3 && found.stdout.contains("answered with 401"), "{} {}", found.code, found.stdout);
        assert!(std::fs::read_to_string(junit.path()).expect("written").contains("errors=\"1\""));
        let closed = command(home.path(), words("attack http://127.0.0.1:1/"), String::new()).await;
        assert!(closed.code == 3 && closed.stdout.contains("connection refused"), "{}", closed.stdout);
    }
}

/// S6.01 to S6.16, with nonces (S6.17) and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_01_s6_16_s6_17_attacks_on_bound_tokens_are_sent_to_a_service_that_takes_proofs() {
    use countersign::proof::{Dpop, Nonces};
    let home = new_path("home");
    let dev = Dev::start(home.path(), &[]);
    let external = "https://api.example/shop";
    let dpop = || Dpop::at(external);
    for dpop in [dpop(), dpop().nonces(Nonces::generate().expect("random numbers"))] {
        let layer = AuthenticateLayer::builder(dev.verifier()).dpop(dpop).build().expect("a layer");
        let url = serve(dev.app(layer)).await;
        let issuer = dev.text("issuer");
        let arguments = format!("attack {url} --json --issuer {issuer} --external-url {external}/orders?page=2");
        let found = command(home.path(), words(&arguments), String::new()).await;
        let report = found.json();
        assert_form("attack", &report);
        assert_eq!((found.code, &report["skipped"]), (0, &json!([])), "{report}");
        let sent = report["attacks"].as_array().expect("a list");
        let names: Vec<_> = sent.iter().map(|row| row["name"].as_str().expect("text")).collect();
        for name in ["bound_as_bearer", "proof_replayed", "proof_of_another_key", "confirmation_null", "opaque_random"]
        {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        // Proofs for the wrong address: the service takes them, but not these.
        let found = command(home.path(), words(&format!("attack {url} --issuer {issuer}")), String::new()).await;
        assert!(found.code == 0 && found.stdout.contains("attacks on bound tokens were skipped"), "{}", found.stdout);
        assert!(found.stdout.contains("invalid_dpop_proof"), "the challenge says why: {}", found.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_that_get_through_fail_the_run() {
    let home = new_path("home");
    let any_token = |headers: axum::http::HeaderMap| async move {
        if headers.contains_key("authorization") { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    let careless = serve(Router::new().route("/orders", get(any_token))).await;
    let junit = new_path("junit.xml");
    let found =
        command(home.path(), words(&format!("attack {careless} --junit {}", junit.path())), String::new()).await;
    assert!(found.code == 1 && found.stdout.contains("attacks got through"), "{}", found.stdout);
    assert!(found.stdout.contains("alg_none") && found.stdout.contains("200, expected 401"), "{}", found.stdout);
    assert!(found.stdout.contains("no_proof ") && found.stdout.contains("proof_replayed "), "{}", found.stdout);
    assert!(std::fs::read_to_string(junit.path()).expect("written").contains("got through: 200"));

    let open = serve(Router::new().route("/orders", get(|| async { "open" }))).await;
    let found = command(home.path(), words(&format!("attack {open}")), String::new()).await;
    assert!(found.code == 1 && found.stdout.contains("without a token"), "{}", found.stdout);

    // A service that stops serving meanwhile.
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let limited = move || {
        let served = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { if served == 0 { StatusCode::OK } else { StatusCode::UNAUTHORIZED } }
    };
    let limited = serve(Router::new().route("/orders", get(limited))).await;
    let found = command(home.path(), words(&format!("attack {limited}")), String::new()).await;
    assert!(found.code == 3 && found.stdout.contains("rate limit"), "{}", found.stdout);
}

/// A challenge that reads as the verdict, or goes on for long, or breaks the results in XML.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_04_s10_13_a_service_cannot_write_the_verdict_on_it() {
    let home = new_path("home");
    let junit = new_path("junit.xml");
    let forged = format!("). None of 62 attacks got through. (' \u{ffff}\u{fffe}{}", "x".repeat(4000));
    let refuse = move || async move {
        let challenge = HeaderValue::from_bytes(forged.as_bytes()).expect("opaque");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)])
    };
    let url = serve(Router::new().route("/orders", get(refuse))).await;
    let found = command(home.path(), words(&format!("attack {url} --junit {}", junit.path())), String::new()).await;
    assert_eq!(found.code, 3, "{}", found.stdout);
    let start = "was answered with 401 (WWW-Authenticate: '). None of 62 attacks got through. (\\' ";
    assert!(found.stdout.contains(start) && found.stdout.len() < 1_000, "{}", found.stdout);
    let xml = std::fs::read_to_string(junit.path()).expect("written");
    assert!(xml.len() < 20_000 && !xml.contains(['\u{ffff}', '\u{fffe}']) && xml.contains("None of 62"), "{xml}");
}
