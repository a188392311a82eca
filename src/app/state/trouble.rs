//! One line when saving begins to fail, one when it fails otherwise, one when it works again.

use std::io::ErrorKind;

use tracing::{info, warn};

use crate::store::StoreError;

/// What is wrong, as far as it was said.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Option<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// What the system says.
    System(ErrorKind),
    InUse,
    OtherKey,
    Bad,
}

impl Trouble {
    /// Saving failed.
    pub(super) fn is(&mut self, error: &StoreError) {
        if self.is_news(error) {
            warn!(%error, "the state is not saved");
        }
    }

    /// Saving worked.
    pub(super) fn is_over(&mut self) {
        if self.said.take().is_some() {
            info!("the state is saved again");
        }
    }

    /// Which file it was is no news: it changes with every round where the disk is full.
    fn is_news(&mut self, error: &StoreError) -> bool {
        let condition = Some(match error {
            StoreError::Folder { source, .. } | StoreError::Save { source, .. } => {
                Condition::System(source.kind())
            }
            StoreError::InUse { .. } => Condition::InUse,
            StoreError::OtherKey { .. } => Condition::OtherKey,
            StoreError::Bad { .. } => Condition::Bad,
        });
        std::mem::replace(&mut self.said, condition) != condition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(path: &str, kind: ErrorKind) -> StoreError {
        StoreError::Save {
            path: path.into(),
            source: kind.into(),
        }
    }

    #[test]
    fn each_condition_is_said_once() {
        let mut trouble = Trouble::default();
        assert!(trouble.is_news(&save("a", ErrorKind::StorageFull)));
        assert!(!trouble.is_news(&save("b", ErrorKind::StorageFull)));
        assert!(!trouble.is_news(&StoreError::Folder {
            path: "a".into(),
            source: ErrorKind::StorageFull.into(),
        }));
        assert!(trouble.is_news(&save("b", ErrorKind::PermissionDenied)));
        assert!(trouble.is_news(&StoreError::OtherKey { path: "a".into() }));
        trouble.is_over();
        assert!(trouble.is_news(&StoreError::OtherKey { path: "a".into() }));
    }
}
