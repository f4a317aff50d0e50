//! Constraints in `information_schema`.

use crate::catalog::descriptor::{AttNum, ForeignKey, ReferentialAction, RelationDesc, TableDesc};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::system::constraints::{Constraint, Demand, Owner, all, of_table};
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{database_name, schema_name};
use crate::catalog::system::rowset::{RowSet, int, text, text_or_null, yes_no};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// Catalog, schema and name of a constraint.
fn place(snapshot: &Snapshot, found: &Constraint<'_>) -> [Datum; 3] {
    [text(database_name(snapshot)), text(schema_name(snapshot, found.schema())), text(&found.name)]
}

/// Catalog, schema and name of a table.
fn table_place(snapshot: &Snapshot, table: &TableDesc) -> [Datum; 3] {
    [text(database_name(snapshot)), text(schema_name(snapshot, table.schema)), text(&table.name)]
}

fn column_name(table: &TableDesc, attnum: AttNum) -> &str {
    table.position_of(attnum).map_or("", |at| table.columns[at].name.as_str())
}

pub fn table_constraints(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "table_catalog",
        "table_schema",
        "table_name",
        "constraint_type",
        "is_deferrable",
        "initially_deferred",
        "enforced",
        "nulls_distinct",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let Owner::Table(table) = found.owner else { continue };
        let (kind, nulls_distinct) = match found.demand {
            Demand::PrimaryKey { .. } => ("PRIMARY KEY", Datum::Null),
            Demand::Unique { index, .. } => {
                let not_distinct = snapshot.index(index).is_some_and(|index| index.nulls_not_distinct);
                ("UNIQUE", yes_no(!not_distinct))
            }
            Demand::ForeignKey(_) => ("FOREIGN KEY", Datum::Null),
            Demand::Check { .. } | Demand::NotNull(_) => ("CHECK", Datum::Null),
        };
        let mut row = Vec::from(place(snapshot, &found));
        row.extend(table_place(snapshot, table));
        row.extend([text(kind), yes_no(found.deferrable), yes_no(found.deferred), yes_no(true), nulls_distinct]);
        set.push_vec(row);
    }
    set.finish()
}

pub fn key_column_usage(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "ordinal_position",
        "position_in_unique_constraint",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let Owner::Table(table) = found.owner else { continue };
        let key = match found.demand {
            Demand::PrimaryKey { .. } | Demand::Unique { .. } => None,
            Demand::ForeignKey(key) => Some(key),
            Demand::Check { .. } | Demand::NotNull(_) => continue,
        };
        for (attnum, position) in found.demand.columns().into_iter().zip(1_i64..) {
            let mut row = Vec::from(place(snapshot, &found));
            row.extend(table_place(snapshot, table));
            let target = key.and_then(|key| position_in_unique(snapshot, key, position));
            row.extend([text(column_name(table, attnum)), int(position), target.map_or(Datum::Null, int)]);
            set.push_vec(row);
        }
    }
    set.finish()
}

/// Where the referenced column stands in the unique index, 1-based.
fn position_in_unique(snapshot: &Snapshot, key: &ForeignKey, position: i64) -> Option<i64> {
    let column = *key.referenced_columns.get(usize::try_from(position - 1).ok()?)?;
    let index = snapshot.index(key.referenced_index)?;
    let columns = crate::catalog::system::indexes::key_columns(&index);
    columns.iter().position(|found| *found == column).map(|at| at as i64 + 1)
}

/// The constraint of a table that an index backs.
fn constraint_of_index(table: &TableDesc, wanted: Oid) -> Option<Constraint<'_>> {
    of_table(table).into_iter().find(|found| match found.demand {
        Demand::PrimaryKey { index, .. } | Demand::Unique { index, .. } => index == wanted,
        _ => false,
    })
}

fn rule(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::NoAction => "NO ACTION",
        ReferentialAction::Restrict => "RESTRICT",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    }
}

pub fn referential_constraints(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "unique_constraint_catalog",
        "unique_constraint_schema",
        "unique_constraint_name",
        "match_option",
        "update_rule",
        "delete_rule",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let Demand::ForeignKey(key) = found.demand else { continue };
        let mut row = Vec::from(place(snapshot, &found));
        let unique =
            snapshot.table(key.referenced_table).and_then(|table| constraint_of_index(table, key.referenced_index));
        match unique {
            Some(unique) => row.extend(place(snapshot, &unique)),
            None => row.extend([Datum::Null, Datum::Null, Datum::Null]),
        }
        let matching = if key.match_full { "FULL" } else { "NONE" };
        row.extend([text(matching), text(rule(key.on_update)), text(rule(key.on_delete))]);
        set.push_vec(row);
    }
    set.finish()
}

pub fn check_constraints(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["constraint_catalog", "constraint_schema", "constraint_name", "check_clause"];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let clause = match (found.demand, found.owner) {
            (Demand::Check { expr, .. }, _) => expr.to_owned(),
            (Demand::NotNull(attnum), Owner::Table(table)) => format!("{} IS NOT NULL", column_name(table, attnum)),
            (Demand::NotNull(_), Owner::Domain(_)) => "VALUE IS NOT NULL".to_owned(),
            _ => continue,
        };
        let mut row = Vec::from(place(snapshot, &found));
        row.push(text(clause));
        set.push_vec(row);
    }
    set.finish()
}

/// What a constraint uses: the columns of a key or check; of a foreign key, what it references.
fn used<'a>(snapshot: &'a Snapshot, found: &Constraint<'a>) -> Option<(&'a TableDesc, Vec<AttNum>)> {
    let Owner::Table(table) = found.owner else { return None };
    match found.demand {
        Demand::ForeignKey(key) => {
            Some((snapshot.table(key.referenced_table)?.as_ref(), key.referenced_columns.clone()))
        }
        _ => Some((table, found.demand.columns())),
    }
}

pub fn constraint_column_usage(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let Some((table, columns)) = used(snapshot, &found) else { continue };
        for attnum in columns {
            let mut row = Vec::from(table_place(snapshot, table));
            row.push(text(column_name(table, attnum)));
            row.extend(place(snapshot, &found));
            set.push_vec(row);
        }
    }
    set.finish()
}

pub fn constraint_table_usage(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns =
        ["table_catalog", "table_schema", "table_name", "constraint_catalog", "constraint_schema", "constraint_name"];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        if matches!(found.demand, Demand::Check { .. } | Demand::NotNull(_)) {
            continue;
        }
        if let Some((table, _)) = used(snapshot, &found) {
            let mut row = Vec::from(table_place(snapshot, table));
            row.extend(place(snapshot, &found));
            set.push_vec(row);
        }
    }
    set.finish()
}

pub fn domain_constraints(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "domain_catalog",
        "domain_schema",
        "domain_name",
        "is_deferrable",
        "initially_deferred",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for found in all(snapshot) {
        let Owner::Domain(ty) = found.owner else { continue };
        let mut row = Vec::from(place(snapshot, &found));
        row.extend([text(database_name(snapshot)), text_or_null(snapshot.schema_name(ty.schema)), text(&ty.name)]);
        row.extend([yes_no(false), yes_no(false)]);
        set.push_vec(row);
    }
    set.finish()
}
