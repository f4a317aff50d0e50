//! The texts PostgreSQL prints about objects: `pg_get_indexdef`, `pg_get_constraintdef` and their kin.
//!
//! The layout follows PostgreSQL's ruleutils, because clients parse these texts. Expressions come from descriptors, where they stand in
//! PostgreSQL's canonical (not pretty) form already. Functions answer `None` when there is no such object.

use crate::bail;
use crate::catalog::builtin::{PG_AM, PG_COLLATION, builtin, raw_rows};
use crate::catalog::descriptor::{AttNum, ForeignKey, IndexDesc, IndexKey, IndexTarget, ReferentialAction, TableDesc};
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{Relation, Snapshot, TypeRef};
use crate::catalog::system::constraints::{Constraint, Demand, Owner, all};
use crate::catalog::system::dependencies;
use crate::catalog::system::objects::{self, builtin_schema, type_collation};
use crate::catalog::vector_index;
use crate::common::{quote_ident, quote_literal};
use crate::error::Result;
use crate::types::Oid;

/// Prints an expression of a table (its canonical text and the table) as the session sees it.
pub type PrintExpr<'a> = &'a dyn Fn(&str, Oid) -> String;

/// The printer that leaves expressions as they are stored: every parenthesis, names outside `public` qualified.
#[must_use]
pub fn as_stored(expr: &str, _table: Oid) -> String {
    expr.to_owned()
}

/// The access method that has ASC, DESC and NULLS FIRST.
const BTREE: Oid = Oid(403);

/// A row of a data file by its OID, one field of it.
fn field_of(data: &'static str, oid: Oid, field: usize) -> Option<&'static str> {
    let wanted = oid.0.to_string();
    raw_rows(data).find(|row| row[0] == wanted).and_then(|row| row.get(field).copied())
}

/// The name of an access method.
#[must_use]
pub fn method_name(method: Oid) -> Option<&'static str> {
    field_of(PG_AM, method, 1)
}

/// The name of a collation.
#[must_use]
pub fn collation_name(collation: Oid) -> Option<&'static str> {
    field_of(PG_COLLATION, collation, 1)
}

/// A column's name, quoted.
fn column_text(table: &TableDesc, attnum: AttNum) -> String {
    table.position_of(attnum).map_or_else(String::new, |at| quote_ident(&table.columns[at].name))
}

fn column_list(table: &TableDesc, columns: &[AttNum]) -> String {
    columns.iter().map(|attnum| column_text(table, *attnum)).collect::<Vec<_>>().join(", ")
}

/// A relation's name with its schema always.
fn qualified(snapshot: &Snapshot, relation: &Relation) -> String {
    let name = quote_ident(relation.name());
    match snapshot.schema_name(snapshot.relation_schema(relation)) {
        Some(schema) => format!("{}.{name}", quote_ident(schema)),
        None => name,
    }
}

/// Whether canonical text is one call of a function, which stands in an index without parentheses.
fn is_call(expr: &str) -> bool {
    let mut rest = expr;
    loop {
        let length = if let Some(inside) = rest.strip_prefix('"') {
            inside.find('"').map_or(0, |end| end + 2)
        } else {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len())
        };
        if length == 0 {
            return false;
        }
        rest = &rest[length..];
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => break,
        }
    }
    rest.starts_with('(') && closing(rest) == Some(rest.len() - 1)
}

/// Where the parenthesis that opens `text` closes; strings and quoted names are skipped.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// The name PostgreSQL gives an index column that is an expression: its function's or, under casts, its column's name,
/// else `expr`.
#[must_use]
pub fn expression_name(expr: &str) -> String {
    let head = expr.split('(').next().unwrap_or("");
    if is_call(expr) {
        let name = head.rsplit('.').next().unwrap_or(head);
        return name
            .strip_prefix('"')
            .map_or_else(|| name.to_lowercase(), |quoted| quoted.trim_matches('"').to_owned());
    }
    if expr.trim_start().starts_with("CASE") {
        return "case".to_owned();
    }
    if let Some(end) = closing(expr).filter(|_| expr.starts_with('('))
        && expr[end + 1..].starts_with("::")
    {
        let inner = &expr[1..end];
        let is_name = inner.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '"');
        return if is_name { inner.trim_matches('"').to_owned() } else { expression_name(inner) };
    }
    "expr".to_owned()
}

fn key_target(table: &TableDesc, key: &IndexKey, print: PrintExpr<'_>) -> String {
    match &key.target {
        IndexTarget::Column(attnum) => column_text(table, *attnum),
        IndexTarget::Expr(expr) => {
            let expr = print(expr, table.oid);
            if is_call(&expr) { expr } else { format!("({expr})") }
        }
    }
}

/// The operator class, when it is not the one that would be taken anyway.
fn opclass_text(names: &Names, index: &IndexDesc, key: &IndexKey) -> Option<String> {
    let row = builtin().opclasses.iter().find(|row| row.oid == key.opclass)?;
    let base = names.snapshot.base_type(key.ty).oid;
    let is_default =
        row.is_default && (row.input == base || default_opclass(&names.snapshot, index.method, base) == Some(row.oid));
    if is_default {
        return None;
    }
    let schema = builtin_schema(&names.snapshot, row.namespace)?;
    if names.path.schemas.contains(&schema) {
        return Some(quote_ident(row.name));
    }
    Some(format!("{}.{}", quote_ident(names.snapshot.schema_name(schema)?), quote_ident(row.name)))
}

/// The default operator class for a type, by way of the types it counts as.
fn default_opclass(snapshot: &Snapshot, method: Oid, ty: Oid) -> Option<Oid> {
    let stands_for = match ty {
        Oid::VARCHAR => Oid::TEXT,
        Oid::CIDR => Oid::INET,
        other => match snapshot.category(other).0 {
            'A' => Oid::ANYARRAY,
            'E' => Oid::ANYENUM,
            'C' => Oid::RECORD,
            _ => other,
        },
    };
    builtin().default_opclass(method, stands_for).map(|row| row.oid)
}

fn key_text(names: &Names, table: &TableDesc, index: &IndexDesc, key: &IndexKey, print: PrintExpr<'_>) -> String {
    let mut out = key_target(table, key, print);
    let own = match key.target {
        IndexTarget::Column(attnum) => table.position_of(attnum).map(|at| table.columns[at].collation),
        IndexTarget::Expr(_) => None,
    };
    let own = own.unwrap_or_else(|| type_collation(&names.snapshot, key.ty.oid));
    if key.collation.is_some() && key.collation != own {
        let name = collation_name(key.collation).unwrap_or("default");
        out.push_str(&format!(" COLLATE {}", quote_ident(name)));
    }
    if let Some(opclass) = opclass_text(names, index, key) {
        out.push(' ');
        out.push_str(&opclass);
    }
    if index.method == BTREE {
        out.push_str(match (key.descending, key.nulls_first) {
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
            (false, true) => " NULLS FIRST",
            (false, false) => "",
        });
    }
    out
}

/// `WITH (...)` options as PostgreSQL prints them: values quoted unless they are plain names.
fn options_text(options: &[(String, String)]) -> String {
    let item = |(name, value): &(String, String)| {
        let value = if quote_ident(value) == *value { value.clone() } else { quote_literal(value) };
        format!("{}={value}", quote_ident(name))
    };
    options.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// `pg_get_indexdef(index, column, pretty)`; column 0 is the whole statement.
#[must_use]
pub fn index_def(names: &Names, index: Oid, column: i32, pretty: bool, print: PrintExpr<'_>) -> Option<String> {
    let index = names.snapshot.index(index)?;
    let table = names.snapshot.table(index.table)?;
    if column != 0 {
        return Some(index_column(table, &index, column, print));
    }
    let relation = Relation::Table(table.clone());
    let target = if pretty { names.relation_text(&relation) } else { qualified(&names.snapshot, &relation) };
    let keys: Vec<String> = index.keys.iter().map(|key| key_text(names, table, &index, key, print)).collect();
    let mut out = format!(
        "CREATE {}INDEX {} ON {target} USING {} ({})",
        if index.unique { "UNIQUE " } else { "" },
        quote_ident(&index.name),
        method_name(index.method).unwrap_or("btree"),
        keys.join(", ")
    );
    if !index.include.is_empty() {
        out.push_str(&format!(" INCLUDE ({})", column_list(table, &index.include)));
    }
    if index.nulls_not_distinct {
        out.push_str(" NULLS NOT DISTINCT");
    }
    if !index.options.is_empty() {
        out.push_str(&format!(" WITH ({})", options_text(&index.options)));
    }
    if let Some(predicate) = &index.predicate {
        out.push_str(&format!(" WHERE {}", print(predicate, table.oid)));
    }
    Some(out)
}

/// One column of an index; the empty text past the last one.
fn index_column(table: &TableDesc, index: &IndexDesc, column: i32, print: PrintExpr<'_>) -> String {
    let Ok(at) = usize::try_from(column - 1) else { return String::new() };
    match index.keys.get(at) {
        Some(key) => key_target(table, key, print),
        None => index.include.get(at - index.keys.len()).map_or_else(String::new, |attnum| column_text(table, *attnum)),
    }
}

fn action_text(action: ReferentialAction) -> Option<&'static str> {
    match action {
        ReferentialAction::NoAction => None,
        ReferentialAction::Restrict => Some("RESTRICT"),
        ReferentialAction::Cascade => Some("CASCADE"),
        ReferentialAction::SetNull => Some("SET NULL"),
        ReferentialAction::SetDefault => Some("SET DEFAULT"),
    }
}

fn foreign_key_text(names: &Names, table: &TableDesc, key: &ForeignKey) -> String {
    let referenced = names.snapshot.table(key.referenced_table);
    let target = referenced.map_or_else(String::new, |found| names.relation_text(&Relation::Table(found.clone())));
    let columns = referenced.map_or_else(String::new, |found| column_list(found, &key.referenced_columns));
    let mut out = format!("FOREIGN KEY ({}) REFERENCES {target}({columns})", column_list(table, &key.columns));
    if key.match_full {
        out.push_str(" MATCH FULL");
    }
    if let Some(action) = action_text(key.on_update) {
        out.push_str(&format!(" ON UPDATE {action}"));
    }
    if let Some(action) = action_text(key.on_delete) {
        out.push_str(&format!(" ON DELETE {action}"));
        if !key.on_delete_columns.is_empty() {
            out.push_str(&format!(" ({})", column_list(table, &key.on_delete_columns)));
        }
    }
    out
}

fn unique_text(names: &Names, table: &TableDesc, word: &str, columns: &[AttNum], index: Oid) -> String {
    let index = names.snapshot.index(index);
    let distinct =
        if index.as_ref().is_some_and(|found| found.nulls_not_distinct) { " NULLS NOT DISTINCT" } else { "" };
    let mut out = format!("{word}{distinct} ({})", column_list(table, columns));
    if let Some(found) = index.filter(|found| !found.include.is_empty()) {
        out.push_str(&format!(" INCLUDE ({})", column_list(table, &found.include)));
    }
    out
}

fn constraint_text(names: &Names, found: &Constraint<'_>, print: PrintExpr<'_>) -> String {
    let mut out = match (found.owner, found.demand) {
        (Owner::Table(table), Demand::Check { expr, .. }) => format!("CHECK ({})", print(expr, table.oid)),
        (Owner::Domain(ty), Demand::Check { expr, .. }) => format!("CHECK ({})", print(expr, ty.oid)),
        (Owner::Table(table), Demand::PrimaryKey { columns, index }) => {
            unique_text(names, table, "PRIMARY KEY", columns, index)
        }
        (Owner::Table(table), Demand::Unique { columns, index }) => unique_text(names, table, "UNIQUE", columns, index),
        (Owner::Table(table), Demand::ForeignKey(key)) => foreign_key_text(names, table, key),
        (Owner::Table(table), Demand::NotNull(column)) => format!("NOT NULL {}", column_text(table, column)),
        (Owner::Domain(_), _) => "NOT NULL".to_owned(),
    };
    if found.deferrable {
        out.push_str(" DEFERRABLE");
    }
    if found.deferred {
        out.push_str(" INITIALLY DEFERRED");
    }
    if !found.validated {
        out.push_str(" NOT VALID");
    }
    out
}

/// `pg_get_constraintdef`.
#[must_use]
pub fn constraint_def(names: &Names, constraint: Oid, print: PrintExpr<'_>) -> Option<String> {
    let found = all(&names.snapshot).into_iter().find(|found| found.oid == constraint)?;
    Some(constraint_text(names, &found, print))
}

/// `pg_get_viewdef`: the query with a semicolon; a system view has none to show.
#[must_use]
pub fn view_def(names: &Names, view: Oid) -> Option<String> {
    let query = names.snapshot.objects.views.get(&view)?.query.trim();
    let lead = if query.starts_with("SELECT") { " " } else { "" };
    Some(format!("{lead}{};", query.trim_end_matches(';')))
}

/// `pg_get_serial_sequence`: the sequence that a column owns, qualified and quoted.
///
/// # Errors
/// `42P01` when there is no such table, `42703` when it has no such column.
pub fn serial_sequence(names: &Names, table: &str, column: &str) -> Result<Option<String>> {
    let relation = names.relation_named(table)?;
    let attnum = match &relation {
        Relation::Table(found) => found.column_named(column).map(|at| found.columns[at].attnum),
        Relation::View(found) => found.columns.iter().find(|item| item.name == column).map(|item| item.attnum),
        _ => None,
    };
    let Some(attnum) = attnum else {
        bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", relation.name());
    };
    let owner = (relation.oid(), attnum);
    let mut sequences = names.snapshot.objects.sequences.values();
    let found = sequences.find(|sequence| sequence.owned_by == Some(owner));
    Ok(found.map(|sequence| qualified(&names.snapshot, &Relation::Sequence(sequence.clone()))))
}

/// Whether an object's schema is on the path and no earlier schema has another of its name.
#[must_use]
pub fn is_type_visible(names: &Names, ty: Oid) -> Option<bool> {
    let (schema, name) = type_place(&names.snapshot, ty)?;
    let mut path = names.path.schemas.iter();
    let first = path.find(|candidate| names.snapshot.type_in(**candidate, &name).is_some());
    Some(first == Some(&schema))
}

/// A type's schema and name.
#[must_use]
pub fn type_place(snapshot: &Snapshot, ty: Oid) -> Option<(Oid, String)> {
    Some(match snapshot.type_by_oid(ty)? {
        TypeRef::Builtin(row) => (builtin_schema(snapshot, row.namespace)?, row.name.to_owned()),
        TypeRef::User(found) => (found.schema, found.name.clone()),
        TypeRef::UserArray(found) => (found.schema, format!("_{}", found.name)),
        TypeRef::Row(_, name) => {
            let relation = snapshot.relation_of_row_type(ty)?;
            (snapshot.relation_schema(&relation), name)
        }
    })
}

/// `pg_get_userbyid`: a role's name.
#[must_use]
pub fn role_name(names: &Names, role: Oid) -> String {
    objects::role_name(&names.snapshot, role)
}

/// The comment on an object, or on one of its columns; databases and roles included.
#[must_use]
pub fn comment(names: &Names, class: Oid, object: Oid, sub: i32) -> Option<String> {
    if class == objects::CLASS_DATABASE || class == objects::CLASS_ROLE {
        return dependencies::shared_comment(&names.snapshot, class, object);
    }
    dependencies::comment(&names.snapshot, class, object, sub)
}

/// `pg_index_has_property` (column 0) and `pg_index_column_has_property`; none for an unknown property or column.
#[must_use]
pub fn index_property(names: &Names, index: Oid, column: i32, property: &str) -> Option<bool> {
    let index = names.snapshot.index(index)?;
    let ordered = index.method == BTREE;
    let property = property.to_lowercase();
    if column == 0 {
        return match property.as_str() {
            "clusterable" => Some(ordered),
            "backward_scan" | "bitmap_scan" => Some(!vector_index::is_vector(index.method)),
            "index_scan" => Some(true),
            _ => None,
        };
    }
    let at = usize::try_from(column - 1).ok()?;
    if at >= index.keys.len() + index.include.len() {
        return None;
    }
    // Included columns have no order and cannot be searched.
    let Some(key) = index.keys.get(at) else {
        return match property.as_str() {
            "orderable" | "distance_orderable" => Some(false),
            "returnable" => Some(ordered),
            _ => None,
        };
    };
    Some(match property.as_str() {
        "asc" => ordered && !key.descending,
        "desc" => ordered && key.descending,
        "nulls_first" => ordered && key.nulls_first,
        "nulls_last" => ordered && !key.nulls_first,
        "orderable" | "search_array" | "search_nulls" | "returnable" => ordered,
        // What orders by distance does not say so of single columns.
        "distance_orderable" if vector_index::is_vector(index.method) => return None,
        "distance_orderable" => false,
        _ => return None,
    })
}

/// `pg_indexam_has_property`; none for an unknown property or what is no index method.
#[must_use]
pub fn method_property(method: Oid, property: &str) -> Option<bool> {
    // can_order, can_unique, can_multi_col, can_exclude, can_include.
    let can = match method_name(method)? {
        "btree" => [true; 5],
        "hash" => [false, false, false, true, false],
        "gist" => [false, false, true, true, true],
        "gin" | "brin" => [false, false, true, false, false],
        "spgist" | "hnsw" | "ivfflat" => [false, false, false, true, true],
        _ => return None,
    };
    let names = ["can_order", "can_unique", "can_multi_col", "can_exclude", "can_include"];
    names.iter().position(|name| name.eq_ignore_ascii_case(property)).map(|at| can[at])
}

#[cfg(test)]
mod tests {
    use super::{expression_name, is_call};

    #[test]
    fn calls_are_told_from_other_expressions() {
        for (expr, call, name) in [
            ("lower((name)::text)", true, "lower"),
            ("app.\"F\"(a, ')')", true, "F"),
            ("COALESCE(b, 'x'::text)", true, "coalesce"),
            ("(b)::character varying(3)", false, "b"),
            ("(a + b)", false, "expr"),
            ("(lower(a) || lower(b))", false, "expr"),
            ("(doc ->> 'k'::text)", false, "expr"),
            ("lower(a) || lower(b)", false, "expr"),
            ("((doc)::text)", false, "expr"),
        ] {
            assert_eq!(is_call(expr), call, "{expr}");
            assert_eq!(expression_name(expr), name, "{expr}");
        }
    }
}
