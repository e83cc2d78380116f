//! The dates of `expiry-time` in `authorized_keys` (sshd(8)).

use vestibule_core::time::UnixTime;

/// Reads `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`. Without the final `Z` it would be local time, and the
/// zone of whoever wrote it is not known here; what it meant could be hours earlier.
pub(super) fn parse(text: &str) -> Result<UnixTime, &'static str> {
    let Some(digits) = text.strip_suffix('Z') else {
        return Err("expiry-time without a final Z: local time, of a zone that is not known here");
    };
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = match digits.len() {
        8 | 12 | 14 if all_digits => seconds(digits),
        _ => None,
    };
    seconds.map(UnixTime::from_secs).ok_or("expiry-time is not YYYYMMDDZ or YYYYMMDDHHMM[SS]Z")
}

/// Writes what [`parse`] reads, rounded towards the past.
pub(super) fn format(date: UnixTime) -> String {
    let seconds = date.as_secs();
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let time = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

fn seconds(digits: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        digits.get(from..to).unwrap_or("0").parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let days = days(year, month, day);
    // The way back finds the 31st of February, and year zero is before all of this.
    if civil(days) != (year, month, day) || year < 1970 {
        return None;
    }
    (hour < 24 && minute < 60 && second < 60)
        .then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the day that
/// leap years add is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("19700101Z", 0),
            ("20000229Z", 951_782_400),
            ("20260101Z", 1_767_225_600),
            ("202601010001Z", 1_767_225_660),
            ("20260101000102Z", 1_767_225_662),
            ("20241231235959Z", 1_735_689_599),
            ("99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Ok(UnixTime::from_secs(seconds)), "{text}");
        }
        for days in -1000..200_000 {
            let date = UnixTime::from_secs(days * 86_400 + 86_399);
            if days >= 0 {
                assert_eq!(parse(&format(date)), Ok(date));
            }
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "Z",
            "20260101",
            "202601010000",
            "20260229Z",
            "20260132Z",
            "20261301Z",
            "20260001Z",
            "202601012400Z",
            "202601010060Z",
            "20260101000060Z",
            "2026010100Z",
            "19691231Z",
            "20260101z",
            "+2026101Z",
            "2026-01-01Z",
            "20260101ZZ",
            "never",
            "2026\u{661}101Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
