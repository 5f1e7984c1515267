//! Logs that do not fit into the memory that a run may use: they go through the disk, to the same bytes, and the process stays
//! within its bound, by the operating system's own account.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_store::{Layout, Manifest, TableFile};
use serde_json::Value as Json;

use crate::moments::LOG;
use crate::support::attributary;
use crate::world::{Ended, finish, litter};

/// The least that may be asked for.
const LITTLE: u64 = 256_000_000;

#[test]
fn credits_paths_and_ids_in_little_memory() {
    // What is rejected, credited and left goes through the disk in any case.
    check(&LOG.pipeline(), &["output.credits=true", "output.paths=1000"], 20_000_000);
}

/// Sources that need a query: row groups of a million rows are read in stretches.
#[test]
fn conditions_and_expressions_in_little_memory() {
    const WHERE: &str = "touchpoints.where=\"country <> 'nowhere'\"";
    const CHANNEL: &str = "touchpoints.columns.channel={ sql = \"lower(channel)\" }";
    check(&LOG.pipeline(), &[WHERE, "output.paths=1000"], 5_000_000);
    check(&LOG.pipeline(), &[CHANNEL, "output.paths=1000"], 5_000_000);
}

/// A CSV file nearly as large as the bound, beside which the program itself would have no room.
#[test]
fn csv_in_little_memory() {
    const TOUCHES: u32 = 600_000;
    const ORDERS: u32 = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |place: u32, of: u32| {
        let second = place * (2_592_000 / of);
        let (day, hour, minute) = (second / 86_400 + 1, second / 3_600 % 24, second / 60 % 60);
        format!("2026-01-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    };
    let write = |name: &str, header: &str, rows: u32, row: &dyn Fn(u32) -> String| {
        let mut file = BufWriter::new(fs::File::create(folder.path().join(name)).expect("a file"));
        writeln!(file, "{header}").expect("written");
        (0..rows).for_each(|place| writeln!(file, "{}", row(place)).expect("written"));
        file.flush().expect("written");
    };
    let note = "said \"\"so\"\",\n".repeat(25);
    write("touches.csv", "user_id,at,channel,note", TOUCHES, &|touch| {
        let customer = touch.wrapping_mul(7_919) % 40_000;
        format!("customer-{customer:08},{},channel-{},\"{note}\"", at(touch, TOUCHES), touch % 31)
    });
    write("orders.csv", "order_id,user_id,at,revenue", ORDERS, &|order| {
        format!("order-{order},customer-{:08},{},{}.5", order % 40_000, at(order, ORDERS), order % 977)
    });
    let pipeline = folder.path().join("pipeline.toml");
    fs::write(&pipeline, PIPELINE.replace(".parquet", ".csv")).expect("written");
    check(&pipeline, &["output.paths=100"], 0);
}

#[test]
fn many_groups_in_little_memory() {
    const TABLES: &str = r#"
[[table]]
name = "by_everything"
by   = ["conversion_date", "touch_date", "channel", "campaign", "interaction", "country", "device"]

[[table]]
name = "by_campaign"
by   = ["campaign"]
"#;
    let pipeline = LOG.pipeline().with_file_name("many_groups.toml");
    let text = fs::read_to_string(LOG.pipeline()).expect("a pipeline");
    fs::write(&pipeline, text + TABLES).expect("written");
    check(&pipeline, &["output.paths=0"], 20_000_000);
}

/// Channels of a thousand characters, and a touch in three without a customer.
#[test]
fn long_channels_and_many_rejected_rows_in_little_memory() {
    let log = Bot { touches: 1_200_000, customers: 150_000, nulls: 3, channels: 300, channel_length: 1_000, conversions: 60_000 };
    let folder = log.write();
    check(&folder.path().join("pipeline.toml"), &["output.paths=100"], 5_000_000);
}

/// All touches are one customer's, who is larger than what a run so small divides buckets by.
#[test]
fn one_customer_in_little_memory() {
    let log = Bot { touches: 900_000, customers: 1, nulls: 0, channels: 12, channel_length: 8, conversions: 1 };
    let folder = log.write();
    check(&folder.path().join("pipeline.toml"), &["output.paths=0"], 5_000_000);
}

/// A bot with so many conversions, too, that no one can look at every pair: two thousand million of them.
#[test]
fn a_customer_of_many_touches_and_conversions_is_not_quadratic() {
    let log = Bot { touches: 400_000, customers: 1, nulls: 0, channels: 12, channel_length: 8, conversions: 5_000 };
    let folder = log.write();
    let pipeline = folder.path().join("pipeline.toml");
    // A model that weighs every touch of every conversion looks at every pair.
    fs::write(&pipeline, PIPELINE.replace("[[model]]\nkind = \"time_decay\"\n", "")).expect("written");
    let began = Instant::now();
    let report = run(&pipeline, &folder.path().join("out"), "1GB", &["output.paths=0"], 0);
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    assert!(
        report["warnings"][0].as_str().is_some_and(|warning| warning.contains("400000 touches and 5000 conversions")),
        "{report}"
    );
}

#[test]
fn what_does_not_fit_at_all_is_said() {
    let log = Bot { touches: 3_000_000, customers: 1, nulls: 0, channels: 3, channel_length: 8, conversions: 1 };
    let folder = log.write();
    let ended = start(&folder.path().join("pipeline.toml"), &folder.path().join("out"), "256MB", &["output.paths=0"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("a customer has some 3000000 touches, which take some"), "{ended:?}");
    assert_eq!(litter(&folder.path().join("out")), [""; 0]);
}

/// The same bytes in much memory and in little, and never more than little.
fn check(pipeline: &Path, settings: &[&str], spilled: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, temp) = (folder.path().join("out"), folder.path().join("temp"));
    let much = run(pipeline, &output, "4GB", settings, 0);
    let expected = hashes(&output);
    let mut arguments = settings.to_vec();
    let temp_text = temp.display().to_string();
    arguments.extend(["--temp", &temp_text]);
    // All days, not only those that changed.
    arguments.push("--full");
    let little = run(pipeline, &output, "256MB", &arguments, spilled + much["spilled_bytes"].as_u64().unwrap_or(0));
    assert_eq!(hashes(&output), expected);
    let peak = little["peak_memory_bytes"].as_u64().expect("a number");
    assert!(peak <= LITTLE, "peak memory {peak} bytes");
    assert_eq!(fs::read_dir(&temp).expect("the folder for temporary files").count(), 0, "temporary files are gone");
}

/// The report of a run that put aside at least so many bytes.
fn run(pipeline: &Path, output: &Path, memory: &str, settings: &[&str], spilled: u64) -> Json {
    let ended = start(pipeline, output, memory, settings);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(litter(output), [""; 0]);
    let report: Json = serde_json::from_str(&ended.stdout).expect("JSON");
    assert!(
        report["spilled_bytes"].as_u64() >= Some(spilled),
        "less than {spilled} bytes were put aside: {}",
        report["spilled_bytes"]
    );
    report
}

/// Settings are `key=value`, or words of the command line from the first that begins with dashes on.
fn start(pipeline: &Path, output: &Path, memory: &str, settings: &[&str]) -> Ended {
    let mut command = attributary();
    command.arg("run").arg(pipeline).args(["--threads", "2", "--format", "json", "--memory", memory, "--output"]).arg(output);
    let words = settings.iter().position(|setting| setting.starts_with("--")).unwrap_or(settings.len());
    settings[..words].iter().for_each(|setting| _ = command.args(["--set", setting]));
    finish(command.args(&settings[words..]))
}

fn hashes(output: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(output.join("current/manifest.json")).expect("a manifest");
    let manifest: Manifest = serde_json::from_str(&text).expect("JSON");
    let files = manifest.tables.into_iter().chain(manifest.state).flat_map(|table| table.files);
    files.map(|file| (file.path, file.sha256)).collect()
}

/// A log of few customers: touches of a month, one behind the other, and conversions all through it.
struct Bot {
    touches: i64,
    customers: i64,
    /// One in so many touches has no customer; 0: none.
    nulls: i64,
    channels: i64,
    channel_length: usize,
    conversions: i64,
}

impl Bot {
    fn write(&self) -> tempfile::TempDir {
        const MONTH: i64 = 30 * 86_400_000_000;
        const BEGIN: i64 = 1_760_000_000_000_000;
        let folder = tempfile::tempdir().expect("a folder");
        let texts = |name: &str, count: i64, length: usize| {
            Arc::new((0..count).map(|number| Value::text(&format!("{name}{number:0length$}"))).collect::<Vec<_>>())
        };
        let customers = texts("customer-", self.customers, 8);
        let of_touch = |touch: i64| match self.nulls {
            nulls if nulls > 0 && touch % nulls == 0 => u32::MAX,
            _ => (touch * 7_919 % self.customers) as u32,
        };
        let at = |place: i64, of: i64| BEGIN + MONTH / of * place;
        let touches = [
            (
                "user_id",
                ColumnType::Text,
                Column::Codes { codes: (0..self.touches).map(of_touch).collect(), dictionary: customers.clone() },
            ),
            ("at", ColumnType::instant(), Column::Ints((0..self.touches).map(|touch| at(touch, self.touches)).collect())),
            (
                "channel",
                ColumnType::Text,
                Column::Codes {
                    codes: (0..self.touches).map(|touch| (touch * 31 % self.channels) as u32).collect(),
                    dictionary: texts("channel-", self.channels, self.channel_length),
                },
            ),
        ];
        let orders = [
            (
                "order_id",
                ColumnType::Text,
                Column::Codes { codes: (0..self.conversions as u32).collect(), dictionary: texts("order-", self.conversions, 8) },
            ),
            (
                "user_id",
                ColumnType::Text,
                Column::Codes {
                    codes: (0..self.conversions).map(|order| (order % self.customers) as u32).collect(),
                    dictionary: customers,
                },
            ),
            (
                "at",
                ColumnType::instant(),
                Column::Ints((0..self.conversions).map(|order| at(order + 1, self.conversions)).collect()),
            ),
            (
                "revenue",
                ColumnType::amount(2),
                Column::Wide((0..self.conversions).map(|order| i128::from(order % 977 * 101)).collect()),
            ),
        ];
        write(&folder.path().join("touches.parquet"), touches);
        write(&folder.path().join("orders.parquet"), orders);
        fs::write(folder.path().join("pipeline.toml"), PIPELINE).expect("written");
        folder
    }
}

fn write<const COLUMNS: usize>(path: &Path, columns: [(&str, ColumnType, Column); COLUMNS]) {
    let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone())).collect();
    let layout = Layout { row_group_rows: 1 << 18, ..Layout::default() };
    let mut file = TableFile::create(path, &fields, &layout).expect("a file");
    file.write(&Rows { columns: columns.into_iter().map(|(.., column)| column).collect() }).expect("written");
    file.finish().expect("finished");
}

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"

[touchpoints]
source = "touches.parquet"
columns = { customer = "user_id", time = "at", channel = "channel" }

[conversions]
source = "orders.parquet"
columns = { id = "order_id", customer = "user_id", time = "at" }
values = { revenue = "revenue" }

[[model]]
kind = "last_touch"
[[model]]
kind = "linear"
[[model]]
kind = "position_based"
[[model]]
kind = "any_touch"
[[model]]
kind = "time_decay"
"#;
