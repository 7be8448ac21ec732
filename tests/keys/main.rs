//! Keys against servers that fail in every way known, and against a real OpenID provider.

mod answers;
mod cluster;
mod events;
mod flight;
mod outage;
mod places;
mod presets;
mod real_provider;
mod rotation;
mod server;
mod sources;
mod tenants;
mod world;
