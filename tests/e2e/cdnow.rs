//! Every purchase of the customers of CDNOW's first quarter of 1997, in `$ATTRIBUTARY_REAL_DATA/cdnow`, through a pipeline: what it
//! learns of them against an independent fit. Where there is no such folder the test says so and passes.

use std::fmt::Write as _;
use std::path::Path;

use attributary_testkit::table::Table;

use crate::real_log::{read, real_data};
use crate::support::{attributary, shown};

/// Model, statistic, value and how far off it may be: plain formulas of the papers (Fader, Hardie, Lee 2005; Fader and Hardie
/// 2013) over one row per customer, days with purchases until 1998-06-30, maximised by scipy 1.17's Nelder-Mead. The surface of
/// Gamma-Gamma is flat.
const INDEPENDENT: &[(&str, &str, f64, f64)] = &[
    ("data", "customers", 23_570.0, 0.0),
    ("bg_nbd", "r", 0.267_127_8, 1e-4),
    ("bg_nbd", "alpha", 5.986_492, 1e-3),
    ("bg_nbd", "a", 0.483_517, 1e-3),
    ("bg_nbd", "b", 2.111_608, 1e-3),
    ("bg_nbd", "log_likelihood", -173_425.916_3, 1e-2),
    ("gamma_gamma", "p", 5.086, 0.01),
    ("gamma_gamma", "q", 3.995, 0.01),
    ("gamma_gamma", "v", 21.252, 0.05),
    ("gamma_gamma", "excluded", 1.0, 0.0),
];

#[test]
fn the_purchases_of_cdnow_fit_as_published_formulas_say() {
    let Some(folder) = real_data("cdnow") else { return };
    let temp = tempfile::tempdir().expect("a temporary folder");
    let master = std::fs::read_to_string(folder.join("CDNOW_master.txt")).expect("the purchases");
    let mut orders = "id,customer,day,dollars\n".to_owned();
    for (number, line) in master.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [customer, day, _, dollars] = cells[..] else { continue };
        let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
        writeln!(orders, "o{number},c{customer},{year}-{month}-{day},{dollars}").expect("written");
    }
    std::fs::write(temp.path().join("orders.csv"), orders).expect("written");
    std::fs::write(temp.path().join("touches.csv"), "customer,time,channel\nc00001,1997-01-01,radio\n").expect("written");
    let pipeline = temp.path().join("cdnow.toml");
    let text = r#"
[pipeline]
currency = "USD"
output   = "out"

[touchpoints]
source  = "touches.csv"
columns = { customer = "customer", time = "time", channel = "channel" }

[conversions]
source  = "orders.csv"
columns = { id = "id", customer = "customer", time = "day" }
values  = { revenue = "dollars" }

[[model]]
kind = "last_touch"

[customers]
until   = "1998-06-30"
horizon = "39w"

[output]
paths = 0
"#;
    std::fs::write(&pipeline, text).expect("written");
    let done = attributary().arg("run").arg(&pipeline).output().expect("the binary starts");
    assert!(done.status.success(), "{:?}", shown(&done));

    let current = temp.path().join("out/current");
    let fits = table(&current, "customer_value_fit");
    let [model, statistic, value] = ["model", "statistic", "value"].map(|column| fits.place(column).expect("a column"));
    for (of_model, name, expected, off) in INDEPENDENT {
        let row = fits.rows.iter().find(|row| row[model].as_text() == Some(of_model) && row[statistic].as_text() == Some(name));
        let found = row.and_then(|row| row[value].as_float()).unwrap_or_else(|| panic!("no {of_model} {name}"));
        assert!((found - expected).abs() <= *off, "{of_model} {name}: expected {expected}, found {found}");
    }

    let customers = table(&current, "customers");
    assert_eq!(customers.rows.len(), 23_570);
    let [frequency, alive, predicted] =
        ["frequency", "p_alive", "predicted_clv"].map(|column| customers.place(column).expect("a column"));
    for row in &customers.rows {
        let alive = row[alive].as_float().expect("a probability");
        assert!(alive > 0.0 && alive <= 1.0, "{row:?}");
        assert!(!row[predicted].is_null(), "{row:?}");
    }
    assert!(customers.rows.iter().any(|row| row[frequency] != attributary_core::value::Value::Int(0)));
}

fn table(current: &Path, name: &str) -> Table {
    read(&current.join(name).join("part-0.parquet"))
}
