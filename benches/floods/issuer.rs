//! Floods of the embedded issuer: wrong secrets and unknown clients beside a client that authenticates.

use axum::Router;
use axum::body::Body;
use base64_simd::STANDARD as BASE64;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use http::Request;
use tower_service::Service as _;

use crate::Result;
use crate::flood::{Flood, Send};

/// Clients that authenticate for the first time, as the harmless load: one for each request of a flood.
const CLIENTS: usize = 125;

pub(crate) struct TokenService {
    router: Router,
    secret: Secret<String>,
}

impl TokenService {
    fn start() -> Result<Self> {
        let (secret, hash) = SecretHash::generate()?;
        let mut issuer = Issuer::builder("https://issuer.test")
            .add_audience(Audience::new("orders"))
            .add_client(Client::new("good").secret(hash).audiences(["orders"]));
        for number in 0..CLIENTS {
            let hash = SecretHash::new(&secret)?;
            issuer = issuer.add_client(Client::new(format!("harmless-{number}")).secret(hash).audiences(["orders"]));
        }
        Ok(TokenService { router: issuer.build()?.router(), secret })
    }

    pub(crate) fn floods() -> Result<Vec<Flood>> {
        let wrong = |number: usize| ("good".to_owned(), format!("wrong-secret-number-{number}-of-this-flood"));
        let unknown = |number: usize| (format!("client-{number}"), format!("secret-number-{number}-of-this-flood"));
        // A service of its own for each, whose clients have not authenticated yet.
        Ok(vec![
            Self::start()?.flood("wrong secrets of the same client, same peer", wrong),
            Self::start()?.flood("invented clients at the token endpoint", unknown),
        ])
    }

    fn flood(&self, name: &'static str, hostile: impl Fn(usize) -> (String, String) + 'static) -> Flood {
        let (good, harmless) = (self.secret.expose().clone(), self.secret.expose().clone());
        Flood {
            name,
            hostile: self.send(hostile),
            harmless: self.send(move |number| (format!("harmless-{}", number % CLIENTS), harmless.clone())),
            good: self.send(move |_| ("good".to_owned(), good.clone())),
            is_slow: true,
        }
    }

    fn send(&self, credentials: impl Fn(usize) -> (String, String) + 'static) -> Send {
        let router = self.router.clone();
        Box::new(move |number| {
            let (client, secret) = credentials(number);
            let basic = BASE64.encode_to_string(format!("{client}:{secret}"));
            let request = Request::post("/token")
                .header("authorization", format!("Basic {basic}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from("grant_type=client_credentials&audience=orders"));
            let answer = router.clone().call(request.expect("a request"));
            Box::pin(async move { answer.await.is_ok_and(|answer| answer.status() == 200) })
        })
    }
}
