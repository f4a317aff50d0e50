//! Date and time templates of `to_char`, `to_date` and `to_timestamp`: reading them into steps.

/// What a step shows or reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Era {
        dots: bool,
        upper: bool,
    },
    Noon {
        dots: bool,
        upper: bool,
    },
    Century,
    MonthName(Case),
    MonthShort(Case),
    DayName(Case),
    DayShort(Case),
    DayOfYear,
    IsoDayOfYear,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    Hour12,
    Hour24,
    Minute,
    Second,
    /// Decimals of a second, 1..=6.
    Fraction(u8),
    Milliseconds,
    Microseconds,
    SecondOfDay,
    Month,
    Quarter,
    RomanMonth {
        upper: bool,
    },
    ZoneName {
        upper: bool,
    },
    ZoneHour,
    ZoneMinute,
    ZoneOffset,
    Week,
    IsoWeek,
    WeekOfMonth,
    Julian,
    /// `Y,YYY`.
    YearWithComma,
    /// The last digits of the year, 1..=4.
    Year(u8),
    IsoYear(u8),
    /// From here on input must fit the template exactly.
    Exact,
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// One step of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Field {
        field: Field,
        /// As it is called in messages.
        name: &'static str,
        /// FM: no padding.
        fill: bool,
        /// `TH` (true) or `th`.
        ordinal: Option<bool>,
    },
    /// White space.
    Space(char),
    /// Punctuation.
    Separator(char),
    /// Any other character.
    Text(char),
}

/// Field names, longer ones before their beginnings.
const FIELDS: &[(&str, Field)] = {
    use Case::{Capital, Lower, Upper};
    &[
        ("A.D.", Field::Era { dots: true, upper: true }),
        ("A.M.", Field::Noon { dots: true, upper: true }),
        ("AD", Field::Era { dots: false, upper: true }),
        ("AM", Field::Noon { dots: false, upper: true }),
        ("B.C.", Field::Era { dots: true, upper: true }),
        ("BC", Field::Era { dots: false, upper: true }),
        ("CC", Field::Century),
        ("DAY", Field::DayName(Upper)),
        ("DDD", Field::DayOfYear),
        ("DD", Field::Day),
        ("DY", Field::DayShort(Upper)),
        ("Day", Field::DayName(Capital)),
        ("Dy", Field::DayShort(Capital)),
        ("D", Field::DayOfWeek),
        ("FF1", Field::Fraction(1)),
        ("FF2", Field::Fraction(2)),
        ("FF3", Field::Fraction(3)),
        ("FF4", Field::Fraction(4)),
        ("FF5", Field::Fraction(5)),
        ("FF6", Field::Fraction(6)),
        ("FX", Field::Exact),
        ("HH24", Field::Hour24),
        ("HH12", Field::Hour12),
        ("HH", Field::Hour12),
        ("IDDD", Field::IsoDayOfYear),
        ("ID", Field::IsoDayOfWeek),
        ("IW", Field::IsoWeek),
        ("IYYY", Field::IsoYear(4)),
        ("IYY", Field::IsoYear(3)),
        ("IY", Field::IsoYear(2)),
        ("I", Field::IsoYear(1)),
        ("J", Field::Julian),
        ("MI", Field::Minute),
        ("MM", Field::Month),
        ("MONTH", Field::MonthName(Upper)),
        ("MON", Field::MonthShort(Upper)),
        ("MS", Field::Milliseconds),
        ("Month", Field::MonthName(Capital)),
        ("Mon", Field::MonthShort(Capital)),
        ("OF", Field::ZoneOffset),
        ("P.M.", Field::Noon { dots: true, upper: true }),
        ("PM", Field::Noon { dots: false, upper: true }),
        ("Q", Field::Quarter),
        ("RM", Field::RomanMonth { upper: true }),
        ("SSSSS", Field::SecondOfDay),
        ("SSSS", Field::SecondOfDay),
        ("SS", Field::Second),
        ("TZH", Field::ZoneHour),
        ("TZM", Field::ZoneMinute),
        ("TZ", Field::ZoneName { upper: true }),
        ("US", Field::Microseconds),
        ("WW", Field::Week),
        ("W", Field::WeekOfMonth),
        ("Y,YYY", Field::YearWithComma),
        ("YYYY", Field::Year(4)),
        ("YYY", Field::Year(3)),
        ("YY", Field::Year(2)),
        ("Y", Field::Year(1)),
        ("a.d.", Field::Era { dots: true, upper: false }),
        ("a.m.", Field::Noon { dots: true, upper: false }),
        ("ad", Field::Era { dots: false, upper: false }),
        ("am", Field::Noon { dots: false, upper: false }),
        ("b.c.", Field::Era { dots: true, upper: false }),
        ("bc", Field::Era { dots: false, upper: false }),
        ("cc", Field::Century),
        ("day", Field::DayName(Lower)),
        ("ddd", Field::DayOfYear),
        ("dd", Field::Day),
        ("dy", Field::DayShort(Lower)),
        ("d", Field::DayOfWeek),
        ("ff1", Field::Fraction(1)),
        ("ff2", Field::Fraction(2)),
        ("ff3", Field::Fraction(3)),
        ("ff4", Field::Fraction(4)),
        ("ff5", Field::Fraction(5)),
        ("ff6", Field::Fraction(6)),
        ("fx", Field::Exact),
        ("hh24", Field::Hour24),
        ("hh12", Field::Hour12),
        ("hh", Field::Hour12),
        ("iddd", Field::IsoDayOfYear),
        ("id", Field::IsoDayOfWeek),
        ("iw", Field::IsoWeek),
        ("iyyy", Field::IsoYear(4)),
        ("iyy", Field::IsoYear(3)),
        ("iy", Field::IsoYear(2)),
        ("i", Field::IsoYear(1)),
        ("j", Field::Julian),
        ("mi", Field::Minute),
        ("mm", Field::Month),
        ("month", Field::MonthName(Lower)),
        ("mon", Field::MonthShort(Lower)),
        ("ms", Field::Milliseconds),
        ("of", Field::ZoneOffset),
        ("p.m.", Field::Noon { dots: true, upper: false }),
        ("pm", Field::Noon { dots: false, upper: false }),
        ("q", Field::Quarter),
        ("rm", Field::RomanMonth { upper: false }),
        ("sssss", Field::SecondOfDay),
        ("ssss", Field::SecondOfDay),
        ("ss", Field::Second),
        ("tzh", Field::ZoneHour),
        ("tzm", Field::ZoneMinute),
        ("tz", Field::ZoneName { upper: false }),
        ("us", Field::Microseconds),
        ("ww", Field::Week),
        ("w", Field::WeekOfMonth),
        ("y,yyy", Field::YearWithComma),
        ("yyyy", Field::Year(4)),
        ("yyy", Field::Year(3)),
        ("yy", Field::Year(2)),
        ("y", Field::Year(1)),
    ]
};

/// The months in Roman digits.
pub(super) const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Whether a character separates fields: printable ASCII, neither letter nor digit nor blank.
pub(super) fn is_separator(c: char) -> bool {
    c.is_ascii_punctuation()
}

/// A character of the template that is no field.
fn plain(c: char) -> Step {
    if c.is_ascii_whitespace() {
        Step::Space(c)
    } else if is_separator(c) {
        Step::Separator(c)
    } else {
        Step::Text(c)
    }
}

/// Reads a template. Whatever is no field stands for itself, quoted text without exception.
pub(super) fn parse(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut fill = false;
        let mut ahead = rest;
        while let Some(after) = ["FM", "fm", "TM", "tm", "Tm"].iter().find_map(|prefix| ahead.strip_prefix(prefix)) {
            fill = true;
            ahead = after;
        }
        if let Some((name, field)) = FIELDS.iter().find(|(name, _)| ahead.starts_with(name)) {
            rest = &ahead[name.len()..];
            let mut ordinal = None;
            if let Some(after) = rest.strip_prefix("TH") {
                (ordinal, rest) = (Some(true), after);
            } else if let Some(after) = rest.strip_prefix("th") {
                (ordinal, rest) = (Some(false), after);
            }
            for suffix in ["SP", "sp"] {
                rest = rest.strip_prefix(suffix).unwrap_or(rest);
            }
            steps.push(Step::Field { field: *field, name, fill, ordinal });
            continue;
        }
        if fill {
            rest = ahead;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => {
                let mut chars = rest.chars();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => steps.extend(chars.next().map(Step::Text)),
                        quoted => steps.push(Step::Text(quoted)),
                    }
                }
                rest = chars.as_str();
            }
            '\\' if rest.starts_with('"') => {
                rest = &rest[1..];
                steps.push(plain('"'));
            }
            other => steps.push(plain(other)),
        }
    }
    steps
}
