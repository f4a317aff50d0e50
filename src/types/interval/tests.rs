//! Expected values come from PostgreSQL 18.

use super::*;
use crate::types::io::IntervalStyle;

/// Input, and the output in the styles postgres, postgres_verbose, sql_standard, iso_8601.
const INTERVALS: &[(&str, &str, &str, &str, &str)] = &[
    ("1 day", "1 day", "@ 1 day", "1 0:00:00", "P1D"),
    (
        "1 year 2 mons 3 days 04:05:06",
        "1 year 2 mons 3 days 04:05:06",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs",
        "+1-2 +3 +4:05:06",
        "P1Y2M3DT4H5M6S",
    ),
    ("1-2", "1 year 2 mons", "@ 1 year 2 mons", "1-2", "P1Y2M"),
    (
        "1-2 3 4:05:06",
        "1 year 2 mons 3 days 04:05:06",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs",
        "+1-2 +3 +4:05:06",
        "P1Y2M3DT4H5M6S",
    ),
    (
        "-1-2 +3 -4:05:06",
        "-1 years -2 mons +3 days -04:05:06",
        "@ 1 year 2 mons -3 days 4 hours 5 mins 6 secs ago",
        "-1-2 +3 -4:05:06",
        "P-1Y-2M3DT-4H-5M-6S",
    ),
    (
        "P1Y2M3DT4H5M6S",
        "1 year 2 mons 3 days 04:05:06",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs",
        "+1-2 +3 +4:05:06",
        "P1Y2M3DT4H5M6S",
    ),
    (
        "P1Y2M3DT4H5M6.789S",
        "1 year 2 mons 3 days 04:05:06.789",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
        "+1-2 +3 +4:05:06.789",
        "P1Y2M3DT4H5M6.789S",
    ),
    (
        "P0001-02-03T04:05:06",
        "1 year 2 mons 3 days 04:05:06",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs",
        "+1-2 +3 +4:05:06",
        "P1Y2M3DT4H5M6S",
    ),
    (
        "P00010203T040506",
        "1 year 2 mons 3 days 04:05:06",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs",
        "+1-2 +3 +4:05:06",
        "P1Y2M3DT4H5M6S",
    ),
    ("1.5 days", "1 day 12:00:00", "@ 1 day 12 hours", "1 12:00:00", "P1DT12H"),
    ("1.5 months", "1 mon 15 days", "@ 1 mon 15 days", "+0-1 +15 +0:00:00", "P1M15D"),
    ("1.5 years", "1 year 6 mons", "@ 1 year 6 mons", "1-6", "P1Y6M"),
    ("0.7 week", "4 days 21:36:00", "@ 4 days 21 hours 36 mins", "4 21:36:00", "P4DT21H36M"),
    ("3 weeks", "21 days", "@ 21 days", "21 0:00:00", "P21D"),
    ("1 decade 2 centuries", "210 years", "@ 210 years", "210-0", "P210Y"),
    ("1 millennium", "1000 years", "@ 1000 years", "1000-0", "P1000Y"),
    ("5", "00:00:05", "@ 5 secs", "0:00:05", "PT5S"),
    ("5.5", "00:00:05.5", "@ 5.5 secs", "0:00:05.5", "PT5.5S"),
    ("05:30", "05:30:00", "@ 5 hours 30 mins", "5:30:00", "PT5H30M"),
    ("5:30:15.5", "05:30:15.5", "@ 5 hours 30 mins 15.5 secs", "5:30:15.5", "PT5H30M15.5S"),
    ("-05:30", "-05:30:00", "@ 5 hours 30 mins ago", "-5:30:00", "PT-5H-30M"),
    ("1 day -05:30", "1 day -05:30:00", "@ 1 day -5 hours -30 mins", "+0-0 +1 -5:30:00", "P1DT-5H-30M"),
    ("-1 day 05:30", "-1 days +05:30:00", "@ 1 day -5 hours -30 mins ago", "+0-0 -1 +5:30:00", "P-1DT5H30M"),
    ("1 day ago", "-1 days", "@ 1 day ago", "-1 0:00:00", "P-1D"),
    ("1 year 2 days ago", "-1 years -2 days", "@ 1 year 2 days ago", "-1-0 -2 +0:00:00", "P-1Y-2D"),
    ("@ 1 minute 30 secs ago", "-00:01:30", "@ 1 min 30 secs ago", "-0:01:30", "PT-1M-30S"),
    ("infinity", "infinity", "infinity", "infinity", "infinity"),
    ("-infinity", "-infinity", "-infinity", "-infinity", "-infinity"),
    ("100 microseconds", "00:00:00.0001", "@ 0.0001 secs", "0:00:00.0001", "PT0.0001S"),
    ("100 ms", "00:00:00.1", "@ 0.1 secs", "0:00:00.1", "PT0.1S"),
    ("1.5 ms", "00:00:00.0015", "@ 0.0015 secs", "0:00:00.0015", "PT0.0015S"),
    ("1 h 30 m", "01:30:00", "@ 1 hour 30 mins", "1:30:00", "PT1H30M"),
    ("1h30m", "01:30:00", "@ 1 hour 30 mins", "1:30:00", "PT1H30M"),
    ("2 hours 30", "02:00:30", "@ 2 hours 30 secs", "2:00:30", "PT2H30S"),
    ("abc", "!22007 invalid input syntax for type interval: \"abc\"", "", "", ""),
    ("", "!22007 invalid input syntax for type interval: \"\"", "", "", ""),
    ("1 foo", "!22007 invalid input syntax for type interval: \"1 foo\"", "", "", ""),
    ("day", "!22007 invalid input syntax for type interval: \"day\"", "", "", ""),
    ("1 day 2 days", "!22007 invalid input syntax for type interval: \"1 day 2 days\"", "", "", ""),
    ("1 day day", "!22007 invalid input syntax for type interval: \"1 day day\"", "", "", ""),
    ("P", "!22007 invalid input syntax for type interval: \"P\"", "", "", ""),
    ("PT", "00:00:00", "@ 0", "0", "PT0S"),
    ("P1", "1 year", "@ 1 year", "1-0", "P1Y"),
    ("PT1H30M", "01:30:00", "@ 1 hour 30 mins", "1:30:00", "PT1H30M"),
    ("P1W", "7 days", "@ 7 days", "7 0:00:00", "P7D"),
    ("P-1Y-2M", "-1 years -2 mons", "@ 1 year 2 mons ago", "-1-2", "P-1Y-2M"),
    ("P1Y-2M", "10 mons", "@ 10 mons", "0-10", "P10M"),
    ("1 mon 1 month", "!22007 invalid input syntax for type interval: \"1 mon 1 month\"", "", "", ""),
    ("178956970 years", "178956970 years", "@ 178956970 years", "178956970-0", "P178956970Y"),
    ("178956971 years", "!22008 interval out of range", "", "", ""),
    ("2147483647 months", "178956970 years 7 mons", "@ 178956970 years 7 mons", "178956970-7", "P178956970Y7M"),
    ("2147483648 months", "!22015 interval field value out of range: \"2147483648 months\"", "", "", ""),
    ("2147483648 days", "!22015 interval field value out of range: \"2147483648 days\"", "", "", ""),
    (
        "9223372036854775807 microseconds",
        "2562047788:00:54.775807",
        "@ 2562047788 hours 54.775807 secs",
        "2562047788:00:54.775807",
        "PT2562047788H54.775807S",
    ),
    (
        "9223372036854775808 microseconds",
        "!22015 interval field value out of range: \"9223372036854775808 microseconds\"",
        "",
        "",
        "",
    ),
    ("1e3 days", "!22007 invalid input syntax for type interval: \"1e3 days\"", "", "", ""),
    ("1.2.3 days", "!22007 invalid input syntax for type interval: \"1.2.3 days\"", "", "", ""),
    ("10:60", "!22015 interval field value out of range: \"10:60\"", "", "", ""),
    ("10:59:61", "!22015 interval field value out of range: \"10:59:61\"", "", "", ""),
    ("1 quarter", "!22007 invalid input syntax for type interval: \"1 quarter\"", "", "", ""),
    ("2 qtr", "!22007 invalid input syntax for type interval: \"2 qtr\"", "", "", ""),
    ("1 y 1 c", "101 years", "@ 101 years", "101-0", "P101Y"),
    ("0.1 us", "00:00:00", "@ 0", "0", "PT0S"),
    ("0.5 us", "00:00:00", "@ 0", "0", "PT0S"),
    ("1.5us", "00:00:00.000001", "@ 0.000001 secs", "0:00:00.000001", "PT0.000001S"),
    ("1 hour 1.5 minutes", "01:01:30", "@ 1 hour 1 min 30 secs", "1:01:30", "PT1H1M30S"),
    ("-1.5 days", "-1 days -12:00:00", "@ 1 day 12 hours ago", "-1 12:00:00", "P-1DT-12H"),
    ("+1 day", "1 day", "@ 1 day", "1 0:00:00", "P1D"),
    ("1 +02:03", "1 day 02:03:00", "@ 1 day 2 hours 3 mins", "1 2:03:00", "P1DT2H3M"),
    ("-1 +02:03:04", "-1 days +02:03:04", "@ 1 day -2 hours -3 mins -4 secs ago", "+0-0 -1 +2:03:04", "P-1DT2H3M4S"),
    ("4 11", "!22007 invalid input syntax for type interval: \"4 11\"", "", "", ""),
    ("1 12:30", "1 day 12:30:00", "@ 1 day 12 hours 30 mins", "1 12:30:00", "P1DT12H30M"),
    ("12:30.5", "00:12:30.5", "@ 12 mins 30.5 secs", "0:12:30.5", "PT12M30.5S"),
    ("1 yr", "1 year", "@ 1 year", "1-0", "P1Y"),
    ("1 hr 1 min 1 sec", "01:01:01", "@ 1 hour 1 min 1 sec", "1:01:01", "PT1H1M1S"),
    ("one day", "!22007 invalid input syntax for type interval: \"one day\"", "", "", ""),
    ("1 day 1", "1 day 00:00:01", "@ 1 day 1 sec", "1 0:00:01", "P1DT1S"),
    ("1 day 1:1", "1 day 01:01:00", "@ 1 day 1 hour 1 min", "1 1:01:00", "P1DT1H1M"),
    ("1-13", "!22015 interval field value out of range: \"1-13\"", "", "", ""),
    ("1-2-3", "!22007 invalid input syntax for type interval: \"1-2-3\"", "", "", ""),
    ("0-0", "00:00:00", "@ 0", "0", "PT0S"),
    ("P1.5D", "1 day 12:00:00", "@ 1 day 12 hours", "1 12:00:00", "P1DT12H"),
    ("P1.5Y", "1 year 6 mons", "@ 1 year 6 mons", "1-6", "P1Y6M"),
    ("P1.5M", "1 mon 15 days", "@ 1 mon 15 days", "+0-1 +15 +0:00:00", "P1M15D"),
    ("PT1.5H", "01:30:00", "@ 1 hour 30 mins", "1:30:00", "PT1H30M"),
    ("PT36H", "36:00:00", "@ 36 hours", "36:00:00", "PT36H"),
    ("0.5 mons", "15 days", "@ 15 days", "15 0:00:00", "P15D"),
    ("0.33 months", "9 days 21:36:00", "@ 9 days 21 hours 36 mins", "9 21:36:00", "P9DT21H36M"),
    ("infinity days", "!22007 invalid input syntax for type interval: \"infinity days\"", "", "", ""),
    ("1 day infinity", "!22007 invalid input syntax for type interval: \"1 day infinity\"", "", "", ""),
    ("1 centuries", "100 years", "@ 100 years", "100-0", "P100Y"),
    ("  3   days  ", "3 days", "@ 3 days", "3 0:00:00", "P3D"),
    ("3days", "3 days", "@ 3 days", "3 0:00:00", "P3D"),
    ("2 d 5 h", "2 days 05:00:00", "@ 2 days 5 hours", "2 5:00:00", "P2DT5H"),
    ("1 month -1 day", "1 mon -1 days", "@ 1 mon -1 days", "+0-1 -1 +0:00:00", "P1M-1D"),
    ("04:05:06.1234567", "04:05:06.123457", "@ 4 hours 5 mins 6.123457 secs", "4:05:06.123457", "PT4H5M6.123457S"),
    ("1000000:00:00", "1000000:00:00", "@ 1000000 hours", "1000000:00:00", "PT1000000H"),
    (
        "2562047788:00:54.775807",
        "2562047788:00:54.775807",
        "@ 2562047788 hours 54.775807 secs",
        "2562047788:00:54.775807",
        "PT2562047788H54.775807S",
    ),
    ("2562047789:00:00", "!22015 interval field value out of range: \"2562047789:00:00\"", "", "", ""),
    ("P0.5W", "3 days 12:00:00", "@ 3 days 12 hours", "3 12:00:00", "P3DT12H"),
    ("1 microsecond", "00:00:00.000001", "@ 0.000001 secs", "0:00:00.000001", "PT0.000001S"),
    ("7 milliseconds 3 microseconds", "00:00:00.007003", "@ 0.007003 secs", "0:00:00.007003", "PT0.007003S"),
    ("1 second 500 milliseconds", "00:00:01.5", "@ 1.5 secs", "0:00:01.5", "PT1.5S"),
    (
        "1.5 seconds 500 milliseconds",
        "!22007 invalid input syntax for type interval: \"1.5 seconds 500 milliseconds\"",
        "",
        "",
        "",
    ),
    ("+infinity", "infinity", "infinity", "infinity", "infinity"),
    ("1 day at", "1 day", "@ 1 day", "1 0:00:00", "P1D"),
    ("13 months", "1 year 1 mon", "@ 1 year 1 mon", "1-1", "P1Y1M"),
    ("400 days", "400 days", "@ 400 days", "400 0:00:00", "P400D"),
    ("30 hours", "30:00:00", "@ 30 hours", "30:00:00", "PT30H"),
];

/// Input read in the style sql_standard, and the output in it.
const STANDARD: &[(&str, &str)] = &[
    ("-1-2 +3 -4:05:06", "-1-2 +3 -4:05:06"),
    ("-05:30", "-5:30:00"),
    ("-1 day 05:30", "-1 5:30:00"),
    ("-infinity", "-infinity"),
    ("-1.5 days", "-1 12:00:00"),
    ("+1 day", "1 0:00:00"),
    ("1 +02:03", "1 2:03:00"),
    ("-1 +02:03:04", "+0-0 -1 +2:03:04"),
    ("+infinity", "infinity"),
];

fn shown(text: &str, read: IntervalStyle, write: IntervalStyle) -> String {
    match input(text, -1, read) {
        Ok(value) => {
            let mut out = String::new();
            output(&value, write, &mut out);
            out
        }
        Err(error) => format!("!{} {}", error.sqlstate().as_str(), error.report().message),
    }
}

#[test]
fn styles() {
    let mut wrong = Vec::new();
    for (text, postgres, verbose, standard, iso) in INTERVALS {
        let styles = [
            (IntervalStyle::Postgres, postgres),
            (IntervalStyle::PostgresVerbose, verbose),
            (IntervalStyle::SqlStandard, standard),
            (IntervalStyle::Iso8601, iso),
        ];
        for (style, expected) in styles {
            if expected.is_empty() {
                continue;
            }
            let found = shown(text, IntervalStyle::Postgres, style);
            if found != *expected {
                wrong.push(format!("'{text}'\n  found    {found}\n  expected {expected}"));
            }
        }
    }
    for (text, expected) in STANDARD {
        let found = shown(text, IntervalStyle::SqlStandard, IntervalStyle::SqlStandard);
        if found != *expected {
            wrong.push(format!("sql '{text}'\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
