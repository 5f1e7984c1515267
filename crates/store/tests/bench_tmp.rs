use std::sync::Arc;
use attributary_core::table::*; use attributary_core::value::*;
use attributary_store::*;
#[test] fn bench() {
  let n=1_000_000usize;
  let dict=Arc::new((0..2000).map(|i|Value::text(&format!("campaign_{i}"))).collect::<Vec<_>>());
  let c=|m:u32|Column::Codes{codes:(0..n as u32).map(|i|i.wrapping_mul(2654435761)%m).collect(),dictionary:dict.clone()};
  let mut t=Texts::with_capacity(n,n*16); for i in 0..n {t.push(Some(&format!("{:016x}",(i as u64/3).wrapping_mul(0x9e3779b97f4a7c15))));}
  let fields=[("model",ColumnType::Text),("window",ColumnType::Text),("channel",ColumnType::Text),("campaign",ColumnType::Text),("customer",ColumnType::Text),("time",ColumnType::instant()),("share",ColumnType::SHARE),("revenue",ColumnType::amount(2))].map(|(a,b)|Field::new(a,b));
  let rows=Rows{columns:vec![c(10),c(2),c(12),c(2000),Column::Texts(t),Column::Ints((0..n as i64).map(|i|i*7919).collect()),Column::Wide((0..n as i128).map(|i|i*77%1_000_000_000).collect()),Column::Wide((0..n as i128).map(|i|i*7919%1_000_00).collect())]};
  let d=tempfile::tempdir().unwrap();
  let mut f=TableFile::create(&d.path().join("t.parquet"),&fields,&Layout::default()).unwrap();
  let t=std::time::Instant::now(); f.write(&rows).unwrap(); f.write(&rows).unwrap(); let w=f.finish().unwrap();
  eprintln!("{:?} for {} rows {} bytes",t.elapsed(),w.rows,w.bytes);
  let t=std::time::Instant::now(); let k:usize=read_table(&w.path).unwrap().map(|r|r.unwrap().len()).sum(); eprintln!("read {k} {:?}",t.elapsed());
}
