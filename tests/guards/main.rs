//! Guards over real HTTP: each by itself, combined, in every order, in every form and in shadow mode. CONFORMANCE S5.04, S5.05, S5.16, S5.24, S5.26, S3.21,
//! S3.22, S3.23, S3.29.

mod authorities;
mod flood;
mod forms;
mod matrix;
mod names;
mod orders;
mod reasons;
mod shadow;
mod single;
mod twice;
mod typed;
mod unknown;
mod unknown_properties;
