//! A service with every kind of number, which publishes them to Prometheus.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::routing::{get, post};
use countersign::app::RouteTable;
use countersign::clock::UnixTime;
use countersign::introspect::Introspection;
use countersign::metrics::{DURATION_BUCKETS, Metrics};
use countersign::outbound::{ClientCredentials, Outbound};
use countersign::prelude::*;
use countersign::proof::{Dpop, MemoryReplays};
use countersign::revocation::{RevocationList, RevocationNotice};
use countersign::status::StatusLists;
use countersign_gateway::{
    ClientRequest, DECISION_TIME_BUCKETS, ForeignHeaders, Gateway, GatewayMetrics, ReservedHeaders, Rules, Swap,
};
use countersign_issuer::{Audience, Client, Issuer, IssuerMetrics, STORE_TIME_BUCKETS, SecretHash};
use countersign_test::{Provider, TestIssuer, TestKey};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub struct Service {
    pub url: String,
    pub issuer: String,
    pub target: String,
    pub good: String,
    denied: String,
    for_another: String,
    outbound: Outbound,
    /// It asks an introspection endpoint, if anybody sends it a request.
    asking: AuthenticateLayer,
    /// It takes bound tokens.
    bound: AuthenticateLayer,
    payments: String,
    revoked: Arc<RevocationList>,
    verifier: Verifier,
    pub embedded: Issuer,
    embedded_secret: String,
    provider: Provider,
    pub gateway: Gateway,
}

/// The recorder of this process.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let duration = Matcher::Full("countersign_verification_duration_seconds".to_owned());
        let store = Matcher::Full("countersign_issuer_store_duration_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(duration, &DURATION_BUCKETS).expect("buckets");
        let builder = builder.set_buckets_for_metric(store, &STORE_TIME_BUCKETS).expect("buckets");
        let decision = Matcher::Full("countersign_gateway_decision_duration_seconds".to_owned());
        let builder = builder.set_buckets_for_metric(decision, &DECISION_TIME_BUCKETS);
        builder.expect("buckets").install_recorder().expect("the only recorder")
    })
}

/// An issuer with one client and its secret.
async fn embedded_issuer() -> (Issuer, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (secret, hash) = SecretHash::generate().expect("a secret");
    let client = Client::new("shop").secret(hash).audiences(["billing"]).scopes(["invoices:read"]);
    let issuer =
        Issuer::builder(url).add_audience(Audience::new("billing").scopes(["invoices:read"])).add_client(client);
    let issuer = issuer.build().expect("an issuer");
    let app = issuer.router();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (issuer, secret.expose().to_owned())
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A gateway that has decided about two requests: one without a token, and one whose token the token service exchanges for one that
/// is no token of the next service.
async fn gateway(verifier: &Verifier, tokens: &str, token: &str) -> Gateway {
    let table = RouteTable::from_json(r#"[{ "method": "GET", "path": "/orders", "access": "authenticated" }]"#);
    let layer = AuthenticateLayer::builder(verifier.clone()).keep_caller_token().build().expect("a layer");
    let source = ClientCredentials::from_token_endpoint(format!("{tokens}/token")).client("gateway", "s3cret-value");
    let swap = Swap::exchanged("/orders", "https://orders.internal", "orders", source).expect("a swap");
    let rules = Rules::new(&table.expect("a table"), layer, ReservedHeaders::new().build().expect("names"));
    let gateway = Gateway::new(rules.expect("rules").swaps([swap]).expect("of a route"));
    for headers in
        [HeaderMap::new(), [(AUTHORIZATION, format!("Bearer {token}").parse().expect("a value"))].into_iter().collect()]
    {
        let request = ClientRequest::new(Method::GET, "api.test", "/orders", headers);
        assert!(!gateway.decide(request, ForeignHeaders::Remove).await.is_allowed());
    }
    gateway
}

impl Service {
    /// A service whose numbers the recorder gets.
    pub async fn start() -> Self {
        Self::start_with(|metrics, of_issuer, of_gateway| {
            const EVERY: Duration = Duration::from_millis(100);
            metrics.clone().publish_every(EVERY);
            of_issuer.clone().publish_every(EVERY);
            of_gateway.clone().publish_every(EVERY);
        })
        .await
    }

    /// A service whose numbers the recorder gets only if it is scraped: the recorder adds up those of all services.
    pub async fn start_unpublished() -> Self {
        Self::start_with(|_, _, _| ()).await
    }

    async fn start_with(publish: impl FnOnce(&Metrics, &IssuerMetrics, &GatewayMetrics)) -> Self {
        let recorder = recorder();
        let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a free port");
        let issuer = oidc(provider.url()).audience("orders");
        let (verifier, replacer) = Verifier::builder().trust(issuer.clone()).build_replaceable().expect("a verifier");
        replacer.shadow(Verifier::builder().trust(issuer), 1).expect("a shadow policy");
        let token = async |_: HeaderMap| {
            axum::Json(serde_json::json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 300 }))
        };
        let tokens = serve(Router::new().route("/token", post(token))).await;
        let target = serve(Router::new().route("/", get(|| async { "{}" }))).await;
        let source = ClientCredentials::from_token_endpoint(format!("{tokens}/token")).client("orders", "s3cret-value");
        let outbound = Outbound::builder(reqwest::Client::new()).bind(&target, source).build().expect("bound");
        let introspection = Introspection::at_issuer(provider.url()).endpoint(&tokens).client("orders", "s3cret-value");
        let asking =
            AuthenticateLayer::builder(verifier.clone()).introspection(introspection).build().expect("a layer");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let dpop = Dpop::at(&address).replay_store(Arc::new(MemoryReplays::new()));
        let bound = AuthenticateLayer::builder(verifier.clone()).dpop(dpop).build().expect("a layer");
        let payments = Router::new().route("/payments", get(|| async { "paid" })).layer(bound.clone());
        tokio::spawn(async move { axum::serve(listener, payments).await });
        let gateway = gateway(&verifier, &tokens, &provider.token().subject("ann").audience("orders").sign()).await;
        let of_gateway = GatewayMetrics::new(&gateway, "nginx");
        let revoked = Arc::new(RevocationList::new());
        let feed = revoked.feed(Duration::from_secs(3600));
        feed.apply(&RevocationNotice::token("https://id.test", "one", UnixTime::MAX).expect("valid")).expect("room");
        feed.confirm();
        let current =
            Metrics::new(&verifier).outbound(&outbound).introspection(&asking).replays(&bound).revocations(&revoked);
        let current = current.status_lists(&Arc::new(StatusLists::new(&verifier)));
        let (embedded, embedded_secret) = embedded_issuer().await;
        let of_issuer = IssuerMetrics::new(&embedded);
        publish(&current, &of_issuer, &of_gateway);
        let scrape = move || {
            let (metrics, of_issuer, of_gateway) = (current.clone(), of_issuer.clone(), of_gateway.clone());
            async move {
                metrics.publish();
                of_issuer.publish();
                of_gateway.publish();
                recorder.render()
            }
        };
        let app = Router::new()
            .route("/orders", get(|| async { "orders" }))
            .route("/admin", get(|| async { "admin" }).layer(require(role("admin"))))
            .layer(AuthenticateLayer::new(verifier.clone()))
            .route("/metrics", get(scrape));
        let user = || provider.token().subject("ann");
        Service {
            url: serve(app).await,
            issuer: provider.url().to_owned(),
            target,
            good: user().audience("orders").sign(),
            denied: user().audience("orders").role("clerk").sign(),
            for_another: user().audience("billing").sign(),
            provider,
            outbound,
            asking,
            bound,
            payments: format!("{address}/payments"),
            revoked,
            verifier,
            embedded,
            embedded_secret,
            gateway,
        }
    }

    pub fn metrics(&self) -> Metrics {
        let lists = Arc::new(StatusLists::new(&self.verifier));
        let metrics = Metrics::new(&self.verifier).outbound(&self.outbound).introspection(&self.asking);
        metrics.replays(&self.bound).revocations(&self.revoked).status_lists(&lists)
    }

    /// A proof that is used three times.
    pub async fn proofs(&self) {
        let key = TestKey::new(self.provider.issuer().clock());
        let token = self.provider.token().subject("ann").audience("orders").bound_to(&key).sign();
        let proof = key.proof("GET", &self.payments, &token).sign();
        for status in [200, 401, 401] {
            let request = reqwest::Client::new().get(&self.payments).header("authorization", format!("DPoP {token}"));
            assert_eq!(request.header("dpop", &proof).send().await.expect("answered").status().as_u16(), status);
        }
    }

    pub async fn scrape(&self) -> String {
        reqwest::get(format!("{}/metrics", self.url)).await.expect("answered").text().await.expect("text")
    }

    /// At the issuer: a token, its introspection and revocation, and requests that are refused.
    pub async fn issuer_requests(&self) {
        let http = reqwest::Client::new();
        let post = async |path: &str, client: &str, form: &[(&str, &str)]| {
            let request =
                http.post(format!("{}{path}", self.embedded.name())).basic_auth(client, Some(&self.embedded_secret));
            request.form(form).send().await.expect("answered").json::<serde_json::Value>().await.expect("JSON")
        };
        let grant = ("grant_type", "client_credentials");
        let answer = post("/token", "shop", &[grant, ("audience", "billing")]).await;
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(post("/introspect", "shop", &[("token", token)]).await["active"], true);
        post("/revoke", "shop", &[("token", token)]).await;
        assert_eq!(post("/introspect", "shop", &[("token", token)]).await["active"], false);
        assert_eq!(post("/token", "shop", &[("grant_type", "password")]).await["error"], "unsupported_grant_type");
        assert_eq!(post("/token", "shop", &[grant, ("audience", "payroll")]).await["error"], "invalid_target");
        post("/token", "nobody-at-all", &[grant]).await; // invalid_client, or throttled
    }

    /// Three good requests, one that is denied, and three that are refused; and one call.
    pub async fn requests(&self) {
        let http = reqwest::Client::new();
        let request = async |path: &str, token: Option<&str>, expected: u16| {
            let request = http.get(format!("{}{path}", self.url));
            let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
            assert_eq!(request.send().await.expect("answered").status().as_u16(), expected, "{path}");
        };
        for _ in 0..3 {
            request("/orders", Some(&self.good), 200).await;
        }
        request("/admin", Some(&self.denied), 403).await;
        request("/orders", None, 401).await;
        request("/orders", Some(&self.for_another), 401).await;
        request("/orders", Some("not.a.token"), 401).await;
        self.outbound.send(self.outbound.client().get(&self.target)).await.expect("sent");
    }
}
