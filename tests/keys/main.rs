//! Key sources against servers with every known failure, and against a real OpenID provider.

mod answers;
mod causes;
mod cluster;
mod connections;
mod events;
mod floods;
mod locations;
mod new_keys;
mod outage;
mod presets;
mod real_provider;
mod reasons;
mod rotation;
mod server;
mod single_flight;
mod sources;
mod spiffe;
mod start;
mod tenant_names;
mod tenants;
mod withdrawal;
mod world;
