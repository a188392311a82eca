//! The TLS side of `--web.config.file`: from file names to a rustls configuration.

mod clients;
pub(super) mod curves;
pub(super) mod suites;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

pub(super) use self::clients::San;
use self::clients::{Authorities, ClientVerifier};
use self::curves::Curve;
pub(super) use self::suites::{Suites, Versions};

/// Largest certificate or key file read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What `tls_server_config` asks for.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) cert: Pem,
    pub(super) key: Pem,
    pub(super) client_auth: ClientAuth,
    pub(super) allowed_sans: Option<Vec<San>>,
    pub(super) suites: Suites,
    /// The preferred one first; empty = all.
    pub(super) curves: Vec<Curve>,
    pub(super) prefer_server_order: bool,
    pub(super) http2: bool,
}

/// Whether clients show a certificate.
#[derive(Debug)]
pub(super) enum ClientAuth {
    /// They are not asked.
    None,
    /// Any certificate will do. The authorities are a hint for clients with several.
    Unverified { required: bool, ca: Option<Pem> },
    /// It must come from these authorities, or be one of them. Without any, every certificate is
    /// refused.
    Verified { required: bool, ca: Option<Pem> },
}

/// PEM text, or the file it is in.
pub(super) struct Pem {
    /// The key of the web configuration, without `_file`.
    pub(super) key: &'static str,
    pub(super) line: u32,
    pub(super) source: PemSource,
}

/// Where PEM text comes from.
pub(super) enum PemSource {
    Text(String),
    File(PathBuf),
}

/// Hides the text, which may be a private key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({}, line {})", self.name(), self.line)
    }
}

/// Why this does not make a TLS configuration: line and key in the web configuration file, and what
/// is wrong.
pub(super) struct TlsError {
    pub(super) line: u32,
    pub(super) key: String,
    pub(super) message: String,
}

impl Pem {
    /// The key of the web configuration that it comes from.
    pub(super) fn name(&self) -> String {
        match self.source {
            PemSource::Text(_) => self.key.to_owned(),
            PemSource::File(_) => format!("{}_file", self.key),
        }
    }

    /// The file, if it comes from one.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.source {
            PemSource::Text(_) => None,
            PemSource::File(path) => Some(path),
        }
    }

    /// Something wrong with it, after the name of the file if it has one.
    pub(super) fn error(&self, message: impl fmt::Display) -> TlsError {
        let message = match &self.source {
            PemSource::Text(_) => message.to_string(),
            PemSource::File(path) => format!("{} {message}", path.display()),
        };
        self.error_as_it_is(message)
    }

    fn error_as_it_is(&self, message: String) -> TlsError {
        TlsError {
            line: self.line,
            key: self.name(),
            message,
        }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        match &self.source {
            PemSource::Text(text) => Ok(text.clone().into_bytes()),
            PemSource::File(path) => seedwatch_input::file::read(path, MAX_FILE)
                .map_err(|error| self.error(format!("cannot be read: {error}"))),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.read()?).collect();
        match found {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self.error("has no PEM certificate")),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // The error of the parser may repeat part of the key.
        PrivateKeyDer::from_pem_slice(&self.read()?)
            .map_err(|_| self.error("has no PEM private key"))
    }
}

impl ClientAuth {
    fn ca(&self) -> Option<&Pem> {
        match self {
            Self::None => None,
            Self::Unverified { ca, .. } | Self::Verified { ca, .. } => ca.as_ref(),
        }
    }
}

impl Tls {
    /// What this is made from.
    pub(super) fn pems(&self) -> impl Iterator<Item = &Pem> {
        [&self.cert, &self.key]
            .into_iter()
            .chain(self.client_auth.ca())
    }

    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub(super) fn build(&self) -> Result<Arc<ServerConfig>, Vec<TlsError>> {
        let mut provider = ring::default_provider();
        provider.cipher_suites = self.suites.in_order();
        if !self.curves.is_empty() {
            provider.kx_groups = self.curves.clone();
        }
        let provider = Arc::new(provider);
        let read = (
            self.cert.certificates(),
            self.private_key(&provider),
            self.verifier(&provider),
        );
        let (certificates, key, verifier) = match read {
            (Ok(certificates), Ok(key), Ok(verifier)) => (certificates, key, verifier),
            (certificates, key, verifier) => {
                let errors = [certificates.err(), key.err(), verifier.err()];
                return Err(errors.into_iter().flatten().collect());
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.suites.versions())
            .map_err(|error| vec![self.cert.error_as_it_is(error.to_string())])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, key)
            .map_err(|error| {
                let message = format!("does not go with the certificate: {error}");
                vec![self.key.error_as_it_is(message)]
            })?;
        config.ignore_client_order = self.prefer_server_order;
        config.alpn_protocols = match self.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }

    /// Reads the private key, and checks that it can be used with the cipher suites.
    fn private_key(&self, provider: &CryptoProvider) -> Result<PrivateKeyDer<'static>, TlsError> {
        let key = self.key.private_key()?;
        let signing = provider.key_provider.load_private_key(key.clone_key());
        let signing = signing.map_err(|_| {
            let kinds = "RSA, ECDSA with P-256 or P-384, or Ed25519";
            self.key
                .error(format!("has a private key that is not {kinds}"))
        })?;
        if !self.suites.fit(&*signing) {
            return Err(TlsError {
                line: self.suites.line,
                key: "cipher_suites".to_owned(),
                message: "leaves no cipher suite for this kind of private key".to_owned(),
            });
        }
        Ok(key)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let authorities = match self.client_auth.ca() {
            None => Authorities::default(),
            Some(ca) => Authorities::new(ca.certificates()?, provider)
                .map_err(|message| ca.error(message))?,
        };
        let (required, verified) = match self.client_auth {
            ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
            ClientAuth::Unverified { required, .. } => (required, false),
            ClientAuth::Verified { required, .. } => (required, true),
        };
        let sans = self.allowed_sans.clone();
        Ok(Arc::new(ClientVerifier::new(
            provider,
            required,
            verified,
            authorities,
            sans,
        )))
    }
}
