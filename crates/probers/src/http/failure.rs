//! Maps errors of reqwest, hyper, rustls and the kernel to failure reasons.
//!
//! The texts are our own, because those of the libraries contain URLs with passkeys, and addresses.

use std::error::Error;
use std::io;

use hyper_util::client::legacy::Error as ClientError;
use rustls::CertificateError;

use super::trace::{CertificateKind, ConnectionEnds, Seen};
use crate::shortage;
use seedwatch_tracker::{FailureReason, ProbeError};

/// The largest number of nested causes that are searched.
const MAX_DEPTH: usize = 16;

/// Returns why a request failed. `seen` shows how far the connection got.
pub(super) fn classify(error: &reqwest::Error, seen: &Seen) -> ProbeError {
    let causes = || causes(error);
    if let Some(tls) = causes().find_map(|cause| cause.downcast_ref()) {
        return ProbeError::new(FailureReason::Tls, explain_tls(tls, seen.certificate));
    }
    let ios = || causes().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if let Some(ours) = ios().find_map(shortage::failed) {
        return ours;
    }
    let io = ios().find_map(|io| from_io(io.kind()));
    let hyper = || {
        causes()
            .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
            .find_map(from_hyper)
    };
    let (reason, text) = match io.or_else(hyper) {
        Some((FailureReason::Reset, _)) if seen.is_in_handshake() => (
            FailureReason::Tls,
            "the connection was cut in the TLS handshake",
        ),
        Some(known) => known,
        None if error.is_timeout() && seen.is_in_handshake() => (
            FailureReason::Timeout,
            "no end of the TLS handshake in time",
        ),
        None if error.is_timeout() => (FailureReason::Timeout, "no connection in time"),
        None if error.is_connect() => (FailureReason::Unreachable, "no connection"),
        None => (FailureReason::Reset, "the exchange broke off"),
    };
    ProbeError::new(reason, text)
}

/// Returns whether a request failed on a reused connection.
pub(super) fn is_of_reuse(error: &reqwest::Error, seen: &Seen) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<ClientError>())
        .find_map(ClientError::connect_info)
        .is_some_and(|connection| seen.is_reuse(ConnectionEnds::of(connection)))
}

/// Returns an error and its causes. `io::Error::source` skips its own content, and hyper-rustls
/// nests one `io::Error` in another.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |cause: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        // Dereferenced, because the reference is an `Error` too and would not live long enough.
        let cause = *cause;
        match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(content) => Some(content),
            None => cause.source(),
        }
    };
    std::iter::successors(Some(error), next).take(MAX_DEPTH)
}

fn from_io(kind: io::ErrorKind) -> Option<(FailureReason, &'static str)> {
    use io::ErrorKind as Kind;
    Some(match kind {
        Kind::ConnectionRefused => (FailureReason::Refused, "the port is closed"),
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::UnexpectedEof
        | Kind::NotConnected
        | Kind::WriteZero => (FailureReason::Reset, "the connection was cut"),
        Kind::TimedOut => (FailureReason::Timeout, "no connection in time"),
        Kind::HostUnreachable => (FailureReason::Unreachable, "the host is unreachable"),
        Kind::NetworkUnreachable | Kind::NetworkDown => {
            (FailureReason::Unreachable, "the network is unreachable")
        }
        Kind::AddrNotAvailable => (
            FailureReason::Unreachable,
            "no local address or port is free",
        ),
        // Chunk sizes, chunk extensions and trailers (RFC 9112, section 7.1).
        Kind::InvalidData | Kind::InvalidInput => (
            FailureReason::Malformed,
            "the chunks of the answer are damaged or too long",
        ),
        Kind::PermissionDenied => (FailureReason::Unreachable, "a firewall here forbids it"),
        _ => return None,
    })
}

fn from_hyper(error: &hyper::Error) -> Option<(FailureReason, &'static str)> {
    if error.is_parse_too_large() {
        Some((
            FailureReason::Malformed,
            "more than 100 headers, or headers of more than 400 KiB",
        ))
    } else if error.is_parse() {
        Some((FailureReason::NotBencode, "the answer is not HTTP"))
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Some((FailureReason::Reset, "the connection was cut"))
    } else {
        None
    }
}

fn explain_tls(error: &rustls::Error, shown: CertificateKind) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(reason) => explain_certificate(reason, shown).into(),
        Tls::AlertReceived(alert) => format!("the tracker broke off the handshake: {alert:?}"),
        Tls::PeerIncompatible(_) => "no TLS version or cipher in common".into(),
        Tls::InvalidMessage(_) => "what answers on this port does not speak TLS".into(),
        Tls::NoCertificatesPresented => "no certificate was shown".into(),
        _ => "the handshake failed".into(),
    }
}

fn explain_certificate(reason: &CertificateError, shown: CertificateKind) -> &'static str {
    use CertificateError as Bad;
    match reason {
        Bad::Expired | Bad::ExpiredContext { .. } => "the certificate has expired",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "the certificate is not valid yet",
        // The reasons of webpki for an authority's certificate have no variant.
        Bad::UnknownIssuer | Bad::Other(_) if shown.is_self_signed && shown.is_authority => {
            "the certificate is a self-signed CA certificate"
        }
        Bad::UnknownIssuer | Bad::Other(_) if shown.is_self_signed => {
            "the certificate is self-signed"
        }
        Bad::Other(_) if shown.is_authority => "the certificate is a CA certificate",
        Bad::UnknownIssuer => "the certificate is of an unknown issuer",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        Bad::BadEncoding => "the certificate is damaged",
        Bad::BadSignature => "the certificate has a wrong signature",
        Bad::Revoked => "the certificate was revoked",
        _ => "the certificate is not valid",
    }
}
