//! Money as whole minor units, rounded once at the door: half to even, floats by their exact binary value.

/// Amounts of this many minor units and more are refused, so that 128-bit arithmetic is always enough.
pub const LIMIT: i64 = 1_000_000_000_000_000_000;

/// Digits behind the point in which rounding is reported.
pub const ROUNDING_SCALE: u8 = 12;

/// An amount in minor units, and what rounding did to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rounded {
    /// Minor units, between −[`LIMIT`] and [`LIMIT`], both excluded.
    pub minor: i64,
    /// Rounded − given, in 10⁻¹² of the major unit, itself rounded half to even.
    pub difference: i128,
}

/// The number of digits behind the point of an ISO 4217 currency code; none for an unknown code.
#[must_use]
pub fn exponent(code: &str) -> Option<u8> {
    CURRENCIES.iter().find(|(exponent, codes)| codes.split(' ').any(|known| known == code) && *exponent <= 4).map(|it| it.0)
}

/// Every currency code, sorted.
#[must_use]
pub fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = CURRENCIES.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
    codes.sort_unstable();
    codes
}

/// Exponents and codes of ISO 4217's list one, funds codes with a minor unit included, metals and test codes left out.
const CURRENCIES: &[(u8, &str)] = &[
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW \
         CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
         ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV \
         MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD \
         SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
];

/// An amount that is given as a decimal number of major units: `unscaled` · 10^−`scale`. None from [`LIMIT`] on.
#[must_use]
pub fn from_decimal(unscaled: i128, scale: u32, exponent: u8) -> Option<Rounded> {
    let exponent = u32::from(exponent);
    if scale <= exponent {
        let minor = unscaled.checked_mul(10_i128.checked_pow(exponent - scale)?)?;
        return Some(Rounded { minor: within_limit(minor)?, difference: 0 });
    }
    // Beyond 38 digits behind the point nothing of an i128 is left before it.
    let Some(unit) = 10_i128.checked_pow(scale - exponent) else { return Some(Rounded::default()) };
    let minor = divide_half_even(unscaled, unit);
    // |difference| ≤ unit / 2, so this does not overflow.
    let off = minor * unit - unscaled;
    let rounding_scale = u32::from(ROUNDING_SCALE);
    let difference = if scale <= rounding_scale {
        off.checked_mul(10_i128.pow(rounding_scale - scale))?
    } else {
        divide_half_even(off, 10_i128.pow(scale - rounding_scale))
    };
    Some(Rounded { minor: within_limit(minor)?, difference })
}

/// An amount that is given as whole minor units. None from [`LIMIT`] on.
#[must_use]
pub fn from_minor(minor: i128) -> Option<Rounded> {
    Some(Rounded { minor: within_limit(minor)?, difference: 0 })
}

/// An amount that is given as a float of major units, taken by its exact binary value: 2.675 is 2.67. None for NaN,
/// infinities and from [`LIMIT`] on.
#[must_use]
pub fn from_float(number: f64, exponent: u8) -> Option<Rounded> {
    if !number.is_finite() {
        return None;
    }
    let bits = number.to_bits();
    let (fraction, power) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7FF) as i32);
    let (mantissa, power) = if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) };
    let sign = if number < 0.0 { -1 } else { 1 };
    // number = sign · mantissa · 2^power, and minor units are that times 10^exponent: at most 67 bits before the shift.
    let scaled = i128::from(mantissa) * 10_i128.pow(exponent.into()) * sign;
    if power >= 0 {
        // 2⁶⁰ > LIMIT: a shift of 60 is already too much for any mantissa but zero.
        let minor = if power < 60 { scaled.checked_mul(1 << power)? } else { (scaled == 0).then_some(0)? };
        return Some(Rounded { minor: within_limit(minor)?, difference: 0 });
    }
    let shift = power.unsigned_abs();
    if shift >= 126 {
        // Below 2⁻⁵⁸ of a minor unit: nothing is left of it, and its difference rounds to nothing too.
        return Some(Rounded::default());
    }
    let unit = 1_i128 << shift;
    let minor = divide_half_even(scaled, unit);
    let off = minor * unit - scaled;
    // off < 2⁶⁸ where minor is 0 and shift is large, else off ≤ 2^(shift−1) with shift ≤ 67: times 10¹² stays below 2¹⁰⁸.
    let difference = divide_half_even(off * 10_i128.pow(u32::from(ROUNDING_SCALE - exponent)), unit);
    Some(Rounded { minor: within_limit(minor)?, difference })
}

/// A decimal number as text, such as a CSV cell holds it: `-12.50`, `1e3`; spaces around it are no part of it. The outer
/// none: it is no number. The inner none: it is one, but too large or not finite.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<Option<(i128, u32)>> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if ["nan", "inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        return Some(None);
    }
    let (digits, power) = match digits.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + behind.len() == 0 || !all_digits(whole) || !all_digits(behind) {
        return None;
    }
    let mut unscaled = 0_i128;
    for digit in whole.bytes().chain(behind.trim_end_matches('0').bytes()) {
        let next = unscaled.checked_mul(10).and_then(|it| it.checked_add(i128::from(digit - b'0')));
        let Some(next) = next else { return Some(None) };
        unscaled = next;
    }
    let scale = behind.trim_end_matches('0').len() as i64 - i64::from(power);
    let (unscaled, scale) = if scale >= 0 {
        (unscaled, scale)
    } else {
        let factor = u32::try_from(-scale).ok().and_then(|power| 10_i128.checked_pow(power));
        match factor.and_then(|factor| unscaled.checked_mul(factor)) {
            Some(unscaled) => (unscaled, 0),
            None if unscaled == 0 => (0, 0),
            None => return Some(None),
        }
    };
    Some(Some((if negative { -unscaled } else { unscaled }, u32::try_from(scale).unwrap_or(u32::MAX))))
}

/// An unscaled decimal as people read it: `(-12345, 2)` is `-123.45`.
#[must_use]
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let magnitude = unscaled.unsigned_abs();
    let sign = if unscaled < 0 { "-" } else { "" };
    let unit = 10_u128.pow(scale.into());
    if scale == 0 {
        return format!("{sign}{magnitude}");
    }
    format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = usize::from(scale))
}

fn within_limit(minor: i128) -> Option<i64> {
    i64::try_from(minor).ok().filter(|minor| minor.abs() < LIMIT)
}

/// number / unit, rounded half to even, for a positive unit.
fn divide_half_even(number: i128, unit: i128) -> i128 {
    let (quotient, remainder) = (number.div_euclid(unit), number.rem_euclid(unit));
    let up = match remainder.cmp(&(unit - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exponents_are_iso_4217s() {
        for (code, digits) in [("SEK", 2), ("JPY", 0), ("KWD", 3), ("EUR", 2), ("CLF", 4), ("ISK", 0)] {
            assert_eq!(exponent(code), Some(digits), "{code}");
        }
        assert_eq!(exponent("sek"), None);
        assert_eq!(exponent("XXX"), None);
        assert!(codes().windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn floats_are_taken_by_their_exact_value() {
        let minor = |number| from_float(number, 2).map(|it| it.minor);
        assert_eq!(minor(2.675), Some(267));
        assert_eq!(minor(0.125), Some(12));
        assert_eq!(minor(0.375), Some(38));
        assert_eq!(minor(-0.125), Some(-12));
        assert_eq!(minor(245.0), Some(24_500));
        assert_eq!(minor(5e-324), Some(0));
        assert_eq!(minor(9_999_999_999_999_998.0), Some(999_999_999_999_999_800));
        assert_eq!(minor(1e16), None);
        assert_eq!(minor(f64::MAX), None);
        assert_eq!(minor(f64::NAN), None);
        assert_eq!(minor(f64::NEG_INFINITY), None);
        // 0.125 became 0.12: 5 thousandths less.
        assert_eq!(from_float(0.125, 2).map(|it| it.difference), Some(-5_000_000_000));
    }

    #[test]
    fn decimals_round_half_to_even_once() {
        let minor = |unscaled, scale| from_decimal(unscaled, scale, 2).map(|it| (it.minor, it.difference));
        assert_eq!(minor(245, 0), Some((24_500, 0)));
        assert_eq!(minor(12_345, 3), Some((1_234, -5_000_000_000)));
        assert_eq!(minor(12_355, 3), Some((1_236, 5_000_000_000)));
        assert_eq!(minor(-12_345, 3), Some((-1_234, 5_000_000_000)));
        assert_eq!(minor(1, 40), Some((0, 0)));
        assert_eq!(minor(LIMIT.into(), 2), None);
        assert_eq!(minor(i128::from(LIMIT) - 1, 2), Some((LIMIT - 1, 0)));
        assert_eq!(minor(i128::MAX, 0), None);
        assert_eq!(from_minor(i128::from(LIMIT)), None);
    }

    #[test]
    fn text_is_read_as_written() {
        let read = |text| parse_decimal(text);
        assert_eq!(read("12.50"), Some(Some((125, 1))));
        assert_eq!(read(" -0.005 "), Some(Some((-5, 3))));
        assert_eq!(read("1e3"), Some(Some((1_000, 0))));
        assert_eq!(read("2.5E-2"), Some(Some((25, 3))));
        assert_eq!(read("NaN"), Some(None));
        assert_eq!(read("-inf"), Some(None));
        assert_eq!(read("1e99"), Some(None));
        for text in ["", "abc", "1,5", "1.2.3", "--1", ".", "1e", "0x10"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(123, 0), "123");
    }

    proptest! {
        /// A float that is a binary fraction with few digits is also a decimal: both doors give the same.
        #[test]
        fn both_doors_agree(eighths in -1_000_000_000_i64..1_000_000_000) {
            let float = from_float(eighths as f64 / 8.0, 2);
            let decimal = from_decimal(i128::from(eighths) * 125, 3, 2);
            prop_assert_eq!(float, decimal);
        }

        #[test]
        fn the_rounding_is_at_most_half_a_unit(number in -1e15_f64..1e15) {
            let rounded = from_float(number, 2).expect("within the limit");
            prop_assert!(rounded.difference.abs() <= 5_000_000_000);
        }
    }
}
