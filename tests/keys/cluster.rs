//! Keys of a Kubernetes cluster, over TLS with the certificate authority in the pod's file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::connection::ConnectionSettings;
use countersign::health::Health;
use countersign::issuers::Preset;
use countersign::key::KeyHealth;
use countersign::keys::{KubernetesKeys, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use countersign_test::TokenDraft;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::sources::file;
use crate::world::{World, policy, until};

const NAME: &str = "https://kubernetes.default.svc.cluster.local";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// The TLS identity of a server at `127.0.0.1`, signed by this authority.
fn identity(authority: &Authority) -> TlsAcceptor {
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("signed");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    TlsAcceptor::from(Arc::new(config.expect("a configuration")))
}

/// An API server that requires the current token and records every request head.
struct ApiServer {
    url: String,
    identity: Mutex<TlsAcceptor>,
    token: Mutex<String>,
    keys: Mutex<String>,
    /// The status of an answer without keys.
    refusal: Mutex<&'static str>,
    heads: Mutex<Vec<String>>,
}

impl ApiServer {
    async fn start(authority: &Authority, token: &str, keys: String) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = Arc::new(ApiServer {
            url: format!("https://{}", listener.local_addr().expect("an address")),
            identity: Mutex::new(identity(authority)),
            token: Mutex::new(token.to_owned()),
            keys: Mutex::new(keys),
            refusal: Mutex::new("401 Unauthorized"),
            heads: Mutex::default(),
        });
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        server
    }

    async fn serve(self: Arc<Self>, stream: tokio::net::TcpStream) {
        let acceptor = self.identity.lock().expect("sound").clone();
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let shown = format!("authorization: Bearer {}\r\n", self.token.lock().expect("sound"));
        // The real one answers 406 to a request that accepts `application/json` alone.
        let is_accepted = head.contains(&shown) && head.contains("accept: application/jwk-set+json");
        let (status, body) = match head.starts_with("GET /openid/v1/jwks ") && is_accepted {
            true => ("200 OK", self.keys.lock().expect("sound").clone()),
            false => (*self.refusal.lock().expect("sound"), "{}".to_owned()),
        };
        self.heads.lock().expect("sound").push(head);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("sound").clone()
    }
}

fn trusting(world: &World, keys: KubernetesKeys) -> (Arc<KubernetesKeys>, Verifier) {
    let clock = Arc::new(world.issuer.clock().clone());
    let keys = Arc::new(keys.refresh_policy(policy()));
    let trusted = Preset::KUBERNETES.issuer(NAME).keys(keys.clone()).audience("orders");
    (keys, Verifier::builder().trust(trusted).clock(clock).build().expect("a good policy"))
}

/// A service account's token in the form that a cluster projects into a pod.
fn pods_token(world: &World) -> String {
    account_token(world).sign()
}

fn account_token(world: &World) -> TokenDraft {
    let account = json!({"namespace": "shop", "pod": {"name": "web-1"}, "serviceaccount": {"name": "web"}});
    let issuer = world.issuer.clone().with_name(NAME);
    let token = issuer.token().audience("orders").subject("system:serviceaccount:shop:web");
    token.claim("kubernetes.io", account).lifetime(Duration::from_secs(7 * 86_400))
}

#[tokio::test]
async fn s4_28_cluster_keys_are_fetched_with_the_current_files_of_the_pod() {
    let world = World::honest().await; // for its clock
    let (authority_file, token_file) = (file("ca.crt"), file("token"));
    let first = authority();
    std::fs::write(&authority_file, first.pem()).expect("written");
    std::fs::write(&token_file, "pods-token-1\n").expect("written");
    let server = ApiServer::start(&first, "pods-token-1", world.issuer.jwks()).await;
    let cluster = KubernetesKeys::from_server(&server.url, &authority_file, &token_file);
    let (keys, verifier) = trusting(&world, cluster);
    let token = pods_token(&world);
    let verified = verifier.verify(&token).await.expect("good");
    assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("shop"));

    // The cluster replaces the pod's token, then its authority and its keys. The next fetches read the files again.
    let second = authority();
    *server.token.lock().expect("sound") = "pods-token-2".to_owned();
    *server.identity.lock().expect("sound") = identity(&second);
    world.issuer.rotate();
    *server.keys.lock().expect("sound") = world.issuer.jwks();
    std::fs::write(&token_file, "pods-token-2").expect("written");
    world.advance(Duration::from_secs(481)).await;
    until("the old authority is not trusted", || matches!(keys_health(&verifier), KeyHealth::Degraded { .. })).await;
    assert!(verifier.verify(&token).await.is_ok(), "the last good keys");
    std::fs::write(&authority_file, second.pem()).expect("written");
    world.advance(Duration::from_secs(61)).await;
    until("the new one is", || keys_health(&verifier) == KeyHealth::Ready).await;
    assert!(verifier.verify(&pods_token(&world)).await.is_ok(), "the new key");

    let heads = server.heads();
    assert!(heads.iter().all(|head| head.starts_with("GET /openid/v1/jwks ")), "{heads:?}");
    assert!(heads.iter().all(|head| !head.to_ascii_lowercase().contains("cookie")), "{heads:?}");
    assert!(heads.last().is_some_and(|head| head.contains("Bearer pods-token-2")), "{heads:?}");
    for shown in [format!("{keys:?}"), format!("{verifier:?}")] {
        assert!(!shown.contains("pods-token"), "{shown}");
    }
}

#[tokio::test]
async fn s4_15_requests_wait_for_a_new_key_of_the_cluster() {
    let (world, authority) = (World::honest().await, authority());
    let server = ApiServer::start(&authority, "pod-1", world.issuer.jwks()).await;
    let (authority_file, token_file) = (file("new-ca.crt"), file("new-token"));
    std::fs::write(&authority_file, authority.pem()).expect("written");
    std::fs::write(&token_file, "pod-1").expect("written");
    let (_, verifier) = trusting(&world, KubernetesKeys::from_server(&server.url, authority_file, token_file));
    assert!(verifier.verify(&pods_token(&world)).await.is_ok());
    let invented = account_token(&world).header("kid", "invented").sign();
    assert_eq!(verifier.verify(&invented).await.expect_err("invented").code(), "unknown_key");
    world.issuer.rotate();
    *server.keys.lock().expect("sound") = world.issuer.jwks();
    let token = pods_token(&world);
    assert!(verifier.verify(&token).await.is_err_and(|error| error.is_unavailable()), "asked for once");
    let waiting = tokio::spawn(async move { verifier.verify(&token).await.map(drop).map_err(|error| error.code()) });
    tokio::task::yield_now().await;
    world.advance(Duration::from_millis(1001)).await;
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
}

fn keys_health(verifier: &Verifier) -> KeyHealth {
    Health::new(verifier).report().remove(0).1
}

#[tokio::test]
async fn unusable_files_are_reported_and_nothing_is_sent() {
    let world = World::honest().await;
    let (good, token_file) = (file("good-ca.crt"), file("good-token"));
    let authority = authority();
    std::fs::write(&good, authority.pem()).expect("written");
    std::fs::write(&token_file, "t").expect("written");
    let (empty, binary) = (file("empty"), file("binary"));
    std::fs::write(&empty, " \n").expect("written");
    std::fs::write(&binary, [0xff, 0, 1]).expect("written");
    let server = ApiServer::start(&authority, "t", world.issuer.jwks()).await;
    let missing = file("not-there");
    for (authority, token) in
        [(&missing, &token_file), (&empty, &token_file), (&good, &missing), (&good, &empty), (&good, &binary)]
    {
        let (_, verifier) = trusting(&world, KubernetesKeys::from_server(&server.url, authority, token));
        assert!(verifier.verify(&pods_token(&world)).await.expect_err("refused").is_unavailable());
        assert!(matches!(keys_health(&verifier), KeyHealth::NotReady { reason } if reason.contains("file")));
    }
    assert_eq!(server.heads(), Vec::<String>::new());

    for bad in ["", "http://10.0.0.1", "http://127.0.0.1:1", "10.0.0.1:443", "https://"] {
        let keys = Arc::new(KubernetesKeys::from_server(bad, &good, &token_file));
        assert!(Verifier::new(NeedsAudience::new(NAME, keys).audience("orders")).is_err(), "{bad}");
    }
    let here = Arc::new(KubernetesKeys::from_cluster());
    let built = Verifier::new(NeedsAudience::new(NAME, here).audience("orders"));
    assert_eq!(built.is_ok(), std::env::var_os("KUBERNETES_SERVICE_HOST").is_some());
}

/// An API server answers 401 for a token that it does not know, and 403 for a service account without the role.
#[tokio::test]
async fn a_refusal_of_the_api_server_states_what_the_cluster_lacks() {
    let (world, authority) = (World::honest().await, authority());
    let server = ApiServer::start(&authority, "pod-1", world.issuer.jwks()).await;
    let (authority_file, token_file) = (file("refusing-ca.crt"), file("refusing-token"));
    std::fs::write(&authority_file, authority.pem()).expect("written");
    std::fs::write(&token_file, "pod-2").expect("written");
    for (status, remedy) in [
        ("401 Unauthorized", "of a pod that exists, by a key that the API server still knows"),
        ("403 Forbidden", "bind the cluster role system:service-account-issuer-discovery"),
    ] {
        *server.refusal.lock().expect("sound") = status;
        let (_, verifier) = trusting(&world, KubernetesKeys::from_server(&server.url, &authority_file, &token_file));
        assert!(verifier.verify(&pods_token(&world)).await.expect_err("refused").is_unavailable());
        let KeyHealth::NotReady { reason } = keys_health(&verifier) else { panic!("no keys") };
        assert!(reason.contains(remedy), "{reason}");
        assert!(!reason.contains("pod-2"), "{reason}");
    }
}

/// The tokens of Secrets, which have another issuer and neither audience nor end, and the pod's own for the API server.
#[tokio::test]
async fn tokens_of_secrets_and_for_the_api_server_are_refused() {
    let (world, authority) = (World::honest().await, authority());
    let server = ApiServer::start(&authority, "pod-1", world.issuer.jwks()).await;
    let (authority_file, token_file) = (file("legacy-ca.crt"), file("legacy-token"));
    std::fs::write(&authority_file, authority.pem()).expect("written");
    std::fs::write(&token_file, "pod-1").expect("written");
    let (_, verifier) = trusting(&world, KubernetesKeys::from_server(&server.url, authority_file, token_file));
    let verified = verifier.verify(&pods_token(&world)).await.expect("good");
    assert_eq!(verified.client_id(), Some("system:serviceaccount:shop:web"));

    let mut secret = world.issuer.clone().with_name("kubernetes/serviceaccount").token();
    for name in ["aud", "exp", "iat", "jti", "client_id", "scope"] {
        secret = secret.without_claim(name);
    }
    let secret = secret
        .subject("system:serviceaccount:shop:web")
        .claim("kubernetes.io/serviceaccount/namespace", "shop")
        .claim("kubernetes.io/serviceaccount/secret.name", "web-token-x2x9k")
        .claim("kubernetes.io/serviceaccount/service-account.name", "web")
        .claim("kubernetes.io/serviceaccount/service-account.uid", "5c9c5d5e-1f0d-4c39-b2b0-5a6b2f0f3d5a");
    assert_eq!(verifier.verify(&secret.sign()).await.expect_err("a Secret's").code(), "unknown_issuer");
    let own = account_token(&world).audience(NAME).sign();
    assert_eq!(verifier.verify(&own).await.expect_err("for the API server").code(), "wrong_audience");
}

/// The policy of the guide. Outside a cluster its keys are a fault and not an outage.
#[test]
fn a_policy_names_the_keys_of_the_cluster() {
    let guide = include_str!("../../docs/guides/kubernetes.md");
    let (_, rest) = guide.split_once("`policy.toml`:\n\n```toml\n").expect("a policy");
    let (text, _) = rest.split_once("```").expect("its end");
    let policy = countersign::policy::Policy::from_toml(text).expect("a policy");
    assert_eq!(policy.issuers[0].issuer, NAME);
    let built = Verifier::builder().policy(&policy, countersign::keys::from_config).build();
    match std::env::var_os("KUBERNETES_SERVICE_HOST") {
        Some(_) => assert!(built.is_ok()),
        None => assert_eq!(built.expect_err("no cluster").faults()[0].field, "keys"),
    }
}

#[tokio::test]
async fn s4_29_an_untrusted_certificate_ends_the_fetch() {
    let world = World::honest().await;
    let (private, another) = (authority(), authority());
    let server = ApiServer::start(&private, "", world.issuer.jwks()).await;
    let clock = Arc::new(world.issuer.clock().clone());
    let issuer = world.issuer.clone().with_name(&server.url);
    for keys in [RemoteKeys::from_issuer(&server.url), RemoteKeys::from_url(format!("{}/openid/v1/jwks", server.url))] {
        let trusted = NeedsAudience::new(&server.url, Arc::new(keys.refresh_policy(policy())));
        let trusted = trusted.audience("orders");
        let verifier = Verifier::builder().trust(trusted).clock(clock.clone()).build().expect("a good policy");
        let token = issuer.token().audience("orders").sign();
        assert!(verifier.verify(&token).await.expect_err("refused").is_unavailable());
        assert!(
            matches!(keys_health(&verifier), KeyHealth::NotReady { reason } if reason == "certificate not trusted: unknown authority")
        );
    }
    let (authority_file, token_file) = (file("another-ca.crt"), file("another-token"));
    std::fs::write(&authority_file, another.pem()).expect("written");
    std::fs::write(&token_file, "pods-token").expect("written");
    let cluster = KubernetesKeys::from_server(&server.url, authority_file, token_file);
    let (_, verifier) = trusting(&world, cluster);
    assert!(verifier.verify(&pods_token(&world)).await.expect_err("refused").is_unavailable());
    assert_eq!(server.heads(), Vec::<String>::new(), "no request was sent, and thus no token");
}

#[tokio::test]
async fn s4_29_connection_settings_count_besides_the_authority_of_the_cluster() {
    let world = World::honest().await;
    let (private, another) = (authority(), authority());
    let server = ApiServer::start(&private, "pods-token", world.issuer.jwks()).await;
    let (authority_file, token_file) = (file("settings-ca.crt"), file("settings-token"));
    std::fs::write(&token_file, "pods-token").expect("written");
    let new = ConnectionSettings::new;
    for (authority, settings, is_trusted) in [
        (&private, new(), true),
        (&private, new().add_roots(another.pem()), true),
        (&another, new().add_roots(private.pem()), true),
        (&another, new(), false),
        (&another, new().add_roots(another.pem()), false),
    ] {
        std::fs::write(&authority_file, authority.pem()).expect("written");
        let cluster = KubernetesKeys::from_server(&server.url, &authority_file, &token_file).connection(settings);
        let (_, verifier) = trusting(&world, cluster);
        let result = verifier.verify(&pods_token(&world)).await;
        assert_eq!(result.is_ok(), is_trusted, "{result:?}");
        if !is_trusted {
            let health = keys_health(&verifier); // both authorities have one name, so the reason may be the signature
            assert!(
                matches!(&health, KeyHealth::NotReady { reason } if reason.starts_with("certificate not trusted: "))
            );
        }
    }
    let unusable = KubernetesKeys::from_server(&server.url, &authority_file, &token_file)
        .connection(new().add_roots_file("/not/there.pem"));
    let error = Verifier::new(NeedsAudience::new(NAME, Arc::new(unusable)).audience("orders")).expect_err("no file");
    assert!(error.to_string().contains("no such file: /not/there.pem"), "{error}");
}
