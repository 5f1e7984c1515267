//! Names from the data are text, wherever they stand.

use super::*;

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--",
    "=cmd()",
    "\u{202e}mirrored",
    "\0\r\n\tcontrol",
    "&amp;",
];

#[test]
fn no_name_becomes_markup() {
    let run = TestRun::new(&[("<b>model</b>", true), ("<i>other</i>", true)], &["<u>7d</u>"], |staging| {
        let models = ["<b>model</b>", "<i>other</i>"];
        ledger(staging, &models.map(|model| (model, "<u>7d</u>", 8_00, 1_00)));
        let rows =
            models.iter().flat_map(|model| HOSTILE.iter().map(move |name| (vec![*model, "<u>7d</u>", *name, *name], 1_00)));
        grouped(staging, "by_campaign", &["channel", "campaign"], &rows.collect::<Vec<_>>());
        let path = |name: &&str| vec![text("<u>7d</u>"), text(name), int(2), int(1), int(0), int(1_00)];
        let columns = [
            ("window", TEXT),
            ("path", TEXT),
            ("length", ColumnType::COUNT),
            ("conversions", ColumnType::COUNT),
            ("null_journeys", ColumnType::COUNT),
            ("revenue", amount()),
        ];
        table(staging, "paths", &columns, &HOSTILE.iter().map(path).collect::<Vec<_>>());
    });
    let page = run.page();
    for markup in ["<img", "<b>", "<i>", "<u>", "<!--", "alert(2)</script>", "<script>alert"] {
        assert!(!page[..page.find("id=\"charts\">").unwrap()].contains(markup), "{markup}");
    }
    assert!(table_of(&page, "t-campaigns").contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(table_of(&page, "t-paths").contains("\u{fffd}mirrored"));
    assert!(table_of(&page, "t-channels").contains("\u{fffd}\u{fffd}\u{fffd}\u{fffd}control"));
    // The data of the charts hold the same names and cannot end before their end.
    let data = &page[page.find("id=\"charts\">").unwrap() + 12..];
    let data = &data[..data.find("</script>").unwrap()];
    assert!(!data.contains('<') && data.contains("\\u003cscript>alert(1)"), "{data}");
}

#[test]
fn long_names_are_cut() {
    let (long, other) = ("x".repeat(1_000), format!("{}y", "x".repeat(999)));
    let run = TestRun::new(&[("last_touch", true)], &["7d"], |staging| {
        ledger(staging, &[("last_touch", "7d", 3_00, 0)]);
        let rows = [(vec!["last_touch", "7d", &long], 1_00), (vec!["last_touch", "7d", &other], 2_00)];
        grouped(staging, "by_channel", &["channel"], &rows);
    });
    let page = run.page();
    let table = table_of(&page, "t-channels");
    assert!(!page.contains(&"x".repeat(121)));
    // Two channels stay two, although nothing of what is shown tells them apart.
    assert_eq!(table.matches(&format!("{}…", "x".repeat(119))).count(), 2);
    assert!(table.contains(">1.00<") && table.contains(">2.00<"));
}

#[test]
fn the_page_may_do_nothing_but_show_itself() {
    let run = TestRun::new(&[], &[], |_| {});
    let page = run.page();
    let policy = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let without_scripts = &page[..page.find("id=\"charts\">").unwrap()];
    for address in ["src=", "href=\"http", "@import", "url("] {
        assert!(!without_scripts.contains(address), "{address}");
    }
}
