//! The TLS side of `--web.config.file`: from file names to a rustls configuration.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion, version,
};

use crate::config::At;

/// Largest certificate or key file read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What `tls_server_config` asks for.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) cert_file: At<PathBuf>,
    pub(super) key_file: At<PathBuf>,
    pub(super) client_auth: ClientAuth,
    pub(super) versions: Versions,
    pub(super) prefer_server_order: bool,
    pub(super) http2: bool,
}

/// Whether clients show a certificate.
#[derive(Debug)]
pub(super) enum ClientAuth {
    /// They are not asked.
    None,
    /// Any certificate will do.
    Unverified { required: bool },
    /// It must come from this authority.
    Verified {
        required: bool,
        ca_file: At<PathBuf>,
    },
}

/// Allowed versions, as the minor number of TLS 1.x, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    pub(super) min: u8,
    pub(super) max: u8,
}

impl Versions {
    pub(super) const TLS12: u8 = 2;
    pub(super) const TLS13: u8 = 3;

    /// The number behind a name of the exporter toolkit. TLS 1.0 and 1.1 can be named, but are
    /// never spoken.
    pub(super) fn number(name: &str) -> Option<u8> {
        match name {
            "TLS10" => Some(0),
            "TLS11" => Some(1),
            "TLS12" => Some(Self::TLS12),
            "TLS13" => Some(Self::TLS13),
            _ => None,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.spoken().is_empty()
    }

    fn spoken(self) -> Vec<&'static SupportedProtocolVersion> {
        [
            (Self::TLS13, &version::TLS13),
            (Self::TLS12, &version::TLS12),
        ]
        .into_iter()
        .filter(|(number, _)| (self.min..=self.max).contains(number))
        .map(|(_, version)| version)
        .collect()
    }
}

/// Why the files do not make a TLS configuration: line and key in the web configuration file, and
/// what is wrong.
pub(super) struct TlsError {
    pub(super) line: u32,
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl Tls {
    /// The files this depends on.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let ca_file = match &self.client_auth {
            ClientAuth::Verified { ca_file, .. } => Some(ca_file),
            ClientAuth::None | ClientAuth::Unverified { .. } => None,
        };
        [&self.cert_file, &self.key_file]
            .into_iter()
            .chain(ca_file)
            .map(|file| file.value.as_path())
    }

    /// Reads the files.
    pub(super) fn build(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let fault = |file: &At<PathBuf>, key, message: String| TlsError {
            line: file.line,
            key,
            message,
        };
        let certificates = certificates(&self.cert_file.value)
            .map_err(|message| fault(&self.cert_file, "cert_file", message))?;
        let key = private_key(&self.key_file.value)
            .map_err(|message| fault(&self.key_file, "key_file", message))?;
        let verifier = match &self.client_auth {
            ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
            ClientAuth::Unverified { required } => Arc::new(AnyCertificate {
                provider: Arc::clone(&provider),
                required: *required,
            }),
            ClientAuth::Verified { required, ca_file } => {
                verifier(&ca_file.value, *required, &provider)
                    .map_err(|message| fault(ca_file, "client_ca_file", message))?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions.spoken())
            .map_err(|error| fault(&self.cert_file, "min_version", error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, key)
            .map_err(|error| {
                let message = format!("does not go with the certificate: {error}");
                fault(&self.key_file, "key_file", message)
            })?;
        config.ignore_client_order = self.prefer_server_order;
        config.alpn_protocols = match self.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(format!("{} is larger than 1 MiB", path.display())),
        false => Ok(bytes),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{} has no PEM certificate", path.display())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    // The error of the parser may repeat part of the file.
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|_| format!("{} has no PEM private key", path.display()))
}

fn verifier(
    ca_file: &Path,
    required: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: {error}", ca_file.display()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match required {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map_err(|error| format!("{}: {error}", ca_file.display()))
}

/// Takes any certificate whose key the client holds: `RequestClientCert` and
/// `RequireAnyClientCert` ask for one and verify nothing about it.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
    required: bool,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
