//! `pg_type` and `pg_enum`.

use crate::catalog::builtin::{PG_TYPE, builtin};
use crate::catalog::descriptor::{RelationDesc, TypeDesc, TypeKind};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::builtin_rows::raw;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{columned, physical_facts, type_collation};
use crate::catalog::system::rowset::{RowSet, flag, int, letter, oid, text, text_or_null};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

const COLUMNS: &[&str] = &[
    "oid",
    "typname",
    "typnamespace",
    "typowner",
    "typlen",
    "typbyval",
    "typtype",
    "typcategory",
    "typrelid",
    "typsubscript",
    "typelem",
    "typarray",
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typalign",
    "typstorage",
    "typnotnull",
    "typbasetype",
    "typtypmod",
    "typcollation",
    "typdefaultbin",
    "typdefault",
];

/// What differs between the rows of user-defined types.
struct Row<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    owner: Oid,
    kind: char,
    category: char,
    relation: Oid,
    element: Oid,
    array: Oid,
    /// Names of the input, output, receive and send functions.
    functions: [&'static str; 4],
    not_null: bool,
    base: Oid,
    typmod: i32,
    default: Option<&'a str>,
}

const RECORD_IO: [&str; 4] = ["record_in", "record_out", "record_recv", "record_send"];
const ARRAY_IO: [&str; 4] = ["array_in", "array_out", "array_recv", "array_send"];
const ENUM_IO: [&str; 4] = ["enum_in", "enum_out", "enum_recv", "enum_send"];

impl<'a> Row<'a> {
    fn new(oid: Oid, name: &'a str, schema: Oid, owner: Oid, kind: char, category: char) -> Self {
        let functions = if kind == 'e' { ENUM_IO } else { RECORD_IO };
        Self {
            oid,
            name,
            schema,
            owner,
            kind,
            category,
            relation: Oid::NONE,
            element: Oid::NONE,
            array: Oid::NONE,
            functions,
            not_null: false,
            base: Oid::NONE,
            typmod: -1,
            default: None,
        }
    }
}

fn function(name: &str) -> Datum {
    oid(builtin().procs_named(name).next().map_or(Oid::NONE, |row| row.oid))
}

fn values(snapshot: &Snapshot, row: &Row<'_>) -> Vec<Datum> {
    let (len, by_value, align, storage) = physical_facts(snapshot, row.oid);
    let mut io: Vec<Datum> = row.functions.iter().map(|name| function(name)).collect();
    if let Some(base) = builtin().type_row(snapshot.base_type(crate::types::SqlType::of(row.oid)).oid) {
        // A domain is read by domain_in and written as its base type is.
        io = vec![function("domain_in"), oid(base.output), function("domain_recv"), oid(base.send)];
    }
    let subscript = if row.category == 'A' && row.kind == 'b' { "array_subscript_handler" } else { "" };
    let mut values = vec![
        oid(row.oid),
        text(row.name),
        oid(row.schema),
        oid(row.owner),
        int(len),
        flag(by_value),
        letter(row.kind),
        letter(row.category),
        oid(row.relation),
        function(subscript),
        oid(row.element),
        oid(row.array),
    ];
    values.append(&mut io);
    values.extend([
        letter(align),
        letter(storage),
        flag(row.not_null),
        oid(row.base),
        int(row.typmod),
        oid(type_collation(snapshot, row.oid)),
        text_or_null(row.default),
        text_or_null(row.default),
    ]);
    values
}

fn user_rows(snapshot: &Snapshot, ty: &TypeDesc, set: &mut RowSet<'_>) {
    let (category, _) = snapshot.category(ty.oid);
    let mut row = Row::new(ty.oid, &ty.name, ty.schema, ty.owner, 'b', category);
    row.array = ty.array_oid;
    match &ty.kind {
        TypeKind::Enum { .. } => {
            row.kind = 'e';
            row.functions = ENUM_IO;
        }
        TypeKind::Composite { .. } => {
            row.kind = 'c';
            row.relation = ty.oid;
        }
        TypeKind::Domain { base, not_null, default, .. } => {
            row.kind = 'd';
            row.not_null = *not_null;
            row.base = base.oid;
            row.typmod = base.typmod;
            row.default = default.as_deref();
        }
    }
    set.push_vec(values(snapshot, &row));
    if ty.array_oid.is_some() {
        let name = format!("_{}", ty.name);
        let mut row = Row::new(ty.array_oid, &name, ty.schema, ty.owner, 'b', 'A');
        row.element = ty.oid;
        row.functions = ARRAY_IO;
        set.push_vec(values(snapshot, &row));
    }
}

pub fn pg_type(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let presets = [("typowner", oid(FIRST_ROLE)), ("typisdefined", flag(true)), ("typtypmod", int(-1))];
    let element = desc.columns.iter().position(|column| column.name == "typelem").expect("pg_type has typelem");
    let mut rows = raw(desc, snapshot, PG_TYPE, &presets);
    // Arrays of row types of system relations, which are not types here.
    rows.retain(|row| match row[element] {
        Datum::Oid(found) => !found.is_some() || builtin().type_row(found).is_some(),
        _ => true,
    });
    let mut set = RowSet::new(desc, COLUMNS);
    set.preset("typisdefined", flag(true));
    set.preset("typdelim", letter(','));
    for ty in snapshot.objects.types.values() {
        user_rows(snapshot, ty, &mut set);
    }
    for relation in columned(snapshot).into_iter().filter(|relation| relation.row_type.is_some()) {
        if relation.kind != 'c' {
            let mut row = Row::new(relation.row_type, relation.name, relation.schema, relation.owner, 'c', 'C');
            row.relation = relation.oid;
            set.push_vec(values(snapshot, &row));
        }
    }
    rows.extend(set.finish());
    rows
}

pub fn pg_enum(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["oid", "enumtypid", "enumsortorder", "enumlabel"]);
    for ty in ctx.snapshot().objects.types.values() {
        if let TypeKind::Enum { labels } = &ty.kind {
            for label in labels {
                set.push([oid(label.oid), oid(ty.oid), Datum::Float4(label.sort_order), text(&label.label)]);
            }
        }
    }
    set.finish()
}
