//! Certificates of clients: which are accepted.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, X509Certificate, X509Version};

/// A name that a client certificate may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum San {
    /// A host name, a mail address or a URI, as it stands in the certificate.
    Text(String),
    Address(IpAddr),
}

/// Accepts certificates as Go's crypto/tls does, which the exporter toolkit uses.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    provider: Arc<CryptoProvider>,
    required: bool,
    /// Any certificate whose key the client has will do, if not.
    verified: bool,
    authorities: Authorities,
    allowed_sans: Option<Vec<San>>,
}

/// The certificates of `client_ca_file`.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    /// All of them. A client that has the key of one of them needs no other certificate.
    pinned: Vec<CertificateDer<'static>>,
    /// Their subjects, sent to clients as a hint.
    subjects: Vec<DistinguishedName>,
    /// Verifies what the authorities among them signed.
    issued: Option<Arc<dyn ClientCertVerifier>>,
}

impl Authorities {
    /// # Errors
    /// What is wrong with a certificate, as text.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let mut subjects = Vec::new();
        for der in &certificates {
            let certificate = parse(der).ok_or("has a certificate that cannot be read")?;
            subjects.push(DistinguishedName::from(
                certificate.subject().as_raw().to_vec(),
            ));
            // The holder of a certificate that is no authority must not issue others. A version 1
            // certificate cannot say which it is; Go trusts it as an authority.
            if certificate.is_ca() || certificate.version() == X509Version::V1 {
                roots.add(der.clone()).map_err(|error| error.to_string())?;
            }
        }
        let issued = match roots.is_empty() {
            true => None,
            false => {
                let builder = WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(provider),
                );
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Self {
            pinned: certificates,
            subjects,
            issued,
        })
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return verify_pinned(end_entity, now);
        }
        match &self.issued {
            Some(issued) => issued
                .verify_client_cert(end_entity, intermediates, now)
                .map(drop),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl ClientVerifier {
    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        required: bool,
        verified: bool,
        authorities: Authorities,
        allowed_sans: Option<Vec<San>>,
    ) -> Self {
        Self {
            provider: Arc::clone(provider),
            required,
            verified,
            authorities,
            allowed_sans,
        }
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// A certificate that is trusted itself must be in its time, and may be for clients.
fn verify_pinned(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = parse(der).ok_or(CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    let usage = certificate
        .extended_key_usage()
        .map_err(|_| CertificateError::BadEncoding)?;
    match usage.is_none_or(|usage| usage.value.any || usage.value.client_auth) {
        true => Ok(()),
        false => Err(CertificateError::InvalidPurpose.into()),
    }
}

/// Whether a subject alternative name of the certificate is in the list.
fn has_allowed_san(der: &CertificateDer<'_>, allowed: &[San]) -> bool {
    let Some(certificate) = parse(der) else {
        return false;
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    let is_allowed = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            allowed
                .iter()
                .any(|san| matches!(san, San::Text(s) if s == text))
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.is_ok_and(|a| allowed.contains(&San::Address(a.to_canonical())))
        }
        _ => false,
    };
    names.value.general_names.iter().any(is_allowed)
}

/// The client's certificate has none of the names in `client_allowed_sans`.
#[derive(Debug)]
struct NoAllowedSan;

impl fmt::Display for NoAllowedSan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client certificate has no name of client_allowed_sans")
    }
}

impl std::error::Error for NoAllowedSan {}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.verified {
            self.authorities.verify(end_entity, intermediates, now)?;
        }
        match &self.allowed_sans {
            Some(allowed) if !has_allowed_san(end_entity, allowed) => {
                Err(CertificateError::Other(OtherError(Arc::new(NoAllowedSan))).into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
