//! Making UUIDs and reading what is in them.

use parking_lot::Mutex;

use super::args::{interval, uuid};
use crate::common::{clock, rng};
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::datetime::arith;
use crate::types::timestamp::UNIX_EPOCH;

/// 1582-10-15 in microseconds since 2000-01-01: where version 1 counts from.
const GREGORIAN_EPOCH: i64 = UNIX_EPOCH - 12_219_292_800_000_000;
/// Nanoseconds between two made by one process at least, so that their order is that of their making: what 12 bits
/// of sub-millisecond time can show.
const MINIMUM_STEP: i64 = 1_000_000 / 4_096 + 1;

/// The last time used, in nanoseconds since 1970.
static LAST: Mutex<i64> = Mutex::new(0);

fn set_version(bytes: &mut [u8; 16], version: u8) {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
}

fn random(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    let mut bytes = [0; 16];
    rng::fill(&mut bytes);
    set_version(&mut bytes, 4);
    Ok(Datum::Uuid(bytes))
}

/// A time in nanoseconds since 1970 that is later than every one given before.
fn next_nanos() -> i64 {
    let now = (clock::now_micros() - UNIX_EPOCH) * 1_000;
    let mut last = LAST.lock();
    *last = now.max(*last + MINIMUM_STEP);
    *last
}

/// Version 7: 48 bits of milliseconds, 12 bits of the millisecond's fraction, the rest random.
fn ordered(nanos: i64) -> Datum {
    let mut bytes = [0; 16];
    rng::fill(&mut bytes);
    let millis = nanos.div_euclid(1_000_000);
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    let fraction = (nanos.rem_euclid(1_000_000) * 4_096 / 1_000_000) as u16;
    bytes[6..8].copy_from_slice(&fraction.to_be_bytes());
    set_version(&mut bytes, 7);
    Datum::Uuid(bytes)
}

fn ordered_shifted(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let nanos = next_nanos();
    let now = nanos / 1_000 + UNIX_EPOCH;
    let shifted = arith::timestamptz_plus(now, interval(&args[0]), super::datetime::session_zone(ctx))?;
    Ok(ordered((shifted - UNIX_EPOCH) * 1_000 + nanos % 1_000))
}

/// Whether the variant is the one that has versions.
fn version(bytes: &[u8; 16]) -> Option<u8> {
    (bytes[8] & 0xc0 == 0x80).then_some(bytes[6] >> 4)
}

fn extract_timestamp(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let bytes = uuid(&args[0]);
    let word = |from: usize, to: usize| bytes[from..to].iter().fold(0i64, |sum, byte| (sum << 8) | i64::from(*byte));
    Ok(match version(bytes) {
        Some(1) => {
            let ticks = word(0, 4) + (word(4, 6) << 32) + ((word(6, 8) & 0x0fff) << 48);
            Datum::Timestamptz(ticks / 10 + GREGORIAN_EPOCH)
        }
        Some(7) => Datum::Timestamptz(word(0, 6) * 1_000 + UNIX_EPOCH),
        _ => Datum::Null,
    })
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("gen_random_uuid", random),
    ("uuidv7", |_, _| Ok(ordered(next_nanos()))),
    ("uuidv7_interval", ordered_shifted),
    ("uuid_extract_timestamp", extract_timestamp),
    ("uuid_extract_version", |_, a| {
        Ok(version(uuid(&a[0])).map_or(Datum::Null, |version| Datum::Int2(i16::from(version))))
    }),
];
