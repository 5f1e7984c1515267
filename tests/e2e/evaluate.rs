//! `evaluate`: held-out customers, weeks, chance, and the truth of a simulated log.

use std::path::Path;

use serde_json::Value;

use crate::support::{attributary, shown};

fn command(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = attributary();
    command.args(arguments).args(["--quiet"]).current_dir(folder);
    shown(&command.output().expect("the binary starts"))
}

/// A log of which it is known what channels brought.
fn simulated(folder: &Path) {
    let settings = ["--customers", "6000", "--touches", "40000", "--conversions", "3000", "--days", "42", "--nulls", "0"];
    let (code, _, stderr) = command(&[&["simulate", "log", "--truth", "true", "--seed", "7"][..], &settings].concat(), folder);
    assert_eq!(code, 0, "{stderr}");
}

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"

[touchpoints]
source = "log/touchpoints"
columns = { customer = "user_id", time = "event_time", channel = "channel" }

[conversions]
source = "log/conversions"
columns = { id = "order_id", customer = "user_id", time = "ordered_at" }
values = { revenue = "revenue" }

[journey]
windows = ["7d", "30d"]

[[model]]
kind = "last_touch"

[[model]]
kind = "linear"

[[model]]
kind = "markov"

[[model]]
name = "rate"
kind = "shapley"
value = "rate"
bootstrap = 5
"#;

fn evaluated(folder: &Path, more: &[&str]) -> Value {
    let (code, stdout, stderr) = command(&[&["evaluate", "p.toml", "--format", "json"], more].concat(), folder);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn models_are_held_against_unseen_customers_weeks_chance_and_the_truth() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    simulated(folder.path());
    std::fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    let report = evaluated(folder.path(), &["--threads", "2"]);
    assert!(report["truth"].as_str().is_some_and(|path| path.ends_with("truth.parquet")), "{report}");
    let models = report["models"].as_array().expect("models");
    let names: Vec<(&str, &str)> =
        models.iter().map(|it| (it["model"].as_str().expect("a name"), it["window"].as_str().expect("a window"))).collect();
    let windows = |model: &'static str| [(model, "7d"), (model, "30d")];
    assert_eq!(names, ["last_touch", "linear", "markov", "rate"].map(windows).concat());
    for model in models {
        let learns = ["markov", "shapley"].contains(&model["kind"].as_str().expect("a kind"));
        let number = |place: &str| model.pointer(place).and_then(Value::as_f64);
        assert_eq!(number("/spread").is_some(), learns, "{model}");
        if learns {
            // Somewhat better than chance, and than not knowing anything: half of what is there to know is noise.
            assert!(number("/held_out/auc").is_some_and(|auc| (0.5..1.0).contains(&auc)), "{model}");
            assert!(number("/held_out/log_loss").is_some_and(|loss| loss > 0.0 && loss < 0.7), "{model}");
            let calibration = model["held_out"]["calibration"].as_array().expect("a list");
            let sum = |name: &str| calibration.iter().filter_map(|it| it[name].as_f64()).sum::<f64>();
            assert!(calibration.len() > 2 && sum("journeys") > sum("conversions"), "{model}");
            // A chain is right on the whole; the sets within a set are more often those of journeys that led nowhere.
            let off = if model["kind"] == "markov" { 0.05 } else { 0.5 };
            assert!((sum("foretold") / sum("conversions") - 1.0).abs() < off, "{model}");
        }
        assert!(model["weeks"].as_u64().is_some_and(|weeks| weeks >= 6), "{model}");
        assert!(number("/stability").is_some_and(|it| (0.0..=1.0).contains(&it)), "{model}");
        assert!(number("/truth/misplaced").is_some_and(|it| (0.0..0.7).contains(&it)), "{model}");
        // Channels get all attributed conversions, of which they brought some six of ten.
        assert!(number("/truth/credited_for_caused").is_some_and(|it| (0.8..2.2).contains(&it)), "{model}");
    }
    // Twice the same, whatever the threads.
    let seconds = |mut report: Value| {
        report["seconds"] = Value::Null;
        report
    };
    assert_eq!(seconds(evaluated(folder.path(), &["--threads", "1"])), seconds(report.clone()));
    // Nothing is left behind or published.
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left.iter().filter(|name| !["log", "p.toml"].contains(&name.as_str())).count(), 0, "{left:?}");
    // For people it is a table.
    let (code, stdout, stderr) = command(&["evaluate", "p.toml", "--color", "never"], folder.path());
    assert!(
        code == 0 && stdout.contains("log-loss") && stdout.contains("misplaced") && stdout.contains("last_touch"),
        "{stderr}{stdout}"
    );
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
}

#[test]
fn without_a_truth_there_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    simulated(folder.path());
    std::fs::rename(folder.path().join("log/truth.parquet"), folder.path().join("elsewhere.parquet")).expect("renamed");
    std::fs::write(folder.path().join("p.toml"), PIPELINE).expect("written");
    let report = evaluated(folder.path(), &[]);
    assert!(report["truth"].is_null() && report["models"][0]["truth"].is_null(), "{report}");
    let report = evaluated(folder.path(), &["--truth", "elsewhere.parquet"]);
    assert!(report["models"][0]["truth"]["misplaced"].is_number(), "{report}");
    let orders = folder.path().join("log/conversions");
    let orders = std::fs::read_dir(orders).expect("a folder").next().expect("a file").expect("an entry").path();
    let (code, _, stderr) = command(&["evaluate", "p.toml", "--truth", &orders.display().to_string()], folder.path());
    assert!(code == 3 && stderr.contains("incremental_conversions"), "{code} {stderr}");
    let (code, _, stderr) = command(&["evaluate", "p.toml", "--truth", "missing.parquet"], folder.path());
    assert!(code == 3 && stderr.contains("missing.parquet"), "{code} {stderr}");
}
