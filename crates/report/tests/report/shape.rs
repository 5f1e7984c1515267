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
        ("changes", "Nobody asked for a comparison."),
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

/// Sums by channel: spend, two values, new customers; the second value is the lifetime value.
fn returns(staging: &mut Staging) {
    let float = ColumnType::Float { bits: 64 };
    let columns = [
        ("model", TEXT),
        ("window", TEXT),
        ("period", TEXT),
        ("channel", TEXT),
        ("spend", amount()),
        ("revenue", amount()),
        ("net", amount()),
        ("new_customers", ColumnType::SHARE),
        ("ltv", float),
        ("ltv_definition", TEXT),
    ];
    let row = |channel: &str, spend: i128, revenue: i128, net: i128, customers: i128| {
        let ltv = if customers == 0 { Value::Null } else { Value::float(net as f64 / 100.0 / customers as f64) };
        let names = ["a", "7d", "all", channel].map(text);
        let sums = [spend, revenue, net, customers * 1_000_000_000].map(int);
        names.into_iter().chain(sums).chain([ltv, text("net of <all> time")]).collect()
    };
    let rows = [
        row("search", 10_00, 30_00, 60_00, 1),
        row("social", 30_00, 20_00, 30_00, 2),
        row("email", 0, 40_00, 20_00, 1),
        row("(unattributed)", 0, 10_00, 10_00, 1),
    ];
    table(staging, "returns", &columns, &rows);
}

/// A ledger of two values, and the tables that a run with spend has.
fn run_with_spend() -> TestRun {
    TestRun::new(&[("a", true), ("b", true)], &["7d"], |staging| {
        let names = ["source", "attributed", "unattributed", "rejected", "difference"];
        let columns = [("model", TEXT), ("window", TEXT), ("value", TEXT), ("currency", TEXT)];
        let columns: Vec<_> = columns.into_iter().chain(names.map(|name| (name, amount()))).collect();
        let row = |model: &str, window: &str, value: &str, attributed: i128, unattributed: i128| {
            let amounts = [attributed + unattributed, attributed, unattributed, 0, 0].map(int);
            [model, window, value, "SEK"].map(text).into_iter().chain(amounts).collect()
        };
        let mut rows = vec![row("(spend)", "(all)", "spend", 40_00, 0)];
        for model in ["a", "b"] {
            rows.push(row(model, "7d", "revenue", 90_00, 10_00));
            rows.push(row(model, "7d", "net", 11_000, 1_000));
        }
        table(staging, "ledger", &columns, &rows);
        returns(staging);
        let columns = [("by", TEXT), ("part", TEXT), ("period", TEXT), ("model", TEXT), ("window", TEXT), ("spend", amount())];
        let row = |part: &str, model: &str, spend: i128| {
            ["goal", part, "all", model, "7d"].map(text).into_iter().chain([int(spend)]).collect()
        };
        let rows = [row("less", "b", 1_00), row("less", "a", 1_00), row("more", "a", 9_00), row("more", "b", 9_00)];
        table(staging, "budget", &columns, &rows);
    })
}

#[test]
fn headlines_are_one_division_of_sums() {
    let run = run_with_spend();
    let summary = section_of(&run.page(), "summary").to_owned();
    assert_eq!(summary.matches("class=\"proof\"").count(), 1);
    let cards: Vec<_> = summary.split("<span class=\"card-title\">").skip(1).collect();
    let titles = ["Attributed revenue", "Spend", "MER", "ROAS of paid channels", "Blended CAC", "New customers", "LTV:CAC"];
    for (card, title) in cards.iter().zip(titles) {
        assert!(card.starts_with(&format!("<bdi>{title}<")), "{title}: {card}");
    }
    // 100 ÷ 40; (30 + 20) ÷ (10 + 30); 40 ÷ 5 customers; 120 ÷ 40, which is 24 ÷ 8.
    for (card, number) in cards.iter().zip(["90.00", "40.00", "2.50", "1.25", "8.00", "5", "3.00"]) {
        assert!(card.contains(&format!("<span class=\"card-number\">{number}</span>")), "{number}: {card}");
    }
    assert!(cards[3].contains("model a · window 7d") && cards[6].contains("LTV is net of &lt;all&gt; time"));
    let further = table_of(&summary, "t-proofs");
    assert!(further.contains("all 2 models") && further.contains("whichever model") && further.contains(">120.00<"), "{further}");
}

#[test]
fn the_settings_say_which_value_is_revenue() {
    let run = run_with_spend();
    let path = run.folder().join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["settings"] = serde_json::json!([["revenue", "net"]]);
    std::fs::write(&path, manifest.to_string()).unwrap();
    let page = run.page();
    // 60.00 ÷ 10.00, and 120 ÷ 40 of all.
    assert!(table_of(&page, "t-spend").contains("data-sort=\"6.000000000\">6.00<"));
    assert!(section_of(&page, "summary").contains("<span class=\"card-number\">3.00</span>"));
    manifest["settings"] = serde_json::json!([["revenue", "no such value"]]);
    std::fs::write(&path, manifest.to_string()).unwrap();
    assert!(table_of(&run.page(), "t-spend").contains("data-sort=\"3.000000000\">3.00<"));
}

#[test]
fn the_main_model_comes_first_in_the_budget() {
    let page = run_with_spend().page();
    let main = table_of(&page, "t-budget");
    assert!(main.find("<bdi>more</bdi>").unwrap() < main.find("<bdi>less</bdi>").unwrap() && !main.contains("<bdi>model</bdi>"));
    assert!(main.contains("In each of these rows by is “goal”, period is “all”."), "{main}");
    assert!(table_of(&page, "t-budget-others").contains("model is “b”"));
}

#[test]
fn settings_in_words_are_shown_where_the_manifest_has_them() {
    let run = TestRun::new(&[], &[], |_| {});
    let path = run.folder().join("manifest.json");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let with = |settings: &str| {
        let mut manifest = manifest.clone();
        manifest["settings"] = serde_json::from_str(settings).unwrap();
        std::fs::write(&path, manifest.to_string()).unwrap();
    };
    with(r#"[["Time zone", "Europe/<Stockholm>"]]"#);
    assert!(
        section_of(&run.page(), "settings").contains("<dt><bdi>Time zone</bdi></dt><dd><bdi>Europe/&lt;Stockholm&gt;</bdi></dd>")
    );
    with("[]");
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
