//! The shapes of `pg_catalog` and `information_schema` relations, as PostgreSQL 18 has them.
//!
//! A column of one of the domains of `information_schema` (`sql_identifier` and its kin) has the domain's base type
//! here: that is the type clients see on the wire, and values need no domain checks.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::{ColumnDesc, RelationDesc};
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG};
use crate::types::{Oid, SqlType};

struct Shapes {
    all: Vec<Arc<RelationDesc>>,
    by_name: HashMap<(Oid, &'static str), usize>,
    by_oid: HashMap<Oid, usize>,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(load);

fn load() -> Shapes {
    let mut all: Vec<RelationDesc> = Vec::new();
    for row in &builtin().system_columns {
        if all.last().is_none_or(|last| last.oid != row.relation) {
            let schema = if row.namespace == "pg_catalog" { PG_CATALOG } else { INFORMATION_SCHEMA };
            all.push(RelationDesc {
                oid: row.relation,
                schema,
                name: row.relation_name,
                kind: row.kind,
                columns: Vec::new(),
            });
        }
        let column = ColumnDesc {
            attnum: row.attnum,
            name: row.name.to_owned(),
            ty: base_of_domain(SqlType::with(row.type_oid, row.typmod)),
            not_null: row.not_null,
            default: None,
            generated: None,
            generated_virtual: false,
            identity: None,
            missing: None,
            collation: builtin().type_row(row.type_oid).map_or(Oid::NONE, |found| found.collation),
            storage: None,
            statistics: None,
            base: None,
        };
        all.last_mut().expect("pushed above").columns.push(column);
    }
    let all: Vec<Arc<RelationDesc>> = all.into_iter().map(Arc::new).collect();
    let by_name = all.iter().enumerate().map(|(at, desc)| ((desc.schema, desc.name), at)).collect();
    let by_oid = all.iter().enumerate().map(|(at, desc)| (desc.oid, at)).collect();
    Shapes { all, by_name, by_oid }
}

/// The base type of a domain of `information_schema`, by its fixed OID; other types unchanged.
fn base_of_domain(ty: SqlType) -> SqlType {
    match ty.oid.0 {
        12_435 => SqlType::of(Oid::INT4),
        12_438 => SqlType::of(Oid::VARCHAR),
        12_440 => SqlType::of(Oid::NAME),
        12_446 => SqlType::with(Oid::TIMESTAMPTZ, 2),
        12_448 => SqlType::with(Oid::VARCHAR, 3 + 4),
        _ => ty,
    }
}

/// A system relation by schema and name.
#[must_use]
pub fn relation(schema: Oid, name: &str) -> Option<&'static Arc<RelationDesc>> {
    // The key borrows for 'static; look the name up through the owned list instead.
    let shapes = &*SHAPES;
    let (key, at) = shapes.by_name.get_key_value(&(schema, intern(name)?))?;
    debug_assert_eq!(key.1, name);
    Some(&shapes.all[*at])
}

/// The static copy of a name that some system relation has.
fn intern(name: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashMap<String, &'static str>> =
        LazyLock::new(|| SHAPES.all.iter().map(|desc| (desc.name.to_owned(), desc.name)).collect());
    NAMES.get(name).copied()
}

/// A system relation by OID.
#[must_use]
pub fn relation_by_oid(oid: Oid) -> Option<&'static Arc<RelationDesc>> {
    SHAPES.by_oid.get(&oid).map(|at| &SHAPES.all[*at])
}

/// All system relations.
pub fn relations() -> impl Iterator<Item = &'static Arc<RelationDesc>> {
    SHAPES.all.iter()
}
