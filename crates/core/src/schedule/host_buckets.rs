//! The rate limits of all tracker hosts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::{Index, IndexMut};

use super::host_bucket::HostBucket;

/// Most tracker addresses remembered.
const MAX_ADDRESSES: usize = 65_536;

/// Index of a bucket. It is stable: buckets are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketId(usize);

impl BucketId {
    /// Returns the index as a number, to spread hosts over time.
    pub(super) fn number(self) -> u64 {
        self.0 as u64
    }
}

/// One token bucket per host. Hosts with one address are one operator's, and share one bucket.
#[derive(Debug, Default)]
pub(super) struct HostBuckets {
    buckets: Vec<HostBucket>,
    by_host: HashMap<Box<str>, BucketId>,
    by_address: HashMap<IpAddr, BucketId>,
}

impl HostBuckets {
    /// Changes the rate of all hosts, in requests per second.
    pub(super) fn set_rate(&mut self, rate: f64) {
        for bucket in &mut self.buckets {
            bucket.set_rate(rate);
        }
    }

    /// Returns the bucket of a host; a new one gains `rate` tokens per second.
    pub(super) fn of_host(&mut self, host: &str, rate: f64) -> BucketId {
        if let Some(known) = self.by_host.get(host) {
            return *known;
        }
        let id = BucketId(self.buckets.len());
        self.buckets.push(HostBucket::new(rate));
        self.by_host.insert(host.into(), id);
        id
    }

    /// Returns the bucket of an address; `own` becomes it if the address is new.
    pub(super) fn of_address(&mut self, address: IpAddr, own: BucketId) -> BucketId {
        *self.by_address.entry(address).or_insert(own)
    }

    /// Forgets all addresses if there is no room for another. Returns whether it did.
    pub(super) fn forget_addresses_if_full(&mut self) -> bool {
        let is_full = self.by_address.len() >= MAX_ADDRESSES;
        if is_full {
            self.by_address.clear();
        }
        is_full
    }
}

impl Index<BucketId> for HostBuckets {
    type Output = HostBucket;

    fn index(&self, id: BucketId) -> &HostBucket {
        &self.buckets[id.0]
    }
}

impl IndexMut<BucketId> for HostBuckets {
    fn index_mut(&mut self, id: BucketId) -> &mut HostBucket {
        &mut self.buckets[id.0]
    }
}
