//! The ids that runs give themselves.

use attributary_core::time::{Zone, instant_text, parse_instant};

const SECOND: i64 = 1_000_000;

/// The next id after those that were given: the time to the second and a few digits. Ids sort by time, whatever the clock does: where
/// it says that it is no later than the newest one's time (it was put back, or this is the same second), the id is of the second
/// after that. `now` is microseconds since 1970.
pub(crate) fn next(now: i64, given: &[String]) -> String {
    let rest = ((now.rem_euclid(SECOND) as u64).wrapping_mul(0x9E37) ^ u64::from(std::process::id())) & 0xF_FFFF;
    let id = |instant: i64| format!("{}-{rest:05x}", instant_text(instant.div_euclid(SECOND) * SECOND).replace(['-', ':'], ""));
    let wanted = id(now);
    match given.iter().filter(|id| time_of(id).is_some()).max() {
        Some(newest) if *newest >= wanted => time_of(newest).map_or(wanted, |time| id(time + SECOND)),
        _ => wanted,
    }
}

/// The time of an id that a run gave itself.
fn time_of(id: &str) -> Option<i64> {
    let (time, rest) = id.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if rest.len() != 5 || !rest.bytes().all(|byte| byte.is_ascii_hexdigit()) || time.len() != 16 || !time.is_ascii() {
        return None;
    }
    let (day, clock) = time.strip_suffix('Z')?.split_once('T')?;
    if day.len() != 8 || clock.len() != 6 || !digits(day) || !digits(clock) {
        return None;
    }
    let text = format!("{}-{}-{}T{}:{}:{}Z", &day[..4], &day[4..6], &day[6..], &clock[..2], &clock[2..4], &clock[4..]);
    parse_instant(&text, &Zone::utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-02-01T03:00:00Z.
    const NOW: i64 = 1_769_914_800 * SECOND;

    #[test]
    fn ids_sort_by_time_whatever_the_clock_does() {
        let mut given: Vec<String> = ["a-last-one", "20269901T000000Z-00000", "zzz"].map(str::to_owned).into();
        // A second later, in that second again, an hour back, a year ahead, and back.
        let hour = 3_600 * SECOND;
        let clock = [NOW, NOW + SECOND, NOW + SECOND, NOW + SECOND + 7, NOW - hour, NOW + 8_760 * hour, NOW + 2 * hour, -hour, 0];
        let ids: Vec<String> = clock
            .into_iter()
            .map(|now| {
                let id = next(now, &given);
                given.push(id.clone());
                id
            })
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        assert!(ids[0].starts_with("20260201T030000Z-") && ids[5].starts_with("20270201T030000Z-"), "{ids:?}");
        assert!(ids[6].starts_with("20270201T030001Z-"), "{ids:?}");
    }

    #[test]
    fn only_ids_of_that_form_have_a_time() {
        assert_eq!(time_of("20260201T030000Z-0ab1c"), Some(NOW));
        for id in
            ["", "nightly", "20260201T030000Z", "20260201T030000Z-0ab1cd", "20261301T030000Z-0ab1c", "2026020åT03000Z-0ab1c"]
        {
            assert_eq!(time_of(id), None, "{id}");
        }
    }
}
