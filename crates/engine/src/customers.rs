//! From a bucket's records to customers: their touches brought together and put in order.

use std::cmp::Ordering;
use std::ops::Range;

use attributary_core::key::Key;
use attributary_core::table::NULL_CODE;
use attributary_journeys::Profiles;
use rustc_hash::FxHashSet;

use crate::bucket::Records;
use crate::records::TouchRecords;
use crate::sorted::Conversions;

/// The touches of a bucket, those of each customer side by side. The customers who convert come first, in the order of their
/// conversions; then, if everyone is followed, the others.
#[derive(Default)]
pub(crate) struct Customers {
    times: Vec<i64>,
    profiles: Vec<u32>,
    /// Places in the bucket's records, if anyone asks for them.
    records: Vec<u32>,
    /// Where each customer's touches end.
    ends: Vec<u32>,
    /// The conversions of each customer who converts.
    conversions: Vec<Range<usize>>,
    /// Who each customer is.
    keys: Vec<Key>,
}

/// One customer's touches in their total order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Customer<'a> {
    pub times: &'a [i64],
    pub profiles: &'a [u32],
    /// Places in the bucket's records; empty where nobody asks for them.
    pub records: &'a [u32],
    /// Who it is.
    pub key: Key,
}

impl Customers {
    /// Brings the touches of each customer together, in the order in which they came.
    pub fn of(records: &TouchRecords, conversions: &Conversions, everyone: bool) -> Self {
        let mut of_conversions: Vec<Range<usize>> = Vec::new();
        for conversion in 0..conversions.len() {
            match of_conversions.last_mut() {
                Some(last) if conversions.keys[last.start] == conversions.keys[conversion] => last.end = conversion + 1,
                _ => of_conversions.push(conversion..conversion + 1),
            }
        }
        // Where only those who convert in the range are followed, others may have slipped through the filter.
        if !everyone {
            of_conversions.retain(|group| group.clone().any(|conversion| conversions.in_range(conversion)));
        }
        let mut places = Places::new(of_conversions.len());
        of_conversions.iter().for_each(|group| _ = places.insert(conversions.keys[group.start]));
        let mut ends = vec![0_u32; of_conversions.len()];
        let mut of_record = Vec::with_capacity(records.len());
        for record in 0..records.len() {
            let key = records.key(record);
            let place = if everyone { places.insert(key) } else { places.find(key) };
            if place != NULL_CODE {
                if place as usize == ends.len() {
                    ends.push(0);
                }
                ends[place as usize] += 1;
            }
            of_record.push(place);
        }
        // From counts to where each begins; each moves to its end as its touches come in.
        let mut next = 0;
        for end in &mut ends {
            next += std::mem::replace(end, next);
        }
        let touches = next as usize;
        let with_records = !records.is_empty() && records.origin(0).is_some();
        let mut all = Self {
            times: vec![0; touches],
            profiles: vec![0; touches],
            records: if with_records { vec![0; touches] } else { Vec::new() },
            ends,
            conversions: of_conversions,
            keys: places.keys,
        };
        for (record, place) in of_record.iter().enumerate().filter(|(_, place)| **place != NULL_CODE) {
            let touch = &mut all.ends[*place as usize];
            all.times[*touch as usize] = records.time(record);
            all.profiles[*touch as usize] = records.profile(record);
            if with_records {
                all.records[*touch as usize] = record as u32;
            }
            *touch += 1;
        }
        all
    }

    /// Whether the records are needed any further.
    pub fn ask_for_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// All records are touches of one customer.
    pub fn of_one(records: &TouchRecords) -> Self {
        Self {
            times: (0..records.len()).map(|record| records.time(record)).collect(),
            profiles: (0..records.len()).map(|record| records.profile(record)).collect(),
            records: (0..records.len() as u32).collect(),
            ends: vec![records.len() as u32],
            conversions: Vec::new(),
            keys: vec![if records.is_empty() { Key::default() } else { records.key(0) }],
        }
    }

    /// Gives each customer to `each`, with the conversions of those who have any: their touches in order, without those whose
    /// id occurs twice at one instant, which go to `duplicate` by their place in the bucket's records.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn for_each<E>(
        &mut self,
        records: &TouchRecords,
        profiles: &Profiles,
        mut duplicate: impl FnMut(u32),
        mut each: impl FnMut(Customer<'_>, Option<Range<usize>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut order = Ordered { records, of_profiles: profiles, touches: Vec::new() };
        let mut start = 0;
        for (customer, end) in self.ends.iter().enumerate() {
            let all = start..*end as usize;
            start = all.end;
            let of_records = if self.records.is_empty() { &mut [][..] } else { &mut self.records[all.clone()] };
            let kept = order.put((&mut self.times[all.clone()], &mut self.profiles[all.clone()], of_records), &mut duplicate);
            let all = all.start..all.start + kept;
            let touches = Customer {
                times: &self.times[all.clone()],
                profiles: &self.profiles[all.clone()],
                records: if self.records.is_empty() { &[] } else { &self.records[all] },
                key: self.keys[customer],
            };
            each(touches, self.conversions.get(customer).cloned())?;
        }
        Ok(())
    }
}

/// Puts touches into their total order.
struct Ordered<'a> {
    records: &'a TouchRecords,
    of_profiles: &'a Profiles,
    /// Room for touches that are not in order: time, profile, record.
    touches: Vec<(i64, u32, u32)>,
}

impl Ordered<'_> {
    /// Puts one customer's touches (times, profiles, records) in order and says how many are left, in front.
    fn put(
        &mut self,
        (times, profiles, records): (&mut [i64], &mut [u32], &mut [u32]),
        duplicate: &mut impl FnMut(u32),
    ) -> usize {
        let touch = |place: usize| (times[place], profiles[place], records.get(place).copied().unwrap_or_default());
        // Logs are nearly in order of time: most customers need no sorting at all.
        let is_sorted =
            (1..times.len()).all(|place| times[place - 1] < times[place] || self.compare(touch(place - 1), touch(place)).is_le());
        if !is_sorted {
            let mut touches = std::mem::take(&mut self.touches);
            touches.clear();
            touches.extend((0..times.len()).map(touch));
            touches.sort_unstable_by(|one, other| self.compare(*one, *other));
            for (place, (time, profile, record)) in touches.iter().enumerate() {
                (times[place], profiles[place]) = (*time, *profile);
                if let Some(at) = records.get_mut(place) {
                    *at = *record;
                }
            }
            self.touches = touches;
        }
        if self.records.ids.is_empty() { times.len() } else { self.without_duplicates(times, profiles, records, duplicate) }
    }

    fn without_duplicates(
        &self,
        times: &mut [i64],
        profiles: &mut [u32],
        records: &mut [u32],
        duplicate: &mut impl FnMut(u32),
    ) -> usize {
        let id = |record: u32| self.records.ids.raw(record as usize);
        let mut seen: FxHashSet<&[u8]> = FxHashSet::default();
        let (mut kept, mut start) = (0, 0);
        while start < times.len() {
            let at_once = times[start..].iter().take_while(|time| **time == times[start]).count();
            seen.clear();
            for place in start..start + at_once {
                let own = id(records[place]);
                if at_once > 1 && !own.is_empty() && !seen.insert(own) {
                    duplicate(records[place]);
                    continue;
                }
                (times[kept], profiles[kept], records[kept]) = (times[place], profiles[place], records[place]);
                kept += 1;
            }
            start += at_once;
        }
        kept
    }

    fn compare(&self, one: (i64, u32, u32), other: (i64, u32, u32)) -> Ordering {
        let with_ids = !self.records.ids.is_empty();
        let id = |record: u32| if with_ids { self.records.ids.raw(record as usize) } else { &[] };
        let origin = |record: u32| self.records.origin(record as usize);
        one.0.cmp(&other.0).then_with(|| {
            let by_columns = self.of_profiles.compare(one.1, other.1, || id(one.2).cmp(id(other.2)));
            by_columns.then_with(|| origin(one.2).cmp(&origin(other.2)))
        })
    }
}

/// Numbers for keys, from 0, in the order in which they come: one bucket's customers, small enough for a core's cache.
struct Places {
    keys: Vec<Key>,
    /// A place in `keys` or [`NULL_CODE`], found by the key's hash, else behind it.
    slots: Vec<u32>,
}

impl Places {
    fn new(expected: usize) -> Self {
        Self { keys: Vec::with_capacity(expected), slots: vec![NULL_CODE; (2 * expected).next_power_of_two().max(16)] }
    }

    /// The slot that holds a key, or the one where it would be put.
    fn slot(&self, key: Key) -> usize {
        // Cheaper than the key's own hash, of which the customers of a bucket share the first bits.
        let mixed = (key.0 as u64 ^ ((key.0 >> 64) as u64).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mask = self.slots.len() - 1;
        let mut slot = (mixed >> 32) as usize & mask;
        while self.slots[slot] != NULL_CODE && self.keys[self.slots[slot] as usize] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn find(&self, key: Key) -> u32 {
        self.slots[self.slot(key)]
    }

    fn insert(&mut self, key: Key) -> u32 {
        let slot = self.slot(key);
        if self.slots[slot] == NULL_CODE {
            self.slots[slot] = self.keys.len() as u32;
            self.keys.push(key);
            if self.keys.len() * 2 > self.slots.len() {
                self.grow();
            }
            return self.keys.len() as u32 - 1;
        }
        self.slots[slot]
    }

    fn grow(&mut self) {
        self.slots = vec![NULL_CODE; self.slots.len() * 2];
        for place in 0..self.keys.len() {
            let slot = self.slot(self.keys[place]);
            self.slots[slot] = place as u32;
        }
    }
}
