//! Answers to what SQL functions ask about objects, from the statement's catalog: `pg_get_indexdef`, `obj_description`,
//! `pg_table_is_visible`, `to_regclass` and their kin. The texts themselves are made in `catalog::describe`.
//!
//! `None` is SQL NULL: almost every question about an object that does not exist is answered so.

use std::sync::Arc;

use crate::catalog::acl::AclKind;
use crate::catalog::builtin::{PG_COLLATION, PG_OPFAMILY, builtin, raw_rows};
use crate::catalog::describe_object::describe_object;
use crate::catalog::descriptor::TypeKind;
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{PG_CATALOG, Relation};
use crate::catalog::{describe, signature, system};
use crate::common::quote_ident;
use crate::error::Result;
use crate::sql::ast::Query;
use crate::sql::binder::{self, Place};
use crate::sql::deparse::{HiddenExtension, deparse, deparse_pretty, deparse_query_for};
use crate::sql::eval::context::{CatalogQuestion, FunctionPart, ObjectClass};
use crate::sql::parser;
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
        CatalogQuestion::ColumnNumber { relation, name } => column_number(names, relation, name).map(Datum::Int2),
        CatalogQuestion::AclDefault { kind, owner } => AclKind::of_letter(kind)
            .map(|kind| system::privileges::acl_datum(&names.snapshot, &kind.default_acl(owner))),
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
        CatalogQuestion::ViewDef { view, pretty } => text(view_def(names, view, pretty)),
        CatalogQuestion::SerialSequence { table, column } => text(describe::serial_sequence(names, table, column)?),
        CatalogQuestion::Description { object, catalog, sub } => text(description(names, object, catalog, sub)),
        CatalogQuestion::Lookup { kind, name } => lookup(names, kind, name),
        CatalogQuestion::DatabaseNamed(name) => names.snapshot.database_named(name).map(|found| Datum::Oid(found.oid)),
        CatalogQuestion::FunctionText { function, part } => text(function_text(names, function, part)),
        CatalogQuestion::IndexProperty { index, column, property } => {
            describe::index_property(names, index, column, property).map(Datum::Bool)
        }
        CatalogQuestion::Describe { class, object, sub } => text(describe_object(names, class, object, sub)),
        CatalogQuestion::SequenceParameters(oid) => sequence_parameters(names, oid),
        CatalogQuestion::EnumLabels(oid) => enum_labels(names, oid),
    })
}

fn column_number(names: &Names, relation: Oid, name: &str) -> Option<i16> {
    let relation = names.snapshot.relation(relation)?;
    let columns = match &relation {
        Relation::Table(desc) => &desc.columns,
        Relation::View(desc) => &desc.columns,
        Relation::System(desc) => &desc.columns,
        _ => return None,
    };
    columns.iter().find(|column| column.name == name).map(|column| column.attnum)
}

/// A stored expression as this session prints it. The stored text has all parentheses and qualifies what is not in
/// `public`; a session with another path, or one that asks for pretty text, gets it bound and printed again. Text that is no
/// single expression over the relation's columns (an index's list, a domain's check) stays as it is.
fn expression(names: &Names, text: &str, relation: Oid, pretty: bool) -> String {
    let stored = Names::stored(Arc::clone(&names.snapshot));
    if !pretty && names.schema_to_show("public").is_none() && names.path.schemas == stored.path.schemas {
        return text.to_owned();
    }
    let Some(columns) = columns_of(names, relation) else { return text.to_owned() };
    let Ok(bound) = binder::bind_stored(text, &columns, None, &stored, Place::Check) else { return text.to_owned() };
    let is_domain = names.snapshot.user_type(relation).is_some();
    let column = |position: usize| if is_domain { "VALUE".to_owned() } else { quote_ident(&columns[position].0) };
    if pretty { deparse_pretty(&bound, &column, names) } else { deparse(&bound, &column, names) }
}

/// What an expression of a table, view or domain can name.
fn columns_of(names: &Names, owner: Oid) -> Option<Vec<(String, SqlType)>> {
    if let Some(TypeKind::Domain { base, .. }) = names.snapshot.user_type(owner).map(|ty| &ty.kind) {
        return Some(vec![("value".to_owned(), *base)]);
    }
    let columns = match names.snapshot.relation(owner)? {
        Relation::Table(table) => table.columns.clone(),
        Relation::View(view) => view.columns.clone(),
        _ => return None,
    };
    Some(columns.into_iter().map(|column| (column.name, column.ty)).collect())
}

/// A view's query as this session prints it.
fn view_def(names: &Names, view: Oid, pretty: bool) -> Option<String> {
    let stored = &names.snapshot.objects.views.get(&view)?.query;
    match parser::parse_query(stored) {
        Ok(query) => {
            let hidden = hidden_extension(names, &query);
            Some(format!("{};", deparse_query_for(&query, names, hidden.as_ref(), pretty)))
        }
        Err(_) => describe::view_def(names, view),
    }
}

/// What a view's text must qualify for this session: pg_dump, for one, reads it under an empty path.
fn hidden_extension(names: &Names, query: &Query) -> Option<HiddenExtension> {
    let schema = names.schema_to_show("public")?;
    let uses = binder::extension_uses(query, &Names::stored(Arc::clone(&names.snapshot))).unwrap_or_default();
    Some(HiddenExtension { schema, uses })
}

/// Whether the object's bare name finds it; none when there is no such object.
fn is_visible(names: &Names, class: ObjectClass, object: Oid) -> Option<bool> {
    let rows = builtin();
    match class {
        ObjectClass::Relation | ObjectClass::Index => names.is_relation_visible(object),
        ObjectClass::Type => describe::is_type_visible(names, object),
        ObjectClass::Function => rows.proc_row(object).map(|row| names.is_builtin_visible(row.namespace)),
        ObjectClass::Operator => rows.operator_row(object).map(|row| names.is_builtin_visible(row.namespace)),
        ObjectClass::OperatorClass => {
            // Families have this question too.
            let found = rows.opclasses.iter().find(|row| row.oid == object).map(|row| row.namespace);
            let family = || {
                let wanted = object.0.to_string();
                raw_rows(PG_OPFAMILY).find(|row| row[0] == wanted).map(|row| row[3])
            };
            Some(names.is_builtin_visible(found.or_else(family)?))
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

#[cfg(test)]
mod tests {
    use super::catalog_answer;
    use crate::catalog::system::tests::names;
    use crate::sql::eval::context::{CatalogQuestion, FunctionPart, ObjectClass};
    use crate::types::{Datum, Oid};

    fn text(question: &CatalogQuestion<'_>) -> Option<String> {
        match catalog_answer(&names(), question).expect("answers")? {
            Datum::Text(text) => Some(text.to_string()),
            Datum::Bool(value) => Some(value.to_string()),
            Datum::Oid(value) => Some(value.to_string()),
            other => Some(format!("{other:?}")),
        }
    }

    fn expression(text_of: &str, pretty: bool) -> String {
        let question = CatalogQuestion::Expression { text: text_of, relation: Oid(20_110), pretty };
        text(&question).expect("has a text")
    }

    #[test]
    fn expressions_print_as_psql_shows_them() {
        assert_eq!(expression("(price > (0)::numeric)", false), "(price > (0)::numeric)");
        assert_eq!(expression("(price > (0)::numeric)", true), "price > 0::numeric");
        assert_eq!(expression("'x'::character varying", true), "'x'::character varying");
        let check = CatalogQuestion::ConstraintDef { constraint: Oid(20_117), pretty: true };
        assert_eq!(text(&check).as_deref(), Some("CHECK (price >= 0::numeric)"));
        let index = CatalogQuestion::IndexDef { index: Oid(20_114), column: 0, pretty: true };
        assert_eq!(text(&index).as_deref(), Some("CREATE INDEX item_name ON app.item USING btree (lower(name::text))"));
    }

    #[test]
    fn names_and_comments_are_found() {
        let lookup = |kind, name| text(&CatalogQuestion::Lookup { kind, name });
        assert_eq!(lookup(Oid::REGCLASS, "app.item").as_deref(), Some("20110"));
        assert_eq!(lookup(Oid::REGCLASS, "item"), None);
        assert_eq!(lookup(Oid::REGTYPE, "vector").as_deref(), Some("16385"));
        assert_eq!(lookup(Oid::REGTYPE, "numeric(10,2)").as_deref(), Some("1700"));
        assert_eq!(lookup(Oid::REGTYPE, "nope"), None);
        let visible = |object| text(&CatalogQuestion::IsVisible { class: ObjectClass::Relation, object: Oid(object) });
        assert_eq!(visible(20_110).as_deref(), Some("false"));
        assert_eq!(visible(1259).as_deref(), Some("true"));
        assert_eq!(visible(1), None);
        let comment = |object, catalog, sub| text(&CatalogQuestion::Description { object: Oid(object), catalog, sub });
        assert_eq!(comment(20_110, "pg_class", 2).as_deref(), Some("the name"));
        assert_eq!(comment(20_110, "pg_class", 0), None);
        assert_eq!(comment(2200, "pg_namespace", 0).as_deref(), Some("standard public schema"));
        assert_eq!(text(&CatalogQuestion::RoleName(Oid(10))).as_deref(), Some("postgres"));
        assert_eq!(text(&CatalogQuestion::RoleName(Oid(11))).as_deref(), Some("unknown (OID=11)"));
    }

    #[test]
    fn signatures_read_as_postgresql_prints_them() {
        const JSON_EACH: &str = "from_json json, OUT key text, OUT value json";
        let names = names();
        for (name, args, arguments, identity, result) in [
            ("lower", 1, "text", "text", "text"),
            ("concat", 1, "VARIADIC \"any\"", "VARIADIC \"any\"", "text"),
            ("json_each", 1, JSON_EACH, JSON_EACH, "SETOF record"),
        ] {
            let mut found = crate::catalog::builtin::builtin().procs_named(name);
            let row = found.find(|row| row.args.len() == args).expect("there is such a function");
            let part = |part| {
                let question = CatalogQuestion::FunctionText { function: row.oid, part };
                match catalog_answer(&names, &question).expect("answers") {
                    Some(Datum::Text(text)) => text.to_string(),
                    other => panic!("expected a text, found {other:?}"),
                }
            };
            assert_eq!(part(FunctionPart::Arguments), arguments);
            assert_eq!(part(FunctionPart::IdentityArguments), identity);
            assert_eq!(part(FunctionPart::Result), result);
        }
    }
}
