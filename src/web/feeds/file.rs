//! Torrent files for helpers: a magnet link alone does not bring a dead torrent back, because no
//! peer has its metadata.
//!
//! A file is a copy of the one that the configuration names, with the trackers of the repaired link
//! and without anything that may be a secret.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::web::State;
use crate::web::api;
use crate::web::links::segment;
use seedwatch_core::magnet;
use seedwatch_core::snapshot::{Privacy, Snapshot, Torrent};
use seedwatch_exporter::HttpResponse;
use seedwatch_exporter::response::text;
use seedwatch_torrent::{Hashes, Metainfo};

/// What the paths of torrent files begin with.
const FOLDER: &str = "/torrent-files/";
const EXTENSION: &str = ".torrent";

const TORRENT: HeaderValue = HeaderValue::from_static("application/x-bittorrent");
const ATTACHMENT: HeaderValue = HeaderValue::from_static("attachment");

/// Largest file that is given away, in bytes. Each is in memory while it is sent.
const MAX_SIZE: u64 = 8 << 20;

/// Returns the name of the torrent whose file stands at a path.
pub(super) fn name_at(path: &str) -> Option<String> {
    let name = path.strip_prefix(FOLDER)?.strip_suffix(EXTENSION)?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    Some(percent_decode_str(name).decode_utf8().ok()?.into_owned())
}

/// Returns the path of the file of a torrent without its first slash, if there is one.
pub(in crate::web) fn path_of(torrent: &Torrent) -> Option<String> {
    let is_public = torrent.privacy == Privacy::Public;
    torrent.file().filter(|_| is_public)?;
    let folder = FOLDER.trim_start_matches('/');
    Some(format!("{folder}{}{EXTENSION}", segment(&torrent.name)))
}

/// A copy to be made.
struct Copy {
    path: PathBuf,
    hashes: Hashes,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
}

/// Returns the file of a torrent. A torrent without a file, or whose file cannot be read, has none.
pub(super) async fn answer(state: &State, name: &str) -> HttpResponse {
    let snapshot = state.snapshot.load_full();
    let torrents = &snapshot.torrents;
    let found = torrents.binary_search_by(|torrent| (*torrent.name).cmp(name));
    let Ok(index) = found else {
        return api::error::no_torrent();
    };
    let Some(copy) = prepare(&snapshot, index) else {
        return api::error::not_found("the torrent has no torrent file");
    };
    // One file is read at a time.
    let Ok(_permit) = Arc::clone(&state.files).acquire_owned().await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Shutting down\n");
    };
    match tokio::task::spawn_blocking(move || copy.make()).await {
        Ok(Some(bytes)) => {
            let mut answer = text(StatusCode::OK, bytes);
            answer.headers_mut().insert(CONTENT_TYPE, TORRENT);
            answer.headers_mut().insert(CONTENT_DISPOSITION, ATTACHMENT);
            answer
        }
        _ => api::error::not_found("the torrent file cannot be read"),
    }
}

/// Returns what to copy for the torrent at an index of the snapshot.
fn prepare(snapshot: &Snapshot, index: usize) -> Option<Copy> {
    let view = snapshot.row(index)?;
    let path = view.torrent.file()?.to_owned();
    // Private torrents have no repaired link.
    let repaired = magnet::repaired(snapshot, view)?;
    Some(Copy {
        path,
        hashes: view.torrent.hashes.clone(),
        trackers: repaired.trackers,
        web_seeds: repaired.web_seeds,
    })
}

impl Copy {
    fn make(&self) -> Option<Vec<u8>> {
        let bytes = read(&self.path)?;
        let seeds: Vec<_> = self.web_seeds.iter().map(String::as_str).collect();
        Metainfo::public_copy(&bytes, &self.hashes, &self.trackers, &seeds).ok()
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    path.metadata().ok().filter(|found| found.is_file())?;
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_SIZE).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_one_torrent() {
        for (path, expected) in [
            ("/torrent-files/census.torrent", Some("census")),
            ("/torrent-files/a%20b%2Fc.torrent", Some("a b/c")),
            ("/torrent-files/.torrent", None),
            ("/torrent-files/a/b.torrent", None),
            ("/torrent-files/census", None),
            ("/torrent-files/%ff.torrent", None),
            ("/torrents/census.torrent", None),
        ] {
            assert_eq!(name_at(path).as_deref(), expected, "{path}");
        }
    }
}
