//! The end-to-end cases: one TOML file each with journeys, settings and the expected tables. `tests/cases/README.md` says
//! how they are written.

use std::path::{Path, PathBuf};

use attributary_core::money::{self, Rounded};
use attributary_core::time::{self, Zone};
use attributary_core::value::{ColumnType, Value};

use crate::case_sources::{self, Sources, section};
use crate::log::TextTable;
use crate::oracle;
use crate::pipeline_file::{self, is_worth};
use crate::rows::{ConversionRow, TouchRow};
use crate::settings::OracleSettings;
use crate::table::{self, Table};

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without `.toml`.
    pub name: String,
    /// One line on what it shows.
    pub title: String,
    /// Where the expected numbers come from.
    pub source: String,
    /// Arguments of `run` besides the pipeline file.
    pub run: Vec<String>,
    /// The pipeline as the oracle takes it.
    pub settings: OracleSettings,
    /// The touchpoints to write as one Parquet file.
    pub touchpoints: Table,
    /// The conversions to write as one Parquet file.
    pub conversions: Table,
    /// Spend and rates to write as Parquet files of these names, beside the pipeline file.
    pub further: Vec<(String, Table)>,
    /// The touchpoints as the oracle takes them.
    pub touch_rows: Vec<TouchRow>,
    /// The conversions as the oracle takes them.
    pub conversion_rows: Vec<ConversionRow>,
    /// What must come out.
    pub expected: Vec<Expectation>,
    /// What the run must warn of: a part of each warning, in their order.
    pub warnings: Vec<String>,
    pipeline: toml::Table,
}

const SECTIONS: [&str; 12] = [
    "pipeline",
    "touchpoints",
    "conversions",
    "spend",
    "fx",
    "customers",
    "returns",
    "budget",
    "journey",
    "model",
    "table",
    "output",
];

/// The tables of what marketing is worth, which only a real run has.
const WORTH_TABLES: [&str; 9] = [
    "returns",
    "marketing_share",
    "customers",
    "customer_segments",
    "customer_value_fit",
    "cohorts",
    "budget",
    "what_if",
    "ledger_currencies",
];

/// What some columns of one table must hold.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The table's name.
    pub table: String,
    /// Columns that say which rows are meant, with the cell's text; all rows where there are none.
    pub filter: Vec<(String, String)>,
    /// All of those rows, some columns.
    pub rows: TextTable,
}

impl Case {
    /// Every case of a folder, by name.
    ///
    /// # Errors
    /// The first that cannot be read, with its file.
    pub fn all(folder: &Path) -> Result<Vec<Self>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The folder of the cases of this workspace.
    #[must_use]
    pub fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
    }

    /// Reads one file.
    ///
    /// # Errors
    /// Says what is wrong, with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&name, &text)).map_err(|wrong| format!("{}: {wrong}", path.display()))
    }

    /// Reads the text of one file.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut file: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut take_text = |key: &str| match file.remove(key) {
            Some(toml::Value::String(text)) => Ok(text),
            _ => Err(format!("{key} is missing or no text")),
        };
        let (title, source) = (take_text("title")?, take_text("source")?);
        let journeys = take_text("journeys").ok();
        let mut take_texts = |key: &str| match file.remove(key) {
            None => Ok(Vec::new()),
            Some(texts) => texts.try_into::<Vec<String>>().map_err(|error| format!("{key}: {error}")),
        };
        let (run, warnings) = (take_texts("run")?, take_texts("warnings")?);
        let expected = expectations(file.remove("expect").ok_or("expect is missing")?)?;
        if let Some(unknown) = file.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
            return Err(format!(
                "unknown key {unknown}, a case has title, source, run, warnings, journeys, expect, {}",
                SECTIONS.join(", ")
            ));
        }
        let Sources { touchpoints, conversions, further } = case_sources::take(&mut file, journeys)?;
        let settings = pipeline_file::from_pipeline(&file, &run)?;
        let touch_rows = touch_rows(&file, &touchpoints, &settings)?;
        let conversion_rows = conversion_rows(&file, &conversions, &settings)?;
        let name = name.to_owned();
        Ok(Self {
            name,
            title,
            source,
            run,
            settings,
            touchpoints,
            conversions,
            further,
            touch_rows,
            conversion_rows,
            expected,
            warnings,
            pipeline: file,
        })
    }

    /// Whether the oracle computes a table of this case. It knows nothing of currencies and of what customers are expected to bring,
    /// which change all tables, nor of spend, which is in the ledger and among the rejected rows.
    #[must_use]
    pub fn is_known_to_the_oracle(&self, table: &str) -> bool {
        let conversions = |key: &str| self.pipeline.get("conversions").and_then(|section| section.get(key)?.as_table());
        let has_currency = conversions("columns").is_some_and(|columns| columns.contains_key("currency"));
        let is_foreseen = |value: &toml::Value| is_worth(value) && value.get("historic_clv").is_none();
        let has_worth = conversions("values").is_some_and(|values| values.values().any(is_foreseen));
        let has_spend = !self.further.is_empty() || self.touchpoints.place("cost").is_ok();
        let of_spend = has_spend && ["ledger", "rejects"].contains(&table);
        !(WORTH_TABLES.contains(&table) || has_currency || has_worth || of_spend)
    }

    /// The pipeline file for a real run over the written sources.
    #[must_use]
    pub fn pipeline_toml(&self, touchpoints_path: &str, conversions_path: &str, output: &str) -> String {
        let mut file = self.pipeline.clone();
        section(&mut file, "touchpoints").insert("source".into(), touchpoints_path.into());
        section(&mut file, "conversions").insert("source".into(), conversions_path.into());
        let pipeline = section(&mut file, "pipeline");
        pipeline.insert("output".into(), output.into());
        for (key, default) in [("name", self.name.as_str()), ("currency", "EUR")] {
            if !pipeline.contains_key(key) {
                pipeline.insert(key.into(), default.into());
            }
        }
        if self.expected.iter().any(|expected| expected.table == "credits") {
            section(&mut file, "output").insert("credits".into(), true.into());
        }
        file.to_string()
    }
}

impl Expectation {
    /// Holds the rows against the table that was found. Grouped tables and paths must be in this order, others may be in any.
    ///
    /// # Errors
    /// Shows both.
    pub fn check(&self, found: &Table) -> Result<(), String> {
        let mut chosen = found.clone();
        for (column, text) in &self.filter {
            let place = found.place(column)?;
            let wanted = table::cell((text != "-").then_some(text), &found.fields[place].kind)?;
            chosen.rows.retain(|row| row[place] == wanted);
        }
        let mut found = chosen.project(&self.rows.columns)?;
        let read = |row: &Vec<Option<String>>| -> Result<Vec<Value>, String> {
            row.iter().zip(&found.fields).map(|(text, field)| table::cell(text.as_deref(), &field.kind)).collect()
        };
        let rows = self.rows.rows.iter().map(read).collect::<Result<_, _>>()?;
        let mut expected = Table { fields: found.fields.clone(), rows };
        if !oracle::is_ordered(&self.table) {
            (expected, found) = (expected.sorted(), found.sorted());
        }
        table::difference(&expected, &found).map_or(Ok(()), |difference| Err(format!("{}: {difference}", self.table)))
    }
}

/// `table = '''…'''`, or a list of `{ where = { model = "…" }, rows = '''…''' }`.
fn expectations(value: toml::Value) -> Result<Vec<Expectation>, String> {
    let toml::Value::Table(tables) = value else { return Err("expect holds tables".to_owned()) };
    let mut found = Vec::new();
    for (table, value) in tables {
        let parts = match value {
            toml::Value::Array(parts) => parts,
            one => vec![one],
        };
        for part in parts {
            let (filter, text) = match &part {
                toml::Value::String(text) => (Vec::new(), Some(text.as_str())),
                other => {
                    let filter = other.get("where").and_then(toml::Value::as_table).into_iter().flatten();
                    let pair = |(column, text): (&String, &toml::Value)| Some((column.clone(), text.as_str()?.to_owned()));
                    (filter.filter_map(pair).collect(), other.get("rows").and_then(toml::Value::as_str))
                }
            };
            let text = text.ok_or_else(|| format!("expect.{table} needs rows"))?;
            let rows = TextTable::parse(text).map_err(|wrong| format!("expect.{table}: {wrong}"))?;
            found.push(Expectation { table: table.clone(), filter, rows });
        }
    }
    Ok(found)
}

fn touch_rows(file: &toml::Table, table: &Table, settings: &OracleSettings) -> Result<Vec<TouchRow>, String> {
    let source = Source::new(file, "touchpoints", table)?;
    let row = |row: usize| -> Result<TouchRow, String> {
        Ok(TouchRow {
            file: 0,
            row: row as u64,
            customer: source.mapped_text(row, "customer")?,
            time: source.time(row)?,
            channel: source.mapped_text(row, "channel")?,
            campaign: source.mapped_text(row, "campaign")?,
            interaction: source.mapped_text(row, "interaction")?,
            id: source.mapped_text(row, "id")?,
            dimensions: settings.dimensions.iter().map(|name| source.text(row, name)).collect::<Result<_, _>>()?,
        })
    };
    (0..table.rows.len()).map(row).collect()
}

fn conversion_rows(file: &toml::Table, table: &Table, settings: &OracleSettings) -> Result<Vec<ConversionRow>, String> {
    let source = Source::new(file, "conversions", table)?;
    let mappings = file["conversions"]["values"].as_table().ok_or("conversions.values is a table")?;
    let mappings = || mappings.values().filter(|mapping| !is_worth(mapping));
    let value = |row: usize, mapping: &toml::Value| -> Result<Option<Rounded>, String> {
        let minor = mapping.get("unit").and_then(toml::Value::as_str) == Some("minor");
        let column = mapping.as_str().or_else(|| mapping.get("column")?.as_str()).ok_or("a value names its column")?;
        let place = table.place(column)?;
        Ok(match (&table.rows[row][place], &table.fields[place].kind) {
            (Value::Int(number), _) if minor => money::from_minor(*number),
            (Value::Int(number), ColumnType::Decimal { scale, .. }) => {
                money::from_decimal(*number, (*scale).into(), settings.exponent())
            }
            (Value::Int(number), _) => money::from_decimal(*number, 0, settings.exponent()),
            (number @ Value::Float(_), _) => number.as_float().and_then(|it| money::from_float(it, settings.exponent())),
            _ => None,
        })
    };
    let row = |row: usize| -> Result<ConversionRow, String> {
        Ok(ConversionRow {
            file: 0,
            row: row as u64,
            id: source.mapped_text(row, "id")?,
            customer: source.mapped_text(row, "customer")?,
            time: source.time(row)?,
            kind: source.mapped_text(row, "kind")?,
            refund_of: source.mapped_text(row, "refund_of")?,
            values: mappings().map(|mapping| value(row, mapping)).collect::<Result<_, _>>()?,
        })
    };
    (0..table.rows.len()).map(row).collect()
}

struct Source<'a> {
    table: &'a Table,
    columns: &'a toml::Value,
    zone: Zone,
}

impl<'a> Source<'a> {
    fn new(file: &'a toml::Table, name: &str, table: &'a Table) -> Result<Self, String> {
        let zone = file[name].get("timezone").and_then(toml::Value::as_str).unwrap_or("UTC");
        let zone = Zone::named(zone).ok_or_else(|| format!("no time zone {zone}"))?;
        Ok(Self { table, columns: &file[name]["columns"], zone })
    }

    /// The cell of a mapped column; none where it is null or not mapped.
    fn mapped_text(&self, row: usize, name: &str) -> Result<Option<String>, String> {
        let column = self.columns.get(name).and_then(toml::Value::as_str);
        column.map_or(Ok(None), |column| self.text(row, column))
    }

    fn text(&self, row: usize, column: &str) -> Result<Option<String>, String> {
        let place = self.table.place(column)?;
        match &self.table.rows[row][place] {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.to_string())),
            other => Err(format!("{column} holds {other:?}; the oracle takes keys and dimensions as text")),
        }
    }

    fn time(&self, row: usize) -> Result<Option<i64>, String> {
        let column = self.columns.get("time").and_then(toml::Value::as_str).ok_or("columns.time is missing")?;
        let place = self.table.place(column)?;
        Ok(match (&self.table.rows[row][place], &self.table.fields[place].kind) {
            (Value::Text(text), _) => time::parse_instant(text, &self.zone),
            (Value::Int(day), ColumnType::Date) => i32::try_from(*day).ok().map(|day| self.zone.start_of(day)),
            (Value::Int(time), ColumnType::Timestamp { zone: Some(_), .. }) => i64::try_from(*time).ok(),
            (Value::Int(time), _) => i64::try_from(*time).ok().map(|wall_clock| self.zone.instant(wall_clock)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Repeats, Reuse};
    use attributary_core::journey::{Rejected, Unattributed};
    use attributary_core::model::Fallback;
    use std::collections::BTreeSet;

    #[test]
    fn the_oracle_agrees_with_every_case() {
        let cases = Case::all(&Case::folder()).expect("cases that can be read");
        let mut wrong = Vec::new();
        for case in &cases {
            let tables = oracle::run(&case.touch_rows, &case.conversion_rows, &case.settings);
            assert!(!case.title.is_empty() && !case.source.is_empty() && !case.expected.is_empty(), "{}", case.name);
            for expected in case.expected.iter().filter(|expected| case.is_known_to_the_oracle(&expected.table)) {
                let found = tables.get(&expected.table).ok_or_else(|| format!("no table {}", expected.table));
                if let Err(problem) = found.and_then(|found| expected.check(found)) {
                    wrong.push(format!("{} ({}): {problem}", case.name, case.title));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(cases.len() >= 45, "only {} cases", cases.len());
    }

    #[test]
    fn the_pipeline_of_a_case_says_what_the_oracle_was_told() {
        for case in Case::all(&Case::folder()).expect("cases that can be read") {
            let text = case.pipeline_toml("touchpoints.parquet", "conversions.parquet", "out");
            let file: toml::Table = text.parse().expect(&text);
            assert_eq!(pipeline_file::from_pipeline(&file, &case.run).as_ref(), Ok(&case.settings), "{}", case.name);
            assert_eq!(file["touchpoints"]["source"].as_str(), Some("touchpoints.parquet"));
        }
    }

    #[test]
    fn the_cases_have_every_model_rule_and_reason() {
        let mut seen = BTreeSet::new();
        for case in Case::all(&Case::folder()).expect("cases that can be read") {
            let settings = &case.settings;
            for model in &settings.models {
                seen.insert(model.kind.word().to_owned());
                let only = if model.only.is_some() { "only" } else { "all touches" };
                seen.insert(format!("{only}, fallback {:?}", model.fallback));
            }
            seen.insert(format!("{:?}", settings.repeats));
            seen.insert(format!("{:?} by kind {}", settings.reuse, settings.reuse_by_kind));
            seen.extend(settings.ignore.iter().map(|ignore| format!("ignore always {}", ignore.always)));
            for (word, there) in [
                ("calendar days", settings.calendar_days),
                ("priority", !settings.priority.is_empty()),
                ("interaction windows", !settings.interaction_windows.is_empty()),
                ("from", settings.from.is_some()),
                ("to", settings.to.is_some()),
            ] {
                seen.extend(there.then(|| word.to_owned()));
            }
            for expected in &case.expected {
                seen.insert(expected.table.clone());
                let place = expected.rows.columns.iter().position(|column| column == "reason");
                seen.extend(expected.rows.rows.iter().filter_map(|row| row[place?].clone()));
            }
        }
        let kinds =
            "last_touch first_touch last_click first_click linear any_touch time_decay position_based j_shaped inverse_j custom";
        let tables = "credits unattributed rejects ledger paths attributed_revenue by_channel total";
        let tables = tables.split(' ').chain(WORTH_TABLES);
        let mut wanted: Vec<String> = kinds.split(' ').chain(tables).map(str::to_owned).collect();
        wanted.extend(Rejected::ALL.iter().map(ToString::to_string).chain(Unattributed::ALL.iter().map(ToString::to_string)));
        wanted.extend([Repeats::Keep, Repeats::CollapseConsecutive, Repeats::First, Repeats::Last].map(|it| format!("{it:?}")));
        let since = Reuse::SincePreviousConversion;
        wanted.extend([
            format!("{:?} by kind false", Reuse::Overlap),
            format!("{since:?} by kind false"),
            format!("{since:?} by kind true"),
        ]);
        wanted.extend([Fallback::All, Fallback::None].map(|it| format!("only, fallback {it:?}")));
        wanted.extend(["ignore always true", "ignore always false", "calendar days", "priority"].map(str::to_owned));
        wanted.extend(["interaction windows", "from", "to"].map(str::to_owned));
        let missing: Vec<_> = wanted.iter().filter(|word| !seen.contains(*word)).collect();
        assert!(missing.is_empty(), "no case has {missing:?}");
    }

    const SMALL: &str = "title = 'a'\nsource = 'b'\njourneys = 'x > y = 3'\n[[model]]\nkind = 'linear'\n[expect]\n";

    #[test]
    fn a_wrong_expectation_is_found() {
        for (rows, right) in [
            ("channel revenue\nx 1.5\ny 1.5", true),
            ("channel revenue\nx 1.5\ny 1.51", false),
            ("channel revenue\nx 1.5", false),
            ("channel revenue\ny 1.5\nx 1.5", false),
            ("channel margin\nx 1.5\ny 1.5", false),
        ] {
            let case = Case::parse("small", &format!("{SMALL}by_channel = '''{rows}'''")).expect(rows);
            let tables = oracle::run(&case.touch_rows, &case.conversion_rows, &case.settings);
            assert_eq!(case.expected[0].check(&tables["by_channel"]).is_ok(), right, "{rows}");
        }
        assert!(Case::parse("small", &format!("{SMALL}x = 'a'\n[jurney]")).is_err_and(|wrong| wrong.contains("jurney")));
    }
}
