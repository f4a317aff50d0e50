//! `pg_index`.

use crate::catalog::descriptor::{IndexDesc, IndexKey, IndexTarget, RelationDesc, TableDesc};
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::rowset::{RowSet, flag, int, oid, text, text_or_null, vector};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// INDOPTION_DESC.
const OPTION_DESC: i16 = 1;
/// INDOPTION_NULLS_FIRST.
const OPTION_NULLS_FIRST: i16 = 2;

/// indoption of a key.
fn option_bits(key: &IndexKey) -> i16 {
    let descending = if key.descending { OPTION_DESC } else { 0 };
    descending | if key.nulls_first { OPTION_NULLS_FIRST } else { 0 }
}

/// The table's columns that an index has, 0 where it has an expression; included columns last.
pub fn key_columns(index: &IndexDesc) -> Vec<i16> {
    let keys = index.keys.iter().map(|key| match key.target {
        IndexTarget::Column(attnum) => attnum,
        IndexTarget::Expr(_) => 0,
    });
    keys.chain(index.include.iter().copied()).collect()
}

/// The expressions of an index as pg_get_expr prints a list, none when it has none.
fn expressions(index: &IndexDesc) -> Option<String> {
    let list: Vec<&str> = index
        .keys
        .iter()
        .filter_map(|key| match &key.target {
            IndexTarget::Expr(expr) => Some(expr.as_str()),
            IndexTarget::Column(_) => None,
        })
        .collect();
    (!list.is_empty()).then(|| list.join(", "))
}

fn row(table: &TableDesc, index: &IndexDesc) -> Vec<Datum> {
    let deferrable = table.constraints.iter().any(|found| found.oid == index.constraint && found.deferrable);
    let oids = |of: fn(&IndexKey) -> Oid| vector(Oid::OID, index.keys.iter().map(|key| oid(of(key))).collect());
    vec![
        oid(index.oid),
        oid(index.table),
        int((index.keys.len() + index.include.len()) as i64),
        int(index.keys.len() as i64),
        flag(index.unique),
        flag(index.nulls_not_distinct),
        flag(index.primary),
        flag(!deferrable),
        flag(index.valid),
        flag(true),
        flag(true),
        vector(Oid::INT2, key_columns(index).into_iter().map(Datum::Int2).collect()),
        oids(|key| key.collation),
        oids(|key| key.opclass),
        vector(Oid::INT2, index.keys.iter().map(|key| Datum::Int2(option_bits(key))).collect()),
        text_or_null(expressions(index)),
        index.predicate.as_ref().map_or(Datum::Null, text),
    ]
}

pub fn pg_index(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "indexrelid",
        "indrelid",
        "indnatts",
        "indnkeyatts",
        "indisunique",
        "indnullsnotdistinct",
        "indisprimary",
        "indimmediate",
        "indisvalid",
        "indisready",
        "indislive",
        "indkey",
        "indcollation",
        "indclass",
        "indoption",
        "indexprs",
        "indpred",
    ];
    let mut set = RowSet::new(desc, &columns);
    for table in ctx.snapshot().objects.tables.values() {
        for index in &table.indexes {
            set.push_vec(row(table, index));
        }
    }
    set.finish()
}
