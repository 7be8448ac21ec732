//! Allocations of a call with a cached token beyond those of the bare client.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{AttachTokenLayer, Outbound, OutboundToken, TokenFuture, TokenRequest, TokenSource};
use countersign::secret::Secret;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use tower::{Layer, Service};

use super::allocations;

/// A source whose one token is cached.
#[derive(Debug)]
struct Kept;

impl TokenSource for Kept {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let life = Some(Duration::from_secs(3600));
        Box::pin(async move { OutboundToken::from_bearer(&Secret::from("a-token"), life) })
    }
}

/// Answers every request on every connection with 200; on threads of its own, whose allocations are not counted.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    read.extend_from_slice(&buffer[..count]);
                    if read.ends_with(b"\r\n\r\n{}") {
                        read.clear();
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("the client reads");
                    }
                }
            });
        }
    });
    url
}

#[test]
fn a_call_with_a_held_token_allocates_little_more_than_the_bare_call() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = server();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let outbound = Outbound::builder(http.clone()).bind(&url, Kept).build().expect("bound");
    let built = || http.post(&url).header(ACCEPT, JSON).body("{}").build().expect("a request");
    let mut bearer = HeaderValue::from_static("Bearer a-token");
    bearer.set_sensitive(true);
    // Boxed both: the runtime boxes a large future by itself.
    let bare = || {
        let mut request = built();
        allocations(|| {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
            let answer = runtime.block_on(Box::pin(async { http.execute(request).await?.bytes().await }));
            drop(answer.expect("an answer"));
        })
    };
    let with_token = || {
        let request = built();
        allocations(|| {
            let call = Box::pin(async { outbound.execute(request).await.expect("an answer").bytes().await });
            drop(runtime.block_on(call).expect("an answer"));
        })
    };
    for _ in 0..16 {
        let _ = (bare(), with_token());
    } // the token, the connection, buffers
    let least = |count: &dyn Fn() -> usize| (0..32).map(|_| count()).min().expect("some");
    let (bare, with_token) = (least(&bare), least(&with_token));
    println!("a bare call takes {bare} allocations, one with a cached token {with_token}");
    assert!(with_token <= bare + MOST_OVER_BARE, "{with_token} against {bare}");
}

/// A source whose one token is cached and bound to a key.
#[derive(Debug)]
struct Bound(Arc<Signer>);

impl TokenSource for Bound {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let life = Some(Duration::from_secs(3600));
        Box::pin(async move { OutboundToken::from_dpop(&Secret::from("a-token"), life, Arc::clone(&self.0)) })
    }
}

#[test]
fn a_proof_allocates_its_address_its_parts_and_its_value() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let least = |source: Box<dyn TokenSource>| {
        let inner = tower::service_fn(|_: http::Request<()>| {
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(())))
        });
        let layer = AttachTokenLayer::builder().bind("https://billing.test", source).build().expect("a layer");
        let mut service = layer.layer(inner);
        let mut call = || {
            let request = http::Request::get("https://billing.test/invoices/1").header("x-request-id", "r-1").body(());
            let request = request.expect("a request");
            allocations(|| drop(runtime.block_on(service.call(request)).expect("an answer")))
        };
        (0..32).map(|_| call()).min().expect("some")
    };
    let (bound, bearer) = (least(Box::new(Bound(signer))), least(Box::new(Kept)));
    println!("a call with a bearer token takes {bearer} allocations, one with a bound token {bound}");
    assert!(bound <= bearer + MOST_OF_A_PROOF, "{bound} against {bearer}");
}

#[test]
fn the_layer_allocates_its_future_and_room_for_the_header() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let inner = tower::service_fn(|_: http::Request<()>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(())))
    });
    let mut service =
        AttachTokenLayer::builder().bind("https://billing.test", Kept).build().expect("a layer").layer(inner);
    let mut call = || {
        let request = http::Request::get("https://billing.test/").header("x-request-id", "r-1").body(());
        let request = request.expect("a request");
        allocations(|| drop(runtime.block_on(service.call(request)).expect("an answer")))
    };
    for _ in 0..4 {
        let _ = call();
    }
    let most = (0..32).map(|_| call()).max().expect("some");
    println!("the layer takes {most} allocations a call");
    assert!(most <= MOST_OF_THE_LAYER, "{most}");
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The goal: the address and the headers, for the one resend.
const MOST_OVER_BARE: usize = 2;

/// The proof and what it is made of, without those of the signature.
const MOST_OF_A_PROOF: usize = 14;

/// Its boxed future.
const MOST_OF_THE_LAYER: usize = 1;
