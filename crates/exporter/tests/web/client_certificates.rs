//! Client certificates, cipher suites and curves, seen from real clients.

use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustls::ClientConfig;
use rustls::crypto::ring::{self, cipher_suite, kx_group};
use seedwatch_dev_web::{Certified, Directory, client_config, get, roots};

use super::{Server, serve};

const TLS: &str = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
const VERIFY: &str = "  client_auth_type: RequireAndVerifyClientCert\n  \
                      client_ca_file: clients.crt\n";

/// A certificate with the given names, signed by itself or by another one.
fn certified(change: impl FnOnce(&mut CertificateParams), issuer: Option<&Certified>) -> Certified {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        None => params.self_signed(&key).unwrap(),
        Some(issuer) => {
            let key_of_issuer = KeyPair::from_pem(&issuer.key).unwrap();
            let of_issuer = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            let issuer = Issuer::from_params(&of_issuer, key_of_issuer);
            params.signed_by(&key, &issuer).unwrap()
        }
    };
    Certified {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

/// Whether the server lets a client with this certificate in.
async fn is_let_in(server: &Server, directory: &Directory, identity: Option<&Certified>) -> bool {
    let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
    let config = client_config(&[&own], identity);
    get(server, config, None).await.is_ok()
}

#[tokio::test]
async fn a_certificate_in_the_pool_is_trusted_and_issues_others_only_as_an_authority() {
    let usage = |usage| {
        move |params: &mut CertificateParams| {
            params.insert_extended_key_usage(usage);
            authority(params);
        }
    };
    let expired = |params: &mut CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let for_clients = usage(ExtendedKeyUsagePurpose::ClientAuth);
    let for_servers = usage(ExtendedKeyUsagePurpose::ServerAuth);
    for (what, pinned, itself, issued) in [
        ("no authority", certified(|_| {}, None), true, false),
        ("authority", certified(authority, None), true, true),
        ("for clients", certified(for_clients, None), true, true),
        ("for servers", certified(for_servers, None), false, true),
        ("expired", certified(expired, None), false, false),
    ] {
        let directory = Directory::new(&format!("{TLS}{VERIFY}"));
        // Another one in the pool changes nothing.
        let pool = Certified::new().certificate + &pinned.certificate;
        directory.write("clients.crt", &pool);
        let server = serve(&directory);
        let client = |params: &mut CertificateParams| {
            params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        };
        let child = certified(client, Some(&pinned));
        let stranger = certified(authority, None);
        for (identity, expected) in [
            (Some(&pinned), itself),
            (Some(&child), issued),
            (Some(&stranger), false),
            (None, false),
        ] {
            let let_in = is_let_in(&server, &directory, identity).await;
            assert_eq!(let_in, expected, "{what}");
        }
    }
}

/// curl with a certificate that openssl made, which is an authority unless told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_certificate_of_openssl_works_with_curl() {
    let directory = Directory::new(&format!("{TLS}{VERIFY}"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 2".split(' '))
        .args(["-subj", "/CN=prometheus", "-keyout"])
        .arg(directory.path("client.key"))
        .arg("-out")
        .arg(directory.path("clients.crt"))
        .output()
        .expect("openssl is missing: apt-get install openssl");
    assert!(made.status.success(), "{made:?}");
    let server = serve(&directory);
    let curl = |more: Vec<String>| {
        let (ca, address) = (directory.path("web.crt"), server.address);
        tokio::task::spawn_blocking(move || -> Output {
            Command::new("curl")
                .args(["-sS", "--noproxy", "*", "--cacert"])
                .arg(ca)
                .args(more)
                .arg(format!("https://{address}/-/healthy"))
                .output()
                .expect("curl is missing: apt-get install curl")
        })
    };
    let file = |name| directory.path(name).display().to_string();
    let identity = ["--cert", &file("clients.crt"), "--key", &file("client.key")];
    let identity = identity.map(str::to_owned).to_vec();
    assert_eq!(curl(identity).await.unwrap().stdout, b"Healthy\n");
    assert!(!curl(Vec::new()).await.unwrap().status.success());
}

#[tokio::test]
async fn only_certificates_with_an_allowed_name_are_let_in() {
    let names = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![
            SanType::DnsName("test3".try_into().unwrap()),
            SanType::Rfc822Name("ops@site.example".try_into().unwrap()),
            SanType::URI("spiffe://site.example/prometheus".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 7].into()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ];
    };
    let client = certified(names, None);
    let nameless = certified(|params| params.subject_alt_names.clear(), None);
    for (allowed, expected) in [
        ("[one, test3, two]", true),
        ("[ops@site.example]", true),
        ("['spiffe://site.example/prometheus']", true),
        ("[192.0.2.7]", true),
        ("['2001:DB8:0::7']", true),
        ("[bad]", false),
        ("[192.0.2.8, test, est3, TEST]", false),
    ] {
        let directory = Directory::new(&format!("{TLS}{VERIFY}  client_allowed_sans: {allowed}\n"));
        directory.write(
            "clients.crt",
            &(client.certificate.clone() + &nameless.certificate),
        );
        let server = serve(&directory);
        let let_in = is_let_in(&server, &directory, Some(&client)).await;
        assert_eq!(let_in, expected, "{allowed}");
        assert!(!is_let_in(&server, &directory, Some(&nameless)).await);
    }
}

#[tokio::test]
async fn certificates_in_the_configuration_itself_are_used() {
    let own = Certified::new();
    let client = certified(authority, None);
    let block = |key: &str, text: &str| {
        let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
        format!("  {key}: |\n{lines}")
    };
    let directory = Directory::new(&format!(
        "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n{}{}{}",
        block("cert", &own.certificate),
        block("key", &own.key),
        block("client_ca", &client.certificate),
    ));
    directory.write("web.crt", &own.certificate);
    let server = serve(&directory);
    assert!(is_let_in(&server, &directory, Some(&client)).await);
    assert!(!is_let_in(&server, &directory, None).await);
}

/// A client that speaks TLS 1.2 with these suites, or any version with these curves.
fn choosy(own: &str, change: impl FnOnce(&mut rustls::crypto::CryptoProvider)) -> ClientConfig {
    let mut provider = ring::default_provider();
    change(&mut provider);
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&[own]))
        .with_no_client_auth()
}

#[tokio::test]
async fn only_the_listed_suites_and_curves_are_used() {
    let limits = "  max_version: TLS12\n  curve_preferences: [CurveP384]\n  cipher_suites:\n  \
                  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n";
    let directory = Directory::new(&format!("{TLS}{limits}"));
    let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
    let server = serve(&directory);
    let listed = cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let other = cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
    let all = ring::ALL_CIPHER_SUITES.to_vec();
    for (suites, curve, expected) in [
        (all.clone(), kx_group::SECP384R1, true),
        (vec![listed], kx_group::SECP384R1, true),
        (vec![other], kx_group::SECP384R1, false),
        (all, kx_group::X25519, false),
    ] {
        let config = choosy(&own, |provider| {
            provider.cipher_suites = suites;
            provider.kx_groups = vec![curve];
        });
        let answer = get(&server, config, None).await;
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
    }
}
