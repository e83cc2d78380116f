//! Dates and spans as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vestibule_core::time::UnixTime;

/// The last second of the year 9999, the last that RFC 3339 can write.
const LAST: i64 = 253_402_300_799;

/// Reads a date: seconds since 1970, which may have a fraction, or RFC 3339.
pub(in crate::cli) fn date(text: &str) -> Result<UnixTime, String> {
    seconds(text).or_else(|| rfc3339(text)).ok_or_else(|| {
        "write seconds since 1970, or a date as 2025-01-31T12:00:00Z (RFC 3339)".to_owned()
    })
}

/// Reads a span: `30s`, `5m`, or seconds.
pub(in crate::cli) fn span(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A date by RFC 3339. `None` outside the years 1970 to 9999.
pub(in crate::cli) fn shown(seconds: i64) -> Option<String> {
    if !(0..=LAST).contains(&seconds) {
        return None;
    }
    let date = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
    Some(humantime::format_rfc3339_seconds(date).to_string())
}

/// A date in words: RFC 3339, and how far from now. `None` outside the years 1970 to 9999.
pub(super) fn words(seconds: i64, now: UnixTime) -> Option<String> {
    let date = shown(seconds)?;
    let away = seconds.checked_sub(now.as_secs())?;
    let span = humantime::format_duration(Duration::from_secs(away.unsigned_abs())).to_string();
    // The two largest units are enough.
    let span = span.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Some(match away {
        0 => format!("{date} (now)"),
        1.. => format!("{date} (in {span})"),
        _ => format!("{date} ({span} ago)"),
    })
}

fn seconds(text: &str) -> Option<UnixTime> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let millis = whole.checked_mul(1000)?.checked_add(millis)?.checked_mul(sign)?;
    Some(UnixTime::from_millis(millis))
}

/// RFC 3339 with any offset.
fn rfc3339(text: &str) -> Option<UnixTime> {
    let text = text.to_ascii_uppercase();
    let (base, offset) = if let Some(base) = text.strip_suffix('Z') {
        (base, 0)
    } else {
        let (base, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        (base, minutes(offset)?)
    };
    let date = humantime::parse_rfc3339(&format!("{base}Z")).ok()?;
    let millis = millis(date)?.checked_sub(i64::from(offset).checked_mul(60_000)?)?;
    Some(UnixTime::from_millis(millis))
}

/// The minutes of an offset such as `+01:30`.
fn minutes(offset: &str) -> Option<i32> {
    let (sign, digits) = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (None, Some(digits)) => (-1, digits),
        (None, None) => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn millis(date: SystemTime) -> Option<i64> {
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_seconds_or_rfc_3339() {
        for (text, millis) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000),
            ("1700000000.5", 1_700_000_000_500),
            ("1.23456", 1234),
            ("-1", -1000),
            ("-0.5", -500),
            ("1970-01-01T00:00:01Z", 1000),
            ("1970-01-01t00:00:01.25z", 1250),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T00:00:00-00:30", 1_800_000),
        ] {
            assert_eq!(date(text), Ok(UnixTime::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "-",
            "now",
            "1e9",
            "0x10",
            "1.",
            ".5",
            "+1",
            " 1",
            "99999999999999999999",
            "9223372036854775807",
            "2025-01-31",
            "2025-01-31T12:00:00",
            "2025-13-31T12:00:00Z",
            "2025-01-31T12:00:00+24:00",
            "2025-01-31T12:00:00+1:00",
            "é025-01-31T12:00:0é+01:00",
            "Z",
        ] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_has_a_unit_or_is_in_seconds() {
        assert_eq!(span("30"), Ok(Duration::from_secs(30)));
        assert_eq!(span("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("0"), Ok(Duration::ZERO));
        for text in ["", "-1", "1x", "99999999999999999999"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_in_words_says_how_far_it_is() {
        let now = UnixTime::from_secs(1_000_000);
        for (seconds, expected) in [
            (1_000_000, Some("1970-01-12T13:46:40Z (now)")),
            (1_000_300, Some("1970-01-12T13:51:40Z (in 5m)")),
            (0, Some("1970-01-01T00:00:00Z (11days 13h ago)")),
            (-1, None),
            (LAST + 1, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(words(seconds, now).as_deref(), expected, "{seconds}");
        }
        assert!(words(LAST, UnixTime::from_millis(i64::MIN)).is_some());
    }
}
