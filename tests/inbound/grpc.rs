//! Layer, guards and claims in tonic services, called by tonic's own client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign::grpc::{CallerExt, grpc};
use countersign::key::{KeyCell, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::lifetime::{TokenEndAction, end_with_token};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::grpc::Desk;
use futures_util::stream::{self, Stream};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::{NamedService, StreamingService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Layer, Service};

use crate::app::{builder, good, layer};

/// A claim of our own, which not every token has.
#[derive(serde::Deserialize)]
struct Plan {
    plan: String,
}

/// Answers by the last part of its path: who calls, on which plan, or whether an admin does.
async fn method(name: String, request: Request<String>) -> Result<Response<String>, Status> {
    let answer = match &*name {
        "Who" => {
            let claims: Option<Claims> = request.optional_claims()?;
            claims.map_or("nobody".to_owned(), |claims| claims.subject().to_owned())
        }
        "Plan" => request.claims::<Plan>()?.plan.clone(),
        "Admin" => {
            request.require(&role("admin"))?;
            "welcome".to_owned()
        }
        "Hidden" => {
            request.require(&role("admin").hidden())?;
            "welcome".to_owned()
        }
        "Path" => {
            request.require(&tenant_in_path("tenant"))?;
            "never".to_owned()
        }
        _ => return Err(Status::unimplemented("no such method")),
    };
    Ok(Response::new(answer))
}

/// A port, and what serves on it.
macro_rules! serve {
    ($server:expr) => {{
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = $server;
        tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("serves") });
        address
    }};
}

async fn serve_all(layer: AuthenticateLayer) -> SocketAddr {
    serve!(Server::builder().layer(grpc(layer)).add_service(Desk(method)))
}

async fn call(address: SocketAddr, method: &str, authorization: Option<&str>) -> Result<String, Status> {
    let channel: Channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new("hello".to_owned());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().expect("ascii"));
    }
    let path: PathAndQuery = format!("/test.Desk/{method}").parse().expect("a path");
    client.unary(request, path, ProstCodec::<String, String>::default()).await.map(Response::into_inner)
}

fn bearer(token: String) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn s5_29_a_tonic_client_sees_statuses_and_challenges() {
    let issuer = TestIssuer::new();
    let address = serve_all(layer(&issuer)).await;
    let token = bearer(good(&issuer).sign());
    assert_eq!(call(address, "Who", Some(&token)).await.expect("an answer"), "u1");
    for (credential, error) in [
        (None, ""),
        (Some("Bearer".to_owned()), "error=\"invalid_request\""),
        (Some("Bearer a b".to_owned()), "error=\"invalid_request\""),
        (Some(bearer(good(&issuer).expired().sign())), "error=\"invalid_token\""),
        (Some(bearer(issuer.token().audience("other").sign())), "error=\"invalid_token\""),
    ] {
        let status = call(address, "Who", credential.as_deref()).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated, "{credential:?}");
        let challenge = status.metadata().get("www-authenticate").expect("a challenge").to_str().expect("text");
        assert!(challenge.starts_with("Bearer realm=\"api\"") && challenge.contains(error), "{challenge}");
        assert!(!status.message().is_empty());
    }
    let unknown = call(address, "Nope", None).await.expect_err("refused");
    assert_eq!(unknown.code(), Code::Unauthenticated, "before the method is looked up");
    assert_eq!(call(address, "Nope", Some(&token)).await.expect_err("none").code(), Code::Unimplemented);
}

#[tokio::test]
async fn s5_29_guards_and_checks_in_methods_answer_permission_denied() {
    let issuer = TestIssuer::new();
    let address = serve!(
        Server::builder().layer(grpc(layer(&issuer))).add_service(grpc(require(scope("read"))).layer(Desk(method)))
    );
    let token = bearer(good(&issuer).sign());
    assert_eq!(call(address, "Who", Some(&token)).await.expect("an answer"), "u1");
    let poor = bearer(issuer.token().audience("api").scope("write").sign());
    let status = call(address, "Who", Some(&poor)).await.expect_err("refused");
    assert_eq!(status.code(), Code::PermissionDenied);
    let challenge = status.metadata().get("www-authenticate").expect("a challenge").to_str().expect("text");
    assert!(challenge.contains("scope=\"read\""), "{challenge}");

    let status = call(address, "Admin", Some(&token)).await.expect_err("refused");
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "access denied"));
    let admin = bearer(good(&issuer).role("admin").sign());
    assert_eq!(call(address, "Admin", Some(&admin)).await.expect("an answer"), "welcome");

    let status = call(address, "Plan", Some(&token)).await.expect_err("refused");
    assert_eq!(status.code(), Code::PermissionDenied, "its claims are of another form: {status:?}");
    let planned = bearer(good(&issuer).claim("plan", "gold").sign());
    assert_eq!(call(address, "Plan", Some(&planned)).await.expect("an answer"), "gold");
    assert_eq!(call(address, "Path", Some(&token)).await.expect_err("no path here").code(), Code::Internal);
}

#[tokio::test]
async fn s5_22_s5_24_anonymous_callers_and_a_missing_layer() {
    let issuer = TestIssuer::new();
    let address = serve_all(builder(&issuer).allow_anonymous().build().expect("a layer")).await;
    assert_eq!(call(address, "Who", None).await.expect("an answer"), "nobody");
    for method in ["Plan", "Admin"] {
        assert_eq!(call(address, method, None).await.expect_err("refused").code(), Code::Unauthenticated, "{method}");
    }
    let expired = bearer(good(&issuer).expired().sign());
    assert_eq!(call(address, "Who", Some(&expired)).await.expect_err("refused").code(), Code::Unauthenticated);

    let token = bearer(good(&issuer).sign());
    let bare = serve!(Server::builder().add_service(Desk(method)));
    for method in ["Who", "Plan", "Admin"] {
        assert_eq!(call(bare, method, Some(&token)).await.expect_err("refused").code(), Code::Internal, "{method}");
    }
    let guarded = serve!(Server::builder().add_service(grpc(require(scope("read"))).layer(Desk(method))));
    assert_eq!(call(guarded, "Who", Some(&token)).await.expect_err("refused").code(), Code::Internal);
}

#[tokio::test]
async fn s15_08_a_hidden_resource_is_told_to_no_anonymous_caller() {
    let issuer = TestIssuer::new();
    let address = serve_all(builder(&issuer).allow_anonymous().build().expect("a layer")).await;
    let token = bearer(good(&issuer).sign());
    for credential in [None, Some(&*token)] {
        let status = call(address, "Hidden", credential).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unimplemented, "{credential:?}");
    }
    let admin = bearer(good(&issuer).role("admin").sign());
    assert_eq!(call(address, "Hidden", Some(&admin)).await.expect("an answer"), "welcome");
}

/// A guard compares a parameter of the path; a method of the tonic service behind it reads the same request.
#[tokio::test]
async fn a_method_behind_a_guard_of_the_path_knows_its_caller() {
    let issuer = TestIssuer::new();
    let desk = grpc(layer(&issuer)).layer(grpc(require(tenant_in_path("tenant"))).layer(Desk(method)));
    let app = axum::Router::new().nest_service("/{tenant}", desk);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
    let channel: Channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    for (tenant, code) in [("acme", Code::Ok), ("globex", Code::PermissionDenied)] {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.expect("ready");
        let mut request = Request::new("hello".to_owned());
        let token = bearer(good(&issuer).tenant("acme").sign());
        request.metadata_mut().insert("authorization", token.parse().expect("ascii"));
        let path: PathAndQuery = format!("/{tenant}/test.Desk/Who").parse().expect("a path");
        let answer = client.unary(request, path, ProstCodec::<String, String>::default()).await;
        let (answered, status) = match answer {
            Ok(answer) => (answer.into_inner(), Status::ok("")),
            Err(status) => (String::new(), status),
        };
        assert_eq!(status.code(), code, "{tenant}: {status:?}");
        assert_eq!(answered == "u1", code == Code::Ok);
    }
}

/// A source that never has keys.
#[derive(Debug)]
struct Unreachable(KeyCell);

impl KeySource for Unreachable {
    fn cell(&self) -> &KeyCell {
        &self.0
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::ready(RefreshOutcome::Unavailable { retry_after: std::time::Duration::from_millis(10) }))
    }
}

#[tokio::test]
async fn s5_07_s5_29_a_key_outage_is_unavailable() {
    let issuer = TestIssuer::new();
    let keys = std::sync::Arc::new(Unreachable(KeyCell::new()));
    let trusted = NeedsAudience::new(issuer.name(), keys).audience("api").algorithms([issuer.algorithm()]);
    let verifier = Verifier::builder().trust(trusted).clock(std::sync::Arc::new(issuer.clock().clone())).build();
    let address = serve_all(AuthenticateLayer::new(verifier.expect("a good policy"))).await;
    let status = call(address, "Who", Some(&bearer(good(&issuer).sign()))).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unavailable);
}

/// A message every 20 ms without end (`Ticks`), or for each message of the client (`Echo`), or their number (`Count`).
#[derive(Clone)]
struct Streams;

impl NamedService for Streams {
    const NAME: &'static str = "test.Streams";
}

type Messages = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

struct Bidirectional(String);

impl StreamingService<String> for Bidirectional {
    type Response = String;
    type ResponseStream = Messages;
    type Future = tonic::codegen::BoxFuture<Response<Messages>, Status>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let (name, mut messages) = (self.0.clone(), request.into_inner());
        Box::pin(async move {
            if name == "Count" {
                let mut count = 0;
                while messages.message().await?.is_some() {
                    count += 1;
                }
                let answer = stream::once(async move { Ok(format!("{count}")) });
                return Ok(Response::new(Box::pin(answer) as Messages));
            }
            let ticks = stream::unfold(messages, move |mut messages| {
                let echoes = name == "Echo";
                async move {
                    if echoes {
                        return messages.message().await.transpose().map(|message| (message, messages));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok("tick".to_owned()), messages))
                }
            });
            Ok(Response::new(Box::pin(ticks) as Messages))
        })
    }
}

impl Service<http::Request<tonic::body::Body>> for Streams {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
            Ok(grpc.streaming(Bidirectional(name), request).await)
        })
    }
}

/// The messages of a call whose client sends one every 20 ms for as long as the server reads, and the status at the end.
async fn stream_until_end(address: SocketAddr, method: &str, token: &str) -> (Vec<String>, Status) {
    let channel: Channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let mut client = Grpc::new(channel);
    client.ready().await.expect("ready");
    let sent = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some(("hello".to_owned(), ()))
    });
    let mut request = Request::new(sent);
    request.metadata_mut().insert("authorization", bearer(token.to_owned()).parse().expect("ascii"));
    let path: PathAndQuery = format!("/test.Streams/{method}").parse().expect("a path");
    let mut messages = match client.streaming(request, path, ProstCodec::<String, String>::default()).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return (Vec::new(), status),
    };
    let mut received = Vec::new();
    loop {
        match messages.message().await {
            Ok(Some(message)) => received.push(message),
            Ok(None) => return (received, Status::ok("")),
            Err(status) => return (received, status),
        }
    }
}

/// S5.21: each stream ends with its token, whichever side sends, with a status that tells the client to get another token.
#[tokio::test]
async fn s5_21_s5_29_a_grpc_stream_ends_with_its_token() {
    let issuer = TestIssuer::with_system_clock();
    for action in [TokenEndAction::Abort, TokenEndAction::Finish(Default::default())] {
        let streams = grpc(end_with_token(action)).layer(Streams);
        let address = serve!(Server::builder().layer(grpc(layer(&issuer))).add_service(streams));
        let calls = ["Ticks", "Echo", "Count"].map(|method| {
            let token = good(&issuer).lifetime(Duration::from_secs(2)).sign();
            async move {
                let began = std::time::Instant::now();
                let call = stream_until_end(address, method, &token);
                let (received, status) = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it ends");
                (method, received, status, began.elapsed())
            }
        });
        for (method, received, status, took) in futures_util::future::join_all(calls).await {
            assert_eq!(status.code(), Code::Unauthenticated, "{method}: {status:?}");
            assert_eq!(status.message(), "the token has expired", "{method}");
            assert!(took < Duration::from_secs(10), "{method}: {took:?}");
            assert_eq!(received.is_empty(), method == "Count", "{method}");
        }
    }
}
