//! The rules for the header: algorithm and type.

use super::super::compared::{Compared, quoted, some_of};
use super::rule::Rule;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::policy::TrustedIssuer;
use crate::token::{Header, TokenKind, TokenKinds, TokenType};

pub(super) const ALGORITHM: Rule = Rule::Header { name: "algorithm", decide: algorithm, compare: compare_algorithm };

#[inline]
fn algorithm(header: &Header, issuer: &TrustedIssuer) -> Result<(), VerifyError> {
    match header.algorithm {
        Some(algorithm) if issuer.algorithms.contains(&algorithm) => Ok(()),
        Some(algorithm) => Err(VerifyError::new(
            Kind::AlgorithmNotAllowed,
            format!("alg {algorithm} is not on the issuer's list of {} algorithms", issuer.algorithms.len()),
        )),
        None => Err(VerifyError::mismatch(
            Kind::AlgorithmNotAllowed,
            "alg",
            "a signature algorithm",
            &header.algorithm_name,
        )),
    }
}

fn compare_algorithm(header: &Header, issuer: &TrustedIssuer) -> Compared {
    let expected = some_of(issuer.algorithms.iter().map(|algorithm| algorithm.name().to_owned()));
    let found = header.algorithm.map_or_else(|| format!("\"{}\"", header.algorithm_name), |a| a.to_string());
    Compared::new(expected, found)
}

pub(super) const TYPE: Rule = Rule::Header { name: "type", decide: token_type, compare: compare_token_type };

#[inline]
fn token_type(header: &Header, issuer: &TrustedIssuer) -> Result<(), VerifyError> {
    if issuer.takes_type(&header.token_type) {
        return header.content_kind.map_or(Ok(()), |content| content_type(content, header, issuer));
    }
    Err(VerifyError::mismatch(Kind::WrongType, "typ", &issuer.expected_types(), header.token_type.name()))
}

/// A `cty` that names a kind of token names one that the policy accepts.
#[cold]
fn content_type(content: TokenKind, header: &Header, issuer: &TrustedIssuer) -> Result<(), VerifyError> {
    match TokenKinds::one(content).beyond(issuer.permitted_kinds(&header.token_type)) {
        None => Ok(()),
        Some(other) => {
            let detail = format!("cty names {}, which the policy does not accept", other.name());
            Err(VerifyError::new(Kind::WrongType, detail))
        }
    }
}

fn compare_token_type(header: &Header, issuer: &TrustedIssuer) -> Compared {
    let found = match &header.token_type {
        TokenType::Other(name) => quoted(name),
        known => known.name().to_owned(),
    };
    Compared::new(issuer.expected_types(), found)
}
