//! Which touches of a customer may be credited for a conversion: window, reuse, priority, ignore, repeats, `only`.

use attributary_core::duration::{DAY, Window};
use attributary_core::journey::Unattributed;
use attributary_core::model::Fallback;

use crate::settings::{OracleModel, OracleSettings, Repeats, Reuse};
use crate::sql::Cell;

use super::clean::{self, Conversion, Source, Touch};

/// The touches that every model of this window sees, oldest first, at least one.
pub fn eligible<'a>(
    conversion: &Conversion,
    window: &Window,
    source: &'a Source,
    settings: &OracleSettings,
) -> Result<Vec<&'a Touch>, Unattributed> {
    let Some(customer) = &conversion.customer else { return Err(Unattributed::IdentityMissing) };
    let mut touches = within_window(customer, conversion.time, window, source, settings);
    if touches.is_empty() {
        return Err(Unattributed::NoTouch);
    }
    if settings.reuse == Reuse::SincePreviousConversion
        && let Some(previous) = previous_conversion(conversion, source, settings)
    {
        touches.retain(|touch| touch.time > previous);
        if touches.is_empty() {
            return Err(Unattributed::Consumed);
        }
    }
    let touches = rules(touches, settings);
    if touches.is_empty() { Err(Unattributed::Ignored) } else { Ok(touches) }
}

/// The touches that one model may credit, at least one; none where `only` leaves none and the fallback is none.
pub fn only<'a>(touches: Vec<&'a Touch>, model: &OracleModel, settings: &OracleSettings) -> Option<Vec<&'a Touch>> {
    let Some(only) = &model.only else { return Some(touches) };
    let left: Vec<_> = touches.iter().copied().filter(|touch| only.holds(&|name| cell(touch, name, settings))).collect();
    match model.fallback {
        _ if !left.is_empty() => Some(left),
        Fallback::All => Some(touches),
        Fallback::None => None,
    }
}

/// The touches before the last one in the range of each customer without a conversion in the range, where the rules leave any.
pub fn null_journeys<'a>(window: &Window, source: &'a Source, settings: &OracleSettings) -> Vec<Vec<&'a Touch>> {
    let mut customers: Vec<&String> = source.touches.iter().map(|touch| &touch.customer).collect();
    customers.dedup();
    let converted = |customer: &String| {
        // A refund is no conversion.
        let mut conversions = source.orders().filter(|it| clean::in_range(it.own_time, settings));
        conversions.any(|it| it.customer.as_ref() == Some(customer))
    };
    let mut found = Vec::new();
    for customer in customers {
        let in_range = |touch: &&Touch| touch.customer == *customer && clean::in_range(touch.time, settings);
        let last = source.touches.iter().filter(in_range).map(|touch| touch.time).max();
        if let (false, Some(last)) = (converted(customer), last) {
            let touches = rules(within_window(customer, last, window, source, settings), settings);
            if !touches.is_empty() {
                found.push(touches);
            }
        }
    }
    found
}

/// What predicates and weights see of a touch by its mapped names.
pub fn cell(touch: &Touch, name: &str, settings: &OracleSettings) -> Cell {
    match name {
        "channel" => Cell::text(Some(&touch.channel)),
        "campaign" => Cell::text(touch.campaign.as_deref()),
        "interaction" => Cell::text(touch.interaction.as_deref()),
        "id" => Cell::text(touch.id.as_deref()),
        _ => {
            let place = settings.dimensions.iter().position(|dimension| dimension == name);
            Cell::text(place.and_then(|place| touch.dimensions[place].as_deref()))
        }
    }
}

fn within_window<'a>(customer: &str, end: i64, window: &Window, source: &'a Source, settings: &OracleSettings) -> Vec<&'a Touch> {
    let inside = |touch: &&Touch| {
        let own = settings.interaction_windows.iter().find(|(name, _)| Some(name) == touch.interaction.as_ref());
        let spans = [Some(window), own.map(|(_, window)| window)];
        let span = spans.into_iter().flatten().filter_map(Window::micros).min();
        touch.customer == customer && touch.time <= end && span.is_none_or(|span| reaches(touch.time, end, span, settings))
    };
    source.touches.iter().filter(inside).collect()
}

fn reaches(time: i64, end: i64, span: i64, settings: &OracleSettings) -> bool {
    if settings.calendar_days {
        // One of the `span` days that end with the conversion's day.
        let days = i64::from(settings.zone.day(end)) - i64::from(settings.zone.day(time));
        return days < span / DAY;
    }
    end - span <= time
}

/// The time of the customer's last conversion that is strictly earlier, of any kind or of the same. A refund is none.
fn previous_conversion(conversion: &Conversion, source: &Source, settings: &OracleSettings) -> Option<i64> {
    let earlier = source.orders().filter(|it| it.customer == conversion.customer && it.time < conversion.time);
    earlier.filter(|it| !settings.reuse_by_kind || it.kind == conversion.kind).map(|it| it.time).max()
}

/// Priority, ignore, repeats, in this order.
fn rules<'a>(touches: Vec<&'a Touch>, settings: &OracleSettings) -> Vec<&'a Touch> {
    let touches = best_class(touches, settings);
    let touches = not_ignored(touches, settings);
    without_repeats(touches, settings.repeats)
}

fn best_class<'a>(touches: Vec<&'a Touch>, settings: &OracleSettings) -> Vec<&'a Touch> {
    let class = |touch: &Touch| {
        let listed = settings.priority.iter().position(|interaction| Some(interaction) == touch.interaction.as_ref());
        listed.unwrap_or(settings.priority.len())
    };
    let best = touches.iter().map(|touch| class(touch)).min();
    touches.into_iter().filter(|touch| Some(class(touch)) == best).collect()
}

fn not_ignored<'a>(touches: Vec<&'a Touch>, settings: &OracleSettings) -> Vec<&'a Touch> {
    let Some(ignore) = &settings.ignore else { return touches };
    let matches = |touch: &Touch| ignore.predicate.holds(&|name| cell(touch, name, settings));
    let others: Vec<_> = touches.iter().copied().filter(|touch| !matches(touch)).collect();
    if others.is_empty() && !ignore.always { touches } else { others }
}

fn without_repeats(touches: Vec<&Touch>, repeats: Repeats) -> Vec<&Touch> {
    let pair = |touch: &Touch| (touch.channel.clone(), touch.campaign.clone());
    let same = |one: &Touch, other: &Touch| pair(one) == pair(other);
    let stays = |place: usize| match repeats {
        Repeats::Keep => true,
        Repeats::CollapseConsecutive => touches.get(place + 1).is_none_or(|next| !same(touches[place], next)),
        Repeats::First => !touches[..place].iter().any(|before| same(touches[place], before)),
        Repeats::Last => !touches[place + 1..].iter().any(|after| same(touches[place], after)),
    };
    (0..touches.len()).filter(|place| stays(*place)).map(|place| touches[place]).collect()
}
