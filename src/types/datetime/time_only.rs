//! Reading a time of day, perhaps with a zone: dates are allowed beside it only where a named zone may need one.

use crate::types::io::IoContext;

use super::calendar::Civil;
use super::decode::{Expect, Fault, Mask, State, ZoneText};
use super::fields::decode_offset;
use super::lexer::{Field, FieldKind, split};

/// A time of day, and the zone's seconds east of UTC when the text gave a zone.
pub(crate) fn decode_time_only(text: &str, ctx: &IoContext<'_>) -> Result<(Civil, Option<i32>), Fault> {
    let fields = split(text).ok_or(Fault::Format)?;
    let mut state = State::new(ctx);
    for (index, field) in fields.iter().enumerate() {
        one_field(&mut state, &fields, index, field)?;
    }
    if state.expect != Expect::Nothing || state.special.is_some() {
        return Err(Fault::Format);
    }
    if state.mask.of_date() != Mask::NONE {
        state.validate_date()?;
    }
    state.finish_time()?;
    if !state.mask.has_all(Mask::TIME) {
        return Err(Fault::Format);
    }
    let east = match &state.zone {
        None => None,
        Some(ZoneText::Offset(east)) => Some(*east),
        Some(ZoneText::Named(zone)) => {
            let mut local = state.civil;
            if !state.mask.has_all(Mask::DATE) {
                // Only a zone whose offset never changes says what a time without a date means.
                if !zone.is_fixed() {
                    return Err(Fault::Format);
                }
                (local.year, local.month, local.day) = (2000, 1, 1);
            }
            Some(zone.offset_of_local(&local))
        }
    };
    Ok((state.civil, east))
}

fn one_field(state: &mut State<'_>, fields: &[Field], index: usize, field: &Field) -> Result<(), Fault> {
    let text = field.text.as_str();
    let last = fields.last().expect("there is this field");
    let mask = match field.kind {
        FieldKind::Date => {
            if index == 0 && fields.len() >= 2 && (last.kind == FieldKind::Date || fields[1].kind == FieldKind::Time) {
                state.decode_date(text)?
            } else if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
                if state.mask.has_all(Mask::TIME) {
                    return Err(Fault::Format);
                }
                let at = text.find('-').ok_or(Fault::Format)?;
                state.zone = Some(ZoneText::Offset(decode_offset(&text[at..])?));
                state.decode_number_field(&text[..at], state.mask.with(Mask::DATE))?.with(Mask::ZONE)
            } else {
                state.named_zone(text)?
            }
        }
        FieldKind::Number if state.expect != Expect::Nothing => state.expected_number(text)?,
        FieldKind::Number => match text.find('.') {
            Some(at) if !state.mask.has_all(Mask::DATE) => {
                if index == 0 && fields.len() >= 2 && last.kind == FieldKind::Date {
                    state.decode_date(text)?
                } else if at > 2 {
                    state.decode_number_field(text, state.mask.with(Mask::DATE))?
                } else {
                    return Err(Fault::Format);
                }
            }
            None if text.len() >= 4 => state.decode_number_field(text, state.mask.with(Mask::DATE))?,
            _ => state.decode_number(text, false, state.mask)?,
        },
        FieldKind::Word if text == "t" => {
            if state.expect != Expect::Nothing {
                return Err(Fault::Format);
            }
            state.expect = Expect::Time;
            Mask::NONE
        }
        FieldKind::Word if text == "now" => {
            let (civil, east) = state.now();
            state.civil = civil;
            state.zone = Some(ZoneText::Offset(east));
            Mask::TIME.with(Mask::ZONE)
        }
        FieldKind::Word if matches!(text, "today" | "tomorrow" | "yesterday" | "epoch" | "infinity") => {
            return Err(Fault::Format);
        }
        _ => return state.field(field),
    };
    state.claim(mask)
}
