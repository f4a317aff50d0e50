//! Type input and output: what is accepted prints, and what is printed reads back as the same value, in text, in
//! binary and in storage.

use super::lookup;
use super::source::Source;
use crate::types::io::{ByteaOutput, DateFormat, DateOrder, FormatSettings, IntervalStyle, input, to_text};
use crate::types::timezone::Zone;
use crate::types::{Datum, Oid, SqlType, codec, typmod, wire};

const ZONES: [&str; 4] = ["UTC", "America/New_York", "Asia/Kathmandu", "Europe/Dublin"];

/// A type, settings, a modifier, then the text.
pub(super) fn text(data: &[u8]) {
    let mut source = Source(data);
    let (oid, flags, modifier) = (source.oid(), source.byte(), source.byte());
    let Ok(text) = wire::text_from(source.0) else { return };
    let settings = settings(flags);
    let ctx = lookup::context(&settings);
    let Ok(datum) = input(text, SqlType::of(oid), &ctx) else { return };
    let _ = typmod::coerce(datum.clone(), SqlType::with(lookup::stored(oid), i32::from(modifier) + 4), flags & 1 != 0);
    let Ok(printed) = to_text(&datum, lookup::stored(oid), &ctx) else { return };
    // Other styles leave things out that reading needs: a zone's name, the order of day and month, digits.
    // A name of `regtype` needs the true catalog.
    if flags == 0 && oid != Oid::REGTYPE {
        let again = input(&printed, SqlType::of(oid), &ctx);
        let again = again.unwrap_or_else(|error| panic!("{printed:?} of {text:?} is refused: {error:?}"));
        assert_eq!(format!("{datum:?}"), format!("{again:?}"), "{text:?} prints as {printed:?}");
    }
    sent(&datum, oid);
    stored(&datum, oid);
}

/// A type, settings, then the bytes.
pub(super) fn binary(data: &[u8]) {
    let mut source = Source(data);
    let (oid, flags) = (source.oid(), source.byte());
    let settings = settings(flags);
    let ctx = lookup::context(&settings);
    let Ok(datum) = wire::recv(source.0, SqlType::of(oid), &ctx) else { return };
    let _ = typmod::coerce(datum.clone(), SqlType::with(lookup::stored(oid), i32::from(flags) + 4), true);
    if let Ok(printed) = to_text(&datum, lookup::stored(oid), &ctx) {
        // Binary input lets values through that text input refuses, intervals for one.
        if let (0, Ok(again)) = (flags, input(&printed, SqlType::of(oid), &ctx)) {
            assert_eq!(format!("{datum:?}"), format!("{again:?}"), "printed as {printed:?}");
        }
    }
    sent(&datum, oid);
    stored(&datum, oid);
}

fn settings(flags: u8) -> FormatSettings {
    let pick = usize::from(flags);
    FormatSettings {
        timezone: Zone::named(ZONES[pick % 4]).expect("a zone that is known"),
        date_format: [DateFormat::Iso, DateFormat::Sql, DateFormat::Postgres, DateFormat::German][pick / 4 % 4],
        date_order: [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd][pick % 3],
        interval_style: [
            IntervalStyle::Postgres,
            IntervalStyle::PostgresVerbose,
            IntervalStyle::SqlStandard,
            IntervalStyle::Iso8601,
        ][pick / 16 % 4],
        bytea_output: [ByteaOutput::Hex, ByteaOutput::Escape][pick / 64 % 2],
        extra_float_digits: [1, 3, 0, -15][pick / 64 % 4],
    }
}

/// The binary form reads back as the same value.
fn sent(datum: &Datum, oid: Oid) {
    let settings = FormatSettings::default();
    let ctx = lookup::context(&settings);
    let mut bytes = Vec::new();
    if wire::send(datum, lookup::stored(oid), &ctx, &mut bytes).is_ok() {
        let again = match wire::recv(&bytes, SqlType::of(oid), &ctx) {
            Err(error) if error.sqlstate().as_str() == "42883" => return,
            other => other.unwrap_or_else(|error| panic!("{bytes:?} of {datum:?} is refused: {error:?}")),
        };
        assert_eq!(format!("{datum:?}"), format!("{again:?}"), "sent as {bytes:?}");
    }
}

/// The stored form reads back as the same value.
fn stored(datum: &Datum, oid: Oid) {
    let mut bytes = Vec::new();
    codec::encode(datum, &mut bytes);
    let (again, used) = codec::decode(lookup::stored(oid), &bytes).expect("what was stored is read");
    assert_eq!((format!("{datum:?}"), bytes.len()), (format!("{again:?}"), used), "stored as {bytes:?}");
}
