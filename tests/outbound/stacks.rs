//! Client stacks that nobody here wrote: tonic over its channel, and `reqwest-middleware`.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use countersign::authenticate::CallerToken;
use countersign::outbound::{
    AttachToken, AttachTokenLayer, AttachTokenMiddleware, ClientCredentials, OutboundError, OutboundErrorKind,
};
use countersign_test::TestIssuer;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server as GrpcServer};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Layer, Service};

use crate::calls::caller;
use crate::servers::{Server, json, unauthorized};

/// The token that came with each call.
pub type Tokens = Arc<Mutex<Vec<String>>>;

/// Answers the bearer's token; the first call that it refuses as unauthenticated.
#[derive(Clone)]
pub struct Echo {
    pub tokens: Tokens,
    pub refuses: usize,
}

impl UnaryService<String> for Echo {
    type Response = String;
    type Future = std::future::Ready<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let token = request.metadata().get("authorization").map_or("none", |value| value.to_str().expect("text"));
        let mut tokens = self.tokens.lock().expect("not poisoned");
        tokens.push(token.to_owned());
        std::future::ready(match tokens.len() <= self.refuses {
            true => Err(Status::unauthenticated("the token has ended")),
            false => Ok(Response::new(request.into_inner())),
        })
    }
}

/// The service as generated code would have it.
#[derive(Clone)]
pub struct EchoServer(pub Echo);

impl NamedService for EchoServer {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<tonic::body::Body>> for EchoServer {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let echo = self.0.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
            Ok(grpc.unary(echo, request).await)
        })
    }
}

/// A gRPC server, its origin, and a channel to it.
async fn grpc(refuses: usize) -> (Tokens, String, Channel) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let tokens = Tokens::default();
    let service = EchoServer(Echo { tokens: Arc::clone(&tokens), refuses });
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(async move { GrpcServer::builder().add_service(service).serve_with_incoming(incoming).await });
    let channel = Endpoint::from_shared(origin.clone()).expect("an address").connect_lazy();
    (tokens, origin, channel)
}

/// What a generated client does for one call.
pub async fn echo<S>(client: &mut Grpc<S>, caller: Option<CallerToken>) -> Result<String, Status>
where
    S: GrpcService<tonic::body::Body>,
    S::ResponseBody: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    client.ready().await.map_err(|error| Status::unknown(error.into().to_string()))?;
    let mut request = Request::new("hello".to_owned());
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let path = PathAndQuery::from_static("/test.Echo/Echo");
    let codec = ProstCodec::<String, String>::default();
    client.unary(request, path, codec).await.map(Response::into_inner)
}

fn attaching(issuer: &Server, origin: &str, channel: Channel) -> AttachToken<Channel> {
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    AttachTokenLayer::builder().bind(origin, source).build().expect("a layer").layer(channel)
}

#[tokio::test]
async fn a_tonic_client_sends_its_token_and_that_of_its_caller() {
    let issuer = Server::issuing().await;
    let (tokens, origin, channel) = grpc(0).await;
    let mut client = Grpc::with_origin(attaching(&issuer, &origin, channel), origin.parse().expect("a URI"));
    for _ in 0..2 {
        assert_eq!(echo(&mut client, None).await.expect("an answer"), "hello");
    }
    let provider = TestIssuer::with_system_clock();
    let ann = caller(&provider, &provider.token().subject("ann").audience("orders").sign()).await;
    echo(&mut client, Some(ann)).await.expect("an answer");
    assert_eq!(*tokens.lock().expect("not poisoned"), ["Bearer token-0", "Bearer token-0", "Bearer token-1"]);
    assert!(issuer.seen()[1].body.contains("subject_token="), "the third call exchanged the caller's token");
}

#[tokio::test]
async fn a_tonic_call_that_is_unauthenticated_drops_its_token_for_the_next_one() {
    let issuer = Server::issuing().await;
    let (tokens, origin, channel) = grpc(1).await;
    let mut client = Grpc::with_origin(attaching(&issuer, &origin, channel), origin.parse().expect("a URI"));
    assert_eq!(echo(&mut client, None).await.expect_err("refused").code(), Code::Unauthenticated);
    echo(&mut client, None).await.expect("with another token");
    assert_eq!(*tokens.lock().expect("not poisoned"), ["Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn s7_15_a_tonic_client_without_the_bound_origin_sends_nothing() {
    let issuer = Server::issuing().await;
    let (tokens, origin, channel) = grpc(0).await;
    let error = echo(&mut Grpc::new(attaching(&issuer, &origin, channel)), None).await.expect_err("no origin");
    assert!(format!("{error:?}").contains("origin_not_bound"), "{error:?}");
    assert!(tokens.lock().expect("not poisoned").is_empty() && issuer.count() == 0);
}

fn stack(issuer: &Server, target: &Server) -> reqwest_middleware::ClientWithMiddleware {
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
    let attach = AttachTokenMiddleware::builder().bind(&target.url, source).build().expect("bound");
    reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(attach).build()
}

fn outbound_error(error: &reqwest_middleware::Error) -> &OutboundError {
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("not an outbound error: {error}") };
    error.downcast_ref().expect("an OutboundError")
}

#[tokio::test]
async fn s7_15_s7_18_a_middleware_attaches_renews_once_and_refuses_unbound_origins() {
    let issuer = Server::issuing().await;
    let refusals = Arc::new(AtomicUsize::new(1));
    let left = Arc::clone(&refusals);
    let target = Server::start(move |_, _| {
        let refuses = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if refuses { unauthorized(r#"Bearer error="invalid_token""#) } else { json(200, "{}".into()) }
    })
    .await;
    let client = stack(&issuer, &target);
    let answer = client.post(&target.url).body("exactly this").send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), target.count(), issuer.count()), (200, 2, 2));
    assert_eq!(target.seen()[1].header("authorization"), Some("Bearer token-1"));
    assert!(target.seen().iter().all(|seen| seen.body == "exactly this"));

    refusals.store(usize::MAX, Ordering::SeqCst);
    let answer = client.get(&target.url).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), target.count()), (401, 3), "the cool-down of renewals holds here too");

    let unbound = client.get("http://localhost:1/").send().await.expect_err("an unbound origin");
    assert_eq!(outbound_error(&unbound).kind(), OutboundErrorKind::OriginNotBound);
    let set = client.get(&target.url).header("authorization", "Basic eDp5").send().await.expect_err("set");
    assert_eq!(outbound_error(&set).kind(), OutboundErrorKind::AuthorizationAlreadySet);
    assert_eq!(target.count(), 3);
}

#[tokio::test]
async fn s7_24_a_middleware_acts_for_the_caller_and_never_sends_his_token() {
    let provider = TestIssuer::with_system_clock();
    let inbound = provider.token().subject("ann").audience("orders").sign();
    let ann = caller(&provider, &inbound).await;
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    stack(&issuer, &target).get(&target.url).with_extension(ann.clone()).send().await.expect("an answer");
    assert!(issuer.seen()[0].body.contains(&format!("subject_token={inbound}")));
    assert_eq!(target.seen()[0].header("authorization"), Some("Bearer token-0"));

    let refusing = Server::start(|_, _| json(400, r#"{"error":"invalid_target"}"#.into())).await;
    let refused = stack(&refusing, &target).get(&target.url).with_extension(ann).send().await.expect_err("refused");
    assert_eq!(outbound_error(&refused).oauth_error(), Some("invalid_target"));
    assert_eq!(target.count(), 1);
}

/// A middleware that retries, with the two errors of such: one of its own around the last, and one that is transparent.
struct Retry {
    retries: usize,
}

#[derive(Debug)]
enum RetryError {
    WithRetries(reqwest_middleware::Error),
    Transparent(reqwest_middleware::Error),
}

impl std::fmt::Display for RetryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RetryError::WithRetries(_) => f.write_str("failed after retries"),
            RetryError::Transparent(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RetryError::WithRetries(error) => Some(error),
            RetryError::Transparent(error) => error.source(),
        }
    }
}

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Retry {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let mut left = self.retries;
        loop {
            let error = match next.clone().run(request.try_clone().expect("buffered"), extensions).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(rest) = left.checked_sub(1) else {
                return Err(reqwest_middleware::Error::middleware(match self.retries {
                    0 => RetryError::Transparent(error),
                    _ => RetryError::WithRetries(error),
                }));
            };
            left = rest;
        }
    }
}

/// The documented order: the middleware stands below what retries.
#[tokio::test]
async fn the_error_of_a_token_is_found_below_a_retry() {
    let (issuer, target) = (Server::issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    for (retries, layers) in [(0, 1), (3, 1), (0, 2), (3, 2)] {
        let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"));
        let attach = AttachTokenMiddleware::builder().bind(&target.url, source).build().expect("bound");
        let mut builder = reqwest_middleware::ClientBuilder::new(reqwest::Client::new());
        for _ in 0..layers {
            builder = builder.with(Retry { retries });
        }
        let client = builder.with(attach).build();
        assert_eq!(client.get(&target.url).send().await.expect("an answer").status(), 200);
        let error = client.get("http://localhost:1/").send().await.expect_err("an unbound origin");
        let found = OutboundError::from_error(&error).map(OutboundError::kind);
        assert_eq!(found, Some(OutboundErrorKind::OriginNotBound), "{retries} retries, {layers} layers: {error:?}");
    }
    let plain = reqwest::Client::new().get("http://127.0.0.1:1/").send().await.expect_err("nothing listens");
    assert!(OutboundError::from_error(&plain).is_none());
    let status = Status::from_error(Box::new(OutboundError::refused("no such client")));
    assert!(OutboundError::from_error(&status).is_some(), "an error of tonic");
}
