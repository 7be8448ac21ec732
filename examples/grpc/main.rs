//! The same layer, guards and claims in a tonic service, which calls itself and prints each request and its response.

use countersign::grpc::{CallerExt, grpc};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use shop::orders_client::OrdersClient;
use shop::orders_server::{Orders, OrdersServer};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::Layer;

/// Client and server as `tonic` generates them; see `build.rs`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
mod shop {
    include!(concat!(env!("OUT_DIR"), "/shop.Orders.rs"));
}

struct OrderService;

#[tonic::async_trait]
impl Orders for OrderService {
    async fn find(&self, request: Request<String>) -> Result<Response<String>, Status> {
        let claims: Claims = request.claims()?;
        Ok(Response::new(format!("order {} of {}", request.get_ref(), claims.subject())))
    }

    async fn cancel(&self, request: Request<String>) -> Result<Response<String>, Status> {
        request.require(&role("manager"))?; // only for this method
        Ok(Response::new(format!("order {} is cancelled", request.get_ref())))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production: Verifier::new(oidc("https://id.example.com").audience("orders"))?
    let issuer = TestIssuer::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .layer(grpc(AuthenticateLayer::new(issuer.verifier_for("orders")))) // every service requires a token
        .add_service(grpc(require(scope("orders"))).layer(OrdersServer::new(OrderService))); // this one also requires the scope
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let client = OrdersClient::new(Endpoint::from_shared(url)?.connect_lazy());
    let ann = issuer.token().subject("ann").audience("orders");
    let clerk = ann.clone().scope("orders");
    let calls = [
        ("no token", "Find", None, Code::Unauthenticated),
        ("an expired token", "Find", Some(clerk.clone().expired().sign()), Code::Unauthenticated),
        ("a token without the scope", "Find", Some(ann.sign()), Code::PermissionDenied),
        ("a clerk's token", "Find", Some(clerk.sign()), Code::Ok),
        ("a clerk's token", "Cancel", Some(clerk.sign()), Code::PermissionDenied),
        ("a manager's token", "Cancel", Some(clerk.role("manager").sign()), Code::Ok),
    ];
    for (what, method, token, expected) in calls {
        let mut request = Request::new("7".to_owned());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        let mut client = client.clone();
        let response = if method == "Find" { client.find(request).await } else { client.cancel(request).await };
        let (code, text) = match response {
            Ok(response) => (Code::Ok, response.into_inner()),
            Err(status) => (status.code(), status.message().to_owned()),
        };
        println!("{method} with {what}: {code:?}, {text}");
        if code != expected {
            return Err(format!("{method} with {what}: expected {expected:?}").into());
        }
    }
    Ok(())
}
