//! Which field of an entry holds what: names found in practice, and names that the user gives.

/// What a field of an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A magnet link.
    Magnet,
    /// An info-hash of version 1 or 2.
    InfoHash,
    /// An info-hash of version 2, beside one of version 1.
    InfoHashV2,
    /// A link or an identifier, which may be a magnet link or an info-hash.
    Link,
    /// The display name.
    Name,
    /// The size of the files in bytes.
    Size,
    /// Announce URLs.
    Trackers,
    /// Whether the torrent is private (BEP 27).
    Private,
}

/// The roles that name a torrent.
pub(crate) const IDENTIFYING: [Role; 4] =
    [Role::Magnet, Role::InfoHash, Role::InfoHashV2, Role::Link];

/// The names that are recognised without `fields`, the best one first. Upper and lower case are
/// the same. `torrent_size` is not among the sizes: in `torrents.json` of Anna's Archive it is the
/// size of the `.torrent` file.
const DEFAULT_NAMES: [(Role, &[&str]); 8] = [
    (
        Role::Magnet,
        &[
            "magnet",
            "magnet_link",
            "magnetlink",
            "magneturl",
            "magnet_url",
            "magneturi",
            "magnet_uri",
        ],
    ),
    (
        Role::InfoHash,
        &[
            "infohash",
            "info_hash",
            "infohash_v1",
            "info_hash_v1",
            "btih",
            "hashstring",
            "torrent_hash",
            "hash",
        ],
    ),
    (
        Role::InfoHashV2,
        &["infohash_v2", "info_hash_v2", "infohashv2", "btmh"],
    ),
    (Role::Link, &["link", "url", "guid", "enclosure", "torrent"]),
    (
        Role::Name,
        &["name", "display_name", "title", "torrent_name"],
    ),
    (
        Role::Size,
        &[
            "size",
            "data_size",
            "total_size",
            "totalsize",
            "size_bytes",
            "sizebytes",
            "contentlength",
            "filesize",
            "length",
        ],
    ),
    (Role::Trackers, &["trackers", "tracker_list", "trackerlist"]),
    (Role::Private, &["private", "is_private", "isprivate"]),
];

impl Role {
    /// All roles, in the order of their keys in documents.
    pub const ALL: [Self; 8] = [
        Self::Magnet,
        Self::InfoHash,
        Self::InfoHashV2,
        Self::Link,
        Self::Name,
        Self::Size,
        Self::Trackers,
        Self::Private,
    ];

    /// Returns the key of the role in the configuration.
    pub const fn as_key(self) -> &'static str {
        match self {
            Self::Magnet => "magnet",
            Self::InfoHash => "infohash",
            Self::InfoHashV2 => "infohash_v2",
            Self::Link => "link",
            Self::Name => "name",
            Self::Size => "size",
            Self::Trackers => "trackers",
            Self::Private => "private",
        }
    }
}

/// A name of a field, and what the field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldName {
    /// The keys from the entry down to the value, of which nearly all names have one.
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) role: Role,
    pub(crate) rank: u8,
}

/// The names of the fields of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    names: Vec<FieldName>,
    /// The names that the user gave, as written.
    given: Vec<(Role, Box<str>)>,
}

impl Default for Fields {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Fields {
    /// Longest name of a field, in bytes.
    pub const MAX_NAME: usize = 255;

    /// Most keys in a name: `torrent.hash` has two.
    pub const MAX_KEYS: usize = 8;

    /// Creates names from those that the user gives. A role that has one has no other; the others
    /// keep the names found in practice.
    pub fn new(given: &[(Role, &str)]) -> Self {
        let mut names = Vec::new();
        for (role, name) in given {
            names.push(FieldName {
                path: name.split('.').map(Into::into).collect(),
                role: *role,
                rank: 0,
            });
            // Headers of tables have dots too.
            if name.contains('.') {
                names.push(FieldName {
                    path: [(*name).into()].into(),
                    role: *role,
                    rank: 0,
                });
            }
        }
        for (role, defaults) in DEFAULT_NAMES {
            if given.iter().any(|(given, _)| *given == role) {
                continue;
            }
            let unused = |name: &&&str| !given.iter().any(|(_, given)| given == *name);
            for (rank, name) in (0..).zip(defaults.iter().filter(unused)) {
                names.push(FieldName {
                    path: [(*name).into()].into(),
                    role,
                    rank,
                });
            }
        }
        let given = given.iter().map(|(role, name)| (*role, (*name).into()));
        Self {
            names,
            given: given.collect(),
        }
    }

    /// Returns the names that the user gave, as written.
    pub fn given(&self) -> impl Iterator<Item = (Role, &str)> {
        self.given.iter().map(|(role, name)| (*role, &**name))
    }

    /// Returns all names.
    pub(crate) fn names(&self) -> &[FieldName] {
        &self.names
    }

    /// Returns what the field of this name holds, and the rank of the name.
    pub(crate) fn role(&self, name: &str) -> Option<(Role, u8)> {
        let mut names = self.names.iter();
        let found = names.find(|known| match &*known.path {
            [only] => only.eq_ignore_ascii_case(name),
            _ => false,
        });
        found.map(|known| (known.role, known.rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_user_gives_replace_the_others_of_their_role() {
        let fields = Fields::new(&[(Role::InfoHash, "id"), (Role::Name, "hash")]);
        assert_eq!(fields.role("ID"), Some((Role::InfoHash, 0)));
        assert_eq!(fields.role("btih"), None);
        assert_eq!(fields.role("hash"), Some((Role::Name, 0)));
        assert_eq!(fields.role("title"), None);
        assert_eq!(fields.role("Size"), Some((Role::Size, 0)));
        assert_eq!(fields.role("data_size"), Some((Role::Size, 1)));
        assert_eq!(fields.role("torrent_size"), None);
        let given: Vec<_> = fields.given().collect();
        assert_eq!(given, [(Role::InfoHash, "id"), (Role::Name, "hash")]);
    }

    #[test]
    fn every_role_has_a_key_and_names() {
        for (role, names) in DEFAULT_NAMES {
            assert!(Role::ALL.contains(&role) && !role.as_key().is_empty());
            assert!(names.iter().all(|name| name.to_lowercase() == *name));
        }
    }
}
