//! From a bucket's records to customers: their touches brought together and put in order.

use std::ops::Range;

use attributary_core::key::Key;
use attributary_core::table::NULL_CODE;
use attributary_journeys::Profiles;
use rustc_hash::FxHashSet;

use crate::bucket::Chunk;
use crate::conversions::Conversions;

/// One customer's touches in their total order.
#[derive(Default)]
pub(crate) struct Customer {
    pub times: Vec<i64>,
    pub profiles: Vec<u32>,
    /// Places in the bucket's chunk.
    pub records: Vec<u32>,
}

/// A touch on its way from the bucket to its customer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Touch {
    pub time: i64,
    pub profile: u32,
    pub record: u32,
}

impl Customer {
    /// Takes a customer's touches out of a chunk: in order, without those whose id occurs twice at one instant.
    pub fn take(&mut self, chunk: &Chunk, profiles: &Profiles, touches: &mut [Touch], duplicate: &mut dyn FnMut(&Touch)) {
        let with_ids = !chunk.ids.is_empty();
        let id = |touch: &Touch| if with_ids { chunk.ids.raw(touch.record as usize) } else { &[] };
        let origin = |touch: &Touch| chunk.origins.get(touch.record as usize);
        let compare = |one: &Touch, other: &Touch| {
            one.time.cmp(&other.time).then_with(|| {
                let by_columns = profiles.compare(one.profile, other.profile, || id(one).cmp(id(other)));
                by_columns.then_with(|| origin(one).cmp(&origin(other)))
            })
        };
        // Logs are nearly in order of time: most customers need no sorting at all.
        if !touches.is_sorted_by(|one, other| compare(one, other).is_le()) {
            touches.sort_unstable_by(compare);
        }
        self.times.clear();
        self.profiles.clear();
        self.records.clear();
        let mut keep = |touch: &Touch| {
            self.times.push(touch.time);
            self.profiles.push(touch.profile);
            self.records.push(touch.record);
        };
        if !with_ids {
            touches.iter().for_each(&mut keep);
            return;
        }
        let mut seen: FxHashSet<&[u8]> = FxHashSet::default();
        for at_once in touches.chunk_by(|one, other| one.time == other.time) {
            seen.clear();
            for touch in at_once {
                if at_once.len() > 1 && !id(touch).is_empty() && !seen.insert(id(touch)) {
                    duplicate(touch);
                } else {
                    keep(touch);
                }
            }
        }
    }
}

/// The conversions of each customer who converts, the touches of all, and where those of each end.
type Groups = (Vec<Range<usize>>, Vec<Touch>, Vec<u32>);

/// Brings the touches of each customer together, in the order in which they came. The customers who convert come first, in
/// the order of the conversions, with theirs; then, if everyone is followed, the others. A customer's touches end at `ends`.
pub(crate) fn group(chunk: &Chunk, conversions: &Conversions, of_bucket: Range<usize>, everyone: bool) -> Groups {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for conversion in of_bucket {
        match groups.last_mut() {
            Some(last) if conversions.keys[last.start] == conversions.keys[conversion] => last.end = conversion + 1,
            _ => groups.push(conversion..conversion + 1),
        }
    }
    // Where only those who convert in the range are followed, others may have slipped through the filter.
    if !everyone {
        groups.retain(|group| group.clone().any(|conversion| conversions.in_range(conversion)));
    }
    let mut places = Places::new(groups.len());
    groups.iter().for_each(|group| _ = places.insert(conversions.keys[group.start]));
    let mut counts = vec![0_u32; groups.len()];
    let mut of_record = Vec::with_capacity(chunk.len());
    for record in 0..chunk.len() {
        let key = chunk.key(record);
        let place = if everyone { places.insert(key) } else { places.find(key) };
        if place != NULL_CODE {
            if place as usize == counts.len() {
                counts.push(0);
            }
            counts[place as usize] += 1;
        }
        of_record.push(place);
    }
    let mut next = 0;
    let mut starts: Vec<u32> = counts
        .iter()
        .map(|count| {
            let start = next;
            next += count;
            start
        })
        .collect();
    let mut touches = vec![Touch::default(); next as usize];
    for (record, place) in of_record.iter().enumerate().filter(|(_, place)| **place != NULL_CODE) {
        let start = &mut starts[*place as usize];
        touches[*start as usize] = Touch { time: chunk.times[record], profile: chunk.profiles[record], record: record as u32 };
        *start += 1;
    }
    // Each start has moved to its end.
    (groups, touches, starts)
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
