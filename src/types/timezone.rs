//! Time zones: names, POSIX rules, fixed offsets, and what local times mean in them.
//!
//! Rules come from the IANA database that jiff carries. jiff knows years up to 9999; the Gregorian calendar and all
//! rules repeat every 400 years, so later times are asked for a multiple of 400 years earlier. Where clocks skip
//! forward a local time is read with the offset before, where they fall back with the offset after, as PostgreSQL does.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::bail;
use crate::error::Result;
use crate::types::datetime::{Civil, USECS_PER_SEC, civil_from_days, decode_offset};

/// Microseconds in the 400 years after which the calendar repeats.
const USECS_PER_CYCLE: i64 = 146_097 * 86_400 * USECS_PER_SEC;
/// Microseconds from 1970-01-01 to 2000-01-01.
const UNIX_EPOCH_MICROS: i64 = 10_957 * 86_400 * USECS_PER_SEC;
/// 9000-01-01 in microseconds since 2000-01-01: times beyond are mapped back.
const LAST_DIRECT: i64 = 2_556_750 * 86_400 * USECS_PER_SEC;

/// A time zone with the name it was asked for by.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
    rules: Rules,
}

#[derive(Clone, Debug)]
enum Rules {
    /// Seconds east of UTC.
    Fixed(i32),
    Table(TimeZone),
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: Arc::from("UTC"), rules: Rules::Fixed(0) }
    }

    /// A fixed offset in seconds east of UTC, named as PostgreSQL names it (`<-03:30>+03:30`).
    #[must_use]
    pub fn fixed(east: i32) -> Self {
        let mut shown = String::new();
        write_offset(east, &mut shown);
        let mut west = String::new();
        write_offset(-east, &mut west);
        Self { name: Arc::from(format!("<{shown}>{west}")), rules: Rules::Fixed(east) }
    }

    /// A zone by its IANA name (in any case) or POSIX rule; `None` when there is no such zone. Abbreviations that are
    /// not names in the database are not zones here.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.is_empty() || name.len() > 255 {
            return None;
        }
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::utc());
        }
        if let Ok(rules) = TimeZone::get(name) {
            let canonical = rules.iana_name().unwrap_or(name);
            return Some(Self { name: Arc::from(canonical), rules: Rules::Table(rules) });
        }
        if name.starts_with(['+', '-']) {
            let west = decode_offset(name).ok()?;
            return Some(Self { name: Arc::from(name), rules: Rules::Fixed(-west) });
        }
        let upper = name.to_ascii_uppercase();
        if !upper.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rules = TimeZone::posix(&upper).ok()?;
        Some(Self { name: Arc::from(upper), rules: Rules::Table(rules) })
    }

    /// The value of the `TimeZone` setting: a name, a POSIX rule, or hours east of UTC.
    ///
    /// # Errors
    /// `22023` when there is no such zone.
    pub fn from_setting(value: &str) -> Result<Self> {
        if let Ok(hours) = value.trim().parse::<f64>()
            && hours.abs() < 168.0
            && !value.trim().starts_with('+')
        {
            return Ok(Self::fixed((hours * 3_600.0) as i32));
        }
        match Self::named(value) {
            Some(zone) => Ok(zone),
            None if value.eq_ignore_ascii_case("default") => Ok(Self::utc()),
            None => bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"TimeZone\": \"{value}\""),
        }
    }

    /// The zone's name as `SHOW TimeZone` prints it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the offset never changes.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        match &self.rules {
            Rules::Fixed(_) => true,
            Rules::Table(rules) => rules.to_fixed_offset().is_ok(),
        }
    }

    /// Seconds east of UTC at an instant, in microseconds since 2000-01-01 UTC.
    #[must_use]
    pub fn offset_at(&self, micros: i64) -> i32 {
        match &self.rules {
            Rules::Fixed(east) => *east,
            Rules::Table(rules) => rules.to_offset(instant(micros)).seconds(),
        }
    }

    /// Offset, abbreviation and daylight saving at an instant.
    #[must_use]
    pub fn info_at(&self, micros: i64) -> (i32, String, bool) {
        match &self.rules {
            Rules::Fixed(0) if &*self.name == "UTC" => (0, "UTC".to_owned(), false),
            Rules::Fixed(east) => {
                let mut shown = String::new();
                write_offset(*east, &mut shown);
                (*east, shown, false)
            }
            Rules::Table(rules) => {
                let info = rules.to_offset_info(instant(micros));
                (info.offset().seconds(), info.abbreviation().to_owned(), info.dst().is_dst())
            }
        }
    }

    /// Seconds east of UTC that a local time has here.
    #[must_use]
    pub fn offset_of_local(&self, local: &Civil) -> i32 {
        let rules = match &self.rules {
            Rules::Fixed(east) => return *east,
            Rules::Table(rules) => rules,
        };
        let mut local = *local;
        // 24:00:00 and leap seconds are not times of day for jiff.
        if local.hour >= 24 || local.second >= 60 {
            let rest = local.time_of_day() % 86_400_000_000;
            let (year, month, day) = civil_from_days(local.days() + 1);
            local = Civil { year, month, day, ..Civil::from_time(rest) };
        }
        let year = if local.year > 9_000 { 8_800 + (local.year - 8_800) % 400 } else { local.year };
        let parts = (i16::try_from(year), i8::try_from(local.month), i8::try_from(local.day));
        let (Ok(year), Ok(month), Ok(day)) = parts else { return self.offset_at(0) };
        let time = (local.hour as i8, local.minute as i8, local.second as i8);
        let Ok(local) = DateTime::new(year, month, day, time.0, time.1, time.2, local.micros * 1_000) else {
            return self.offset_at(0);
        };
        match rules.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } => before.seconds(),
            AmbiguousOffset::Fold { after, .. } => after.seconds(),
        }
    }

    /// The offset of an abbreviation that this zone itself uses (at present, or in the past), seconds east of UTC.
    #[must_use]
    pub fn own_abbreviation(&self, word: &str) -> Option<i32> {
        let Rules::Table(rules) = &self.rules else {
            return None;
        };
        if word.len() < 3 || word.len() > 5 {
            return None;
        }
        let now = instant(820_454_400_000_000);
        rules
            .preceding(now)
            .take(300)
            .find(|transition| transition.abbreviation().eq_ignore_ascii_case(word))
            .map(|transition| transition.offset().seconds())
    }
}

/// jiff's instant for microseconds since 2000-01-01; times beyond jiff's range are mapped into it.
fn instant(micros: i64) -> jiff::Timestamp {
    let mut micros = micros;
    if micros > LAST_DIRECT {
        micros = LAST_DIRECT - USECS_PER_CYCLE + (micros - LAST_DIRECT).rem_euclid(USECS_PER_CYCLE);
    }
    let unix = micros.saturating_add(UNIX_EPOCH_MICROS);
    jiff::Timestamp::from_microsecond(unix).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// Appends an offset as ISO 8601 has it: `+03`, `-03:30`, `+00:19:32`.
pub fn write_offset(east: i32, out: &mut String) {
    out.push(if east < 0 { '-' } else { '+' });
    let seconds = east.unsigned_abs();
    out.push_str(&format!("{:02}", seconds / 3_600));
    if !seconds.is_multiple_of(3_600) {
        out.push_str(&format!(":{:02}", seconds / 60 % 60));
    }
    if !seconds.is_multiple_of(60) {
        out.push_str(&format!(":{:02}", seconds % 60));
    }
}

/// The zone that `AT TIME ZONE` names: an abbreviation, a name, or a POSIX rule.
///
/// # Errors
/// `22023` when there is no such zone.
pub fn zone_argument(name: &str) -> Result<Zone> {
    if let Some(east) = crate::types::datetime::abbreviation_offset(name) {
        return Ok(Zone::fixed(east));
    }
    match Zone::named(name) {
        Some(zone) => Ok(zone),
        None => bail!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized"),
    }
}

/// Names of all zones of the database.
pub fn names() -> impl Iterator<Item = String> {
    jiff::tz::db().available().map(|name| name.as_str().to_owned())
}
