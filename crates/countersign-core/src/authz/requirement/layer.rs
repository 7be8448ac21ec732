//! The compiler's message for a requirement that is added as a layer without `require`.

use tower_layer::Layer;

use super::Requirement;

mod sealed {
    use super::Requirement;

    /// Implemented by no type, so that the compiler says what to write.
    #[diagnostic::on_unimplemented(
        message = "a requirement is not a layer; write `require(...)` around it",
        label = "its argument needs `require(...)` around it",
        note = "for example `.layer(require(scope(\"orders:read\")))`, with `use countersign::prelude::*`"
    )]
    pub trait GuardedByRequire: Sized {
        /// The guarded service.
        fn guarded(self, requirement: &Requirement) -> Self;
    }
}

/// Applies to no service: a requirement becomes a layer by `require`.
impl<S: sealed::GuardedByRequire> Layer<S> for Requirement {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner.guarded(self)
    }
}
