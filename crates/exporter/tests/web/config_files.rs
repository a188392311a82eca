//! Web configuration files: what is read, and what is refused in which words.

use std::path::Path;
use std::process::Command;

use seedwatch_dev_web::Directory;
use seedwatch_exporter::WebConfig;

/// Has the form of a hash, which is all that is checked when the file is read.
const HASH: &str = "$2y$04$3p4n7HxwVKF4w3e3xuUX.eVJrGk1QpQ3PHrqR1TNrv9hkZcWt9wUG";

const GOOD: [&str; 7] = [
    "",
    "# nothing\n",
    "basic_auth_users: {}\n",
    "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    \
     Content-Security-Policy: default-src 'self'\n",
    "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n",
    "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n  \
     client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: web.crt\n  \
     min_version: TLS12\n  max_version: TLS13\n  prefer_server_cipher_suites: true\n",
    "basic_auth_users:\n  alice: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n  \
     bob: $2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW\n",
];

#[test]
fn good_files_are_good_for_promtool_too() {
    seedwatch_dev_programs::skip_without!(["promtool"]);
    for content in GOOD {
        let directory = Directory::new(content);
        assert!(directory.load().is_ok(), "{content}{:?}", directory.load());
        let checked = Command::new("promtool")
            .args(["check", "web-config"])
            .arg(directory.path("web.yaml"))
            .output()
            .expect("promtool is missing: apt-get install prometheus");
        assert!(checked.status.success(), "{content}{checked:?}");
    }
}

/// Checks that each of these files is refused with this message.
fn assert_refused(files: &[(&str, &str)]) {
    for (content, message) in files {
        let directory = Directory::new(content);
        assert_eq!(
            directory.load().map(drop),
            Err((*message).to_owned()),
            "{content}"
        );
    }
}

#[test]
fn bad_yaml_and_sections_say_what_is_wrong_and_where() {
    assert_refused(&[
        (
            "tls_config: {}\n",
            "web.yaml:1: tls_config: unknown key; known here: \
             tls_server_config, http_server_config, basic_auth_users, rate_limit",
        ),
        (
            "tls_server_config: {\n",
            "web.yaml:1: not valid YAML: unclosed bracket '{'",
        ),
    ]);
}

#[test]
fn bad_certificates_and_keys_say_what_is_wrong_and_where() {
    assert_refused(&[
        (
            "tls_server_config:\n  cert_file: web.crt\n",
            "web.yaml:2: tls_server_config.key_file: is missing",
        ),
        (
            "tls_server_config:\n  cert_file: ''\n  key_file: web.key\n",
            "web.yaml:2: tls_server_config.cert_file: is missing",
        ),
        (
            "tls_server_config:\n  cert_file: none.crt\n  key_file: web.key\n",
            "web.yaml:2: tls_server_config.cert_file: none.crt cannot be read: \
             No such file or directory (os error 2)",
        ),
        (
            "tls_server_config:\n  cert_file: web.key\n  key_file: web.key\n",
            "web.yaml:2: tls_server_config.cert_file: web.key has no PEM certificate",
        ),
        (
            "tls_server_config:\n  cert_file: web.crt\n  key_file: web.crt\n",
            "web.yaml:3: tls_server_config.key_file: web.crt has no PEM private key",
        ),
        (
            "tls_server_config:\n  cert_file: web.crt\n\n  key_file: other.key\n",
            "web.yaml:4: tls_server_config.key_file: does not go with the certificate: \
             keys may not be consistent: KeyMismatch",
        ),
        (
            "tls_server_config:\n  cert_file: web.crt\n  key_file: [web.key]\n",
            "web.yaml:3: tls_server_config.key_file: must be a single value",
        ),
    ]);
}

#[test]
fn bad_tls_settings_say_what_is_wrong_and_where() {
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    assert_refused(&[
        (
            &format!("{tls}  cipher_suite: []\n"),
            "web.yaml:4: tls_server_config.cipher_suite: unknown key; known here: cert, key, \
             client_ca, cert_file, key_file, client_auth_type, client_ca_file, \
             client_allowed_sans, min_version, max_version, cipher_suites, \
             prefer_server_cipher_suites, curve_preferences",
        ),
        (
            &format!("{tls}  min_version: '1.2'\n"),
            "web.yaml:4: tls_server_config.min_version: must be TLS10, TLS11, TLS12 or TLS13",
        ),
        (
            &format!("{tls}  max_version: TLS11\n"),
            "web.yaml:4: tls_server_config.max_version: leaves neither TLS 1.2 nor TLS 1.3",
        ),
        (
            &format!("{tls}  client_auth_type: Always\n"),
            "web.yaml:4: tls_server_config.client_auth_type: must be NoClientCert, \
             RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or \
             RequireAndVerifyClientCert",
        ),
        (
            &format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n"),
            "web.yaml:4: tls_server_config.client_ca_file: is missing: \
             without it no client could connect",
        ),
        (
            &format!("{tls}  client_ca_file: web.crt\n"),
            "web.yaml:4: tls_server_config.client_ca_file: is of no use without a client_auth_type",
        ),
        (
            &format!(
                "{tls}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: web.key\n"
            ),
            "web.yaml:5: tls_server_config.client_ca_file: web.key has no PEM certificate",
        ),
    ]);
}

#[test]
fn bad_headers_say_what_is_wrong_and_where() {
    assert_refused(&[
        (
            "http_server_config:\n  http2: yes\n",
            "web.yaml:2: http_server_config.http2: must be true or false",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "web.yaml:3: http_server_config.headers: only these can be set: \
             Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, \
             X-Frame-Options, X-XSS-Protection",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
            "web.yaml:3: http_server_config.headers: X-Frame-Options must be deny or sameorigin",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: \"1\\n0\"\n",
            "web.yaml:3: http_server_config.headers: \
             X-XSS-Protection must be one line of printable text",
        ),
    ]);
}

#[test]
fn bad_users_say_what_is_wrong_and_where() {
    assert_refused(&[
        (
            "basic_auth_users:\n  alice: secret\n",
            "web.yaml:2: basic_auth_users: the password of entry 1 must be a bcrypt hash ($2y$…)",
        ),
        (
            &format!("basic_auth_users: {{zoe: {HASH}, alice: secret}}\n"),
            "web.yaml:1: basic_auth_users: the password of entry 2 must be a bcrypt hash ($2y$…)",
        ),
        (
            &format!(
                "basic_auth_users:\n  alice: {}\n",
                HASH.replace("$04$", "$19$")
            ),
            "web.yaml:2: basic_auth_users: the password of entry 1 must not have a cost above 18",
        ),
        (
            &format!("basic_auth_users:\n  \"a:b\": {HASH}\n"),
            "web.yaml:2: basic_auth_users: the name of entry 1 must not be empty or contain a \
             colon",
        ),
        (
            &format!("basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n"),
            "web.yaml:3: basic_auth_users.a: the key is there twice",
        ),
        (
            "basic_auth_users: [alice]\n",
            "web.yaml:1: basic_auth_users: must be a mapping of keys to values",
        ),
    ]);
}

#[test]
fn tls_settings_that_cannot_work_are_refused() {
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    let verify = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: web.crt\n";
    assert_refused(&[
        (
            "tls_server_config:\n  min_version: TLS13\n",
            "web.yaml:2: tls_server_config.cert_file: is missing\n\
             web.yaml:2: tls_server_config.key_file: is missing",
        ),
        (
            &format!("{tls}  cert: text\n"),
            "web.yaml:4: tls_server_config.cert: cannot stand beside cert_file",
        ),
        (
            &format!("{tls}  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
            "web.yaml:5: tls_server_config.cipher_suites: leaves no cipher suite that TLS 1.2 or \
             later and this program can use",
        ),
        (
            &format!(
                "{tls}  max_version: TLS12\n  cipher_suites:\n  \
                 - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
            ),
            "web.yaml:6: tls_server_config.cipher_suites: leaves no cipher suite for this kind of \
             private key",
        ),
        (
            &format!("{tls}{verify}  client_allowed_sans: []\n"),
            "web.yaml:6: tls_server_config.client_allowed_sans: lists no name: no client with a \
             certificate could connect",
        ),
        (
            &format!("{tls}  client_allowed_sans: [a]\n"),
            "web.yaml:4: tls_server_config.client_allowed_sans: is of no use without a \
             client_auth_type",
        ),
        (
            &format!("{tls}{verify}  client_allowed_sans: ['']\n"),
            "web.yaml:6: tls_server_config.client_allowed_sans: an entry is empty",
        ),
        (
            &format!("{tls}  client_auth_type: RequestClientCert\n  client_ca_file: none.crt\n"),
            "web.yaml:5: tls_server_config.client_ca_file: none.crt cannot be read: \
             No such file or directory (os error 2)",
        ),
    ]);
}

#[test]
fn rate_limits_that_cannot_work_are_refused() {
    assert_refused(&[
        (
            "rate_limit: {interval: 1s}\n",
            "web.yaml:1: rate_limit.burst: must be at least 1: with 0, every request would be \
             refused",
        ),
        (
            "rate_limit: {burst: 5}\n",
            "web.yaml:1: rate_limit.interval: is missing",
        ),
        (
            "rate_limit: {interval: soon, burst: 5}\n",
            "web.yaml:1: rate_limit.interval: must be a duration such as 500ms, 1s or 1m30s",
        ),
        (
            "rate_limit: {interval: 1s, burst: -5}\n",
            "web.yaml:1: rate_limit.burst: must be a whole number",
        ),
    ]);
}

#[test]
fn every_section_is_checked_in_one_run() {
    let directory = Directory::new(
        "tls_server_config:\n  cert_file: web.crt\n  min_version: TLS1\n  \
         curve_preferences: [none]\nhttp_server_config:\n  headers: {Server: x}\n\
         basic_auth_users: {alice: secret}\nrate_limit: {burst: x}\n",
    );
    let faults = directory.load().map(drop).unwrap_err();
    let keys = faults.lines().map(|line| line.split(": ").nth(1).unwrap());
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [
            "tls_server_config.key_file",
            "tls_server_config.min_version",
            "tls_server_config.curve_preferences",
            "http_server_config.headers",
            "basic_auth_users",
            "rate_limit.interval",
            "rate_limit.burst",
        ]
    );
}

#[test]
fn an_error_of_one_kind_hides_none_of_another() {
    let directory = Directory::new(
        "tls_server_config:\n  cert_file: none.crt\n  key_file: web.crt\n  \
         client_ca_file: none.pem\n  client_auth_type: RequestClientCert\n  min_versio: TLS12\n  \
         cipher_suites: [A, TLS_AES_128_GCM_SHA256, B]\n  curve_preferences: [C, D]\n\
         http_server_config:\n  http2: maybe\nbasic_auth_user: {a: b}\n\
         rate_limit: {interval: [1s], burst: 1}\n",
    );
    let faults = directory.load().map(drop).unwrap_err();
    let locations = faults.lines().map(|line| {
        let (location, message) = line.split_once(": ").unwrap();
        (location, message.split(": ").next().unwrap())
    });
    assert_eq!(
        locations.collect::<Vec<_>>(),
        [
            ("web.yaml:2", "tls_server_config.cert_file"),
            ("web.yaml:3", "tls_server_config.key_file"),
            ("web.yaml:4", "tls_server_config.client_ca_file"),
            ("web.yaml:6", "tls_server_config.min_versio"),
            ("web.yaml:7", "tls_server_config.cipher_suites"),
            ("web.yaml:7", "tls_server_config.cipher_suites"),
            ("web.yaml:8", "tls_server_config.curve_preferences"),
            ("web.yaml:8", "tls_server_config.curve_preferences"),
            ("web.yaml:10", "http_server_config.http2"),
            ("web.yaml:11", "basic_auth_user"),
            ("web.yaml:12", "rate_limit.interval"),
        ]
    );
}

#[test]
fn empty_sections_ask_for_nothing() {
    for content in [
        "tls_server_config:\n",
        "tls_server_config: {}\n",
        "tls_server_config:\n  cert_file:\n  key_file:\n",
        "http_server_config:\n",
        "http_server_config: {}\n",
        "http_server_config:\n  headers:\n",
        "http_server_config:\n  headers: {X-Frame-Options: '', X-XSS-Protection: }\n",
        "basic_auth_users:\n",
        "rate_limit:\n",
        "rate_limit: {}\n",
        "rate_limit: {interval: 0s}\n",
    ] {
        let directory = Directory::new(content);
        assert_eq!(directory.load().map(drop), Ok(()), "{content}");
    }
    let empty_lists = "  client_allowed_sans:\n  cipher_suites: []\n  curve_preferences: []\n";
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    let directory = Directory::new(&format!("{tls}{empty_lists}"));
    assert_eq!(directory.load().map(drop), Ok(()));
}

#[test]
fn a_missing_file_is_named() {
    let fault = WebConfig::load(Path::new("/nonexistent/web.yaml")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "/nonexistent/web.yaml: cannot be read: No such file or directory (os error 2)"
    );
}
