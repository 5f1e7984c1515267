//! Files that are missing, empty, cut off, damaged, or not what their name says.

use std::fs;

use parquet::basic::{Compression, ZstdLevel};

use crate::world::{Columns, Ended, World, conversions, ipc_bytes, parquet_bytes, touches, with, without};

/// Runs the small pipeline on other touches.
fn on_touches(name: &str, bytes: impl AsRef<[u8]>) -> (World, Ended) {
    let world = World::new();
    world.write(name, bytes);
    let ended = world.run_with(&["--set", &format!("touchpoints.source={name}")]);
    (world, ended)
}

#[test]
fn sources_that_are_not_there() {
    let world = World::new();
    fs::create_dir(world.path("empty")).expect("a folder");
    world.write("notes/readme.txt", "no log");
    world.write("hidden/_part.parquet", parquet_bytes(&touches(), Compression::UNCOMPRESSED));
    for (source, problem) in [
        ("gone.parquet", "there is no such file or folder: gone.parquet"),
        ("gone/*.parquet", "no file that can be read: gone/*.parquet"),
        ("empty", "no file that can be read: empty"),
        ("notes", "no file that can be read: notes"),
        ("notes/readme.txt", "a file of an unknown kind: notes/readme.txt"),
        ("hidden", "no file that can be read: hidden"),
        ("[", "a pattern that cannot be used: ["),
    ] {
        for section in ["touchpoints", "conversions"] {
            let ended = world.run_with(&["--set", &format!("{section}.source=\"{source}\"")]);
            ended.fails(3, &[&format!("error: {section}.source: {problem}; looked for .parquet, .pq, .csv, .ipc"), "\nhint: "]);
            let checked = world.perform(&["check", "pipeline.toml", "--set", &format!("{section}.source=\"{source}\"")]);
            assert_eq!((checked.code, world.said(&checked)), (3, world.said(&ended)));
        }
    }
    assert!(world.current().is_none());
}

#[test]
fn files_that_are_not_what_their_name_says() {
    let good = parquet_bytes(&touches(), Compression::UNCOMPRESSED);
    let text = b"user_id,at,channel,campaign,interaction,event_id\nann,2026-01-01,search,spring,click,e1\n";
    for (name, bytes, problem) in [
        ("empty.parquet", &b""[..], "it is empty (0 bytes)"),
        ("empty.csv", b"", "it is empty (0 bytes)"),
        ("empty.arrow", b"", "it is empty (0 bytes)"),
        ("garbage.parquet", &[0x5a; 4096], "expected Parquet"),
        ("short.parquet", b"PAR1", "expected Parquet"),
        ("magic.parquet", b"PAR1PAR1PAR1", "expected Parquet"),
        ("text.parquet", text, "it does not end with PAR1 as Parquet does"),
        ("text.arrow", text, "it does not begin with ARROW1"),
        ("parquet.arrow", &good, "it does not begin with ARROW1"),
        ("parquet.csv", &good, "parquet.csv"),
        ("half.parquet", &good[..good.len() / 2], "cut off"),
        ("footer.parquet", &good[good.len() / 2..], "footer.parquet"),
        ("long.parquet", &[&good[..], &[0; 7]].concat(), "cut off"),
        ("newline.csv", b"\n", "newline.csv"),
        ("zeros.csv", &[0; 100], "zeros.csv"),
    ] {
        let (_, ended) = on_touches(name, bytes);
        ended.fails(3, &["error: ", name, problem]);
    }
}

#[test]
fn csv_whose_rows_do_not_fit() {
    let head = "user_id,at,channel,campaign,interaction,event_id\n";
    let row = "ann,2026-01-01,search,spring,click,e1\n";
    let csv = |rows: &str| format!("{head}{row}{rows}");
    for (name, bytes) in [
        ("long.csv", csv("ann,2026-01-01,search,spring,click,e2,more\n")),
        ("quote.csv", csv("ann,2026-01-01,\"search,spring,click,e2\n")),
    ] {
        on_touches(name, bytes).1.fails(3, &["error: cannot read", name, "\nhint: "]);
    }
    on_touches("header.csv", head).1.is_fine();
    on_touches("bom.csv", format!("\u{feff}{}", csv(""))).1.is_fine();
    on_touches("windows.csv", csv("").replace('\n', "\r\n")).1.is_fine();
    let latin = [csv("").as_bytes(), b"ann,2026-01-01,caf\xe9,spring,click,e2\n"].concat();
    on_touches("latin.csv", latin).1.fails(3, &["error: cannot read", "latin.csv", "utf-8"]);
    // What a row lacks at its end is null, as most writers mean it.
    let (world, ended) = on_touches("short.csv", csv("ann,2026-01-01,search\n"));
    assert!(ended.code == 0 || (ended.code == 3 && ended.stderr.contains("short.csv")), "{ended:#?}");
    if ended.code == 0 {
        assert_eq!(world.manifest().rows.touchpoints.read, 2);
    }
}

#[test]
fn every_place_to_cut_a_file_at_is_noticed() {
    let world = World::new();
    for (name, whole) in [
        ("cut.parquet", parquet_bytes(&touches(), Compression::UNCOMPRESSED)),
        ("cut.parquet", parquet_bytes(&touches(), Compression::ZSTD(ZstdLevel::default()))),
        ("cut.arrow", ipc_bytes(&touches())),
    ] {
        for part in 1..12 {
            world.write(name, &whole[..whole.len() * part / 12]);
            let ended = world.run_with(&["--set", &format!("touchpoints.source={name}")]);
            ended.fails(3, &["error: cannot read", name, "\nhint: "]);
        }
        world.write(name, &whole[..whole.len() - 1]);
        world.run_with(&["--set", &format!("touchpoints.source={name}")]).fails(3, &["error: cannot read", name]);
    }
}

#[test]
fn a_bit_that_flips_is_noticed_or_changes_no_proof() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    std::thread::scope(|scope| {
        scope.spawn(|| flips("touchpoints", "flipped.parquet", &parquet_bytes(&touches(), Compression::UNCOMPRESSED), 61));
        scope.spawn(|| flips("touchpoints", "flipped.parquet", &parquet_bytes(&touches(), zstd), 67));
        scope.spawn(|| flips("conversions", "flipped.parquet", &parquet_bytes(&conversions(), Compression::SNAPPY), 59));
        scope.spawn(|| flips("touchpoints", "flipped.arrow", &ipc_bytes(&touches()), 71));
    });
}

/// Flips a bit of every `step`th byte in turn: the run either ends with 3 and names the file, or it ends well.
fn flips(section: &str, name: &str, good: &[u8], step: usize) {
    let world = World::new();
    for place in (0..good.len()).step_by(step) {
        let mut bytes = good.to_vec();
        bytes[place] ^= 1 << (place % 8);
        world.write(name, &bytes);
        let ended = world.run_with(&["--set", &format!("{section}.source={name}")]);
        match ended.code {
            0 => ended.is_fine(),
            _ => ended.fails(3, &[name]),
        };
    }
}

#[test]
fn what_is_wrong_with_the_second_file_is_said_of_the_second_file() {
    use arrow::array::{Float64Array, Int64Array};
    let ids = || Int64Array::from(vec![1, 2, 3, 4, 5, 6]);
    for (second, words) in [
        (with(touches(), "user_id", ids()), &["touchpoints.columns.customer", "user_id", "int64", "text", "log/1.parquet"][..]),
        (with(touches(), "at", ids()), &["touchpoints.columns.time", "\"at\" is int64", "log/2.parquet", "hint: "]),
        (
            with(touches(), "channel", Float64Array::from(vec![0.5; 6])),
            &["touchpoints.columns.channel", "\"channel\" is float64", "log/2.parquet", "expected text"],
        ),
        (
            without(touches(), "channel"),
            &[
                "touchpoints.columns.channel: no column \"channel\" in",
                "log/2.parquet",
                "found user_id, at, campaign",
                "missing_columns",
            ],
        ),
    ] {
        let world = World::new();
        world.parquet("log/1.parquet", &touches());
        world.parquet("log/2.parquet", &second);
        world.run_with(&["--set", "touchpoints.source=log"]).fails(3, words).fails(3, &["log/2.parquet"]);
        // An odd column that nobody uses is fine.
        let spare: Columns = second.into_iter().map(|(name, cells)| (format!("{name}_odd"), cells)).chain(touches()).collect();
        world.parquet("log/2.parquet", &spare);
        world.run_with(&["--set", "touchpoints.source=log"]).is_fine();
    }
}
