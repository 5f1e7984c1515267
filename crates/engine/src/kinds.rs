//! The kinds of conversions, each of which has a small number.

use std::sync::Arc;

use attributary_core::value::Value;
use rustc_hash::FxHashMap;

/// The distinct kinds of conversions.
#[derive(Clone, Debug, Default)]
pub struct ConversionKinds {
    /// The kinds.
    pub values: Arc<Vec<Value>>,
}

/// Kinds while they are gathered.
#[derive(Clone, Default)]
pub(crate) struct Kinds {
    codes: FxHashMap<Value, u32>,
    pub values: Vec<Value>,
}

impl ConversionKinds {
    /// The rank of each kind in the order of the tables.
    #[must_use]
    pub fn ranks(&self) -> Vec<u32> {
        ranks(&self.values)
    }
}

impl Kinds {
    /// The rank of each kind in the order of the tables.
    pub fn ranks(&self) -> Vec<u32> {
        ranks(&self.values)
    }

    /// The number of each of `kinds`, new ones where they were not there before.
    pub fn codes_of(&mut self, kinds: &[Value]) -> Vec<u32> {
        let code = |kind: &Value| {
            let next = self.values.len() as u32;
            let code = *self.codes.entry(kind.clone()).or_insert(next);
            if code == next {
                self.values.push(kind.clone());
            }
            code
        };
        kinds.iter().map(code).collect()
    }
}

fn ranks(values: &[Value]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|one, other| values[*one].cmp(&values[*other]));
    let mut ranks = vec![0; values.len()];
    order.into_iter().zip(0..).for_each(|(kind, rank)| ranks[kind] = rank);
    ranks
}
