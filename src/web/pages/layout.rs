//! What stands around every page: title, navigation, search and footer.

use super::value::Name;
use crate::metrics::VERSION;
use crate::web::timestamp::Timestamp;
use seedwatch_core::snapshot::{Credit, Snapshot};
use seedwatch_exporter::ExternalUrl;

/// What pages say about the server itself.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Site {
    /// The path of the exposition.
    pub(in crate::web) metrics: String,
    /// The address of the daemon for people, if it is configured.
    pub(in crate::web) external_url: Option<ExternalUrl>,
    /// Whether strangers may read the pages, so that they do not lead to what is not for them.
    pub(in crate::web) is_public: bool,
}

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Todo,
    Torrents,
    Collections,
    Trackers,
    Countries,
    Events,
    About,
}

impl Section {
    const ALL: [Self; 7] = [
        Self::Todo,
        Self::Torrents,
        Self::Collections,
        Self::Trackers,
        Self::Countries,
        Self::Events,
        Self::About,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Todo => "To do",
            Self::Torrents => "Torrents",
            Self::Collections => "Collections",
            Self::Trackers => "Trackers",
            Self::Countries => "Countries",
            Self::Events => "Events",
            Self::About => "About",
        }
    }

    /// Returns the path of the page without its first slash.
    const fn path(self) -> &'static str {
        match self {
            Self::Todo => "",
            Self::Torrents => "torrents",
            Self::Collections => "collections",
            Self::Trackers => "trackers",
            Self::Countries => "countries",
            Self::Events => "events",
            Self::About => "about",
        }
    }
}

/// The address of a page: relative links lead from it to others, and work behind a proxy that adds
/// a path prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'a> {
    section: Section,
    /// The last segment below the section, as it is: not percent-encoded.
    name: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Returns the address of a page of the navigation.
    pub(super) const fn of(section: Section) -> Self {
        Self {
            section,
            name: None,
        }
    }

    /// Returns the address of a page below one of the navigation.
    pub(super) const fn below(section: Section, name: &'a str) -> Self {
        Self {
            section,
            name: Some(name),
        }
    }

    /// Returns the link from here to `/`.
    pub(super) const fn root(self) -> &'static str {
        match self.name {
            None => "./",
            Some(_) => "../",
        }
    }

    fn path(self) -> String {
        match self.name {
            None => self.section.path().to_owned(),
            Some(name) => format!("{}/{}", self.section.path(), Name(name).segment()),
        }
    }
}

/// What `layout.html` shows.
pub(super) struct Layout<'a> {
    /// The title of the page.
    pub(super) title: String,
    /// The link to `/`.
    pub(super) root: &'static str,
    section: Section,
    /// Whether the page is the one that the navigation names, not one below it.
    is_section: bool,
    /// The address of the page for people, if it is known.
    pub(super) canonical: Option<String>,
    /// The text that was searched for.
    pub(super) search: &'a str,
    /// `None` before the first snapshot.
    pub(super) taken: Option<Timestamp>,
    /// The path of the exposition without its first slash; `None` if it is not for everybody.
    pub(super) metrics: Option<&'a str>,
    /// The attribution that the table of countries asks for.
    pub(super) credit: Option<Credit>,
    pub(super) version: &'static str,
}

/// A link of the navigation.
pub(super) struct Link {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// The value of `aria-current`, if the page is the current one or the current one is below it.
    pub(super) current: Option<&'static str>,
}

impl<'a> Layout<'a> {
    /// Returns the frame of a page.
    pub(super) fn of(
        snapshot: &Snapshot,
        site: &'a Site,
        address: Address<'_>,
        title: impl Into<String>,
    ) -> Self {
        let canonical = site.external_url.as_ref();
        Self {
            title: title.into(),
            root: address.root(),
            section: address.section,
            is_section: address.name.is_none(),
            canonical: canonical.map(|url| format!("{url}/{}", address.path())),
            search: "",
            taken: (snapshot.taken.0 > 0).then_some(Timestamp(snapshot.taken)),
            metrics: (!site.is_public).then(|| site.metrics.trim_start_matches('/')),
            credit: snapshot.geo.credit,
            version: VERSION,
        }
    }

    /// Returns the links of the navigation.
    pub(super) fn links(&self) -> impl Iterator<Item = Link> + use<> {
        let (current, is_section) = (self.section, self.is_section);
        Section::ALL.into_iter().map(move |section| Link {
            path: section.path(),
            name: section.name(),
            current: (section == current).then_some(if is_section { "page" } else { "true" }),
        })
    }
}
