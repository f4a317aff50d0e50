//! `pg_describe_object`: an object in words, as messages about dependencies and psql's `\dx+` show it.
//!
//! The words are PostgreSQL's (catalog/objectaddress.c). An object that is not there has none.

use crate::catalog::builtin::{PG_AM, PG_CAST, PG_COLLATION, PG_LANGUAGE, PG_OPCLASS, PG_OPFAMILY, raw_rows};
use crate::catalog::descriptor::AttNum;
use crate::catalog::lookup::Names;
use crate::catalog::regnames;
use crate::catalog::snapshot::Relation;
use crate::catalog::system::constraints::{Owner, all};
use crate::catalog::system::objects::{
    CLASS_CONSTRAINT, CLASS_DATABASE, CLASS_DEFAULT, CLASS_EXTENSION, CLASS_FUNCTION, CLASS_RELATION, CLASS_ROLE,
    CLASS_RULE, CLASS_SCHEMA, CLASS_TYPE, attrdef_oid, builtin_schema, rule_oid,
};
use crate::common::quote_ident;
use crate::types::{Oid, SqlType};

const CLASS_METHOD: Oid = Oid(2601);
const CLASS_CAST: Oid = Oid(2605);
const CLASS_LANGUAGE: Oid = Oid(2612);
const CLASS_OPCLASS: Oid = Oid(2616);
const CLASS_OPERATOR: Oid = Oid(2617);
const CLASS_OPFAMILY: Oid = Oid(2753);
const CLASS_COLLATION: Oid = Oid(3456);

/// An object, or with `sub` one of its columns, in words; none when there is no such object.
#[must_use]
pub fn describe_object(names: &Names, class: Oid, object: Oid, sub: i32) -> Option<String> {
    let snapshot = &names.snapshot;
    let quoted = |name: &String| quote_ident(name);
    Some(match class {
        CLASS_RELATION => relation(names, object, sub)?,
        CLASS_TYPE => {
            snapshot.type_by_oid(object)?;
            format!("type {}", names.type_text(SqlType::of(object)))
        }
        CLASS_FUNCTION => format!("function {}", regnames::print(names, Oid::REGPROCEDURE, object)?),
        CLASS_OPERATOR => format!("operator {}", regnames::print(names, Oid::REGOPERATOR, object)?),
        CLASS_CAST => {
            let row = row_of(PG_CAST, object)?;
            let text = |at: usize| row[at].parse().map(|oid| names.type_text(SqlType::of(Oid(oid))));
            format!("cast from {} to {}", text(1).ok()?, text(2).ok()?)
        }
        CLASS_METHOD => format!("access method {}", row_of(PG_AM, object)?[1]),
        CLASS_OPCLASS => of_method(names, "class", &row_of(PG_OPCLASS, object)?)?,
        CLASS_OPFAMILY => of_method(names, "family", &row_of(PG_OPFAMILY, object)?)?,
        CLASS_LANGUAGE => format!("language {}", row_of(PG_LANGUAGE, object)?[1]),
        CLASS_COLLATION => format!("collation {}", quote_ident(row_of(PG_COLLATION, object)?[1])),
        CLASS_SCHEMA => format!("schema {}", quote_ident(snapshot.schema_name(object)?)),
        CLASS_EXTENSION => format!("extension {}", quoted(&snapshot.objects.extensions.get(&object)?.name)),
        CLASS_ROLE => format!("role {}", quoted(&snapshot.shared.roles.get(&object)?.name)),
        CLASS_DATABASE => format!("database {}", quoted(&snapshot.shared.databases.get(&object)?.name)),
        CLASS_CONSTRAINT => constraint(names, object)?,
        CLASS_DEFAULT => {
            let (table, attnum) = column_with_default(names, object)?;
            format!("default value for {}", relation(names, table, i32::from(attnum))?)
        }
        CLASS_RULE => {
            let view = snapshot.objects.views.keys().find(|view| rule_oid(**view) == object)?;
            format!("rule _RETURN on {}", relation(names, *view, 0)?)
        }
        _ => return None,
    })
}

/// A row of a data file by its OID.
fn row_of(data: &'static str, object: Oid) -> Option<Vec<&'static str>> {
    let wanted = object.0.to_string();
    raw_rows(data).find(|row| row[0] == wanted)
}

fn relation(names: &Names, object: Oid, sub: i32) -> Option<String> {
    let found = names.snapshot.relation(object)?;
    let kind = match &found {
        Relation::System(desc) if desc.kind == 'v' => "view",
        Relation::System(_) => "table",
        other => other.kind_name(),
    };
    let text = format!("{kind} {}", names.relation_text(&found));
    if sub == 0 {
        return Some(text);
    }
    let columns = match &found {
        Relation::Table(desc) => &desc.columns,
        Relation::View(desc) => &desc.columns,
        Relation::System(desc) => &desc.columns,
        Relation::Index(_) | Relation::Sequence(_) => return None,
    };
    let column = columns.iter().find(|column| i32::from(column.attnum) == sub)?;
    Some(format!("column {} of {text}", quote_ident(&column.name)))
}

/// An operator class or family: OID, method, name and schema stand first in its row.
fn of_method(names: &Names, what: &str, row: &[&'static str]) -> Option<String> {
    let method = row_of(PG_AM, Oid(row[1].parse().ok()?))?[1];
    let schema = builtin_schema(&names.snapshot, row[3])?;
    let name = match names.snapshot.schema_name(schema) {
        Some(text) if !names.path.schemas.contains(&schema) => format!("{}.{}", quote_ident(text), quote_ident(row[2])),
        _ => quote_ident(row[2]),
    };
    Some(format!("operator {what} {name} for access method {method}"))
}

fn constraint(names: &Names, object: Oid) -> Option<String> {
    let found = all(&names.snapshot).into_iter().find(|found| found.oid == object)?;
    let name = quote_ident(&found.name);
    Some(match found.owner {
        Owner::Table(table) => format!("constraint {name} on {}", relation(names, table.oid, 0)?),
        Owner::Domain(_) => format!("constraint {name}"),
    })
}

/// The column whose default has an OID.
fn column_with_default(names: &Names, object: Oid) -> Option<(Oid, AttNum)> {
    let tables = names.snapshot.objects.tables.values();
    tables
        .flat_map(|table| table.columns.iter().map(|column| (table.oid, column.attnum)))
        .find(|(table, attnum)| attrdef_oid(*table, *attnum) == object)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::builtin::builtin;
    use crate::catalog::store::FIRST_DATABASE;
    use crate::storage::MemoryKv;

    #[test]
    fn built_in_objects_have_words() {
        let catalog = Catalog::open(Arc::new(MemoryKv::new()), "postgres").expect("an empty store opens");
        let edit = catalog.edit(FIRST_DATABASE, false);
        let path = edit.snapshot.search_path(&["public".to_owned()], "postgres", None);
        let names = Names { snapshot: Arc::new(edit.snapshot.clone()), path };
        let int4 = builtin().procs_named("int4pl").next().expect("int4pl").oid;
        for (class, object, sub, words) in [
            (CLASS_TYPE, Oid::INT4, 0, Some("type integer")),
            (CLASS_FUNCTION, int4, 0, Some("function int4pl(integer,integer)")),
            (CLASS_OPERATOR, Oid(551), 0, Some("operator +(integer,integer)")),
            (CLASS_METHOD, Oid(403), 0, Some("access method btree")),
            (CLASS_OPCLASS, Oid(1978), 0, Some("operator class int4_ops for access method btree")),
            (CLASS_OPFAMILY, Oid(1976), 0, Some("operator family integer_ops for access method btree")),
            (CLASS_RELATION, Oid(1259), 0, Some("table pg_class")),
            (CLASS_RELATION, Oid(1259), 2, Some("column relname of table pg_class")),
            (CLASS_SCHEMA, Oid(11), 0, Some("schema pg_catalog")),
            (CLASS_RELATION, Oid(99_999_999), 0, None),
            (Oid(1), Oid(1), 0, None),
        ] {
            assert_eq!(describe_object(&names, class, object, sub).as_deref(), words, "{class} {object}");
        }
    }
}
