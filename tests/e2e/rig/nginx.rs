//! nginx, which serves the files of a folder.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::process::Process;
use super::{address, certificate, http};

/// A running nginx.
pub(crate) struct Nginx {
    _process: Process,
    folder: TempDir,
    address: SocketAddr,
    tls: SocketAddr,
}

impl Nginx {
    /// Starts nginx on an address of its own.
    pub(crate) fn start() -> Self {
        Self::start_at(address::host().into())
    }

    /// Starts nginx on this address. Under `/` are the files of [`Nginx::root`]; `locations` in
    /// the configuration below say what else there is.
    pub(crate) fn start_at(host: IpAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::new(host, address::free_port(host));
        let tls = loop {
            let tls = SocketAddr::new(host, address::free_port(host));
            if tls != address {
                break tls;
            }
        };
        fs::create_dir(folder.path().join("root")).unwrap();
        let (certificate, key) = certificate::self_signed_pem();
        fs::write(folder.path().join("cert.pem"), certificate).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        let text = CONFIG
            .replace("FOLDER", folder.path().to_str().unwrap())
            .replace("ADDRESS", &address.to_string())
            .replace("TLS", &tls.to_string());
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text).unwrap();
        let process = Self::run(&path, address);
        Self {
            _process: process,
            folder,
            address,
            tls,
        }
    }

    fn run(path: &Path, address: SocketAddr) -> Process {
        let error_log = path.with_file_name("error.log");
        let mut process = Process::start(
            "nginx",
            &[
                "nginx",
                "-e",
                error_log.to_str().unwrap(),
                "-c",
                path.to_str().unwrap(),
            ],
        );
        process.wait_until_ready("answers", || {
            http::request(address, "GET", "/ready", &[]).ok().map(drop)
        });
        process
    }

    /// Returns the folder of the files.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Writes a file, as publishers do: a new one takes the place of the old one.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.root().join(name)).unwrap();
    }

    /// Returns the URL of a file.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Returns the URL of a file over TLS, with a certificate that no authority signed.
    pub(crate) fn https_url(&self, name: &str) -> String {
        format!("https://{}/{name}", self.tls)
    }

    /// Returns how often a file was asked for with this status.
    pub(crate) fn requests(&self, name: &str, status: u16) -> usize {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        let line = format!("/{name} {status}");
        log.lines().filter(|known| **known == *line).count()
    }
}

/// `/private` leads into private space, `/metadata` to a cloud metadata service, `/slow/` is slow,
/// and everything fails while the file `fail` exists.
const CONFIG: &str = "\
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 256; }
http {
  log_format short '$uri $status';
  access_log FOLDER/access.log short;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  types { text/html html; text/csv csv; application/json json; application/rss+xml rss; }
  default_type text/plain;
  root FOLDER/root;
  server {
    listen ADDRESS;
    if (-f FOLDER/root/fail) { return 500; }
    location = /private { return 302 http://127.0.0.1:9/list; }
    location = /metadata { return 302 http://169.254.169.254/latest/meta-data/; }
    location = /loop { return 302 /loop; }
    location /slow/ { limit_rate 100; alias FOLDER/root/; }
  }
  server {
    listen TLS ssl;
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
  }
}
";
