//! What is seen while a connection is made: how long each phase took, what certificate was shown.
//!
//! rustls offers its hooks no place for data of a caller, so the handshake runs inside a task-local
//! scope that the verifier finds.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::time::Unix;

tokio::task_local! {
    static TRACE: Arc<Trace>;
}

/// The record of one new connection.
#[derive(Debug, Default)]
pub(super) struct Trace {
    seen: Mutex<Seen>,
}

/// What was seen while a connection was made; all empty when one was reused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// TCP begins.
    pub(super) began: Option<Instant>,
    /// TCP is connected, the TLS handshake begins.
    pub(super) tls_began: Option<Instant>,
    /// The connection can be used.
    pub(super) connected: Option<Instant>,
    /// Earliest end of validity in the chain shown.
    pub(super) certificate_expiry: Option<Unix>,
    /// How the server's own certificate was made.
    pub(super) certificate: CertificateKind,
}

/// What a server's own certificate says of its making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CertificateKind {
    /// Issuer and subject are the same.
    pub(super) is_self_signed: bool,
    /// It is a certificate of an authority, to sign others with.
    pub(super) is_authority: bool,
}

impl Seen {
    /// How long TCP took.
    pub(super) fn connect(&self) -> Option<Duration> {
        let end = self.tls_began.or(self.connected)?;
        Some(end.saturating_duration_since(self.began?))
    }

    /// How long the TLS handshake took.
    pub(super) fn tls(&self) -> Option<Duration> {
        Some(self.connected?.saturating_duration_since(self.tls_began?))
    }

    /// The handshake began and did not end.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.tls_began.is_some() && self.connected.is_none()
    }

    /// A connection is being made.
    pub(super) fn is_connecting(&self) -> bool {
        self.began.is_some() && self.connected.is_none()
    }
}

impl Trace {
    /// Runs a handshake so that the verifier below writes here.
    pub(super) fn record<F: Future>(
        self: &Arc<Self>,
        handshake: F,
    ) -> impl Future<Output = F::Output> {
        TRACE.scope(self.clone(), handshake)
    }

    /// What was seen up to now.
    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// TCP begins.
    pub(super) fn connect_begins(&self) {
        self.write(|seen| seen.began = Some(Instant::now()));
    }

    /// TCP is connected, and a TLS handshake follows.
    pub(super) fn tls_begins(&self) {
        self.write(|seen| seen.tls_began = Some(Instant::now()));
    }

    /// The connection can be used.
    pub(super) fn connected(&self) {
        self.write(|seen| seen.connected = Some(Instant::now()));
    }

    fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Records that the server showed a chain.
pub(super) fn certificate_shown(expiry: Option<Unix>, certificate: CertificateKind) {
    // Outside a scope there is no record to write to.
    let _ = TRACE.try_with(|trace| {
        trace.write(|seen| {
            seen.certificate_expiry = expiry;
            seen.certificate = certificate;
        });
    });
}
