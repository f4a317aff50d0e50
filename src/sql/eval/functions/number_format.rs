//! `to_char` of numbers and `to_number`: PostgreSQL's number templates.
//!
//! A template is read into steps and a summary (digits before and after the point, where zeros begin, how the sign is
//! written). Writing walks the steps with a cursor on the digits of the already rounded number; reading walks them with a
//! cursor on the input. Separators and signs are those of the C locale.

use std::iter::Peekable;
use std::str::Chars;

use crate::bail;
use crate::error::Result;
use crate::types::numeric::{Numeric, input};

/// One step of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nine,
    Zero,
    Point,
    Comma,
    Currency,
    Minus,
    Plus,
    PlusMinus,
    Roman {
        upper: bool,
    },
    Ordinal {
        upper: bool,
    },
    /// Already said in the summary.
    Silent,
    Literal(char),
}

/// Where an `S` writes the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignPlace {
    None,
    Before,
    After,
}

/// What a template says as a whole.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Template {
    steps: Vec<Step>,
    /// Digits before the point.
    pub pre: i32,
    /// Digits behind the point.
    pub post: i32,
    /// Digits that `V` shifts by.
    pub shift: i32,
    zero_start: i32,
    zero_end: i32,
    sign: SignPlace,
    digits_before_sign: i32,
    zero: bool,
    fill: bool,
    decimal: bool,
    brackets: bool,
    minus: bool,
    plus: bool,
    shifted: bool,
    /// The number is written in Roman digits.
    pub roman: bool,
    /// The number is written with an exponent.
    pub exponent: bool,
}

/// Words of templates, longer ones first; each in upper and in lower case.
const WORDS: [&str; 19] =
    ["EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", "B", "D", "G", "L", "S", "V", ",", ".", "0", "9"];

fn syntax<T>(message: &str) -> Result<T> {
    bail!(SYNTAX_ERROR, "{message}")
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `42601` for combinations that have no meaning.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut template = Self {
            steps: Vec::new(),
            pre: 0,
            post: 0,
            shift: 0,
            zero_start: 0,
            zero_end: 0,
            sign: SignPlace::None,
            digits_before_sign: 0,
            zero: false,
            fill: false,
            decimal: false,
            brackets: false,
            minus: false,
            plus: false,
            shifted: false,
            roman: false,
            exponent: false,
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let lower = |word: &str| word.to_ascii_lowercase();
            let found = WORDS.iter().find(|word| rest.starts_with(**word) || rest.starts_with(&lower(word)));
            if let Some(word) = found {
                let upper = rest.starts_with(*word);
                rest = &rest[word.len()..];
                let step = template.word(word, upper)?;
                template.steps.push(step);
                continue;
            }
            rest = &rest[first.len_utf8()..];
            match first {
                '"' => rest = template.quoted(rest),
                '\\' if rest.starts_with('"') => {
                    template.steps.push(Step::Literal('"'));
                    rest = &rest[1..];
                }
                plain => template.steps.push(Step::Literal(plain)),
            }
        }
        Ok(template)
    }

    /// The characters up to a closing quote stand for themselves; a backslash takes the next one as it is.
    fn quoted<'a>(&mut self, rest: &'a str) -> &'a str {
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => self.steps.extend(chars.next().map(Step::Literal)),
                plain => self.steps.push(Step::Literal(plain)),
            }
        }
        chars.as_str()
    }

    fn word(&mut self, word: &str, upper: bool) -> Result<Step> {
        if self.exponent && word != "EEEE" {
            return syntax("\"EEEE\" must be the last pattern used");
        }
        Ok(match word {
            "9" | "0" => return self.digit(word == "0"),
            "." | "D" => {
                if self.decimal {
                    return syntax("multiple decimal points");
                }
                if self.shifted {
                    return syntax("cannot use \"V\" and decimal point together");
                }
                self.decimal = true;
                Step::Point
            }
            "," | "G" => Step::Comma,
            "L" => Step::Currency,
            "FM" => {
                self.fill = true;
                Step::Silent
            }
            "S" => {
                if self.sign != SignPlace::None {
                    return syntax("cannot use \"S\" twice");
                }
                if self.plus || self.minus || self.brackets {
                    return syntax("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
                }
                self.digits_before_sign = self.pre;
                self.sign = if self.decimal { SignPlace::After } else { SignPlace::Before };
                Step::Silent
            }
            "MI" | "PL" | "SG" => {
                if self.sign != SignPlace::None {
                    return syntax(&format!("cannot use \"S\" and \"{word}\" together"));
                }
                self.minus |= word != "PL";
                self.plus |= word != "MI";
                match word {
                    "MI" => Step::Minus,
                    "PL" => Step::Plus,
                    _ => Step::PlusMinus,
                }
            }
            "PR" => {
                if self.sign != SignPlace::None || self.plus || self.minus {
                    return syntax("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
                }
                self.brackets = true;
                Step::Silent
            }
            "RN" => {
                self.roman = true;
                Step::Roman { upper }
            }
            "TH" => Step::Ordinal { upper },
            "V" => {
                if self.decimal {
                    return syntax("cannot use \"V\" and decimal point together");
                }
                self.shifted = true;
                Step::Silent
            }
            "EEEE" => return self.scientific(),
            _ => Step::Silent,
        })
    }

    fn digit(&mut self, zero: bool) -> Result<Step> {
        let shown = if zero { "0" } else { "9" };
        if self.brackets {
            return syntax(&format!("\"{shown}\" must be ahead of \"PR\""));
        }
        if !zero && self.shifted {
            self.shift += 1;
            return Ok(Step::Nine);
        }
        if zero && !self.zero && !self.decimal {
            self.zero = true;
            self.zero_start = self.pre;
        }
        if self.decimal {
            self.post += 1;
        } else {
            self.pre += 1;
        }
        if zero {
            self.zero_end = self.pre + self.post;
        }
        Ok(if zero { Step::Zero } else { Step::Nine })
    }

    fn scientific(&mut self) -> Result<Step> {
        if self.exponent {
            return syntax("cannot use \"EEEE\" twice");
        }
        let signs = self.sign != SignPlace::None || self.brackets || self.minus || self.plus;
        if self.fill || signs || self.roman || self.shifted {
            return Err(crate::error!(SYNTAX_ERROR, "\"EEEE\" is incompatible with other formats")
                .detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
        }
        self.exponent = true;
        Ok(Step::Silent)
    }

    /// Writes a number that is already rounded to the template's digits: its sign and its digits without one.
    pub(super) fn write(&mut self, negative: bool, digits: &str) -> String {
        let whole = digits.find('.').unwrap_or(digits.len());
        let whole = i32::try_from(whole).unwrap_or(i32::MAX);
        let overflow;
        let (digits, leading) = if self.pre < whole {
            overflow = overflow_marks(self.pre, self.post);
            (overflow.as_str(), 0)
        } else {
            (digits, self.pre - whole)
        };
        Writer::new(self, negative, digits.as_bytes(), leading).run()
    }

    /// Roman digits, which every number without any has 15 signs for.
    pub(super) fn write_roman(&self, number: Option<i64>) -> String {
        let digits = number.and_then(roman).unwrap_or_else(|| "#".repeat(15));
        let mut out = String::new();
        for step in &self.steps {
            match step {
                Step::Roman { upper } => {
                    let shown = if *upper { digits.clone() } else { digits.to_ascii_lowercase() };
                    out.push_str(&if self.fill { shown } else { format!("{shown:>15}") });
                }
                Step::Literal(c) => out.push(*c),
                _ => {}
            }
        }
        out
    }

    /// What stands for a number that has no exponent form.
    pub(super) fn scientific_overflow(&self) -> String {
        let marks = overflow_marks(self.pre, self.post + 4);
        format!(" {marks}")
    }

    /// Reads a number by the template.
    ///
    /// # Errors
    /// `22P02` when no number comes out of it, `22003` when it has too many digits, `42601` for exponents.
    pub(super) fn read(&self, text: &str) -> Result<Numeric> {
        if self.exponent {
            return Err(crate::error::Error::unsupported("\"EEEE\" for input"));
        }
        if self.roman {
            return read_roman(text);
        }
        let mut reader = Reader::new(self, text);
        reader.run();
        let (number, scale) = reader.finish();
        let value = input(&number)?;
        let precision = self.pre + self.shift + scale;
        let typmod = ((precision.max(1) << 16) | scale) + 4;
        let value = value.apply_typmod(typmod)?;
        if self.shift == 0 {
            return Ok(value);
        }
        value.mul(&Numeric::from_i64(10).power(&Numeric::from_i64(i64::from(-self.shift)))?)
    }
}

/// `##.##`.
fn overflow_marks(pre: i32, post: i32) -> String {
    let count = |digits: i32| usize::try_from(digits).unwrap_or(0);
    format!("{}.{}", "#".repeat(count(pre)), "#".repeat(count(post)))
}

/// Roman digits of 1..=3999.
fn roman(number: i64) -> Option<String> {
    const DIGITS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..=3999).contains(&number) {
        return None;
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, digits) in DIGITS {
        while rest >= value {
            out.push_str(digits);
            rest -= value;
        }
    }
    Some(out)
}

/// A number in Roman digits, which must be written as [`roman`] writes it.
fn read_roman(text: &str) -> Result<Numeric> {
    let trimmed = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let end = trimmed.find(|c: char| !"IVXLCDMivxlcdm".contains(c)).unwrap_or(trimmed.len());
    let wanted = trimmed[..end].to_ascii_uppercase();
    match (1..4000).find(|number| roman(*number).as_deref() == Some(&wanted)) {
        Some(number) => Ok(Numeric::from_i64(number)),
        None => bail!(INVALID_TEXT_REPRESENTATION, "invalid Roman numeral"),
    }
}

/// The ordinal suffix of a number's digits.
pub(super) fn ordinal(digits: &str, upper: bool) -> &'static str {
    let bytes = digits.as_bytes();
    let teen = bytes.len() > 1 && bytes[bytes.len() - 2] == b'1';
    match (bytes.last(), teen, upper) {
        (Some(b'1'), false, true) => "ST",
        (Some(b'1'), false, false) => "st",
        (Some(b'2'), false, true) => "ND",
        (Some(b'2'), false, false) => "nd",
        (Some(b'3'), false, true) => "RD",
        (Some(b'3'), false, false) => "rd",
        (_, _, true) => "TH",
        (_, _, false) => "th",
    }
}

/// Writing: a cursor on the digits and on the places of the template.
struct Writer<'a> {
    template: &'a mut Template,
    negative: bool,
    digits: &'a [u8],
    at: usize,
    /// Places of the template before the first digit.
    leading: i32,
    /// Number of places passed.
    place: i32,
    /// Number of places that there are.
    places: i32,
    /// With FM, the last digit that says anything.
    last_relevant: Option<usize>,
    sign_written: bool,
    /// Whether the last place held a digit.
    in_number: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(template: &'a mut Template, negative: bool, digits: &'a [u8], leading: i32) -> Self {
        let sign_written = if template.plus || template.minus {
            !template.plus || template.minus
        } else {
            if !negative && template.fill {
                template.brackets = false;
            }
            let written = !negative && template.fill && template.sign == SignPlace::None;
            if template.sign == SignPlace::Before && template.pre == template.digits_before_sign {
                template.sign = SignPlace::After;
            }
            written
        };
        let mut places = template.post + template.pre - 1;
        if !sign_written && leading == 0 {
            places += 1;
        }
        let mut last_relevant = None;
        if template.fill
            && template.decimal
            && let Some(point) = digits.iter().position(|byte| *byte == b'.')
        {
            let mut last = (point + 1..digits.len()).rev().find(|at| digits[*at] != b'0').unwrap_or(point);
            if template.zero_end > leading {
                let kept = usize::try_from(template.zero_end - leading).unwrap_or(0);
                last = last.max(kept.min(digits.len() - 1));
            }
            last_relevant = Some(last);
        }
        Self {
            template,
            negative,
            digits,
            at: 0,
            leading,
            place: 0,
            places,
            last_relevant,
            sign_written,
            in_number: false,
            out: String::new(),
        }
    }

    fn run(mut self) -> String {
        for index in 0..self.template.steps.len() {
            let step = self.template.steps[index];
            match step {
                Step::Nine | Step::Zero | Step::Point => self.place(step),
                Step::Comma => {
                    if self.in_number {
                        self.out.push(',');
                    } else if !self.template.fill {
                        self.out.push(' ');
                    }
                }
                Step::Currency => self.out.push(' '),
                Step::Minus => self.mark(self.negative, '-'),
                Step::Plus => self.mark(!self.negative, '+'),
                Step::PlusMinus => self.out.push(if self.negative { '-' } else { '+' }),
                Step::Ordinal { upper } => {
                    if !self.negative && !self.template.decimal && self.digits.first() != Some(&b'#') {
                        let digits = std::str::from_utf8(self.digits).expect("digits are ASCII");
                        self.out.push_str(ordinal(digits, upper));
                    }
                }
                Step::Literal(c) => self.out.push(c),
                Step::Roman { .. } | Step::Silent => {}
            }
        }
        self.out
    }

    fn mark(&mut self, shown: bool, sign: char) {
        if shown {
            self.out.push(sign);
        } else if !self.template.fill {
            self.out.push(' ');
        }
    }

    /// A zero before the point that only holds the place of a digit: `0.1` in `9.9`.
    fn is_blank_zero(&self) -> bool {
        !self.template.zero && self.at == 0 && self.digits.first() == Some(&b'0') && self.template.post != 0
    }

    fn ends_at_point(&self) -> bool {
        self.last_relevant.is_some_and(|last| self.digits[last] == b'.')
    }

    fn write_sign(&mut self) {
        if self.template.sign != SignPlace::None {
            if self.template.sign == SignPlace::Before {
                self.out.push(if self.negative { '-' } else { '+' });
                self.sign_written = true;
            }
            return;
        }
        if self.template.brackets {
            self.out.push(if self.negative { '<' } else { ' ' });
        } else if self.negative {
            self.out.push('-');
        } else if !self.template.fill {
            self.out.push(' ');
        }
        self.sign_written = true;
    }

    /// One place for a digit or the point.
    fn place(&mut self, step: Step) {
        self.in_number = false;
        let reached = self.place >= self.leading || (self.template.zero && self.template.zero_start == self.place);
        if !self.sign_written && reached && (!self.is_blank_zero() || self.ends_at_point()) {
            self.write_sign();
        }
        if self.place < self.leading {
            if self.template.zero && self.template.zero_start <= self.place {
                self.out.push('0');
                self.in_number = true;
            } else if !self.template.fill {
                self.out.push(' ');
            }
        } else {
            self.write_digit(step);
            if self.at < self.digits.len() {
                self.at += 1;
            }
        }
        let mut end = self.places + i32::from(self.leading > 0) + i32::from(self.template.decimal);
        if self.last_relevant == Some(self.at) {
            end = self.place;
        }
        if self.place + 1 == end {
            if self.sign_written && self.template.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.template.sign == SignPlace::After {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn write_digit(&mut self, step: Step) {
        match self.digits.get(self.at) {
            Some(b'.') => self.out.push('.'),
            _ if self.last_relevant.is_some_and(|last| self.at > last) && step != Step::Zero => {}
            _ if self.is_blank_zero() => {
                if !self.template.fill {
                    self.out.push(' ');
                } else if self.ends_at_point() {
                    self.out.push('0');
                }
            }
            Some(digit) => {
                self.out.push(char::from(*digit));
                self.in_number = true;
            }
            None => self.in_number = true,
        }
    }
}

/// Reading: a cursor on the input.
struct Reader<'a> {
    template: &'a Template,
    chars: Peekable<Chars<'a>>,
    sign: Option<char>,
    number: String,
    read_pre: i32,
    read_post: i32,
    point: bool,
}

impl<'a> Reader<'a> {
    fn new(template: &'a Template, text: &'a str) -> Self {
        Self {
            template,
            chars: text.chars().peekable(),
            sign: None,
            number: String::new(),
            read_pre: 0,
            read_post: 0,
            point: false,
        }
    }

    fn run(&mut self) {
        let mut in_number = false;
        for step in &self.template.steps {
            let Some(next) = self.chars.peek().copied() else { break };
            match step {
                Step::Nine | Step::Zero | Step::Point => {
                    self.place(*step);
                    in_number = true;
                    self.chars.next();
                }
                Step::Comma => {
                    if (in_number || !self.template.fill) && next == ',' {
                        self.chars.next();
                    }
                }
                Step::Currency => self.skip(1),
                Step::Minus => self.sign_or_skip(&['-']),
                Step::Plus => self.sign_or_skip(&['+']),
                Step::PlusMinus => self.sign_or_skip(&['-', '+']),
                Step::Ordinal { .. } => {
                    if self.sign != Some('-') && !self.template.decimal {
                        self.skip(2);
                    }
                }
                Step::Literal(_) => {
                    self.chars.next();
                }
                Step::Roman { .. } | Step::Silent => {}
            }
        }
    }

    /// Skips characters that cannot belong to a number.
    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.chars.next_if(|c| !"0123456789.,+-".contains(*c)).is_none() {
                break;
            }
        }
    }

    fn sign_or_skip(&mut self, signs: &[char]) {
        match self.chars.next_if(|c| signs.contains(c)) {
            Some(sign) => self.sign = Some(sign),
            None => self.skip(1),
        }
    }

    /// Takes what a digit's place holds; the caller steps over the character itself.
    fn place(&mut self, step: Step) {
        self.chars.next_if_eq(&' ');
        if self.sign.is_none() && step != Step::Point && self.read_pre + self.read_post == 0 {
            let bracket = self.template.brackets;
            let anchored = self.template.sign != SignPlace::After;
            if let Some(sign) = self.chars.next_if(|c| anchored && (matches!(c, '-' | '+') || (bracket && *c == '<'))) {
                self.sign = Some(if sign == '+' { '+' } else { '-' });
            }
        }
        let Some(c) = self.chars.peek().copied() else { return };
        let mut read = false;
        if c.is_ascii_digit() {
            if self.point && self.read_post == self.template.post {
                return;
            }
            self.number.push(c);
            if self.point {
                self.read_post += 1;
            } else {
                self.read_pre += 1;
            }
            read = true;
        } else if self.template.decimal && !self.point && c == '.' {
            self.number.push('.');
            self.point = true;
            read = true;
        }
        if self.sign.is_none() && self.read_pre + self.read_post > 0 {
            self.sign_behind(c, read);
        }
    }

    /// A sign behind the last digit.
    fn sign_behind(&mut self, current: char, read: bool) {
        if self.template.sign != SignPlace::None {
            let mut ahead = self.chars.clone();
            ahead.next();
            if let Some(sign) = ahead.next().filter(|c| read && matches!(c, '-' | '+')) {
                self.chars.next();
                self.sign = Some(sign);
            }
        } else if !read && (self.template.plus || self.template.minus) && matches!(current, '-' | '+') {
            self.sign = Some(current);
        }
    }

    /// The digits read with their sign, and the number of them behind the point.
    fn finish(self) -> (String, i32) {
        let digits = self.number.strip_suffix('.').unwrap_or(&self.number);
        let sign = if self.sign == Some('-') { "-" } else { " " };
        (format!("{sign}{digits}"), self.read_post)
    }
}
