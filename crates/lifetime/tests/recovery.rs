//! Fits on customers of known parameters, and fits that cannot be.

mod slow;
mod support;

use attributary_lifetime::{Edge, FitError, History, PurchaseStatistics, SpendingStatistics, bg_nbd, gamma_gamma};
use slow::{log_likelihood, nelder_mead};
use support::{Random, Truth, simulate};

const SHOP: Truth = Truth { r: 0.4, alpha: 5.0, a: 0.8, b: 2.5, p: 5.0, q: 4.0, v: 1_500.0 };

fn near(found: f64, expected: f64, part: f64) -> bool {
    (found / expected - 1.0).abs() < part
}

#[test]
fn parameters_are_recovered() {
    for (seed, truth) in [
        (1, SHOP),
        (2, Truth { r: 2.0, alpha: 12.0, a: 0.5, b: 4.0, p: 2.0, q: 6.0, v: 9_000.0 }),
        (3, Truth { r: 0.9, alpha: 1.5, a: 2.0, b: 3.0, p: 12.0, q: 2.5, v: 100.0 }),
    ] {
        let (purchases, spending) = simulate(&truth, seed, 60_000, 104.0, false);
        let fit = bg_nbd::fit(&purchases).expect("a fit");
        let found = [fit.model.r(), fit.model.alpha(), fit.model.a(), fit.model.b()];
        let expected = [truth.r, truth.alpha, truth.a, truth.b];
        assert!(found.iter().zip(expected).all(|(found, expected)| near(*found, expected, 0.06)), "{found:?} {expected:?}");
        assert!(fit.gradient < 1e-10, "{fit:?}");

        let fit = gamma_gamma::fit(&spending).expect("a fit");
        let found = [fit.model.p(), fit.model.q(), fit.model.v()];
        let expected = [truth.p, truth.q, truth.v];
        assert!(found.iter().zip(expected).all(|(found, expected)| near(*found, expected, 0.08)), "{found:?} {expected:?}");
        assert!(fit.gradient < 1e-10, "{fit:?}");
    }
}

/// What customers who are known in full go on to buy, against what was expected of them.
#[test]
fn expected_purchases_are_made() {
    let mut random = Random(7);
    let model = bg_nbd::BgNbd::new(SHOP.r, SHOP.alpha, SHOP.a, SHOP.b).expect("parameters");
    let (mut made, mut expected, mut alive, mut chance) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..200_000 {
        let whole = SHOP.customer(&mut random, 78.0);
        let now = 30.0;
        let before: Vec<f64> = whole.purchases.iter().copied().filter(|time| *time <= now).collect();
        made += (whole.purchases.len() - before.len()) as f64;
        let history = History::from_weeks(before.len() as u32, before.last().copied().unwrap_or(0.0), now).expect("a history");
        expected += model.expected_purchases(48.0, &history);
        if history.repeats() >= 3 {
            alive += f64::from(u8::from(whole.purchases.len() > before.len()));
            chance += model.probability_alive(&history);
        }
    }
    assert!(near(made, expected, 0.01), "{made} {expected}");
    // Who buys again was alive; some who are alive do not buy.
    assert!(alive < chance && alive > 0.8 * chance, "{alive} {chance}");
}

#[test]
fn shards_and_order_change_nothing() {
    let mut random = Random(11);
    let customers: Vec<_> = (0..30_000)
        .map(|_| {
            let age = random.uniform() * 100.0;
            let customer = SHOP.customer(&mut random, age);
            let history = if random.uniform() < 0.9 { customer.daily() } else { customer.exact() };
            let total = customer.total(&mut random, history.repeats()) as i128;
            (history, total)
        })
        .collect();
    let collect = |customers: &mut dyn Iterator<Item = &(History, i128)>| {
        let (mut purchases, mut spending) = (PurchaseStatistics::default(), SpendingStatistics::default());
        for (history, total) in customers {
            purchases.add(history);
            spending.add(history.repeats(), *total);
        }
        (purchases, spending)
    };
    let fits = |(purchases, spending): &(PurchaseStatistics, SpendingStatistics)| {
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        let (one, other) = (bg_nbd::fit(purchases).expect("a fit"), gamma_gamma::fit(spending).expect("a fit"));
        let (bought, spent) = (one.model, other.model);
        bits(&[
            bought.r(),
            bought.alpha(),
            bought.a(),
            bought.b(),
            one.log_likelihood,
            spent.p(),
            spent.q(),
            spent.v(),
            other.log_likelihood,
        ])
    };
    let whole = fits(&collect(&mut customers.iter()));
    assert_eq!(fits(&collect(&mut customers.iter().rev())), whole);
    let mut merged = (PurchaseStatistics::default(), SpendingStatistics::default());
    for shard in customers.chunks(7_001).rev() {
        let (mut purchases, spending) = collect(&mut shard.iter());
        purchases.compact();
        merged.0.merge(&purchases);
        merged.1.merge(&spending);
    }
    assert_eq!(fits(&merged), whole);
    // Every customer three times at once, and in turn.
    let (mut many, mut single) = (PurchaseStatistics::default(), PurchaseStatistics::default());
    customers.iter().for_each(|(history, _)| many.add_many(history, 3));
    customers.iter().chain(&customers).chain(&customers).for_each(|(history, _)| single.add(history));
    assert_eq!(bg_nbd::fit(&many), bg_nbd::fit(&single));
    // And on one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    assert_eq!(pool.install(|| fits(&merged)), whole);
}

fn fit(histories: &[(u32, u32, u32, u64)]) -> Result<bg_nbd::BgNbdFit, FitError> {
    let mut statistics = PurchaseStatistics::default();
    for (repeats, recency, age, count) in histories {
        statistics.add_many(&History::from_days(*repeats, *recency, *age).expect("a history"), *count);
    }
    bg_nbd::fit(&statistics)
}

#[test]
fn what_cannot_be_fitted_says_so() {
    assert_eq!(fit(&[]), Err(FitError::NoCustomers));
    assert_eq!(fit(&[(0, 0, 0, 3)]), Err(FitError::NobodyReturned { customers: 3 }));
    let once = fit(&[(0, 0, 30, 5), (0, 0, 70, 5)]).expect_err("no fit");
    assert_eq!(once.to_string(), "none of the 10 customers has bought again, so nothing is known of who returns");
}

#[test]
fn edges_are_told_apart() {
    let at = |histories: &[(u32, u32, u32, u64)]| match fit(histories) {
        Err(FitError::PurchasesAtEdge { edge, reached }) => {
            assert!([reached.r(), reached.alpha(), reached.a(), reached.b()].iter().all(|parameter| parameter.is_finite()));
            edge
        }
        other => panic!("{other:?}"),
    };
    // Whoever returns has bought to the last day: nobody drops out.
    let loyal: Vec<_> = (0..60).map(|i| (i % 7, if i % 7 == 0 { 0 } else { 200 + i }, 200 + i, 5)).collect();
    assert_eq!(at(&loyal), Edge::NoDropout);
    // Nobody buys a third time, though the second time was long ago.
    let once: Vec<_> = (0..60).map(|i| (i % 2, if i % 2 == 0 { 0 } else { 3 + i / 2 }, 600 + i, 5)).collect();
    assert_eq!(at(&once), Edge::EveryoneDropsOut);
    // One customer.
    assert!(matches!(fit(&[(2, 30, 40, 1)]), Err(FitError::PurchasesAtEdge { .. })));
}

/// Few customers, of any kind: a fit or an edge that a slow search does not surpass, and no number that is none.
#[test]
fn never_not_a_number() {
    let mut random = Random(23);
    let (mut fits, mut edges) = (0, 0);
    for round in 0..600 {
        let (mut purchases, mut spending) = (PurchaseStatistics::default(), SpendingStatistics::default());
        let mut histories = Vec::new();
        for _ in 0..1 + round % 40 {
            let age = random.uniform() * 100.0;
            // Every other time of the model, else of no model at all.
            let history = if round % 2 == 0 { SHOP.customer(&mut random, age).daily() } else { any(&mut random) };
            purchases.add(&history);
            spending.add(history.repeats(), (random.uniform() * 900.0) as i128 - 20);
            histories.push(history);
        }
        let reached = match bg_nbd::fit(&purchases) {
            Ok(fit) => {
                fits += 1;
                assert!(fit.log_likelihood.is_finite() && fit.gradient < 1e-6, "{fit:?}");
                Some(fit.model)
            }
            Err(FitError::PurchasesAtEdge { reached, edge }) => {
                edges += 1;
                assert_ne!(edge, Edge::Undetermined, "{reached:?}");
                Some(reached)
            }
            Err(FitError::NobodyReturned { .. }) => None,
            Err(other) => panic!("{other:?} {purchases:?}"),
        };
        if let Some(model) = reached {
            let at = |logs: &[f64; 4]| histories.iter().map(|history| log_likelihood(history, logs)).sum::<f64>();
            let value = at(&[model.r(), model.alpha(), model.a(), model.b()].map(f64::ln));
            // Far out Γ has lost too many digits to be a judge.
            let judge = |logs: &[f64; 4]| if logs.iter().any(|log| log.abs() > 10.0) { f64::NEG_INFINITY } else { at(logs) };
            let (logs, slow) = nelder_mead([0.0; 4], judge);
            assert!(value > slow - 3e-3, "{model:?} {value}, {logs:?} {slow}");
        }
        match gamma_gamma::fit(&spending) {
            Ok(fit) => assert!(fit.log_likelihood.is_finite() && fit.gradient < 1e-6, "{fit:?}"),
            Err(FitError::SpendingAtEdge { .. } | FitError::NoRepeaters { .. } | FitError::SameMean { .. }) => {}
            Err(other) => panic!("{other:?} {spending:?}"),
        }
    }
    assert!(fits > 100 && edges > 100, "{fits} {edges}");
}

fn any(random: &mut Random) -> History {
    let age = (random.uniform() * 500.0) as u32;
    let recency = if random.uniform() < 0.5 { 0 } else { (random.uniform() * f64::from(age)) as u32 };
    let repeats = if recency == 0 { 0 } else { 1 + (random.uniform() * f64::from(recency.min(30))) as u32 };
    History::from_days(repeats.min(recency), recency, age).expect("a history")
}
