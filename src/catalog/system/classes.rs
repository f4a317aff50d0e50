//! `pg_class`, `pg_namespace`, `pg_sequence`, `pg_rewrite`.

use crate::catalog::descriptor::{ConstraintKind, IndexDesc, RelationDesc, TableDesc};
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG, PG_TOAST};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{Columned, columned, rule_oid, schema_owner};
use crate::catalog::system::rowset::{RowSet, flag, int, letter, oid, text, texts};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// Bytes in a page, for relpages.
const PAGE_BYTES: u64 = 8192;
/// The access method `heap`.
const HEAP: Oid = Oid(2);

const CLASS_COLUMNS: &[&str] = &[
    "oid",
    "relname",
    "relnamespace",
    "reltype",
    "relowner",
    "relam",
    "relfilenode",
    "relpages",
    "reltuples",
    "relhasindex",
    "relpersistence",
    "relkind",
    "relnatts",
    "relchecks",
    "relhasrules",
    "relhastriggers",
    "relreplident",
    "reloptions",
];

/// `WITH (...)` options as reloptions has them.
pub fn options(options: &[(String, String)]) -> Datum {
    if options.is_empty() {
        return Datum::Null;
    }
    texts(options.iter().map(|(name, value)| format!("{name}={value}")))
}

fn persistence(temporary: bool, unlogged: bool) -> Datum {
    letter(match (temporary, unlogged) {
        (true, _) => 't',
        (false, true) => 'u',
        (false, false) => 'p',
    })
}

pub fn pages(ctx: &SystemContext<'_>, relation: Oid) -> i64 {
    i64::try_from(ctx.live.relation_bytes(relation).div_ceil(PAGE_BYTES))
        .unwrap_or(i64::from(i32::MAX))
        .min(i64::from(i32::MAX))
}

fn checks(table: &TableDesc) -> usize {
    table.constraints.iter().filter(|constraint| matches!(constraint.kind, ConstraintKind::Check { .. })).count()
}

pub fn pg_class(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, CLASS_COLUMNS);
    set.preset("relispopulated", flag(true));
    for relation in columned(ctx.snapshot()) {
        set.push_vec(columned_row(&relation, ctx));
    }
    for table in ctx.snapshot().objects.tables.values() {
        for index in &table.indexes {
            set.push_vec(index_row(table, index, ctx));
        }
    }
    set.finish()
}

fn columned_row(relation: &Columned<'_>, ctx: &SystemContext<'_>) -> Vec<Datum> {
    let stored = matches!(relation.kind, 'r' | 'S');
    let table = relation.table;
    // Rows of system relations are made, not stored; statistics say that nothing was ever counted.
    let tuples = match (table, relation.kind) {
        (Some(table), _) => Datum::Float4(ctx.live.row_estimate(table.oid).unwrap_or(-1.0)),
        (None, 'S') => Datum::Float4(1.0),
        (None, 'r') => Datum::Float4(-1.0),
        _ => Datum::Float4(0.0),
    };
    vec![
        oid(relation.oid),
        text(relation.name),
        oid(relation.schema),
        oid(relation.row_type),
        oid(relation.owner),
        oid(if relation.kind == 'r' { HEAP } else { Oid::NONE }),
        oid(if stored { table.map_or(relation.oid, |table| Oid(table.storage.0)) } else { Oid::NONE }),
        int(table.map_or(0, |table| pages(ctx, table.oid))),
        tuples,
        flag(table.is_some_and(|table| !table.indexes.is_empty())),
        persistence(relation.temporary, table.is_some_and(|table| table.unlogged)),
        letter(relation.kind),
        int(table.map_or(relation.columns.len() as i64, |table| i64::from(table.next_attnum) - 1)),
        int(table.map_or(0, checks) as i64),
        flag(relation.kind == 'v'),
        flag(table.is_some_and(|table| has_foreign_keys(table, ctx))),
        letter(if relation.kind == 'r' && table.is_some() { 'd' } else { 'n' }),
        table.map_or(Datum::Null, |table| options(&table.options)),
    ]
}

/// PostgreSQL keeps foreign keys by triggers on both tables.
pub fn has_foreign_keys(table: &TableDesc, ctx: &SystemContext<'_>) -> bool {
    let references = |holder: &TableDesc, wanted: Oid| {
        holder.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::ForeignKey(key) if holder.oid == wanted || key.referenced_table == wanted)
        })
    };
    ctx.snapshot().objects.tables.values().any(|holder| references(holder, table.oid))
}

fn index_row(table: &TableDesc, index: &IndexDesc, ctx: &SystemContext<'_>) -> Vec<Datum> {
    vec![
        oid(index.oid),
        text(&index.name),
        oid(table.schema),
        oid(Oid::NONE),
        oid(table.owner),
        oid(index.method),
        oid(Oid(index.storage.0)),
        int(pages(ctx, index.oid)),
        Datum::Float4(ctx.live.row_estimate(table.oid).unwrap_or(0.0)),
        flag(false),
        persistence(table.temporary, table.unlogged),
        letter('i'),
        int((index.keys.len() + index.include.len()) as i64),
        int(0),
        flag(false),
        flag(false),
        letter('n'),
        options(&index.options),
    ]
}

pub fn pg_namespace(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["oid", "nspname", "nspowner"]);
    for (schema, name) in
        [(PG_CATALOG, "pg_catalog"), (INFORMATION_SCHEMA, "information_schema"), (PG_TOAST, "pg_toast")]
    {
        set.push([oid(schema), text(name), oid(FIRST_ROLE)]);
    }
    for schema in ctx.snapshot().objects.schemas.values() {
        set.push([oid(schema.oid), text(&schema.name), oid(schema_owner(ctx.snapshot(), schema))]);
    }
    set.finish()
}

pub fn pg_sequence(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["seqrelid", "seqtypid", "seqstart", "seqincrement", "seqmax", "seqmin", "seqcache", "seqcycle"];
    let mut set = RowSet::new(desc, &columns);
    for d in ctx.snapshot().objects.sequences.values() {
        set.push([
            oid(d.oid),
            oid(d.ty),
            int(d.start),
            int(d.increment),
            int(d.max),
            int(d.min),
            int(d.cache),
            flag(d.cycle),
        ]);
    }
    set.finish()
}

/// Views are rules in PostgreSQL; pg_dump finds what a view needs through them.
pub fn pg_rewrite(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["oid", "rulename", "ev_class", "ev_type", "ev_enabled", "is_instead", "ev_qual", "ev_action"];
    let mut set = RowSet::new(desc, &columns);
    for view in ctx.snapshot().objects.views.values() {
        set.push([
            oid(rule_oid(view.oid)),
            text("_RETURN"),
            oid(view.oid),
            letter('1'),
            letter('O'),
            flag(true),
            text("<>"),
            text(&view.query),
        ]);
    }
    set.finish()
}
