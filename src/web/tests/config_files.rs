//! Web configuration files: what is read, what is refused and in which words.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::web::WebConfig;

/// A directory with a certificate, its key, the key of another one, and a web configuration.
pub(super) struct Directory(TempDir);

impl Directory {
    pub(super) fn new(web_config: &str) -> Self {
        let directory = Self(TempDir::new().unwrap());
        let own = Certified::new();
        directory.write("web.crt", &own.certificate);
        directory.write("web.key", &own.key);
        directory.write("other.key", &Certified::new().key);
        directory.write("web.yaml", web_config);
        directory
    }

    /// Replaces a file as a careful administrator does: in one step.
    pub(super) fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn load(&self) -> Result<WebConfig, String> {
        WebConfig::load(&self.path("web.yaml")).map_err(|fault| {
            let directory = self.0.path().display().to_string() + "/";
            fault.to_string().replace(&directory, "")
        })
    }
}

/// A certificate for 127.0.0.1, signed by itself.
pub(super) struct Certified {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Certified {
    pub(super) fn new() -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let pair = rcgen::generate_simple_self_signed(names).unwrap();
        Self {
            certificate: pair.cert.pem(),
            key: pair.signing_key.serialize_pem(),
        }
    }
}

/// Has the form of a hash, which is all that is checked when the file is read.
pub(super) const HASH: &str = "$2y$04$3p4n7HxwVKF4w3e3xuUX.eVJrGk1QpQ3PHrqR1TNrv9hkZcWt9wUG";

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

#[test]
fn bad_files_say_what_is_wrong_and_where() {
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    for (content, message) in [
        (
            "tls_config: {}\n",
            "web.yaml:1: tls_config: unknown key; known here: \
             tls_server_config, http_server_config, basic_auth_users",
        ),
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
        (
            &format!("{tls}  cipher_suites: []\n"),
            "web.yaml:4: tls_server_config.cipher_suites: unknown key; known here: cert_file, \
             key_file, client_auth_type, client_ca_file, min_version, max_version, \
             prefer_server_cipher_suites",
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
            "web.yaml:4: tls_server_config.client_ca_file: is missing",
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
        (
            "basic_auth_users:\n  alice: secret\n",
            "web.yaml:2: basic_auth_users: a password must be a bcrypt hash ($2y$…)",
        ),
        (
            &format!(
                "basic_auth_users:\n  alice: {}\n",
                HASH.replace("$04$", "$17$")
            ),
            "web.yaml:2: basic_auth_users: the cost of a password must not exceed 16",
        ),
        (
            &format!("basic_auth_users:\n  \"a:b\": {HASH}\n"),
            "web.yaml:2: basic_auth_users: a name must not be empty or contain a colon",
        ),
        (
            &format!("basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n"),
            "web.yaml:3: basic_auth_users.a: the key is there twice",
        ),
        (
            "basic_auth_users: [alice]\n",
            "web.yaml:1: basic_auth_users: must be a mapping of keys to values",
        ),
        (
            "tls_server_config: {\n",
            "web.yaml:1: not valid YAML: unclosed bracket '{'",
        ),
    ] {
        let directory = Directory::new(content);
        assert_eq!(
            directory.load().map(drop),
            Err(message.to_owned()),
            "{content}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let fault = WebConfig::load(Path::new("/nonexistent/web.yaml")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "/nonexistent/web.yaml: cannot be read: No such file or directory (os error 2)"
    );
}
