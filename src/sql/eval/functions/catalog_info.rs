//! Functions that tell about objects: definitions, descriptions, visibility, names and types.
//!
//! The catalog answers through [`crate::sql::eval::SessionFacade::catalog_answer`]; what OmenDB has no objects of (triggers, rules,
//! partitions) is NULL, as PostgreSQL says of an OID that names nothing.

use std::sync::Arc;

use super::args::{boolean, int4, oid, shared_text, text, to_text};
use crate::bail;
use crate::catalog::describe;
use crate::error::Result;
use crate::sql::eval::context::{CatalogQuestion, FunctionPart, ObjectClass};
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::array::ArrayValue;
use crate::types::io::UserType;
use crate::types::{Datum, Oid, RecordValue, SqlType, io, regtype, typmod};

fn ask(ctx: &FnContext<'_>, question: &CatalogQuestion<'_>) -> Result<Datum> {
    Ok(ctx.eval.session.catalog_answer(question)?.unwrap_or(Datum::Null))
}

fn visible(ctx: &FnContext<'_>, args: &[Datum], class: ObjectClass) -> Result<Datum> {
    ask(ctx, &CatalogQuestion::IsVisible { class, object: oid(&args[0]) })
}

/// The name of a type with its modifier; `None` is `format_type`'s NULL modifier, which drops length words.
fn type_text(ctx: &FnContext<'_>, ty: Oid, modifier: Option<i32>) -> String {
    if !ty.is_some() {
        return "-".to_owned();
    }
    let io = ctx.io();
    if let Some(element) = crate::types::array::builtin_element(ty).filter(|_| !is_vector_type(ty)) {
        return type_text(ctx, element, modifier) + "[]";
    }
    match (ty, modifier) {
        (Oid::BPCHAR, None) => return "character".to_owned(),
        (Oid::BIT, None) => return "bit".to_owned(),
        _ => {}
    }
    let is_pgvector = matches!(ty, Oid::VECTOR | Oid::HALFVEC | Oid::SPARSEVEC);
    match typmod::format_type(SqlType::with(ty, modifier.unwrap_or(-1))) {
        // The extension's types are qualified where its schema is not on the path.
        Some(name) if is_pgvector => {
            let dimensions = name.find('(').map_or("", |at| &name[at..]);
            return io.lookup.type_name(ty) + dimensions;
        }
        Some(name) => return name,
        None => {}
    }
    if let Some(UserType::Array(element)) = io.lookup.user_type(ty) {
        return type_text(ctx, element, modifier) + "[]";
    }
    let name = io.lookup.type_name(ty);
    if name.bytes().all(|byte| byte.is_ascii_digit()) { "???".to_owned() } else { name }
}

/// The two array types that print under their own names.
fn is_vector_type(ty: Oid) -> bool {
    matches!(ty, Oid::INT2VECTOR | Oid::OIDVECTOR)
}

fn format_type(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let modifier = if args[1].is_null() { None } else { Some(int4(&args[1])) };
    Ok(to_text(type_text(ctx, oid(&args[0]), modifier)))
}

fn type_of(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Oid(ctx.arg_type(0).oid))
}

/// `to_regclass` and its kin: NULL where the cast would fail.
fn to_reg(ctx: &FnContext<'_>, args: &[Datum], kind: Oid) -> Result<Datum> {
    let name = text(&args[0]);
    if name == "-" {
        return Ok(Datum::Oid(Oid::NONE));
    }
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(name.parse().map_or(Datum::Null, |number| Datum::Oid(Oid(number))));
    }
    ask(ctx, &CatalogQuestion::Lookup { kind, name })
}

fn role_name(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let role = oid(&args[0]);
    match ask(ctx, &CatalogQuestion::RoleName(role))? {
        Datum::Null => Ok(to_text(format!("unknown (OID={role})"))),
        name => Ok(name),
    }
}

fn index_def(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let column = args.get(1).map_or(0, int4);
    let pretty = args.get(2).is_some_and(boolean);
    ask(ctx, &CatalogQuestion::IndexDef { index: oid(&args[0]), column, pretty })
}

fn constraint_def(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let pretty = args.get(1).is_some_and(boolean);
    ask(ctx, &CatalogQuestion::ConstraintDef { constraint: oid(&args[0]), pretty })
}

fn view_def(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let view = match &args[0] {
        Datum::Text(name) => regtype::input(Oid::REGCLASS, name, &ctx.io())?,
        other => oid(other),
    };
    let pretty = match args.get(1) {
        Some(Datum::Bool(pretty)) => *pretty,
        Some(_) => true,
        None => false,
    };
    ask(ctx, &CatalogQuestion::ViewDef { view, pretty })
}

fn function_text(ctx: &FnContext<'_>, args: &[Datum], part: FunctionPart) -> Result<Datum> {
    ask(ctx, &CatalogQuestion::FunctionText { function: oid(&args[0]), part })
}

fn description(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let catalog = args.get(1).map_or("", text);
    ask(ctx, &CatalogQuestion::Description { object: oid(&args[0]), catalog, sub: 0 })
}

fn column_description(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    ask(ctx, &CatalogQuestion::Description { object: oid(&args[0]), catalog: "pg_class", sub: int4(&args[1]) })
}

fn index_property(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (column, property) = match args {
        [_, column, property] => (int4(column), text(property)),
        _ => (0, text(&args[1])),
    };
    ask(ctx, &CatalogQuestion::IndexProperty { index: oid(&args[0]), column, property })
}

fn describe_object(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    ask(ctx, &CatalogQuestion::Describe { class: oid(&args[0]), object: oid(&args[1]), sub: int4(&args[2]) })
}

fn method_property(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(describe::method_property(oid(&args[0]), text(&args[1])).map_or(Datum::Null, Datum::Bool))
}

fn serial_sequence(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    ask(ctx, &CatalogQuestion::SerialSequence { table: text(&args[0]), column: text(&args[1]) })
}

/// The types of an `oidvector`, as text.
fn types_of_vector(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Datum::Array(types) = &args[0] else { return Ok(Datum::Null) };
    let names: Vec<String> = types.items.iter().map(|item| type_text(ctx, oid(item), None)).collect();
    Ok(to_text(names.join(", ")))
}

/// Reads a value of a type that is given by its name; the error says why it is none.
fn try_input(ctx: &FnContext<'_>, value: &str, type_name: &str) -> Result<Option<crate::error::Error>> {
    let (bare, modifiers) = split_modifiers(type_name);
    let found = ask(ctx, &CatalogQuestion::Lookup { kind: Oid::REGTYPE, name: bare })?;
    let Datum::Oid(ty) = found else { bail!(UNDEFINED_OBJECT, "type \"{bare}\" does not exist") };
    let modifier = match modifiers {
        Some(modifiers) => typmod::parse_typmod(ty, &modifiers.split(',').map(str::trim).collect::<Vec<_>>())?,
        None => -1,
    };
    let ty = SqlType::with(ty, modifier);
    let read = io::input(value, ty, &ctx.io()).and_then(|value| typmod::coerce(value, ty, false));
    Ok(read.err())
}

/// INSERT, UPDATE and DELETE as bits of `pg_relation_is_updatable`.
const ALL_EVENTS: i32 = 8 | 4 | 16;

/// A type's name split from the modifiers in its parentheses.
fn split_modifiers(type_name: &str) -> (&str, Option<&str>) {
    match type_name.split_once('(') {
        Some((bare, rest)) => (bare.trim(), rest.trim_end().strip_suffix(')')),
        None => (type_name, None),
    }
}

/// `to_regtypemod('varchar(5)')`.
fn modifier_of_name(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (bare, modifiers) = split_modifiers(text(&args[0]));
    let Datum::Oid(ty) = ask(ctx, &CatalogQuestion::Lookup { kind: Oid::REGTYPE, name: bare })? else {
        return Ok(Datum::Null);
    };
    match modifiers {
        Some(modifiers) => {
            typmod::parse_typmod(ty, &modifiers.split(',').map(str::trim).collect::<Vec<_>>()).map(Datum::Int4)
        }
        None => Ok(Datum::Int4(-1)),
    }
}

fn input_is_valid(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(try_input(ctx, text(&args[0]), text(&args[1]))?.is_none()))
}

fn input_error(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let error = try_input(ctx, text(&args[0]), text(&args[1]))?;
    let field = |value: Option<String>| (Oid::TEXT, value.map_or(Datum::Null, to_text));
    let report = error.as_ref().map(crate::error::Error::report);
    let fields = vec![
        field(report.map(|report| report.message.clone())),
        field(report.and_then(|report| report.detail.clone())),
        field(report.and_then(|report| report.hint.clone())),
        field(report.map(|report| report.sqlstate.as_str().to_owned())),
    ];
    Ok(Datum::Record(Arc::new(RecordValue { type_oid: Oid::RECORD, fields, names: None })))
}

fn count_nulls(args: &[Datum], wanted: bool) -> Result<Datum> {
    let found = args.iter().filter(|value| value.is_null() == wanted).count();
    Ok(Datum::Int4(i32::try_from(found).unwrap_or(i32::MAX)))
}

fn collation_for(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    let ty = ctx.arg_type(0).oid;
    match ty {
        Oid::TEXT | Oid::VARCHAR | Oid::BPCHAR | Oid::UNKNOWN => Ok(to_text("\"default\"")),
        Oid::NAME => Ok(to_text("\"C\"")),
        _ => bail!(DATATYPE_MISMATCH, "collations are not supported by type {}", type_text(ctx, ty, None)),
    }
}

/// A stored expression as the session sees it; the stored text where nobody knows better.
fn expression(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let pretty = args.len() > 2 && boolean(&args[2]);
    let question = CatalogQuestion::Expression { text: text(&args[0]), relation: oid(&args[1]), pretty };
    match ctx.eval.session.catalog_answer(&question)? {
        Some(answer) => Ok(answer),
        None => Ok(Datum::Text(Arc::clone(shared_text(&args[0])))),
    }
}

fn null(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

fn yes(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

/// `pg_options_to_table({a=1,b})`.
fn options(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let Datum::Array(options) = &args[0] else { return Ok(SetRows::Rows(Vec::new())) };
    let rows = options.items.iter().filter_map(Datum::as_text).map(|option| match option.split_once('=') {
        Some((name, value)) => vec![to_text(name), to_text(value)],
        None => vec![to_text(option), Datum::Null],
    });
    Ok(SetRows::Rows(rows.collect()))
}

fn extensions(_: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    Ok(SetRows::Rows(vec![vec![
        to_text("vector"),
        to_text("0.8.5"),
        to_text("vector data type and ivfflat and hnsw access methods"),
    ]]))
}

fn no_rows(_: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    Ok(SetRows::Rows(Vec::new()))
}

/// The parts of a qualified name, folded and unquoted.
fn parse_ident(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let whole = text(&args[0]);
    let bad = |detail: Option<&str>| {
        let error = crate::error!(INVALID_PARAMETER_VALUE, "string is not a valid identifier: \"{whole}\"");
        Err(detail.map_or(error.clone(), |detail| error.detail(detail)))
    };
    let blank = |c: char| c.is_ascii_whitespace();
    let mut rest = whole.trim_start_matches(blank);
    let mut parts = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('"') {
            let mut name = String::new();
            rest = after;
            loop {
                let Some(at) = rest.find('"') else { return bad(Some("String has unclosed double quotes.")) };
                name.push_str(&rest[..at]);
                rest = &rest[at + 1..];
                let Some(after) = rest.strip_prefix('"') else { break };
                name.push('"');
                rest = after;
            }
            if name.is_empty() {
                return bad(Some("Quoted identifier must not be empty."));
            }
            parts.push(to_text(name));
        } else {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
            let end = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
            if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
                return match rest.chars().next() {
                    Some('.') => bad(Some("No valid identifier before \".\".")),
                    _ if !parts.is_empty() => bad(Some("No valid identifier after \".\".")),
                    _ => bad(None),
                };
            }
            parts.push(to_text(rest[..end].to_ascii_lowercase()));
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(blank);
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start_matches(blank),
            None if rest.is_empty() || !boolean(&args[1]) => break,
            None => return bad(None),
        }
    }
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(Oid::TEXT, parts))))
}

/// Functions by `prosrc` (by name for the description functions, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("format_type", format_type),
    ("pg_typeof", type_of),
    ("pg_basetype", |ctx, a| {
        Ok(match ctx.io().lookup.user_type(oid(&a[0])) {
            Some(UserType::Domain(base)) => Datum::Oid(base.oid),
            _ => a[0].clone(),
        })
    }),
    ("pg_collation_for", collation_for),
    ("text_regclass", |ctx, a| regtype::input(Oid::REGCLASS, text(&a[0]), &ctx.io()).map(Datum::Oid)),
    ("to_regclass", |ctx, a| to_reg(ctx, a, Oid::REGCLASS)),
    ("to_regtype", |ctx, a| to_reg(ctx, a, Oid::REGTYPE)),
    ("to_regproc", |ctx, a| to_reg(ctx, a, Oid::REGPROC)),
    ("to_regprocedure", |ctx, a| to_reg(ctx, a, Oid::REGPROCEDURE)),
    ("to_regoper", |ctx, a| to_reg(ctx, a, Oid::REGOPER)),
    ("to_regoperator", |ctx, a| to_reg(ctx, a, Oid::REGOPERATOR)),
    ("to_regnamespace", |ctx, a| to_reg(ctx, a, Oid::REGNAMESPACE)),
    ("to_regrole", |ctx, a| to_reg(ctx, a, Oid::REGROLE)),
    ("to_regcollation", |ctx, a| to_reg(ctx, a, Oid::REGCOLLATION)),
    ("pg_table_is_visible", |ctx, a| visible(ctx, a, ObjectClass::Relation)),
    ("pg_type_is_visible", |ctx, a| visible(ctx, a, ObjectClass::Type)),
    ("pg_function_is_visible", |ctx, a| visible(ctx, a, ObjectClass::Function)),
    ("pg_operator_is_visible", |ctx, a| visible(ctx, a, ObjectClass::Operator)),
    ("pg_opclass_is_visible", |ctx, a| visible(ctx, a, ObjectClass::OperatorClass)),
    ("pg_opfamily_is_visible", |ctx, a| visible(ctx, a, ObjectClass::OperatorClass)),
    ("pg_collation_is_visible", |ctx, a| visible(ctx, a, ObjectClass::Collation)),
    ("pg_conversion_is_visible", null),
    ("pg_statistics_obj_is_visible", null),
    ("pg_ts_config_is_visible", null),
    ("pg_ts_dict_is_visible", null),
    ("pg_ts_parser_is_visible", null),
    ("pg_ts_template_is_visible", null),
    ("pg_get_userbyid", role_name),
    ("pg_get_expr", expression),
    ("pg_get_expr_ext", expression),
    ("pg_get_indexdef", index_def),
    ("pg_get_indexdef_ext", index_def),
    ("pg_get_constraintdef", constraint_def),
    ("pg_get_constraintdef_ext", constraint_def),
    ("pg_get_viewdef", view_def),
    ("pg_get_viewdef_ext", view_def),
    ("pg_get_viewdef_wrap", view_def),
    ("pg_get_viewdef_name", view_def),
    ("pg_get_viewdef_name_ext", view_def),
    ("pg_get_serial_sequence", serial_sequence),
    ("pg_get_functiondef", |ctx, a| function_text(ctx, a, FunctionPart::Definition)),
    ("pg_get_function_result", |ctx, a| function_text(ctx, a, FunctionPart::Result)),
    ("pg_get_function_arguments", |ctx, a| function_text(ctx, a, FunctionPart::Arguments)),
    ("pg_get_function_identity_arguments", |ctx, a| function_text(ctx, a, FunctionPart::IdentityArguments)),
    ("pg_get_function_sqlbody", |ctx, a| function_text(ctx, a, FunctionPart::Sql)),
    ("pg_get_function_arg_default", null),
    ("pg_get_triggerdef", null),
    ("pg_get_triggerdef_ext", null),
    ("pg_get_ruledef", null),
    ("pg_get_ruledef_ext", null),
    ("pg_get_partkeydef", null),
    ("pg_get_partition_constraintdef", null),
    ("pg_get_statisticsobjdef", null),
    ("pg_get_statisticsobjdef_columns", null),
    ("pg_get_statisticsobjdef_expressions", null),
    ("pg_get_replica_identity_index", null),
    ("pg_get_acl", null),
    ("pg_partition_root", null),
    ("pg_relation_is_publishable", yes),
    ("pg_column_is_updatable", yes),
    ("pg_relation_is_updatable", |_, _| Ok(Datum::Int4(ALL_EVENTS))),
    ("to_regtypemod", modifier_of_name),
    ("obj_description", description),
    ("shobj_description", description),
    ("col_description", column_description),
    ("pg_describe_object", describe_object),
    ("pg_indexam_has_property", method_property),
    ("pg_index_has_property", index_property),
    ("pg_index_column_has_property", index_property),
    ("pg_sequence_parameters", |ctx, a| ask(ctx, &CatalogQuestion::SequenceParameters(oid(&a[0])))),
    ("oidvectortypes", types_of_vector),
    ("pg_input_is_valid", input_is_valid),
    ("pg_input_error_info", input_error),
    ("pg_num_nulls", |_, a| count_nulls(a, true)),
    ("pg_num_nonnulls", |_, a| count_nulls(a, false)),
    ("parse_ident", parse_ident),
    ("pg_database_collation_actual_version", null),
    ("pg_collation_actual_version", null),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("pg_options_to_table", options),
    ("pg_available_extensions", extensions),
    ("pg_partition_tree", no_rows),
    ("pg_partition_ancestors", no_rows),
    ("pg_tablespace_databases", no_rows),
    ("pg_prepared_xact", no_rows),
];
