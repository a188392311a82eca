//! Certificates for scripted HTTPS trackers.

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Returns a server with a self-signed certificate that expired on 2020-01-01, and that time in
/// seconds since 1970.
pub(crate) fn expired() -> (ServerConfig, u64) {
    let mut parameters = CertificateParams::new(vec!["tracker.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    (server(&parameters), 1_577_836_800)
}

fn server(parameters: &CertificateParams) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::ring::default_provider();
    ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Returns a self-signed certificate that is valid now, and its key, as PEM.
pub(crate) fn self_signed_pem() -> (String, String) {
    let parameters = CertificateParams::new(vec!["list.example".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}
