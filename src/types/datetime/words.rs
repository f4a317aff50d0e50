//! The words of dates and times: months, weekdays, units, and abbreviations of time zones.

use crate::types::io::IoContext;

/// English month names.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English weekday names, Sunday first.
pub const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Names of time zones' abbreviations in upper case, in order; seconds east of UTC; whether it is daylight saving.
const ABBREVIATIONS: &[(&str, i32, bool)] = &[
    ("ACDT", 37800, true),
    ("ACSST", 37800, true),
    ("ACST", 34200, false),
    ("ACT", -18000, false),
    ("ACWST", 31500, false),
    ("ADT", -10800, true),
    ("AEDT", 39600, true),
    ("AESST", 39600, true),
    ("AEST", 36000, false),
    ("AFT", 16200, false),
    ("AKDT", -28800, true),
    ("AKST", -32400, false),
    ("ALMST", 25200, true),
    ("ALMT", 21600, false),
    ("AMST", 14400, false),
    ("AMT", -14400, false),
    ("ANAST", 43200, false),
    ("ANAT", 43200, false),
    ("ARST", -10800, false),
    ("ART", -10800, false),
    ("AST", -14400, false),
    ("AWSST", 32400, true),
    ("AWST", 28800, false),
    ("AZOST", 0, true),
    ("AZOT", -3600, false),
    ("AZST", 14400, false),
    ("AZT", 14400, false),
    ("BDST", 7200, true),
    ("BDT", 21600, false),
    ("BNT", 28800, false),
    ("BORT", 28800, false),
    ("BOT", -14400, false),
    ("BRA", -10800, false),
    ("BRST", -7200, true),
    ("BRT", -10800, false),
    ("BST", 3600, true),
    ("BTT", 21600, false),
    ("CADT", 37800, true),
    ("CAST", 34200, false),
    ("CCT", 28800, false),
    ("CDT", -18000, true),
    ("CEST", 7200, true),
    ("CET", 3600, false),
    ("CETDST", 7200, true),
    ("CHADT", 49500, true),
    ("CHAST", 45900, false),
    ("CHUT", 36000, false),
    ("CKT", -36000, false),
    ("CLST", -10800, true),
    ("CLT", -10800, true),
    ("COT", -18000, false),
    ("CST", -21600, false),
    ("CXT", 25200, false),
    ("DAVT", 25200, false),
    ("DDUT", 36000, false),
    ("EASST", -18000, true),
    ("EAST", -18000, true),
    ("EAT", 10800, false),
    ("EDT", -14400, true),
    ("EEST", 10800, true),
    ("EET", 7200, false),
    ("EETDST", 10800, true),
    ("EGST", 0, true),
    ("EGT", -3600, false),
    ("EST", -18000, false),
    ("FET", 10800, false),
    ("FJST", 46800, true),
    ("FJT", 43200, false),
    ("FKST", -10800, false),
    ("FKT", -10800, false),
    ("FNST", -3600, true),
    ("FNT", -7200, false),
    ("GALT", -21600, false),
    ("GAMT", -32400, false),
    ("GEST", 14400, false),
    ("GET", 14400, false),
    ("GFT", -10800, false),
    ("GILT", 43200, false),
    ("GMT", 0, false),
    ("GYT", -14400, false),
    ("HKT", 28800, false),
    ("HST", -36000, false),
    ("ICT", 25200, false),
    ("IDT", 10800, true),
    ("IOT", 21600, false),
    ("IRKST", 28800, false),
    ("IRKT", 28800, false),
    ("IRT", 12600, false),
    ("IST", 7200, false),
    ("JAYT", 32400, false),
    ("JST", 32400, false),
    ("KDT", 36000, true),
    ("KGST", 21600, true),
    ("KGT", 21600, false),
    ("KOST", 39600, false),
    ("KRAST", 25200, false),
    ("KRAT", 25200, false),
    ("KST", 32400, false),
    ("LHDT", 39600, true),
    ("LHST", 37800, false),
    ("LIGT", 36000, false),
    ("LINT", 50400, false),
    ("LKT", 19800, false),
    ("MAGST", 39600, false),
    ("MAGT", 39600, false),
    ("MART", -34200, false),
    ("MAWT", 18000, false),
    ("MDT", -21600, true),
    ("MEST", 7200, true),
    ("MESZ", 7200, true),
    ("MET", 3600, false),
    ("METDST", 7200, true),
    ("MEZ", 3600, false),
    ("MHT", 43200, false),
    ("MMT", 23400, false),
    ("MPT", 36000, false),
    ("MSD", 14400, true),
    ("MSK", 10800, false),
    ("MST", -25200, false),
    ("MUST", 18000, true),
    ("MUT", 14400, false),
    ("MVT", 18000, false),
    ("MYT", 28800, false),
    ("NDT", -9000, true),
    ("NFT", -12600, false),
    ("NOVST", 25200, false),
    ("NOVT", 25200, false),
    ("NPT", 20700, false),
    ("NST", -12600, false),
    ("NUT", -39600, false),
    ("NZDT", 46800, true),
    ("NZST", 43200, false),
    ("NZT", 43200, false),
    ("OMSST", 21600, false),
    ("OMST", 21600, false),
    ("PDT", -25200, true),
    ("PET", -18000, false),
    ("PETST", 43200, false),
    ("PETT", 43200, false),
    ("PGT", 36000, false),
    ("PHT", 28800, false),
    ("PKST", 21600, true),
    ("PKT", 18000, false),
    ("PMDT", -7200, true),
    ("PMST", -10800, false),
    ("PONT", 39600, false),
    ("PST", -28800, false),
    ("PWT", 32400, false),
    ("PYST", -10800, true),
    ("PYT", -10800, false),
    ("RET", 14400, false),
    ("SADT", 37800, true),
    ("SAST", 7200, false),
    ("SCT", 14400, false),
    ("SGT", 28800, false),
    ("TAHT", -36000, false),
    ("TFT", 18000, false),
    ("TJT", 18000, false),
    ("TKT", 46800, false),
    ("TMT", 18000, false),
    ("TOT", 46800, false),
    ("TRUT", 36000, false),
    ("TVT", 43200, false),
    ("UCT", 0, false),
    ("ULAST", 32400, true),
    ("ULAT", 28800, false),
    ("UT", 0, false),
    ("UTC", 0, false),
    ("UYST", -7200, true),
    ("UYT", -10800, false),
    ("UZST", 21600, true),
    ("UZT", 18000, false),
    ("VET", -14400, false),
    ("VLAST", 36000, false),
    ("VLAT", 36000, false),
    ("VOLT", 10800, false),
    ("VUT", 39600, false),
    ("WADT", 28800, true),
    ("WAKT", 43200, false),
    ("WAST", 25200, false),
    ("WAT", 3600, false),
    ("WDT", 32400, true),
    ("WET", 0, false),
    ("WETDST", 3600, true),
    ("WFT", 43200, false),
    ("WGST", -7200, true),
    ("WGT", -10800, false),
    ("XJT", 21600, false),
    ("YAKST", 32400, false),
    ("YAKT", 32400, false),
    ("YAPT", 36000, false),
    ("YEKST", 21600, true),
    ("YEKT", 18000, false),
    ("Z", 0, false),
    ("ZULU", 0, false),
];

/// What a word in a date or time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// `on`, `at`: nothing.
    Ignore,
    Infinity,
    NegInfinity,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    /// `allballs`: midnight UTC.
    Zulu,
    /// 1..=12.
    Month(i32),
    Weekday,
    Am,
    Pm,
    Ad,
    Bc,
    /// `dst` behind a zone.
    DaylightSaving,
    /// Seconds east of UTC.
    Zone(i32),
    /// The next field is a time (`t`).
    IsoTime,
    /// The next field is a Julian day.
    Julian,
    /// Another unit, which only intervals take.
    Unit,
}

/// The abbreviations of zones that text input knows: name, seconds east of UTC, whether daylight saving.
#[must_use]
pub fn abbreviations() -> &'static [(&'static str, i32, bool)] {
    ABBREVIATIONS
}

/// Seconds east of UTC of a zone's abbreviation, in any case.
#[must_use]
pub fn abbreviation_offset(word: &str) -> Option<i32> {
    let upper = word.to_ascii_uppercase();
    ABBREVIATIONS.binary_search_by(|entry| entry.0.cmp(&upper)).ok().map(|index| ABBREVIATIONS[index].1)
}

/// Looks a lower-case word up; `None` when it is not one of dates and times.
pub(crate) fn lookup(word: &str, ctx: &IoContext<'_>) -> Option<Word> {
    if let Some(offset) = ctx.format.timezone.own_abbreviation(word) {
        return Some(Word::Zone(offset));
    }
    if let Some(offset) = abbreviation_offset(word) {
        return Some(Word::Zone(offset));
    }
    core_word(word)
}

/// [`lookup`] without the abbreviations of zones.
pub(crate) fn core_word(word: &str) -> Option<Word> {
    if let Some(month) = month(word) {
        return Some(Word::Month(month));
    }
    Some(match word {
        "on" | "at" => Word::Ignore,
        "infinity" => Word::Infinity,
        "-infinity" => Word::NegInfinity,
        "epoch" => Word::Epoch,
        "now" => Word::Now,
        "today" => Word::Today,
        "tomorrow" => Word::Tomorrow,
        "yesterday" => Word::Yesterday,
        "allballs" => Word::Zulu,
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "wednesd"
        | "thu" | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => Word::Weekday,
        "am" => Word::Am,
        "pm" => Word::Pm,
        "ad" => Word::Ad,
        "bc" => Word::Bc,
        "dst" => Word::DaylightSaving,
        "t" => Word::IsoTime,
        "j" | "jd" | "julian" => Word::Julian,
        "d" | "dow" | "doy" | "h" | "isodow" | "isoyear" | "m" | "mm" | "s" | "y" => Word::Unit,
        _ => return None,
    })
}

/// 1..=12 for a month's name or abbreviation in lower case.
fn month(word: &str) -> Option<i32> {
    let number = match word {
        "jan" | "january" => 1,
        "feb" | "february" => 2,
        "mar" | "march" => 3,
        "apr" | "april" => 4,
        "may" => 5,
        "jun" | "june" => 6,
        "jul" | "july" => 7,
        "aug" | "august" => 8,
        "sep" | "sept" | "september" => 9,
        "oct" | "october" => 10,
        "nov" | "november" => 11,
        "dec" | "december" => 12,
        _ => return None,
    };
    Some(number)
}
