//! GROUP BY: keys, grouping sets, and the rewriting of everything above in terms of the groups.

use crate::error::Result;
use crate::sql::ast::{self, ExprKind, GroupItem};
use crate::sql::expr::{AggregateCall, Expr};
use crate::sql::logical::{Aggregate, Field, LogicalPlan};
use crate::sql::walk;
use crate::types::{Oid, SqlType};

use super::context::{AGGREGATE_BASE, Binder, Place, Scope};
use super::select::{Output, is_aggregate_placeholder};

/// More grouping sets than this are refused, as PostgreSQL does.
const SETS_MAX: usize = 4096;

/// GROUP BY while its query is put together.
#[derive(Default)]
pub(super) struct Grouping {
    keys: Vec<Expr>,
    sets: Vec<Vec<usize>>,
    calls: Vec<AggregateCall>,
    grouping_args: Vec<Vec<Expr>>,
    scope: Scope,
    key_names: Vec<String>,
    /// Keys that were written; functionally dependent columns follow.
    written: usize,
}

impl Binder<'_> {
    pub(super) fn grouping_items(&mut self, items: &[GroupItem], outputs: &mut [Output]) -> Result<Grouping> {
        let mut grouping = Grouping::default();
        let mut product: Vec<Vec<usize>> = vec![Vec::new()];
        let mut explicit = false;
        for item in items {
            explicit |= !matches!(item, GroupItem::Expr(_));
            let sets = self.group_item(item, outputs, &mut grouping)?;
            let mut next = Vec::with_capacity(product.len() * sets.len());
            for left in &product {
                for right in &sets {
                    let mut merged = left.clone();
                    merged.extend(right.iter().filter(|at| !left.contains(at)));
                    next.push(merged);
                }
            }
            if next.len() > SETS_MAX {
                return Err(crate::error!(
                    STATEMENT_TOO_COMPLEX,
                    "too many grouping sets present (maximum {SETS_MAX})"
                ));
            }
            product = next;
        }
        if explicit {
            grouping.sets = product;
        }
        grouping.written = grouping.keys.len();
        Ok(grouping)
    }

    fn group_item(&mut self, item: &GroupItem, outputs: &[Output], grouping: &mut Grouping) -> Result<Vec<Vec<usize>>> {
        Ok(match item {
            GroupItem::Empty => vec![Vec::new()],
            GroupItem::Expr(expr) => vec![vec![self.group_key(expr, outputs, grouping)?]],
            GroupItem::List(exprs) => vec![self.group_keys(exprs, outputs, grouping)?],
            GroupItem::Rollup(lists) => {
                let parts = self.group_lists(lists, outputs, grouping)?;
                (0..=parts.len()).rev().map(|count| parts[..count].concat()).collect()
            }
            GroupItem::Cube(lists) => {
                let parts = self.group_lists(lists, outputs, grouping)?;
                if parts.len() > 12 {
                    return Err(crate::error!(TOO_MANY_COLUMNS, "CUBE is limited to 12 elements"));
                }
                let count = parts.len();
                let chosen = |mask: usize| -> Vec<usize> {
                    (0..count)
                        .filter(|at| mask & (1 << (count - 1 - at)) != 0)
                        .flat_map(|at| parts[at].clone())
                        .collect()
                };
                (0..1_usize << count).rev().map(chosen).collect()
            }
            GroupItem::Sets(items) => {
                let mut sets = Vec::new();
                for item in items {
                    sets.extend(self.group_item(item, outputs, grouping)?);
                }
                sets
            }
        })
    }

    fn group_lists(
        &mut self,
        lists: &[Vec<ast::Expr>],
        outputs: &[Output],
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        lists.iter().map(|list| self.group_keys(list, outputs, grouping)).collect()
    }

    fn group_keys(&mut self, exprs: &[ast::Expr], outputs: &[Output], grouping: &mut Grouping) -> Result<Vec<usize>> {
        exprs.iter().map(|expr| self.group_key(expr, outputs, grouping)).collect()
    }

    /// A key: an input column first, else an output column by name or position, else an expression.
    fn group_key(&mut self, expr: &ast::Expr, outputs: &[Output], grouping: &mut Grouping) -> Result<usize> {
        let bound = match &expr.kind {
            ExprKind::Number(_) => {
                let at = self.output_reference(expr, outputs, "GROUP BY")?.expect("a number is a position");
                outputs[at].expr.clone()
            }
            ExprKind::Column(name) if name.parts.len() == 1 => match self.find_column(name)? {
                Some(found @ Expr::Column { .. }) => found,
                other => match self.output_reference(expr, outputs, "GROUP BY")? {
                    Some(at) => outputs[at].expr.clone(),
                    None => match other {
                        Some(found) => found,
                        None => self.known(expr, Place::GroupBy)?,
                    },
                },
            },
            _ => self.known(expr, Place::GroupBy)?,
        };
        let mut has_aggregate = false;
        walk::visit(&bound, &mut |node| {
            has_aggregate |= matches!(node, Expr::Column { index, .. } if is_aggregate_placeholder(*index));
            true
        });
        if has_aggregate {
            return Err(
                crate::error!(GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY").at(expr.position)
            );
        }
        self.check_groupable(bound.ty().oid, expr.position)?;
        let at = grouping.keys.iter().position(|key| walk::same(key, &bound)).unwrap_or_else(|| {
            grouping.keys.push(bound);
            grouping.key_names.push(super::query::column_name(expr));
            grouping.keys.len() - 1
        });
        Ok(at)
    }

    pub(super) fn grouping(&mut self, args: &[ast::Expr], place: Place, position: u32) -> Result<Expr> {
        if !place.allows_aggregates() {
            return Err(
                crate::error!(GROUPING_ERROR, "grouping operations are not allowed in {}", place.name()).at(position)
            );
        }
        let bound = args.iter().map(|arg| self.expr(arg, Place::AggregateArgument)).collect::<Result<Vec<_>>>()?;
        let groupings = &mut self.level().groupings;
        groupings.push(bound);
        Ok(Expr::Grouping { columns: vec![groupings.len() - 1] })
    }
}

impl Grouping {
    /// Takes over what the level has collected.
    pub(super) fn with_level(mut self, binder: &mut Binder<'_>) -> Result<Self> {
        let level = binder.level();
        self.calls = std::mem::take(&mut level.aggregates);
        self.grouping_args = std::mem::take(&mut level.groupings);
        self.scope = level.scope.clone();
        for args in &self.grouping_args {
            for arg in args {
                if !self.keys.iter().any(|key| walk::same(key, arg)) {
                    return Err(crate::error!(
                        GROUPING_ERROR,
                        "arguments to GROUPING must be grouping expressions of the associated query level"
                    ));
                }
            }
        }
        self.add_dependent_columns();
        Ok(self)
    }

    /// Columns of a table whose whole primary key is grouped by are determined by it: they become keys at no cost.
    fn add_dependent_columns(&mut self) {
        if !self.sets.is_empty() {
            return;
        }
        for (at, rel) in self.scope.rels.iter().enumerate() {
            let Some(primary) = rel.table.as_ref().and_then(|table| table.primary_index().map(|index| (table, index)))
            else {
                continue;
            };
            let (table, index) = primary;
            // A key that may be violated for a while determines nothing.
            if table.constraints.iter().any(|found| found.oid == index.constraint && found.deferrable) {
                continue;
            }
            let columns = self.scope.columns_of(at);
            let grouped = index.keys.iter().all(|key| match key.target {
                crate::catalog::descriptor::IndexTarget::Column(attnum) => {
                    let position = table.position_of(attnum).expect("an index names live columns");
                    let column = Expr::Column { index: columns[position].index, ty: columns[position].ty };
                    self.keys[..self.written].iter().any(|key| walk::same(key, &column))
                }
                crate::catalog::descriptor::IndexTarget::Expr(_) => false,
            });
            if !grouped {
                continue;
            }
            for column in columns {
                let expr = Expr::Column { index: column.index, ty: column.ty };
                if !self.keys.iter().any(|key| walk::same(key, &expr)) {
                    self.keys.push(expr);
                    self.key_names.push(column.name);
                }
            }
        }
    }

    /// Puts an expression over the input in terms of the groups.
    ///
    /// # Errors
    /// `42803` when it reads a column that is not grouped.
    pub(super) fn rewrite(&self, expr: &mut Expr, position: u32) -> Result<()> {
        if let Some(at) = self.keys.iter().position(|key| walk::same(key, expr)) {
            *expr = Expr::Column { index: at, ty: expr.ty() };
            return Ok(());
        }
        match expr {
            Expr::Column { index, ty } if is_aggregate_placeholder(*index) => {
                *expr = Expr::Column { index: self.aggregate_column(*index), ty: *ty };
                Ok(())
            }
            Expr::Column { index, .. } if *index >= AGGREGATE_BASE => Ok(()),
            Expr::Column { index, .. } => Err(self.ungrouped(*index, position, false)),
            Expr::Grouping { columns } => {
                let index = self.keys.len() + self.calls.len() + columns[0];
                *expr = Expr::Column { index, ty: SqlType::of(Oid::INT4) };
                Ok(())
            }
            Expr::Subquery(_) => self.rewrite_subquery(expr, position),
            other => {
                let mut result = Ok(());
                walk::for_each_child_mut(other, &mut |child| {
                    if result.is_ok() {
                        result = self.rewrite(child, position);
                    }
                });
                result
            }
        }
    }

    /// The column of the groups that an aggregate's placeholder stands for.
    fn aggregate_column(&self, placeholder: usize) -> usize {
        self.keys.len() + placeholder - AGGREGATE_BASE
    }

    fn rewrite_subquery(&self, expr: &mut Expr, position: u32) -> Result<()> {
        let mut result = Ok(());
        walk::for_each_child_mut(expr, &mut |child| {
            if result.is_ok() {
                result = self.rewrite(child, position);
            }
        });
        result?;
        let Expr::Subquery(subquery) = expr else { return Ok(()) };
        let mut result = Ok(());
        walk::visit_plan_refs_mut(std::sync::Arc::make_mut(&mut subquery.plan), 1, &mut |reference, level| {
            let Expr::Outer { depth, index, .. } = reference else { return };
            if *depth != level || result.is_err() {
                return;
            }
            if is_aggregate_placeholder(*index) {
                *index = self.aggregate_column(*index);
                return;
            }
            let key =
                self.keys.iter().position(|key| matches!(key, Expr::Column { index: found, .. } if found == index));
            match key {
                Some(at) => *index = at,
                None => result = Err(self.ungrouped(*index, position, true)),
            }
        });
        result
    }

    fn ungrouped(&self, index: usize, position: u32, in_subquery: bool) -> crate::error::Error {
        let column = self.scope.columns.iter().find(|column| column.index == index);
        let name = column.map_or_else(String::new, |column| match column.rel {
            Some(rel) if !self.scope.rels[rel].alias.is_empty() => {
                format!("{}.{}", self.scope.rels[rel].alias, column.name)
            }
            _ => column.name.clone(),
        });
        let error = if in_subquery {
            crate::error!(GROUPING_ERROR, "subquery uses ungrouped column \"{name}\" from outer query")
        } else {
            crate::error!(
                GROUPING_ERROR,
                "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
            )
        };
        error.at(position)
    }

    /// The Aggregate node.
    pub(super) fn plan(self, input: LogicalPlan) -> LogicalPlan {
        let mut fields: Vec<Field> = self
            .keys
            .iter()
            .zip(&self.key_names)
            .map(|(key, name)| Field { name: name.clone(), ty: key.ty(), origin: None })
            .collect();
        fields.extend(self.calls.iter().map(|call| Field { name: "aggregate".to_owned(), ty: call.ty, origin: None }));
        let grouping_calls: Vec<Vec<usize>> = self
            .grouping_args
            .iter()
            .map(|args| {
                args.iter()
                    .map(|arg| self.keys.iter().position(|key| walk::same(key, arg)).expect("checked when taken over"))
                    .collect()
            })
            .collect();
        fields.extend(grouping_calls.iter().map(|_| Field {
            name: "grouping".to_owned(),
            ty: SqlType::of(Oid::INT4),
            origin: None,
        }));
        LogicalPlan::Aggregate(Aggregate {
            input: Box::new(input),
            keys: self.keys,
            sets: self.sets,
            calls: self.calls,
            grouping_calls,
            fields,
        })
    }
}
