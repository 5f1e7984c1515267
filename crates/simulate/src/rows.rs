//! Touches and conversions as the columns of their tables: in order of time, with ids, repeats and nulls.

use std::sync::Arc;

use attributary_core::table::{Column, Field, NULL_CODE, Rows, Texts};
use attributary_core::value::{ColumnType, Value};

use crate::orders::Order;
use crate::random::{Random, Share, Stream, mix};
use crate::settings::KeyKind;
use crate::visits::{Touch, World};

/// A row of the touch table.
#[derive(Clone, Copy, Debug)]
pub struct TouchRow {
    /// What it says.
    pub touch: Touch,
    /// The number of its id, from 0; a repeat has that of what it repeats.
    pub id: u64,
    /// Which of its cells are null.
    pub nulls: Cells,
}

/// A row of the conversion table.
#[derive(Clone, Copy, Debug)]
pub struct ConversionRow {
    /// What it says.
    pub order: Order,
    /// The number of its id, from 0; a repeat has that of what it repeats.
    pub id: u64,
    /// Which of its cells are null.
    pub nulls: Cells,
}

impl World {
    /// The columns of the touch table.
    pub fn touch_fields(&self) -> Vec<Field> {
        let text = |name| Field::new(name, ColumnType::Text);
        let ids = ["event_id", "user_id"].map(|name| Field::new(name, self.key_type()));
        let time = Field::new("event_time", ColumnType::instant());
        let rest = ["channel", "campaign", "interaction", "country", "device"].map(text);
        ids.into_iter().chain([time]).chain(rest).collect()
    }

    /// The columns of the conversion table.
    pub fn conversion_fields(&self) -> Vec<Field> {
        let amount = |name| Field::new(name, ColumnType::Decimal { precision: 18, scale: 2 });
        vec![
            Field::new("order_id", self.key_type()),
            Field::new("user_id", self.key_type()),
            Field::new("ordered_at", ColumnType::instant()),
            Field::new("kind", ColumnType::Text),
            amount("revenue"),
            amount("gross_margin"),
        ]
        .into_iter()
        .chain(self.further_fields())
        .collect()
    }

    /// The columns that conversions have if asked for: their currency, and the order that a refund takes back.
    pub fn further_fields(&self) -> impl Iterator<Item = Field> {
        let currency = self.has_currencies().then(|| Field::new("currency", ColumnType::Text));
        let refund_of = self.settings.refund_of.then(|| Field::new("refund_of", self.key_type()));
        currency.into_iter().chain(refund_of)
    }

    /// The cells of these columns, null where there is no conversion.
    pub fn further_columns(&self, orders: &[Option<&Order>]) -> impl Iterator<Item = Column> {
        let currency = self.has_currencies().then(|| {
            let code = |order: &Option<&Order>| order.map_or(NULL_CODE, |order| self.currency(order.customer) as u32);
            let dictionary = self.settings.currencies.iter().map(|it| Value::text(it.code())).collect();
            Column::Codes { codes: orders.iter().map(code).collect(), dictionary: Arc::new(dictionary) }
        });
        let refund_of = self.settings.refund_of.then(|| {
            let mut keys = Keys::new(self, "o", self.order_numbers(), orders.len());
            orders.iter().for_each(|order| keys.push(order.and_then(|order| order.refund_of)));
            keys.column()
        });
        currency.into_iter().chain(refund_of)
    }

    fn has_currencies(&self) -> bool {
        self.settings.currencies.len() > 1
    }

    /// The touch rows of a slice as columns.
    pub fn touch_rows(&self, place: usize) -> Rows {
        let rows = self.touches_in_time(place);
        let mut ids = Keys::new(self, "e", self.settings.touches, rows.len());
        let mut customers = Keys::new(self, "c", self.crowd.all, rows.len());
        let mut times = Vec::with_capacity(rows.len());
        let mut codes: [Vec<u32>; 5] = std::array::from_fn(|_| Vec::with_capacity(rows.len()));
        for TouchRow { touch, id, nulls } in rows {
            ids.push(Some(id));
            customers.push(nulls.spare(Cells::CUSTOMER, touch.customer));
            times.push(touch.time);
            codes[0].push(nulls.code(Cells::CHANNEL, touch.channel.into()));
            codes[1].push(nulls.code(Cells::CAMPAIGN, touch.campaign.unwrap_or(NULL_CODE)));
            codes[2].push(nulls.code(Cells::INTERACTION, touch.interaction.into()));
            codes[3].push(nulls.code(Cells::COUNTRY, touch.country.into()));
            codes[4].push(nulls.code(Cells::DEVICE, touch.device.into()));
        }
        let names = &self.market.names;
        let dictionaries = [&names.channels, &names.campaigns, &names.interactions, &names.countries, &names.devices];
        let coded = codes.into_iter().zip(dictionaries);
        let coded = coded.map(|(codes, dictionary)| Column::Codes { codes, dictionary: dictionary.clone() });
        Rows { columns: [ids.column(), customers.column(), Column::Ints(times)].into_iter().chain(coded).collect() }
    }

    /// The conversion rows of a slice as columns.
    pub fn conversion_rows(&self, place: usize) -> Rows {
        let rows: Vec<ConversionRow> = self.conversions_in_time(place).collect();
        let mut ids = Keys::new(self, "o", self.order_numbers(), rows.len());
        let mut customers = Keys::new(self, "c", self.crowd.all, rows.len());
        for ConversionRow { order, id, nulls } in &rows {
            ids.push(Some(*id));
            customers.push(nulls.spare(Cells::CUSTOMER, order.customer));
        }
        let kinds = rows.iter().map(|row| row.order.kind.into()).collect();
        let amounts = |amount: fn(&Order) -> i64| Column::Wide(rows.iter().map(|row| amount(&row.order).into()).collect());
        let columns = vec![
            ids.column(),
            customers.column(),
            Column::Ints(rows.iter().map(|row| row.order.time).collect()),
            Column::Codes { codes: kinds, dictionary: self.market.names.kinds.clone() },
            amounts(|order| order.revenue),
            amounts(|order| order.margin),
        ];
        let orders: Vec<_> = rows.iter().map(|row| Some(&row.order)).collect();
        Rows { columns: columns.into_iter().chain(self.further_columns(&orders)).collect() }
    }

    /// The touch rows of a slice, oldest first.
    pub fn touches_in_time(&self, place: usize) -> impl ExactSizeIterator<Item = TouchRow> {
        let slice = &self.calendar.slices[place];
        let touches = self.touches(place);
        let rows = touches.len();
        let order = in_time(touches.iter().map(|touch| touch.time - slice.time.start));
        // Fetched in a loop of its own, which does not wait for each to come from memory.
        let touches: Vec<Touch> = order.into_iter().map(|place| touches[place as usize]).collect();

        let (duplicates, nulls) = (Share::of(self.settings.duplicates), Nulls::new(self.settings.nulls));
        let mut random = Random::new(self.settings.seed, Stream::TouchRow, place as u64, 0);
        let mut last = None;
        touches.into_iter().zip(0..rows).map(move |(touch, row)| {
            // A repeat stands right behind what it repeats: both have the same time.
            let row = match last {
                Some(last) if random.chance(duplicates) => last,
                _ => TouchRow { touch, id: slice.touches.start + row as u64, nulls: nulls.draw(&mut random) },
            };
            last = Some(row);
            row
        })
    }

    /// The touches of a slice session by session, repeats not yet among them.
    pub fn touches(&self, place: usize) -> Vec<Touch> {
        let slice = &self.calendar.slices[place];
        let rows = slice.touch_count() as usize;
        let mut touches: Vec<Touch> = Vec::with_capacity(rows + 16);
        for number in 0..self.sessions(slice) {
            touches.extend(self.session(place, number).touches(&self.market, slice));
        }
        touches.truncate(rows);
        touches
    }

    /// The conversion rows of a slice, oldest first.
    pub fn conversions_in_time(&self, place: usize) -> impl ExactSizeIterator<Item = ConversionRow> {
        let slice = &self.calendar.slices[place];
        let turns = self.turns(place);
        let order = in_time(turns.iter().map(|turn| turn.order.time - slice.time.start));
        // Ids ascend with time; a repeat has the id of what it repeats. Where refunds name orders they do within a day or
        // so only, as a refund cannot know the times of all that was ordered on that day.
        let mut id_of: Vec<u64> = slice.conversions.clone().take(turns.len()).collect();
        if !self.settings.refund_of {
            order.iter().enumerate().for_each(|(row, turn)| id_of[*turn as usize] = slice.conversions.start + row as u64);
        }

        let nulls = Nulls::new(self.settings.nulls);
        order.into_iter().map(move |turn| {
            let turn = &turns[turn as usize];
            let mut random = Random::new(self.settings.seed, Stream::ConversionRow, place as u64, turn.id_of as u64);
            ConversionRow { order: turn.order, id: id_of[turn.id_of], nulls: nulls.draw(&mut random) }
        })
    }

    /// The type of ids.
    pub fn key_type(&self) -> ColumnType {
        match self.settings.keys {
            KeyKind::Text | KeyKind::Hex16 => ColumnType::Text,
            KeyKind::Integer => ColumnType::Int { bits: 64, signed: true },
        }
    }
}

/// Which of a row's six nullable cells are null, as bits.
#[derive(Clone, Copy, Debug)]
pub struct Cells(u8);

impl Cells {
    pub const CUSTOMER: u8 = 0;
    pub const CHANNEL: u8 = 1;
    pub const CAMPAIGN: u8 = 2;
    pub const INTERACTION: u8 = 3;
    pub const COUNTRY: u8 = 4;
    pub const DEVICE: u8 = 5;

    /// The content of a cell that may be null.
    pub fn spare<T>(self, cell: u8, content: T) -> Option<T> {
        (self.0 >> cell & 1 == 0).then_some(content)
    }

    /// The code of a cell that may be null.
    pub fn code(self, cell: u8, code: u32) -> u32 {
        self.spare(cell, code).unwrap_or(NULL_CODE)
    }
}

/// How often a cell is null.
struct Nulls {
    /// Of 2²¹ rows.
    each: u64,
}

impl Nulls {
    fn new(share: f64) -> Self {
        Self { each: (share * f64::from(1 << 21)) as u64 }
    }

    /// Two draws a row, three cells each: rows are many.
    fn draw(&self, random: &mut Random) -> Cells {
        Cells((0..2).fold(0, |bits, half| {
            let draw = random.draw();
            (0..3).fold(bits, |bits, cell| bits | u8::from(draw >> (21 * cell) & 0x1F_FFFF < self.each) << (3 * half + cell))
        }))
    }
}

/// The places of times (microseconds from the start of a slice) in order; those of one instant keep theirs.
fn in_time(times: impl Iterator<Item = i64>) -> Vec<u32> {
    // A slice is at most a day, 2³⁷ microseconds, so time and place fit into 64 bits as long as there are 2²⁷ rows at most.
    let mut keys: Vec<u64> = times.enumerate().map(|(place, time)| (time as u64) << 27 | place as u64).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| (key & ((1 << 27) - 1)) as u32).collect()
}

/// A column of ids in the form that was asked for.
pub struct Keys {
    kind: KeyKind,
    prefix: &'static str,
    /// Digits of a readable id.
    width: usize,
    /// Makes the hexadecimal ids of events, customers and orders, and of another seed, differ.
    salt: u64,
    texts: Texts,
    ints: Vec<Option<i64>>,
}

impl Keys {
    /// No ids yet; there are `count` in all, of which `rows` will be pushed.
    pub fn new(world: &World, prefix: &'static str, count: u64, rows: usize) -> Self {
        let kind = world.settings.keys;
        let width = (count.max(1).ilog10() as usize + 1).max(6);
        let text_rows = if kind == KeyKind::Integer { 0 } else { rows };
        Self {
            kind,
            prefix,
            width,
            salt: mix(world.settings.seed ^ u64::from(prefix.as_bytes()[0])),
            texts: Texts::with_capacity(text_rows, text_rows * (width + 2).max(16)),
            ints: Vec::with_capacity(rows - text_rows),
        }
    }

    /// Adds the id of this number.
    pub fn push(&mut self, number: Option<u64>) {
        if self.kind == KeyKind::Integer {
            return self.ints.push(number.map(|number| number as i64 + 1));
        }
        let Some(number) = number else { return self.texts.push(None) };
        let mut buffer = [0_u8; 24];
        let text = if self.kind == KeyKind::Hex16 {
            hex(mix(number ^ self.salt), &mut buffer)
        } else {
            readable(self.prefix, number + 1, self.width, &mut buffer)
        };
        self.texts.push(std::str::from_utf8(text).ok());
    }

    /// The ids pushed.
    pub fn column(self) -> Column {
        if self.kind != KeyKind::Integer {
            return Column::Texts(self.texts);
        }
        match self.ints.iter().copied().collect() {
            Some(ints) => Column::Ints(ints),
            None => {
                let cell = |int: Option<i64>| int.map_or(Value::Null, |int| Value::Int(int.into()));
                Column::Values(self.ints.into_iter().map(cell).collect())
            }
        }
    }
}

fn hex(number: u64, buffer: &mut [u8; 24]) -> &[u8] {
    for (place, digit) in buffer[..16].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize];
    }
    &buffer[..16]
}

fn readable<'a>(prefix: &str, mut number: u64, width: usize, buffer: &'a mut [u8; 24]) -> &'a [u8] {
    let length = width + 2;
    buffer[0] = prefix.as_bytes()[0];
    buffer[1] = b'-';
    for digit in buffer[2..length].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    &buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Preset, Settings};
    use std::collections::{HashMap, HashSet};

    fn world(settings: Settings) -> World {
        World::new(&settings)
    }

    fn cells(world: &World, rows: impl Fn(&World, usize) -> Rows, column: usize) -> Vec<Value> {
        let slices = 0..world.calendar.slices.len();
        let cells = slices.flat_map(|place| {
            let rows = rows(world, place);
            (0..rows.len()).map(|row| rows.columns[column].value(row)).collect::<Vec<_>>()
        });
        cells.collect()
    }

    fn share(part: usize, of: &[Value]) -> f64 {
        part as f64 / of.len() as f64
    }

    #[test]
    fn counts_are_exact_and_times_ascend() {
        let world = world(Settings { touches: 30_011, conversions: Some(907), days: 9, files: Some(4), ..Settings::default() });
        let times = cells(&world, World::touch_rows, 2);
        assert_eq!(times.len(), 30_011);
        assert!(times.is_sorted());
        let times = cells(&world, World::conversion_rows, 2);
        assert_eq!(times.len(), 907);
        assert!(times.is_sorted());
    }

    #[test]
    fn repeats_and_nulls_come_as_often_as_asked_for() {
        let settings = Settings { touches: 50_000, conversions: Some(20_000), days: 20, customers: 5_000, ..Settings::default() };
        let world = world(Settings { duplicates: 0.04, nulls: 0.1, ..settings });
        for column in [1, 3, 5, 6, 7] {
            let cells = cells(&world, World::touch_rows, column);
            let nulls = share(cells.iter().filter(|cell| cell.is_null()).count(), &cells);
            assert!((0.09..0.11).contains(&nulls), "column {column}: {nulls}");
        }
        for rows in [World::touch_rows, World::conversion_rows] {
            let ids = cells(&world, rows, 0);
            let repeats = share(ids.len() - ids.iter().collect::<HashSet<_>>().len(), &ids);
            assert!((0.033..0.045).contains(&repeats), "{repeats}");
            let customers = cells(&world, rows, 1);
            let nulls = share(customers.iter().filter(|cell| cell.is_null()).count(), &customers);
            assert!((0.09..0.11).contains(&nulls), "{nulls}");
        }
        // A repeat has the same id, customer and time.
        let columns: Vec<_> = (0..3).map(|column| cells(&world, World::touch_rows, column)).collect();
        let mut seen = HashMap::new();
        for ((id, customer), time) in columns[0].iter().zip(&columns[1]).zip(&columns[2]) {
            assert_eq!(*seen.entry(id).or_insert((customer, time)), (customer, time));
        }
    }

    #[test]
    fn without_duplicates_and_nulls_there_are_none() {
        for keys in [KeyKind::Text, KeyKind::Hex16, KeyKind::Integer] {
            let settings = Settings { touches: 20_000, conversions: Some(2_000), days: 3, keys, ..Settings::default() };
            let world = world(Settings { duplicates: 0.0, nulls: 0.0, ..settings });
            for rows in [World::touch_rows, World::conversion_rows] {
                let ids = cells(&world, rows, 0);
                assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
                assert!(!cells(&world, rows, 1).contains(&Value::Null));
            }
        }
    }

    #[test]
    fn ids_have_the_form_asked_for() {
        let first = |keys, column| {
            let world = world(Settings { touches: 1_000, days: 1, nulls: 0.0, keys, ..Settings::default() });
            cells(&world, World::touch_rows, column)[0].clone()
        };
        assert_eq!(first(KeyKind::Text, 0), Value::text("e-000001"));
        assert_eq!(first(KeyKind::Integer, 0), Value::Int(1));
        assert!(first(KeyKind::Hex16, 1).as_text().is_some_and(|id| id.len() == 16));
        assert!(first(KeyKind::Text, 1).as_text().is_some_and(|id| id.len() == 8 && id.starts_with("c-")));
    }

    #[test]
    fn presets_and_seeds_differ() {
        let rows = |preset, seed| {
            let world = world(Settings { touches: 1_000, days: 2, preset, seed, ..Settings::default() });
            (world.touch_rows(0), world.conversion_rows(0))
        };
        assert_eq!(rows(Preset::B2c, 1), rows(Preset::B2c, 1));
        assert_ne!(rows(Preset::B2c, 1), rows(Preset::B2c, 2));
        assert_ne!(rows(Preset::B2c, 1), rows(Preset::B2b, 1));
    }

    #[test]
    fn ids_fit_their_buffer_and_hex_is_padded() {
        let mut buffer = [0; 24];
        assert_eq!(readable("c", 42, 6, &mut buffer), b"c-000042");
        assert_eq!(readable("c", 1_000_000_000_000, 13, &mut buffer), b"c-1000000000000");
        assert_eq!(hex(0xab, &mut buffer), b"00000000000000ab");
    }

    #[test]
    fn the_order_of_one_instant_is_kept() {
        assert_eq!(in_time([5, 0, 5, 86_400_000_000 - 1, 0].into_iter()), [1, 4, 0, 2, 3]);
    }
}
