//! The views over tables, indexes and sequences: `pg_tables`, `pg_views`, `pg_indexes`, `pg_sequences`, `pg_stat_*`, `pg_statio_*`.
//! Counters are zero: the server does not count what its relations are used for.

use crate::catalog::describe;
use crate::catalog::descriptor::RelationDesc;
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG};
use crate::catalog::system::classes::has_foreign_keys;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{Columned, columned, role_name, schema_name};
use crate::catalog::system::rowset::{RowSet, flag, int, oid, text, text_or_null};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

pub fn pg_tables(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["schemaname", "tablename", "tableowner", "hasindexes", "hasrules", "hastriggers", "rowsecurity"];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| item.kind == 'r') {
        set.push([
            text(schema_name(snapshot, item.schema)),
            text(item.name),
            text(role_name(snapshot, item.owner)),
            flag(item.table.is_some_and(|table| !table.indexes.is_empty())),
            flag(false),
            flag(item.table.is_some_and(|table| has_foreign_keys(table, ctx))),
            flag(false),
        ]);
    }
    set.finish()
}

pub fn pg_views(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &["schemaname", "viewname", "viewowner", "definition"]);
    for item in columned(snapshot).into_iter().filter(|item| item.kind == 'v') {
        set.push([
            text(schema_name(snapshot, item.schema)),
            text(item.name),
            text(role_name(snapshot, item.owner)),
            text_or_null(describe::view_def(ctx.names, item.oid)),
        ]);
    }
    set.finish()
}

pub fn pg_indexes(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &["schemaname", "tablename", "indexname", "indexdef"]);
    for table in snapshot.objects.tables.values() {
        for index in &table.indexes {
            set.push([
                text(schema_name(snapshot, table.schema)),
                text(&table.name),
                text(&index.name),
                text_or_null(describe::index_def(ctx.names, index.oid, 0, false, &describe::as_stored)),
            ]);
        }
    }
    set.finish()
}

pub fn pg_sequences(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "schemaname",
        "sequencename",
        "sequenceowner",
        "data_type",
        "start_value",
        "min_value",
        "max_value",
        "increment_by",
        "cycle",
        "cache_size",
        "last_value",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for d in snapshot.objects.sequences.values() {
        set.push([
            text(schema_name(snapshot, d.schema)),
            text(&d.name),
            text(role_name(snapshot, d.owner)),
            oid(d.ty),
            int(d.start),
            int(d.min),
            int(d.max),
            int(d.increment),
            flag(d.cycle),
            int(d.cache),
            ctx.live.sequence_last_value(d.oid).map_or(Datum::Null, int),
        ]);
    }
    set.finish()
}

/// Which relations a statistics view lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    System,
    User,
}

impl Scope {
    fn has(self, schema: Oid) -> bool {
        let system = schema == PG_CATALOG || schema == INFORMATION_SCHEMA;
        match self {
            Self::All => true,
            Self::System => system,
            Self::User => !system,
        }
    }
}

/// A view of counters: the named columns per row, zero in every counter, NULL in times.
fn counters<'a>(desc: &'a RelationDesc, columns: &[&str]) -> RowSet<'a> {
    let mut set = RowSet::new(desc, columns);
    for column in &desc.columns {
        if !columns.contains(&column.name.as_str()) && matches!(column.ty.oid, Oid::INT8 | Oid::FLOAT8) {
            set.preset(&column.name, int(0));
        }
    }
    set
}

fn tables(desc: &RelationDesc, ctx: &SystemContext<'_>, scope: Scope) -> Rows {
    let snapshot = ctx.snapshot();
    let counts_rows = desc.columns.iter().any(|column| column.name == "n_live_tup");
    let mut columns = vec!["relid", "schemaname", "relname"];
    columns.extend(counts_rows.then_some("n_live_tup"));
    let mut set = counters(desc, &columns);
    let wanted = |item: &Columned<'_>| item.kind == 'r' && scope.has(item.schema);
    for item in columned(snapshot).into_iter().filter(wanted) {
        let mut row = vec![oid(item.oid), text(schema_name(snapshot, item.schema)), text(item.name)];
        if counts_rows {
            let rows = ctx.live.row_estimate(item.oid).unwrap_or(0.0);
            row.push(int(rows as i64));
        }
        set.push_vec(row);
    }
    set.finish()
}

fn indexes(desc: &RelationDesc, ctx: &SystemContext<'_>, scope: Scope) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = counters(desc, &["relid", "indexrelid", "schemaname", "relname", "indexrelname"]);
    for table in snapshot.objects.tables.values().filter(|table| scope.has(table.schema)) {
        for index in &table.indexes {
            set.push([
                oid(table.oid),
                oid(index.oid),
                text(schema_name(snapshot, table.schema)),
                text(&table.name),
                text(&index.name),
            ]);
        }
    }
    set.finish()
}

pub fn pg_stat_all_tables(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    tables(desc, ctx, Scope::All)
}

pub fn pg_stat_sys_tables(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    tables(desc, ctx, Scope::System)
}

pub fn pg_stat_user_tables(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    tables(desc, ctx, Scope::User)
}

pub fn pg_stat_all_indexes(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    indexes(desc, ctx, Scope::All)
}

pub fn pg_stat_sys_indexes(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    indexes(desc, ctx, Scope::System)
}

pub fn pg_stat_user_indexes(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    indexes(desc, ctx, Scope::User)
}

pub fn pg_statio_sequences(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = counters(desc, &["relid", "schemaname", "relname"]);
    for d in snapshot.objects.sequences.values() {
        set.push([oid(d.oid), text(schema_name(snapshot, d.schema)), text(&d.name)]);
    }
    set.finish()
}
