//! Chains of very many states: solved, with equations that are met.

use std::collections::BTreeSet;

use attributary_fitted::{Chain, Removal, Transitions, removal};

/// Journeys that look like chance, of which some channels are frequent and most are rare.
fn transitions(order: usize, players: u64, journeys: usize, longest: u64) -> Transitions {
    let mut state = 3_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut transitions = Transitions::new(order);
    for _ in 0..journeys {
        let touches = 1 + random(longest);
        let path: Vec<u32> = (0..touches).map(|_| (random(players) * random(players) / players) as u32).collect();
        let converts = u64::from(random(8) == 0);
        transitions.add(&path, converts, 1 - converts);
    }
    transitions
}

#[test]
fn a_hundred_thousand_states_are_solved() {
    let chain = Chain::new(&transitions(5, 20, 120_000, 9));
    assert!(chain.grams().len() > 100_000, "{} states", chain.grams().len());
    let sets: Vec<BTreeSet<u32>> = (0..20).map(|player| BTreeSet::from([player])).collect();
    let found = removal::effects(&chain, &sets, Removal::Null).expect("an answer");
    // A chain of counts converts as many as there were.
    let share = chain.conversions() as f64 / chain.journeys() as f64;
    assert!((found.conversion_probability / share - 1.0).abs() < 1e-11, "{} {share}", found.conversion_probability);
    assert!(found.sweeps > 0 && found.residual < 1e-12, "{found:?}");
    // The most frequent first, as they are numbered.
    assert!(found.effects.windows(5).all(|some| some[0] > some[4]), "{:?}", found.effects);
}

#[test]
fn five_thousand_channels_are_removed_one_by_one() {
    let chain = Chain::new(&transitions(1, 5_000, 50_000, 6));
    let sets: Vec<BTreeSet<u32>> = (0..5_000).map(|player| BTreeSet::from([player])).collect();
    let found = removal::effects(&chain, &sets, Removal::Null).expect("an answer");
    let share = chain.conversions() as f64 / chain.journeys() as f64;
    assert!((found.conversion_probability / share - 1.0).abs() < 1e-11);
    assert!(found.residual < 1e-12 && found.effects.iter().all(|effect| (-1e-12..=1.0).contains(effect)));
}
