//! MCP servers (S12), over HTTP by hand, by the clients of rmcp and of the TypeScript SDKs, and behind the gateway.

mod app;
mod challenges;
mod clients;
mod exchange;
mod foreign;
mod gateway;
mod inside;
mod lists;
mod metadata;
mod operations;
mod outbound;
mod plain;
mod rounds;
mod rust_login;
mod rust_program;
mod sessions;
mod typescript;
