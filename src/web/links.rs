//! Names and addresses that pages, feeds and files share.

use std::fmt::Display;

use percent_encoding::utf8_percent_encode;

use super::lookup;
use super::route::SEGMENT;
use seedwatch_core::snapshot::Torrent;
use seedwatch_torrent::Hashes;

/// Returns a text as a segment of a path, or as a value of a query.
pub(super) fn segment(text: &str) -> impl Display {
    utf8_percent_encode(text, SEGMENT)
}

/// Returns the path of the page of a torrent without its first slash.
pub(super) fn torrent_page(torrent: &Torrent) -> String {
    format!("torrents/{}", lookup::segment(torrent))
}

/// Returns the name of a torrent among all torrents of the world. It never changes.
pub(super) fn urn(hashes: &Hashes) -> String {
    match (hashes.v1(), hashes.v2()) {
        (Some(v1), _) => format!("urn:btih:{v1}"),
        (None, Some(v2)) => format!("urn:btmh:1220{v2}"),
        (None, None) => String::new(),
    }
}
