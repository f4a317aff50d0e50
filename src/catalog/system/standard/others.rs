//! Types, routines and character sets of `information_schema`.

use crate::catalog::builtin::{PG_COLLATION, ProcRow, builtin, raw_rows};
use crate::catalog::descriptor::{RelationDesc, TypeKind};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{Columned, builtin_schema, columned, database_name, schema_name, type_collation};
use crate::catalog::system::rowset::{RowSet, int, text, text_or_null, yes_no};
use crate::catalog::system::standard::facts;
use crate::types::{Datum, Oid, SqlType};

type Rows = Vec<Vec<Datum>>;

pub fn catalog_name(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["catalog_name"]);
    set.push([text(database_name(ctx.snapshot()))]);
    set.finish()
}

pub fn character_sets(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "character_set_name",
        "character_repertoire",
        "form_of_use",
        "default_collate_catalog",
        "default_collate_schema",
        "default_collate_name",
    ];
    let mut set = RowSet::new(desc, &columns);
    let database = database_name(ctx.snapshot());
    set.push([text("UTF8"), text("UCS"), text("UTF8"), text(database), text("pg_catalog"), text("C")]);
    set.finish()
}

pub fn collations(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["collation_catalog", "collation_schema", "collation_name", "pad_attribute"];
    let mut set = RowSet::new(desc, &columns);
    for row in raw_rows(PG_COLLATION) {
        set.push([text(database_name(ctx.snapshot())), text("pg_catalog"), text(row[1]), text("NO PAD")]);
    }
    set.finish()
}

fn user_tables(snapshot: &Snapshot) -> impl Iterator<Item = Columned<'_>> {
    columned(snapshot).into_iter().filter(|item| matches!(item.kind, 'r' | 'v') && item.oid >= Oid::FIRST_USER)
}

pub fn column_udt_usage(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns =
        ["udt_catalog", "udt_schema", "udt_name", "table_catalog", "table_schema", "table_name", "column_name"];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for item in user_tables(snapshot) {
        for column in item.columns.iter() {
            let (schema, name) = facts::udt(snapshot, snapshot.base_type(column.ty).oid);
            set.push([
                text(database),
                text(schema),
                text(name),
                text(database),
                text(schema_name(snapshot, item.schema)),
                text(item.name),
                text(&column.name),
            ]);
        }
    }
    set.finish()
}

pub fn domains(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let own = [
        "domain_catalog",
        "domain_schema",
        "domain_name",
        "domain_default",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "dtd_identifier",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &[&own[..], &facts::COLUMNS[..]].concat());
    for ty in snapshot.objects.types.values() {
        let TypeKind::Domain { base, default, .. } = &ty.kind else { continue };
        let (udt_schema, udt_name) = facts::udt(snapshot, base.oid);
        let mut row = vec![
            text(database),
            text(schema_name(snapshot, ty.schema)),
            text(&ty.name),
            text_or_null(default.as_ref()),
            text(database),
            text(udt_schema),
            text(udt_name),
            text("1"),
        ];
        row.extend(facts::values(snapshot, database, *base, type_collation(snapshot, base.oid)));
        set.push_vec(row);
    }
    set.finish()
}

/// Fields of composite types.
pub fn attributes(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let own = [
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "attribute_name",
        "ordinal_position",
        "is_nullable",
        "attribute_udt_catalog",
        "attribute_udt_schema",
        "attribute_udt_name",
        "dtd_identifier",
        "is_derived_reference_attribute",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &[&own[..], &facts::COLUMNS[..]].concat());
    for item in columned(snapshot).into_iter().filter(|item| item.kind == 'c') {
        for column in item.columns.iter() {
            let (schema, name) = facts::udt(snapshot, snapshot.base_type(column.ty).oid);
            let mut row = vec![
                text(database),
                text(schema_name(snapshot, item.schema)),
                text(item.name),
                text(&column.name),
                int(column.attnum),
                yes_no(true),
                text(database),
                text(schema),
                text(name),
                text(column.attnum.to_string()),
                yes_no(false),
            ];
            row.extend(facts::values(snapshot, database, column.ty, column.collation));
            set.push_vec(row);
        }
    }
    set.finish()
}

pub fn user_defined_types(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "user_defined_type_catalog",
        "user_defined_type_schema",
        "user_defined_type_name",
        "user_defined_type_category",
        "is_instantiable",
        "is_final",
        "ordering_form",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| item.kind == 'c') {
        set.push([
            text(database_name(snapshot)),
            text(schema_name(snapshot, item.schema)),
            text(item.name),
            text("STRUCTURED"),
            yes_no(true),
            Datum::Null,
            Datum::Null,
        ]);
    }
    set.finish()
}

/// The element types of columns that are arrays.
pub fn element_types(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "object_catalog",
        "object_schema",
        "object_name",
        "object_type",
        "collection_type_identifier",
        "data_type",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "dtd_identifier",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| matches!(item.kind, 'r' | 'v' | 'c')) {
        for column in item.columns.iter() {
            let Some(element) = snapshot.element_type(column.ty.oid) else { continue };
            let (schema, name) = facts::udt(snapshot, element);
            set.push([
                text(database),
                text(schema_name(snapshot, item.schema)),
                text(item.name),
                text(if item.kind == 'c' { "USER-DEFINED TYPE" } else { "TABLE" }),
                text(column.attnum.to_string()),
                text(facts::data_type(snapshot, SqlType::of(element))),
                text(database),
                text(schema),
                text(name),
                text(format!("a{}", column.attnum)),
            ]);
        }
    }
    set.finish()
}

/// Functions with the schema they show in; the extension's only where it is installed.
fn functions(snapshot: &Snapshot) -> impl Iterator<Item = (&'static ProcRow, Oid)> {
    builtin().procs.iter().filter_map(|row| Some((row, builtin_schema(snapshot, row.namespace)?)))
}

pub fn routines(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "specific_catalog",
        "specific_schema",
        "specific_name",
        "routine_catalog",
        "routine_schema",
        "routine_name",
        "routine_type",
        "data_type",
        "type_udt_catalog",
        "type_udt_schema",
        "type_udt_name",
        "dtd_identifier",
        "routine_body",
        "external_name",
        "external_language",
        "parameter_style",
        "is_deterministic",
        "sql_data_access",
        "is_null_call",
        "schema_level_routine",
        "max_dynamic_result_sets",
        "security_type",
        "as_locator",
        "is_udt_dependent",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for (row, schema) in functions(snapshot).filter(|(row, _)| matches!(row.kind, 'f' | 'p')) {
        let schema = schema_name(snapshot, schema);
        let (udt_schema, udt_name) = facts::udt(snapshot, row.result);
        set.push([
            text(database),
            text(schema),
            text(format!("{}_{}", row.name, row.oid)),
            text(database),
            text(schema),
            text(row.name),
            text("FUNCTION"),
            text(facts::data_type(snapshot, SqlType::of(row.result))),
            text(database),
            text(udt_schema),
            text(udt_name),
            text("0"),
            text("EXTERNAL"),
            text(row.source),
            text(if row.language == Oid(13) { "C" } else { "INTERNAL" }),
            text("GENERAL"),
            yes_no(row.volatility == 'i'),
            text("MODIFIES"),
            yes_no(row.strict),
            yes_no(true),
            int(0),
            text("INVOKER"),
            yes_no(false),
            yes_no(false),
        ]);
    }
    set.finish()
}

pub fn parameters(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "specific_catalog",
        "specific_schema",
        "specific_name",
        "ordinal_position",
        "parameter_mode",
        "is_result",
        "as_locator",
        "parameter_name",
        "data_type",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "dtd_identifier",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for (row, schema) in functions(snapshot) {
        let arguments = row.all_args.as_ref().unwrap_or(&row.args);
        for (at, ty) in arguments.iter().enumerate() {
            let mode = row.modes.as_ref().and_then(|modes| modes.get(at)).copied().unwrap_or('i');
            let name = row.arg_names.as_ref().and_then(|names| names.get(at)).filter(|name| !name.is_empty());
            let (udt_schema, udt_name) = facts::udt(snapshot, *ty);
            set.push([
                text(database),
                text(schema_name(snapshot, schema)),
                text(format!("{}_{}", row.name, row.oid)),
                int(at as i64 + 1),
                text(match mode {
                    'o' | 't' => "OUT",
                    'b' => "INOUT",
                    _ => "IN",
                }),
                yes_no(false),
                yes_no(false),
                text_or_null(name),
                text(facts::data_type(snapshot, SqlType::of(*ty))),
                text(database),
                text(udt_schema),
                text(udt_name),
                text((at + 1).to_string()),
            ]);
        }
    }
    set.finish()
}
