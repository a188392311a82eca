//! TLS, client certificates, passwords and headers, seen from real clients.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};
use seedwatch_dev_web::{
    Certified, Directory, Response, ask, basic_auth, basic_auth_users, client_config, get,
};
use tokio::net::TcpStream;

use super::serve;

const TLS: &str = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";

#[tokio::test]
async fn headers_are_on_every_answer() {
    let directory = Directory::new(&format!(
        "{}http_server_config:\n  headers:\n    X-Frame-Options: deny\n",
        basic_auth_users(&[("alice", "secret")])
    ));
    let server = serve(&directory);
    for (credentials, status) in [(basic_auth("alice", "secret"), 404), (String::new(), 401)] {
        let answer = ask(&server, "GET /nowhere", &credentials).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["x-frame-options"], "deny");
        assert_protected(&answer);
    }
}

/// Checks that browsers may show an answer and do nothing else with it.
fn assert_protected(answer: &Response) {
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    let resource_policy = &answer.headers["cross-origin-resource-policy"];
    assert_eq!(resource_policy, "same-origin");
}

#[tokio::test]
async fn tls_with_a_password() {
    let directory = Directory::new(&format!(
        "{TLS}{}",
        basic_auth_users(&[("alice", "secret")])
    ));
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
    assert_protected(&plain);
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
        for (identity, is_accepted) in [(None, none), (Some(&unknown), any), (Some(&known), right)]
        {
            let config = client_config(&[&own], identity);
            let result = get(&server, config, None).await;
            assert_eq!(result.is_ok(), is_accepted, "{kind}: {result:?}");
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
        for (version, is_accepted) in [(&version::TLS12, tls12), (&version::TLS13, tls13)] {
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
            assert_eq!(
                result.is_ok(),
                is_accepted,
                "{extra}{version:?}: {result:?}"
            );
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
    let directory = Directory::new(&basic_auth_users(&[("alice", "old")]));
    let server = serve(&directory);
    let mut connection = server.connect().await;
    let old = basic_auth("alice", "old");
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 200);

    directory.write("web.yaml", "basic_auth_users:\n  alice: new\n");
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 200);

    directory.write("web.yaml", &basic_auth_users(&[("alice", "new")]));
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 401);
    let new = basic_auth("alice", "new");
    connection.request("GET /-/healthy", &new).await;
    assert_eq!(connection.response().await.status, 200);

    std::fs::remove_file(directory.path("web.yaml")).unwrap();
    connection.request("GET /-/healthy", &old).await;
    assert_eq!(connection.response().await.status, 401);
}
