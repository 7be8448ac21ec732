//! Requests of our client, judged by `huskarl-resource-server`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use countersign::outbound::{AttachTokenLayer, DpopKey, SelfSignedToken};
use countersign_benches::huskarl::Huskarl;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use http::{HeaderMap, Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

const ISSUER: &str = "https://orders.test";
const ADDRESS: &str = "https://billing.test";
const PATH: &str = "/a%20b/%C3%BC?page=2&c=d";

/// Keeps the headers of the last request.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<Mutex<HeaderMap>>);

impl Service<Request<()>> for Sent {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        *self.0.lock().expect("not poisoned") = request.headers().clone();
        ready(Ok(Response::new(())))
    }
}

fn key(algorithm: Algorithm) -> Arc<Signer> {
    Arc::new(Signer::generate(algorithm).expect("a key"))
}

/// What our client sends to `PATH` with a token of `issuer` that is bound to `key`.
async fn sent(issuer: &Arc<Signer>, key: &Arc<Signer>) -> HeaderMap {
    let source = SelfSignedToken::new(ISSUER, Arc::clone(issuer)).subject("orders").audience("billing");
    let source = source.dpop(DpopKey::from_signer(Arc::clone(key)));
    let layer = AttachTokenLayer::builder().bind(ADDRESS, source).build().expect("bound");
    let sent = Sent::default();
    let request = Request::put(format!("{ADDRESS}{PATH}")).body(()).expect("a request");
    layer.layer(sent.clone()).call(request).await.expect("sent");
    let headers = sent.0.lock().expect("not poisoned");
    headers.clone()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn s7_21_huskarl_accepts_our_proofs_of_each_algorithm() {
    run(async {
        let issuer = key(Algorithm::ES256);
        let peer = Huskarl::new(ISSUER, "billing", &issuer.public_jwk().expect("a key pair")).await;
        let (method, url) = (Method::PUT, format!("{ADDRESS}{PATH}").parse::<Uri>().expect("an address"));
        for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::Ed25519, Algorithm::RS256, Algorithm::PS256] {
            let client = key(algorithm);
            let headers = sent(&issuer, &client).await;
            assert_eq!(peer.validate(&headers, &method, &url).await.as_deref(), Ok(client.key_id()), "{algorithm}");
        }
    });
}

#[test]
fn s7_21_huskarl_accepts_our_proofs_only_for_their_request() {
    run(async {
        let issuer = key(Algorithm::ES256);
        let peer = Huskarl::new(ISSUER, "billing", &issuer.public_jwk().expect("a key pair")).await;
        let [client, thief] = [key(Algorithm::ES256), key(Algorithm::ES256)];
        let [ours, others] = [sent(&issuer, &client).await, sent(&issuer, &thief).await];
        let with = |name: &'static str, value: &str| {
            let mut headers = ours.clone();
            headers.insert(name, value.parse().expect("a value"));
            headers
        };
        let text = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("text").to_owned();
        let without = || {
            let mut headers = ours.clone();
            headers.remove("dpop");
            headers
        };
        let (proof, token) = (text(&ours, "dpop"), text(&ours, "authorization"));
        let (signed, signature) = proof.rsplit_once('.').expect("three parts");
        let other = text(&others, "dpop");
        let unsigned = format!("{signed}.{}", other.rsplit_once('.').expect("three parts").1);
        assert_ne!(signature, unsigned.rsplit_once('.').expect("three parts").1);
        let bearer = token.replacen("DPoP", "Bearer", 1);
        let cases = [
            ("as it was sent", ours.clone(), "PUT", PATH, None),
            ("another query", ours.clone(), "PUT", "/a%20b/%C3%BC?page=3", None),
            ("another method", ours.clone(), "DELETE", PATH, Some("htm")),
            ("another path", ours.clone(), "PUT", "/a%20b", Some("htu")),
            (
                "the token of another key",
                with("authorization", &text(&others, "authorization")),
                "PUT",
                PATH,
                Some("ath"),
            ),
            ("the proof of another key", with("dpop", &other), "PUT", PATH, Some("ath")),
            ("the signature of another proof", with("dpop", &unsigned), "PUT", PATH, Some("signature")),
            ("as a bearer token", with("authorization", &bearer), "PUT", PATH, Some("presented as Bearer")),
            ("without a proof", without(), "PUT", PATH, Some("no DPoP header")),
        ];
        for (what, headers, method, path, problem) in cases {
            let (method, url) = (method.parse::<Method>(), format!("{ADDRESS}{path}").parse::<Uri>());
            let verdict = peer.validate(&headers, &method.expect("a method"), &url.expect("an address")).await;
            match problem {
                None => assert_eq!(verdict.as_deref(), Ok(client.key_id()), "{what}"),
                Some(problem) => {
                    assert!(verdict.as_ref().is_err_and(|text| text.contains(problem)), "{what}: {verdict:?}")
                }
            }
        }
    });
}
