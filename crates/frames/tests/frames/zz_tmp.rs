use crate::support::*;
use attributary_frames::*;
use std::path::Path;
#[test]
fn raw() {
    let raw = Path::new("/work/shared/data/web_log/raw");
    let mut m = touches();
    m.customer = name("client_id");
    m.time = name("event_time");
    m.channel = sql("url_param(page_url, 'utm_source')");
    let e = TouchSource::open(&spec(raw), &m).err().unwrap();
    eprintln!("{e}\n  hint {:?}", e.hint());
    let one = TouchSource::open(&spec(&raw.join("events_20250223.parquet")), &touches()).err().unwrap();
    eprintln!("{one}");
    m.customer = ColumnSpec::Names(vec!["client_id".into(), "clientId".into()]);
    m.time = name("timestamp");
    let e = TouchSource::open(&spec(raw), &m).err();
    eprintln!("{e:?}");
}
#[test]
fn fuzz() {
    silence_reader_panics();
    let folder = Folder::new();
    let rows = 300;
    let mut frame = polars::prelude::df!(
        "customer" => (0..rows).map(|row| format!("customer {}", row * 7_919 % 1_000)).collect::<Vec<_>>(),
        "time" => (0..rows).map(|row| i64::from(row) * 60_000_000).collect::<Vec<_>>(),
        "channel" => (0..rows).map(|row| ["email", "direct", "search"][row as usize % 3]).collect::<Vec<_>>(),
    )
    .unwrap();
    use polars::prelude::*;
    frame = frame.lazy().with_column(col("time").cast(DataType::Datetime(TimeUnit::Microseconds, None))).collect().unwrap();
    let start = std::time::Instant::now();
    for name in ["x.parquet", "x.ipc", "s.parquet"] {
        let path = folder.write(name, &frame);
        if name == "s.parquet" {
            let f = std::fs::File::create(&path).unwrap();
            ParquetWriter::new(f).with_compression(ParquetCompression::Snappy).finish(&mut frame).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let (mut bad, mut short, mut ok) = (0, 0, 0);
        for place in 0..whole.len() {
            for flip in [0xFF_u8, 1 << (place % 8), 0x80] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                let p = folder.write_bytes(&format!("{place}_{name}"), &damaged);
                let mut s = spec(&p);
                if flip == 0x80 {
                    s.filter = Some("channel <> 'email'".into());
                }
                match read_touches(&s, &touches()) {
                    Ok(rows) => {
                        if rows.len() != if flip == 0x80 { 200 } else { 300 } {
                            short += 1;
                            if short < 10 {
                                eprintln!("{name} {place} {flip} -> {}", rows.len());
                            }
                        } else {
                            ok += 1
                        }
                    }
                    Err(e) => {
                        bad += 1;
                        let t = e.to_string();
                        if t.lines().count() != 1 || e.fault() != Fault::Input {
                            eprintln!("{t}")
                        }
                    }
                }
                std::fs::remove_file(p).unwrap();
            }
        }
        eprintln!("{name} {} bytes: refused {bad} read {ok} other row count {short} in {:?}", whole.len(), start.elapsed());
    }
}
