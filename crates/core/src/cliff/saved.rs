//! A group as bytes, for the state directory. See [`saved`](crate::saved) for the encoding of
//! values.
//!
//! ```text
//! hour | hour of the last change | samples of the hour | changes of sources | lacking lists
//! | sources n | n × (source | sum | mean before | peaks 3 × (lists | age))
//! | members n | n × (key | hours 72 | sum | samples)
//! | falls n | n × (key | since | ratio | scale | peers of others)
//! ```
//!
//! The last two samples are not saved: after a restart, two samples with all lists must come before
//! anything is judged.

use super::group::Group;
use super::hourly::{Hourly, Running, RunningMinute};
use super::member::{Fall, Member};
use super::sources::{Peak, Source, Sources};
use crate::saved::{DecodeError, append, append_array, take, take_array, take_length};

/// Most sources of one group.
const MAX_SOURCES: usize = 1 << 16;
/// Most members of one group. There are fewer than 700 countries, and 32 systems are sampled.
const MAX_MEMBERS: usize = 1 << 12;

impl Group {
    /// Appends the group to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let sources = &self.sources;
        append(&(self.now.hour, self.changed), out);
        append(&(sources.samples, sources.changes, sources.lacking), out);
        append(&sources.sources.len(), out);
        for source in &sources.sources {
            append(&(source.source, source.sum, source.before), out);
            for Peak { lists, age } in source.peaks {
                append(&(lists, age), out);
            }
        }
        append(&self.members.len(), out);
        for member in &self.members {
            append(&member.key, out);
            append_array(&member.hours.to_bytes(), out);
            append(&(member.now.sum, member.now.samples), out);
        }
        append(&self.falls.len(), out);
        for fall in &self.falls {
            let Fall {
                key,
                since,
                ratio,
                scale,
                others,
            } = *fall;
            append(&(key, since, ratio, scale, others), out);
        }
    }

    /// Decodes what [`Group::encode`] wrote.
    ///
    /// # Errors
    /// If these bytes are something else.
    pub fn decode(from: &mut &[u8]) -> Result<Self, DecodeError> {
        let (hour, changed): (u32, u32) = take(from)?;
        let (samples, changes, lacking) = take(from)?;
        let mut sources = Vec::new();
        for _ in 0..take_length(from, MAX_SOURCES)? {
            sources.push(decode_source(from)?);
        }
        let mut members = Vec::new();
        for _ in 0..take_length(from, MAX_MEMBERS)? {
            members.push(decode_member(from)?);
        }
        let mut falls = Vec::new();
        for _ in 0..take_length(from, members.len())? {
            falls.push(decode_fall(from, &members)?);
        }
        let is_sorted = sources.is_sorted_by(|a: &Source, b| a.source < b.source)
            && members.is_sorted_by(|a, b| a.key < b.key)
            && falls.iter().all(|fall: &Fall| fall.since <= hour);
        // A change in hour 0 is noted as one in hour 1.
        if !is_sorted || changed > hour.max(1) || members.is_empty() {
            return Err(DecodeError);
        }
        sources.shrink_to_fit();
        members.shrink_to_fit();
        falls.shrink_to_fit();
        Ok(Self {
            members,
            falls,
            sources: Sources {
                sources,
                samples,
                changes,
                lacking,
                ..Sources::default()
            },
            now: RunningMinute { hour, minute: 0 },
            changed,
        })
    }
}

fn decode_source(from: &mut &[u8]) -> Result<Source, DecodeError> {
    let (source, sum, before) = take(from)?;
    let mut peaks = [Peak::default(); 3];
    for peak in &mut peaks {
        let (lists, age) = take(from)?;
        *peak = Peak { lists, age };
    }
    Ok(Source {
        source,
        sum,
        before,
        peaks,
        ..Source::default()
    })
}

fn decode_member(from: &mut &[u8]) -> Result<Member, DecodeError> {
    let mut member = Member::new(take(from)?);
    member.hours = Hourly::from_bytes(take_array(from)?);
    let (sum, samples) = take(from)?;
    member.now = Running {
        sum: positive(sum)?,
        samples,
    };
    Ok(member)
}

fn decode_fall(from: &mut &[u8], members: &[Member]) -> Result<Fall, DecodeError> {
    let (key, since, ratio, scale, others): (u32, u32, f32, f32, f32) = take(from)?;
    let is_known = members.iter().any(|member| member.key == key);
    is_known.then_some(()).ok_or(DecodeError)?;
    Ok(Fall {
        key,
        since,
        ratio: positive(ratio)?,
        scale: positive(scale)?,
        others: positive(others)?,
    })
}

/// Refuses what no encoder writes: neither numbers below 0 nor what is no number.
fn positive(number: f32) -> Result<f32, DecodeError> {
    let is_sound = number.is_finite() && number >= 0.0;
    is_sound.then_some(number).ok_or(DecodeError)
}

#[cfg(test)]
mod tests {
    use super::super::{Cliffs, LIST, SourceLists};
    use super::*;

    #[test]
    fn damaged_bytes_are_refused_and_whole_ones_give_the_same_group() {
        let mut cliffs = Cliffs::default();
        let sources = SourceLists {
            lists: &[(1, LIST), (2, LIST)],
            tolerance: 100,
        };
        for hour in 1..30 {
            for minute in [0, 30] {
                let at = RunningMinute { hour, minute };
                let peers = [(1, if hour < 28 { 400 } else { 20 }), (2, 700)];
                cliffs.sample((), at, sources, 0, peers.into_iter());
            }
        }
        assert_eq!(cliffs.of(&()).count(), 1, "a fall");
        let (_, group) = cliffs.iter().next().unwrap();
        let mut bytes = Vec::new();
        group.encode(&mut bytes);
        let decoded = Group::decode(&mut &bytes[..]).unwrap();
        let mut again = Vec::new();
        decoded.encode(&mut again);
        assert_eq!(bytes, again);
        assert_eq!(decoded.falls, group.falls);
        for length in 0..bytes.len() {
            assert!(Group::decode(&mut &bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            // Some damage changes a number only. None makes the decoder fail in another way.
            let _ = Group::decode(&mut &damaged[..]);
        }
    }

    #[test]
    fn a_group_that_changed_in_its_first_hour_is_read_again() {
        let mut cliffs = Cliffs::default();
        let at = RunningMinute { hour: 0, minute: 0 };
        let sources = SourceLists {
            lists: &[(1, LIST)],
            tolerance: 100,
        };
        cliffs.sample((), at, sources, 0, [(1, 400)].into_iter());
        let (_, group) = cliffs.iter().next().unwrap();
        let mut bytes = Vec::new();
        group.encode(&mut bytes);
        let mut group = Group::decode(&mut &bytes[..]).unwrap();
        group.mark_changed_since();
        bytes.clear();
        group.encode(&mut bytes);
        assert!(Group::decode(&mut &bytes[..]).is_ok());
    }
}
