//! A view's query with its names resolved: relations qualified, `*` spelt out, columns qualified where another relation
//! could come to have one of the same name. The text made from it means the same under every search path and whatever
//! columns its tables get later.
//!
//! Relations are found in the syntax tree and not in the plan, so that a view over a view depends on that view.

use super::context::DdlContext;
use crate::catalog::snapshot::TypeRef;
use crate::catalog::system::extension_schema;
use crate::catalog::{Relation, Snapshot, builtin};
use crate::error::{Error, Result};
use crate::sql::ast::{
    Alias, CteBody, Expr, ExprKind, FromItem, GroupItem, JoinCondition, Name, OpName, OrderItem, Over, Query,
    QueryBody, Select, Subscript, Target, TypeName, WindowSpec,
};
use crate::sql::binder::column_name;
use crate::types::Oid;

/// A relation in FROM: its name, its columns, and whether it may have others that are not known here.
#[derive(Clone, Debug)]
struct Item {
    alias: String,
    /// What the alias is in the text to be: a relation without one goes by its name, and that can change.
    label: String,
    columns: Vec<String>,
    opaque: bool,
    /// Columns that go by another name in the text to be.
    renamed: Vec<(String, String)>,
}

/// What a RENAME or SET SCHEMA changes in a view's text.
#[derive(Clone, Debug)]
pub(super) enum Renaming {
    /// Nothing.
    None,
    /// A relation or type has a new schema and name.
    Object { oid: Oid, schema: String, name: String },
    /// A schema has a new name.
    Schema { from: String, to: String },
    /// A column of a relation has a new name.
    Column { relation: Oid, from: String, to: String },
}

/// What one FROM clause gives.
#[derive(Clone, Debug, Default)]
struct Scope {
    items: Vec<Item>,
    /// Columns merged by USING, in order: found without a qualifier.
    merged: Vec<String>,
    /// Columns are left bare: there is one relation and nothing around it.
    bare: bool,
}

/// The walk that resolves names in place.
pub(super) struct Resolver<'a> {
    snapshot: &'a Snapshot,
    ctx: &'a DdlContext<'a>,
    scopes: Vec<Scope>,
    /// Names of WITH queries with their columns, innermost last.
    ctes: Vec<(String, Option<Vec<String>>)>,
    /// Relations and types named.
    found: Vec<Oid>,
    depth: usize,
    renaming: Renaming,
    /// Whether names of output columns can be seen: not in subqueries used as values.
    visible: bool,
    /// Whether literals of output columns get their type here: not in set operations, which find a common one.
    settles: bool,
}

/// Resolves a query in place; the relations and types that it names, each once, ascending.
pub(super) fn resolve(query: &mut Query, renaming: &Renaming, ctx: &DdlContext<'_>) -> Result<Vec<Oid>> {
    let mut resolver = Resolver {
        snapshot: ctx.snapshot(),
        ctx,
        scopes: Vec::new(),
        ctes: Vec::new(),
        found: Vec::new(),
        depth: 0,
        renaming: renaming.clone(),
        visible: true,
        settles: true,
    };
    resolver.query(query)?;
    let mut found = resolver.found;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

impl Resolver<'_> {
    /// Resolves a query; names of its columns, or none when they are not known.
    fn query(&mut self, query: &mut Query) -> Result<Option<Vec<String>>> {
        let ctes = self.ctes.len();
        self.depth += 1;
        if let Some(with) = &mut query.with {
            for cte in &mut with.ctes {
                let CteBody::Query(body) = &mut cte.body else {
                    return Err(crate::error!(
                        FEATURE_NOT_SUPPORTED,
                        "views must not contain data-modifying statements in WITH"
                    ));
                };
                if with.recursive {
                    let known = (!cte.columns.is_empty()).then(|| cte.columns.clone()).or_else(|| first_names(body));
                    self.ctes.push((cte.name.clone(), known));
                }
                let names = self.query(body)?;
                let names = if cte.columns.is_empty() { names } else { overlay(names, &cte.columns) };
                if with.recursive {
                    self.ctes.pop();
                }
                self.ctes.push((cte.name.clone(), names));
            }
        }
        let (names, scope) = self.body(&mut query.body)?;
        self.scopes.push(scope);
        let targets = match &query.body {
            QueryBody::Select(select) => select.targets.iter().map(|target| target.expr.clone()).collect(),
            _ => Vec::new(),
        };
        for item in &mut query.order_by {
            self.order_item(item, names.as_deref().unwrap_or_default(), &targets)?;
        }
        self.scopes.pop();
        for expr in query.limit.limit.iter_mut().chain(&mut query.limit.offset) {
            self.expr(expr)?;
        }
        self.depth -= 1;
        self.ctes.truncate(ctes);
        Ok(names)
    }

    fn body(&mut self, body: &mut QueryBody) -> Result<(Option<Vec<String>>, Scope)> {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(rows) => {
                let width = rows.first().map_or(0, Vec::len);
                let is_literal = |row: &Vec<Expr>, at: usize| matches!(row[at].kind, ExprKind::String(_));
                for at in 0..width {
                    if self.settles && rows.iter().all(|row| row.len() == width && is_literal(row, at)) {
                        rows.iter_mut().for_each(|row| settle(&mut row[at]));
                    }
                }
                rows.iter_mut().flatten().try_for_each(|expr| self.expr(expr))?;
                Ok((Some((1..=width).map(|at| format!("column{at}")).collect()), Scope::default()))
            }
            QueryBody::SetOp { left, right, .. } => {
                let settles = std::mem::replace(&mut self.settles, false);
                let names = self.query(left)?;
                self.query(right)?;
                self.settles = settles;
                Ok((names, Scope::default()))
            }
            QueryBody::Nested(query) => Ok((self.query(query)?, Scope::default())),
        }
    }

    /// An output name wins over an input column when it stands alone.
    fn order_item(&mut self, item: &mut OrderItem, outputs: &[String], targets: &[Expr]) -> Result<()> {
        if let ExprKind::Column(name) = &item.expr.kind
            && let [only] = name.parts.as_slice()
            && let Some(at) = outputs.iter().position(|output| output == only)
        {
            // A plain column is written as itself, anything else by its output name.
            if let Some(target @ Expr { kind: ExprKind::Column(_), .. }) = targets.get(at) {
                item.expr = target.clone();
            }
            return Ok(());
        }
        if let Some(target) = numbered(&item.expr, targets) {
            item.expr = target;
            return Ok(());
        }
        self.expr(&mut item.expr)
    }

    fn select(&mut self, select: &mut Select) -> Result<(Option<Vec<String>>, Scope)> {
        if select.into.is_some() {
            return Err(crate::error!(SYNTAX_ERROR, "views must not contain SELECT INTO"));
        }
        self.scopes.push(Scope::default());
        for item in &mut select.from {
            self.from(item)?;
        }
        let alone = self.depth == 1 && self.scopes.len() == 1;
        let top = self.top();
        top.bare = alone && top.items.len() <= 1;
        self.stars(&mut select.targets);
        let inputs: Vec<String> = self.top().items.iter().flat_map(|item| item.columns.clone()).collect();
        for target in &mut select.targets {
            if self.settles {
                settle(&mut target.expr);
            }
            let plain = matches!(target.expr.kind, ExprKind::Column(_) | ExprKind::Star(_));
            if target.alias.is_none() && self.visible && !plain {
                target.alias = Some(column_name(&target.expr));
            }
            let before = own_column(&target.expr);
            self.expr(&mut target.expr)?;
            if target.alias.is_none() && own_column(&target.expr) != before {
                target.alias = before;
            }
        }
        let names = output_names(&select.targets);
        if let Some(filter) = &mut select.filter {
            self.expr(filter)?;
        }
        let targets: Vec<Expr> = select.targets.iter().map(|target| target.expr.clone()).collect();
        for item in &mut select.group_by {
            self.group(item, names.as_deref().unwrap_or_default(), &inputs, &targets)?;
        }
        if let Some(having) = &mut select.having {
            self.expr(having)?;
        }
        for (_, window) in &mut select.windows {
            self.window(window)?;
        }
        if let crate::sql::ast::Distinct::On(exprs) = &mut select.distinct {
            for expr in exprs {
                let mut item = OrderItem { expr: expr.clone(), descending: false, nulls_first: None, using: None };
                self.order_item(&mut item, names.as_deref().unwrap_or_default(), &targets)?;
                *expr = item.expr;
            }
        }
        let scope = self.scopes.pop().expect("pushed above");
        Ok((names, scope))
    }

    fn top(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("inside a query")
    }

    fn group(&mut self, item: &mut GroupItem, outputs: &[String], inputs: &[String], targets: &[Expr]) -> Result<()> {
        let one = |resolver: &mut Self, expr: &mut Expr| {
            if let Some(target) = numbered(expr, targets) {
                *expr = target;
                return Ok(());
            }
            let is_output = matches!(&expr.kind, ExprKind::Column(name) if name.parts.len() == 1
                && outputs.contains(&name.parts[0]) && !inputs.contains(&name.parts[0]));
            if is_output { Ok(()) } else { resolver.expr(expr) }
        };
        match item {
            GroupItem::Expr(expr) => one(self, expr),
            GroupItem::Empty => Ok(()),
            GroupItem::List(list) => list.iter_mut().try_for_each(|expr| one(self, expr)),
            GroupItem::Rollup(lists) | GroupItem::Cube(lists) => {
                lists.iter_mut().flatten().try_for_each(|expr| one(self, expr))
            }
            GroupItem::Sets(items) => items.iter_mut().try_for_each(|item| self.group(item, outputs, inputs, targets)),
        }
    }

    /// Spells out `*` and `t.*` where the columns are known.
    fn stars(&mut self, targets: &mut Vec<Target>) {
        let scope = self.top().clone();
        let column = |parts: Vec<String>, position: u32| Target {
            expr: Expr { kind: ExprKind::Column(Name { parts, position }), position },
            alias: None,
        };
        let old = std::mem::take(targets);
        for target in old {
            let position = target.expr.position;
            let wanted: Vec<&Item> = match &target.expr.kind {
                ExprKind::Star(None) => scope.items.iter().collect(),
                ExprKind::Star(Some(name)) => scope.items.iter().filter(|item| item.alias == name.last()).collect(),
                _ => Vec::new(),
            };
            if wanted.is_empty() || wanted.iter().any(|item| item.opaque) {
                targets.push(target);
                continue;
            }
            let all = matches!(target.expr.kind, ExprKind::Star(None));
            if all {
                targets.extend(scope.merged.iter().map(|name| column(vec![name.clone()], position)));
            }
            for item in wanted {
                for name in item.columns.iter().filter(|name| !all || !scope.merged.contains(name)) {
                    let parts = if scope.bare { vec![name.clone()] } else { vec![item.alias.clone(), name.clone()] };
                    targets.push(column(parts, position));
                }
            }
        }
    }

    fn from(&mut self, item: &mut FromItem) -> Result<()> {
        match item {
            FromItem::Table { name, alias, .. } => {
                let own = name.last().to_owned();
                let (columns, opaque, oid) = self.relation(name)?;
                let taken = self.scopes.iter().flat_map(|scope| &scope.items).any(|item| item.alias == name.last());
                if alias.is_none() && name.last() != own && taken {
                    *alias = Some(Alias { name: own.clone(), columns: Vec::new() });
                }
                let mut item = named(&own, alias.as_ref(), columns.clone(), opaque);
                if alias.is_none() {
                    name.last().clone_into(&mut item.label);
                }
                let real = |column: &String| match &self.renaming {
                    Renaming::Column { relation, from, to } if *relation == oid && from == column => to.clone(),
                    _ => column.clone(),
                };
                // A list of column aliases goes by position, and positions change when columns are dropped.
                let pairs = item.columns.iter().cloned().zip(columns.iter().map(real));
                item.renamed = pairs.filter(|(shown, real)| shown != real).collect();
                if let (true, Some(alias)) = (oid.is_some(), alias.as_mut()) {
                    alias.columns.clear();
                }
                self.top().items.push(item);
            }
            FromItem::Query { query, alias, .. } => self.from_query(query, alias.as_ref())?,
            FromItem::Function { calls, alias, ordinality, rows_from, .. } => {
                for call in calls.iter_mut() {
                    self.expr(&mut call.call)?;
                    call.columns.iter_mut().try_for_each(|(_, ty)| self.type_name(ty))?;
                }
                let own = calls.first().map(|call| column_name(&call.call)).unwrap_or_default();
                if let ([call], false) = (calls.as_slice(), *ordinality || *rows_from)
                    && call.columns.is_empty()
                    && is_scalar(&call.call)
                {
                    let alias = alias.get_or_insert_with(|| Alias { name: own.clone(), columns: Vec::new() });
                    if alias.columns.is_empty() {
                        alias.columns.push(alias.name.clone());
                    }
                }
                let item = named(&own, alias.as_ref(), Vec::new(), true);
                self.top().items.push(item);
            }
            FromItem::Join { left, right, condition, alias, .. } => {
                let start = self.top().items.len();
                self.from(left)?;
                let middle = self.top().items.len();
                self.from(right)?;
                self.join(condition, start, middle)?;
                if let Some(alias) = alias {
                    let scope = self.top();
                    let inner: Vec<Item> = scope.items.drain(start..).collect();
                    let mut columns = std::mem::take(&mut scope.merged);
                    let others = inner.iter().flat_map(|item| item.columns.clone());
                    let others: Vec<String> = others.filter(|name| !columns.contains(name)).collect();
                    columns.extend(others);
                    let opaque = inner.iter().any(|item| item.opaque);
                    let item = named("", Some(alias), columns, opaque);
                    self.top().items.push(item);
                }
            }
        }
        Ok(())
    }

    fn from_query(&mut self, query: &mut Query, alias: Option<&Alias>) -> Result<()> {
        let before = (std::mem::replace(&mut self.visible, true), std::mem::replace(&mut self.settles, true));
        let names = self.query(query)?;
        (self.visible, self.settles) = before;
        let opaque = names.is_none();
        let item = named("", alias, names.unwrap_or_default(), opaque);
        self.top().items.push(item);
        Ok(())
    }

    fn join(&mut self, condition: &mut JoinCondition, start: usize, middle: usize) -> Result<()> {
        let items = self.top().items.clone();
        let has = |range: &[Item], name: &String| range.iter().any(|item| item.columns.contains(name));
        if matches!(condition, JoinCondition::Natural) {
            let mut common: Vec<String> = Vec::new();
            for name in items[start..middle].iter().flat_map(|item| &item.columns) {
                if has(&items[middle..], name) && !common.contains(name) {
                    common.push(name.clone());
                }
            }
            if items[start..].iter().any(|item| item.opaque) {
                return Err(Error::unsupported("NATURAL JOIN of a function in a view"));
            }
            if !common.is_empty() {
                *condition = JoinCondition::Using { columns: common, alias: None };
            }
        }
        match condition {
            JoinCondition::On(expr) => self.expr(expr)?,
            JoinCondition::Using { columns, .. } => {
                let mut renamed = items[start..].iter().flat_map(|item| &item.renamed);
                if renamed.any(|(from, _)| columns.contains(from)) {
                    return Err(Error::unsupported("renaming a column that a view joins by"));
                }
                let new: Vec<String> =
                    columns.iter().filter(|name| !self.top().merged.contains(name)).cloned().collect();
                self.top().merged.extend(new);
            }
            _ => {}
        }
        Ok(())
    }

    /// Qualifies a relation's name; its columns.
    fn relation(&mut self, name: &mut Name) -> Result<(Vec<String>, bool, Oid)> {
        if name.parts.len() == 1
            && let Some((_, columns)) = self.ctes.iter().rev().find(|(cte, _)| *cte == name.parts[0])
        {
            return Ok((columns.clone().unwrap_or_default(), columns.is_none(), Oid::NONE));
        }
        let relation = self.ctx.relation(name)?;
        let columns = match &relation {
            Relation::Table(table) => table.columns.iter().map(|column| column.name.clone()).collect(),
            Relation::View(view) => view.columns.iter().map(|column| column.name.clone()).collect(),
            Relation::System(desc) => desc.columns.iter().map(|column| column.name.clone()).collect(),
            Relation::Sequence(_) => ["last_value", "log_cnt", "is_called"].map(str::to_owned).to_vec(),
            Relation::Index(_) => Vec::new(),
        };
        if !matches!(relation, Relation::System(_)) {
            self.found.push(relation.oid());
        }
        let schema = self.snapshot.relation_schema(&relation);
        if let Some(schema) = self.snapshot.schema_name(schema) {
            name.parts = self.renamed_object(relation.oid(), schema, relation.name());
        }
        Ok((columns, false, relation.oid()))
    }

    /// Schema and name of an object after the renaming.
    fn renamed_object(&self, oid: Oid, schema: &str, name: &str) -> Vec<String> {
        match &self.renaming {
            Renaming::Object { oid: changed, schema, name } if *changed == oid => vec![schema.clone(), name.clone()],
            Renaming::Schema { from, to } if from == schema => vec![to.clone(), name.to_owned()],
            _ => vec![schema.to_owned(), name.to_owned()],
        }
    }

    /// Whether the schema that a name is written with is the extension's. Its functions, operators and types are stored bare:
    /// they are found whatever the schema is called by then.
    fn is_extension(&self, schema: Option<&str>) -> bool {
        let extension = extension_schema(self.snapshot).and_then(|schema| self.snapshot.schema_name(schema));
        schema.is_some() && schema == extension
    }

    fn operator(&self, op: &mut OpName) {
        let is_there = || builtin().operators_named(&op.symbol).any(|row| row.namespace == "public");
        if self.is_extension(op.schema.as_deref()) && is_there() {
            op.schema = None;
        }
    }

    fn function(&self, name: &mut Name) {
        let is_there = || builtin().procs_named(name.last()).any(|row| row.namespace == "public");
        if self.is_extension(name.schema()) && is_there() {
            name.parts.drain(..name.parts.len() - 1);
        }
    }

    /// Qualifies a type of the user's.
    fn type_name(&mut self, ty: &mut TypeName) -> Result<()> {
        let found = match ty.name.schema() {
            None => self.snapshot.find_type(&self.ctx.path, ty.name.last()),
            Some(schema) => {
                self.snapshot.schema_named(schema).and_then(|schema| self.snapshot.type_in(schema, ty.name.last()))
            }
        };
        if let Some(TypeRef::User(desc)) = found {
            self.found.push(desc.oid);
            if let Some(schema) = self.snapshot.schema_name(desc.schema) {
                ty.name.parts = self.renamed_object(desc.oid, schema, &desc.name);
            }
        } else if let Some(TypeRef::Builtin(row)) = found
            && row.namespace == "public"
        {
            ty.name.parts = vec![row.name.to_owned()];
        }
        Ok(())
    }

    fn column(&self, name: &mut Name) {
        let renamed = |item: &Item, column: &str| {
            let found = item.renamed.iter().find(|(from, _)| from == column);
            found.map_or_else(|| column.to_owned(), |(_, to)| to.clone())
        };
        let (qualifier, column) = match name.parts.as_slice() {
            [column] => (None, column.clone()),
            [.., table, column] => (Some(table.clone()), column.clone()),
            [] => return,
        };
        for scope in self.scopes.iter().rev() {
            if let Some(table) = &qualifier {
                if let Some(item) = scope.items.iter().find(|item| item.alias == *table) {
                    name.parts = vec![item.label.clone(), renamed(item, &column)];
                    return;
                }
                continue;
            }
            if scope.merged.contains(&column) {
                return;
            }
            let owners: Vec<&Item> = scope.items.iter().filter(|item| item.columns.contains(&column)).collect();
            match owners.as_slice() {
                [owner] => {
                    let new = renamed(owner, &column);
                    let bare = scope.bare || owner.alias.is_empty();
                    name.parts = if bare { vec![new] } else { vec![owner.label.clone(), new] };
                    return;
                }
                // A function's column, an output name or an error: as written.
                _ if scope.items.iter().any(|item| item.opaque) => return,
                _ => {}
            }
        }
    }

    /// A subquery used as a value: nobody sees its column names.
    fn value_query(&mut self, query: &mut Query) -> Result<()> {
        let before = (std::mem::replace(&mut self.visible, false), std::mem::replace(&mut self.settles, false));
        self.query(query)?;
        (self.visible, self.settles) = before;
        Ok(())
    }

    fn window(&mut self, spec: &mut WindowSpec) -> Result<()> {
        spec.partition_by.iter_mut().try_for_each(|expr| self.expr(expr))?;
        spec.order_by.iter_mut().try_for_each(|item| self.expr(&mut item.expr))
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        match &mut expr.kind {
            ExprKind::Unary { op, .. }
            | ExprKind::Binary { op, .. }
            | ExprKind::AnyArray { op, .. }
            | ExprKind::AnyQuery { op, .. } => self.operator(op),
            ExprKind::Call(call) => self.function(&mut call.name),
            _ => {}
        }
        match &mut expr.kind {
            ExprKind::Column(name) => {
                self.column(name);
                Ok(())
            }
            ExprKind::Cast { arg, ty } => {
                self.type_name(ty)?;
                self.expr(arg)
            }
            ExprKind::ScalarQuery(query) | ExprKind::Exists(query) | ExprKind::ArrayQuery(query) => {
                self.value_query(query)
            }
            ExprKind::InQuery { arg, query, .. } | ExprKind::AnyQuery { left: arg, query, .. } => {
                self.expr(arg)?;
                self.value_query(query)
            }
            ExprKind::Call(call) => {
                call.args.iter_mut().try_for_each(|arg| self.expr(arg))?;
                let items = call.order_by.iter_mut().chain(&mut call.within_group);
                items.map(|item| &mut item.expr).chain(&mut call.filter).try_for_each(|expr| self.expr(expr))?;
                match &mut call.over {
                    Some(Over::Spec(spec)) => self.window(spec),
                    _ => Ok(()),
                }
            }
            ExprKind::Subscript { base, subscripts } => {
                self.expr(base)?;
                for subscript in subscripts {
                    match subscript {
                        Subscript::Index(index) => self.expr(index)?,
                        Subscript::Slice(low, high) => {
                            low.iter_mut().chain(high).try_for_each(|bound| self.expr(bound))?;
                        }
                    }
                }
                Ok(())
            }
            ExprKind::Case { operand, arms, otherwise } => {
                let ends = operand.iter_mut().chain(otherwise).map(|part| &mut **part);
                let arms = arms.iter_mut().flat_map(|(condition, result)| [condition, result]);
                ends.chain(arms).try_for_each(|part| self.expr(part))
            }
            other => children(other).into_iter().try_for_each(|child| self.expr(child)),
        }
    }
}

/// Direct children of nodes that hold nothing but expressions.
fn children(kind: &mut ExprKind) -> Vec<&mut Expr> {
    match kind {
        ExprKind::Field { base: arg, .. }
        | ExprKind::FieldStar(arg)
        | ExprKind::Unary { arg, .. }
        | ExprKind::Not(arg)
        | ExprKind::IsNull { arg, .. }
        | ExprKind::IsBool { arg, .. }
        | ExprKind::Collate { arg, .. }
        | ExprKind::NamedArg { value: arg, .. } => vec![arg],
        ExprKind::Binary { left, right, .. }
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::IsDistinct { left, right, .. }
        | ExprKind::AnyArray { left, right, .. }
        | ExprKind::NullIf(left, right) => vec![left, right],
        ExprKind::Between { arg, low, high, .. } => vec![arg, low, high],
        ExprKind::InList { arg, list, .. } => std::iter::once(&mut **arg).chain(list).collect(),
        ExprKind::Like { arg, pattern, escape, .. } => {
            [arg, pattern].into_iter().chain(escape).map(|part| &mut **part).collect()
        }
        ExprKind::AtTimeZone { arg, zone } => std::iter::once(arg).chain(zone).map(|part| &mut **part).collect(),
        ExprKind::Array(items)
        | ExprKind::Row(items)
        | ExprKind::Coalesce(items)
        | ExprKind::Greatest(items)
        | ExprKind::Least(items)
        | ExprKind::Grouping(items) => items.iter_mut().collect(),
        ExprKind::Overlaps { left, right } => left.iter_mut().chain(right).collect(),
        _ => Vec::new(),
    }
}

/// Whether a function in FROM has one column, by the rows of the catalog.
fn is_scalar(call: &Expr) -> bool {
    let ExprKind::Call(call) = &call.kind else { return false };
    let mut rows = builtin().procs_named(call.name.last()).peekable();
    let composite = |oid: Oid| builtin().type_row(oid).is_none_or(|row| row.kind == 'c') || oid == Oid::RECORD;
    rows.peek().is_some() && rows.all(|row| row.all_args.is_none() && !composite(row.result))
}

/// Gives a literal that is an output column, also through CASE, the type that it will have.
fn settle(expr: &mut Expr) {
    let text = |expr: Expr| {
        let name = Name { parts: vec!["pg_catalog".to_owned(), "text".to_owned()], position: 0 };
        let ty = TypeName { name, modifiers: Vec::new(), array_dims: 0, interval_typmod: None };
        Expr { position: expr.position, kind: ExprKind::Cast { arg: Box::new(expr), ty } }
    };
    let is_literal = |expr: &Expr| matches!(expr.kind, ExprKind::String(_));
    match &mut expr.kind {
        ExprKind::String(_) => *expr = text(expr.clone()),
        ExprKind::Case { arms, otherwise, .. } => {
            let others = otherwise.iter().all(|other| is_literal(other));
            if others && arms.iter().all(|(_, result)| is_literal(result)) {
                arms.iter_mut().for_each(|(_, result)| *result = text(result.clone()));
                otherwise.iter_mut().for_each(|other| **other = text((**other).clone()));
            }
        }
        _ => {}
    }
}

/// Names the columns of a view in its query, in every branch of it.
pub(super) fn name_columns(body: &mut QueryBody, names: &[String]) {
    match body {
        QueryBody::Select(select) => {
            for (target, name) in select.targets.iter_mut().zip(names) {
                let own = own_column(&target.expr);
                let is_star = matches!(target.expr.kind, ExprKind::Star(_) | ExprKind::FieldStar(_));
                if !is_star {
                    target.alias = Some(name.clone()).filter(|_| own.as_ref() != Some(name));
                }
            }
        }
        QueryBody::SetOp { left, right, .. } => {
            name_columns(&mut left.body, names);
            name_columns(&mut right.body, names);
        }
        QueryBody::Nested(query) => name_columns(&mut query.body, names),
        QueryBody::Values(_) => {}
    }
}

/// The output expression that a number in GROUP BY or ORDER BY stands for.
fn numbered(expr: &Expr, targets: &[Expr]) -> Option<Expr> {
    let ExprKind::Number(text) = &expr.kind else { return None };
    let number: usize = text.parse().ok()?;
    targets.get(number.checked_sub(1)?).cloned()
}

/// The column that an expression is, if it is nothing else.
fn own_column(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Column(name) => Some(name.last().to_owned()),
        _ => None,
    }
}

fn named(own: &str, alias: Option<&Alias>, columns: Vec<String>, opaque: bool) -> Item {
    match alias {
        Some(alias) => Item {
            alias: alias.name.clone(),
            label: alias.name.clone(),
            columns: overlay(Some(columns), &alias.columns).unwrap_or_default(),
            opaque: opaque && alias.columns.is_empty(),
            renamed: Vec::new(),
        },
        None => Item { alias: own.to_owned(), label: own.to_owned(), columns, opaque, renamed: Vec::new() },
    }
}

/// Names with the first ones replaced.
fn overlay(names: Option<Vec<String>>, with: &[String]) -> Option<Vec<String>> {
    let mut names = names.unwrap_or_default();
    for (at, name) in with.iter().enumerate() {
        match names.get_mut(at) {
            Some(old) => name.clone_into(old),
            None => names.push(name.clone()),
        }
    }
    Some(names)
}

fn output_names(targets: &[Target]) -> Option<Vec<String>> {
    let name = |target: &Target| match &target.expr.kind {
        ExprKind::Star(_) | ExprKind::FieldStar(_) => None,
        _ => Some(target.alias.clone().unwrap_or_else(|| column_name(&target.expr))),
    };
    targets.iter().map(name).collect()
}

/// Column names of the first branch of a recursive query, before it is resolved.
fn first_names(query: &Query) -> Option<Vec<String>> {
    match &query.body {
        QueryBody::Select(select) => output_names(&select.targets),
        QueryBody::Values(rows) => Some((1..=rows.first()?.len()).map(|at| format!("column{at}")).collect()),
        QueryBody::SetOp { left, .. } => first_names(left),
        QueryBody::Nested(query) => first_names(query),
    }
}

/// Whether some `*` could not be spelt out, so that targets and columns do not correspond one to one.
pub(super) fn has_star(body: &QueryBody) -> bool {
    match body {
        QueryBody::Select(select) => {
            let is_star = |target: &Target| matches!(target.expr.kind, ExprKind::Star(_) | ExprKind::FieldStar(_));
            select.targets.iter().any(is_star)
        }
        QueryBody::SetOp { left, right, .. } => has_star(&left.body) || has_star(&right.body),
        QueryBody::Nested(query) => has_star(&query.body),
        QueryBody::Values(_) => false,
    }
}
