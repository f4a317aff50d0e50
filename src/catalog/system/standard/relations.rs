//! Tables, views, columns, sequences and schemata of `information_schema`.

use crate::catalog::describe;
use crate::catalog::descriptor::{ColumnDesc, RelationDesc, TypeKind};
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG, PG_TOAST, Snapshot};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{Columned, columned, database_name, role_name, schema_name, schema_owner};
use crate::catalog::system::rowset::{RowSet, int, text, text_or_null, yes_no};
use crate::catalog::system::standard::facts;
use crate::types::{Datum, Oid, SqlType};

type Rows = Vec<Vec<Datum>>;

pub fn tables(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["table_catalog", "table_schema", "table_name", "table_type", "is_insertable_into", "is_typed"];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| matches!(item.kind, 'r' | 'v')) {
        let kind = match (item.temporary, item.kind) {
            (true, _) => "LOCAL TEMPORARY",
            (false, 'r') => "BASE TABLE",
            (false, _) => "VIEW",
        };
        set.push([
            text(database),
            text(schema_name(snapshot, item.schema)),
            text(item.name),
            text(kind),
            yes_no(item.kind == 'r'),
            yes_no(false),
        ]);
    }
    set.finish()
}

pub fn views(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "table_catalog",
        "table_schema",
        "table_name",
        "view_definition",
        "check_option",
        "is_updatable",
        "is_insertable_into",
        "is_trigger_updatable",
        "is_trigger_deletable",
        "is_trigger_insertable_into",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| item.kind == 'v') {
        set.push([
            text(database_name(snapshot)),
            text(schema_name(snapshot, item.schema)),
            text(item.name),
            text_or_null(describe::view_def(ctx.names, item.oid)),
            text("NONE"),
            yes_no(false),
            yes_no(false),
            yes_no(false),
            yes_no(false),
            yes_no(false),
        ]);
    }
    set.finish()
}

pub fn view_table_usage(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["view_catalog", "view_schema", "view_name", "table_catalog", "table_schema", "table_name"];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for view in snapshot.objects.views.values() {
        for relation in view.depends_on.iter().filter_map(|needed| snapshot.relation(*needed)) {
            set.push([
                text(database),
                text(schema_name(snapshot, view.schema)),
                text(&view.name),
                text(database),
                text(schema_name(snapshot, snapshot.relation_schema(&relation))),
                text(relation.name()),
            ]);
        }
    }
    set.finish()
}

/// Columns of `columns` besides those about types.
const COLUMN_COLUMNS: [&str; 20] = [
    "table_catalog",
    "table_schema",
    "table_name",
    "column_name",
    "ordinal_position",
    "column_default",
    "is_nullable",
    "domain_catalog",
    "domain_schema",
    "domain_name",
    "udt_catalog",
    "udt_schema",
    "udt_name",
    "dtd_identifier",
    "is_self_referencing",
    "is_identity",
    "identity_cycle",
    "is_generated",
    "generation_expression",
    "is_updatable",
];
const IDENTITY_COLUMNS: [&str; 5] =
    ["identity_generation", "identity_start", "identity_increment", "identity_maximum", "identity_minimum"];

pub fn columns(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let names = [&COLUMN_COLUMNS[..], &IDENTITY_COLUMNS[..], &facts::COLUMNS[..]].concat();
    let mut set = RowSet::new(desc, &names);
    for item in columned(ctx.snapshot()).into_iter().filter(|item| matches!(item.kind, 'r' | 'v')) {
        for column in item.columns.iter() {
            set.push_vec(column_row(ctx, &item, column));
        }
    }
    set.finish()
}

/// Whether a type is a domain that refuses NULL, itself or by the domain it is over.
fn is_not_null_domain(snapshot: &Snapshot, ty: SqlType) -> bool {
    match snapshot.user_type(ty.oid).map(|found| &found.kind) {
        Some(TypeKind::Domain { base, not_null, .. }) => *not_null || is_not_null_domain(snapshot, *base),
        _ => false,
    }
}

fn column_row(ctx: &SystemContext<'_>, item: &Columned<'_>, column: &ColumnDesc) -> Vec<Datum> {
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let base = snapshot.base_type(column.ty);
    let domain = snapshot.user_type(column.ty.oid).filter(|_| base.oid != column.ty.oid);
    let (udt_schema, udt_name) = facts::udt(snapshot, base.oid);
    let sequence = column.identity.as_ref().and_then(|found| snapshot.objects.sequences.get(&found.sequence));
    let mut row = vec![
        text(database),
        text(schema_name(snapshot, item.schema)),
        text(item.name),
        text(&column.name),
        int(column.attnum),
        text_or_null(column.default.as_ref().filter(|_| column.generated.is_none())),
        yes_no(!column.not_null && !is_not_null_domain(snapshot, column.ty)),
        text_or_null(domain.map(|_| database)),
        text_or_null(domain.map(|found| schema_name(snapshot, found.schema))),
        text_or_null(domain.map(|found| &found.name)),
        text(database),
        text(udt_schema),
        text(udt_name),
        text(column.attnum.to_string()),
        yes_no(false),
        yes_no(column.identity.is_some()),
        yes_no(sequence.is_some_and(|found| found.cycle)),
        text(if column.generated.is_some() { "ALWAYS" } else { "NEVER" }),
        text_or_null(column.generated.as_ref()),
        yes_no(item.kind == 'r'),
    ];
    row.push(text_or_null(column.identity.as_ref().map(|found| if found.always { "ALWAYS" } else { "BY DEFAULT" })));
    let number = |value: Option<i64>| value.map_or(Datum::Null, |value| text(value.to_string()));
    row.push(number(sequence.map(|found| found.start)));
    row.push(number(sequence.map(|found| found.increment)));
    row.push(number(sequence.map(|found| found.max)));
    row.push(number(sequence.map(|found| found.min)));
    row.extend(facts::values(snapshot, database, column.ty, column.collation));
    row
}

pub fn sequences(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "sequence_catalog",
        "sequence_schema",
        "sequence_name",
        "data_type",
        "numeric_precision",
        "numeric_precision_radix",
        "numeric_scale",
        "start_value",
        "minimum_value",
        "maximum_value",
        "increment",
        "cycle_option",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for d in snapshot.objects.sequences.values().filter(|d| !d.internal) {
        let ty = SqlType::of(d.ty);
        set.push([
            text(database_name(snapshot)),
            text(schema_name(snapshot, d.schema)),
            text(&d.name),
            text(snapshot.type_text(ty)),
            facts::numeric(ty).0.map_or(Datum::Null, int),
            int(2),
            int(0),
            text(d.start.to_string()),
            text(d.min.to_string()),
            text(d.max.to_string()),
            text(d.increment.to_string()),
            yes_no(d.cycle),
        ]);
    }
    set.finish()
}

pub fn schemata(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &["catalog_name", "schema_name", "schema_owner"]);
    let fixed = [PG_CATALOG, INFORMATION_SCHEMA, PG_TOAST].map(|schema| (schema, FIRST_ROLE));
    let users = snapshot.objects.schemas.values().map(|schema| (schema.oid, schema_owner(snapshot, schema)));
    let mut add = |schema: Oid, owner: Oid| {
        let name = schema_name(snapshot, schema);
        set.push([text(database_name(snapshot)), text(name), text(role_name(snapshot, owner))]);
    };
    fixed.into_iter().chain(users).for_each(|(schema, owner)| add(schema, owner));
    set.finish()
}
