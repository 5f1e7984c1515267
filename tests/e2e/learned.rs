//! Models that are fitted: what they learn is what others computed, credits add up, and nothing hangs on threads or memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use attributary_core::value::Value as Cell;
use attributary_store::PublishedRun;
use attributary_testkit::table::Table;

use crate::real_log::real_data;
use crate::sample::{Sample, assert_same_bytes};
use crate::support::{attributary, read_current, read_run, root, shown};

const PIPELINE: &str = r#"
[pipeline]
currency = "USD"

[touchpoints]
source = "touchpoints"
columns = { customer = "who", time = "at", channel = "channel", campaign = "campaign" }

[conversions]
source = "conversions.csv"
columns = { id = "id", customer = "who", time = "at" }
values = { revenue = "revenue" }

[journey]
windows = ["all"]

[[model]]
kind = "linear"
"#;

/// Journeys as a log: a customer for each, whose touches are a minute apart.
struct Log {
    folder: tempfile::TempDir,
    touches: String,
    orders: String,
    journeys: usize,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("touchpoints")).expect("made");
        let (touches, orders) = ("who,at,channel,campaign\n".to_owned(), "id,who,at,revenue\n".to_owned());
        Self { folder, touches, orders, journeys: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// So many customers with these touches, who convert or do not; the amounts are those of the conversions together.
    fn add(&mut self, channels: &[&str], conversions: usize, nulls: usize) {
        for journey in 0..conversions + nulls {
            let who = self.journeys;
            self.journeys += 1;
            for (minute, channel) in channels.iter().enumerate() {
                let (channel, campaign) = channel.split_once('/').unwrap_or((channel, ""));
                self.touches += &format!("c{who},2026-03-01T{:02}:{:02}:00,{channel},{campaign}\n", minute / 60, minute % 60);
            }
            if journey < conversions {
                self.orders += &format!("o{who},c{who},2026-03-02T00:00:00,10.01\n");
            }
        }
    }

    fn write(&self, models: &str) {
        fs::write(self.path("touchpoints/all.csv"), &self.touches).expect("written");
        fs::write(self.path("conversions.csv"), &self.orders).expect("written");
        fs::write(self.path("p.toml"), format!("{PIPELINE}\n{models}")).expect("written");
    }

    fn try_run(&self, output: &str, arguments: &str) -> (i32, String, String) {
        let mut command = attributary();
        command.arg("run").arg(self.path("p.toml")).arg("--output").arg(self.path(output));
        command.args(["--quiet", "--format", "json"]).args(arguments.split_whitespace());
        shown(&command.output().expect("the binary starts"))
    }

    fn run(&self, output: &str, arguments: &str) -> PublishedRun {
        let (code, _, stderr) = self.try_run(output, arguments);
        assert_eq!(code, 0, "{stderr}");
        PublishedRun::read(&self.path(output).join("current").canonicalize().expect("a run")).expect("a manifest")
    }
}

fn float(cell: &Cell) -> f64 {
    cell.as_float().expect("a number")
}

fn int(cell: &Cell) -> i128 {
    match cell {
        Cell::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// The rows of a model in a table, by channel.
fn by_channel(table: &Table, model: &str, column: &str) -> BTreeMap<String, Cell> {
    let place = |name: &str| table.fields.iter().position(|field| field.name == name).expect(name);
    let (of_model, channel, column) = (place("model"), place("channel"), place(column));
    let rows = table.rows.iter().filter(|row| row[of_model] == Cell::text(model));
    rows.map(|row| (row[channel].as_text().expect("a text").to_owned(), row[column].clone())).collect()
}

fn statistic(table: &Table, model: &str, name: &str) -> f64 {
    let row = table.rows.iter().find(|row| row[0] == Cell::text(model) && row[2] == Cell::text(name));
    float(&row.unwrap_or_else(|| panic!("no {name} of {model}"))[3])
}

const MODELS: &str = r#"
[[model]]
kind = "markov"
bootstrap = 40
groups = { all = ["google", "mailing"], none = ["radio"] }

[[model]]
name = "balanced"
kind = "markov"
order = "auto"
allocation = "balanced"

[[model]]
name = "placements"
kind = "markov"
by = ["channel", "campaign"]
order = 2

[[model]]
kind = "shapley"

[[model]]
name = "rate"
kind = "shapley"
value = "rate"

[[model]]
kind = "shao_li"
null_journeys = false

[output]
credits = true
"#;

/// Google with 2 conversions and 1 journey that led nowhere, mailing with 1, google and then mailing with 1.
fn small() -> Log {
    let mut log = Log::new();
    log.add(&["google/brand"], 2, 1);
    log.add(&["mailing"], 1, 0);
    log.add(&["google/brand", "mailing"], 1, 0);
    log
}

#[test]
fn removal_effects_divide_conversions_and_money() {
    let log = small();
    log.write(MODELS);
    log.run("out", "");
    let effects = read_current(&log.path("out"), "removal_effects");
    let columns: Vec<&str> = effects.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(columns, ["model", "window", "channel", "campaign", "removal_effect", "share", "conversions", "revenue"]);
    let of = |model: &str, column: &str| by_channel(&effects, model, column);
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    near(float(&of("markov", "removal_effect")["google"]), 0.75);
    near(float(&of("markov", "removal_effect")["mailing"]), 0.5);
    near(float(&of("markov", "removal_effect")["all"]), 1.0);
    assert_eq!((&of("markov", "removal_effect")["none"], &of("markov", "revenue")["all"]), (&Cell::float(0.0), &Cell::Null));
    // 2.4 and 1.6 of 4 conversions, of 40.04.
    assert_eq!(
        [int(&of("markov", "conversions")["google"]), int(&of("markov", "conversions")["mailing"])],
        [2_400_000_000, 1_600_000_000]
    );
    assert_eq!([int(&of("markov", "revenue")["google"]), int(&of("markov", "revenue")["mailing"])], [2_402, 1_602]);
    // Path by path google has its own 2 and 0.6 of the third.
    let got = read_current(&log.path("out"), "by_channel");
    assert_eq!(int(&by_channel(&got, "markov", "conversions")["google"]), 2_600_000_000);
    // Balanced, 0.4 of it.
    let balanced = int(&by_channel(&got, "balanced", "conversions")["google"]);
    assert!((balanced - 2_400_000_000).abs() <= 1, "{balanced}");
    let fit = read_current(&log.path("out"), "model_fit");
    near(statistic(&fit, "markov", "conversion_probability"), 0.8);
    assert_eq!(statistic(&fit, "markov", "journeys"), 5.0);
    assert_eq!(statistic(&fit, "shao_li", "journeys"), 4.0, "without those that led nowhere");
    let values = read_current(&log.path("out"), "shapley_values");
    assert_eq!(int(&by_channel(&values, "shapley", "conversions")["google"]), 2_500_000_000);
    let steps = read_current(&log.path("out"), "transitions");
    let of_placements: Vec<String> = steps
        .rows
        .iter()
        .filter(|row| row[0] == Cell::text("placements"))
        .map(|row| format!("{} → {}: {}", row[2].as_text().expect("a text"), row[3].as_text().expect("a text"), int(&row[4])))
        .collect();
    assert_eq!(
        of_placements,
        [
            "(start) → google / brand: 3",
            "(start) → google / brand > mailing / (not set): 1",
            "(start) → mailing / (not set): 1",
            "google / brand → (conversion): 2",
            "google / brand → (null): 1",
            "google / brand > mailing / (not set) → (conversion): 1",
            "mailing / (not set) → (conversion): 1",
        ]
    );
    let intervals = read_current(&log.path("out"), "intervals");
    for channel in ["google", "mailing"] {
        let of = |column: &str| float(&by_channel(&intervals, "markov", column)[channel]);
        assert!(of("low") <= of("share") && of("share") <= of("high") && of("low") < of("high"), "{channel}");
    }
}

#[test]
fn nothing_hangs_on_threads_memory_or_the_order_of_files() {
    let mut log = small();
    for number in 0..3_000 {
        let channels = ["google/brand", "mailing", "social/spring", "direct", "display/wide"];
        let path: Vec<&str> = (0..1 + number % 6).map(|touch| channels[(number * 7 + touch * touch) % 5]).collect();
        log.add(&path, usize::from(number % 3 == 0), usize::from(number % 3 > 0));
    }
    log.write(MODELS);
    let first = log.run("out", "--threads 2");
    assert_same_bytes(&log.run("one", "--threads 1"), &first, "", "one thread");
    assert_same_bytes(&log.run("little", "--threads 2 --memory 256MB"), &first, "", "little memory");
    // The same touches in other files, last first.
    let all = fs::read_to_string(log.path("touchpoints/all.csv")).expect("text");
    let (head, rows) = all.split_once('\n').expect("a head");
    let rows: Vec<&str> = rows.lines().rev().collect();
    fs::remove_file(log.path("touchpoints/all.csv")).expect("removed");
    for (number, some) in rows.chunks(rows.len() / 3 + 1).enumerate() {
        fs::write(log.path(&format!("touchpoints/{number}.csv")), format!("{head}\n{}\n", some.join("\n"))).expect("written");
    }
    assert_same_bytes(&log.run("shuffled", "--threads 2"), &first, "", "shuffled");
    // A run says what it was made of, so it can be made again.
    let (code, _, stderr) = shown(
        &attributary()
            .arg("verify")
            .arg(log.path("shuffled/current"))
            .current_dir(log.folder.path())
            .output()
            .expect("it starts"),
    );
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn what_is_too_much_to_be_learnt_is_refused_by_its_size() {
    let mut log = Log::new();
    for number in 0..30_000_usize {
        let path: Vec<String> = (0..6).map(|touch| format!("search/{}", (number * 7_919 + touch * 104_729) % 20_011)).collect();
        log.add(&path.iter().map(String::as_str).collect::<Vec<_>>(), number % 5 / 4, 1);
    }
    let model =
        |more: &str| format!("[[model]]\nkind = \"markov\"\nby = [\"channel\", \"campaign\"]\n{more}\n[output]\npaths = 0\n");
    log.write(&model("order = 5\nbootstrap = 20"));
    let (code, _, stderr) = log.try_run("out", "--memory 256MB");
    let said = stderr.contains("what models count of journeys takes more than") && stderr.contains("most of it model \"markov\"");
    assert!(code == 2 && said && stderr.contains("a lower order"), "{code} {stderr}");
    assert!(!log.path("out/current").exists());
    log.write(&model("").replace("markov", "shapley"));
    log.run("out", "--memory 256MB");
}

#[test]
fn explain_weighs_as_the_run_did() {
    let log = small();
    log.write(MODELS);
    log.run("out", "");
    let mut credits: BTreeMap<(String, String), Vec<i128>> = BTreeMap::new();
    let table = read_current(&log.path("out"), "credits");
    let place = |name: &str| table.fields.iter().position(|field| field.name == name).expect(name);
    let (model, id, share) = (place("model"), place("conversion_id"), place("share"));
    for row in &table.rows {
        let text = |column: usize| row[column].as_text().expect("a text").to_owned();
        credits.entry((text(model), text(id))).or_default().push(int(&row[share]));
    }
    assert!(credits.len() > 20);
    for id in ["o0", "o3", "o4"] {
        let mut command = attributary();
        command.arg("explain").arg(log.path("p.toml")).arg(id).args(["--quiet", "--format", "json"]);
        let (code, stdout, stderr) = shown(&command.output().expect("the binary starts"));
        assert_eq!(code, 0, "{stderr}");
        let explained: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        for model in explained["models"].as_array().expect("models") {
            let name = model["model"].as_str().expect("a name").to_owned();
            let shares = model["touches"].as_array().expect("touches").iter().filter_map(|credit| credit["share"].as_str());
            let shares: Vec<i128> = shares.map(|share| share.replace('.', "").parse().expect("a share")).collect();
            assert_eq!(Some(&shares), credits.get(&(name.clone(), id.to_owned())), "{name} {id}");
        }
    }
}

#[test]
fn a_run_that_learns_computes_all_days_and_says_why() {
    let mut log = small();
    log.write("[[model]]\nkind = \"markov\"\n[output]\ncredits = true\npaths = 0\n");
    let before = log.run("out", "");
    log.add(&["mailing", "google/brand"], 1, 4);
    log.write("[[model]]\nkind = \"markov\"\n[output]\ncredits = true\npaths = 0\n");
    let (code, stdout, stderr) = log.try_run("out", "");
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["whole_because"], "model \"markov\" is fitted anew, so that it may credit otherwise on all days");
    let (code, stdout, stderr) = shown(
        &attributary()
            .args(["diff", "--quiet", "--format", "json"])
            .args([before.folder, log.path("out/current")])
            .output()
            .expect("it starts"),
    );
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let causes: Vec<&str> =
        report["causes"].as_array().expect("causes").iter().filter_map(|cause| cause["cause"].as_str()).collect();
    assert!(causes.contains(&"new conversions"), "{causes:?}");
    let (code, _, stderr) = log.try_run("out", "--merge --date 2026-03-02");
    assert!(code == 2 && stderr.contains("model \"markov\" is fitted to all journeys"), "{code} {stderr}");
}

/// What was learnt once credits what comes later: only new days are computed, with the same bytes as all of them by that fit.
#[test]
fn a_frozen_model_credits_new_days_by_what_it_learnt() {
    let models = r#"
[[model]]
kind = "markov"
refit = "frozen"
bootstrap = 20
groups = { all = ["google", "mailing"] }

[[model]]
name = "third"
kind = "markov"
order = 3
by = ["channel", "campaign"]
refit = "frozen"

[[model]]
kind = "shapley"
refit = "frozen"

[output]
credits = true
paths = 0
"#;
    let mut log = small();
    log.add(&["mailing", "google/brand", "mailing"], 40, 60);
    log.write(models);
    fs::create_dir(log.path("orders")).expect("made");
    fs::write(log.path("orders/1.csv"), &log.orders).expect("written");
    let settings = "--set conversions.source=\"orders\" --set journey.windows=[\"2d\"]";
    let first = log.run("out", settings);
    // The first model does not learn.
    let fit_of = |run: &PublishedRun| run.manifest.models[1..].iter().map(|model| model.fit_sha256.clone()).collect::<Vec<_>>();
    assert!(fit_of(&first).iter().all(Option::is_some) && first.manifest.models[0].fit_sha256.is_none());
    // A day later there are new journeys, some of a channel that nobody knew.
    let late = "n1,2026-03-03T10:00:00,google,brand\nn1,2026-03-03T11:00:00,podcast,\nn2,2026-03-03T10:00:00,mailing,\n\
                n2,2026-03-03T11:00:00,google,brand\nn3,2026-03-03T11:00:00,podcast,\n";
    fs::write(log.path("touchpoints/late.csv"), format!("who,at,channel,campaign\n{late}")).expect("written");
    let orders = ["n1", "n2", "n3"].map(|who| format!("o{who},{who},2026-03-04T00:00:00,20.00\n"));
    fs::write(log.path("orders/2.csv"), format!("id,who,at,revenue\n{}", orders.concat())).expect("written");
    let (code, stdout, stderr) = log.try_run("out", settings);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let computed = &report["recomputed"];
    assert!(computed["conversion_days"] == 1 && computed["of"] == 2, "{computed}");
    assert_eq!(report["rows"]["touchpoints"]["used"], 5, "no journey of earlier days is looked at");
    let night = PublishedRun::read(&log.path("out/current").canonicalize().expect("a run")).expect("a manifest");
    assert_eq!(fit_of(&night), fit_of(&first));
    // What a run over all days gives by the same fit.
    let full = log.run("out", &format!("--full {settings}"));
    assert_same_bytes(&full, &night, "", "all days");
    let merged = {
        let (code, _, stderr) = log.try_run("out", &format!("--merge --date 2026-03-04 {settings}"));
        assert_eq!(code, 0, "{stderr}");
        PublishedRun::read(&log.path("out/current").canonicalize().expect("a run")).expect("a manifest")
    };
    assert_same_bytes(&merged, &night, "", "merged");
    let verify = |folder: &std::path::Path| {
        let mut command = attributary();
        command.arg("verify").arg(folder).current_dir(log.folder.path());
        shown(&command.output().expect("it starts"))
    };
    for run in [&first, &night] {
        let (code, _, stderr) = verify(&run.folder);
        // The inputs of the first are no longer what they were.
        assert_eq!(code, if run.folder == first.folder { 3 } else { 0 }, "{stderr}");
    }
    // Contributions are those of the fit; what is divided by them is all there is now.
    let effects = |run: &PublishedRun| {
        let table = read_run(&run.folder, "removal_effects");
        (by_channel(&table, "markov", "removal_effect"), by_channel(&table, "markov", "conversions"))
    };
    let (before, after) = (effects(&first), effects(&night));
    assert_eq!(before.0, after.0);
    assert!(int(&before.1["mailing"]) < int(&after.1["mailing"]) && !after.1.contains_key("podcast"));
    // Who was not there when it was fitted weighs nothing beside those who were.
    let credits = read_current(&log.path("out"), "credits");
    let place = |name: &str| credits.fields.iter().position(|field| field.name == name).expect(name);
    let share_of = |id: &str, channel: &str| {
        let is_row = |row: &&Vec<Cell>| {
            row[place("model")] == Cell::text("markov")
                && row[place("conversion_id")] == Cell::text(id)
                && row[place("channel")] == Cell::text(channel)
        };
        credits.rows.iter().find(is_row).map(|row| int(&row[place("share")]))
    };
    assert_eq!([share_of("on1", "podcast"), share_of("on1", "google")], [Some(0), Some(1_000_000_000)]);
    assert_eq!(share_of("on3", "podcast"), Some(1_000_000_000), "there is nobody else");
    // Until somebody wants it learnt anew.
    let (code, stdout, stderr) = log.try_run("out", &format!("--refit {settings}"));
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(
        code == 0 && report["whole_because"].as_str().is_some_and(|said| said.contains("\"markov\" is fitted anew")),
        "{stderr}"
    );
    let refitted = PublishedRun::read(&log.path("out/current").canonicalize().expect("a run")).expect("a manifest");
    assert!(fit_of(&refitted).iter().zip(fit_of(&night)).all(|(now, before)| *now != before));
    assert!(effects(&refitted).1.contains_key("podcast"));
    let mut diff = attributary();
    diff.args(["diff", "--quiet", "--format", "json"]).args([&night.folder, &refitted.folder]).current_dir(log.folder.path());
    let (code, stdout, stderr) = shown(&diff.output().expect("it starts"));
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let causes: Vec<&str> =
        report["causes"].as_array().expect("causes").iter().filter_map(|cause| cause["cause"].as_str()).collect();
    assert_eq!(causes, ["models that were fitted anew"]);
}

#[test]
fn the_period_that_is_learnt_from_ends_with_the_range() {
    let log = small();
    log.write("[[model]]\nkind = \"markov\"\nfit = \"12h\"\n");
    log.run("out", "");
    // Conversions are of the last day; journeys that led nowhere ended the day before.
    let fit = read_current(&log.path("out"), "model_fit");
    assert_eq!((statistic(&fit, "markov", "journeys"), statistic(&fit, "markov", "conversions")), (0.0, 0.0));
    log.write("[[model]]\nkind = \"markov\"\nfit = \"24h\"\n");
    log.run("out", "");
    let fit = read_current(&log.path("out"), "model_fit");
    assert_eq!((statistic(&fit, "markov", "journeys"), statistic(&fit, "markov", "conversions")), (4.0, 4.0));
}

#[test]
fn contributions_below_zero_are_kept_clipped_or_refused() {
    let mut log = Log::new();
    log.add(&["search"], 5, 5);
    log.add(&["search", "display"], 1, 9);
    let model = |negative: &str| format!("[[model]]\nkind = \"shapley\"\nvalue = \"rate\"\nnegative = \"{negative}\"\n");
    for (negative, expected) in [("keep", [8_000_000_000, -2_000_000_000]), ("clip", [6_000_000_000, 0])] {
        log.write(&model(negative));
        log.run("out", "");
        let found = by_channel(&read_current(&log.path("out"), "shapley_values"), "shapley", "conversions");
        assert_eq!([int(&found["search"]), int(&found["display"])], expected, "{negative}");
    }
    log.write(&model("error"));
    let (code, _, stderr) = log.try_run("out", "");
    assert!(
        code == 2 && stderr.contains("model \"shapley\" cannot be fitted to the journeys under window all: 1 of 2"),
        "{code} {stderr}"
    );
}

#[test]
fn the_sample_is_learnt_from() {
    let sample = Sample::of("pipelines/learned.toml");
    let run = sample.run("");
    for table in ["removal_effects", "shapley_values", "transitions", "intervals", "model_fit"] {
        assert!(run.manifest.table(table).is_some_and(|table| table.rows > 0), "{table}");
    }
    // What is said beforehand is what is written.
    let mut command = attributary();
    command.args(["check", "pipelines/learned.toml", "--quiet", "--format", "json"]).current_dir(root());
    let (code, stdout, stderr) = shown(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{stderr}");
    let checked: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let planned: BTreeMap<&str, Vec<&str>> = checked["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .map(|table| {
            let columns = table[1].as_array().expect("columns").iter().filter_map(|column| column[0].as_str());
            (table[0].as_str().expect("a name"), columns.collect())
        })
        .collect();
    let written: BTreeMap<&str, Table> =
        run.manifest.tables.iter().map(|table| (table.name.as_str(), read_current(sample.output(), &table.name))).collect();
    let columns = |table: &Table| table.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    assert_eq!(planned.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    assert!(planned.iter().all(|(name, planned)| columns(&written[name]) == *planned), "{planned:?}");
    // The page for people has it, too.
    let page = sample.output().join("page.html");
    let mut command = attributary();
    command.arg("report").arg(&run.folder).arg("--output").arg(&page).arg("--quiet");
    let (code, _, stderr) = shown(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{stderr}");
    let page = fs::read_to_string(&page).expect("a page");
    for (table, column) in [("removal_effects", "removal_effect"), ("shapley_values", "contribution"), ("intervals", "low")] {
        let table = &written[table];
        let place = table.fields.iter().position(|field| field.name == column).expect("a column");
        assert!(table.rows.iter().all(|row| page.contains(&float(&row[place]).to_string())), "{column}");
    }
    let effects = read_current(sample.output(), "removal_effects");
    let shares: f64 = by_channel(&effects, "markov", "share").values().map(float).sum();
    assert!((shares - 1.0).abs() < 1e-12, "{shares}");
}

/// Ten thousand published paths, each journey as a customer of a log: removal effects and credits as computed elsewhere.
#[test]
fn published_paths_give_what_others_computed() {
    let Some(paths) = published("paths.csv") else { return };
    let mut log = Log::new();
    for row in rows(&paths) {
        let count = |text: &str| text.parse::<f64>().expect("a number") as usize;
        log.add(&row[0].split(" > ").collect::<Vec<_>>(), count(row[1]), count(row[3]));
    }
    let without = "[[model]]\nname = \"without\"\nkind = \"markov\"\nnull_journeys = false\n";
    log.write(&format!("[[model]]\nkind = \"markov\"\n{without}[output]\npaths = 0\n"));
    log.run("out", "");
    let effects = read_current(&log.path("out"), "removal_effects");
    for (model, file) in [("markov", "exact_markov1_with_null.csv"), ("without", "exact_markov1_without_null.csv")] {
        let expected = published(file).expect("a file");
        let (found, credits) = (by_channel(&effects, model, "removal_effect"), by_channel(&effects, model, "conversions"));
        assert_eq!(rows(&expected).count(), found.len());
        for row in rows(&expected) {
            let [effect, credit] = [row[1], row[2]].map(|text| text.parse::<f64>().expect("a number"));
            assert!((float(&found[row[0]]) / effect - 1.0).abs() < 1e-9, "{model} {row:?}");
            assert!((int(&credits[row[0]]) as f64 / 1e9 / credit - 1.0).abs() < 1e-9, "{model} {row:?}");
        }
    }
    let fit = read_current(&log.path("out"), "model_fit");
    let probability = statistic(&fit, "markov", "conversion_probability");
    assert!((probability - 0.223_845_135_596_863_8).abs() < 1e-15, "{probability}");
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

fn published(file: &str) -> Option<String> {
    real_data("paths").map(|folder| fs::read_to_string(folder.join(file)).expect("text"))
}

#[test]
fn the_pipeline_says_what_a_model_may_be_told() {
    let log = small();
    for (model, said) in [
        ("kind = \"markov\"\norder = 6", "model.markov.order: expected one of 1, 2, 3, 4, 5, auto, found \"6\""),
        ("kind = \"markov\"\ngroups = { social = \"fb\" }", "model.markov.groups.social: expected"),
        ("kind = \"markov\"\ngroups = { google = [\"mailing\"] }", "group \"google\" is called like a channel"),
        (
            "kind = \"markov\"\nby = [\"campaign\"]",
            "model.markov.by: expected one of \"channel\", [\"channel\", \"campaign\"], found \"campaign\"",
        ),
        ("kind = \"markov\"\nnull_journeys = \"no\"", "model.markov.null_journeys: expected true or false, found no"),
        ("kind = \"shapley\"\nfit = 90", "model.shapley.fit: expected"),
    ] {
        log.write(&format!("[[model]]\n{model}\n"));
        let (code, _, stderr) = log.try_run("out", "");
        assert!(code == 2 && stderr.contains(said), "{code} {stderr}");
    }
    assert!(root().join("pipelines/learned.toml").exists());
}
