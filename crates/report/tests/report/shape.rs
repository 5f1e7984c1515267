//! What stands on the page, and what does not.

use super::*;

#[test]
fn the_proof_stands_at_the_top() {
    let run = TestRun::new(&[("last_touch", true), ("linear", true)], &["30d"], |staging| {
        ledger(staging, &[("last_touch", "30d", 361_338_664, 13_801_835), ("linear", "30d", 361_338_664, 13_801_835)]);
    });
    let page = run.page();
    let summary = section_of(&page, "summary");
    let proof = &summary[..summary.find("</div>").unwrap()];
    for part in ["3,751,404.99", "3,613,386.64", "138,018.35", "difference 0.00", "all 2 models", "Window 30d"] {
        assert!(proof.contains(part), "{part}: {proof}");
    }
    assert!(summary.contains("2 models × 1 window × 1 value, difference 0."));
}

#[test]
fn sums_are_exact_and_ratios_are_of_sums() {
    let run = TestRun::new(&[("a", true), ("b", true), ("any", false)], &["7d"], |staging| {
        ledger(staging, &[("a", "7d", 30_00, 5_00), ("b", "7d", 30_00, 5_00), ("any", "7d", 30_00, 5_00)]);
        let rows = [
            (vec!["a", "7d", "search", "mon"], 10_00),
            (vec!["a", "7d", "search", "tue"], 10_01),
            (vec!["a", "7d", "email", "mon"], 9_99),
            (vec!["a", "7d", "(unattributed)", "mon"], 5_00),
            (vec!["b", "7d", "search", "mon"], 1_00),
            (vec!["b", "7d", "email", "mon"], 29_00),
            (vec!["any", "7d", "search", "mon"], 30_00),
        ];
        grouped(staging, "by_day", &["channel", "label"], &rows);
    });
    let page = run.page();
    let channels = table_of(&page, "t-channels");
    assert!(
        channels.contains("<bdi>search</bdi></th><td class=\"number\">20.01</td><td class=\"number\">1.00</td>"),
        "{channels}"
    );
    assert!(channels.contains("(unattributed)"));
    // 20.01 of 30.00, not the mean of its days.
    assert!(table_of(&page, "t-shares").contains("data-sort=\"0.667000000\">66.7%<"));
    // What is not additive is not added up, and the page says so.
    assert!(!channels.contains("<bdi>any</bdi>") && section_of(&page, "channels").contains("Left out"));
    let spread = table_of(&page, "t-spread");
    assert!(spread.contains(">19.01<") && spread.contains("<bdi>yes</bdi>"), "{spread}");
    assert!(section_of(&page, "spread").contains("The rank of 2 of 2 channels depends on the model"));
}

#[test]
fn models_that_are_not_additive_say_so() {
    let run = TestRun::new(&[("last_touch", true), ("any_touch", false)], &["7d"], |staging| {
        ledger(staging, &[("last_touch", "7d", 10_00, 0), ("any_touch", "7d", 10_00, 0)]);
        grouped(
            staging,
            "by_channel",
            &["channel"],
            &[(vec!["last_touch", "7d", "email"], 10_00), (vec!["any_touch", "7d", "email"], 10_00)],
        );
    });
    let page = run.page();
    assert!(table_of(&page, "t-channels").contains("<bdi>any_touch</bdi> <span class=\"note\">not additive</span>"));
    assert!(table_of(&page, "t-models").contains("<bdi>any_touch</bdi></th><td><bdi>test</bdi></td><td><bdi>no</bdi>"));
    assert!(section_of(&page, "spread").contains("There are no two models to compare."));
}

#[test]
fn an_empty_run_says_how_to_get_what_is_missing() {
    let run = TestRun::new(&[], &[], |_| {});
    let page = run.page();
    for (section, sentence) in [
        ("summary", "This run has no ledger."),
        ("channels", "No table of this run has conversions by channel."),
        ("campaigns", "No table of this run has conversions by campaign."),
        ("windows", "This run has no window, so there is nothing to compare."),
        ("journeys", "This run has no paths."),
        ("returns", "No spend was given."),
        ("budget", "This run has no budget."),
        ("cohorts", "No cohorts were asked for."),
        ("segments", "No customers were asked for."),
    ] {
        assert!(section_of(&page, section).contains(sentence), "{section}");
    }
    assert!(section_of(&page, "returns").contains("<code>[[spend]]</code>"));
}

#[test]
fn tables_without_rows_are_no_trouble() {
    let run = TestRun::new(&[("last_touch", true), ("linear", true)], &["7d", "30d"], |staging| {
        ledger(staging, &[("last_touch", "7d", 0, 0), ("linear", "7d", 0, 0), ("last_touch", "30d", 0, 0)]);
        grouped(staging, "by_channel", &["channel"], &[]);
        for name in
            ["paths", "returns", "customers", "cohorts", "budget", "what_if", "marketing_share", "rejects", "unattributed"]
        {
            table(staging, name, &[("model", TEXT)], &[]);
        }
    });
    let page = run.page();
    assert!(page.contains("source = ") || page.contains("difference 0.00"));
}

#[test]
fn spend_and_customers_are_shown_where_they_are() {
    let run = TestRun::new(&[("last_touch", true)], &["7d"], |staging| {
        ledger(staging, &[("last_touch", "7d", 30_00, 0)]);
        let columns = [
            ("model", TEXT),
            ("window", TEXT),
            ("period", TEXT),
            ("channel", TEXT),
            ("campaign", TEXT),
            ("spend", amount()),
            ("revenue", amount()),
            ("roas", ColumnType::Float { bits: 64 }),
        ];
        let row = |channel: &str, campaign: &str, spend: i128, revenue: i128, roas: f64| {
            vec![
                text("last_touch"),
                text("7d"),
                text("all"),
                text(channel),
                text(campaign),
                int(spend),
                int(revenue),
                Value::float(roas),
            ]
        };
        table(
            staging,
            "returns",
            &columns,
            &[
                row("search", "one", 1_00, 10_00, 10.0),
                row("search", "two", 9_00, 10_00, 1.111),
                row("direct", "", 0, 10_00, f64::NAN),
            ],
        );
        let columns = [("customer", ColumnType::COUNT), ("segment", TEXT), ("orders", ColumnType::COUNT), ("revenue", amount())];
        let row = |customer: i128, segment: &str, orders: i128, revenue: i128| {
            vec![int(customer), text(segment), int(orders), int(revenue)]
        };
        table(staging, "customers", &columns, &[row(1, "Loyal", 3, 10_00), row(2, "Loyal", 1, 10_00), row(3, "New", 1, 10_00)]);
    });
    let page = run.page();
    // 20.00 ÷ 10.00 of the channel, not the mean of 10 and 1.11.
    assert!(table_of(&page, "t-spend").contains("<bdi>search</bdi></th><td class=\"number\">10.00</td><td class=\"number\">20.00</td><td class=\"number\" data-sort=\"2.000000000\">2.00</td>"));
    assert!(section_of(&page, "returns").contains("Spend was 10.00 SEK"));
    // 20.00 ÷ 4 orders.
    assert!(table_of(&page, "t-segments").contains(">5.00<"));
    assert!(section_of(&page, "segments").contains("3 customers in 2 segments."));
}

#[test]
fn settings_in_words_are_shown_where_the_manifest_has_them() {
    let run = TestRun::new(&[], &[], |_| {});
    let path = run.folder().join("manifest.json");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let with =
        |settings: &str| std::fs::write(&path, manifest.replacen('{', &format!("{{\"settings\": {settings},"), 1)).unwrap();
    with(r#"[["Time zone", "Europe/<Stockholm>"]]"#);
    assert!(
        section_of(&run.page(), "settings").contains("<dt><bdi>Time zone</bdi></dt><dd><bdi>Europe/&lt;Stockholm&gt;</bdi></dd>")
    );
    with(r#"{"of": "another form"}"#);
    assert!(section_of(&run.page(), "settings").contains("The pipeline file has them"));
}

#[test]
fn what_is_no_run_is_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let error = attributary_report::page(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&*folder.path().canonicalize().unwrap().to_string_lossy()), "{error}");
    let run = TestRun::new(&[], &[], |staging| ledger(staging, &[]));
    std::fs::write(run.folder().join("ledger/part-0.parquet"), b"PAR1 nothing PAR1").unwrap();
    let error = attributary_report::page(&run.folder()).unwrap_err().to_string();
    assert!(error.contains("part-0.parquet"), "{error}");
}
