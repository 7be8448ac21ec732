//! Requests for transaction tokens at the embedded issuer, by a service where requests from outside come in: S9.06, S9.08, S9.09.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap};
use axum::routing::{get, post};
use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::authenticate::CallerToken;
use countersign::clock::UnixTime;
use countersign::extract::Transaction;
use countersign::outbound::{
    ClientCredentials, NewTransaction, Outbound, OutboundError, StaticToken, TransactionClient,
};
use countersign::policy::TransactionService;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign::verify::TransactionVerifier;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, Issuer, TransactionRule, TrustDomain};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::{Value, json};

use crate::service::SECRET;
use crate::shop::DOMAIN;

/// The embedded issuer over a socket.
struct Sts {
    issuer: Issuer,
    server: Service,
}

impl Sts {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let scopes = ["orders:place", "orders:read"];
        let client = Client::new("shop").secret(Secret::from(SECRET)).audiences(["stock"]);
        let issuer = Issuer::builder(format!("http://{}", listener.local_addr().expect("bound")))
            .add_audience(Audience::new("shop").scopes(scopes))
            .add_audience(Audience::new("stock"))
            .add_trust_domain(TrustDomain::new(DOMAIN).scopes(scopes))
            .add_client(client.add_transaction_rule(TransactionRule::new(DOMAIN, scopes)))
            .build()
            .expect("an issuer");
        let server = Service::on(listener, issuer.router());
        Sts { issuer, server }
    }

    fn credentials(&self) -> ClientCredentials {
        ClientCredentials::from_issuer(self.issuer.name()).client("shop", Secret::from(SECRET))
    }

    fn verifier(&self) -> TransactionVerifier {
        TransactionVerifier::new(self.issuer.transaction_service_for(DOMAIN)).expect("a verifier")
    }

    fn client(&self) -> TransactionClient {
        TransactionClient::new(self.credentials(), self.verifier()).expect("a client")
    }

    fn token(&self, subject: &str, scope: &str) -> String {
        let draft = Draft::access_token().subject(subject).audience("shop").client_id("web").scope(scope);
        self.issuer.mint(&draft).expect("a token").as_str().to_owned()
    }

    /// A caller, as a layer keeps its token.
    fn caller(&self, subject: &str) -> CallerToken {
        let token = self.token(subject, "orders:place orders:read");
        CallerToken::unverified(&Secret::from(token.as_str()), in_five_minutes())
    }
}

fn in_five_minutes() -> UnixTime {
    UnixTime::from(std::time::SystemTime::now()).saturating_add(Duration::from_secs(300))
}

/// The identifiers of transactions in audit events.
#[derive(Clone, Debug, Default)]
struct Txns(Arc<Mutex<Vec<Option<String>>>>);

impl AuditSink for Txns {
    fn record(&self, event: &AuditEvent) {
        let line: Value = serde_json::from_str(&event.to_json()).expect("JSON");
        self.0.lock().expect("sound").push(line["txn"].as_str().map(str::to_owned));
    }
}

/// The service behind: answers with the subject, the identifier and the details of the transaction.
async fn reserve(caller: Claims, transaction: Transaction, headers: HeaderMap) -> String {
    assert_eq!(headers.get_all("txn-token").iter().count(), 1);
    let details: Value = transaction.context().expect("details");
    format!("{} for {} in {} {details}", caller.subject(), transaction.subject(), transaction.id())
}

#[derive(Clone)]
struct Shop {
    transactions: TransactionClient,
    outbound: Outbound,
    stock: String,
}

async fn place(State(shop): State<Shop>, request: Extensions) -> Result<String, OutboundError> {
    let new = NewTransaction::new("orders:place").details(json!({ "order": 4711 }));
    let transaction = shop.transactions.begin(&request, new).await?;
    let call = shop.outbound.client().post(shop.stock);
    Ok(shop.outbound.in_transaction(&transaction).send(call).await?.text().await.expect("a text"))
}

/// The shop, which takes requests from outside, and the stock behind it.
async fn shop(sts: &Sts, txns: &Txns) -> (Service, Service) {
    let layer = AuthenticateLayer::builder(Verifier::new(sts.issuer.trusted_for("stock")).expect("a verifier"));
    let layer = layer.transaction_tokens_required(sts.verifier()).build().expect("a layer");
    let stock = Service::start(Router::new().route("/", post(reserve)).layer(layer)).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let outbound = Outbound::builder(http)
        .client_follows_no_redirects()
        .bind(stock.url(), sts.credentials().audience("stock"))
        .forward_transaction(stock.url())
        .build()
        .expect("bound");
    let state = Shop { transactions: sts.client(), outbound, stock: stock.url() };
    let layer = AuthenticateLayer::builder(Verifier::new(sts.issuer.trusted_for("shop")).expect("a verifier"))
        .transaction_tokens(sts.verifier())
        .keep_caller_token()
        .audit(AuditLog::new("shop", txns.clone()).allowed())
        .build()
        .expect("a layer");
    let shop = Service::start(Router::new().route("/orders", post(place)).with_state(state).layer(layer)).await;
    (shop, stock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_08_s9_09_each_request_from_outside_begins_a_transaction_of_its_own() {
    let (sts, txns) = (Sts::start().await, Txns::default());
    let (shop, _stock) = shop(&sts, &txns).await;
    let url = format!("{}/orders", shop.url());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let call = reqwest::Client::new().post(&url).bearer_auth(sts.token("ann", "orders:place")).send().await;
        let answer = call.expect("answered").text().await.expect("a text");
        let (who, rest) = answer.split_once(" in ").expect("a transaction");
        let (txn, details) = rest.split_once(' ').expect("details");
        assert_eq!((who, details), ("shop for ann", r#"{"order":4711}"#));
        seen.push(Some(txn.to_owned()));
    }
    assert_ne!(seen[0], seen[1], "none is used twice");
    assert_eq!(*txns.0.lock().expect("sound"), seen, "the event of the request that began it names it");

    // A request that belongs to a transaction stays in it.
    let (client, bob) = (sts.client(), sts.caller("bob"));
    let new = NewTransaction::new("orders:place").details(json!({ "order": 1 }));
    let begun = client.begin_for(&bob, new).await.expect("begun");
    let forwarding = Outbound::builder(
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client"),
    );
    let own = StaticToken::new(Secret::from(sts.token("ann", "orders:place").as_str()));
    let forwarding = forwarding.client_follows_no_redirects().bind(shop.url(), own);
    let forwarding = forwarding.forward_transaction(shop.url()).build().expect("bound");
    let call = forwarding.in_transaction(&begun).send(forwarding.client().post(&url)).await.expect("answered");
    let answer = call.text().await.expect("a text");
    assert!(answer.contains(&format!("for bob in {}", begun.id())), "{answer}");
}

#[tokio::test]
async fn s9_06_s9_09_what_the_service_refuses_is_no_transaction() {
    let sts = Sts::start().await;
    let client = sts.client();
    let begin = |caller: CallerToken, new: NewTransaction| {
        let client = client.clone();
        async move { client.begin_for(&caller, new).await }
    };
    let good = || NewTransaction::new("orders:place");
    let transaction = begin(sts.caller("ann"), good()).await.expect("a transaction");
    assert_eq!((transaction.subject(), transaction.requesting_workload()), ("ann", "shop"));
    assert!(transaction.scopes().eq(["orders:place"]));
    let narrow = CallerToken::unverified(&Secret::from(sts.token("ann", "orders:read").as_str()), in_five_minutes());
    let other = TestIssuer::with_system_clock().token().audience("shop").scope("orders:place").sign();
    let other = CallerToken::unverified(&Secret::from(other.as_str()), in_five_minutes());
    for (what, caller, new, code, oauth) in [
        ("a scope that the caller lacks", narrow, good(), "token_refused", Some("invalid_scope")),
        ("an unknown scope", sts.caller("ann"), NewTransaction::new("admin"), "token_refused", Some("invalid_scope")),
        ("a caller of another issuer", other, good(), "token_refused", Some("invalid_request")),
        ("no scope", sts.caller("ann"), NewTransaction::new(" "), "token_refused", None),
        ("details that are a list", sts.caller("ann"), good().details([1]), "token_refused", None),
        (
            "a context that is too large",
            sts.caller("ann"),
            good().context(json!({ "a": "x".repeat(4096) })),
            "token_refused",
            None,
        ),
        (
            "an expired caller",
            CallerToken::unverified(&Secret::from("a.b.c"), UnixTime::from_secs(1)),
            good(),
            "subject_expired",
            None,
        ),
    ] {
        let error = begin(caller, new).await.expect_err(what);
        assert_eq!((error.code(), error.oauth_error()), (code, oauth), "{what}: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SECRET) && !text.contains("eyJ"), "{what}: {text}");
    }
    let none = client.begin(&Extensions::new(), good()).await.expect_err("no caller");
    assert_eq!(none.code(), "no_caller");
    // A token that lives longer than that of the caller (S9.06).
    let soon = UnixTime::from(std::time::SystemTime::now()).saturating_add(Duration::from_secs(20));
    let short = CallerToken::unverified(&Secret::from(sts.token("ann", "orders:place").as_str()), soon);
    assert_eq!(begin(short.clone(), good()).await.expect_err("longer").code(), "token_refused");
    let longer = client.clone().accept_longer_tokens().begin_for(&short, good()).await;
    assert!(longer.expect("accepted").expires_at() > soon);
    let ann = sts.caller("ann");
    sts.server.stop().await;
    let error = begin(ann, good()).await.expect_err("no service");
    assert!(error.code() == "token_unavailable" && error.is_transient(), "{error}");
}

/// A token endpoint that answers with this body.
async fn answering(body: Value) -> Service {
    let answer = move || std::future::ready(axum::Json(body.clone()));
    Service::start(Router::new().route("/token", post(answer))).await
}

#[tokio::test]
async fn s9_08_s9_09_an_answer_that_is_no_valid_transaction_token_is_refused() {
    let issuer = TestIssuer::with_system_clock();
    let txn = "urn:ietf:params:oauth:token-type:txn_token";
    let draft = || issuer.transaction_token(DOMAIN, "orders:place").subject("ann");
    let access = issuer.token().audience(DOMAIN).scope("orders:place").sign();
    let foreign = TestIssuer::with_system_clock().transaction_token(DOMAIN, "orders:place").sign();
    for (what, is_good, token, token_type, issued) in [
        ("good", true, draft().sign(), "N_A", txn),
        ("an access token", false, access, "N_A", txn),
        ("of another domain", false, issuer.transaction_token("bank.example", "orders:place").sign(), "N_A", txn),
        ("of another key", false, foreign, "N_A", txn),
        ("expired", false, draft().expired().sign(), "N_A", txn),
        ("as a bearer token", false, draft().sign(), "Bearer", txn),
        ("as an access token", false, draft().sign(), "N_A", "urn:ietf:params:oauth:token-type:access_token"),
    ] {
        let body = json!({ "access_token": token, "token_type": token_type, "issued_token_type": issued });
        let server = answering(body).await;
        let credentials = ClientCredentials::from_token_endpoint(format!("{}/token", server.url()));
        let credentials = credentials.client("shop", Secret::from(SECRET));
        let verifier = issuer.transaction_verifier_for(DOMAIN);
        let client = TransactionClient::new(credentials, verifier).expect("a client");
        let caller = CallerToken::unverified(&Secret::from("a.b.c"), in_five_minutes());
        let begun = client.begin_for(&caller, NewTransaction::new("orders:place")).await;
        match begun {
            Ok(transaction) => assert!(is_good && transaction.subject() == "ann", "{what}"),
            Err(error) => assert!(!is_good && error.code() == "token_refused", "{what}: {error}"),
        }
    }
}

/// S15.01: the requests of one caller take only their share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_01_one_caller_cannot_occupy_the_service() {
    let sts = Sts::start().await;
    let (waiting, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Notify::new()));
    let slow = {
        let (waiting, go_on) = (Arc::clone(&waiting), Arc::clone(&go_on));
        move || {
            let (waiting, go_on) = (Arc::clone(&waiting), Arc::clone(&go_on));
            async move {
                waiting.fetch_add(1, Ordering::SeqCst);
                go_on.notified().await;
            }
        }
    };
    let server = Service::start(Router::new().route("/token", post(slow)).route("/", get(|| async {}))).await;
    let credentials = ClientCredentials::from_token_endpoint(format!("{}/token", server.url()));
    let client = TransactionClient::new(credentials.client("shop", Secret::from(SECRET)), sts.verifier());
    let client = client.expect("a client");
    let begin = |subject: &str| {
        let (client, caller) = (client.clone(), sts.caller(subject));
        tokio::spawn(async move { client.begin_for(&caller, NewTransaction::new("orders:place")).await.map(drop) })
    };
    let mine: Vec<_> = (0..16).map(|_| begin("ann")).collect();
    while waiting.load(Ordering::SeqCst) < 16 {
        tokio::task::yield_now().await;
    }
    let one_more = begin("ann").await.expect("no panic").expect_err("its share is used up");
    assert!(one_more.code() == "token_unavailable" && one_more.retry_after().is_some(), "{one_more}");
    let other = begin("bob");
    while waiting.load(Ordering::SeqCst) < 17 {
        tokio::task::yield_now().await;
    }
    for task in mine {
        task.abort();
    }
    other.abort();
    go_on.notify_waiters();
}

#[tokio::test]
async fn what_a_transaction_token_cannot_have_is_a_fault() {
    let verifier = || {
        let service = TransactionService::new(DOMAIN, Arc::new(countersign::key::StaticKeys::new([])));
        TransactionVerifier::new(service).expect("a verifier")
    };
    let credentials = || {
        let credentials = ClientCredentials::from_issuer("https://sts.test");
        credentials.client("shop", Secret::from(SECRET))
    };
    let faults = |credentials: ClientCredentials| -> Vec<String> {
        let built = TransactionClient::new(credentials, verifier());
        built.err().map(|error| error.faults().iter().map(|it| it.field.to_string()).collect()).unwrap_or_default()
    };
    assert_eq!(faults(credentials()), Vec::<String>::new());
    let key = countersign::outbound::DpopKey::generate().expect("a key");
    let all = credentials().audience("stock").scope("a").resource("https://a.test").dpop(key);
    assert_eq!(
        faults(all.actor(StaticToken::new(Secret::from("t")))),
        ["audience", "resource", "scope", "dpop", "actor"]
    );
    assert_eq!(faults(credentials().parameter("request_details", "{}")), ["parameter"]);
    assert_eq!(faults(ClientCredentials::from_issuer("https://sts.test")), ["client"]);
    let shown = format!("{:?}", TransactionClient::new(credentials(), verifier()).expect("a client"));
    assert!(!shown.contains(SECRET));
}
