//! A generational arena: the key of a removed value never leads to another value.

/// Identifies a value in an [`Arena`]. A key may outlive its value: a reused slot has another
/// generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

/// Values in slots. The slot freed last is used first, so that busy slots stay in the CPU cache.
#[derive(Debug)]
pub(super) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Arena<T> {
    /// Adds a value.
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = Some(value);
            return Key {
                index,
                generation: slot.generation,
            };
        }
        // Fewer than 2³² values live at once, because the callers bound them.
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Key {
            index,
            generation: 0,
        }
    }

    /// Returns the value unless it was removed.
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.slots
            .get(key.index as usize)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_ref()
    }

    /// Returns the value unless it was removed.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.generation == key.generation)?
            .value
            .as_mut()
    }

    /// Drops the value unless it was removed.
    pub(super) fn remove(&mut self, key: Key) {
        let slot = self.slots.get_mut(key.index as usize);
        if let Some(slot) = slot.filter(|slot| slot.generation == key.generation)
            && slot.value.is_some()
        {
            slot.value = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(key.index);
        }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns the keys of all values.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.value.is_some())
            .map(|(index, slot)| Key {
                index: index as u32,
                generation: slot.generation,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_invalid_after_its_value_is_removed() {
        let mut arena = Arena::default();
        let first = arena.insert("first");
        arena.remove(first);
        let second = arena.insert("second");
        assert_eq!(second.index, first.index, "the slot is reused");
        assert_eq!(arena.get(first), None);
        arena.remove(first);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len(), 1);
        assert_eq!(arena.keys().collect::<Vec<_>>(), [second]);
    }
}
