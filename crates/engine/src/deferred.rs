//! Journeys that wait until there are enough of them for a model's expression, which costs the same for few touches as for
//! thousands.

use std::sync::Arc;

use attributary_core::duration::DAY;
use attributary_core::model::TouchColumns;
use attributary_core::table::Column;
use attributary_journeys::Profiles;

use crate::cells::Cells;
use crate::credit::{Context, Eligible};
use crate::setup::Setup;
use crate::sorted::Conversions;

/// Journeys that wait for a model's expression.
#[derive(Default)]
pub(crate) struct Deferred {
    /// Conversion, window, and where its touches end.
    pub journeys: Vec<(usize, usize, usize)>,
    pub times: Vec<i64>,
    pub profiles: Vec<u32>,
    pub ids: Cells,
    /// Per table, each touch's row.
    pub rows: Vec<Vec<u32>>,
}

impl Deferred {
    /// Lets a journey wait. `place_of` says which place in `rows` each of its touches has.
    pub fn push(
        &mut self,
        eligible: &Eligible<'_>,
        touches: &[u32],
        rows: &[Vec<u32>],
        counts: &dyn Fn(usize) -> bool,
        place_of: &dyn Fn(usize) -> usize,
    ) {
        for touch in touches {
            self.times.push(eligible.times[*touch as usize]);
            self.profiles.push(eligible.profiles[*touch as usize]);
            self.ids.push_raw((eligible.id)(*touch));
        }
        self.rows.resize_with(rows.len(), Vec::new);
        let counted = self.rows.iter_mut().zip(rows).enumerate().filter(|(table, _)| counts(*table));
        counted.for_each(|(_, (all, rows))| all.extend((0..touches.len()).map(|touch| rows[place_of(touch)])));
        self.journeys.push((eligible.conversion, eligible.window, self.times.len()));
    }

    /// All touches that wait, as an expression sees them.
    pub fn columns(&self, context: &Context<'_>, conversions: &Conversions) -> TouchColumns {
        let journeys = self.journeys.iter().map(|(conversion, _, end)| (conversions.times[*conversion], *end));
        touch_columns(context.setup, context.profiles, journeys, &self.times, &self.profiles, &self.ids)
    }
}

/// Touches of many journeys as an expression sees them. A journey is the time of its conversion and where its touches end.
pub(crate) fn touch_columns(
    setup: &Setup,
    profiles: &Profiles,
    journeys: impl Iterator<Item = (i64, usize)>,
    times: &[i64],
    of_touches: &[u32],
    ids: &Cells,
) -> TouchColumns {
    let (mut positions, mut lengths, mut ages) = (Vec::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for (conversion_time, end) in journeys {
        for (place, time) in times[start..end].iter().enumerate() {
            positions.push((place + 1) as i64);
            lengths.push((end - start) as i64);
            ages.push(Some((conversion_time - time) as f64 / DAY as f64));
        }
        start = end;
    }
    let mut columns = vec![
        ("position".to_owned(), Column::Ints(positions)),
        ("length".to_owned(), Column::Ints(lengths)),
        ("age_days".to_owned(), Column::Floats(ages)),
    ];
    for place in setup.weight_attributes() {
        let codes = of_touches.iter().map(|profile| profiles.codes[place][*profile as usize]).collect();
        columns.push((
            setup.attribute_field(place).name,
            Column::Codes { codes, dictionary: Arc::clone(&profiles.dictionaries[place]) },
        ));
    }
    if let Some(kind) = &setup.touch_id_type {
        columns.push(("id".to_owned(), Column::Values((0..ids.len()).map(|touch| ids.value(touch, kind)).collect())));
    }
    TouchColumns { columns }
}
