//! What is remembered of one torrent.

use std::sync::Arc;

use super::Terms;
use super::places::{self, Systems};
use super::reach::{CountryPeers, Places};
use super::systems::Fleet;
use super::tally::Union;
use seedwatch_distinct::{Moment, Set};

/// Who was seen in the last month, and from where.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) set: Set,
    /// As last found out.
    places: Option<Arc<Places>>,
    /// Of what that was found out.
    of: Of,
    /// Its peers now by autonomous system, as counted in the fleet.
    pub(super) systems: Systems,
}

/// What places depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Of {
    print: u64,
    /// Of running time; 0 = not found out yet.
    hour: u32,
    /// Which databases.
    terms: u32,
}

impl History {
    /// As restored.
    pub(super) fn restored(set: Set, countries: Box<[CountryPeers]>) -> Self {
        let places = Places {
            countries,
            ..Places::default()
        };
        Self {
            set,
            places: Some(Arc::new(places)),
            ..Self::default()
        }
    }

    /// Takes in what was known of the same torrent under another name.
    pub(super) fn unite(&mut self, other: Self, now: Moment) {
        self.set.unite(&other.set, now);
        self.of = Of::default();
        // Countries of both are found anew where anybody is left in them; zeros of one are enough.
        self.places = self.places.take().or(other.places);
    }

    /// The torrent is gone: it counts no more in these systems.
    pub(super) fn leave(&mut self) -> Systems {
        self.of = Of::default();
        std::mem::take(&mut self.systems)
    }

    /// Countries seen lately.
    pub(super) fn countries(&self) -> &[CountryPeers] {
        self.places.as_ref().map_or(&[], |places| &places.countries)
    }

    /// No country is to be shown, not even at 0.
    pub(super) fn countries_are_over(&self) -> bool {
        self.countries().is_empty()
    }

    /// Where the peers of now are; `None` if it is not known who is there.
    pub(super) fn places(
        &mut self,
        union: Option<&Union<'_>>,
        terms: &Terms,
        now: Moment,
        fleet: &mut Fleet,
    ) -> Option<Arc<Places>> {
        let of = Of {
            print: union.map_or(0, Union::print),
            hour: now.hour(),
            terms: terms.version,
        };
        if self.of != of {
            self.of = of;
            let nobody = Union::default();
            let (places, systems) =
                places::find(union.unwrap_or(&nobody), terms, self.countries(), now);
            if systems != self.systems {
                fleet.remove(&self.systems);
                fleet.add(&systems);
                self.systems = systems;
            }
            if self.places.as_deref() != Some(&places) {
                self.places = Some(Arc::new(places));
            }
        }
        union.and(self.places.clone())
    }
}
