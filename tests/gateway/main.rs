//! The gateway with edges that nobody here wrote, set up as `docs/guides/gateway.md` says.

mod backend;
mod caddy;
mod checks;
mod cookies;
mod direct;
mod each;
mod edge;
mod envoy;
mod handshake;
mod haproxy;
mod http2;
mod in_process;
mod kinds;
mod limits;
mod matrix;
mod minted;
mod nginx;
mod opaque;
mod reload;
mod swap;
mod traefik;
mod transaction;
mod unsuitable;
mod world;
