//! TLS for axum servers, with certificates of clients (RFC 8705).
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign::prelude::*;
//! use countersign::proof::{MutualTls, TlsPeer};
//! use countersign::secret::Secret;
//! use countersign::tls::{ClientCertificates, TlsListener, TlsSettings};
//!
//! # async fn serve(verifier: Verifier) -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AuthenticateLayer::builder(verifier).mutual_tls(MutualTls::of_connection()).build()?;
//! let app = Router::new().route("/orders", get(|| async { "orders" })).layer(layer);
//!
//! let key = Secret::new(std::fs::read_to_string("tls/key.pem")?);
//! let settings = TlsSettings::new(&std::fs::read_to_string("tls/chain.pem")?, &key, ClientCertificates::Any)?;
//! let listener = TlsListener::new(tokio::net::TcpListener::bind("0.0.0.0:443").await?, settings);
//! axum::serve(listener, app.into_make_service_with_connect_info::<TlsPeer>()).await?;
//! # Ok(())
//! # }
//! ```

mod any_certificate;
mod connection;
mod listener;
mod settings;

pub use connection::TlsConnection;
pub use listener::TlsListener;
pub use settings::{ClientCertificates, TlsSettings};
