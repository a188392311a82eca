//! TLS, client certificates, passwords and headers, seen from real clients.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::WWW_AUTHENTICATE;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};
use tokio::net::TcpStream;

use super::client::{Server, ask};
use super::config_files::{Certified, Directory};
use super::{sample, state};

const TLS: &str = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";

pub(super) fn serve(directory: &Directory) -> Server {
    let config = Arc::new(directory.load().unwrap());
    Server::start_with(Some(config), state(sample::snapshot(), 40).0)
}

fn users(users: &[(&str, &str)]) -> String {
    users.iter().fold(
        "basic_auth_users:\n".to_owned(),
        |yaml, (name, password)| {
            let hash = bcrypt::hash(password, 4).unwrap();
            yaml + &format!("  {name}: {hash}\n")
        },
    )
}

fn basic(name: &str, password: &str) -> String {
    let pair = format!("{name}:{password}");
    let encoded = data_encoding::BASE64.encode(pair.as_bytes());
    format!("Authorization: Basic {encoded}\r\n")
}

pub(super) fn roots(roots: &[&str]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for root in roots {
        let certificate = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
        store.add(certificate).unwrap();
    }
    store
}

/// The answer to a client without a certificate that trusts `own`.
pub(super) async fn fetch(server: &Server, own: &str) -> Result<StatusCode, reqwest::Error> {
    get(server, client_config(&[own], None), None).await
}

/// What a client trusts and shows.
pub(super) fn client_config(trusted: &[&str], identity: Option<&Certified>) -> ClientConfig {
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

pub(super) async fn get(
    server: &Server,
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

#[tokio::test]
async fn every_endpoint_wants_the_password() {
    let directory = Directory::new(&users(&[("alice", "secret"), ("bob", "")]));
    let server = serve(&directory);
    for request in [
        "GET /metrics",
        "GET /-/healthy",
        "GET /-/ready",
        "POST /-/reload",
        "GET /config",
        "GET /api/v1/torrents",
        "GET /api/v1/collections",
        "GET /",
        "GET /nowhere",
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, 401, "{request}");
        assert_eq!(
            answer.headers[WWW_AUTHENTICATE],
            "Basic realm=\"seedwatch\""
        );
        assert_eq!(answer.text(), "Unauthorized\n");
    }
    for (credentials, status) in [
        (basic("alice", "secret"), 200),
        (basic("alice", "secret"), 200),
        (basic("alice", "secret").replace("Basic", "bAsIC"), 200),
        (basic("bob", ""), 200),
        (basic("alice", "Secret"), 401),
        (basic("alice", ""), 401),
        (basic("mallory", "secret"), 401),
        (basic("", ""), 401),
        (basic("bob", "secret"), 401),
        ("Authorization: Bearer secret\r\n".to_owned(), 401),
        ("Authorization: Basic\r\n".to_owned(), 401),
        ("Authorization: Basic ???\r\n".to_owned(), 401),
        ("Authorization: Basic YWxpY2U=\r\n".to_owned(), 401),
    ] {
        let answer = ask(&server, "GET /-/healthy", &credentials).await;
        assert_eq!(answer.status, status, "{credentials}");
    }
}

#[tokio::test]
async fn headers_are_on_every_answer() {
    let directory = Directory::new(&format!(
        "{}http_server_config:\n  headers:\n    X-Frame-Options: deny\n",
        users(&[("alice", "secret")])
    ));
    let server = serve(&directory);
    for (credentials, status) in [(basic("alice", "secret"), 404), (String::new(), 401)] {
        let answer = ask(&server, "GET /nowhere", &credentials).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["x-frame-options"], "deny");
    }
}

#[tokio::test]
async fn tls_with_a_password() {
    let directory = Directory::new(&format!("{TLS}{}", users(&[("alice", "secret")])));
    let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
    let server = serve(&directory);
    let trusting = || client_config(&[&own], None);
    assert_eq!(
        get(&server, trusting(), Some(("alice", "secret")))
            .await
            .unwrap(),
        200
    );
    assert_eq!(get(&server, trusting(), None).await.unwrap(), 401);
    let strange = client_config(&[&Certified::new().certificate], None);
    assert!(get(&server, strange, None).await.unwrap_err().is_connect());
    // Plain HTTP is told what is wrong.
    let plain = ask(&server, "GET /metrics", "").await;
    assert_eq!(plain.status, 400);
    assert!(plain.text().contains("https://"));
}

#[tokio::test]
async fn client_certificates() {
    let (known, unknown) = (Certified::new(), Certified::new());
    for (kind, none, any, right) in [
        ("NoClientCert", true, true, true),
        ("RequestClientCert", true, true, true),
        ("RequireAnyClientCert", false, true, true),
        ("VerifyClientCertIfGiven", true, false, true),
        ("RequireAndVerifyClientCert", false, false, true),
    ] {
        let ca = match kind {
            "VerifyClientCertIfGiven" | "RequireAndVerifyClientCert" => {
                "  client_ca_file: clients.crt\n"
            }
            _ => "",
        };
        let directory = Directory::new(&format!("{TLS}  client_auth_type: {kind}\n{ca}"));
        directory.write("clients.crt", &known.certificate);
        let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
        let server = serve(&directory);
        for (identity, welcome) in [(None, none), (Some(&unknown), any), (Some(&known), right)] {
            let config = client_config(&[&own], identity);
            let result = get(&server, config, None).await;
            assert_eq!(result.is_ok(), welcome, "{kind}: {result:?}");
        }
    }
}

#[tokio::test]
async fn versions_and_protocols() {
    for (extra, tls12, tls13) in [
        ("", true, true),
        ("  min_version: TLS13\n", false, true),
        ("  min_version: TLS10\n  max_version: TLS12\n", true, false),
    ] {
        let directory = Directory::new(&format!("{TLS}{extra}"));
        let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
        let server = serve(&directory);
        for (version, welcome) in [(&version::TLS12, tls12), (&version::TLS13, tls13)] {
            let mut store = RootCertStore::empty();
            store
                .add(CertificateDer::from_pem_slice(own.as_bytes()).unwrap())
                .unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(store)
                .with_no_client_auth();
            let result = get(&server, config, None).await;
            assert_eq!(result.is_ok(), welcome, "{extra}{version:?}: {result:?}");
        }
    }
    for (http2, expected) in [(true, "h2"), (false, "http/1.1")] {
        let directory = Directory::new(&format!("{TLS}http_server_config:\n  http2: {http2}\n"));
        let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
        let server = serve(&directory);
        let mut config = client_config(&[&own], None);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::from(server.address.ip());
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().unwrap();
        assert_eq!(agreed, expected.as_bytes());
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_at_once() {
    let directory = Directory::new(TLS);
    let server = serve(&directory);
    let old = std::fs::read_to_string(directory.path("web.crt")).unwrap();
    assert!(
        get(&server, client_config(&[&old], None), None)
            .await
            .is_ok()
    );

    let new = Certified::new();
    directory.write("web.crt", &new.certificate);
    // Between the two writes nothing fits together: the old pair stays in force.
    assert!(
        get(&server, client_config(&[&old], None), None)
            .await
            .is_ok()
    );
    directory.write("web.key", &new.key);
    let renewed = client_config(&[&new.certificate], None);
    assert!(get(&server, renewed, None).await.is_ok());
    assert!(
        get(&server, client_config(&[&old], None), None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn new_passwords_are_used_at_once_and_mistakes_change_nothing() {
    let directory = Directory::new(&users(&[("alice", "old")]));
    let server = serve(&directory);
    let mut connection = server.connect().await;
    let old = basic("alice", "old");
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 200);

    directory.write("web.yaml", "basic_auth_users:\n  alice: new\n");
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 200);

    directory.write("web.yaml", &users(&[("alice", "new")]));
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 401);
    let new = basic("alice", "new");
    connection.request("GET /-/healthy", &new).await;
    assert_eq!(connection.response().await.status, 200);

    std::fs::remove_file(directory.path("web.yaml")).unwrap();
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 401);
}
