//! Descriptors for tests.

use std::sync::Arc;

use crate::catalog::descriptor::{ColumnDesc, IndexDesc, IndexKey, IndexTarget, StorageId, TableDesc};
use crate::types::{Oid, SqlType};

/// A table of nullable columns without indexes, OID and storage 100.
pub(crate) fn table(columns: &[(&str, Oid)]) -> TableDesc {
    let column = |(index, (name, oid)): (usize, &(&str, Oid))| ColumnDesc {
        attnum: index as i16 + 1,
        name: (*name).to_owned(),
        ty: SqlType::of(*oid),
        not_null: false,
        default: None,
        generated: None,
        generated_virtual: false,
        identity: None,
        missing: None,
        collation: Oid(0),
        storage: None,
        statistics: None,
        base: None,
    };
    TableDesc {
        oid: Oid(100),
        row_type: Oid(101),
        schema: Oid(2200),
        name: "t".to_owned(),
        owner: Oid(10),
        storage: StorageId(100),
        columns: columns.iter().enumerate().map(column).collect(),
        next_attnum: columns.len() as i16 + 1,
        constraints: Vec::new(),
        indexes: Vec::new(),
        temporary: false,
        unlogged: false,
        options: Vec::new(),
    }
}

/// Adds a btree index over columns by position; a primary key makes them NOT NULL.
pub(crate) fn add_index(table: &mut TableDesc, name: &str, positions: &[usize], unique: bool, primary: bool) {
    let number = 200 + table.indexes.len() as u32;
    let keys = positions
        .iter()
        .map(|position| IndexKey {
            target: IndexTarget::Column(table.columns[*position].attnum),
            ty: table.columns[*position].ty,
            opclass: Oid(0),
            collation: Oid(0),
            descending: false,
            nulls_first: false,
        })
        .collect();
    if primary {
        positions.iter().for_each(|position| table.columns[*position].not_null = true);
    }
    table.indexes.push(Arc::new(IndexDesc {
        oid: Oid(number),
        name: name.to_owned(),
        table: table.oid,
        storage: StorageId(number),
        method: Oid(403),
        keys,
        include: Vec::new(),
        unique,
        primary,
        nulls_not_distinct: false,
        predicate: None,
        options: Vec::new(),
        valid: true,
        constraint: Oid(0),
    }));
}
