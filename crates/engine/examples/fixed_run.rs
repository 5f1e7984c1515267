//! One run over the small log of the benches, on one thread, for counting its instructions: `bench/instructions.py`. Says what
//! came out, so that it is known to have worked.

use attributary_core::value::Value;
use attributary_engine::EngineError;
use small_log::SmallLog;

#[path = "../benches/small_log/mod.rs"]
mod small_log;

fn main() -> Result<(), EngineError> {
    let log = SmallLog::new();
    let collected = log.collect()?;
    let partitioned = log.partition(&collected)?;
    let walked = log.walk(collected, partitioned)?;
    let (mut rows, mut checksum) = (0, 0_u64);
    for some in log.rows(&walked)? {
        rows += some.len();
        for column in &some.columns {
            for row in 0..some.len() {
                // In order: a sum alone would not see credit go to another touch.
                if let Value::Int(number) = column.value(row) {
                    checksum = checksum.wrapping_mul(31).wrapping_add(number as u64);
                }
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "this is a program")]
    {
        println!("{rows} rows, {} touches used, checksum {checksum:016x}", walked.touches_used);
    }
    Ok(())
}
