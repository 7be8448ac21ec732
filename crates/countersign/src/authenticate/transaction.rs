//! The transaction token of a request, beside the caller's own token (draft-ietf-oauth-transaction-tokens-10 §6.1).

use countersign_core::verify::TransactionVerifier;
use http::{HeaderMap, HeaderName};

/// The header of transaction tokens.
pub(crate) const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// The transaction tokens that a layer takes.
#[derive(Clone, Debug)]
pub(super) struct Transactions {
    pub(super) verifier: TransactionVerifier,
    /// Refuses authenticated requests without one.
    pub(super) is_required: bool,
}

/// The header of a request.
pub(super) enum TxnHeader<'r> {
    Absent,
    /// One value, whose form is not checked yet.
    One(&'r str),
    Malformed(&'static str),
}

/// Reads the header, which has exactly one token.
pub(super) fn read(headers: &HeaderMap) -> TxnHeader<'_> {
    let mut lines = headers.get_all(TXN_TOKEN).iter();
    let Some(line) = lines.next() else { return TxnHeader::Absent };
    if lines.next().is_some() {
        return TxnHeader::Malformed("more than one Txn-Token header");
    }
    match simdutf8::basic::from_utf8(line.as_bytes()) {
        Ok(token) => TxnHeader::One(token),
        Err(_) => TxnHeader::Malformed("the Txn-Token header is not UTF-8"),
    }
}

/// Hides the token from `Debug` of the headers. It stays there for handlers that read it.
pub(super) fn hide(headers: &mut HeaderMap) {
    if let Some(line) = headers.get_mut(TXN_TOKEN) {
        line.set_sensitive(true);
    }
}
