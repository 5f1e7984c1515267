//! The table `quality`: what each check found.

use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};

use super::Finding;

/// Its columns.
pub(crate) fn fields() -> Vec<Field> {
    let text = |name| Field::new(name, ColumnType::Text);
    // As many digits as a share has.
    let number = |name| Field::new(name, ColumnType::SHARE);
    let passed = Field::new("passed", ColumnType::Boolean);
    vec![
        text("check"),
        text("subject"),
        text("level"),
        text("unit"),
        number("limit"),
        number("found"),
        passed,
        text("explanation"),
    ]
}

/// Its rows, in the order of the pipeline file's keys.
pub(crate) fn rows(findings: &[Finding]) -> Rows {
    let column = |of: &dyn Fn(&Finding) -> Value| Column::Values(findings.iter().map(of).collect());
    Rows {
        columns: vec![
            column(&|finding| Value::text(finding.check)),
            column(&|finding| finding.subject.as_deref().map_or(Value::Null, Value::text)),
            column(&|finding| Value::text(finding.level.name())),
            column(&|finding| Value::text(finding.unit)),
            column(&|finding| Value::Int(finding.limit)),
            column(&|finding| finding.found.map_or(Value::Null, Value::Int)),
            column(&|finding| Value::Boolean(finding.passed)),
            column(&|finding| Value::text(&finding.explanation)),
        ],
    }
}
