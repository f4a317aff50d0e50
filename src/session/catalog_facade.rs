//! Answers to what SQL functions ask about objects, from the statement's catalog: `pg_get_indexdef`, `obj_description`,
//! `pg_table_is_visible`, `to_regclass` and their kin. The texts themselves are made in `catalog::describe`.
//!
//! `None` is SQL NULL: almost every question about an object that does not exist is answered so.

use std::sync::Arc;

use crate::catalog::builtin::{PG_COLLATION, builtin, raw_rows};
use crate::catalog::descriptor::TypeKind;
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{PG_CATALOG, Relation};
use crate::catalog::{describe, signature, system};
use crate::common::quote_ident;
use crate::error::Result;
use crate::sql::binder::{self, Place};
use crate::sql::deparse::{deparse, deparse_pretty};
use crate::sql::eval::context::{CatalogQuestion, FunctionPart, ObjectClass};
use crate::types::array::ArrayValue;
use crate::types::io::TypeLookup;
use crate::types::{Datum, Oid, RecordValue, SqlType};

/// The answer to a question; `None` is NULL.
///
/// # Errors
/// `42P01` and `42703` for `pg_get_serial_sequence`; every other question has an answer.
pub fn catalog_answer(names: &Names, question: &CatalogQuestion<'_>) -> Result<Option<Datum>> {
    let text = |value: Option<String>| value.map(Datum::text);
    Ok(match *question {
        CatalogQuestion::IsVisible { class, object } => is_visible(names, class, object).map(Datum::Bool),
        CatalogQuestion::RoleName(oid) => Some(Datum::text(describe::role_name(names, oid))),
        CatalogQuestion::IndexDef { index, column, pretty } => {
            let print = |expr: &str, table: Oid| expression(names, expr, table, pretty);
            text(describe::index_def(names, index, column, pretty, &print))
        }
        CatalogQuestion::ConstraintDef { constraint, pretty } => {
            let print = |expr: &str, table: Oid| expression(names, expr, table, pretty);
            text(describe::constraint_def(names, constraint, &print))
        }
        CatalogQuestion::Expression { text, relation, pretty } => {
            Some(Datum::text(expression(names, text, relation, pretty)))
        }
        CatalogQuestion::ViewDef { view, pretty: _ } => text(describe::view_def(names, view)),
        CatalogQuestion::SerialSequence { table, column } => text(describe::serial_sequence(names, table, column)?),
        CatalogQuestion::Description { object, catalog, sub } => text(description(names, object, catalog, sub)),
        CatalogQuestion::Lookup { kind, name } => lookup(names, kind, name),
        CatalogQuestion::FunctionText { function, part } => text(function_text(names, function, part)),
        CatalogQuestion::IndexProperty { index, column, property } => {
            describe::index_property(names, index, column, property).map(Datum::Bool)
        }
        CatalogQuestion::SequenceParameters(oid) => sequence_parameters(names, oid),
        CatalogQuestion::EnumLabels(oid) => enum_labels(names, oid),
    })
}

/// A stored expression as this session prints it. The stored text has all parentheses and qualifies what is not in
/// `public`; a session with another path, or one that asks for pretty text, gets it bound and printed again. Text that is no
/// single expression over the relation's columns (an index's list, a domain's check) stays as it is.
fn expression(names: &Names, text: &str, relation: Oid, pretty: bool) -> String {
    let stored = Names::stored(Arc::clone(&names.snapshot));
    if !pretty && names.path.schemas == stored.path.schemas {
        return text.to_owned();
    }
    let columns = match names.snapshot.relation(relation) {
        Some(Relation::Table(table)) => table.columns.clone(),
        Some(Relation::View(view)) => view.columns.clone(),
        _ => return text.to_owned(),
    };
    let typed: Vec<(String, SqlType)> = columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
    let Ok(bound) = binder::bind_stored(text, &typed, None, &stored, Place::Check) else { return text.to_owned() };
    let column = |position: usize| quote_ident(&columns[position].name);
    if pretty { deparse_pretty(&bound, &column, names) } else { deparse(&bound, &column, names) }
}

/// Whether the object's bare name finds it; none when there is no such object.
fn is_visible(names: &Names, class: ObjectClass, object: Oid) -> Option<bool> {
    let rows = builtin();
    match class {
        ObjectClass::Relation | ObjectClass::Index => names.is_relation_visible(object),
        ObjectClass::Type => describe::is_type_visible(names, object),
        ObjectClass::Function => rows.proc_row(object).map(|row| describe::is_builtin_visible(names, row.namespace)),
        ObjectClass::Operator => {
            rows.operator_row(object).map(|row| describe::is_builtin_visible(names, row.namespace))
        }
        ObjectClass::OperatorClass => {
            let found = rows.opclasses.iter().find(|row| row.oid == object)?;
            Some(describe::is_builtin_visible(names, found.namespace))
        }
        ObjectClass::Collation => {
            let wanted = object.0.to_string();
            raw_rows(PG_COLLATION).any(|row| row[0] == wanted).then_some(true)
        }
        ObjectClass::Schema
        | ObjectClass::Database
        | ObjectClass::Role
        | ObjectClass::Constraint
        | ObjectClass::Expression => None,
    }
}

/// A comment; an unnamed catalog means any, as the old one-argument `obj_description` does.
fn description(names: &Names, object: Oid, catalog: &str, sub: i32) -> Option<String> {
    if catalog.is_empty() {
        let comments = &names.snapshot.objects.comments;
        let found = comments.iter().find(|((_, oid, number), _)| *oid == object && *number == sub);
        return found.map(|(_, text)| text.clone());
    }
    let class = system::relation(PG_CATALOG, catalog)?.oid;
    describe::comment(names, class, object, sub)
}

/// `to_regclass` and its kin: whatever `reg*` input would refuse is NULL.
fn lookup(names: &Names, kind: Oid, name: &str) -> Option<Datum> {
    let name = name.trim();
    if name == "-" {
        return Some(Datum::Oid(Oid::NONE));
    }
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse().ok().map(|number| Datum::Oid(Oid(number)));
    }
    names.reg_input(kind, name).ok().map(Datum::Oid)
}

fn function_text(names: &Names, function: Oid, part: FunctionPart) -> Option<String> {
    match part {
        FunctionPart::Definition => signature::definition(names, function),
        FunctionPart::Result => signature::result(names, function),
        FunctionPart::Arguments => signature::arguments(names, function),
        FunctionPart::IdentityArguments => signature::identity_arguments(names, function),
        // No function has a body in SQL-standard form.
        FunctionPart::Sql => None,
    }
}

fn sequence_parameters(names: &Names, oid: Oid) -> Option<Datum> {
    let Relation::Sequence(d) = names.snapshot.relation(oid)? else { return None };
    let fields = vec![
        (Oid::INT8, Datum::Int8(d.start)),
        (Oid::INT8, Datum::Int8(d.min)),
        (Oid::INT8, Datum::Int8(d.max)),
        (Oid::INT8, Datum::Int8(d.increment)),
        (Oid::BOOL, Datum::Bool(d.cycle)),
        (Oid::INT8, Datum::Int8(d.cache)),
        (Oid::OID, Datum::Oid(d.ty)),
    ];
    Some(Datum::Record(Arc::new(RecordValue { type_oid: Oid::RECORD, fields, names: None })))
}

fn enum_labels(names: &Names, oid: Oid) -> Option<Datum> {
    let TypeKind::Enum { labels } = &names.snapshot.user_type(oid)?.kind else { return None };
    let items = labels.iter().map(|label| Datum::text(label.label.as_str())).collect();
    Some(Datum::Array(Arc::new(ArrayValue::from_items(Oid::TEXT, items))))
}
