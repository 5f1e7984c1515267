#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use attributary_simulate::*;
fn main() {
    let mut settings = Settings::default();
    let mut args = std::env::args().skip(1);
    let out = args.next().unwrap();
    for arg in args {
        let (name, text) = arg.split_once('=').unwrap();
        settings.set(name, text).unwrap();
    }
    let start = std::time::Instant::now();
    let summary = simulate(out.as_ref(), &settings, &|_| ()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{summary:?} {seconds:.2} s {:.2} M/s", summary.touches as f64 / seconds / 1e6);
}
