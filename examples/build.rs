//! Generates client and server of the `grpc` example without `protoc`; `tonic-prost-build` does it from a `.proto` file.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("String") // google.protobuf.StringValue
            .output_type("String")
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let orders = Service::builder()
        .name("Orders")
        .package("shop")
        .method(method("find", "Find"))
        .method(method("cancel", "Cancel"))
        .build();
    Builder::new().compile(&[orders]);
    println!("cargo:rerun-if-changed=build.rs");
}
