//! The memory of cached tokens for callers.

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::CallerToken;
use countersign::clock::UnixTime;
use countersign::outbound::{AttachTokenLayer, OutboundToken, TokenFuture, TokenRequest, TokenSource};
use countersign::secret::Secret;
use tower::{Layer, ServiceExt};

use crate::{MIB, live};

const SETTING: usize = 16 * 1024 * 1024;

/// Grants tokens of this length, with a scope as long.
#[derive(Debug)]
struct Granting(usize);

impl TokenSource for Granting {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async {
            let token = OutboundToken::from_bearer(&Secret::from("t".repeat(self.0)), Some(Duration::from_secs(3000)))?;
            Ok(token.with_scope(Some("s".repeat(self.0))))
        })
    }
}

/// Many callers with tokens of one length, from one subject or from many at many issuers.
fn callers_held(length: usize, has_one_subject: bool) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let builder = AttachTokenLayer::builder().caller_cache_bytes(SETTING);
    let layer = builder.bind("https://billing.test", Arc::new(Granting(length))).build().expect("a layer");
    let count = (3 * SETTING / (3 * length + 1_500)).max(100);
    let call = |number: usize| {
        let (issuer, subject) = if has_one_subject { (0, 0) } else { (number % 50, number) };
        let claims = format!(r#"{{"iss":"https://{issuer}.test","sub":"{subject}","azp":"{subject}","n":{number}}}"#);
        let claims = base64_simd::URL_SAFE_NO_PAD.encode_to_string(claims);
        let token = format!("e30.{claims}.{}", "x".repeat(length.saturating_sub(claims.len())));
        let mut request = http::Request::get("https://billing.test/").body(()).expect("a request");
        request.extensions_mut().insert(CallerToken::unverified(&token.into(), UnixTime::from_secs(u64::MAX)));
        let inner = tower::service_fn(|_: http::Request<()>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(()))
        });
        runtime.block_on(layer.layer(inner).oneshot(request)).expect("sent");
    };
    call(usize::MAX);
    let before = live();
    (0..count).for_each(call);
    let held = live() - before;
    let stats = &layer.stats()[0].1;
    println!(
        "callers of {length} bytes, one subject {has_one_subject}: {:.1} MiB for {} of {count}, weighed {:.1} MiB",
        held as f64 / MIB,
        stats.callers,
        stats.caller_bytes as f64 / MIB
    );
    assert!(stats.caller_bytes <= SETTING && stats.callers < count, "the bound was reached");
    held
}

pub fn the_callers_of_outbound_tokens_stay_within_twice_the_setting() {
    for length in [40, 1_000, 16_000] {
        for has_one_subject in [false, true] {
            let held = callers_held(length, has_one_subject);
            assert!(held <= 2 * SETTING, "{length}: {held} bytes");
        }
    }
}
