//! Numbers as people read them. Amounts, counts and shares stay integers; a float is only ever shown or drawn, never summed.

use attributary_core::money::decimal_text;

/// Digits behind the point of shares of a conversion.
pub(crate) const SHARE_SCALE: u8 = 9;

/// A decimal with commas between thousands: `(-123456789, 2)` is `-1,234,567.89`.
pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    grouped(&decimal_text(unscaled, scale))
}

/// A sum of shares as a number of conversions, to two digits where it is not whole.
pub(crate) fn conversions(shares: i128) -> String {
    let whole = 10_i128.pow(SHARE_SCALE.into());
    if shares % whole == 0 { grouped(&(shares / whole).to_string()) } else { decimal(rounded(shares, whole / 100), 2) }
}

/// A part of a whole in percent, with one digit; none of nothing.
pub(crate) fn percent(part: i128, whole: i128) -> Option<String> {
    quotient(part.checked_mul(100)?, whole, 1).map(|text| format!("{text}%"))
}

/// A quotient with `digits` behind the point, the last one rounded half away from zero; none where the divisor is zero or the
/// numbers are too long.
pub(crate) fn quotient(dividend: i128, divisor: i128, digits: u8) -> Option<String> {
    (divisor != 0).then_some(())?;
    let scaled = dividend.checked_mul(10_i128.checked_pow(digits.into())?)?;
    Some(decimal(rounded(scaled, divisor), digits))
}

/// The same without commas: for sorting and export.
pub(crate) fn plain_quotient(dividend: i128, divisor: i128, digits: u8) -> Option<String> {
    quotient(dividend, divisor, digits).map(|text| text.replace(',', ""))
}

/// A quotient for drawing: none where there is none.
pub(crate) fn drawn(dividend: i128, divisor: i128) -> Option<f64> {
    (divisor != 0).then(|| dividend as f64 / divisor as f64)
}

/// A decimal for drawing.
pub(crate) fn drawn_decimal(unscaled: i128, scale: u8) -> f64 {
    unscaled as f64 / 10_f64.powi(scale.into())
}

/// A float that was computed elsewhere, to four digits behind the point at most.
pub(crate) fn float(number: f64) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    let digits = if number.abs() >= 1_000.0 {
        1
    } else if number.abs() >= 10.0 {
        2
    } else {
        4
    };
    let text = format!("{number:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { grouped(text) }
}

/// A size as people read it.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = units.iter().find(|(_, unit)| bytes >= *unit);
    match unit.and_then(|(name, unit)| Some((name, quotient(bytes.into(), (*unit).into(), 1)?))) {
        Some((name, number)) => format!("{number} {name}"),
        None => format!("{bytes} bytes"),
    }
}

/// A number of things: `1 channel`, `2,000 channels`.
pub(crate) fn things(number: usize, word: &str) -> String {
    format!("{} {word}{}", grouped(&number.to_string()), if number == 1 { "" } else { "s" })
}

/// Commas between the thousands of a number's whole part.
pub(crate) fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, behind) = digits.split_once('.').map_or((digits, None), |(whole, behind)| (whole, Some(behind)));
    let mut grouped = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(behind) = behind {
        grouped.push('.');
        grouped.push_str(behind);
    }
    grouped
}

/// dividend / divisor, rounded half away from zero.
fn rounded(dividend: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    let up = remainder.unsigned_abs() >= divisor.unsigned_abs() - remainder.unsigned_abs();
    let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    quotient + if up && remainder != 0 { away } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit() {
        assert_eq!(decimal(361_338_664, 2), "3,613,386.64");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(123_456, 0), "123,456");
        assert_eq!(decimal(-100_000, 2), "-1,000.00");
        assert_eq!(decimal(i128::MAX, 2), "1,701,411,834,604,692,317,316,873,037,158,841,057.27");
    }

    #[test]
    fn quotients_round_half_away_from_zero_without_floats() {
        assert_eq!(percent(1, 8).as_deref(), Some("12.5%"));
        assert_eq!(percent(2, 3).as_deref(), Some("66.7%"));
        assert_eq!(percent(-1, 3).as_deref(), Some("-33.3%"));
        assert_eq!(percent(1, 0), None);
        assert_eq!(quotient(25, 1_000, 2).as_deref(), Some("0.03"));
        assert_eq!(quotient(-25, 1_000, 2).as_deref(), Some("-0.03"));
        assert_eq!(quotient(1, i128::MAX, 2).as_deref(), Some("0.00"));
        assert_eq!(quotient(i128::MAX, 2, 2), None);
        assert_eq!(plain_quotient(1_234_567, 1, 1).as_deref(), Some("1234567.0"));
    }

    #[test]
    fn shares_are_conversions() {
        assert_eq!(conversions(1_437_000_000_000), "1,437");
        assert_eq!(conversions(333_333_333), "0.33");
        assert_eq!(conversions(-1_995_000_000), "-2.00");
    }

    #[test]
    fn floats_and_sizes_are_short() {
        assert_eq!(float(0.022_706_041), "0.0227");
        assert_eq!(float(12_345.678), "12,345.7");
        assert_eq!(float(-0.000_001), "0");
        assert_eq!(float(f64::NAN), "NaN");
        assert_eq!(bytes(1_234_567), "1.2 MB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(things(1, "channel"), "1 channel");
        assert_eq!(things(2_000, "channel"), "2,000 channels");
    }
}
