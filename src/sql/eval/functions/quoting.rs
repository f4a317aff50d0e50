//! Quoting identifiers and literals, and `format`.

use super::args::{cast_to_text, text, to_text};
use super::strings::check_length;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::{Datum, io};

/// Keywords that cannot stand unquoted everywhere a name can.
const QUOTED_KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// An identifier as it must be written: quoted unless it is a plain lower-case word and no keyword.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && QUOTED_KEYWORDS.binary_search(&name).is_err();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A string literal; with backslashes it becomes an escape string.
#[must_use]
pub fn quote_literal(value: &str) -> String {
    let escaped = value.contains('\\');
    let body = value.replace('\'', "''");
    if escaped { format!("E'{}'", body.replace('\\', "\\\\")) } else { format!("'{body}'") }
}

fn literal(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(to_text("NULL"));
    }
    Ok(to_text(quote_literal(&cast_to_text(&args[0], ctx.arg_type(0).oid, &ctx.io())?)))
}

/// One `%` directive of `format`.
struct Directive {
    position: Option<usize>,
    left: bool,
    width: Width,
    kind: char,
}

enum Width {
    None,
    Fixed(i32),
    /// The next argument, or the one at a place.
    Argument(Option<usize>),
}

fn unterminated<T>() -> Result<T> {
    Err(crate::error!(INVALID_PARAMETER_VALUE, "unterminated format() type specifier")
        .hint("For a single \"%\" use \"%%\"."))
}

/// Reads digits; `None` when there are none.
fn number(rest: &mut &str) -> Result<Option<i32>> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if end == 0 {
        return Ok(None);
    }
    let Ok(value) = rest[..end].parse() else {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range");
    };
    *rest = &rest[end..];
    if rest.is_empty() {
        return unterminated();
    }
    Ok(Some(value))
}

fn place(value: i32) -> Result<usize> {
    match usize::try_from(value) {
        Ok(0) | Err(_) => {
            bail!(INVALID_PARAMETER_VALUE, "format specifies argument 0, but arguments are numbered from 1")
        }
        Ok(place) => Ok(place),
    }
}

fn directive(rest: &mut &str) -> Result<Directive> {
    let mut found = Directive { position: None, left: false, width: Width::None, kind: ' ' };
    let leading = number(rest)?;
    let mut width = leading;
    if leading.is_some() && rest.starts_with('$') {
        found.position = Some(place(leading.unwrap_or(0))?);
        *rest = &rest[1..];
        width = None;
    }
    if width.is_none() {
        while let Some(after) = rest.strip_prefix('-') {
            found.left = true;
            *rest = after;
        }
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let at = number(rest)?;
            if let Some(at) = at {
                let Some(after) = rest.strip_prefix('$') else {
                    bail!(INVALID_PARAMETER_VALUE, "width argument position must be ended by \"$\"");
                };
                *rest = after;
                found.width = Width::Argument(Some(place(at)?));
            } else {
                found.width = Width::Argument(None);
            }
        } else if let Some(fixed) = number(rest)? {
            found.width = Width::Fixed(fixed);
        }
    } else if let Some(fixed) = width {
        found.width = Width::Fixed(fixed);
    }
    let Some(kind) = rest.chars().next() else { return unterminated() };
    *rest = &rest[kind.len_utf8()..];
    found.kind = kind;
    Ok(found)
}

/// The arguments of `format`, read in order or by place.
struct Arguments<'a> {
    ctx: &'a FnContext<'a>,
    values: &'a [Datum],
    next: usize,
}

impl Arguments<'_> {
    fn take(&mut self, position: Option<usize>) -> Result<usize> {
        let at = position.unwrap_or(self.next);
        self.next = at + 1;
        if at >= self.values.len() {
            bail!(INVALID_PARAMETER_VALUE, "too few arguments for format()");
        }
        Ok(at)
    }

    fn width(&mut self, width: &Width) -> Result<i32> {
        match width {
            Width::None => Ok(0),
            Width::Fixed(value) => Ok(*value),
            Width::Argument(position) => {
                let at = self.take(*position)?;
                match &self.values[at] {
                    Datum::Null => Ok(0),
                    Datum::Text(value) => crate::types::integer::input_i32(value),
                    other => i32::try_from(other.as_i64().unwrap_or(0))
                        .map_err(|_| crate::error!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")),
                }
            }
        }
    }

    fn shown(&mut self, position: Option<usize>, kind: char) -> Result<String> {
        let at = self.take(position)?;
        let value = &self.values[at];
        let text = match value {
            Datum::Null => None,
            value => Some(io::to_text(value, self.ctx.arg_type(at).oid, &self.ctx.io())?),
        };
        Ok(match (kind, text) {
            ('s', text) => text.unwrap_or_default(),
            ('I', Some(text)) => quote_identifier(&text),
            ('I', None) => bail!(NULL_VALUE_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier"),
            (_, Some(text)) => quote_literal(&text),
            (_, None) => "NULL".to_owned(),
        })
    }
}

fn format(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Datum::Text(template) = &args[0] else { return Ok(Datum::Null) };
    let mut arguments = Arguments { ctx, values: args, next: 1 };
    let mut out = String::new();
    let mut rest: &str = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.is_empty() {
            return unterminated();
        }
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let found = directive(&mut rest)?;
        if !matches!(found.kind, 's' | 'I' | 'L') {
            return Err(crate::error!(
                INVALID_PARAMETER_VALUE,
                "unrecognized format() type specifier \"{}\"",
                found.kind
            )
            .hint("For a single \"%\" use \"%%\"."));
        }
        let width = arguments.width(&found.width)?;
        let left = found.left || width < 0;
        let shown = arguments.shown(found.position, found.kind)?;
        let wanted = usize::try_from(width.unsigned_abs()).unwrap_or(0);
        check_length(wanted)?;
        let blanks = wanted.saturating_sub(shown.chars().count());
        if left {
            out.push_str(&shown);
        }
        out.extend(std::iter::repeat_n(' ', blanks));
        if !left {
            out.push_str(&shown);
        }
    }
    out.push_str(rest);
    Ok(to_text(out))
}

/// `string_to_table(value, separator [, null])`.
fn string_to_table(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let Datum::Text(value) = &args[0] else { return Ok(SetRows::column(Vec::new())) };
    if value.is_empty() {
        return Ok(SetRows::column(Vec::new()));
    }
    let null = args.get(2).and_then(Datum::as_text);
    let item = |part: &str| if Some(part) == null { Datum::Null } else { to_text(part) };
    Ok(SetRows::column(match args[1].as_text() {
        None => value.chars().map(|c| item(c.encode_utf8(&mut [0; 4]))).collect(),
        Some("") => vec![item(value)],
        Some(separator) => value.split(separator).map(item).collect(),
    }))
}

/// Functions by `prosrc` (by name for those of any type, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("quote_ident", |_, a| Ok(to_text(quote_identifier(text(&a[0]))))),
    ("quote_literal", literal),
    ("quote_nullable", literal),
    ("text_format", format),
    ("text_format_nv", format),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] =
    &[("text_to_table", string_to_table), ("text_to_table_null", string_to_table)];
