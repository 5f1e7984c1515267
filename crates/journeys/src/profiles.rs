//! Profiles: touches that agree in channel, campaign, interaction, dimensions and predicates share one small number.
//!
//! A log has tens of millions of touches but only thousands of profiles, so everything that hangs on text (equality,
//! order, group, whether a predicate holds) is settled once a profile, and the walk compares integers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use attributary_core::batch::{TouchBatch, attribute};
use attributary_core::journey::TouchFacts;
use attributary_core::table::NULL_CODE;
use attributary_core::value::Value;
use rustc_hash::FxHashMap;

use crate::rules::Rules;

/// Hands out profile numbers to many threads. Numbers depend on who came first; nothing that is written hangs on them.
pub struct ProfileInterner {
    /// Which attributes are mapped; the others are null throughout and cost nothing.
    mapped: Vec<usize>,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    dictionaries: Vec<Dictionary>,
    /// Chains: level *i* maps (number after level *i* − 1, code at level *i*) to a number. Levels are the mapped
    /// attributes and, last, the flags.
    levels: Vec<Level>,
    flags: FxHashMap<u64, u32>,
    flag_values: Vec<u64>,
}

#[derive(Default)]
struct Dictionary {
    codes: FxHashMap<Value, u32>,
    values: Vec<Value>,
    /// The bytes of its texts.
    text: usize,
}

#[derive(Default)]
struct Level {
    numbers: FxHashMap<u64, u32>,
    /// (number after the level before, code), by number.
    links: Vec<(u32, u32)>,
}

/// What one thread remembers of the shared numbers, so that it asks for each only once.
#[derive(Default)]
pub struct ProfileCache {
    levels: Vec<FxHashMap<u64, u32>>,
    flags: FxHashMap<u64, u32>,
    /// The current batch's dictionaries by level, and the shared codes of their values.
    dictionaries: Vec<(Arc<Vec<Value>>, Vec<u32>)>,
    /// For each level more than the largest shared code plus one that the tables have room for.
    sizes: Vec<u32>,
    /// For each of the flags that came, the profile of each combination of shared codes.
    tables: Vec<(u64, Vec<u32>)>,
    /// How many combinations there are; 0 where they are too many for a table.
    combinations: usize,
}

/// Up to this many combinations of codes have a table, which stays near a core.
const MAX_COMBINATIONS: usize = 1 << 20;

/// More sets of flags than this get no table: each is as large as all combinations.
const MAX_TABLES: usize = 8;

/// What a table holds of a combination that has not come yet.
const UNKNOWN: u32 = u32::MAX;

impl ProfileCache {
    /// Makes room for the combinations of larger dictionaries.
    fn lay_out(&mut self) {
        // Some room to grow into: what was known of the combinations is forgotten.
        let largest = |codes: &[u32]| codes.iter().map(|code| code + 2).max().unwrap_or(1);
        let needed = self.dictionaries.iter().map(|(_, codes)| largest(codes));
        self.sizes.resize(self.dictionaries.len(), 0);
        let sizes = self.sizes.iter_mut().zip(needed);
        sizes.for_each(|(size, needed)| *size = (*size).max(needed + needed / 8));
        self.tables.clear();
        let combinations = self.sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size as usize));
        self.combinations = combinations.filter(|count| *count <= MAX_COMBINATIONS).unwrap_or(0);
    }

    /// Whether the tables have no room for a code.
    fn is_too_small(&self, level: usize) -> bool {
        let size = self.sizes.get(level).copied().unwrap_or(0);
        self.dictionaries[level].1.iter().any(|code| code + 1 >= size)
    }

    /// Whether some flags have a table, or may have one.
    fn has_room(&self, flags: u64) -> bool {
        self.tables.len() < MAX_TABLES || self.tables.iter().any(|(known, _)| *known == flags)
    }

    /// The table of some flags.
    fn table(&mut self, flags: u64) -> &mut Vec<u32> {
        let place = self.tables.iter().position(|(known, _)| *known == flags).unwrap_or_else(|| {
            self.tables.push((flags, vec![UNKNOWN; self.combinations]));
            self.tables.len() - 1
        });
        &mut self.tables[place].1
    }
}

impl ProfileInterner {
    /// For touches with `attributes` columns (see [`attribute`]), of which those at the places `mapped` are mapped.
    #[must_use]
    pub fn new(attributes: usize, mapped: &[usize]) -> Self {
        let mut shared = Shared::default();
        shared.dictionaries.resize_with(attributes, Dictionary::default);
        shared.levels.resize_with(mapped.len() + 1, Level::default);
        Self { mapped: mapped.to_vec(), shared: Mutex::new(shared) }
    }

    /// Whether a cache saw this batch's dictionaries last: it is quick then.
    #[must_use]
    pub fn is_ready(&self, batch: &TouchBatch, cache: &ProfileCache) -> bool {
        let mut known = self.mapped.iter().zip(&cache.dictionaries);
        known.all(|(place, (known, _))| Arc::ptr_eq(known, &batch.attributes[*place].dictionary))
    }

    /// Writes the profiles of some rows of a batch into `profiles`, of which what was there before is gone.
    pub fn profiles(&self, batch: &TouchBatch, rows: &[u32], cache: &mut ProfileCache, profiles: &mut Vec<u32>) {
        self.enter(batch, cache);
        profiles.clear();
        if cache.combinations == 0 {
            profiles.extend(rows.iter().map(|row| self.ask(batch, *row as usize, cache)));
            return;
        }
        profiles.resize(rows.len(), 0);
        for ((&place, (_, shared)), &size) in self.mapped.iter().zip(&cache.dictionaries).zip(&cache.sizes) {
            let codes = &batch.attributes[place].codes;
            for (combination, row) in profiles.iter_mut().zip(rows) {
                // A null is the first place, and no place of the dictionary.
                let code = shared.get(codes[*row as usize] as usize).map_or(0, |code| code + 1);
                *combination = *combination * size + code;
            }
        }
        let first = batch.flags.first().copied().unwrap_or(0);
        let mut flags = if cache.has_room(first) { first } else { cache.tables[0].0 };
        let mut table = std::mem::take(cache.table(flags));
        for (profile, row) in profiles.iter_mut().zip(rows) {
            let own = batch.flags.get(*row as usize).copied().unwrap_or(0);
            if own != flags && !cache.has_room(own) {
                *profile = self.ask(batch, *row as usize, cache);
                continue;
            }
            if own != flags {
                *cache.table(flags) = table;
                flags = own;
                table = std::mem::take(cache.table(flags));
            }
            let known = &mut table[*profile as usize];
            if *known == UNKNOWN {
                *known = self.ask(batch, *row as usize, cache);
            }
            *profile = *known;
        }
        *cache.table(flags) = table;
    }

    /// Distinct combinations so far, and what they, their texts and what is made of them take of the memory of a run on so many
    /// threads, more or less.
    #[must_use]
    pub fn memory(&self, threads: usize) -> (u64, u64) {
        // A value stands in a list and in a map; a link in a list, in a map, and in one for each thread.
        const VALUE: usize = 2 * size_of::<Value>() + 32;
        const LINK: usize = 8 + 24;
        const FINISHED: usize = size_of::<TouchFacts>() + 32;
        let shared = self.lock();
        let values = shared.dictionaries.iter().map(|dictionary| dictionary.values.len() * VALUE + 2 * dictionary.text);
        let links = shared.levels.iter().map(|level| level.links.len() * (LINK + 24 * threads));
        let count = shared.levels.last().map_or(0, |level| level.links.len());
        let finished = count * (FINISHED + 4 * shared.dictionaries.len());
        (count as u64, (values.sum::<usize>() + links.sum::<usize>() + finished) as u64)
    }

    /// Makes `cache` ready for the rows of `batch`.
    fn enter(&self, batch: &TouchBatch, cache: &mut ProfileCache) {
        cache.levels.resize_with(self.mapped.len() + 1, FxHashMap::default);
        let mut too_small = cache.dictionaries.is_empty();
        cache.dictionaries.resize_with(self.mapped.len(), Default::default);
        for (level, &place) in self.mapped.iter().enumerate() {
            let dictionary = &batch.attributes[place].dictionary;
            let (known, codes) = &mut cache.dictionaries[level];
            if !Arc::ptr_eq(known, dictionary) {
                *known = Arc::clone(dictionary);
                codes.clear();
                let mut shared = self.lock();
                codes.extend(dictionary.iter().map(|value| shared.dictionaries[place].code(value)));
                drop(shared);
                too_small |= cache.is_too_small(level);
            }
        }
        if too_small {
            cache.lay_out();
        }
    }

    /// The profile of a row of the batch that was entered last.
    fn ask(&self, batch: &TouchBatch, row: usize, cache: &mut ProfileCache) -> u32 {
        let mut number = 0;
        for (level, &place) in self.mapped.iter().enumerate() {
            let local = batch.attributes[place].codes[row];
            let code = if local == NULL_CODE { NULL_CODE } else { cache.dictionaries[level].1[local as usize] };
            number = self.step(level, number, code, cache);
        }
        let flags = batch.flags.get(row).copied().unwrap_or(0);
        let code = match cache.flags.get(&flags) {
            Some(code) => *code,
            None => {
                let code = self.lock().flag_code(flags);
                cache.flags.insert(flags, code);
                code
            }
        };
        self.step(self.mapped.len(), number, code, cache)
    }

    /// The finished list, once the last batch is in.
    #[must_use]
    pub fn finish(self, rules: &Rules) -> Profiles {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let last = shared.levels.len() - 1;
        let count = shared.levels[last].links.len();
        let mut codes = vec![vec![NULL_CODE; count]; shared.dictionaries.len()];
        let mut flags = vec![0; count];
        for profile in 0..count {
            let (mut number, flag_code) = shared.levels[last].links[profile];
            flags[profile] = shared.flag_values[flag_code as usize];
            for (level, &place) in self.mapped.iter().enumerate().rev() {
                let (before, code) = shared.levels[level].links[number as usize];
                codes[place][profile] = code;
                number = before;
            }
        }
        let dictionaries = shared.dictionaries.into_iter().map(|dictionary| Arc::new(dictionary.values)).collect();
        Profiles::new(dictionaries, codes, &flags, rules)
    }

    fn step(&self, level: usize, number: u32, code: u32, cache: &mut ProfileCache) -> u32 {
        let key = u64::from(number) << 32 | u64::from(code);
        if let Some(number) = cache.levels[level].get(&key) {
            return *number;
        }
        let next = self.lock().levels[level].number(number, code);
        cache.levels[level].insert(key, next);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dictionary {
    fn code(&mut self, value: &Value) -> u32 {
        if let Some(code) = self.codes.get(value) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.text += value.as_text().map_or(0, str::len);
        self.values.push(value.clone());
        self.codes.insert(value.clone(), code);
        code
    }
}

impl Level {
    fn number(&mut self, before: u32, code: u32) -> u32 {
        let next = self.links.len() as u32;
        let number = *self.numbers.entry(u64::from(before) << 32 | u64::from(code)).or_insert(next);
        if number == next {
            self.links.push((before, code));
        }
        number
    }
}

impl Shared {
    fn flag_code(&mut self, flags: u64) -> u32 {
        let next = self.flag_values.len() as u32;
        let code = *self.flags.entry(flags).or_insert(next);
        if code == next {
            self.flag_values.push(flags);
        }
        code
    }
}

/// All profiles of a log, and what the walk asks of them. A profile is a place in each of the lists.
pub struct Profiles {
    /// The distinct values of each attribute.
    pub dictionaries: Vec<Arc<Vec<Value>>>,
    /// Per attribute, each profile's place in the dictionary, or [`NULL_CODE`].
    pub codes: Vec<Vec<u32>>,
    /// Per attribute, the rank of each dictionary place in the order of the tables.
    pub ranks: Vec<Vec<u32>>,
    /// What rules and models ask.
    pub facts: Vec<TouchFacts>,
    /// The rank of each profile's interaction, which comes before the id in the order of touches at one instant.
    before_id: Vec<u32>,
    /// The rank of its channel, campaign and dimensions, which come after the id.
    after_id: Vec<u32>,
}

impl Profiles {
    fn new(dictionaries: Vec<Arc<Vec<Value>>>, codes: Vec<Vec<u32>>, flags: &[u64], rules: &Rules) -> Self {
        let ranks: Vec<Vec<u32>> = dictionaries.iter().map(|values| ranks(values)).collect();
        let rank = |place: usize, profile: usize| rank_of(&ranks[place], codes[place][profile]);
        let count = flags.len();
        let before_id = (0..count).map(|profile| rank(attribute::INTERACTION, profile)).collect();
        let after: Vec<usize> =
            [attribute::CHANNEL, attribute::CAMPAIGN].into_iter().chain(attribute::DIMENSIONS..codes.len()).collect();
        let mut order: Vec<u32> = (0..count as u32).collect();
        let compare = |one: u32, other: u32| {
            let rank_at = |place: &usize| rank(*place, one as usize).cmp(&rank(*place, other as usize));
            after.iter().map(rank_at).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        };
        order.sort_unstable_by(|one, other| compare(*one, *other));
        let mut after_id = vec![0; count];
        let mut next = 0;
        for place in 0..count {
            if place > 0 && compare(order[place - 1], order[place]).is_ne() {
                next += 1;
            }
            after_id[order[place] as usize] = next;
        }
        let facts = facts(&dictionaries, &codes, flags, rules);
        Self { dictionaries, codes, ranks, facts, before_id, after_id }
    }

    /// The number of profiles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The value of an attribute of a profile.
    #[must_use]
    pub fn value(&self, attribute: usize, profile: u32) -> &Value {
        const NULL: &Value = &Value::Null;
        self.dictionaries[attribute].get(self.codes[attribute][profile as usize] as usize).unwrap_or(NULL)
    }

    /// The rank of a dictionary place of an attribute; null is before all.
    #[must_use]
    pub fn rank(&self, attribute: usize, code: u32) -> u32 {
        rank_of(&self.ranks[attribute], code)
    }

    /// The order of two touches at one instant: interaction, id, channel, campaign, dimensions; ids are compared by `ids`.
    pub fn compare(&self, one: u32, other: u32, ids: impl FnOnce() -> std::cmp::Ordering) -> std::cmp::Ordering {
        let (one, other) = (one as usize, other as usize);
        self.before_id[one].cmp(&self.before_id[other]).then_with(ids).then_with(|| self.after_id[one].cmp(&self.after_id[other]))
    }
}

/// Nulls first: rank 0; the others from 1.
fn rank_of(ranks: &[u32], code: u32) -> u32 {
    if code == NULL_CODE { 0 } else { ranks[code as usize] }
}

fn ranks(values: &[Value]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|one, other| values[*one as usize].cmp(&values[*other as usize]));
    let mut ranks = vec![0; values.len()];
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place as usize] = rank as u32 + 1;
    }
    ranks
}

fn facts(dictionaries: &[Arc<Vec<Value>>], codes: &[Vec<u32>], flags: &[u64], rules: &Rules) -> Vec<TouchFacts> {
    let interactions = &dictionaries[attribute::INTERACTION];
    let mut placements = FxHashMap::default();
    flags
        .iter()
        .enumerate()
        .map(|(profile, &flags)| {
            let code = |place: usize| codes[place][profile];
            let interaction = code(attribute::INTERACTION);
            let next = placements.len() as u32;
            let text = interactions.get(interaction as usize).and_then(Value::as_text);
            let class = rules.priority.iter().position(|name| Some(name.as_str()) == text).unwrap_or(rules.priority.len());
            let own_window = rules.interaction_windows.iter().position(|(name, _)| Some(name.as_str()) == text);
            TouchFacts {
                channel: code(attribute::CHANNEL),
                placement: *placements.entry((code(attribute::CHANNEL), code(attribute::CAMPAIGN))).or_insert(next),
                class: class as u32,
                click: !rules.interaction_mapped || text == Some("click"),
                interaction_window: own_window.map_or(TouchFacts::NO_WINDOW, |place| place as u32),
                flags,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use attributary_core::batch::{Coded, Identities, RowNumbers};
    use attributary_core::key::Key;

    use super::*;

    /// Nobody asks who the customers are.
    struct Nobody;

    impl Identities for Nobody {
        fn is_null(&self, _: usize) -> bool {
            true
        }
        fn value(&self, _: usize) -> Value {
            Value::Null
        }
        fn append_ordered_bytes(&self, _: usize, _: &mut Vec<u8>) {}
        fn key(&self, _: usize) -> Key {
            Key(0)
        }
        fn has_nulls(&self) -> bool {
            true
        }
        fn hashes(&self, _: &mut Vec<u64>) {}
        fn keys_of(&self, _: &[u32], _: &mut Vec<Key>) {}
    }

    /// Rows of a channel (none: null) and flags.
    fn batch(channels: &[&str], rows: &[(Option<u32>, u64)]) -> TouchBatch {
        let dictionary = Arc::new(channels.iter().map(|channel| Value::text(channel)).collect());
        let codes = rows.iter().map(|(code, _)| code.unwrap_or(NULL_CODE)).collect();
        TouchBatch {
            file: 0,
            rows: RowNumbers::From(0),
            customers: Arc::new(Nobody),
            times: vec![0; rows.len()],
            ids: None,
            attributes: vec![Coded { codes, dictionary }],
            flags: rows.iter().map(|(_, flags)| *flags).collect(),
        }
    }

    #[test]
    fn rows_share_a_profile_if_they_agree_whatever_the_batch_and_the_number_of_flags() {
        let interner = ProfileInterner::new(1, &[attribute::CHANNEL]);
        let mut cache = ProfileCache::default();
        let mut seen: FxHashMap<(Option<String>, u64), u32> = FxHashMap::default();
        // Dictionaries that grow and turn around, and more sets of flags than have tables.
        for (channels, flags) in
            [(vec!["a", "b"], 1), (vec!["b", "a", "c"], 3), (vec!["e", "d", "c", "b", "a"], 40), (vec!["a"], 40)]
        {
            let count = channels.len() as u32;
            let rows: Vec<_> = (0..400_u32)
                .map(|row| (row.checked_rem(count + 1).filter(|code| *code < count), u64::from(row * 7 % flags)))
                .collect();
            let wanted: Vec<u32> = (0..400).filter(|row| row % 3 != 1).collect();
            let mut profiles = Vec::new();
            interner.profiles(&batch(&channels, &rows), &wanted, &mut cache, &mut profiles);
            for (row, profile) in wanted.iter().zip(&profiles) {
                let (code, flags) = rows[*row as usize];
                let agreed = (code.map(|code| channels[code as usize].to_owned()), flags);
                assert_eq!(seen.entry(agreed).or_insert(*profile), profile, "row {row} of {channels:?}");
            }
        }
        let distinct: std::collections::BTreeSet<_> = seen.values().collect();
        assert_eq!(distinct.len(), seen.len(), "no two of them share one");
    }
}
