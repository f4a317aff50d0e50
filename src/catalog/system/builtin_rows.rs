//! Relations that show the built-in rows as the data files have them.
//!
//! A file's header names the columns; each field is read by the type of its column. Rows that belong to the extension `vector`
//! (schema `nsp` other than `pg_catalog`, or an OID from 16384) show only in a database that has it, in the schema it is in.

use crate::catalog::builtin::{
    OMENDB_PROC, PG_AGGREGATE, PG_AM, PG_AMOP, PG_AMPROC, PG_CAST, PG_COLLATION, PG_LANGUAGE, PG_OPCLASS, PG_OPERATOR,
    PG_OPFAMILY, PG_PROC, PG_RANGE, builtin, raw_rows,
};
use crate::catalog::descriptor::RelationDesc;
use crate::catalog::snapshot::{PG_CATALOG, Snapshot};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{FIRST_NORMAL, builtin_schema, extension_schema};
use crate::catalog::system::rowset::{RowSet, array, flag, int, letter, oid, text, vector};
use crate::types::array::builtin_element;
use crate::types::column::{Physical, physical_of};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// Where a field of the file goes.
enum Place {
    /// Read as a value of this type.
    Value(Oid),
    /// The name of the schema.
    Schema,
    /// No column of the relation.
    Nowhere,
}

/// All rows of a file. `presets` are columns that the file leaves out.
pub fn raw(desc: &RelationDesc, snapshot: &Snapshot, data: &'static str, presets: &[(&str, Datum)]) -> Rows {
    let header: Vec<&str> = data.lines().next().unwrap_or("").split('\t').collect();
    let schema_column = desc.columns.iter().find(|column| column.name.ends_with("namespace"));
    let mut names = Vec::new();
    let mut places = Vec::new();
    for name in header {
        match desc.columns.iter().find(|column| column.name == name) {
            Some(column) => {
                names.push(name);
                places.push(Place::Value(column.ty.oid));
            }
            None if name == "nsp" => {
                names.push(schema_column.map_or("", |column| column.name.as_str()));
                places.push(Place::Schema);
            }
            None => places.push(Place::Nowhere),
        }
    }
    let mut set = RowSet::new(desc, &names);
    for (column, value) in presets {
        set.preset(column, value.clone());
    }
    let has_extension = extension_schema(snapshot).is_some();
    'rows: for fields in raw_rows(data) {
        let number = fields[0].parse::<u32>().unwrap_or(0);
        if number >= FIRST_NORMAL.0 && !has_extension {
            continue;
        }
        let mut values = Vec::with_capacity(names.len());
        for (field, place) in fields.iter().zip(&places) {
            match place {
                Place::Value(ty) => values.push(parse(field, *ty)),
                Place::Schema => match builtin_schema(snapshot, field) {
                    Some(schema) => values.push(oid(schema)),
                    None => continue 'rows,
                },
                Place::Nowhere => {}
            }
        }
        set.push_vec(values);
    }
    set.finish()
}

/// A field of a file as a value of a type. Functions stand by OID or, where the file has a name, by that.
fn parse(field: &'static str, ty: Oid) -> Datum {
    if field == "\\N" {
        return Datum::Null;
    }
    match physical_of(ty) {
        Physical::Bool => flag(field == "t"),
        Physical::Int16 | Physical::Int32 | Physical::Int64 | Physical::Float32 | Physical::Float64 => {
            int(field.parse::<i64>().unwrap_or(0))
        }
        Physical::UInt32 => oid(parse_oid(field)),
        Physical::Text => text(field),
        Physical::Bytes => match builtin_element(ty) {
            Some(element) => parse_list(field, element),
            None if ty == Oid::INTERNAL_CHAR => letter(field.chars().next().unwrap_or('\0')),
            None => Datum::Null,
        },
    }
}

fn parse_oid(field: &str) -> Oid {
    match field.parse::<u32>() {
        Ok(number) => Oid(number),
        Err(_) => builtin().procs_named(field).next().map_or(Oid::NONE, |row| row.oid),
    }
}

fn parse_list(field: &'static str, element: Oid) -> Datum {
    let Some(inner) = field.strip_prefix('{') else {
        let items = field.split(' ').filter(|item| !item.is_empty()).map(|item| parse(item, element));
        return vector(element, items.collect());
    };
    let inner = inner.trim_end_matches('}');
    let items = inner.split(',').filter(|_| !inner.is_empty());
    array(element, items.map(|item| parse(item.trim_matches('"'), element)).collect())
}

pub fn pg_aggregate(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let read_only = letter('r');
    raw(desc, ctx.snapshot(), PG_AGGREGATE, &[("aggfinalmodify", read_only.clone()), ("aggmfinalmodify", read_only)])
}

pub fn pg_am(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_AM, &[])
}

pub fn pg_amop(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_AMOP, &[])
}

pub fn pg_amproc(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_AMPROC, &[])
}

pub fn pg_cast(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_CAST, &[])
}

pub fn pg_collation(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_COLLATION, &[("collnamespace", oid(PG_CATALOG)), ("collowner", oid(FIRST_ROLE))])
}

pub fn pg_language(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_LANGUAGE, &[("lanowner", oid(FIRST_ROLE))])
}

pub fn pg_opclass(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_OPCLASS, &[("opcowner", oid(FIRST_ROLE))])
}

pub fn pg_operator(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_OPERATOR, &[("oprowner", oid(FIRST_ROLE))])
}

pub fn pg_opfamily(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_OPFAMILY, &[("opfowner", oid(FIRST_ROLE))])
}

pub fn pg_proc(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let presets = [("proowner", oid(FIRST_ROLE)), ("procost", int(1)), ("proparallel", letter('s'))];
    let mut rows = raw(desc, ctx.snapshot(), PG_PROC, &presets);
    rows.append(&mut raw(desc, ctx.snapshot(), OMENDB_PROC, &presets));
    rows
}

pub fn pg_range(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    raw(desc, ctx.snapshot(), PG_RANGE, &[])
}
