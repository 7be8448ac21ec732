//! The reasons why TLS does not accept a server, or a server does not accept the client.

use rustls::{AlertDescription, CertificateError, Error};

/// The reason of a failed handshake.
pub(super) enum TlsFailure {
    /// The server's certificate is not trusted.
    NotTrusted(&'static str),
    Handshake(&'static str),
}

/// The failure that an error of TLS stands for.
pub(super) fn failure(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(problem) => TlsFailure::NotTrusted(certificate(problem)),
        Error::AlertReceived(alert) => TlsFailure::Handshake(refusal(*alert)),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            TlsFailure::Handshake("the server does not speak TLS")
        }
        Error::PeerIncompatible(_) => TlsFailure::Handshake("no TLS version or cipher in common"),
        _ => TlsFailure::Handshake("the server broke the protocol"),
    }
}

fn certificate(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::UnknownIssuer => "unknown authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "wrong host name",
        CertificateError::Revoked => "revoked",
        CertificateError::BadEncoding => "malformed",
        CertificateError::BadSignature => "bad signature",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "not one of a server",
        CertificateError::Other(other)
            if matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            "self-signed (an authority's own certificate); adding it as a root does not help: issue a server certificate"
        }
        _ => "not acceptable",
    }
}

fn refusal(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "the server requires a client certificate"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "the server refused the client certificate",
        AlertDescription::DecryptError => {
            "the server cannot verify a signature; was the client certificate issued by an earlier authority of the same name?"
        }
        AlertDescription::UnrecognisedName => "the server does not know the host name",
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity => "no TLS version or cipher in common",
        _ => "the server ended the handshake",
    }
}
