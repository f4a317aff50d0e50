//! `pg_attribute` and `pg_attrdef`.

use crate::catalog::builtin::builtin;
use crate::catalog::describe;
use crate::catalog::descriptor::{ColumnDesc, IndexDesc, IndexTarget, RelationDesc, TableDesc};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{attrdef_oid, columned, physical_facts, type_collation};
use crate::catalog::system::rowset::{RowSet, flag, int, letter, oid, text};
use crate::types::{Datum, Oid, SqlType};

type Rows = Vec<Vec<Datum>>;

const COLUMNS: &[&str] = &[
    "attrelid",
    "attname",
    "atttypid",
    "attlen",
    "attnum",
    "atttypmod",
    "attndims",
    "attbyval",
    "attalign",
    "attstorage",
    "attnotnull",
    "atthasdef",
    "atthasmissing",
    "attidentity",
    "attgenerated",
    "attisdropped",
    "attcollation",
    "attstattarget",
];

/// The columns that every table has besides its own.
const SYSTEM_COLUMNS: &[(i64, &str, Oid)] = &[
    (-1, "ctid", Oid::TID),
    (-2, "xmin", Oid::XID),
    (-3, "cmin", Oid::CID),
    (-4, "xmax", Oid::XID),
    (-5, "cmax", Oid::CID),
    (-6, "tableoid", Oid::OID),
];

pub fn pg_attribute(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, COLUMNS);
    set.preset("attislocal", flag(true));
    for relation in columned(snapshot) {
        for column in relation.columns.iter() {
            set.push_vec(column_row(snapshot, relation.oid, column));
        }
        if let Some(table) = relation.table {
            dropped(table).for_each(|attnum| set.push_vec(dropped_row(table.oid, attnum)));
            for (attnum, name, ty) in SYSTEM_COLUMNS {
                set.push_vec(system_row(snapshot, table.oid, *attnum, name, *ty));
            }
        }
    }
    for table in snapshot.objects.tables.values() {
        for index in &table.indexes {
            index_rows(snapshot, table, index, &mut set);
        }
    }
    set.finish()
}

fn column_row(snapshot: &Snapshot, relation: Oid, column: &ColumnDesc) -> Vec<Datum> {
    let (len, by_value, align, storage) = physical_facts(snapshot, column.ty.oid);
    let identity = column.identity.as_ref().map_or('\0', |identity| if identity.always { 'a' } else { 'd' });
    let is_array = snapshot.element_type(column.ty.oid).is_some() && len == -1;
    vec![
        oid(relation),
        text(&column.name),
        oid(column.ty.oid),
        int(len),
        int(column.attnum),
        int(column.ty.typmod),
        int(i64::from(is_array && !matches!(column.ty.oid, Oid::INT2VECTOR | Oid::OIDVECTOR))),
        flag(by_value),
        letter(align),
        letter(column.storage.unwrap_or(storage)),
        flag(column.not_null),
        flag(column.default.is_some() || column.generated.is_some()),
        flag(column.missing.is_some()),
        letter(identity),
        letter(match (&column.generated, column.generated_virtual) {
            (Some(_), false) => 's',
            (Some(_), true) => 'v',
            (None, _) => '\0',
        }),
        flag(false),
        oid(column.collation),
        column.statistics.map_or(Datum::Null, int),
    ]
}

/// Numbers of columns that were dropped.
fn dropped(table: &TableDesc) -> impl Iterator<Item = i16> {
    (1..table.next_attnum).filter(|attnum| table.position_of(*attnum).is_none())
}

fn dropped_row(relation: Oid, attnum: i16) -> Vec<Datum> {
    let mut row = blank_row(relation, &format!("........pg.dropped.{attnum}........"), Oid::NONE, i64::from(attnum));
    row[COLUMNS.iter().position(|name| *name == "attisdropped").expect("is in the list")] = flag(true);
    row
}

fn system_row(snapshot: &Snapshot, relation: Oid, attnum: i64, name: &str, ty: Oid) -> Vec<Datum> {
    let (len, by_value, align, storage) = physical_facts(snapshot, ty);
    let mut row = blank_row(relation, name, ty, attnum);
    let facts = [int(len), flag(by_value), letter(align), letter(storage), flag(true)];
    for (name, value) in ["attlen", "attbyval", "attalign", "attstorage", "attnotnull"].iter().zip(facts) {
        row[COLUMNS.iter().position(|column| column == name).expect("is in the list")] = value;
    }
    row
}

/// A row with no facts about the type.
fn blank_row(relation: Oid, name: &str, ty: Oid, attnum: i64) -> Vec<Datum> {
    vec![
        oid(relation),
        text(name),
        oid(ty),
        int(0),
        int(attnum),
        int(-1),
        int(0),
        flag(false),
        letter('i'),
        letter('p'),
        flag(false),
        flag(false),
        flag(false),
        letter('\0'),
        letter('\0'),
        flag(false),
        oid(Oid::NONE),
        Datum::Null,
    ]
}

/// A key column is named for its column, an expression for its function; later ones of one name get a number.
fn index_rows(snapshot: &Snapshot, table: &TableDesc, index: &IndexDesc, set: &mut RowSet<'_>) {
    let mut names: Vec<String> = Vec::new();
    let mut add = |wanted: String, ty: SqlType, collation: Oid| {
        let attnum = names.len() as i16 + 1;
        let mut name = wanted.clone();
        let mut tries = 1;
        while names.contains(&name) {
            name = format!("{wanted}{tries}");
            tries += 1;
        }
        let column =
            ColumnDesc { collation, ..crate::catalog::system::objects::plain_column(attnum, &name, ty, false) };
        names.push(name);
        set.push_vec(column_row(snapshot, index.oid, &column));
    };
    let column_name =
        |attnum: i16| table.position_of(attnum).map_or_else(String::new, |at| table.columns[at].name.clone());
    for key in &index.keys {
        let name = match &key.target {
            IndexTarget::Column(attnum) => column_name(*attnum),
            IndexTarget::Expr(expr) => describe::expression_name(expr),
        };
        let stored =
            builtin().opclasses.iter().find(|row| row.oid == key.opclass).map_or(Oid::NONE, |row| row.key_type);
        let ty = if stored.is_some() && stored.0 != 2283 { SqlType::of(stored) } else { key.ty };
        add(name, ty, key.collation);
    }
    for attnum in &index.include {
        if let Some(at) = table.position_of(*attnum) {
            let column = &table.columns[at];
            add(column.name.clone(), column.ty, type_collation(snapshot, column.ty.oid));
        }
    }
}

pub fn pg_attrdef(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["oid", "adrelid", "adnum", "adbin"]);
    for relation in columned(ctx.snapshot()) {
        for column in relation.columns.iter() {
            if let Some(expr) = column.generated.as_ref().or(column.default.as_ref()) {
                let own = attrdef_oid(relation.oid, column.attnum);
                set.push([oid(own), oid(relation.oid), int(column.attnum), text(expr)]);
            }
        }
    }
    set.finish()
}
