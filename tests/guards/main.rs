//! Guards over real HTTP: each alone, combined, and in every order. CONFORMANCE S5.04, S5.05, S5.16, S5.24, S5.26, S3.21,
//! S3.22, S3.23, S3.29.

mod matrix;
mod orders;
mod single;
