//! Text input and output of every type: the dispatchers, and what they depend on.
//!
//! [`input`] reads what PostgreSQL's input functions read and fails with their words; the type modifier is not applied
//! here but by [`crate::types::typmod::coerce`]. [`output`] prints what the output functions print under the session's
//! settings, which travel in an [`IoContext`]. What only the catalog knows (enum labels, names behind `reg*` OIDs, row
//! types) is asked for through [`TypeLookup`].

use std::sync::{Arc, LazyLock};

use crate::bail;
use crate::error::{Error, Result};
use crate::types::timezone::Zone;
use crate::types::{Datum, EnumValue, FieldNames, Oid, SqlType};
use crate::types::{
    array, bit, boolean, bytea, codec, date, float, halfvec, integer, interval, json, jsonpath, money, numeric, record,
    regtype, sparsevec, text, time, timestamp, uuid, vector,
};

/// `DateStyle`'s output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DateFormat {
    Iso,
    Sql,
    Postgres,
    German,
}

/// `DateStyle`'s order of ambiguous fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DateOrder {
    Mdy,
    Dmy,
    Ymd,
}

/// `IntervalStyle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IntervalStyle {
    Postgres,
    PostgresVerbose,
    SqlStandard,
    Iso8601,
}

/// `bytea_output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ByteaOutput {
    Hex,
    Escape,
}

/// The session settings that text input and output depend on.
#[derive(Clone, Debug)]
pub struct FormatSettings {
    /// `TimeZone`.
    pub timezone: Zone,
    /// `DateStyle`, first half.
    pub date_format: DateFormat,
    /// `DateStyle`, second half.
    pub date_order: DateOrder,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `bytea_output`.
    pub bytea_output: ByteaOutput,
    /// `extra_float_digits`, -15..=3; 1 and above print the shortest text that reads back as the same value.
    pub extra_float_digits: i32,
}

impl Default for FormatSettings {
    fn default() -> Self {
        Self {
            timezone: Zone::utc(),
            date_format: DateFormat::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
        }
    }
}

impl FormatSettings {
    /// Applies one of `DateStyle`'s words (`ISO`, `MDY`, `Postgres, DMY` ...).
    ///
    /// # Errors
    /// `22023` on a word that `DateStyle` does not know.
    pub fn set_date_style(&mut self, value: &str) -> Result<()> {
        for word in value.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "iso" => self.date_format = DateFormat::Iso,
                "sql" => self.date_format = DateFormat::Sql,
                "postgres" | "postgresql" => self.date_format = DateFormat::Postgres,
                "german" => {
                    self.date_format = DateFormat::German;
                    self.date_order = DateOrder::Dmy;
                }
                "ymd" => self.date_order = DateOrder::Ymd,
                "dmy" | "euro" | "european" => self.date_order = DateOrder::Dmy,
                "mdy" | "us" | "noneuro" | "noneuropean" => self.date_order = DateOrder::Mdy,
                "default" => {
                    self.date_format = DateFormat::Iso;
                    self.date_order = DateOrder::Mdy;
                }
                _ => bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"DateStyle\": \"{value}\""),
            }
        }
        Ok(())
    }

    /// `DateStyle` as `SHOW` prints it.
    #[must_use]
    pub fn date_style(&self) -> String {
        let format = match self.date_format {
            DateFormat::Iso => "ISO",
            DateFormat::Sql => "SQL",
            DateFormat::Postgres => "Postgres",
            DateFormat::German => "German",
        };
        let order = match self.date_order {
            DateOrder::Mdy => "MDY",
            DateOrder::Dmy => "DMY",
            DateOrder::Ymd => "YMD",
        };
        format!("{format}, {order}")
    }
}

/// What type input and output ask the catalog. All methods have answers for the built-in types only by default.
pub trait TypeLookup {
    /// The value of an enum type with this label; `None` when there is none.
    fn enum_value(&self, _type_oid: Oid, _label: &str) -> Option<Arc<EnumValue>> {
        None
    }

    /// `typname` as `format_type` prints it, for messages.
    fn type_name(&self, oid: Oid) -> String {
        crate::types::typmod::builtin_type_name(oid).map_or_else(|| oid.to_string(), str::to_owned)
    }

    /// What kind of type an OID above the built-in ones is; `None` when there is no such type.
    fn user_type(&self, _oid: Oid) -> Option<UserType> {
        None
    }

    /// The column names of a composite type, for JSON; `None` when there is no such type.
    fn field_names(&self, _oid: Oid) -> Option<FieldNames> {
        None
    }

    /// Reads a `reg*` value's name; numbers are handled before. `kind` is the `reg*` type.
    ///
    /// # Errors
    /// PostgreSQL's error when there is no such object.
    fn reg_input(&self, kind: Oid, _text: &str) -> Result<Oid> {
        Err(Error::unsupported(format!("a name of type {}", self.type_name(kind))))
    }

    /// The name that a `reg*` value prints as; `None` when there is no such object (the number is printed).
    fn reg_output(&self, _kind: Oid, _value: Oid) -> Option<String> {
        None
    }
}

/// What the catalog says about a type that has no constant in [`Oid`].
#[derive(Clone, Debug, PartialEq)]
pub enum UserType {
    /// An enum.
    Enum,
    /// An array of this element type.
    Array(Oid),
    /// A composite type with these columns.
    Composite(Vec<SqlType>),
    /// A domain over this type; its constraints are the executor's to check.
    Domain(SqlType),
}

/// A catalog that knows the built-in types only.
pub struct NoLookup;

impl TypeLookup for NoLookup {}

/// What input and output of a value depend on besides the value.
#[derive(Clone, Copy)]
pub struct IoContext<'a> {
    /// Session settings.
    pub format: &'a FormatSettings,
    /// Start of the transaction, microseconds since 2000-01-01 UTC: what `'now'` means.
    pub now_micros: i64,
    /// The catalog.
    pub lookup: &'a dyn TypeLookup,
}

impl IoContext<'static> {
    /// Default settings, no catalog, and the epoch of 2000 for now: for values whose text depends on none of them.
    #[must_use]
    pub fn fixed() -> Self {
        static SETTINGS: LazyLock<FormatSettings> = LazyLock::new(FormatSettings::default);
        Self { format: &SETTINGS, now_micros: 0, lookup: &NoLookup }
    }
}

/// The element type of an array type, built in or the user's.
#[must_use]
pub fn array_element(oid: Oid, ctx: &IoContext<'_>) -> Option<Oid> {
    array::builtin_element(oid).or_else(|| match ctx.lookup.user_type(oid) {
        Some(UserType::Array(element)) => Some(element),
        _ => None,
    })
}

/// Reads the text form of a value. The modifier is only a hint here (it is applied by `typmod::coerce`).
///
/// # Errors
/// The type's own input errors, mostly `22P02`, `22003`, `22007` and `22008`.
pub fn input(text: &str, ty: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    Ok(match ty.oid {
        Oid::BOOL => Datum::Bool(boolean::input(text)?),
        Oid::INT2 => Datum::Int2(integer::input_i16(text)?),
        Oid::INT4 => Datum::Int4(integer::input_i32(text)?),
        Oid::INT8 => Datum::Int8(integer::input_i64(text)?),
        Oid::FLOAT4 => Datum::Float4(float::input_f32(text)?),
        Oid::FLOAT8 => Datum::Float8(float::input_f64(text)?),
        Oid::NUMERIC => Datum::Numeric(numeric::input(text)?),
        Oid::NAME => Datum::text(text::truncate_name(text)),
        Oid::INTERNAL_CHAR => Datum::Char(text::input_internal_char(text)),
        Oid::JSON => json::input_json(text)?,
        Oid::JSONB => json::input_jsonb(text)?,
        Oid::JSONPATH => jsonpath::input(text)?,
        Oid::BYTEA => Datum::Bytea(bytea::input(text)?.into()),
        Oid::UUID => Datum::Uuid(uuid::input(text)?),
        Oid::DATE => Datum::Date(date::input(text, ctx)?),
        Oid::TIME => Datum::Time(time::input_time(text, ctx)?),
        Oid::TIMETZ => {
            let (micros, zone) = time::input_timetz(text, ctx)?;
            Datum::TimeTz(micros, zone)
        }
        Oid::TIMESTAMP => Datum::Timestamp(timestamp::input_timestamp(text, ctx)?),
        Oid::TIMESTAMPTZ => Datum::Timestamptz(timestamp::input_timestamptz(text, ctx)?),
        Oid::INTERVAL => Datum::Interval(interval::input(text, ty.typmod, ctx.format.interval_style)?),
        Oid::BIT | Oid::VARBIT => bit::input(text)?,
        Oid::VECTOR => vector::input(text)?,
        Oid::HALFVEC => halfvec::input(text)?,
        Oid::SPARSEVEC => sparsevec::input(text)?,
        Oid::RECORD => bail!(FEATURE_NOT_SUPPORTED, "input of anonymous composite types is not implemented"),
        Oid::INT2VECTOR => array::input_int_vector(text, Oid::INT2)?,
        Oid::OIDVECTOR => array::input_int_vector(text, Oid::OID)?,
        Oid::MONEY => Datum::Int8(money::input(text)?),
        Oid::TID => Datum::Int8(regtype::input_tid(text)?),
        Oid::PG_LSN => Datum::Int8(regtype::input_lsn(text)?),
        Oid::XID8 => Datum::Int8(regtype::input_xid8(text)?),
        Oid::VOID => Datum::text(""),
        Oid::INET | Oid::CIDR | Oid::MACADDR | Oid::POINT | Oid::TSVECTOR | Oid::TSQUERY | Oid::XML => {
            return Err(Error::unsupported(format!("type {}", ctx.lookup.type_name(ty.oid))));
        }
        oid if codec::is_oid_like(oid) => Datum::Oid(regtype::input(oid, text, ctx)?),
        oid if codec::is_text_like(oid) => Datum::text(text),
        oid => return input_by_kind(text, oid, ty, ctx),
    })
}

fn input_by_kind(text: &str, oid: Oid, ty: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    if let Some(element) = array::builtin_element(oid) {
        return array::input(text, SqlType::with(element, ty.typmod), ctx);
    }
    match ctx.lookup.user_type(oid) {
        Some(UserType::Array(element)) => array::input(text, SqlType::with(element, ty.typmod), ctx),
        Some(UserType::Enum) => ctx.lookup.enum_value(oid, text).map(Datum::Enum).ok_or_else(|| {
            crate::error!(
                INVALID_TEXT_REPRESENTATION,
                "invalid input value for enum {}: \"{text}\"",
                ctx.lookup.type_name(oid)
            )
        }),
        Some(UserType::Composite(columns)) => record::input(text, oid, &columns, ctx),
        Some(UserType::Domain(base)) => input(text, base, ctx),
        None => Err(Error::unsupported(format!("input of type {}", ctx.lookup.type_name(oid)))),
    }
}

/// Appends the text form of a value of type `oid`. NULL has none: callers write their own sign for it.
///
/// # Errors
/// `22008` for a date or time that the session's zone cannot express; `0A000` for a type without output.
pub fn output(datum: &Datum, oid: Oid, ctx: &IoContext<'_>, out: &mut String) -> Result<()> {
    match datum {
        Datum::Null => panic!("NULL has no text form"),
        Datum::Bool(value) => out.push(if *value { 't' } else { 'f' }),
        Datum::Int2(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Datum::Int4(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Datum::Int8(value) => match oid {
            Oid::MONEY => money::output(*value, out),
            Oid::PG_LSN => regtype::output_lsn(*value, out),
            Oid::TID => regtype::output_tid(*value, out),
            Oid::XID8 => out.push_str(itoa::Buffer::new().format(*value as u64)),
            _ => out.push_str(itoa::Buffer::new().format(*value)),
        },
        Datum::Float4(value) => float::output_f32(*value, ctx.format.extra_float_digits, out),
        Datum::Float8(value) => float::output_f64(*value, ctx.format.extra_float_digits, out),
        Datum::Numeric(value) => value.output(out),
        Datum::Text(value) => out.push_str(value),
        Datum::Char(value) => text::output_internal_char(*value, out),
        Datum::Bytea(value) => bytea::output(value, ctx.format.bytea_output, out),
        Datum::Uuid(value) => uuid::output(value, out),
        Datum::Date(value) => date::output(*value, ctx.format, out),
        Datum::Time(value) => time::output_time(*value, out),
        Datum::TimeTz(micros, zone) => time::output_timetz(*micros, *zone, out),
        Datum::Timestamp(value) => timestamp::output_timestamp(*value, ctx.format, out),
        Datum::Timestamptz(value) => timestamp::output_timestamptz(*value, ctx.format, out),
        Datum::Interval(value) => interval::output(value, ctx.format.interval_style, out),
        Datum::Jsonb(value) => json::output_jsonb(value, out),
        Datum::Array(value) => array::output(value, oid, ctx, out)?,
        Datum::Record(value) => record::output(value, ctx, out)?,
        Datum::Enum(value) => out.push_str(&value.label),
        Datum::Oid(value) => regtype::output(*value, oid, ctx, out),
        Datum::Bit(value) => bit::output(value, out),
        Datum::Vector(value) => vector::output(value, out),
        Datum::HalfVec(value) => halfvec::output(value, out),
        Datum::SparseVec(value) => sparsevec::output(value, out),
    }
    Ok(())
}

/// [`output`] into a new string.
///
/// # Errors
/// As [`output`].
pub fn to_text(datum: &Datum, oid: Oid, ctx: &IoContext<'_>) -> Result<String> {
    let mut out = String::new();
    output(datum, oid, ctx, &mut out)?;
    Ok(out)
}
