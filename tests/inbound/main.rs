//! What a resource server answers, over real HTTP: CONFORMANCE S5.

mod answers;
mod app;
mod bodies;
mod body;
mod credentials;
mod dpop;
mod grpc;
mod hidden;
mod layer;
mod lifetime;
mod locations;
mod mutual_tls;
mod paths;
mod places;
mod plain;
mod polled;
mod protect;
mod receivers;
mod resource;
mod revocation;
mod revocation_list;
mod status_lists;
mod status_policies;
mod status_shares;
mod withdrawn;
