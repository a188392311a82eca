//! Files of the same shape as those that the exporter toolkit is tested with: which of them are
//! accepted.

use std::process::Command;
use std::sync::LazyLock;

use seedwatch_dev_web::{Certified, Directory};

/// An RSA certificate and key, as the toolkit uses them.
static RSA: LazyLock<(String, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let made = Command::new("openssl")
        .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(' '))
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("cert"))
        .output()
        .expect("openssl is missing: apt-get install openssl");
    assert!(made.status.success(), "{made:?}");
    let read = |name| std::fs::read_to_string(path(name)).unwrap();
    (read("cert"), read("key"))
});

/// Loads a file. An error is without the name of the directory.
fn load(content: &str) -> Result<(), String> {
    let directory = Directory::new(content);
    directory.write("server.crt", &RSA.0);
    directory.write("server.key", &RSA.1);
    for name in ["client_selfsigned.pem", "client2_selfsigned.pem"] {
        directory.write(name, &Certified::new().certificate);
    }
    directory.load().map(drop)
}

/// Text as a block of YAML below a key of a section.
fn block(key: &str, text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("  {key}: |\n{lines}")
}

const SERVER: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const IF_GIVEN: &str = "  client_auth_type: VerifyClientCertIfGiven\n";
const VERIFY: &str = "  client_auth_type: RequireAndVerifyClientCert\n";
const PINNED: &str = "  client_ca_file: client2_selfsigned.pem\n";
const TLS12: &str = "  max_version: TLS12\n";
const COST_18: &str = "$2y$18$3p4n7HxwVKF4w3e3xuUX.eVJrGk1QpQ3PHrqR1TNrv9hkZcWt9wUG";
const COST_10: &str = "$2y$10$3p4n7HxwVKF4w3e3xuUX.eVJrGk1QpQ3PHrqR1TNrv9hkZcWt9wUG";

fn server(more: &[&str]) -> String {
    SERVER.to_owned() + &more.concat()
}

/// Checks that each of these files, by its name in the tests of the toolkit, is accepted.
fn assert_accepted(files: &[(&str, String)]) {
    for (file, content) in files {
        assert_eq!(load(content), Ok(()), "{file}");
    }
}

/// Checks that each of these files is refused for this reason.
fn assert_refused(files: &[(&str, String, &str)]) {
    for (file, content, reason) in files {
        let refusal = load(content).unwrap_err();
        assert!(refusal.starts_with("web.yaml:"), "{file}: {refusal}");
        assert!(refusal.contains(reason), "{file}: {refusal}");
    }
}

#[test]
fn certificates_of_servers_and_clients_are_accepted() {
    let any = "  client_auth_type: RequireAnyClientCert\n";
    assert_accepted(&[
        (
            "tls_config_noAuth.requireandverifyclientcert.good.yml",
            server(&[VERIFY, "  client_ca_file: client_selfsigned.pem\n"]),
        ),
        (
            "tls_config_noAuth.requireanyclientcert.good.yml",
            server(&[any]),
        ),
        (
            "tls_config_noAuth.requireanyclientcertkeyinline.good.yml",
            format!(
                "tls_server_config:\n  cert_file: server.crt\n{}{any}",
                block("key", &RSA.1)
            ),
        ),
        (
            // Accepted; it is the client of this test that is refused.
            "web_config_auth_client_san.bad.yaml",
            server(&[VERIFY, PINNED, "  client_allowed_sans: [bad]\n"]),
        ),
        (
            "web_config_auth_client_san.good.yaml",
            server(&[VERIFY, PINNED, "  client_allowed_sans: [one, test3, two]\n"]),
        ),
        ("web_config_noAuth.good.yml", server(&[IF_GIVEN])),
        (
            "web_config_noAuth_tlsInline.good.yml",
            format!(
                "tls_server_config:\n{}{}",
                block("cert", &RSA.0),
                block("key", &RSA.1)
            ),
        ),
    ]);
}

#[test]
fn cipher_suites_and_curves_are_accepted() {
    let suites = "  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  \
                  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n";
    let all_suites = seedwatch_exporter::cipher_suite_names();
    let all_suites = format!("  cipher_suites: [{all_suites}]\n");
    assert_accepted(&[
        (
            "web_config_noAuth_allCiphers.good.yml",
            server(&[IF_GIVEN, &all_suites]),
        ),
        (
            "web_config_noAuth_allCurves.good.yml",
            server(&[
                IF_GIVEN,
                "  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n",
            ]),
        ),
        (
            "web_config_noAuth_noHTTP2.good.yml",
            server(&[
                IF_GIVEN,
                "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n",
                TLS12,
                "http_server_config: {http2: false}\n",
            ]),
        ),
        (
            "web_config_noAuth_someCiphers.good.yml",
            server(&[IF_GIVEN, suites, "  min_version: TLS12\n", TLS12]),
        ),
        (
            "web_config_noAuth_someCiphers_noOrder.good.yml",
            server(&[
                IF_GIVEN,
                suites,
                "  prefer_server_cipher_suites: false\n",
                TLS12,
            ]),
        ),
    ]);
}

#[test]
fn headers_users_and_limits_are_accepted() {
    let users = format!("basic_auth_users: {{alice: {COST_10}, bob: {COST_18}}}\n");
    assert_accepted(&[
        ("web_config_empty.yml", String::new()),
        (
            "web_config_headers.good.yml",
            "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    \
             Strict-Transport-Security: max-age=31536000; includeSubDomains\n    \
             X-Content-Type-Options: nosniff\n    X-XSS-Protection: 1\n    \
             Content-Security-Policy: \"default-src 'self'\"\n"
                .to_owned(),
        ),
        (
            "web_config_rate_limiter_nonblocking.yaml",
            "rate_limit: {interval: 0, burst: 0}\n".to_owned(),
        ),
        ("web_config_users.good.yml", server(&[&users])),
        ("web_config_users_noTLS.good.yml", users.clone()),
    ]);
}

#[test]
fn bad_sections_headers_and_users_are_refused_for_a_reason() {
    let junk = "hWkNKCp3fvIx3jKnsaBI\nTuEjdwNS8A2vYdFbiKqr\n".to_owned();
    assert_refused(&[
        (
            "web_config_auth_user_list_invalid.bad.yml",
            server(&["basic_auth_users: {john: doe}\n"]),
            "basic_auth_users: the password of entry 1 must be a bcrypt hash",
        ),
        (
            "web_config_headers_content_type_options.bad.yml",
            "http_server_config: {headers: {X-Content-Type-Options: sniff}}\n".to_owned(),
            "X-Content-Type-Options must be nosniff",
        ),
        (
            "web_config_headers_extra_header.bad.yml",
            "http_server_config: {headers: {Content-Type: foo}}\n".to_owned(),
            "headers: only these can be set",
        ),
        (
            "web_config_headers_frame_options.bad.yml",
            "http_server_config: {headers: {X-Frame-Options: foo}}\n".to_owned(),
            "X-Frame-Options must be deny or sameorigin",
        ),
        ("web_config_junk.yml", junk, "must be a mapping"),
        (
            "web_config_junk_key.yml",
            "tls_server_config: {cert_filse: server.crt}\n".to_owned(),
            "cert_filse: unknown key",
        ),
        (
            // The toolkit accepts it and refuses every request.
            "web_config_rate_limiter_one_second.yaml",
            "rate_limit: {interval: 1s, burst: 0}\n".to_owned(),
            "rate_limit.burst: must be at least 1: with 0, every request would be refused",
        ),
    ]);
}

#[test]
fn bad_client_authorities_are_refused_for_a_reason() {
    assert_refused(&[
        (
            "web_config_auth_clientCAs_invalid.bad.yml",
            server(&["  client_ca_file: somefile\n"]),
            "client_ca_file: is of no use without a client_auth_type",
        ),
        (
            "web_config_auth_clientCAs_missing.bad.yml",
            server(&[VERIFY]),
            "client_ca_file: is missing: without it no client could connect",
        ),
        (
            "web_config_noAuth.bad.yml",
            server(&["  client_ca_file: /dev/null\n"]),
            "client_ca_file: is of no use without a client_auth_type",
        ),
        (
            // The toolkit takes it for "verify with the authorities of the system".
            "web_config_noAuth.good.blocking.yml",
            server(&[VERIFY]),
            "client_ca_file: is missing: without it no client could connect",
        ),
    ]);
}

#[test]
fn bad_certificates_and_keys_are_refused_for_a_reason() {
    let cert_only = "tls_server_config:\n  cert_file: server.crt\n";
    let key_only = "tls_server_config:\n  key_file: server.key\n";
    assert_refused(&[
        (
            "web_config_noAuth_certPath_empty.bad.yml",
            format!("{key_only}  cert_file: ''\n"),
            "cert_file: is missing",
        ),
        (
            "web_config_noAuth_certPath_invalid.bad.yml",
            format!("{key_only}  cert_file: somefile\n"),
            "cert_file: somefile cannot be read: No such file",
        ),
        (
            "web_config_noAuth_certPath_keyPath_empty.bad.yml",
            "tls_server_config: {cert_file: '', key_file: '', client_auth_type: x}\n".to_owned(),
            "cert_file: is missing",
        ),
        (
            "web_config_noAuth_certPath_keyPath_invalid.bad.yml",
            "tls_server_config: {cert_file: somefile, key_file: somefile}\n".to_owned(),
            "cert_file: somefile cannot be read: No such file",
        ),
        (
            "web_config_noAuth_cert_empty.bad.yml",
            format!("{key_only}  cert: ''\n"),
            "cert_file: is missing",
        ),
        (
            "web_config_noAuth_keyPath_empty.bad.yml",
            format!("{cert_only}  key_file: ''\n"),
            "key_file: is missing",
        ),
        (
            "web_config_noAuth_keyPath_invalid.bad.yml",
            "tls_server_config: {cert_file: server.crt, key_file: somefile}\n".to_owned(),
            "key_file: somefile cannot be read: No such file",
        ),
        (
            "web_config_noAuth_key_empty.bad.yml",
            format!("{cert_only}  key: ''\n"),
            "key_file: is missing",
        ),
    ]);
}

#[test]
fn bad_versions_suites_and_curves_are_refused_for_a_reason() {
    let one_suite = "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n";
    assert_refused(&[
        (
            "web_config_noAuth_inventedCiphers.bad.yml",
            server(&[IF_GIVEN, "  cipher_suites: [TLS_ECDHE_WITH_SHA2048]\n"]),
            "cipher_suites: unknown cipher suite",
        ),
        (
            "web_config_noAuth_inventedCurves.bad.yml",
            server(&[IF_GIVEN, "  curve_preferences: [CurveP257]\n"]),
            "curve_preferences: unknown curve",
        ),
        (
            "web_config_noAuth_noHTTP2Cipher.bad.yml",
            server(&[IF_GIVEN, one_suite, TLS12]),
            "cipher_suites: HTTP/2 over TLS 1.2 needs",
        ),
        (
            // The toolkit accepts it.
            "web_config_noAuth_someCurves.good.yml",
            server(&[
                IF_GIVEN,
                "  min_version: TLS13\n  curve_preferences: [CurveP521]\n",
            ]),
            "curve_preferences: leaves no curve that this program can use",
        ),
        (
            "web_config_noAuth_wrongTLSVersion.bad.yml",
            server(&[IF_GIVEN, "  min_version: TLS111\n"]),
            "min_version: must be TLS10, TLS11, TLS12 or TLS13",
        ),
    ]);
}
