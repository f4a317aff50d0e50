//! Expected values come from PostgreSQL 18 with the zone UTC.

use proptest::prelude::*;

use super::*;
use crate::error::Result;
use crate::types::io::{DateFormat, DateOrder, FormatSettings, IoContext, NoLookup, input, to_text};
use crate::types::timezone::Zone;
use crate::types::{Oid, SqlType};

/// 2020-01-05 12:00 UTC.
const NOW: i64 = 631_540_800_000_000;

fn shown_in(text: &str, oid: Oid, format: &FormatSettings) -> String {
    let ctx = IoContext { format, now_micros: NOW, lookup: &NoLookup };
    let result: Result<String> = input(text, SqlType::of(oid), &ctx).and_then(|datum| to_text(&datum, oid, &ctx));
    match result {
        Ok(text) => text,
        Err(error) => format!("!{} {}", error.sqlstate().as_str(), error.report().message),
    }
}

fn shown(text: &str, oid: Oid) -> String {
    shown_in(text, oid, &FormatSettings::default())
}

/// Input, as timestamp, as timestamptz, as date.
const MOMENTS: &[(&str, &str, &str, &str)] = &[
    ("2020-01-05", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020-01-05 12:30:45", "2020-01-05 12:30:45", "2020-01-05 12:30:45+00", "2020-01-05"),
    ("2020-01-05T12:30:45.123456", "2020-01-05 12:30:45.123456", "2020-01-05 12:30:45.123456+00", "2020-01-05"),
    ("2020-01-05 12:30:45.1234567", "2020-01-05 12:30:45.123457", "2020-01-05 12:30:45.123457+00", "2020-01-05"),
    ("Jan 5 2020", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("5 Jan 2020", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("January 5, 2020 3:04 PM", "2020-01-05 15:04:00", "2020-01-05 15:04:00+00", "2020-01-05"),
    ("20200105", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("20200105T123045", "2020-01-05 12:30:45", "2020-01-05 12:30:45+00", "2020-01-05"),
    ("20200105 123045", "2020-01-05 12:30:45", "2020-01-05 12:30:45+00", "2020-01-05"),
    ("200105", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("1/5/2020", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("05/01/20", "2020-05-01 00:00:00", "2020-05-01 00:00:00+00", "2020-05-01"),
    ("1-5-2020", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020/1/5", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020.1.5", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("5.1.2020", "2020-05-01 00:00:00", "2020-05-01 00:00:00+00", "2020-05-01"),
    (
        "99-01-05",
        "!22008 date/time field value out of range: \"99-01-05\"",
        "!22008 date/time field value out of range: \"99-01-05\"",
        "!22008 date/time field value out of range: \"99-01-05\"",
    ),
    (
        "69-01-05",
        "!22008 date/time field value out of range: \"69-01-05\"",
        "!22008 date/time field value out of range: \"69-01-05\"",
        "!22008 date/time field value out of range: \"69-01-05\"",
    ),
    (
        "70-01-05",
        "!22008 date/time field value out of range: \"70-01-05\"",
        "!22008 date/time field value out of range: \"70-01-05\"",
        "!22008 date/time field value out of range: \"70-01-05\"",
    ),
    (
        "2020-13-05",
        "!22008 date/time field value out of range: \"2020-13-05\"",
        "!22008 date/time field value out of range: \"2020-13-05\"",
        "!22008 date/time field value out of range: \"2020-13-05\"",
    ),
    (
        "2020-02-30",
        "!22008 date/time field value out of range: \"2020-02-30\"",
        "!22008 date/time field value out of range: \"2020-02-30\"",
        "!22008 date/time field value out of range: \"2020-02-30\"",
    ),
    ("2020-2-29", "2020-02-29 00:00:00", "2020-02-29 00:00:00+00", "2020-02-29"),
    (
        "2021-2-29",
        "!22008 date/time field value out of range: \"2021-2-29\"",
        "!22008 date/time field value out of range: \"2021-2-29\"",
        "!22008 date/time field value out of range: \"2021-2-29\"",
    ),
    ("infinity", "infinity", "infinity", "infinity"),
    ("-infinity", "-infinity", "-infinity", "-infinity"),
    ("epoch", "1970-01-01 00:00:00", "1970-01-01 00:00:00+00", "1970-01-01"),
    ("2020-01-05 24:00:00", "2020-01-06 00:00:00", "2020-01-06 00:00:00+00", "2020-01-05"),
    (
        "2020-01-05 24:00:01",
        "!22008 date/time field value out of range: \"2020-01-05 24:00:01\"",
        "!22008 date/time field value out of range: \"2020-01-05 24:00:01\"",
        "!22008 date/time field value out of range: \"2020-01-05 24:00:01\"",
    ),
    (
        "2020-01-05 25:00:00",
        "!22008 date/time field value out of range: \"2020-01-05 25:00:00\"",
        "!22008 date/time field value out of range: \"2020-01-05 25:00:00\"",
        "!22008 date/time field value out of range: \"2020-01-05 25:00:00\"",
    ),
    (
        "2020-01-05 12:60:00",
        "!22008 date/time field value out of range: \"2020-01-05 12:60:00\"",
        "!22008 date/time field value out of range: \"2020-01-05 12:60:00\"",
        "!22008 date/time field value out of range: \"2020-01-05 12:60:00\"",
    ),
    ("2020-01-05 12:00:60", "2020-01-05 12:01:00", "2020-01-05 12:01:00+00", "2020-01-05"),
    (
        "2020-01-05 12:00:61",
        "!22008 date/time field value out of range: \"2020-01-05 12:00:61\"",
        "!22008 date/time field value out of range: \"2020-01-05 12:00:61\"",
        "!22008 date/time field value out of range: \"2020-01-05 12:00:61\"",
    ),
    ("0001-01-01 BC", "0001-01-01 00:00:00 BC", "0001-01-01 00:00:00+00 BC", "0001-01-01 BC"),
    ("4713-01-01 BC", "4713-01-01 00:00:00 BC", "4713-01-01 00:00:00+00 BC", "4713-01-01 BC"),
    ("4714-11-24 BC", "4714-11-24 00:00:00 BC", "4714-11-24 00:00:00+00 BC", "4714-11-24 BC"),
    (
        "4714-11-23 BC",
        "!22008 timestamp out of range: \"4714-11-23 BC\"",
        "!22008 timestamp out of range: \"4714-11-23 BC\"",
        "!22008 date out of range: \"4714-11-23 BC\"",
    ),
    ("294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999+00", "294276-12-31"),
    (
        "294277-01-01",
        "!22008 timestamp out of range: \"294277-01-01\"",
        "!22008 timestamp out of range: \"294277-01-01\"",
        "294277-01-01",
    ),
    ("2020-01-05 12:00:00+02", "2020-01-05 12:00:00", "2020-01-05 10:00:00+00", "2020-01-05"),
    ("2020-01-05 12:00:00-0330", "2020-01-05 12:00:00", "2020-01-05 15:30:00+00", "2020-01-05"),
    ("2020-01-05 12:00:00 +5:30:15", "2020-01-05 12:00:00", "2020-01-05 06:29:45+00", "2020-01-05"),
    ("2020-01-05 12:00:00 PST", "2020-01-05 12:00:00", "2020-01-05 20:00:00+00", "2020-01-05"),
    ("2020-07-05 12:00:00 America/New_York", "2020-07-05 12:00:00", "2020-07-05 16:00:00+00", "2020-07-05"),
    ("2020-01-05 12:00 EST5EDT", "2020-01-05 12:00:00", "2020-01-05 17:00:00+00", "2020-01-05"),
    (
        "2020-01-05 12:00:00 foo",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 12:00:00 foo\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 12:00:00 foo\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 12:00:00 foo\"",
    ),
    (
        "2020-01-05 12:00:00 Foo/Bar",
        "!22023 time zone \"foo/bar\" not recognized",
        "!22023 time zone \"foo/bar\" not recognized",
        "!22023 time zone \"foo/bar\" not recognized",
    ),
    ("2020-01-05 12:00:00Z", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("2020-01-05 12:00:00 UTC+3", "2020-01-05 12:00:00", "2020-01-05 15:00:00+00", "2020-01-05"),
    ("J2458854", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("J2458854.5", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("julian 2458854", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020.123", "2020-05-02 00:00:00", "2020-05-02 00:00:00+00", "2020-05-02"),
    ("2020-123", "2020-05-02 00:00:00", "2020-05-02 00:00:00+00", "2020-05-02"),
    ("2020123", "0202-01-23 00:00:00", "0202-01-23 00:00:00+00", "0202-01-23"),
    ("Sun Jan 5 12:00:00 2020", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("Sun Jan 05 12:00:00 2020 PST", "2020-01-05 12:00:00", "2020-01-05 20:00:00+00", "2020-01-05"),
    ("5 January 2020 BC", "2020-01-05 00:00:00 BC", "2020-01-05 00:00:00+00 BC", "2020-01-05 BC"),
    ("Jan-5-2020", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020-Jan-05", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("05-Jan-20", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020 Jan 5", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    (
        "",
        "!22007 invalid input syntax for type timestamp: \"\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"\"",
        "!22007 invalid input syntax for type date: \"\"",
    ),
    (
        "abc",
        "!22007 invalid input syntax for type timestamp: \"abc\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"abc\"",
        "!22007 invalid input syntax for type date: \"abc\"",
    ),
    (
        "2020",
        "!22007 invalid input syntax for type timestamp: \"2020\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020\"",
        "!22007 invalid input syntax for type date: \"2020\"",
    ),
    (
        "2020-01",
        "!22007 invalid input syntax for type timestamp: \"2020-01\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01\"",
        "!22007 invalid input syntax for type date: \"2020-01\"",
    ),
    (
        "1",
        "!22007 invalid input syntax for type timestamp: \"1\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"1\"",
        "!22007 invalid input syntax for type date: \"1\"",
    ),
    (
        "12:30",
        "!22007 invalid input syntax for type timestamp: \"12:30\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"12:30\"",
        "!22007 invalid input syntax for type date: \"12:30\"",
    ),
    ("2020-01-05 12:30 AM", "2020-01-05 00:30:00", "2020-01-05 00:30:00+00", "2020-01-05"),
    (
        "2020-01-05 13:30 AM",
        "!22008 date/time field value out of range: \"2020-01-05 13:30 AM\"",
        "!22008 date/time field value out of range: \"2020-01-05 13:30 AM\"",
        "!22008 date/time field value out of range: \"2020-01-05 13:30 AM\"",
    ),
    ("2020-01-05 12:30 pm", "2020-01-05 12:30:00", "2020-01-05 12:30:00+00", "2020-01-05"),
    ("2020-01-05 1:2:3", "2020-01-05 01:02:03", "2020-01-05 01:02:03+00", "2020-01-05"),
    ("2020-01-05 010203", "2020-01-05 01:02:03", "2020-01-05 01:02:03+00", "2020-01-05"),
    ("2020-01-05 0102", "2020-01-05 01:02:00", "2020-01-05 01:02:00+00", "2020-01-05"),
    ("2020-01-05 010203.5", "2020-01-05 01:02:03.5", "2020-01-05 01:02:03.5+00", "2020-01-05"),
    (
        "2020-01-05 12:00:00+16",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+16\"",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+16\"",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+16\"",
    ),
    ("2020-01-05 12:00:00+15:59", "2020-01-05 12:00:00", "2020-01-04 20:01:00+00", "2020-01-05"),
    (
        "2020-01-05 12:00:00+15:60",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+15:60\"",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+15:60\"",
        "!22009 time zone displacement out of range: \"2020-01-05 12:00:00+15:60\"",
    ),
    (
        "0000-01-01",
        "!22008 date/time field value out of range: \"0000-01-01\"",
        "!22008 date/time field value out of range: \"0000-01-01\"",
        "!22008 date/time field value out of range: \"0000-01-01\"",
    ),
    (
        "0-1-1",
        "!22008 date/time field value out of range: \"0-1-1\"",
        "!22008 date/time field value out of range: \"0-1-1\"",
        "!22008 date/time field value out of range: \"0-1-1\"",
    ),
    ("10000-01-01", "10000-01-01 00:00:00", "10000-01-01 00:00:00+00", "10000-01-01"),
    ("12020-01-05", "12020-01-05 00:00:00", "12020-01-05 00:00:00+00", "12020-01-05"),
    (
        "today x",
        "!22007 invalid input syntax for type timestamp: \"today x\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"today x\"",
        "!22007 invalid input syntax for type date: \"today x\"",
    ),
    (
        "2020-01-05 2020-01-06",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 2020-01-06\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 2020-01-06\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 2020-01-06\"",
    ),
    (
        "Jan 5",
        "!22007 invalid input syntax for type timestamp: \"Jan 5\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"Jan 5\"",
        "!22007 invalid input syntax for type date: \"Jan 5\"",
    ),
    (
        "Jan 2020",
        "!22007 invalid input syntax for type timestamp: \"Jan 2020\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"Jan 2020\"",
        "!22007 invalid input syntax for type date: \"Jan 2020\"",
    ),
    (
        "5 2020",
        "!22008 date/time field value out of range: \"5 2020\"",
        "!22008 date/time field value out of range: \"5 2020\"",
        "!22008 date/time field value out of range: \"5 2020\"",
    ),
    ("1997 Feb 10 17:32:01 -0800", "1997-02-10 17:32:01", "1997-02-11 01:32:01+00", "1997-02-10"),
    ("Mon Feb 10 17:32:01.5 1997 PST", "1997-02-10 17:32:01.5", "1997-02-11 01:32:01.5+00", "1997-02-10"),
    ("1997-02-10 17:32:01 PST8PDT", "1997-02-10 17:32:01", "1997-02-11 01:32:01+00", "1997-02-10"),
    ("Feb 10 5:32PM 1997", "1997-02-10 17:32:00", "1997-02-10 17:32:00+00", "1997-02-10"),
    ("1997.041 17:32:01 UTC", "1997-02-10 17:32:01", "1997-02-10 17:32:01+00", "1997-02-10"),
    ("19970210 173201 America/New_York", "1997-02-10 17:32:01", "1997-02-10 22:32:01+00", "1997-02-10"),
    (
        "97FEB10 5:32:01PM UTC",
        "!22007 invalid input syntax for type timestamp: \"97FEB10 5:32:01PM UTC\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"97FEB10 5:32:01PM UTC\"",
        "!22007 invalid input syntax for type date: \"97FEB10 5:32:01PM UTC\"",
    ),
    (
        "97/02/10 17:32:01 UTC",
        "!22008 date/time field value out of range: \"97/02/10 17:32:01 UTC\"",
        "!22008 date/time field value out of range: \"97/02/10 17:32:01 UTC\"",
        "!22008 date/time field value out of range: \"97/02/10 17:32:01 UTC\"",
    ),
    ("2020-03-08 02:30:00 America/New_York", "2020-03-08 02:30:00", "2020-03-08 07:30:00+00", "2020-03-08"),
    ("2020-11-01 01:30:00 America/New_York", "2020-11-01 01:30:00", "2020-11-01 06:30:00+00", "2020-11-01"),
    ("2020-01-05 allballs", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    (
        "t12:00",
        "!22007 invalid input syntax for type timestamp: \"t12:00\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"t12:00\"",
        "!22007 invalid input syntax for type date: \"t12:00\"",
    ),
    ("2020-01-05 t 12:00", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("2020-01-05 04:05:06.789-8", "2020-01-05 04:05:06.789", "2020-01-05 12:05:06.789+00", "2020-01-05"),
    ("January 8 99 BC", "0099-01-08 00:00:00 BC", "0099-01-08 00:00:00+00 BC", "0099-01-08 BC"),
    ("08-Jan-1999", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    ("1999-Jan-08", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    ("Jan-08-99", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    ("Jan 08 99", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    (
        "99-Jan-08",
        "!22008 date/time field value out of range: \"99-Jan-08\"",
        "!22008 date/time field value out of range: \"99-Jan-08\"",
        "!22008 date/time field value out of range: \"99-Jan-08\"",
    ),
    ("990108", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    ("1999.008", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    (
        "99008",
        "!22007 invalid input syntax for type timestamp: \"99008\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"99008\"",
        "!22007 invalid input syntax for type date: \"99008\"",
    ),
    ("2000-01-01 00:00:00 MET DST", "2000-01-01 00:00:00", "1999-12-31 22:00:00+00", "2000-01-01"),
    ("2038-01-19 03:14:07 Europe/London", "2038-01-19 03:14:07", "2038-01-19 03:14:07+00", "2038-01-19"),
    ("12000-06-01 00:00 America/New_York", "12000-06-01 00:00:00", "12000-06-01 04:00:00+00", "12000-06-01"),
    ("1/18/1999", "1999-01-18 00:00:00", "1999-01-18 00:00:00+00", "1999-01-18"),
    ("1-8-1999", "1999-01-08 00:00:00", "1999-01-08 00:00:00+00", "1999-01-08"),
    (
        "18/1/1999",
        "!22008 date/time field value out of range: \"18/1/1999\"",
        "!22008 date/time field value out of range: \"18/1/1999\"",
        "!22008 date/time field value out of range: \"18/1/1999\"",
    ),
    (
        "2020-01-05 12.30",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 12.30\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 12.30\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 12.30\"",
    ),
    ("2020-01-05 +02", "2020-01-05 00:00:00", "2020-01-04 22:00:00+00", "2020-01-05"),
    (
        "20200105120000",
        "!22008 date/time field value out of range: \"20200105120000\"",
        "!22008 date/time field value out of range: \"20200105120000\"",
        "!22008 date/time field value out of range: \"20200105120000\"",
    ),
    ("2020-01-05 12:00 pst8", "2020-01-05 12:00:00", "2020-01-05 20:00:00+00", "2020-01-05"),
    (
        "infinity 2020",
        "!22007 invalid input syntax for type timestamp: \"infinity 2020\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"infinity 2020\"",
        "!22007 invalid input syntax for type date: \"infinity 2020\"",
    ),
    (
        "Jan 32 2020",
        "!22008 date/time field value out of range: \"Jan 32 2020\"",
        "!22008 date/time field value out of range: \"Jan 32 2020\"",
        "!22008 date/time field value out of range: \"Jan 32 2020\"",
    ),
    (
        "feb 30 2020",
        "!22008 date/time field value out of range: \"feb 30 2020\"",
        "!22008 date/time field value out of range: \"feb 30 2020\"",
        "!22008 date/time field value out of range: \"feb 30 2020\"",
    ),
    (
        "2001-02-29",
        "!22008 date/time field value out of range: \"2001-02-29\"",
        "!22008 date/time field value out of range: \"2001-02-29\"",
        "!22008 date/time field value out of range: \"2001-02-29\"",
    ),
    (
        "1900-02-29",
        "!22008 date/time field value out of range: \"1900-02-29\"",
        "!22008 date/time field value out of range: \"1900-02-29\"",
        "!22008 date/time field value out of range: \"1900-02-29\"",
    ),
    ("2000-02-29", "2000-02-29 00:00:00", "2000-02-29 00:00:00+00", "2000-02-29"),
    (
        "now now",
        "!22007 invalid input syntax for type timestamp: \"now now\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"now now\"",
        "!22007 invalid input syntax for type date: \"now now\"",
    ),
    ("2020-01-05 12:30:45 on", "2020-01-05 12:30:45", "2020-01-05 12:30:45+00", "2020-01-05"),
    ("@ 2020-01-05", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020-01-05, 12:30", "2020-01-05 12:30:00", "2020-01-05 12:30:00+00", "2020-01-05"),
    ("2020-1-5 1:2", "2020-01-05 01:02:00", "2020-01-05 01:02:00+00", "2020-01-05"),
    (" 2020-01-05 ", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("2020-01-05 12:30:45.", "2020-01-05 12:30:45", "2020-01-05 12:30:45+00", "2020-01-05"),
    (
        "2020-01-05 .5",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 .5\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 .5\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 .5\"",
    ),
    (
        "2020-01-05 12:30:45.5.5",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 12:30:45.5.5\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 12:30:45.5.5\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 12:30:45.5.5\"",
    ),
    (
        "2020-01-05 -- 12:00",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 -- 12:00\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 -- 12:00\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 -- 12:00\"",
    ),
    (
        "5874897-12-31",
        "!22008 timestamp out of range: \"5874897-12-31\"",
        "!22008 timestamp out of range: \"5874897-12-31\"",
        "5874897-12-31",
    ),
    (
        "5874898-01-01",
        "!22008 timestamp out of range: \"5874898-01-01\"",
        "!22008 timestamp out of range: \"5874898-01-01\"",
        "!22008 date out of range: \"5874898-01-01\"",
    ),
    (
        "infinityx",
        "!22007 invalid input syntax for type timestamp: \"infinityx\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"infinityx\"",
        "!22007 invalid input syntax for type date: \"infinityx\"",
    ),
    (
        "Monday",
        "!22007 invalid input syntax for type timestamp: \"Monday\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"Monday\"",
        "!22007 invalid input syntax for type date: \"Monday\"",
    ),
    ("2020-01-05 Monday", "2020-01-05 00:00:00", "2020-01-05 00:00:00+00", "2020-01-05"),
    ("dec 25 2020 bc", "2020-12-25 00:00:00 BC", "2020-12-25 00:00:00+00 BC", "2020-12-25 BC"),
    (
        "2020-01-05 12:00:00 -infinity",
        "!22007 invalid input syntax for type timestamp: \"2020-01-05 12:00:00 -infinity\"",
        "!22007 invalid input syntax for type timestamp with time zone: \"2020-01-05 12:00:00 -infinity\"",
        "!22007 invalid input syntax for type date: \"2020-01-05 12:00:00 -infinity\"",
    ),
    ("2020-01-05 12:00:00  GMT", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("2020-01-05 12:00:00 zulu", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("2020-01-05 12:00 z", "2020-01-05 12:00:00", "2020-01-05 12:00:00+00", "2020-01-05"),
    ("2020-01-05 12:00 IST", "2020-01-05 12:00:00", "2020-01-05 10:00:00+00", "2020-01-05"),
    ("1905-01-01 00:00 Asia/Kolkata", "1905-01-01 00:00:00", "1904-12-31 18:38:50+00", "1905-01-01"),
    ("1883-11-18 12:00 America/New_York", "1883-11-18 12:00:00", "1883-11-18 17:00:00+00", "1883-11-18"),
];

/// Input, as time, as timetz.
const TIMES: &[(&str, &str, &str)] = &[
    ("12:30", "12:30:00", "12:30:00+00"),
    ("12:30:45", "12:30:45", "12:30:45+00"),
    ("12:30:45.123456", "12:30:45.123456", "12:30:45.123456+00"),
    ("1:2", "01:02:00", "01:02:00+00"),
    ("123045", "12:30:45", "12:30:45+00"),
    ("1230", "12:30:00", "12:30:00+00"),
    ("24:00", "24:00:00", "24:00:00+00"),
    (
        "24:00:01",
        "!22008 date/time field value out of range: \"24:00:01\"",
        "!22008 date/time field value out of range: \"24:00:01\"",
    ),
    (
        "25:00",
        "!22008 date/time field value out of range: \"25:00\"",
        "!22008 date/time field value out of range: \"25:00\"",
    ),
    (
        "12:60",
        "!22008 date/time field value out of range: \"12:60\"",
        "!22008 date/time field value out of range: \"12:60\"",
    ),
    ("12:30 PM", "12:30:00", "12:30:00+00"),
    ("12:30 AM", "00:30:00", "00:30:00+00"),
    (
        "13:30 PM",
        "!22008 date/time field value out of range: \"13:30 PM\"",
        "!22008 date/time field value out of range: \"13:30 PM\"",
    ),
    ("12:30+02", "12:30:00", "12:30:00+02"),
    ("12:30 PST", "12:30:00", "12:30:00-08"),
    ("12:30-0330", "12:30:00", "12:30:00-03:30"),
    ("allballs", "00:00:00", "00:00:00+00"),
    ("2020-01-05 12:30", "12:30:00", "12:30:00+00"),
    (
        "12:30 America/New_York",
        "!22007 invalid input syntax for type time: \"12:30 America/New_York\"",
        "!22007 invalid input syntax for type time with time zone: \"12:30 America/New_York\"",
    ),
    ("2020-01-05 12:30 America/New_York", "12:30:00", "12:30:00-05"),
    ("2020-07-05 12:30 America/New_York", "12:30:00", "12:30:00-04"),
    ("t123045", "12:30:45", "12:30:45+00"),
    (
        "T12",
        "!22007 invalid input syntax for type time: \"T12\"",
        "!22007 invalid input syntax for type time with time zone: \"T12\"",
    ),
    (
        "12",
        "!22007 invalid input syntax for type time: \"12\"",
        "!22007 invalid input syntax for type time with time zone: \"12\"",
    ),
    (
        "abc",
        "!22007 invalid input syntax for type time: \"abc\"",
        "!22007 invalid input syntax for type time with time zone: \"abc\"",
    ),
    (
        "",
        "!22007 invalid input syntax for type time: \"\"",
        "!22007 invalid input syntax for type time with time zone: \"\"",
    ),
    (
        "now x",
        "!22007 invalid input syntax for type time: \"now x\"",
        "!22007 invalid input syntax for type time with time zone: \"now x\"",
    ),
    ("23:59:60", "24:00:00", "24:00:00+00"),
    ("23:59:59.9999999", "24:00:00", "24:00:00+00"),
    (
        "12:30:45 +16",
        "!22009 time zone displacement out of range: \"12:30:45 +16\"",
        "!22009 time zone displacement out of range: \"12:30:45 +16\"",
    ),
    ("040506.789", "04:05:06.789", "04:05:06.789+00"),
    ("04:05:06.789-8", "04:05:06.789", "04:05:06.789-08"),
    ("04:05:06-08:00", "04:05:06", "04:05:06-08"),
    ("040506-08", "04:05:06", "04:05:06-08"),
    ("0405", "04:05:00", "04:05:00+00"),
    ("04:05 z", "04:05:00", "04:05:00+00"),
    ("2003-04-12 04:05:06 America/New_York", "04:05:06", "04:05:06-04"),
    (
        "15:36:39 America/New_York x",
        "!22007 invalid input syntax for type time: \"15:36:39 America/New_York x\"",
        "!22007 invalid input syntax for type time with time zone: \"15:36:39 America/New_York x\"",
    ),
    (
        "12.5",
        "!22007 invalid input syntax for type time: \"12.5\"",
        "!22007 invalid input syntax for type time with time zone: \"12.5\"",
    ),
    ("1:30.5", "00:01:30.5", "00:01:30.5+00"),
    (
        "12:30:61",
        "!22008 date/time field value out of range: \"12:30:61\"",
        "!22008 date/time field value out of range: \"12:30:61\"",
    ),
    (
        "2020-01-05",
        "!22007 invalid input syntax for type time: \"2020-01-05\"",
        "!22007 invalid input syntax for type time with time zone: \"2020-01-05\"",
    ),
    (
        "12:30 2020-01-05",
        "!22007 invalid input syntax for type time: \"12:30 2020-01-05\"",
        "!22007 invalid input syntax for type time with time zone: \"12:30 2020-01-05\"",
    ),
    (
        "04:05:06 Foo",
        "!22007 invalid input syntax for type time: \"04:05:06 Foo\"",
        "!22007 invalid input syntax for type time with time zone: \"04:05:06 Foo\"",
    ),
    (
        "epoch",
        "!22007 invalid input syntax for type time: \"epoch\"",
        "!22007 invalid input syntax for type time with time zone: \"epoch\"",
    ),
    (
        "infinity",
        "!22007 invalid input syntax for type time: \"infinity\"",
        "!22007 invalid input syntax for type time with time zone: \"infinity\"",
    ),
    (
        "today",
        "!22007 invalid input syntax for type time: \"today\"",
        "!22007 invalid input syntax for type time with time zone: \"today\"",
    ),
];

#[test]
fn moments() {
    let mut wrong = Vec::new();
    for (text, timestamp, timestamptz, date) in MOMENTS {
        for (oid, expected) in [(Oid::TIMESTAMP, timestamp), (Oid::TIMESTAMPTZ, timestamptz), (Oid::DATE, date)] {
            let found = shown(text, oid);
            if found != *expected {
                wrong.push(format!("{oid:?} '{text}'\n  found    {found}\n  expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn times() {
    let mut wrong = Vec::new();
    for (text, time, timetz) in TIMES {
        for (oid, expected) in [(Oid::TIME, time), (Oid::TIMETZ, timetz)] {
            let found = shown(text, oid);
            if found != *expected {
                wrong.push(format!("{oid:?} '{text}'\n  found    {found}\n  expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn styles() {
    let new_york = Zone::named("america/new_york").expect("in the database");
    assert_eq!(new_york.name(), "America/New_York");
    let cases = [
        (DateFormat::Iso, DateOrder::Mdy, "2020-07-05 08:00:00.5-04", "2020-07-05"),
        (DateFormat::Sql, DateOrder::Mdy, "07/05/2020 08:00:00.5 EDT", "07/05/2020"),
        (DateFormat::Sql, DateOrder::Dmy, "05/07/2020 08:00:00.5 EDT", "05/07/2020"),
        (DateFormat::Postgres, DateOrder::Mdy, "Sun Jul 05 08:00:00.5 2020 EDT", "07-05-2020"),
        (DateFormat::Postgres, DateOrder::Dmy, "Sun 05 Jul 08:00:00.5 2020 EDT", "05-07-2020"),
        (DateFormat::German, DateOrder::Dmy, "05.07.2020 08:00:00.5 EDT", "05.07.2020"),
    ];
    for (date_format, date_order, instant, date) in cases {
        let format =
            FormatSettings { timezone: new_york.clone(), date_format, date_order, ..FormatSettings::default() };
        assert_eq!(shown_in("2020-07-05 12:00:00.5+00", Oid::TIMESTAMPTZ, &format), instant);
        assert_eq!(shown_in("2020-07-05", Oid::DATE, &format), date);
    }
}

#[test]
fn orders() {
    for (order, expected) in
        [(DateOrder::Mdy, "2005-03-04"), (DateOrder::Dmy, "2005-04-03"), (DateOrder::Ymd, "2003-04-05")]
    {
        let format = FormatSettings { date_order: order, ..FormatSettings::default() };
        assert_eq!(shown_in("03/04/05", Oid::DATE, &format), expected);
    }
}

proptest! {
    #[test]
    fn days_and_dates_agree(days in -2_451_545i64..2_145_000_000) {
        let (year, month, day) = civil_from_days(days);
        prop_assert_eq!(days_from_civil(year, month, day), days);
        prop_assert!((1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month));
    }

    #[test]
    fn text_survives(micros in calendar::MIN_TIMESTAMP..calendar::END_TIMESTAMP) {
        let ctx = IoContext::fixed();
        let datum = crate::types::Datum::Timestamp(micros);
        let text = to_text(&datum, Oid::TIMESTAMP, &ctx).expect("in range");
        let again = input(&text, SqlType::of(Oid::TIMESTAMP), &ctx).expect("our own text");
        prop_assert!(matches!(again, crate::types::Datum::Timestamp(value) if value == micros), "{}", text);
    }
}
