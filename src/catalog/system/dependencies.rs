//! `pg_depend`, `pg_description`, `pg_shdescription`.
//!
//! Dependencies are computed from descriptors: what owned sequences, defaults, constraints, indexes and views need, and which built-in
//! rows belong to the extension `vector`. That is what clients read; DROP does not use it.

use std::sync::Arc;

use crate::catalog::builtin::{PG_AM, PG_CAST, PG_OPCLASS, PG_OPERATOR, PG_OPFAMILY, PG_PROC, builtin, raw_rows};
use crate::catalog::descriptor::{IndexTarget, RelationDesc, TableDesc};
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{PG_CATALOG, PUBLIC, Relation, Snapshot};
use crate::catalog::system::constraints::{Constraint, Demand, Owner, all};
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{
    CLASS_CONSTRAINT, CLASS_DATABASE, CLASS_DEFAULT, CLASS_EXTENSION, CLASS_FUNCTION, CLASS_RELATION, CLASS_ROLE,
    CLASS_RULE, CLASS_SCHEMA, CLASS_TYPE, FIRST_NORMAL, attrdef_oid, columned, rule_oid,
};
use crate::catalog::system::rowset::{RowSet, int, letter, oid, text};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// An object or one of its columns.
type Object = (Oid, Oid, i16);

struct Dependencies<'a> {
    set: RowSet<'a>,
}

impl Dependencies<'_> {
    fn add(&mut self, from: Object, to: Object, kind: char) {
        self.set.push([oid(from.0), oid(from.1), int(from.2), oid(to.0), oid(to.1), int(to.2), letter(kind)]);
    }
}

fn relation(relation: Oid) -> Object {
    (CLASS_RELATION, relation, 0)
}

pub fn pg_depend(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["classid", "objid", "objsubid", "refclassid", "refobjid", "refobjsubid", "deptype"];
    let mut out = Dependencies { set: RowSet::new(desc, &columns) };
    let snapshot = ctx.snapshot();
    for item in columned(snapshot).into_iter().filter(|item| item.oid.0 >= FIRST_NORMAL.0) {
        let class = if item.kind == 'c' { (CLASS_TYPE, item.oid, 0) } else { relation(item.oid) };
        out.add(class, (CLASS_SCHEMA, item.schema, 0), 'n');
        if item.row_type.is_some() && item.kind != 'c' {
            out.add((CLASS_TYPE, item.row_type, 0), relation(item.oid), 'i');
        }
        for column in item.columns.iter() {
            let element = snapshot.element_type(column.ty.oid).unwrap_or(column.ty.oid);
            if element.0 >= FIRST_NORMAL.0 {
                out.add((CLASS_RELATION, item.oid, column.attnum), (CLASS_TYPE, element, 0), 'n');
            }
        }
    }
    for ty in snapshot.objects.types.values() {
        out.add((CLASS_TYPE, ty.oid, 0), (CLASS_SCHEMA, ty.schema, 0), 'n');
        out.add((CLASS_TYPE, ty.array_oid, 0), (CLASS_TYPE, ty.oid, 0), 'i');
    }
    // What is stored is read as it was written, whatever the session's path: pg_dump's is empty.
    let stored = Names::stored(Arc::clone(&ctx.names.snapshot));
    for table in snapshot.objects.tables.values() {
        defaults(&stored, table, &mut out);
        indexes(table, &mut out);
    }
    for sequence in snapshot.objects.sequences.values() {
        if let Some((table, attnum)) = sequence.owned_by {
            let kind = if sequence.internal { 'i' } else { 'a' };
            out.add(relation(sequence.oid), (CLASS_RELATION, table, attnum), kind);
        }
    }
    for constraint in all(snapshot) {
        constraint_dependencies(&constraint, &mut out);
    }
    views(snapshot, &mut out);
    extension_members(snapshot, &mut out);
    out.set.finish()
}

/// A default needs its column and the sequence it calls.
fn defaults(names: &Names, table: &TableDesc, out: &mut Dependencies<'_>) {
    for column in &table.columns {
        let Some(expr) = column.generated.as_ref().or(column.default.as_ref()) else { continue };
        let own = (CLASS_DEFAULT, attrdef_oid(table.oid, column.attnum), 0);
        out.add(own, (CLASS_RELATION, table.oid, column.attnum), 'a');
        let called = expr.split_once("nextval('").and_then(|(_, rest)| rest.split_once("'::regclass"));
        if let Some(Ok(Relation::Sequence(sequence))) = called.map(|(name, _)| names.relation_named(name)) {
            out.add(own, relation(sequence.oid), 'n');
        }
    }
}

fn indexes(table: &TableDesc, out: &mut Dependencies<'_>) {
    for index in &table.indexes {
        if index.constraint.is_some() {
            out.add(relation(index.oid), (CLASS_CONSTRAINT, index.constraint, 0), 'i');
            continue;
        }
        let mut whole_table = index.predicate.is_some();
        for key in &index.keys {
            match key.target {
                IndexTarget::Column(attnum) => out.add(relation(index.oid), (CLASS_RELATION, table.oid, attnum), 'a'),
                IndexTarget::Expr(_) => whole_table = true,
            }
            if key.opclass.0 >= FIRST_NORMAL.0 {
                out.add(relation(index.oid), (Oid(2616), key.opclass, 0), 'n');
            }
        }
        for attnum in &index.include {
            out.add(relation(index.oid), (CLASS_RELATION, table.oid, *attnum), 'a');
        }
        if whole_table {
            out.add(relation(index.oid), relation(table.oid), 'a');
        }
    }
}

fn constraint_dependencies(found: &Constraint<'_>, out: &mut Dependencies<'_>) {
    let own = (CLASS_CONSTRAINT, found.oid, 0);
    match found.owner {
        Owner::Domain(ty) => out.add(own, (CLASS_TYPE, ty.oid, 0), 'a'),
        Owner::Table(table) => {
            let columns = found.demand.columns();
            if columns.is_empty() {
                out.add(own, relation(table.oid), 'a');
            }
            for attnum in columns {
                out.add(own, (CLASS_RELATION, table.oid, attnum), 'a');
            }
        }
    }
    if let Demand::ForeignKey(key) = found.demand {
        for attnum in &key.referenced_columns {
            out.add(own, (CLASS_RELATION, key.referenced_table, *attnum), 'n');
        }
        out.add(own, relation(key.referenced_index), 'n');
    }
}

/// A view is a rule on it; the rule needs what the query reads.
fn views(snapshot: &Snapshot, out: &mut Dependencies<'_>) {
    for view in snapshot.objects.views.values() {
        let rule = (CLASS_RULE, rule_oid(view.oid), 0);
        out.add(rule, relation(view.oid), 'i');
        out.add(rule, relation(view.oid), 'n');
        for needed in &view.depends_on {
            let object = if snapshot.relation(*needed).is_some() {
                relation(*needed)
            } else if snapshot.type_by_oid(*needed).is_some() {
                (CLASS_TYPE, *needed, 0)
            } else if builtin().proc_row(*needed).is_some() {
                (CLASS_FUNCTION, *needed, 0)
            } else {
                continue;
            };
            out.add(rule, object, 'n');
        }
    }
}

/// Built-in rows above PostgreSQL's own belong to the extension; array types belong to their element types.
fn extension_members(snapshot: &Snapshot, out: &mut Dependencies<'_>) {
    for extension in snapshot.objects.extensions.values() {
        let own = (CLASS_EXTENSION, extension.oid, 0);
        out.add(own, (CLASS_SCHEMA, extension.schema, 0), 'n');
        if extension.name != "vector" {
            continue;
        }
        for row in builtin().types.iter().filter(|row| row.oid.0 >= FIRST_NORMAL.0) {
            out.add((CLASS_TYPE, row.oid, 0), own, 'e');
            if row.category == 'A' {
                out.add((CLASS_TYPE, row.oid, 0), (CLASS_TYPE, row.element, 0), 'i');
            }
        }
        let catalogs = [
            (CLASS_FUNCTION, PG_PROC),
            (Oid(2617), PG_OPERATOR),
            (Oid(2605), PG_CAST),
            (Oid(2601), PG_AM),
            (Oid(2616), PG_OPCLASS),
            (Oid(2753), PG_OPFAMILY),
        ];
        for (class, data) in catalogs {
            let members = raw_rows(data).filter_map(|row| row[0].parse::<u32>().ok());
            for member in members.filter(|member| *member >= FIRST_NORMAL.0) {
                out.add((class, Oid(member), 0), own, 'e');
            }
        }
    }
}

/// What PostgreSQL itself comments on, when the user has not.
fn standard_comments(snapshot: &Snapshot) -> Vec<((Oid, Oid, i32), &'static str)> {
    let mut all = vec![
        ((CLASS_SCHEMA, PG_CATALOG, 0), "system catalog schema"),
        ((CLASS_SCHEMA, PUBLIC, 0), "standard public schema"),
    ];
    for extension in snapshot.objects.extensions.values().filter(|extension| extension.name == "vector") {
        let comment = "vector data type and ivfflat and hnsw access methods";
        all.push(((CLASS_EXTENSION, extension.oid, 0), comment));
    }
    all
}

/// The comment on an object or column of this database.
pub fn comment(snapshot: &Snapshot, class: Oid, object: Oid, sub: i32) -> Option<String> {
    if let Some(found) = snapshot.objects.comments.get(&(class, object, sub)) {
        return Some(found.clone());
    }
    let standard = standard_comments(snapshot).into_iter().find(|(key, _)| *key == (class, object, sub));
    standard.map(|(_, text)| text.to_owned())
}

pub fn pg_description(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["objoid", "classoid", "objsubid", "description"]);
    let comments = &ctx.snapshot().objects.comments;
    for ((class, object, sub), comment) in comments {
        if *class != CLASS_DATABASE && *class != CLASS_ROLE {
            set.push([oid(*object), oid(*class), int(*sub), text(comment)]);
        }
    }
    for (key, comment) in standard_comments(ctx.snapshot()) {
        if !comments.contains_key(&key) {
            set.push([oid(key.1), oid(key.0), int(key.2), text(comment)]);
        }
    }
    set.finish()
}

/// The comment on a database or role.
pub fn shared_comment(snapshot: &Snapshot, class: Oid, object: Oid) -> Option<String> {
    if let Some(found) = snapshot.objects.comments.get(&(class, object, 0)) {
        return Some(found.clone());
    }
    let database = snapshot.shared.databases.get(&object).filter(|_| class == CLASS_DATABASE)?;
    Some(
        match database.name.as_str() {
            "postgres" => "default administrative connection database",
            "template0" => "unmodifiable empty database",
            "template1" => "default template for new databases",
            _ => return None,
        }
        .to_owned(),
    )
}

pub fn pg_shdescription(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &["objoid", "classoid", "description"]);
    let databases = snapshot.shared.databases.keys().map(|object| (CLASS_DATABASE, *object));
    let roles = snapshot.shared.roles.keys().map(|object| (CLASS_ROLE, *object));
    for (class, object) in databases.chain(roles) {
        if let Some(comment) = shared_comment(snapshot, class, object) {
            set.push([oid(object), oid(class), text(comment)]);
        }
    }
    set.finish()
}
