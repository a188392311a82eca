//! One fetch of a URL, or one read of a file.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::{List, ListSource};
use seedwatch_input::file;
use seedwatch_lists::{
    ListFailure, ListFormat, ListUrl, MAX_BYTES, ParsedList, Validators, explain, parse,
};
use seedwatch_probers::http::{Download, DownloadError, Downloader, ListBody, unpack};

/// Longest time that a file system may take to say whether a file changed.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Lists that are read at once. Reading takes time, and several times the memory of the list.
static READING: Semaphore = Semaphore::const_new(2);

/// What tells whether a file changed: when it was changed, its size, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

/// A fetch that is due.
pub(super) struct FetchRequest {
    pub(super) list: Arc<List>,
    /// Those of the last good copy, if it is of the same source.
    pub(super) validators: Validators,
    /// The file that was read last, unless it must be read again.
    pub(super) stamp: Option<FileStamp>,
    pub(super) downloader: Downloader,
}

/// The outcome of a fetch.
pub(super) struct Outcome {
    pub(super) result: Result<Content, DownloadError>,
    /// The file that was read.
    pub(super) stamp: Option<FileStamp>,
}

/// What a fetch yielded.
pub(super) enum Content {
    /// The server says that nothing changed, or the file is the same.
    Unchanged,
    /// A list, with the validators of the answer.
    List(ParsedList, Validators),
}

impl Outcome {
    /// Returns the outcome of a fetch that panicked.
    pub(super) fn panicked() -> Self {
        Self {
            result: Err(ListFailure::NotAList.into()),
            stamp: None,
        }
    }
}

impl FetchRequest {
    /// Fetches the list.
    pub(super) async fn run(self) -> Outcome {
        let format = self.list.format.clone();
        match &self.list.source {
            ListSource::Url(url) => Outcome {
                result: fetch(&self.downloader, url, &self.validators, format).await,
                stamp: None,
            },
            ListSource::File(path) => {
                let (path, stamp) = (path.clone(), self.stamp);
                let _turn = READING.acquire().await;
                let reading = spawn_blocking(move || read_file(path, stamp, &format));
                reading.await.unwrap_or_else(|_| Outcome::panicked())
            }
        }
    }
}

async fn fetch(
    downloader: &Downloader,
    url: &ListUrl,
    validators: &Validators,
    format: ListFormat,
) -> Result<Content, DownloadError> {
    let body = match downloader.fetch(url, validators).await? {
        Download::Unchanged => return Ok(Content::Unchanged),
        Download::Body(body) => body,
    };
    let ListBody {
        bytes,
        charset,
        validators,
        memory,
    } = body;
    let _turn = READING.acquire().await;
    let reading = spawn_blocking(move || {
        let bytes = unpack(bytes)?;
        let list = read(&bytes, &format, charset.as_deref());
        drop(memory);
        list
    });
    let list = reading.await.unwrap_or(Err(ListFailure::NotAList.into()))?;
    Ok(Content::List(list, validators))
}

/// Reads a list. The error says what exactly is wrong with it.
fn read(
    bytes: &[u8],
    format: &ListFormat,
    charset: Option<&str>,
) -> Result<ParsedList, DownloadError> {
    parse(bytes, format, charset).map_err(|failure| {
        let detail = explain(bytes, format, charset, failure);
        DownloadError {
            detail: detail.unwrap_or_else(|| failure.to_string()),
            ..failure.into()
        }
    })
}

/// Reads a file if it is another one than `known`.
fn read_file(path: PathBuf, known: Option<FileStamp>, format: &ListFormat) -> Outcome {
    let stamp = match stamp(&path) {
        Ok(stamp) => stamp,
        Err(error) => {
            return Outcome {
                result: Err(unreadable(&error)),
                stamp: None,
            };
        }
    };
    if known == Some(stamp) {
        return Outcome {
            result: Ok(Content::Unchanged),
            stamp: Some(stamp),
        };
    }
    let bytes = file::read(&path, MAX_BYTES as u64).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => ListFailure::TooLarge.into(),
        _ => unreadable(&error),
    });
    // A file that changed while it was read is read again.
    let is_same = self::stamp(&path).is_ok_and(|now| now == stamp);
    let list = bytes.and_then(|bytes| read(&unpack(bytes)?, format, None));
    Outcome {
        result: list.map(|list| Content::List(list, Validators::default())),
        stamp: is_same.then_some(stamp),
    }
}

fn stamp(path: &Path) -> std::io::Result<FileStamp> {
    let path = path.to_owned();
    let metadata = file::within("list", METADATA_TIMEOUT, move || path.metadata())??;
    Ok(FileStamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        size: metadata.size(),
        inode: metadata.ino(),
    })
}

fn unreadable(error: &std::io::Error) -> DownloadError {
    DownloadError {
        failure: ListFailure::Unreadable,
        detail: error.to_string(),
        retry_after: None,
    }
}
