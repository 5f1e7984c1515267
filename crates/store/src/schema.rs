//! Our column types as arrow's, and back.

use arrow::datatypes::{DataType, Schema, TimeUnit as ArrowUnit};
use attributary_core::table::Field;
use attributary_core::value::{ColumnType, TimeUnit};

/// Whether text and bytes are arrays of offsets or of views.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the file says it: `Utf8`, `Binary`, which every reader knows.
    File,
    /// As we hold it in memory: views, so that repeating a text copies 16 bytes and has no 2 GiB limit.
    Memory,
}

/// The schema of a table.
pub(crate) fn schema(fields: &[Field], form: Form) -> Schema {
    Schema::new(
        fields
            .iter()
            .map(|field| arrow::datatypes::Field::new(&field.name, arrow_type(&field.kind, form), true))
            .collect::<Vec<_>>(),
    )
}

/// The arrow type of a column.
pub(crate) fn arrow_type(kind: &ColumnType, form: Form) -> DataType {
    match (kind, form) {
        (ColumnType::Text, Form::File) => DataType::Utf8,
        (ColumnType::Text, Form::Memory) => DataType::Utf8View,
        (ColumnType::Binary, Form::File) => DataType::Binary,
        (ColumnType::Binary, Form::Memory) => DataType::BinaryView,
        (ColumnType::Boolean, _) => DataType::Boolean,
        (ColumnType::Int { bits: 0..=8, signed: true }, _) => DataType::Int8,
        (ColumnType::Int { bits: 9..=16, signed: true }, _) => DataType::Int16,
        (ColumnType::Int { bits: 17..=32, signed: true }, _) => DataType::Int32,
        (ColumnType::Int { signed: true, .. }, _) => DataType::Int64,
        (ColumnType::Int { bits: 0..=8, signed: false }, _) => DataType::UInt8,
        (ColumnType::Int { bits: 9..=16, signed: false }, _) => DataType::UInt16,
        (ColumnType::Int { bits: 17..=32, signed: false }, _) => DataType::UInt32,
        (ColumnType::Int { signed: false, .. }, _) => DataType::UInt64,
        (ColumnType::Float { bits: 0..=32 }, _) => DataType::Float32,
        (ColumnType::Float { .. }, _) => DataType::Float64,
        (ColumnType::Decimal { precision, scale }, _) => {
            // More than 38 digits do not exist; the cells are checked against the type as written.
            let precision = (*precision).clamp(1, 38);
            DataType::Decimal128(precision, (*scale).min(precision) as i8)
        }
        (ColumnType::Date, _) => DataType::Date32,
        (ColumnType::Timestamp { unit, zone }, _) => DataType::Timestamp(arrow_unit(*unit), zone.clone()),
    }
}

/// Our type of an arrow column; none where there is none.
pub(crate) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    let int = |bits, signed| ColumnType::Int { bits, signed };
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ColumnType::Text,
        DataType::Dictionary(_, values) => column_type(values)?,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ColumnType::Binary,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => int(8, true),
        DataType::Int16 => int(16, true),
        DataType::Int32 => int(32, true),
        DataType::Int64 => int(64, true),
        DataType::UInt8 => int(8, false),
        DataType::UInt16 => int(16, false),
        DataType::UInt32 => int(32, false),
        DataType::UInt64 => int(64, false),
        DataType::Float16 | DataType::Float32 => ColumnType::Float { bits: 32 },
        DataType::Float64 => ColumnType::Float { bits: 64 },
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(unit, zone) => ColumnType::Timestamp { unit: our_unit(*unit), zone: zone.clone() },
        _ => return None,
    })
}

fn arrow_unit(unit: TimeUnit) -> ArrowUnit {
    match unit {
        TimeUnit::Second => ArrowUnit::Second,
        TimeUnit::Milli => ArrowUnit::Millisecond,
        TimeUnit::Micro => ArrowUnit::Microsecond,
        TimeUnit::Nano => ArrowUnit::Nanosecond,
    }
}

fn our_unit(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Milli,
        ArrowUnit::Microsecond => TimeUnit::Micro,
        ArrowUnit::Nanosecond => TimeUnit::Nano,
    }
}
