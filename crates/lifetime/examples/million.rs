//! Simulates customers, fits both models and values everyone, with the time each part takes:
//! `cargo run --release -p attributary-lifetime --example million -- 10000000`.

#![expect(clippy::print_stdout, reason = "this is a program")]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod support;

use attributary_lifetime::{
    DiscountedPurchases, History, Horizon, LifetimeValue, PurchaseStatistics, Spending, SpendingStatistics, bg_nbd, gamma_gamma,
};
use std::time::Instant;
use support::{Random, Truth};

/// A shop of two years, by the day.
const SHOP: Truth = Truth { r: 0.5, alpha: 5.0, a: 0.6, b: 3.0, p: 5.0, q: 4.0, v: 1_500.0 };
const WEEKS: f64 = 104.3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let customers: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let mut random = Random(42);
    let everyone: Vec<(History, f64)> = (0..customers)
        .map(|_| {
            let age = random.uniform() * WEEKS;
            let customer = SHOP.customer(&mut random, age);
            let history = customer.daily();
            let total = customer.total(&mut random, history.repeats()) as i64 as f64;
            (history, if history.repeats() > 0 { total / f64::from(history.repeats()) } else { 0.0 })
        })
        .collect();

    let clock = Instant::now();
    let (mut purchases, mut spending) = (PurchaseStatistics::default(), SpendingStatistics::default());
    for (history, mean) in &everyone {
        purchases.add(history);
        let total = (mean * f64::from(history.repeats())).round() as i128;
        spending.add(history.repeats(), total);
    }
    purchases.compact();
    spending.compact();
    println!("{customers} customers, {} distinct: counted in {:.2?}", purchases.distinct().len(), clock.elapsed());

    let clock = Instant::now();
    let fit = bg_nbd::fit(&purchases)?;
    println!("BG/NBD in {:.2?}: {fit:?}", clock.elapsed());

    let clock = Instant::now();
    let spent = gamma_gamma::fit(&spending)?;
    println!("Gamma-Gamma in {:.2?}: {spent:?}", clock.elapsed());

    let clock = Instant::now();
    let mut discounted = DiscountedPurchases::new(fit.model, Horizon::new(364, 0.1)?);
    discounted.prepare(everyone.iter().map(|(history, _)| history));
    println!("52 weeks ahead for {} (x, T) in {:.2?}", discounted.prepared(), clock.elapsed());

    let clock = Instant::now();
    let value = LifetimeValue::new(discounted, Spending::new(Ok(spent), 0.0));
    let most = everyone.iter().fold(0.0_f64, |most, (history, mean)| most.max(value.of(history, *mean)));
    println!("everyone valued on one thread in {:.2?}, the most {most:.2}", clock.elapsed());
    Ok(())
}
