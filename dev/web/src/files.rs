//! A directory with certificates and a web configuration.

use std::path::PathBuf;

use seedwatch_exporter::WebConfig;
use tempfile::TempDir;

/// A directory with a web configuration `web.yaml`, the certificate `web.crt`, its key `web.key`
/// and an unrelated key `other.key`.
pub struct Directory(TempDir);

impl Directory {
    /// Creates the directory.
    pub fn new(web_config: &str) -> Self {
        let directory = Self(TempDir::new().unwrap());
        let own = Certified::new();
        directory.write("web.crt", &own.certificate);
        directory.write("web.key", &own.key);
        directory.write("other.key", &Certified::new().key);
        directory.write("web.yaml", web_config);
        directory
    }

    /// Replaces a file as a careful administrator does: in one step.
    pub fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// Returns the path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Loads the web configuration. Errors are without the name of the directory.
    ///
    /// # Errors
    /// Returns the faults as text.
    pub fn load(&self) -> Result<WebConfig, String> {
        WebConfig::load(&self.path("web.yaml")).map_err(|fault| {
            let directory = self.0.path().display().to_string() + "/";
            fault.to_string().replace(&directory, "")
        })
    }
}

/// A certificate for 127.0.0.1, signed by itself.
pub struct Certified {
    /// The certificate as PEM.
    pub certificate: String,
    /// Its private key as PEM.
    pub key: String,
}

impl Default for Certified {
    fn default() -> Self {
        Self::new()
    }
}

impl Certified {
    /// Creates a certificate.
    #[must_use]
    pub fn new() -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let pair = rcgen::generate_simple_self_signed(names).unwrap();
        Self {
            certificate: pair.cert.pem(),
            key: pair.signing_key.serialize_pem(),
        }
    }
}
