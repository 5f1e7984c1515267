//! The pipeline file: TOML in, a checked [`Pipeline`] out. What is wrong is said with its line, what was expected, what
//! was found, and the nearest word that would have done.

mod document;
mod error;
mod journey;
mod models;
mod names;
mod nearest;
mod paths;
mod pipeline;
mod quality;
mod section;
mod sources;
mod tables;
mod variables;
mod worth;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use attributary_core::duration::Duration;
use attributary_core::money;
use attributary_store::Keep;

use self::document::{Item, Node};
use self::error::Fault;
use self::section::{Field, Section};

pub use self::error::{FileError, Place, Problem};
pub use self::names::GroupColumn;
pub use self::nearest::{all_near, nearest};
pub use self::pipeline::{
    BudgetEntry, Check, Column, Conversions, CountedPaths, Currency, CustomersEntry, Dimension, Fingerprints, Hooks, Ignore,
    IgnoreWhen, JourneyRules, Level, ModelEntry, Pipeline, RatesEntry, Repeats, ReturnsEntry, ReturnsPeriod, Reuse, Rule,
    ShareTarget, Source, SourceName, Spend, TableEntry, Touchpoints, ValueColumn, Worth, WorthEntry,
};

pub use self::worth::MARKETING;

/// Reads a pipeline file.
///
/// `overrides` are what stands behind `--set`, each `key=value`; `environment` answers for `${NAME}`.
///
/// # Errors
/// Where the file cannot be read or anything in it is not as it should be.
pub fn load(path: &Path, overrides: &[String], environment: &dyn Fn(&str) -> Option<String>) -> Result<Pipeline, FileError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::NotFound,
        _ => Problem::Unreadable(error),
    };
    let bytes = std::fs::read(path).map_err(|error| FileError::new(path, Fault::whole(unreadable(error))))?;
    let text = String::from_utf8(bytes).map_err(|_| FileError::new(path, Fault::whole(Problem::NotText)))?;
    parse(path, &text, overrides, environment)
}

/// Reads the text of a pipeline file that is, or would be, at `path`. See [`load`].
///
/// # Errors
/// Where anything in it is not as it should be.
pub fn parse(
    path: &Path,
    text: &str,
    overrides: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Pipeline, FileError> {
    read(path, text, overrides, environment).map_err(|fault| FileError::new(path, fault))
}

fn read(path: &Path, text: &str, overrides: &[String], environment: &dyn Fn(&str) -> Option<String>) -> Result<Pipeline, Fault> {
    let mut document = Node::parse(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    for assignment in overrides {
        document.set(assignment)?;
    }
    let fingerprints = Fingerprints {
        pipeline_sha256: document.fingerprint(),
        settings_sha256: document::sha256(&document.text(&NO_SETTINGS)),
        text: document.text(&[]),
    };
    document.for_each_text("", &mut |key, place, text| {
        let fault = |problem| Fault { place: Some(place), key: key.to_owned(), problem };
        *text = variables::expand(text, environment).map_err(fault)?;
        Ok(())
    })?;
    resolve(path, &document, fingerprints)
}

/// Keys that change nothing about what is computed.
const NO_SETTINGS: [&str; 7] = [
    "pipeline.name",
    "pipeline.output",
    "pipeline.on_success",
    "pipeline.on_failure",
    "quality",
    "output.keep",
    "output.restatements",
];

fn resolve(path: &Path, document: &Node, fingerprints: Fingerprints) -> Result<Pipeline, Fault> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let known = [
        "pipeline",
        "touchpoints",
        "conversions",
        "paths",
        "journey",
        "model",
        "table",
        "spend",
        "fx",
        "customers",
        "returns",
        "budget",
        "quality",
        "output",
    ];
    let root = Section::root(document, &known)?;
    let head = root.section("pipeline", &["name", "output", "currency", "timezone", "on_success", "on_failure"])?;
    let tail = root.section("output", &["credits", "paths", "restatements", "keep"])?;
    let currency = currency(&head)?;
    let (counted, touchpoints, conversions) = match paths::paths(&root, folder)? {
        Some((counted, touchpoints, conversions)) => {
            paths::refuse_times(&root)?;
            (Some(counted), touchpoints, conversions)
        }
        None => {
            let touchpoints = sources::touchpoints(&root, folder)?;
            let conversions = sources::conversions(&root, folder, &touchpoints.dimensions)?;
            (None, touchpoints, conversions)
        }
    };
    let timed = counted.is_none();
    let tables = tables::tables(&root, (&touchpoints, &conversions), timed)?;
    let pipeline = Pipeline {
        name: match head.get("name") {
            Some(field) => field.text()?.to_owned(),
            None => path.file_stem().map_or_else(|| "pipeline".to_owned(), |stem| stem.to_string_lossy().into_owned()),
        },
        output: head
            .get("output")
            .map(|field| sources::resolve(&field, folder, "expected a folder"))
            .transpose()?
            .map(PathBuf::from),
        currency,
        hooks: Hooks { on_success: command(&head, "on_success")?, on_failure: command(&head, "on_failure")?, output: None },
        zone: sources::zone(&head)?,
        journey: journey::journey(&root, (&touchpoints, &conversions), timed)?,
        models: worth::with_marketing(&root, models::models(&root, &touchpoints.dimensions)?)?,
        spend: worth::spend(&root, folder, &touchpoints)?,
        rates: worth::rates(&root, folder)?,
        customers: worth::customers(&root, &conversions)?,
        returns: worth::returns(&root, &touchpoints, &conversions)?,
        budget: worth::budget(&root)?,
        quality: quality::quality(&root, &touchpoints, &conversions, &tables)?,
        tables,
        touchpoints,
        conversions,
        counted,
        credits: tail.get("credits").map_or(Ok(false), |field| field.boolean())?,
        paths: tail.get("paths").map_or(Ok(10_000), |field| field.count())?,
        restatements: tail.get("restatements").map_or(Ok(false), |field| field.boolean())?,
        keep: tail.get("keep").map_or(Ok(Keep::All), |field| keep(&field))?,
        fingerprints,
        file: path.to_owned(),
        places: places(document),
    };
    worth::check(&pipeline)?;
    paths::check(&pipeline)?;
    let found = pipeline.predicates().len();
    if found > Pipeline::MAX_PREDICATES {
        return Err(Fault::whole(Problem::TooManyPredicates { limit: Pipeline::MAX_PREDICATES, found }));
    }
    Ok(pipeline)
}

fn keep(field: &Field<'_>) -> Result<Keep, Fault> {
    match (&field.node.item, field.count()) {
        (Item::Text(text), _) => Duration::parse(text).map(Keep::Within).map_err(|wrong| field.fault(Problem::invalid(wrong))),
        (_, Ok(0)) => Ok(Keep::All),
        (_, Ok(runs)) => Ok(Keep::Runs(runs)),
        (_, Err(_)) => Err(field.wrong("a number of runs such as 30, or a time such as \"30d\"")),
    }
}

/// A program and its arguments; nothing where the key is not there.
fn command(head: &Section<'_>, key: &str) -> Result<Vec<String>, Fault> {
    let Some(field) = head.get(key) else { return Ok(Vec::new()) };
    let words = field.words("[\"/usr/local/bin/tell\", \"nightly\"]")?;
    words.iter().map(|word| Ok(word.text()?.to_owned())).collect()
}

fn currency(head: &Section<'_>) -> Result<Currency, Fault> {
    let field = head.need("currency", "currency = \"EUR\"")?;
    let code = field.text()?;
    let Some(exponent) = money::exponent(code) else {
        let such_as = "a code of ISO 4217 such as EUR, USD or SEK";
        return Err(field.fault(Problem::UnknownName {
            what: "currency",
            found: code.to_owned(),
            near: near_codes(code),
            such_as,
        }));
    };
    Ok(Currency { code: code.to_owned(), exponent })
}

/// Currency codes that are one slip away, those of the same letters first.
fn near_codes(code: &str) -> Vec<String> {
    let code = code.to_uppercase();
    let letters = |code: &str| {
        let mut letters = code.as_bytes().to_vec();
        letters.sort_unstable();
        letters
    };
    let mut near = money::codes();
    near.retain(|known| strsim::damerau_levenshtein(known, &code) <= 1);
    near.sort_by_key(|known| letters(known) != letters(&code));
    near.into_iter().take(3).map(str::to_owned).collect()
}

/// Where every value of the file stands, by its dotted key.
fn places(document: &Node) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    document.for_each("", &mut |key, place| {
        places.entry(key.to_owned()).or_insert(place);
    });
    places
}
