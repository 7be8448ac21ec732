//! Introspection in the layer. Without the feature, no value of these types exists.

#[cfg(feature = "introspection")]
pub(crate) use crate::introspect::{Answered, Asked, Introspector};

#[cfg(not(feature = "introspection"))]
pub(crate) use off::{Answered, Asked, Introspector};

#[cfg(not(feature = "introspection"))]
mod off {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;

    use countersign_core::error::VerifyError;
    use countersign_core::verify::Verified;

    pub(crate) type Answered = Result<Arc<Verified>, VerifyError>;

    #[allow(dead_code, reason = "the other form has values")]
    pub(crate) enum Asked {
        Known(Answered),
        Pending(Pin<Box<dyn Future<Output = Answered> + Send>>),
    }

    #[derive(Clone, Debug)]
    pub(crate) enum Introspector {}

    impl Introspector {
        pub(crate) fn takes_at_sight(&self, _: &str) -> bool {
            match *self {}
        }

        pub(crate) fn takes(&self, _: &str) -> bool {
            match *self {}
        }

        pub(crate) fn also_asks(&self, _: &Verified) -> bool {
            match *self {}
        }

        pub(crate) async fn still_vouches(&self, _: &str, _: &Verified) -> bool {
            match *self {}
        }

        pub(crate) fn ask(&self, _: &str) -> Asked {
            match *self {}
        }

        pub(crate) fn ask_about_signed(&self, _: &str) -> Asked {
            match *self {}
        }
    }
}
