//! Touches and conversions as one log of events: the same rows as in their own tables, merged in order of time.

use std::iter;

use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::value::{ColumnType, Value};

use crate::orders::Order;
use crate::rows::{Cells, ConversionRow, Keys, TouchRow};
use crate::visits::World;

/// A row of the event table.
enum Event {
    Touch(TouchRow),
    Conversion(ConversionRow),
}

impl Event {
    fn order(&self) -> Option<&Order> {
        match self {
            Self::Touch(_) => None,
            Self::Conversion(row) => Some(&row.order),
        }
    }
}

impl World {
    /// The columns of the event table. Conversions have no channel and no campaign, touches no order and no revenue.
    pub fn event_fields(&self) -> Vec<Field> {
        vec![
            Field::new("event_id", self.key_type()),
            Field::new("user_id", self.key_type()),
            Field::new("event_time", ColumnType::instant()),
            Field::new("event_name", ColumnType::Text),
            Field::new("channel", ColumnType::Text),
            Field::new("campaign", ColumnType::Text),
            Field::new("order_id", self.key_type()),
            Field::new("revenue", ColumnType::Decimal { precision: 18, scale: 2 }),
        ]
        .into_iter()
        .chain(self.further_fields())
        .collect()
    }

    /// The touch and conversion rows of a slice as columns.
    pub fn event_rows(&self, place: usize) -> Rows {
        let slice = &self.calendar.slices[place];
        let (touches, orders) = (self.settings.touches, self.settings.conversion_rows());
        let rows = (slice.touch_count() + slice.conversion_count()) as usize;
        let names = &self.market.names;
        let mut ids = Keys::new(self, "e", touches + orders, rows);
        let mut customers = Keys::new(self, "c", self.crowd.all, rows);
        let mut times = Vec::with_capacity(rows);
        let mut codes: [Vec<u32>; 3] = std::array::from_fn(|_| Vec::with_capacity(rows));
        let mut order_ids = Keys::new(self, "o", self.order_numbers(), rows);
        let mut revenue = Vec::with_capacity(rows);
        let events: Vec<Event> = self.events_in_time(place).collect();
        for event in &events {
            let cells = match *event {
                Event::Touch(TouchRow { touch, id, nulls }) => {
                    ids.push(Some(id));
                    customers.push(nulls.spare(Cells::CUSTOMER, touch.customer));
                    times.push(touch.time);
                    order_ids.push(None);
                    revenue.push(Value::Null);
                    let campaign = nulls.code(Cells::CAMPAIGN, touch.campaign.unwrap_or(NULL_CODE));
                    // The name is never null: it alone says which kind of row this is.
                    [touch.interaction.into(), nulls.code(Cells::CHANNEL, touch.channel.into()), campaign]
                }
                Event::Conversion(ConversionRow { order, id, nulls }) => {
                    // Numbered on from the touches, so that no two events share an id.
                    ids.push(Some(touches + id));
                    customers.push(nulls.spare(Cells::CUSTOMER, order.customer));
                    times.push(order.time);
                    order_ids.push(Some(id));
                    revenue.push(Value::Int(order.revenue.into()));
                    [names.interactions.len() as u32 + u32::from(order.kind), NULL_CODE, NULL_CODE]
                }
            };
            codes.iter_mut().zip(cells).for_each(|(codes, cell)| codes.push(cell));
        }
        let coded = codes.into_iter().zip([&names.events, &names.channels, &names.campaigns]);
        let coded = coded.map(|(codes, dictionary)| Column::Codes { codes, dictionary: dictionary.clone() });
        let columns = [ids.column(), customers.column(), Column::Ints(times)].into_iter().chain(coded);
        let orders: Vec<_> = events.iter().map(Event::order).collect();
        let columns = columns.chain([order_ids.column(), Column::Values(revenue)]).chain(self.further_columns(&orders));
        Rows { columns: columns.collect() }
    }

    /// The events of a slice, oldest first; at one instant touches come before conversions.
    fn events_in_time(&self, place: usize) -> impl Iterator<Item = Event> {
        let mut touches = self.touches_in_time(place).peekable();
        let mut conversions = self.conversions_in_time(place).peekable();
        iter::from_fn(move || {
            let sooner = |touch: &TouchRow| conversions.peek().is_none_or(|next| touch.touch.time <= next.order.time);
            match touches.next_if(sooner) {
                Some(touch) => Some(Event::Touch(touch)),
                None => conversions.next().map(Event::Conversion),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::settings::{KeyKind, Preset, Settings};

    /// All rows of a table, cell by cell.
    fn all(world: &World, rows: fn(&World, usize) -> Rows) -> Vec<Vec<Value>> {
        let slices = (0..world.calendar.slices.len()).map(|place| rows(world, place));
        let cells = |rows: &Rows, row| rows.columns.iter().map(|column| column.value(row)).collect();
        slices.flat_map(|rows| (0..rows.len()).map(|row| cells(&rows, row)).collect::<Vec<_>>()).collect()
    }

    fn picked(rows: &[Vec<Value>], columns: &[usize]) -> Vec<Vec<Value>> {
        rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect()
    }

    #[test]
    fn events_are_the_rows_of_both_tables_in_order_of_time() {
        for (preset, keys) in [(Preset::B2c, KeyKind::Text), (Preset::B2b, KeyKind::Hex16), (Preset::B2c, KeyKind::Integer)] {
            let settings =
                Settings { preset, keys, customers: 300, touches: 5_000, conversions: Some(800), ..Settings::default() };
            let world = World::new(&Settings { days: 40, files: Some(7), duplicates: 0.05, nulls: 0.02, ..settings });
            let events = all(&world, World::event_rows);
            assert_eq!(events.len(), 5_800);
            assert!(events.is_sorted_by_key(|event| event[2].clone()));

            let (conversions, touches): (Vec<_>, Vec<_>) = events.iter().cloned().partition(|event| !event[7].is_null());
            // id, customer, time, channel, campaign
            assert_eq!(picked(&touches, &[0, 1, 2, 4, 5]), picked(&all(&world, World::touch_rows), &[0, 1, 2, 3, 4]));
            // order, customer, time, kind, revenue
            assert_eq!(picked(&conversions, &[6, 1, 2, 3, 7]), picked(&all(&world, World::conversion_rows), &[0, 1, 2, 3, 4]));

            assert!(touches.iter().all(|touch| touch[6].is_null()));
            assert!(conversions.iter().all(|it| it[4].is_null() && it[5].is_null()));
            let ids = |rows: &[Vec<Value>]| rows.iter().map(|row| row[0].clone()).collect::<HashSet<_>>();
            assert!(ids(&touches).is_disjoint(&ids(&conversions)));
            let orders: HashSet<_> = conversions.iter().map(|row| row[6].clone()).collect();
            assert_eq!(ids(&conversions).len(), orders.len());
        }
    }

    #[test]
    fn a_touch_is_a_view_or_a_visit() {
        let world = World::new(&Settings { touches: 3_000, days: 3, nulls: 0.0, ..Settings::default() });
        let (events, touches) = (all(&world, World::event_rows), all(&world, World::touch_rows));
        let names = events.iter().filter(|event| event[7].is_null()).map(|event| event[3].as_text());
        let expected = touches.iter().map(|touch| match touch[5].as_text() {
            Some("view") => Some("ad_view"),
            _ => Some("page_view"),
        });
        assert!(names.eq(expected));
    }
}
