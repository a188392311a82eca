//! HTTPS clients that trust and show given certificates.

use std::sync::Arc;

use hyper::StatusCode;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{Certified, Server};

/// Returns a store of these certificates.
pub fn roots(roots: &[&str]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for root in roots {
        let certificate = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
        store.add(certificate).unwrap();
    }
    store
}

/// Fetches `/metrics` with a client that trusts `own` and has no certificate.
///
/// # Errors
/// Returns the error of the connection or the request.
pub async fn fetch<S>(server: &Server<S>, own: &str) -> Result<StatusCode, reqwest::Error> {
    get(server, client_config(&[own], None), None).await
}

/// Returns the configuration of a client that trusts these certificates and shows this one.
pub fn client_config(trusted: &[&str], identity: Option<&Certified>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(trusted));
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate =
                CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    }
}

/// Fetches `/metrics` over HTTPS.
///
/// # Errors
/// Returns the error of the connection or the request.
pub async fn get<S>(
    server: &Server<S>,
    config: ClientConfig,
    user: Option<(&str, &str)>,
) -> Result<StatusCode, reqwest::Error> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()?;
    let mut request = client.get(format!("https://{}/metrics", server.address));
    if let Some((name, password)) = user {
        request = request.basic_auth(name, Some(password));
    }
    let response = request.send().await?;
    let status = response.status();
    response.bytes().await?;
    Ok(status)
}
