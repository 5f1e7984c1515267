//! Paths that were counted elsewhere, instead of touchpoints and conversions: a row is so many equal journeys.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use attributary_core::value::Value as Cell;
use attributary_store::PublishedRun;
use attributary_testkit::table::Table;

use crate::real_log::real_data;
use crate::sample::assert_same_bytes;
use crate::support::{attributary, read_current, shown};

const HEAD: &str = r#"
[pipeline]
currency = "USD"

[paths]
source = "paths"
columns = { path = "path", conversions = "conversions", null_journeys = "nulls" }
values = { revenue = "revenue" }
"#;

/// Every model that can weigh touches of which nobody knows when they were.
const MODELS: &str = r#"
[[model]]
kind = "last_touch"

[[model]]
kind = "last_click"

[[model]]
kind = "linear"

[[model]]
name = "per_channel"
kind = "linear"
per = "channel"

[[model]]
kind = "position_based"

[[model]]
kind = "any_touch"

[[model]]
kind = "custom"
weight = "CASE WHEN position = length THEN 9 - length ELSE 1 END"

[[model]]
name = "no_email"
kind = "linear"
only = "channel <> 'email'"
fallback = "none"

[[model]]
kind = "markov"
bootstrap = 20
allocation = "balanced"

[[model]]
name = "second"
kind = "markov"
order = "auto"
null_journeys = false

[[model]]
kind = "shapley"

[[model]]
kind = "shao_li"
"#;

struct Paths {
    folder: tempfile::TempDir,
}

impl Paths {
    /// Files of rows without their heads.
    fn new(files: &[&str], more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = Self { folder };
        fs::create_dir(paths.path("paths")).expect("made");
        for (number, rows) in files.iter().enumerate() {
            let text = format!("path,conversions,revenue,nulls\n{rows}");
            fs::write(paths.path(&format!("paths/{number}.csv")), text).expect("written");
        }
        paths.write(&format!("{HEAD}\n{more}"));
        paths
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, pipeline: &str) {
        fs::write(self.path("p.toml"), pipeline).expect("written");
    }

    fn command(&self, command: &str, arguments: &str) -> (i32, String, String) {
        let mut process = attributary();
        process.arg(command).arg(self.path("p.toml")).args(arguments.split_whitespace());
        process.args(["--quiet", "--format", "json"]).current_dir(self.folder.path());
        shown(&process.output().expect("the binary starts"))
    }

    fn run(&self, output: &str, arguments: &str) -> PublishedRun {
        let (code, _, stderr) = self.command("run", &format!("--output {output} {arguments}"));
        assert_eq!(code, 0, "{stderr}");
        PublishedRun::read(&self.path(output).join("current").canonicalize().expect("a run")).expect("a manifest")
    }

    fn table(&self, output: &str, name: &str) -> Table {
        read_current(&self.path(output), name)
    }
}

/// Rows of a table as text, the window and what hangs on time aside.
fn shown_rows(table: &Table) -> Vec<String> {
    let left_out = ["window", "median_days_to_convert"];
    let columns: Vec<usize> =
        (0..table.fields.len()).filter(|place| !left_out.contains(&table.fields[*place].name.as_str())).collect();
    let cell =
        |row: &[Cell], place: usize| format!("{}={}", table.fields[place].name, row[place].display(&table.fields[place].kind));
    let row = |row: &Vec<Cell>| columns.iter().map(|place| cell(row, *place)).collect::<Vec<_>>().join(" ");
    table.rows.iter().map(row).collect()
}

fn int(cell: &Cell) -> i128 {
    match cell {
        Cell::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

fn cells(table: &Table, column: &str) -> Vec<Cell> {
    let place = table.fields.iter().position(|field| field.name == column).expect(column);
    table.rows.iter().map(|row| row[place].clone()).collect()
}

/// What can be divided without a rest is divided as that of so many customers of a log.
#[test]
fn a_row_is_as_many_journeys_of_a_log() {
    let rows: [(&[&str], u64, u64); 7] = [
        (&["search", "email"], 5, 3),
        (&["email"], 2, 1),
        (&["social", "search", "social", "search"], 1, 0),
        (&["social"], 0, 4),
        (&["search", "search"], 3, 0),
        (&["email", "social"], 0, 1),
        (&["social", "email", "email", "social"], 4, 2),
    ];
    // The rules above divide it, and a conversion, without a rest.
    let price = 8;
    let lines = rows.map(|(path, conversions, nulls)| {
        // However numbers and spaces are written.
        format!("{},{conversions}.0,{},{nulls}", path.join(if nulls > 1 { ">" } else { "  > " }), conversions * price)
    });
    let paths = Paths::new(&[&lines.join("\n")], MODELS);
    paths.run("out", "");
    let (mut touches, mut orders) = ("who,at,channel\n".to_owned(), "id,who,at,revenue\n".to_owned());
    let mut customers = 0;
    for (path, conversions, nulls) in rows {
        for journey in 0..conversions + nulls {
            customers += 1;
            for (minute, channel) in path.iter().enumerate() {
                touches += &format!("c{customers},2026-03-01T00:{minute:02}:00,{channel}\n");
            }
            if journey < conversions {
                orders += &format!("o{customers},c{customers},2026-03-02T00:00:00,{price}\n");
            }
        }
    }
    fs::write(paths.path("touches.csv"), touches).expect("written");
    fs::write(paths.path("orders.csv"), orders).expect("written");
    paths.write(&format!(
        r#"
[pipeline]
currency = "USD"

[touchpoints]
source = "touches.csv"
columns = {{ customer = "who", time = "at", channel = "channel" }}

[conversions]
source = "orders.csv"
columns = {{ id = "id", customer = "who", time = "at" }}
values = {{ revenue = "revenue" }}

[journey]
windows = ["all"]

[[table]]
name = "by_channel"
by = ["channel"]

[[table]]
name = "total"
by = []
{MODELS}
"#
    ));
    paths.run("log", "");
    for table in ["by_channel", "total", "paths", "ledger", "removal_effects", "shapley_values", "transitions"] {
        let (mut of_paths, mut of_log) = (paths.table("out", table), paths.table("log", table));
        if table == "by_channel" {
            // By weights that are learnt one sum is not divided to the same billionth as each conversion by itself.
            let learnt =
                |row: &[Cell]| ["markov", "second", "shapley", "shao_li"].iter().any(|model| row[0] == Cell::text(model));
            for (row, other) in of_paths.rows.iter().zip(&of_log.rows).filter(|(row, _)| learnt(row)) {
                assert_eq!(row[2], other[2]);
                assert!(
                    (int(&row[3]) - int(&other[3])).abs() < 20 && (int(&row[4]) - int(&other[4])).abs() < 20,
                    "{row:?} {other:?}"
                );
            }
            [&mut of_paths, &mut of_log].into_iter().for_each(|table| table.rows.retain(|row| !learnt(row)));
        }
        assert_eq!(shown_rows(&of_paths), shown_rows(&of_log), "{table}");
        assert!(cells(&of_paths, "window").iter().all(|window| *window == Cell::text("paths")), "{table}");
    }
    // All of it is the same but what hangs on who is in which fold, and who was drawn.
    let fit = |output: &str| {
        let rows = shown_rows(&paths.table(output, "model_fit"));
        rows.into_iter().filter(|row| !row.contains("held_out") && !row.contains("foretold")).collect::<Vec<_>>()
    };
    assert_eq!(fit("out"), fit("log"));
    let medians = cells(&paths.table("out", "paths"), "median_days_to_convert");
    assert!(medians.iter().all(|median| *median == Cell::Null), "nobody knows when");
    // Of a path without another channel nothing is left for no_email, as many conversions as there are.
    let left = paths.table("out", "unattributed");
    assert_eq!(shown_rows(&left), ["model=no_email path=email conversions=2 revenue=16.00 reason=ignored"]);
}

#[test]
fn nothing_hangs_on_threads_memory_or_where_a_row_stands() {
    let channels = ["search", "social", "email", "display"];
    let row = |number: usize| {
        let path: Vec<&str> = (0..1 + number % 7).map(|touch| channels[(number * 3 + touch * touch * number / 5) % 4]).collect();
        let conversions = number * 37 % 11;
        format!("{},{conversions},{},{}", path.join(" > "), if conversions > 0 { number as f64 / 8.0 } else { 0.0 }, number % 90)
    };
    let rows: Vec<String> = (0..4_000).map(row).collect();
    let paths = Paths::new(&[&rows.join("\n")], MODELS);
    let first = paths.run("out", "--threads 2");
    assert_same_bytes(&paths.run("one", "--threads 1"), &first, "", "one thread");
    assert_same_bytes(&paths.run("little", "--memory 256MB"), &first, "", "little memory");
    let backwards: Vec<&str> = rows.iter().rev().map(String::as_str).collect();
    let (one, other) = backwards.split_at(1_234);
    let shuffled = Paths::new(&[&one.join("\n"), &other.join("\n")], MODELS);
    assert_same_bytes(&shuffled.run("out", ""), &first, "", "shuffled");
    // What a run was made of makes it again.
    let mut verify = attributary();
    verify.arg("verify").arg(paths.path("out/current")).current_dir(paths.folder.path());
    let (code, _, stderr) = shown(&verify.output().expect("it starts"));
    assert_eq!(code, 0, "{stderr}");
    // Nothing is taken over from the run before, and that is said.
    let (code, stdout, stderr) = paths.command("run", "--output out");
    assert!(code == 0 && stdout.contains("paths that were counted have no days"), "{code} {stdout} {stderr}");
}

/// However many rows a path has, each of its journeys is another customer.
#[test]
fn what_is_learnt_hangs_on_counts_and_not_on_rows() {
    let paths = [("search > email", 40, 60), ("email", 30, 10), ("social > search", 5, 95), ("social", 1, 70)];
    let row = |(path, conversions, nulls): (&str, u64, u64)| format!("{path},{conversions},{},{nulls}\n", conversions * 8);
    let once: String = paths.iter().map(|path| row(*path)).collect();
    // Each journey in a row of its own.
    let single = |(path, conversions, nulls): &(&str, u64, u64)| {
        let ways = [(1, 0, *conversions), (0, 1, *nulls)];
        ways.map(|(conversion, null, times)| row((path, conversion, null)).repeat(times as usize)).concat()
    };
    let apart: String = paths.iter().map(single).collect();
    let (once, apart) = (Paths::new(&[&once], MODELS), Paths::new(&[&apart], MODELS));
    once.run("out", "");
    apart.run("out", "");
    for table in ["intervals", "model_fit", "removal_effects", "shapley_values", "transitions", "paths"] {
        assert_eq!(shown_rows(&once.table("out", table)), shown_rows(&apart.table("out", table)), "{table}");
    }
    let intervals = once.table("out", "intervals");
    let (lows, highs) = (cells(&intervals, "low"), cells(&intervals, "high"));
    assert!(lows.iter().zip(&highs).all(|(low, high)| low.as_float() < high.as_float()), "{lows:?} {highs:?}");
}

#[test]
fn rows_that_are_no_counts_are_rejected() {
    let rows = [
        "search,3.0,9.99,1",
        "email,1.5,1.00,0",
        "email,-1,0,0",
        "email,,0,0",
        "email,1,,0",
        "email,1,1.00,x",
        ",4,8.00,0",
        "email,0,5.00,2",
        "email,9300000000,1.00,0",
    ];
    let paths = Paths::new(&[&rows.join("\n")], "[[model]]\nkind = \"linear\"\n");
    // A cell that is no number makes a column of texts, which is an error before anything is read.
    let (code, _, stderr) = paths.command("run", "--output out");
    assert!(code == 3 && stderr.contains("paths.columns.null_journeys") && stderr.contains("whole numbers"), "{code} {stderr}");
    let rows: Vec<&str> = rows.into_iter().filter(|row| !row.ends_with('x')).collect();
    fs::write(paths.path("paths/0.csv"), format!("path,conversions,revenue,nulls\n{}", rows.join("\n"))).expect("written");
    let run = paths.run("out", "");
    let rejects = paths.table("out", "rejects");
    let place = |name: &str| rejects.fields.iter().position(|field| field.name == name).expect(name);
    let said: Vec<String> = rejects
        .rows
        .iter()
        .map(|row| {
            let cell = |name: &str| row[place(name)].display(&rejects.fields[place(name)].kind);
            assert_eq!((&row[place("customer")], &row[place("time")]), (&Cell::Null, &Cell::Null));
            format!("{} {} {} {}", cell("source"), cell("row"), cell("reason"), cell("id"))
        })
        .collect();
    let invalid = [1, 2, 3, 4].map(|row| format!("paths {row} invalid_value email"));
    let mut expected = invalid.to_vec();
    expected.push(format!("paths 5 null_id {}", Cell::Null.display(&rejects.fields[place("id")].kind)));
    expected.extend([6, 7].map(|row| format!("paths {row} invalid_value email")));
    assert_eq!(said, expected);
    // 9.99, and of the rejected rows 1.00, 8.00, 5.00 and 1.00.
    let ledger = paths.table("out", "ledger");
    let sum = |column: &str| int(&cells(&ledger, column)[0]);
    assert_eq!([sum("source"), sum("attributed"), sum("rejected")], [2_499, 999, 1_500]);
    assert_eq!(run.manifest.inputs.len(), 1);
    assert_eq!(run.manifest.inputs[0].source, "paths");
}

#[test]
fn what_asks_for_times_is_refused() {
    let paths = Paths::new(&["search > email,1,1.00,0"], "");
    let linear = "[[model]]\nkind = \"linear\"\n";
    for (more, key) in [
        ("[[model]]\nkind = \"time_decay\"\n", "model.time_decay.kind"),
        ("[[model]]\nkind = \"markov\"\nfit = \"30d\"\n", "model.markov.fit"),
        ("[journey]\nwindows = [\"30d\"]\n", "journey.windows"),
        ("[journey]\ntouch_reuse = \"since_previous_conversion\"\n", "journey.touch_reuse"),
        ("[[table]]\nname = \"days\"\nby = [\"conversion_date\"]\n", "table.days.by"),
        ("[[table]]\nname = \"touches\"\nby = [\"touch_month\"]\n", "table.touches.by"),
        ("[output]\ncredits = true\n", "output.credits"),
        ("[quality]\nmax_age = \"2d\"\n", "quality.max_age"),
        ("[customers]\n", "customers"),
        ("[returns]\n", "returns"),
    ] {
        paths.write(&format!("{HEAD}\n{more}\n{linear}"));
        let (code, _, stderr) = paths.command("run", "--output out");
        let said = stderr.contains(key) && stderr.contains("asks when touches and conversions were, which [paths] do not say");
        assert!(code == 2 && said, "{more}: {code} {stderr}");
    }
    paths.write(&format!("{HEAD}\n[[model]]\nkind = \"custom\"\nweight = \"1 / (1 + age_days)\"\n"));
    let (code, _, stderr) = paths.command("run", "--output out");
    assert!(code == 2 && stderr.contains("age_days") && stderr.contains("position"), "{code} {stderr}");
    paths.write(&format!("{HEAD}\n{linear}\n[touchpoints]\nsource = \"log\"\n"));
    let (code, _, stderr) = paths.command("run", "--output out");
    assert!(code == 2 && stderr.contains("remove [paths], or [touchpoints]"), "{code} {stderr}");
    paths.write(&format!("{HEAD}\n{linear}"));
    for arguments in ["--from 2026-01-01", "--date 2026-01-01", "--as-of 2026-01-01", "--merge"] {
        let (code, _, stderr) = paths.command("run", &format!("--output out {arguments}"));
        assert!(code == 2 && stderr.contains("[paths]"), "{arguments}: {code} {stderr}");
    }
    let (code, _, stderr) = paths.command("explain", "");
    assert!(code == 2, "{stderr}");
    assert!(!paths.path("out").join("current").exists());
    let (code, stdout, stderr) = paths.command("check", "");
    assert!(code == 0 && stdout.contains("null_journeys") && !stdout.contains("attributed_revenue"), "{code} {stdout} {stderr}");
}

/// Ten thousand published paths: removal effects, credits and the ledger as computed elsewhere.
#[test]
fn published_paths_as_they_are() {
    let Some(folder) = real_data("paths") else { return };
    let paths = Paths::new(&[], "");
    fs::copy(folder.join("paths.csv"), paths.path("paths/paths.csv")).expect("copied");
    paths.write(
        r#"
[pipeline]
currency = "USD"

[paths]
source = "paths/paths.csv"
columns = { path = "path", conversions = "total_conversions", null_journeys = "total_null" }
values = { revenue = "total_conversion_value" }

[[model]]
kind = "markov"

[[model]]
name = "without"
kind = "markov"
null_journeys = false

[[model]]
kind = "linear"
"#,
    );
    paths.run("out", "");
    let effects = paths.table("out", "removal_effects");
    let column = |name: &str| effects.fields.iter().position(|field| field.name == name).expect(name);
    for (model, file) in [("markov", "exact_markov1_with_null.csv"), ("without", "exact_markov1_without_null.csv")] {
        let of_model = effects.rows.iter().filter(|row| row[column("model")] == Cell::text(model));
        let found: BTreeMap<&str, (f64, f64)> = of_model
            .map(|row| {
                let effect = row[column("removal_effect")].as_float().expect("a number");
                (row[column("channel")].as_text().expect("a text"), (effect, int(&row[column("conversions")]) as f64 / 1e9))
            })
            .collect();
        let text = fs::read_to_string(folder.join(file)).expect("text");
        let expected: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!((found.len(), expected.len()), (12, 12));
        for row in expected {
            let [effect, credit] = [row[1], row[2]].map(|text| text.parse::<f64>().expect("a number"));
            let of_channel = found[row[0]];
            assert!((of_channel.0 / effect - 1.0).abs() < 1e-9, "{model} {row:?} {of_channel:?}");
            assert!((of_channel.1 / credit - 1.0).abs() < 1e-9, "{model} {row:?} {of_channel:?}");
        }
    }
    let fit = paths.table("out", "model_fit");
    let is_probability = |row: &&Vec<Cell>| row[0] == Cell::text("markov") && row[2] == Cell::text("conversion_probability");
    let probability = fit.rows.iter().find(is_probability).and_then(|row| row[3].as_float()).expect("a number");
    assert!((probability - 0.223_845_135_596_863_8).abs() < 1e-15, "{probability}");
    // Each row's value is rounded at the door.
    let ledger = paths.table("out", "ledger");
    for (source, rounding) in cells(&ledger, "source").iter().zip(cells(&ledger, "rounding")) {
        // Its difference is rounded to 10⁻¹², too: some rows have 17 digits, and together they are off by 3 of these.
        assert_eq!((int(source), int(&rounding)), (7_480_293, -41_587_210_865));
    }
    let attributed = cells(&paths.table("out", "total"), "conversions");
    assert_eq!(attributed, vec![Cell::Int(19_785_000_000_000); 3]);
}
