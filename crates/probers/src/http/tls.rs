//! TLS: the roots of the web, a verifier that records when certificates expire, and bounded session
//! resumption.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue, VerifierBuilderError, WebPkiServerVerifier,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    SignatureScheme,
};

use super::trace::{self, CertificateKind};
use seedwatch_clock::Unix;
use seedwatch_input::file;

/// The number of sessions kept for resumption, over all hosts.
const MAX_SESSIONS: usize = 1024;
/// The age of the last full handshake with a host after which its sessions are not resumed. A
/// resumed session sends no certificate. Without this limit, a renewed certificate would be
/// reported as expiring, and an expired one as valid, as long as tickets last (a week).
const RESUME_WITHIN: Duration = Duration::from_secs(3600);
/// The longest certificate chain that is read.
const MAX_CHAIN: usize = 16;
/// The largest file of additional roots, in bytes.
const MAX_ROOTS_FILE: u64 = 8 << 20;

/// Reads additional roots from the file in `SSL_CERT_FILE`, as other tools do.
///
/// # Errors
/// The variable is set, but the file cannot be read or has no certificate.
pub fn roots_from_environment() -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    let path = PathBuf::from(path);
    let read = file::read(&path, MAX_ROOTS_FILE);
    let text = match read.map_err(|error| (error.kind(), error)) {
        Ok(text) => text,
        Err((ErrorKind::FileTooLarge, _)) => return Err(RootsError::TooLarge(path)),
        Err((_, source)) => return Err(RootsError::Read { path, source }),
    };
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(RootsError::Pem(path)),
    }
}

/// Why the file in `SSL_CERT_FILE` is not usable.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// It is larger than 8 MiB.
    #[error("{} is larger than 8 MiB", .0.display())]
    TooLarge(PathBuf),
    /// It has no certificate in PEM form, or a damaged one.
    #[error("{} holds no certificates in PEM form", .0.display())]
    Pem(PathBuf),
}

/// Returns the TLS configuration of a client.
pub(super) fn config(roots: &[CertificateDer<'static>]) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for root in roots {
        store.add(root.clone()).map_err(TlsError::Root)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let handshakes = Arc::new(Handshakes::default());
    let verifier = Recorder {
        inner: WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
            .build()
            .map_err(TlsError::Verifier)?,
        handshakes: handshakes.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::store(Arc::new(Sessions {
        inner: ClientSessionMemoryCache::new(MAX_SESSIONS),
        handshakes,
    }));
    Ok(config)
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// An additional root certificate is not usable.
    #[error("a root certificate is not usable: {0}")]
    Root(Error),
    /// rustls rejected the roots.
    #[error("cannot create a certificate verifier: {0}")]
    Verifier(VerifierBuilderError),
    /// rustls rejected its cryptography provider.
    #[error("cannot set up TLS: {0}")]
    Provider(Error),
}

/// The time of the last full handshake by server name.
#[derive(Debug, Default)]
struct Handshakes {
    full: Mutex<HashMap<ServerName<'static>, Instant>>,
}

impl Handshakes {
    fn note(&self, name: &ServerName<'_>) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= MAX_SESSIONS {
            // This costs some hosts one more full handshake.
            full.clear();
        }
        full.insert(name.to_owned(), Instant::now());
    }

    fn is_recent(&self, name: &ServerName<'_>) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.get(&name.to_owned())
            .is_some_and(|at| at.elapsed() < RESUME_WITHIN)
    }
}

/// The verifier of the web, which also records when the chain expires.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    handshakes: Arc<Handshakes>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Before the verification, because an expired certificate has a date too.
        let expiry = earliest_expiry(end_entity, intermediates);
        trace::certificate_shown(expiry, certificate_kind(end_entity));
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        self.handshakes.note(server_name);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.inner.root_hint_subjects()
    }
}

fn earliest_expiry(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Option<Unix> {
    std::iter::once(end_entity)
        .chain(intermediates)
        .take(MAX_CHAIN)
        .filter_map(|der| {
            let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
            let end = certificate.validity().not_after.timestamp();
            Some(Unix(u64::try_from(end).unwrap_or(0)))
        })
        .min()
}

fn certificate_kind(der: &CertificateDer<'_>) -> CertificateKind {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
        return CertificateKind::default();
    };
    CertificateKind {
        is_self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
        is_authority: certificate.is_ca(),
    }
}

/// Sessions to resume, kept in memory. The search for one marks the beginning of a handshake.
#[derive(Debug)]
struct Sessions {
    inner: ClientSessionMemoryCache,
    handshakes: Arc<Handshakes>,
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.inner.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        trace::tls_begins();
        self.inner.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.inner.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        trace::tls_begins();
        let recent = self.handshakes.is_recent(name);
        self.inner.tls12_session(name).filter(|_| recent)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.inner.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.inner.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        trace::tls_begins();
        let recent = self.handshakes.is_recent(name);
        self.inner.take_tls13_ticket(name).filter(|_| recent)
    }
}
