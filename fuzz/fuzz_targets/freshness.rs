//! Any bytes as `Cache-Control`, `Age`, `Expires`, `Date` and `Retry-After`: never a panic, and never a longer pause than allowed.

#![no_main]

use std::time::Duration;

use countersign::integration::{fresh_for, retry_after};
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let names = [CACHE_CONTROL, CACHE_CONTROL, AGE, EXPIRES, DATE, RETRY_AFTER];
    let mut headers = HeaderMap::new();
    for (name, line) in names.into_iter().zip(text.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    let stated = fresh_for(&headers);
    assert!(retry_after(&headers).is_none_or(|pause| pause <= Duration::from_secs(60)));
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    assert!(fresh_for(&headers).is_some_and(|fresh| stated.is_none_or(|stated| fresh <= stated)));
});
