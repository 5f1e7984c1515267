//! Conversions. Most follow a session of the customer's, the sooner the likelier, of whoever it is or of someone who comes
//! back; some follow an earlier conversion (a refund its purchase, a deal its lead); a few come from customers who were never reached. Each is a function of
//! (seed, slice, turn), made again wherever something follows it.

use attributary_core::duration::{DAY, SECOND};

use crate::currency::Currency;
use crate::random::{Random, Share, Stream, scale};
use crate::truth::Cause;
use crate::visits::{Session, Touch, World};

/// How many conversions come from customers without any touch.
const UNREACHED: Share = Share::percent(3);
/// How many sessions are looked at before one converts for certain.
const TRIES: usize = 8;
/// And to find one that brought someone back, as they are few.
const RETURN_TRIES: usize = 64;
/// How many numbers beyond those of all conversions refunds may name.
const STRAY: u64 = 1_000;
const HOUR: i64 = DAY / 24;

/// A conversion without its id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Microseconds UTC.
    pub time: i64,
    /// The customer's number.
    pub customer: u64,
    /// The code of its kind: 0 first, 1 follow-up.
    pub kind: u8,
    /// In minor units; negative where it is a refund.
    pub revenue: i64,
    /// What is left of it after costs.
    pub margin: i64,
    /// The number of the order that a refund names.
    pub refund_of: Option<u64>,
    /// What brought it, where that is asked for.
    pub cause: Option<Cause>,
}

/// A conversion row of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// What it says.
    pub order: Order,
    /// The turn whose id it has: its own, or that of the one it repeats.
    pub id_of: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    First,
    Return,
    FollowUp,
    Repeat,
}

impl World {
    /// The conversion rows of a slice, in no order.
    pub fn turns(&self, place: usize) -> Vec<Turn> {
        let slice = &self.calendar.slices[place];
        let mut turns: Vec<Turn> = Vec::new();
        for turn in 0..slice.conversion_count() as usize {
            let row = match (self.kind(place, turn as u64), turns.last()) {
                (Kind::Repeat, Some(last)) if last.id_of + 1 == turn => {
                    // Half of them are sent twice in one moment, the others again some seconds later.
                    let mut random = Random::new(self.settings.seed, Stream::Order, place as u64, turn as u64);
                    let later = random.between(0, 2) * random.between(1, 90) * SECOND;
                    let time = (last.order.time + later).min(slice.time.end - 1);
                    Turn { order: Order { time, ..last.order }, id_of: last.id_of }
                }
                (Kind::FollowUp, _) => {
                    let order = self.follow_up(place, turn as u64).unwrap_or_else(|| self.first(place, turn as u64));
                    Turn { order, id_of: turn }
                }
                (Kind::Return, _) => Turn { order: self.purchase(place, turn as u64), id_of: turn },
                _ => Turn { order: self.first(place, turn as u64), id_of: turn },
            };
            turns.push(row);
        }
        turns
    }

    fn kind(&self, place: usize, turn: u64) -> Kind {
        let mut random = Random::new(self.settings.seed, Stream::Turn, place as u64, turn);
        if random.chance(Share::of(self.settings.duplicates)) {
            Kind::Repeat
        } else if random.chance(Share::percent(self.market.follow_ups)) {
            Kind::FollowUp
        } else if self.loyalty.purchases(place).is_some_and(|share| random.chance(share)) {
            Kind::Return
        } else {
            Kind::First
        }
    }

    /// Whether a turn is a purchase or lead of whoever it may be.
    pub fn is_first(&self, place: usize, turn: u64) -> bool {
        self.kind(place, turn) == Kind::First
    }

    /// The purchase or lead of a turn that is one, of someone who comes back if it says so and there is someone.
    fn purchase(&self, place: usize, turn: u64) -> Order {
        let again = if self.kind(place, turn) == Kind::Return { self.again(place, turn) } else { None };
        again.unwrap_or_else(|| self.first(place, turn))
    }

    /// A purchase or lead.
    pub fn first(&self, place: usize, turn: u64) -> Order {
        let mut random = Random::new(self.settings.seed, Stream::Order, place as u64, turn);
        if self.settings.truth {
            return self.caused(&mut random, place);
        }
        let time = self.calendar.slices[place].draw(&mut random);
        let (customer, time) = match self.unreached(&mut random) {
            Some(customer) => (customer, time),
            None => {
                let found = self.after_a_session(&mut random, place, time, false);
                found.unwrap_or_else(|| (self.crowd.draw(&mut random), time))
            }
        };
        self.purchase_of(&mut random, customer, time)
    }

    /// Once in a while, a customer without any touch.
    pub fn unreached(&self, random: &mut Random) -> Option<u64> {
        let unreached = self.crowd.all - self.crowd.reached;
        (unreached > 0 && random.chance(UNREACHED)).then(|| self.crowd.reached + random.below(unreached))
    }

    /// What a customer buys.
    pub fn purchase_of(&self, random: &mut Random, customer: u64, time: i64) -> Order {
        let revenue = self.market.revenue(random, false, self.level(customer));
        Order { time, customer, kind: 0, revenue, margin: margin(random, revenue), refund_of: None, cause: None }
    }

    /// What prices are for a customer in the currency of theirs, in millionths of the usual ones. Where customers come
    /// back, some always spend more than others.
    fn level(&self, customer: u64) -> u64 {
        let mut purse = Random::new(self.settings.seed, Stream::Purse, customer, 0);
        let percent = if self.settings.repeat > 0.0 { purse.between(50, 151) as u64 } else { 100 };
        let currency = self.settings.currencies.get(self.currency(customer)).copied().unwrap_or(Currency::Sek);
        percent * 10_000 * Currency::Sek.worth() / currency.worth()
    }

    /// Looks for a session at some lag before `time` that is ready to convert, either of someone who came back or not; who
    /// it is, and when.
    pub fn after_a_session(&self, random: &mut Random, place: usize, time: i64, came_back: bool) -> Option<(u64, i64)> {
        let slice = &self.calendar.slices[place];
        let begin = self.calendar.slices[0].time.start;
        let mut found = None;
        for _ in 0..if came_back { RETURN_TRIES } else { TRIES } {
            let lag = self.market.lag(random);
            let source = if lag < HOUR {
                Some(place)
            } else {
                // Before the log begins there is nothing to follow: then any time since will do.
                let wanted = if time - lag < begin { random.between(begin, time + 1) } else { time - lag };
                self.calendar.slice_at(wanted)
            };
            let Some(source) = source else { continue };
            let sessions = self.sessions(&self.calendar.slices[source]);
            if sessions == 0 {
                continue;
            }
            let number = random.below(sessions);
            // Asked first, as whom a session brings back is found by way of sessions that bring nobody back.
            if self.is_return(source, number) != came_back {
                continue;
            }
            let session = self.session(source, number);
            if session.came_back() != came_back {
                continue;
            }
            let (stage, touch) = self.last_touch(session, source);
            // In the same visit, or at least not before it.
            let time =
                if lag < HOUR { touch.time + lag } else { time.max(touch.time + scale(random.draw(), HOUR as u64) as i64) };
            let time = if source < place { time } else { slice.clamp(time.min(slice.time.end - 1)).max(touch.time) };
            found = Some((touch.customer, time));
            let ready = random.draw() < u64::MAX / 4 + stage / 4 * 3;
            if ready && random.below(100) < self.market.closes(touch.channel) {
                break;
            }
        }
        found
    }

    /// How far the interest is in a session, and its last touch.
    fn last_touch(&self, session: Session, place: usize) -> (u64, Touch) {
        let stage = session.stage();
        let touches = session.touches(&self.market, &self.calendar.slices[place]);
        // A session has at least one touch.
        let none = Touch { time: 0, customer: 0, campaign: None, channel: 0, interaction: 0, country: 0, device: 0 };
        (stage, touches.max_by_key(|touch| touch.time).unwrap_or(none))
    }

    /// A refund or deal. The turn of the same number, some days ago, is what it follows, so that nothing is followed
    /// twice; none where there was no such turn, or where it was no first conversion.
    fn follow_up(&self, place: usize, turn: u64) -> Option<Order> {
        let slice = &self.calendar.slices[place];
        let days = &self.market.follow_up_days;
        let lag = Random::new(self.settings.seed, Stream::Lag, turn, 0).between(days.start, days.end) * DAY;
        let source = self.calendar.slice_at(slice.time.start - lag)?;
        let earlier = &self.calendar.slices[source].conversions;
        if turn >= earlier.end - earlier.start || !matches!(self.kind(source, turn), Kind::First | Kind::Return) {
            return None;
        }
        let number = earlier.start + turn;
        let earlier = self.purchase(source, turn);
        let mut random = Random::new(self.settings.seed, Stream::FollowUp, place as u64, turn);
        let order = Order { time: slice.draw(&mut random), customer: earlier.customer, kind: 1, ..earlier };
        if self.market.kinds[1] != "refund" {
            let revenue = self.market.revenue(&mut random, true, self.level(order.customer));
            return Some(Order { revenue, margin: margin(&mut random, revenue), ..order });
        }
        // Three of four are taken back whole, of the others some articles.
        let percent = if random.below(4) > 0 { 100 } else { random.between(15, 85) };
        // One in a hundred names an order that is not there.
        let stray = random.below(100) == 0;
        let named = if stray { self.settings.conversion_rows() + random.below(STRAY) } else { number };
        let refund_of = self.settings.refund_of.then_some(named);
        let (revenue, margin) = (-(earlier.revenue * percent / 100), -(earlier.margin * percent / 100));
        Some(Order { revenue, margin, refund_of, ..order })
    }

    /// How many numbers of orders there are, with those that only refunds name.
    pub fn order_numbers(&self) -> u64 {
        self.settings.conversion_rows() + if self.settings.refund_of { STRAY } else { 0 }
    }
}

/// Between 20 and 60 % of the revenue.
fn margin(random: &mut Random, revenue: i64) -> i64 {
    revenue * random.between(2_000, 6_001) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Preset, Settings};
    use std::collections::HashSet;

    fn all(world: &World) -> Vec<Order> {
        (0..world.calendar.slices.len()).flat_map(|place| world.turns(place)).map(|turn| turn.order).collect()
    }

    fn clean(preset: Preset) -> World {
        let shared = Settings { preset, duplicates: 0.0, nulls: 0.0, customers: 5_000, ..Settings::default() };
        World::new(&Settings { touches: 60_000, conversions: Some(4_000), days: 120, ..shared })
    }

    #[test]
    fn refunds_take_back_at_most_what_an_earlier_purchase_of_the_customer_brought() {
        let orders = all(&clean(Preset::B2c));
        let refunds: Vec<_> = orders.iter().filter(|order| order.kind == 1).collect();
        assert!((100..300).contains(&refunds.len()), "{}", refunds.len());
        let mut whole = HashSet::new();
        for refund in &refunds {
            assert!(refund.revenue < 0 && refund.margin < 0 && refund.margin > refund.revenue);
            let of = orders.iter().find(|it| {
                it.kind == 0
                    && it.customer == refund.customer
                    && it.time + DAY < refund.time
                    && it.revenue >= -refund.revenue
                    && it.margin >= -refund.margin
            });
            assert!(of.is_some(), "{refund:?}");
            assert!(whole.insert((refund.customer, refund.revenue)), "taken back twice: {refund:?}");
        }
        for order in orders.iter().filter(|order| order.kind == 0) {
            let percent = order.margin * 100 / order.revenue;
            assert!((19..=60).contains(&percent), "{order:?}");
        }
    }

    #[test]
    fn most_conversions_follow_a_touch_within_thirty_days() {
        let world = clean(Preset::B2c);
        let touches: Vec<Touch> = (0..world.calendar.slices.len())
            .flat_map(|place| {
                let slice = &world.calendar.slices[place];
                (0..world.sessions(slice)).map(move |it| (place, it))
            })
            .flat_map(|(place, it)| world.session(place, it).touches(&world.market, &world.calendar.slices[place]))
            .collect();
        let orders = all(&world);
        let followed = |order: &Order| {
            touches.iter().any(|it| it.customer == order.customer && it.time <= order.time && order.time - it.time <= 30 * DAY)
        };
        let sample: Vec<_> = orders.iter().filter(|order| order.kind == 0).step_by(7).collect();
        let share = sample.iter().filter(|order| followed(order)).count() * 100 / sample.len();
        assert!((90..=98).contains(&share), "{share} %");
        let again = orders.len() - orders.iter().map(|order| order.customer).collect::<HashSet<_>>().len();
        assert!(again > 500, "repeat customers: {again}");
    }

    #[test]
    fn deals_are_large_and_later_than_a_lead() {
        let orders = all(&clean(Preset::B2b));
        let deals: Vec<_> = orders.iter().filter(|order| order.kind == 1).collect();
        assert!((300..1_200).contains(&deals.len()), "{}", deals.len());
        for deal in deals {
            assert!(deal.revenue > 500_000);
            assert!(orders.iter().any(|it| it.kind == 0 && it.customer == deal.customer && it.time < deal.time));
        }
    }
}
