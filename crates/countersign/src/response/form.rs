//! The form of a refusal: HTTP, or gRPC for services that are declared gRPC.

use http::Extensions;

/// The form of a refusal. The service chooses it, never a header of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerForm {
    /// Status, challenge and body.
    Http,
    /// HTTP 200 with a gRPC status in the headers.
    Grpc,
}

/// Request extension that marks a request to a gRPC service. No header can set it.
#[derive(Clone, Copy, Debug)]
struct GrpcRequest;

impl AnswerForm {
    /// The form for a request with these extensions.
    pub(crate) fn from_extensions(extensions: &Extensions) -> Self {
        match extensions.get::<GrpcRequest>() {
            Some(GrpcRequest) => AnswerForm::Grpc,
            None => AnswerForm::Http,
        }
    }

    /// Marks a request as one to a gRPC service.
    pub(crate) fn mark_grpc(extensions: &mut Extensions) {
        extensions.insert(GrpcRequest);
    }
}
