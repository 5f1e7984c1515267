//! One cell of a column whose type is only known when the pipeline runs: ids, customers, campaigns, dimensions.

use std::fmt;
use std::sync::Arc;

use crate::time;

/// The type of a column, as far as it matters to what is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text, ordered by bytes.
    Text,
    /// Bytes.
    Binary,
    /// True or false.
    Boolean,
    /// An integer of 8, 16, 32 or 64 bits.
    Int {
        /// Width.
        bits: u8,
        /// Whether it may be negative.
        signed: bool,
    },
    /// A float of 32 or 64 bits.
    Float {
        /// Width.
        bits: u8,
    },
    /// A fixed-point number of up to 38 digits, `scale` of them behind the point; cells hold the unscaled integer.
    Decimal {
        /// Digits in all, at most 38.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Days since 1970-01-01.
    Date,
    /// A point in time, or a wall-clock time where `zone` is none.
    Timestamp {
        /// What one unit of the cell is.
        unit: TimeUnit,
        /// The zone's name as the source has it.
        zone: Option<Arc<str>>,
    },
}

impl ColumnType {
    /// Microseconds UTC: how times are written.
    #[must_use]
    pub fn instant() -> Self {
        Self::Timestamp { unit: TimeUnit::Micro, zone: Some("UTC".into()) }
    }

    /// A count: an unsigned integer of 64 bits.
    pub const COUNT: Self = Self::Int { bits: 64, signed: false };

    /// Shares of a conversion: `Decimal(38, 9)`.
    pub const SHARE: Self = Self::Decimal { precision: 38, scale: 9 };

    /// An amount in a currency with `exponent` digits behind the point.
    #[must_use]
    pub fn amount(exponent: u8) -> Self {
        Self::Decimal { precision: 38, scale: exponent }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("text"),
            Self::Binary => formatter.write_str("binary"),
            Self::Boolean => formatter.write_str("boolean"),
            Self::Int { bits, signed } => write!(formatter, "{}{bits}", if *signed { "int" } else { "uint" }),
            Self::Float { bits } => write!(formatter, "float{bits}"),
            Self::Decimal { precision, scale } => write!(formatter, "decimal({precision}, {scale})"),
            Self::Date => formatter.write_str("date"),
            Self::Timestamp { unit, zone: Some(zone) } => write!(formatter, "timestamp[{unit}, {zone}]"),
            Self::Timestamp { unit, zone: None } => write!(formatter, "timestamp[{unit}]"),
        }
    }
}

/// The unit of a timestamp column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Milli,
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Second => "s",
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
        })
    }
}

/// One cell. The order is the order of the tables: null first, text by bytes, numbers by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A boolean; false before true.
    Boolean(bool),
    /// An integer, a date (days), a timestamp (in its column's unit) or a decimal (unscaled).
    Int(i128),
    /// A float by its total order (see [`Value::float`]).
    Float(i64),
    /// Text.
    Text(Box<str>),
    /// Bytes.
    Binary(Box<[u8]>),
}

impl Value {
    /// Text as a cell.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// A float as a cell: its bits, turned so that integers compare as IEEE's total order does.
    #[must_use]
    pub fn float(number: f64) -> Self {
        let bits = number.to_bits() as i64;
        Self::Float(bits ^ (((bits >> 63) as u64) >> 1) as i64)
    }

    /// The float of a [`Value::Float`].
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(bits) => Some(f64::from_bits((bits ^ (((bits >> 63) as u64) >> 1) as i64) as u64)),
            _ => None,
        }
    }

    /// The text of a [`Value::Text`].
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As bytes whose order is the order of the values (within one type; null is no bytes at all and has no encoding).
    /// Text and binary are themselves; floats are big-endian with the sign turned; of integers see
    /// [`Value::append_ordered_int`]. [`Value::from_ordered_bytes`] reads them back.
    #[must_use]
    pub fn to_ordered_bytes(&self) -> Vec<u8> {
        match self {
            Self::Null => Vec::new(),
            Self::Boolean(truth) => vec![u8::from(*truth)],
            Self::Int(number) => {
                let mut bytes = Vec::new();
                Self::append_ordered_int(*number, &mut bytes);
                bytes
            }
            Self::Float(bits) => (*bits as u64 ^ (1 << 63)).to_be_bytes().to_vec(),
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Binary(bytes) => bytes.to_vec(),
        }
    }

    /// Appends the ordered bytes of an integer: one byte that says sign and length (128 + *n* for *n* bytes, 127 − *n* for
    /// a negative one), then its *n* big-endian bytes without those that only repeat the sign. Small numbers are short.
    pub fn append_ordered_int(number: i128, bytes: &mut Vec<u8>) {
        let magnitude = if number < 0 { !number } else { number } as u128;
        let length = 16 - magnitude.leading_zeros() as usize / 8;
        bytes.push(if number < 0 { 127 - length as u8 } else { 128 + length as u8 });
        bytes.extend_from_slice(&number.to_be_bytes()[16 - length..]);
    }

    fn ordered_int(bytes: &[u8]) -> Option<i128> {
        let (mark, bytes) = bytes.split_first()?;
        let negative = *mark < 128;
        let mut whole = [if negative { u8::MAX } else { 0 }; 16];
        whole.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Some(i128::from_be_bytes(whole))
    }

    /// The value of a column of type `column` from its [`Value::to_ordered_bytes`]; null where the bytes are not of that type.
    #[must_use]
    pub fn from_ordered_bytes(column: &ColumnType, bytes: &[u8]) -> Self {
        match column {
            ColumnType::Text => Self::text(&String::from_utf8_lossy(bytes)),
            ColumnType::Binary => Self::Binary(bytes.into()),
            ColumnType::Boolean => bytes.first().map_or(Self::Null, |byte| Self::Boolean(*byte != 0)),
            ColumnType::Float { .. } => {
                bytes.try_into().map_or(Self::Null, |bytes| Self::Float((u64::from_be_bytes(bytes) ^ (1 << 63)) as i64))
            }
            ColumnType::Int { .. } | ColumnType::Decimal { .. } | ColumnType::Date | ColumnType::Timestamp { .. } => {
                Self::ordered_int(bytes).map_or(Self::Null, Self::Int)
            }
        }
    }

    /// The value as a person reads it, given its column's type.
    #[must_use]
    pub fn display(&self, column: &ColumnType) -> String {
        match (self, column) {
            (Self::Null, _) => "null".to_owned(),
            (Self::Boolean(truth), _) => truth.to_string(),
            (Self::Int(days), ColumnType::Date) => i32::try_from(*days).map_or_else(|_| days.to_string(), time::day_text),
            (Self::Int(number), ColumnType::Timestamp { unit, .. }) => {
                let micros = match unit {
                    TimeUnit::Second => number.saturating_mul(1_000_000),
                    TimeUnit::Milli => number.saturating_mul(1_000),
                    TimeUnit::Micro => *number,
                    TimeUnit::Nano => number.div_euclid(1_000),
                };
                i64::try_from(micros).map_or_else(|_| number.to_string(), time::instant_text)
            }
            (Self::Int(number), ColumnType::Decimal { scale, .. }) => crate::money::decimal_text(*number, *scale),
            (Self::Int(number), _) => number.to_string(),
            (Self::Float(_), _) => self.as_float().map_or_else(String::new, |number| number.to_string()),
            (Self::Text(text), _) => text.to_string(),
            (Self::Binary(bytes), _) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_nulls_first_then_by_value() {
        assert!(Value::Null < Value::text(""));
        assert!(Value::text("Z") < Value::text("a"));
        assert!(Value::Int(-1) < Value::Int(0));
        assert!(Value::float(-1.5) < Value::float(-0.5));
        assert!(Value::float(-0.5) < Value::float(2.0));
        assert_eq!(Value::float(-1.5).as_float(), Some(-1.5));
    }

    #[test]
    fn ordered_bytes_keep_order_and_come_back() {
        let int = ColumnType::Int { bits: 64, signed: true };
        let numbers =
            [i128::MIN, -(1 << 64), -65_537, -65_536, -257, -256, -255, -5_i128, -1, 0, 1, 255, 256, 300, 1 << 63, i128::MAX];
        let encoded: Vec<_> = numbers.iter().map(|number| Value::Int(*number).to_ordered_bytes()).collect();
        assert!(encoded.is_sorted());
        for (number, bytes) in numbers.iter().zip(&encoded) {
            assert_eq!(Value::from_ordered_bytes(&int, bytes), Value::Int(*number));
        }
        let float = Value::float(-2.25);
        assert_eq!(Value::from_ordered_bytes(&ColumnType::Float { bits: 64 }, &float.to_ordered_bytes()), float);
        assert_eq!(Value::from_ordered_bytes(&ColumnType::Text, b"abc"), Value::text("abc"));
    }
}
