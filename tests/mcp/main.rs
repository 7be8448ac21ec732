//! MCP servers (S12), over HTTP by hand and by the client of rmcp.

mod app;
mod challenges;
mod clients;
mod inside;
mod lists;
mod metadata;
mod operations;
mod outbound;
mod plain;
mod sessions;
