//! Money as whole minor units, rounded once at the door: half to even, floats by their exact binary value.

use crate::rates::RATE_SCALE;

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

/// An amount as a source gives it, before it is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// A decimal number of major units: `unscaled` · 10^−`scale`.
    Decimal {
        /// The digits.
        unscaled: i128,
        /// How many of them are behind the point.
        scale: u32,
    },
    /// A float of major units, which is its exact binary value.
    Float(f64),
    /// Whole minor units.
    Minor(i128),
}

impl Given {
    /// In minor units of a currency with `exponent` digits; none where it is not finite, and from [`LIMIT`] on.
    #[must_use]
    pub fn rounded(self, exponent: u8) -> Option<Rounded> {
        match self {
            Self::Decimal { unscaled, scale } => from_decimal(unscaled, scale, exponent),
            Self::Float(number) => from_float(number, exponent),
            Self::Minor(minor) => from_minor(minor),
        }
    }

    /// Times a rate in 10⁻¹², in minor units of a currency with `exponent` digits. Its own currency has `own_exponent` digits.
    #[must_use]
    pub fn converted(self, own_exponent: u8, rate: i64, exponent: u8) -> Option<Rounded> {
        match self {
            Self::Decimal { unscaled, scale } => convert_decimal(unscaled, scale, rate, exponent),
            Self::Float(number) => convert_float(number, rate, exponent),
            Self::Minor(minor) => convert_minor(minor, own_exponent, rate, exponent),
        }
    }
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
    let rounding_scale = u32::from(ROUNDING_SCALE);
    let Some(unit) = 10_i128.checked_pow(scale - exponent) else {
        // Beyond 38 digits behind the point nothing of an i128 is left before it, and beyond 50 nothing of its difference.
        let small = scale.checked_sub(rounding_scale).and_then(|digits| 10_i128.checked_pow(digits));
        return Some(Rounded { minor: 0, difference: small.map_or(0, |unit| -divide_half_even(unscaled, unit)) });
    };
    let minor = divide_half_even(unscaled, unit);
    // |off| ≤ unit / 2, so it is right however large the product is.
    let off = minor.wrapping_mul(unit).wrapping_sub(unscaled);
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
    // number = mantissa · 2^power, and minor units are that times 10^exponent: at most 67 bits before the shift.
    let (mantissa, power) = parts(number);
    let scaled = mantissa * 10_i128.pow(exponent.into());
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

/// A decimal number of major units times a rate in 10⁻¹², rounded once. None from [`LIMIT`] on, and where the product has more
/// than 38 digits.
#[must_use]
pub fn convert_decimal(unscaled: i128, scale: u32, rate: i64, exponent: u8) -> Option<Rounded> {
    let (unscaled, scale) = without_zeros(unscaled, scale);
    let (rate, rate_scale) = without_zeros(rate.into(), RATE_SCALE.into());
    from_decimal(unscaled.checked_mul(rate)?, scale.saturating_add(rate_scale), exponent)
}

/// Whole minor units of a currency with `own_exponent` digits times a rate in 10⁻¹², rounded once. None from [`LIMIT`] on.
#[must_use]
pub fn convert_minor(minor: i128, own_exponent: u8, rate: i64, exponent: u8) -> Option<Rounded> {
    convert_decimal(minor, own_exponent.into(), rate, exponent)
}

/// The exact binary value of a float of major units times a rate in 10⁻¹², rounded once. None for NaN, infinities and from
/// [`LIMIT`] on, and where the rate is not between 0 and a million.
#[must_use]
pub fn convert_float(number: f64, rate: i64, exponent: u8) -> Option<Rounded> {
    if !number.is_finite() || !(0..LIMIT).contains(&rate) || exponent > RATE_SCALE {
        return None;
    }
    // number = mantissa · 2^power, and minor units are that times rate / unit: below 2¹¹³ before the shift.
    let (mantissa, power) = parts(number);
    let scaled = mantissa * i128::from(rate);
    let unit = 10_i128.pow(u32::from(RATE_SCALE - exponent));
    if power >= 0 {
        // What does not fit is beyond the limit of 2⁶⁰, times a unit of at most 2⁴⁰.
        let scaled = if scaled == 0 { 0 } else { scaled.checked_mul(1_i128.checked_shl(power.unsigned_abs())?)? };
        let minor = divide_half_even(scaled, unit);
        let off = minor.wrapping_mul(unit).wrapping_sub(scaled);
        return Some(Rounded { minor: within_limit(minor)?, difference: off });
    }
    let shift = power.unsigned_abs();
    if shift >= 126 {
        // Below 2⁻¹³ of 10⁻¹².
        return Some(Rounded::default());
    }
    let fraction = 1_i128 << shift;
    let minor = match unit.checked_mul(fraction) {
        Some(unit) => divide_half_even(scaled, unit),
        // A unit of 2¹²⁷ and more is far above 2¹¹³.
        None => 0,
    };
    let off = minor.wrapping_mul(unit).wrapping_mul(fraction).wrapping_sub(scaled);
    Some(Rounded { minor: within_limit(minor)?, difference: divide_half_even(off, fraction) })
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

/// The mantissa and power of a finite float, which is mantissa · 2^power; the mantissa has 53 bits at most.
fn parts(number: f64) -> (i128, i32) {
    let bits = number.to_bits();
    let (fraction, power) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7FF) as i32);
    let (mantissa, power) = if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) };
    (if number < 0.0 { -i128::from(mantissa) } else { mantissa.into() }, power)
}

/// The same decimal without the zeros that end it behind the point.
fn without_zeros(mut unscaled: i128, mut scale: u32) -> (i128, u32) {
    if unscaled == 0 {
        return (0, 0);
    }
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
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
    use num_bigint::{BigInt, Sign};
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

    #[test]
    fn converted_amounts_are_rounded_once() {
        let rate = 11_234_500_000_000;
        let minor = |given: Given| given.converted(2, rate, 2).map(|it| (it.minor, it.difference));
        // 10.00 · 11.2345 = 112.345, half to even.
        assert_eq!(minor(Given::Decimal { unscaled: 1_000, scale: 2 }), Some((11_234, -5_000_000_000)));
        assert_eq!(minor(Given::Minor(1_000)), Some((11_234, -5_000_000_000)));
        assert_eq!(minor(Given::Float(-10.0)), Some((-11_234, 5_000_000_000)));
        // Rounded before and after it would be 11.24: 1.005 · 11.2345 = 11.2906725.
        assert_eq!(minor(Given::Decimal { unscaled: 1_005, scale: 3 }), Some((1_129, -672_500_000)));
        // Yen have no digits: 1000 of them at 0.0712 are 71.20.
        assert_eq!(Given::Minor(1_000).converted(0, 71_200_000_000, 2), Some(Rounded { minor: 7_120, difference: 0 }));
        assert_eq!(convert_decimal(1_000, 0, 71_200_000_000, 0), Some(Rounded { minor: 71, difference: -200_000_000_000 }));
    }

    #[test]
    fn what_cannot_be_converted_is_none_and_never_wrong() {
        let most = LIMIT - 1;
        assert_eq!(convert_minor(most.into(), 2, most, 2), None);
        assert_eq!(convert_decimal(i128::MAX, 38, most, 2), None);
        assert_eq!(convert_decimal(1, u32::MAX, most, 2), Some(Rounded::default()));
        for number in [f64::NAN, f64::INFINITY, f64::MAX, 1e300, -1e16] {
            assert_eq!(convert_float(number, most, 2), None, "{number}");
        }
        assert_eq!(convert_float(1.0, -1, 2), None);
        assert_eq!(convert_float(f64::MIN_POSITIVE, most, 2), Some(Rounded::default()));
    }

    #[test]
    fn decimals_of_very_many_digits_keep_their_difference() {
        assert_eq!(from_decimal(i128::MAX, 3, 2), None);
        assert_eq!(from_decimal(i128::MAX, 38, 0).map(|it| it.minor), Some(2));
        // 39 digits behind the point: 0.17 is nothing but its difference.
        assert_eq!(from_decimal(-i128::MAX, 39, 0), Some(Rounded { minor: 0, difference: 170_141_183_460 }));
        assert_eq!(from_decimal(i128::MIN, 50, 0), Some(Rounded { minor: 0, difference: 2 }));
    }

    /// number / unit, rounded half to even, in the most obvious way.
    fn obviously(number: &BigInt, unit: &BigInt) -> BigInt {
        let sign = if number.sign() == Sign::Minus { -1 } else { 1 };
        let magnitude = number * sign;
        let (down, left) = (&magnitude / unit, &magnitude % unit);
        let twice = left * 2;
        let up = twice > *unit || (twice == *unit && &down % 2 == BigInt::from(1));
        (down + i32::from(up)) * sign
    }

    /// number / unit major units times a rate, as [`Rounded`] has it but without any limit.
    fn obviously_converted(number: BigInt, unit: BigInt, rate: i64, exponent: u8) -> (BigInt, BigInt) {
        let ten = |power: u32| BigInt::from(10).pow(power);
        let (number, unit) = (number * rate, unit * ten(12));
        let minor = obviously(&(&number * ten(exponent.into())), &unit);
        // minor / 10^exponent − number / unit, in 10⁻¹².
        let off = (&minor * &unit - number * ten(exponent.into())) * ten(12);
        let difference = obviously(&off, &(unit * ten(exponent.into())));
        (minor, difference)
    }

    fn in_limit(exact: (BigInt, BigInt)) -> Option<Rounded> {
        let minor = i64::try_from(exact.0).ok().filter(|minor| minor.abs() < LIMIT)?;
        Some(Rounded { minor, difference: i128::try_from(exact.1).ok()? })
    }

    /// Rates of all sizes, many of them short.
    fn rates() -> impl Strategy<Value = i64> {
        prop_oneof![1..LIMIT, 1_i64..2_000_000, (1_i64..1_000_000).prop_map(|rate| rate * 100_000_000), Just(1_000_000_000_000)]
    }

    /// Floats of all sizes, binary fractions among them, as they end in halves.
    fn floats() -> impl Strategy<Value = f64> {
        let fractions = (-1_000_000_i64..1_000_000, 0_i32..60).prop_map(|(whole, power)| whole as f64 / f64::from(power).exp2());
        prop_oneof![any::<f64>(), -1e9_f64..1e9, fractions, Just(0.0), Just(-0.0)]
    }

    proptest! {
        #[test]
        fn floats_convert_by_their_exact_value(number in floats(), rate in rates(), exponent in 0_u8..5) {
            let found = convert_float(number, rate, exponent);
            let exact = number.is_finite().then(|| {
                let (mantissa, power) = parts(number);
                let shift = BigInt::from(1) << power.unsigned_abs();
                let (number, unit) = if power < 0 { (mantissa.into(), shift) } else { (shift * mantissa, 1.into()) };
                obviously_converted(number, unit, rate, exponent)
            });
            prop_assert_eq!(found, exact.and_then(in_limit));
            prop_assert_eq!(convert_float(number, 1_000_000_000_000, exponent), from_float(number, exponent));
        }

        #[test]
        fn decimals_convert_exactly_or_not_at_all(
            unscaled in prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from), -100_000_i128..100_000],
            scale in prop_oneof![0_u32..13, 0_u32..60],
            rate in rates(),
            exponent in 0_u8..5,
        ) {
            let unit = BigInt::from(10).pow(scale);
            let exact = in_limit(obviously_converted(unscaled.into(), unit.clone(), rate, exponent));
            let found = convert_decimal(unscaled, scale, rate, exponent);
            if found.is_some() || i64::try_from(unscaled).is_ok() {
                prop_assert_eq!(found, exact);
            }
            let one = in_limit(obviously_converted(unscaled.into(), unit, 1_000_000_000_000, exponent));
            prop_assert_eq!(from_decimal(unscaled, scale, exponent), one);
            if scale < 5 {
                prop_assert_eq!(convert_minor(unscaled, scale as u8, rate, exponent), found);
            }
        }

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
