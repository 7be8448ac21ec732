//! Signed policies for many services: what is taken, what is refused, and what stays in force.

mod load;
mod nginx;
mod peers;
mod pulls;
mod redis;
mod refusals;
mod restarts;
mod shadow;
mod sources;
mod world;
