//! Torrents that need seeding as RSS 2.0, with the attributes of Torznab if wanted.
//!
//! Torrent clients read such feeds in different ways:
//!
//! - qBittorrent takes an enclosure only with exactly the type `application/x-bittorrent`, or a
//!   link that begins with `magnet:`. Its download rules match the title.
//! - Deluge's YaRSS2 reads enclosures only; BEP 36 allows a magnet link there.
//! - FlexGet reads all of it. autobrr and Prowlarr read the attributes of Torznab.
//!
//! A guid stays the same, so that nothing is fetched twice.

use std::fmt::{self, Write as _};

use super::items::Item;
use super::query::{FeedQuery, Format, Link};
use super::torznab;
use crate::web::escape::Xml;
use crate::web::timestamp::http_date;
use seedwatch_core::needs_seeding::Selection;
use seedwatch_core::snapshot::Family;

/// The type of enclosures that clients take for a torrent.
const TORRENT: &str = "application/x-bittorrent";

const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
     <rss version=\"2.0\" xmlns:torznab=\"http://torznab.com/schemas/2015/feed\">\n<channel>\n";

const END: &str = "</channel>\n</rss>\n";

/// Minutes between two looks at the feed. Needs change by the day.
const TTL_MINUTES: u32 = 60;

/// What a feed links to that knows no address of its pages: RSS wants a link that is absolute. It
/// names the feed (RFC 4151).
const NAME: &str = "tag:seedwatch,2026:needs-seeding";

/// Returns a feed. `root` is what links to pages begin with; without it there are none.
pub(super) fn write<'a>(
    query: &FeedQuery,
    selection: &Selection<'a>,
    items: impl Iterator<Item = Item<'a>>,
    root: Option<&str>,
) -> String {
    let mut xml = String::from(BEGIN);
    // Writing to a string does not fail.
    let _ = write_channel(&mut xml, query, selection, root);
    for item in items {
        let _ = write_item(&mut xml, query, &item, root);
    }
    xml.push_str(END);
    xml
}

fn write_channel(
    xml: &mut String,
    query: &FeedQuery,
    selection: &Selection<'_>,
    root: Option<&str>,
) -> fmt::Result {
    let of = query.collection().map(|name| format!(" of {name}"));
    let title = format!(
        "seedwatch: torrents{} that need seeding",
        of.unwrap_or_default()
    );
    writeln!(xml, "<title>{}</title>", Xml(&title))?;
    writeln!(xml, "<link>{}</link>", Xml(root.unwrap_or(NAME)))?;
    writeln!(xml, "<description>The most needed first.</description>")?;
    writeln!(xml, "<language>en</language>")?;
    writeln!(xml, "<ttl>{TTL_MINUTES}</ttl>")?;
    if let Some(latest) = selection.latest() {
        writeln!(xml, "<pubDate>{}</pubDate>", http_date(latest))?;
    }
    Ok(())
}

fn write_item(
    xml: &mut String,
    query: &FeedQuery,
    item: &Item<'_>,
    root: Option<&str>,
) -> fmt::Result {
    let url = match query.link {
        Link::Torrent => item.url(),
        Link::Magnet | Link::Page => item.magnet.clone(),
    };
    let url = Xml(&url);
    xml.push_str("<item>\n");
    writeln!(xml, "<title>{}</title>", Xml(&item.title()))?;
    match query.link {
        Link::Magnet | Link::Torrent => writeln!(xml, "<link>{url}</link>")?,
        Link::Page => {
            if let Some(root) = root {
                let page = format!("{root}{}", item.page());
                writeln!(xml, "<link>{}</link>", Xml(&page))?;
            }
        }
    }
    writeln!(xml, "<guid isPermaLink=\"false\">{}</guid>", item.urn)?;
    if let Some(since) = item.since() {
        writeln!(xml, "<pubDate>{}</pubDate>", http_date(since))?;
    }
    if let Some(collection) = item.collection() {
        writeln!(xml, "<category>{}</category>", Xml(collection))?;
    }
    writeln!(xml, "<description>{}</description>", Xml(&item.why()))?;
    // The length is that of the torrent file (BEP 36). A magnet link has none, and a file is made
    // when it is asked for.
    writeln!(
        xml,
        "<enclosure url=\"{url}\" length=\"0\" type=\"{TORRENT}\"/>"
    )?;
    if query.format == Format::Torznab {
        write_attributes(xml, item)?;
    }
    xml.push_str("</item>\n");
    Ok(())
}

/// Writes the attributes of Torznab. Unknown ones are left out.
fn write_attributes(xml: &mut String, item: &Item<'_>) -> fmt::Result {
    if let Some(size) = item.size() {
        writeln!(xml, "<size>{size}</size>")?;
    }
    let peers = Family::ALL
        .iter()
        .filter_map(|family| item.view.peers[family.index()].get());
    let peers = peers.reduce(u32::saturating_add);
    let attributes = [
        ("category", Some(torznab::CATEGORY.to_string())),
        ("infohash", Some(item.wire_hash())),
        ("magneturl", Some(item.magnet.clone())),
        ("size", item.size().map(|size| size.to_string())),
        (
            "seeders",
            item.entry.copies.map(|copies| copies.to_string()),
        ),
        ("peers", peers.map(|peers| peers.to_string())),
        ("downloadvolumefactor", Some("0".to_owned())),
        ("uploadvolumefactor", Some("1".to_owned())),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            let value = Xml(&value);
            writeln!(xml, "<torznab:attr name=\"{name}\" value=\"{value}\"/>")?;
        }
    }
    Ok(())
}
