//! Real TLS, with valid and invalid certificates.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::server::{Server, ServerReply, Then};
use super::*;
use seedwatch_clock::Unix;

/// 2031-01-01; the root expires on 2034-01-01.
const LEAF_END: Unix = Unix(1_924_992_000);
const ROOT_END: Unix = Unix(2_019_686_400);

/// A certificate authority of one test.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("the authority of this test")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2034, 1, 1);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(super) fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Starts a server with a certificate for a name, valid until the start of year `end`.
    pub(super) async fn server(&self, name: &str, end: i32, show_root: bool) -> Server {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![leaf.der().clone()];
        if show_root {
            chain.push(self.root());
        }
        start(chain, key).await
    }

    /// Returns an acceptor with a certificate for `localhost`.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(vec![leaf.der().clone()], &key)
    }

    /// Returns a client that trusts this authority.
    pub(super) fn trusting_http_client(&self) -> Arc<HttpClient> {
        let settings = Settings {
            roots: vec![self.root()],
            ..settings()
        };
        client_with_trusted_host(settings, resolver())
    }
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn start(chain: Vec<CertificateDer<'static>>, key: KeyPair) -> Server {
    let tls = acceptor(chain, &key);
    Server::start_on("127.0.0.1", Some(tls), |_, _| {
        // The server closes each connection, so that every probe needs a new one.
        ServerReply::raw(
            [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", LIST].concat(),
            Then::Close,
        )
    })
    .await
}

fn url(server: &Server) -> String {
    format!("https://localhost:{}/announce", server.address.port())
}

#[tokio::test]
async fn a_valid_certificate_is_accepted_and_its_expiry_reported() {
    let authority = Authority::new();
    let server = authority.server("localhost", 2031, true).await;
    let (response, stats) =
        announce_stopped_only(&authority.trusting_http_client(), &url(&server)).await;
    assert_eq!(response.unwrap().peers.len(), 1);
    assert_eq!(stats.certificate_expiry, Some(LEAF_END));
    assert!(stats.phases.connect.is_some() && stats.phases.tls.is_some());
}

#[tokio::test]
async fn the_earliest_expiry_in_the_chain_is_reported() {
    let authority = Authority::new();
    let server = authority.server("localhost", 2040, true).await;
    let (_, stats) = announce_stopped_only(&authority.trusting_http_client(), &url(&server)).await;
    assert_eq!(stats.certificate_expiry, Some(ROOT_END));
}

#[tokio::test]
async fn invalid_certificates_are_told_apart_and_their_expiry_reported() {
    let authority = Authority::new();
    let expired = authority.server("localhost", 2021, false).await;
    let other = authority.server("other.example", 2031, false).await;
    let unknown_issuer = Authority::named("a stranger")
        .server("localhost", 2031, false)
        .await;
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let own = own.self_signed(&key).unwrap();
    let self_signed = start(vec![own.der().clone()], key).await;
    let key = KeyPair::generate().unwrap();
    let mut own = CertificateParams::new(vec!["localhost".into()]).unwrap();
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = own.self_signed(&key).unwrap();
    let own_authority = start(vec![own.der().clone()], key).await;
    let key = KeyPair::generate().unwrap();
    let mut lower = CertificateParams::new(vec!["localhost".into()]).unwrap();
    lower.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let lower = lower.signed_by(&key, &authority.issuer).unwrap();
    let lower_authority = start(vec![lower.der().clone()], key).await;
    let http_client = authority.trusting_http_client();
    for (server, text, end) in [
        (
            &expired,
            "the certificate has expired",
            Some(Unix(1_609_459_200)),
        ),
        (
            &other,
            "the certificate is for another name",
            Some(LEAF_END),
        ),
        (
            &unknown_issuer,
            "the certificate is of an unknown issuer",
            Some(LEAF_END),
        ),
        (&self_signed, "the certificate is self-signed", None),
        (
            &own_authority,
            "the certificate is a self-signed CA certificate",
            None,
        ),
        (
            &lower_authority,
            "the certificate is a CA certificate",
            None,
        ),
    ] {
        let (result, stats) = announce_stopped_only(&http_client, &url(server)).await;
        let failed = result.unwrap_err();
        assert_eq!((failed.reason, &*failed.text), (FailureReason::Tls, text));
        let expiry = stats.certificate_expiry;
        assert!(
            expiry.is_some() && (end.is_none() || expiry == end),
            "{text}"
        );
        assert!(server.requests().is_empty(), "a request was sent");
    }
}

#[tokio::test]
async fn servers_without_tls_are_detected() {
    for (greeting, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "does not speak TLS",
        ),
        (b"", "cut in the TLS handshake"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let talking = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut hello = [0; 16];
                stream.read_exact(&mut hello).await.unwrap();
                stream.write_all(greeting).await.unwrap();
            }
        });
        let failed = failure_of(&format!("https://localhost:{port}/announce")).await;
        assert_eq!(failed.reason, FailureReason::Tls, "{failed}");
        assert!(failed.text.contains(expected), "{failed}");
        talking.abort();
    }
}

#[tokio::test]
async fn a_hanging_handshake_is_reported_as_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut job = job(
        &format!("https://localhost:{port}/announce"),
        AnnounceStrategy::StoppedFirst,
    );
    job.timeout = Duration::from_secs(3);
    let (result, stats) = announce_result(http_client().probe(job).await);
    let failed = result.unwrap_err();
    assert_eq!(failed.reason, FailureReason::Timeout);
    assert!(failed.text.contains("TLS handshake"));
    assert!(stats.phases.tls.is_none());
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = Authority::new();
    let server = authority.server("localhost", 2031, false).await;
    let http_client = authority.trusting_http_client();
    let (first, full) = announce_stopped_only(&http_client, &url(&server)).await;
    let (second, resumed) = announce_stopped_only(&http_client, &url(&server)).await;
    assert!(first.is_ok() && second.is_ok());
    // A resumed session carries no certificate.
    assert_eq!(full.certificate_expiry, Some(LEAF_END));
    assert_eq!(resumed.certificate_expiry, None);
    assert!(resumed.phases.tls.is_some());
}

#[tokio::test]
async fn a_redirect_out_of_tls_is_refused() {
    let authority = Authority::new();
    let plain = Server::always(LIST).await;
    let to = plain.url("/announce");
    let tls = authority.acceptor();
    let server = Server::start_on("127.0.0.1", Some(tls), move |_, _| {
        ServerReply::with("301 Moved", &format!("Location: {to}\r\n"), "")
    })
    .await;
    let (result, _) = announce_stopped_only(&authority.trusting_http_client(), &url(&server)).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.reason, FailureReason::HttpStatus);
    assert!(failed.text.contains("out of TLS"));
    assert!(plain.requests().is_empty());
}
