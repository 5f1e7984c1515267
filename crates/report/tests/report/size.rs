//! The page stays small, whatever the run.

use super::*;

#[test]
fn a_very_large_run_makes_a_page_of_less_than_three_megabytes() {
    let models: Vec<String> = (0..12).map(|model| format!("model_{model}_{}", "m".repeat(80))).collect();
    let windows: Vec<String> = (0..8).map(|window| format!("{}d", window + 1)).collect();
    let pairs: Vec<(&str, &str)> =
        models.iter().flat_map(|model| windows.iter().map(move |window| (model.as_str(), window.as_str()))).collect();
    let channels: Vec<String> = (0..2_000).map(|channel| format!("{channel}{}", "\"ö".repeat(300))).collect();
    let campaigns: Vec<String> = (0..5_000).map(|campaign| format!("{campaign}{}", "<&".repeat(200))).collect();
    let named: Vec<_> = models.iter().map(|model| (model.as_str(), true)).collect();
    let run = TestRun::new(&named, &windows.iter().map(String::as_str).collect::<Vec<_>>(), |staging| {
        ledger(staging, &pairs.iter().map(|(model, window)| (*model, *window, 2_000 * 1_234_567_890, 0)).collect::<Vec<_>>());
        let rows = pairs
            .iter()
            .flat_map(|(model, window)| channels.iter().map(|channel| (vec![*model, *window, channel.as_str()], 1_234_567_890)));
        grouped(staging, "by_channel", &["channel"], &rows.collect::<Vec<_>>());
        let rows = models.iter().flat_map(|model| {
            campaigns.iter().map(|campaign| (vec![model.as_str(), "1d", channels[0].as_str(), campaign.as_str()], 1_234_567_890))
        });
        grouped(staging, "by_campaign", &["channel", "campaign"], &rows.collect::<Vec<_>>());
        let columns = [
            ("window", TEXT),
            ("path", TEXT),
            ("length", ColumnType::COUNT),
            ("conversions", ColumnType::COUNT),
            ("null_journeys", ColumnType::COUNT),
            ("revenue", amount()),
        ];
        let rows = windows
            .iter()
            .flat_map(|window| channels.iter().map(|path| vec![text(window), text(path), int(2), int(1), int(0), int(1_00)]));
        table(staging, "paths", &columns, &rows.collect::<Vec<_>>());
    });
    let page = run.page();
    assert!(page.len() < attributary_report::MOST_BYTES, "{} bytes", page.len());
    let section = section_of(&page, "campaigns");
    assert!(section.contains("of 5,000 rows, by revenue under model_0"), "what is left out is said");
    assert!(section.contains("all are in the Parquet table <code>by_campaign</code>"));
    // The others are exactly the rest: 1,992 of 2,000 equal channels.
    assert!(page.contains("(1,992 others) is the exact sum") && page.contains("(1,992 others): 99.6%"));
}
