//! What name servers say about a name.

/// The result of a fresh lookup of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameAnswer {
    /// The name has addresses.
    Resolved,
    /// A name server says that the name does not exist or has no usable address.
    Missing,
    /// No name server gives an answer.
    Failed,
}
