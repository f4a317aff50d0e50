//! Binding scalar expressions.

use std::sync::Arc;

use crate::error::Result;
use crate::sql::ast::{self, ExprKind, LikeKind};
use crate::sql::expr::{CallForm, Expr, Subquery, SubqueryKind};
use crate::sql::logical::LogicalPlan;
use crate::sql::walk;
use crate::types::{Datum, Oid, SqlType, io};

use super::coerce::CoercionContext;
use super::context::{Binder, Place};
use super::types::resolve_type;

impl Binder<'_> {
    /// Binds an expression.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its position.
    pub(super) fn expr(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr> {
        self.nested(|binder| binder.expr_inner(expr, place))
    }

    /// Binds an expression and gives a literal of unknown type the type text.
    pub(super) fn known(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr> {
        let bound = self.expr(expr, place)?;
        self.settle(bound, expr.position)
    }

    /// Unknown becomes text.
    pub(super) fn settle(&mut self, expr: Expr, position: u32) -> Result<Expr> {
        if expr.ty().oid == Oid::UNKNOWN {
            self.coerce(expr, Oid::TEXT, CoercionContext::Implicit, position)
        } else {
            Ok(expr)
        }
    }

    /// Binds a condition.
    pub(super) fn condition(&mut self, expr: &ast::Expr, place: Place, what: &str) -> Result<Expr> {
        let bound = self.expr(expr, place)?;
        self.to_bool(bound, what, expr.position)
    }

    fn expr_inner(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::Null => Ok(Expr::Const(Datum::Null, SqlType::of(Oid::UNKNOWN))),
            ExprKind::Bool(value) => Ok(Expr::Const(Datum::Bool(*value), SqlType::of(Oid::BOOL))),
            ExprKind::Number(text) => number(text).map_err(|error| error.at(position)),
            ExprKind::String(text) => Ok(Expr::Const(Datum::text(text.as_str()), SqlType::of(Oid::UNKNOWN))),
            ExprKind::BitString { digits, hex } => self.bit_string(digits, *hex, position),
            ExprKind::Param(index) => {
                let found = self.params.reference(*index).map_err(|error| error.at(position))?;
                Ok(Expr::Param { index: *index, ty: found.unwrap_or(SqlType::of(Oid::UNKNOWN)) })
            }
            ExprKind::Column(name) => self.column(name, place),
            ExprKind::Star(Some(name)) => self.whole_row(name),
            ExprKind::Star(None) => {
                Err(crate::error!(SYNTAX_ERROR, "row expansion via \"*\" is not supported here").at(position))
            }
            ExprKind::Unary { op, arg } => self.unary(op, arg, place, position),
            ExprKind::Binary { op, left, right } => self.binary_expr(op, left, right, place, position),
            ExprKind::And(left, right) => {
                let mut items = Vec::new();
                self.logic(left, right, true, place, &mut items)?;
                Ok(Expr::And(items))
            }
            ExprKind::Or(left, right) => {
                let mut items = Vec::new();
                self.logic(left, right, false, place, &mut items)?;
                Ok(Expr::Or(items))
            }
            ExprKind::Not(arg) => Ok(Expr::Not(Box::new(self.condition(arg, place, "NOT")?))),
            ExprKind::IsNull { arg, negated } => {
                Ok(Expr::IsNull { arg: Box::new(self.known(arg, place)?), negated: *negated })
            }
            ExprKind::IsBool { arg, value, negated } => {
                let what = match value {
                    Some(true) => "IS TRUE",
                    Some(false) => "IS FALSE",
                    None => "IS UNKNOWN",
                };
                let arg = Box::new(self.condition(arg, place, what)?);
                Ok(Expr::IsBool { arg, value: *value, negated: *negated })
            }
            ExprKind::IsDistinct { left, right, negated } => self.distinct_from(left, right, *negated, place, position),
            ExprKind::Cast { arg, ty } => self.cast_expr(arg, ty, place, position),
            ExprKind::Call(call) => self.call(call, place, position),
            ExprKind::Default => {
                Err(crate::error!(SYNTAX_ERROR, "DEFAULT is not allowed in this context").at(position))
            }
            ExprKind::NamedArg { .. } => {
                Err(crate::error!(SYNTAX_ERROR, "named arguments are only allowed in function calls").at(position))
            }
            _ => self.expr_special(expr, place),
        }
    }

    fn expr_special(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::Between { arg, low, high, symmetric, negated } => {
                self.between(arg, (low, high), *symmetric, *negated, place, position)
            }
            ExprKind::InList { arg, list, negated } => self.in_list(arg, list, *negated, place, position),
            ExprKind::InQuery { arg, query, negated } => {
                self.check_subquery(place, position)?;
                let left = self.row_items(arg, place)?;
                let found = self.quantified("=", left, (query, place), true, position)?;
                Ok(if *negated { Expr::Not(Box::new(found)) } else { found })
            }
            ExprKind::AnyQuery { op, left, query, any } => {
                self.check_subquery(place, position)?;
                let left = self.row_items(left, place)?;
                self.quantified(op, left, (query, place), *any, position)
            }
            ExprKind::AnyArray { op, left, right, any } => {
                let left = self.expr(left, place)?;
                let right = self.expr(right, place)?;
                self.any_array(op, left, right, *any, position)
            }
            ExprKind::Like { kind, arg, pattern, escape, negated } => {
                self.like(*kind, arg, pattern, escape.as_deref(), *negated, place, position)
            }
            ExprKind::Exists(query) => {
                self.check_subquery(place, position)?;
                let (plan, correlated) = self.subquery(query, place)?;
                let ty = SqlType::of(Oid::BOOL);
                Ok(Expr::Subquery(Box::new(Subquery {
                    kind: SubqueryKind::Exists,
                    plan: Arc::new(plan),
                    correlated,
                    ty,
                })))
            }
            ExprKind::ScalarQuery(query) => self.scalar_query(query, place, position),
            ExprKind::ArrayQuery(query) => self.array_query(query, place, position),
            ExprKind::Array(items) => self.array(items, None, place, position),
            ExprKind::Row(items) => {
                let fields = items.iter().map(|item| self.known(item, place)).collect::<Result<Vec<_>>>()?;
                Ok(Expr::Row { fields, names: None, ty: SqlType::of(Oid::RECORD) })
            }
            ExprKind::Case { operand, arms, otherwise } => {
                self.case(operand.as_deref(), arms, otherwise.as_deref(), place, position)
            }
            ExprKind::Coalesce(args) => {
                let (args, ty) = self.same_type(args, "COALESCE", place)?;
                Ok(Expr::Coalesce { args, ty })
            }
            ExprKind::Greatest(args) | ExprKind::Least(args) => {
                let greatest = matches!(expr.kind, ExprKind::Greatest(_));
                let (args, ty) = self.same_type(args, if greatest { "GREATEST" } else { "LEAST" }, place)?;
                self.check_sortable(ty.oid, position)?;
                Ok(Expr::MinMax { greatest, args, ty })
            }
            _ => self.expr_rare(expr, place),
        }
    }

    fn expr_rare(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::NullIf(left, right) => self.null_if(left, right, place, position),
            ExprKind::Field { base, name } => self.field(base, name, place, position),
            ExprKind::FieldStar(_) => {
                Err(crate::error!(SYNTAX_ERROR, "row expansion via \"*\" is not supported here").at(position))
            }
            ExprKind::Subscript { base, subscripts } => self.subscript(base, subscripts, place, position),
            ExprKind::Collate { arg, collation } => self.collate(arg, collation, place),
            ExprKind::AtTimeZone { arg, zone } => {
                let arg = self.expr(arg, place)?;
                match zone {
                    Some(zone) => {
                        let zone = self.expr(zone, place)?;
                        self.call_named("timezone", vec![zone, arg], position)
                    }
                    None => self.call_named("timezone", vec![arg], position),
                }
            }
            ExprKind::SqlValue { name, precision } => self.sql_value(name, *precision, position),
            ExprKind::Grouping(args) => self.grouping(args, place, position),
            ExprKind::Overlaps { left, right } => {
                let args = left.iter().chain(right).map(|arg| self.expr(arg, place)).collect::<Result<Vec<_>>>()?;
                self.call_named("overlaps", args, position)
            }
            _ => panic!("expr_inner handles the rest"),
        }
    }

    fn bit_string(&mut self, digits: &str, hex: bool, position: u32) -> Result<Expr> {
        let text = format!("{}{digits}", if hex { 'x' } else { 'b' });
        let ty = SqlType::of(Oid::BIT);
        let datum = io::input(&text, ty, &self.env.io()).map_err(|error| error.at(position))?;
        Ok(Expr::Const(datum, ty))
    }

    fn column(&mut self, name: &ast::Name, place: Place) -> Result<Expr> {
        if let Some(found) = self.find_column(name)? {
            return Ok(found);
        }
        // A relation's name alone is its row.
        let rel = match name.parts.as_slice() {
            [rel] => self.find_rel(None, rel),
            [schema, rel] => self.find_rel(Some(schema), rel),
            _ => None,
        };
        if rel.is_some() {
            return self.whole_row(name);
        }
        if matches!(place, Place::Default | Place::Transform)
            && self.levels.last().is_some_and(|level| level.scope.rels.is_empty())
        {
            let what = if place == Place::Default { "DEFAULT expression" } else { "transform expression" };
            return Err(crate::error!(FEATURE_NOT_SUPPORTED, "cannot use column reference in {what}").at(name.position));
        }
        Err(self.missing_column(name))
    }

    /// `rel` or `rel.*` as one value.
    fn whole_row(&mut self, name: &ast::Name) -> Result<Expr> {
        let (schema, alias) = (name.schema(), name.last());
        let Some((level, rel)) = self.find_rel(schema, alias) else {
            return Err(
                crate::error!(UNDEFINED_TABLE, "missing FROM-clause entry for table \"{alias}\"").at(name.position)
            );
        };
        let (columns, ty) = {
            let scope = &self.levels[level].scope;
            (scope.columns_of(rel), scope.rels[rel].row_type)
        };
        // A function or subquery with one column is that column's value.
        if columns.len() == 1 && !ty.is_some() {
            return Ok(self.reference(level, &columns[0]));
        }
        let fields = columns.iter().map(|column| self.reference(level, column)).collect();
        let names = Some(columns.iter().map(|column| Arc::from(column.name.as_str())).collect());
        Ok(Expr::Row { fields, names, ty: SqlType::of(if ty.is_some() { ty } else { Oid::RECORD }) })
    }

    fn unary(&mut self, op: &ast::OpName, arg: &ast::Expr, place: Place, position: u32) -> Result<Expr> {
        // A sign in front of a numeric literal is part of it, so that the smallest integers can be written.
        if let (ExprKind::Number(text), "-") = (&arg.kind, op.symbol.as_str()) {
            return number(&format!("-{text}")).map_err(|error| error.at(position));
        }
        let arg = self.expr(arg, place)?;
        self.prefix(op, arg, position)
    }

    fn binary_expr(
        &mut self,
        op: &ast::OpName,
        left: &ast::Expr,
        right: &ast::Expr,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        if let (ExprKind::Row(a), ExprKind::Row(b)) = (&left.kind, &right.kind) {
            let a = a.iter().map(|item| self.expr(item, place)).collect::<Result<Vec<_>>>()?;
            let b = b.iter().map(|item| self.expr(item, place)).collect::<Result<Vec<_>>>()?;
            return self.row_comparison(&op.symbol, a, b, position);
        }
        if let (ExprKind::Row(a), ExprKind::ScalarQuery(query)) = (&left.kind, &right.kind) {
            let a = a.iter().map(|item| self.expr(item, place)).collect::<Result<Vec<_>>>()?;
            self.check_subquery(place, position)?;
            return self.quantified(op, a, (query, place), true, position);
        }
        let left = self.expr(left, place)?;
        let right = self.expr(right, place)?;
        self.binary(op, left, right, position)
    }

    fn logic(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        and: bool,
        place: Place,
        out: &mut Vec<Expr>,
    ) -> Result<()> {
        for side in [left, right] {
            match (&side.kind, and) {
                (ExprKind::And(a, b), true) | (ExprKind::Or(a, b), false) => {
                    self.nested(|binder| binder.logic(a, b, and, place, out))?;
                }
                _ => out.push(self.condition(side, place, if and { "AND" } else { "OR" })?),
            }
        }
        Ok(())
    }

    fn distinct_from(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let (left, right) = (self.expr(left, place)?, self.expr(right, place)?);
        if let Expr::Const(Datum::Null, _) = right {
            let arg = self.settle(left, position)?;
            return Ok(Expr::IsNull { arg: Box::new(arg), negated: !negated });
        }
        let (equal, a, b) = self.comparison("=", left.ty().oid, right.ty().oid, position)?;
        let left = Box::new(self.coerce(left, a, CoercionContext::Implicit, position)?);
        let right = Box::new(self.coerce(right, b, CoercionContext::Implicit, position)?);
        Ok(Expr::IsDistinct { equal, left, right, negated })
    }

    fn cast_expr(&mut self, arg: &ast::Expr, ty: &ast::TypeName, place: Place, position: u32) -> Result<Expr> {
        let target = resolve_type(ty, self.names())?;
        if let ExprKind::Array(items) = &arg.kind
            && let Some(element) = self.names().snapshot.element_type(target.oid)
        {
            let array = self.array(items, Some(element), place, position)?;
            return self.cast(array, target, position);
        }
        let literal = matches!(arg.kind, ExprKind::String(_));
        let bound = self.expr(arg, place)?;
        self.cast(bound, target, if literal { arg.position } else { position })
    }

    fn between(
        &mut self,
        arg: &ast::Expr,
        bounds: (&ast::Expr, &ast::Expr),
        symmetric: bool,
        negated: bool,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let arg = self.expr(arg, place)?;
        let low = self.expr(bounds.0, place)?;
        let high = self.expr(bounds.1, place)?;
        let range = |binder: &mut Self, low: Expr, high: Expr| -> Result<Expr> {
            let above = binder.binary(">=", arg.clone(), low, position)?;
            let below = binder.binary("<=", arg.clone(), high, position)?;
            Ok(Expr::And(vec![above, below]))
        };
        let found = if symmetric {
            let forward = range(self, low.clone(), high.clone())?;
            let backward = range(self, high, low)?;
            Expr::Or(vec![forward, backward])
        } else {
            range(self, low, high)?
        };
        Ok(if negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// The left side of IN or ANY: one value, or the fields of a row.
    fn row_items(&mut self, expr: &ast::Expr, place: Place) -> Result<Vec<Expr>> {
        match &expr.kind {
            ExprKind::Row(items) => items.iter().map(|item| self.expr(item, place)).collect(),
            _ => Ok(vec![self.expr(expr, place)?]),
        }
    }

    fn in_list(
        &mut self,
        arg: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let found =
            if matches!(arg.kind, ExprKind::Row(_)) || list.iter().any(|item| matches!(item.kind, ExprKind::Row(_))) {
                let mut items = Vec::with_capacity(list.len());
                for item in list {
                    let left = self.row_items(arg, place)?;
                    let right = self.row_items(item, place)?;
                    items.push(self.row_comparison("=", left, right, position)?);
                }
                if items.len() == 1 { items.remove(0) } else { Expr::Or(items) }
            } else {
                let left = self.expr(arg, place)?;
                let items = list.iter().map(|item| self.expr(item, place)).collect::<Result<Vec<_>>>()?;
                self.in_values(left, items, list, position)?
            };
        Ok(if negated { Expr::Not(Box::new(found)) } else { found })
    }

    fn in_values(&mut self, left: Expr, items: Vec<Expr>, list: &[ast::Expr], position: u32) -> Result<Expr> {
        let mut types: Vec<(Oid, u32)> = vec![(left.ty().oid, position)];
        types.extend(items.iter().zip(list).map(|(item, at)| (item.ty().oid, at.position)));
        let common = if items.len() > 1 { self.common_type(&types, "IN").ok() } else { None };
        let array = common.map_or(Oid::NONE, |oid| self.names().snapshot.array_type(oid));
        if let (Some(common), true) = (common, array.is_some()) {
            let items = items
                .into_iter()
                .zip(list)
                .map(|(item, at)| self.to_common(item, common, "IN", at.position))
                .collect::<Result<Vec<_>>>()?;
            let right = Expr::Array { element: common, items, nested: false, ty: SqlType::of(array) };
            return self.any_array("=", left, right, true, position);
        }
        let mut tests = Vec::with_capacity(items.len());
        for item in items {
            let test = self.binary("=", left.clone(), item, position)?;
            tests.push(self.to_bool(test, "IN", position)?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Expr::Or(tests) })
    }

    #[allow(clippy::too_many_arguments)]
    fn like(
        &mut self,
        kind: LikeKind,
        arg: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let arg = self.expr(arg, place)?;
        let mut pattern = self.expr(pattern, place)?;
        let symbol = match (kind, negated) {
            (LikeKind::Like, false) => "~~",
            (LikeKind::Like, true) => "!~~",
            (LikeKind::ILike, false) => "~~*",
            (LikeKind::ILike, true) => "!~~*",
            (LikeKind::Similar, false) => "~",
            (LikeKind::Similar, true) => "!~",
        };
        let escape = escape.map(|escape| self.expr(escape, place)).transpose()?;
        pattern = match (kind, escape) {
            (LikeKind::Similar, Some(escape)) => {
                self.call_named("similar_to_escape", vec![pattern, escape], position)?
            }
            (LikeKind::Similar, None) => self.call_named("similar_to_escape", vec![pattern], position)?,
            (_, Some(escape)) => self.call_named("like_escape", vec![pattern, escape], position)?,
            (_, None) => pattern,
        };
        self.binary(symbol, arg, pattern, position)
    }

    fn check_subquery(&self, place: Place, position: u32) -> Result<()> {
        if place.allows_subqueries() {
            return Ok(());
        }
        let singular = place.name().trim_end_matches('s');
        Err(crate::error!(FEATURE_NOT_SUPPORTED, "cannot use subquery in {singular}").at(position))
    }

    /// Binds a subquery that stands in a place of its level; also whether it refers to the rows around it.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) fn subquery(&mut self, query: &ast::Query, place: Place) -> Result<(LogicalPlan, bool)> {
        // For aggregates of this level in it.
        self.level().subquery = Some((place, self.next_cte));
        let mut plan = self.query(query)?;
        let mut correlated = false;
        walk::visit_plan_refs_mut(&mut plan, 1, &mut |reference, level| {
            if let Expr::Outer { depth, .. } = reference {
                correlated |= *depth >= level;
            }
        });
        Ok((plan, correlated))
    }

    fn scalar_query(&mut self, query: &ast::Query, place: Place, position: u32) -> Result<Expr> {
        self.check_subquery(place, position)?;
        let (plan, correlated) = self.subquery(query, place)?;
        let [field] = plan.fields() else {
            return Err(crate::error!(SYNTAX_ERROR, "subquery must return only one column").at(position));
        };
        let ty = field.ty;
        Ok(Expr::Subquery(Box::new(Subquery { kind: SubqueryKind::Scalar, plan: Arc::new(plan), correlated, ty })))
    }

    fn array_query(&mut self, query: &ast::Query, place: Place, position: u32) -> Result<Expr> {
        self.check_subquery(place, position)?;
        let (plan, correlated) = self.subquery(query, place)?;
        let [field] = plan.fields() else {
            return Err(crate::error!(SYNTAX_ERROR, "subquery must return only one column").at(position));
        };
        let snapshot = &self.names().snapshot;
        let element = field.ty.oid;
        let array = if snapshot.element_type(element).is_some() { element } else { snapshot.array_type(element) };
        if !array.is_some() {
            let text = self.type_text(element);
            return Err(crate::error!(UNDEFINED_OBJECT, "could not find array type for data type {text}").at(position));
        }
        let kind = SubqueryKind::Array { element };
        let ty = SqlType::of(array);
        Ok(Expr::Subquery(Box::new(Subquery { kind, plan: Arc::new(plan), correlated, ty })))
    }

    fn array(&mut self, items: &[ast::Expr], wanted: Option<Oid>, place: Place, position: u32) -> Result<Expr> {
        let snapshot = std::sync::Arc::clone(&self.names().snapshot);
        let nested = items.iter().any(|item| matches!(item.kind, ExprKind::Array(_)));
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            bound.push(match &item.kind {
                ExprKind::Array(inner) => self.array(inner, wanted, place, item.position)?,
                _ => self.expr(item, place)?,
            });
        }
        // Values that are arrays themselves nest as well.
        let nested = nested || bound.iter().any(|item| snapshot.element_type(item.ty().oid).is_some());
        if bound.is_empty() && wanted.is_none() {
            return Err(crate::error!(INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(position));
        }
        if nested {
            let types: Vec<(Oid, u32)> =
                bound.iter().zip(items).map(|(item, at)| (item.ty().oid, at.position)).collect();
            let array = self.common_type(&types, "ARRAY")?;
            let Some(element) = snapshot.element_type(array) else {
                return Err(crate::error!(
                    DATATYPE_MISMATCH,
                    "ARRAY types {} and {} cannot be matched",
                    self.type_text(types[0].0),
                    self.type_text(array)
                )
                .at(position));
            };
            let items = self.all_to_common(bound, items, array, "ARRAY")?;
            return Ok(Expr::Array { element, items, nested: true, ty: SqlType::of(array) });
        }
        let element = match wanted {
            Some(element) => element,
            None => {
                let types: Vec<(Oid, u32)> =
                    bound.iter().zip(items).map(|(item, at)| (item.ty().oid, at.position)).collect();
                self.common_type(&types, "ARRAY")?
            }
        };
        let array = snapshot.array_type(element);
        if !array.is_some() {
            let text = self.type_text(element);
            return Err(crate::error!(UNDEFINED_OBJECT, "could not find array type for data type {text}").at(position));
        }
        let items = match wanted {
            Some(_) => {
                let mut converted = Vec::with_capacity(bound.len());
                for (item, at) in bound.into_iter().zip(items) {
                    converted.push(self.cast(item, SqlType::of(element), at.position)?);
                }
                converted
            }
            None => self.all_to_common(bound, items, element, "ARRAY")?,
        };
        Ok(Expr::Array { element, items, nested: false, ty: SqlType::of(array) })
    }

    fn all_to_common(&mut self, bound: Vec<Expr>, items: &[ast::Expr], target: Oid, what: &str) -> Result<Vec<Expr>> {
        bound.into_iter().zip(items).map(|(item, at)| self.to_common(item, target, what, at.position)).collect()
    }

    /// Arguments converted to their common type.
    fn same_type(&mut self, args: &[ast::Expr], what: &str, place: Place) -> Result<(Vec<Expr>, SqlType)> {
        let bound = args.iter().map(|arg| self.expr(arg, place)).collect::<Result<Vec<_>>>()?;
        let types: Vec<(Oid, u32)> = bound.iter().zip(args).map(|(item, at)| (item.ty().oid, at.position)).collect();
        let common = self.common_type(&types, what)?;
        let typmod = shared_typmod(bound.iter().map(Expr::ty), common);
        let args = self.all_to_common(bound, args, common, what)?;
        Ok((args, SqlType::with(common, typmod)))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        arms: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let operand = operand.map(|operand| self.known(operand, place)).transpose()?;
        let (mut conditions, mut results, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (condition, result) in arms {
            conditions.push(match &operand {
                None => self.condition(condition, place, "CASE/WHEN")?,
                Some(operand) => {
                    let when = self.expr(condition, place)?;
                    let test = self.binary("=", operand.clone(), when, condition.position)?;
                    self.to_bool(test, "CASE/WHEN", condition.position)?
                }
            });
            results.push(self.expr(result, place)?);
            places.push(result.position);
        }
        if let Some(otherwise) = otherwise {
            // PostgreSQL looks at ELSE first when it chooses the type.
            results.insert(0, self.expr(otherwise, place)?);
            places.insert(0, otherwise.position);
        }
        let types: Vec<(Oid, u32)> = results.iter().map(|item| item.ty().oid).zip(places.iter().copied()).collect();
        let common = self.common_type(&types, "CASE")?;
        let typmod = shared_typmod(results.iter().map(Expr::ty), common);
        let mut converted = Vec::with_capacity(results.len());
        for (item, at) in results.into_iter().zip(&places) {
            converted.push(self.to_common(item, common, "CASE", if *at > 0 { *at } else { position })?);
        }
        let otherwise = otherwise.is_some().then(|| Box::new(converted.remove(0)));
        Ok(Expr::Case {
            arms: conditions.into_iter().zip(converted).collect(),
            otherwise,
            ty: SqlType::with(common, typmod),
        })
    }

    fn null_if(&mut self, left: &ast::Expr, right: &ast::Expr, place: Place, position: u32) -> Result<Expr> {
        let (left, right) = (self.expr(left, place)?, self.expr(right, place)?);
        let (equal, a, b) = self.comparison("=", left.ty().oid, right.ty().oid, position)?;
        let left = self.coerce(left, a, CoercionContext::Implicit, position)?;
        let right = self.coerce(right, b, CoercionContext::Implicit, position)?;
        let ty = left.ty();
        Ok(Expr::NullIf { equal, left: Box::new(left), right: Box::new(right), ty })
    }

    fn field(&mut self, base: &ast::Expr, name: &str, place: Place, position: u32) -> Result<Expr> {
        let base = self.expr(base, place)?;
        let snapshot = &self.names().snapshot;
        let oid = snapshot.base_type(base.ty()).oid;
        let Some(fields) = snapshot.composite_fields(oid) else {
            let text = self.type_text(oid);
            let error = if oid == Oid::RECORD {
                crate::error!(UNDEFINED_COLUMN, "could not identify column \"{name}\" in record data type")
            } else {
                crate::error!(
                    WRONG_OBJECT_TYPE,
                    "column notation .{name} applied to type {text}, which is not a composite type"
                )
            };
            return Err(error.at(position));
        };
        match fields.iter().position(|field| field.0 == name) {
            Some(index) => Ok(Expr::Field { record: Box::new(base), index, ty: fields[index].1 }),
            None => {
                let text = self.type_text(oid);
                Err(crate::error!(UNDEFINED_COLUMN, "column \"{name}\" not found in data type {text}").at(position))
            }
        }
    }

    fn subscript(
        &mut self,
        base: &ast::Expr,
        subscripts: &[ast::Subscript],
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        let mut array = self.expr(base, place)?;
        let snapshot = std::sync::Arc::clone(&self.names().snapshot);
        let oid = snapshot.base_type(array.ty()).oid;
        if oid == Oid::JSONB {
            for item in subscripts {
                let ast::Subscript::Index(index) = item else {
                    return Err(
                        crate::error!(DATATYPE_MISMATCH, "jsonb subscript does not support slices").at(position)
                    );
                };
                let index = self.expr(index, place)?;
                array = self.binary("->", array, index, position)?;
            }
            return Ok(array);
        }
        if let (Oid::NAME, [ast::Subscript::Index(index)]) = (oid, subscripts) {
            return self.name_subscript(array, index, place, position);
        }
        let Some(element) = snapshot.element_type(oid) else {
            let text = self.type_text(oid);
            return Err(crate::error!(
                DATATYPE_MISMATCH,
                "cannot subscript type {text} because it does not support subscripting"
            )
            .at(position));
        };
        let index = |binder: &mut Self, expr: &ast::Expr| -> Result<Expr> {
            let bound = binder.expr(expr, place)?;
            match binder.try_coerce(bound, SqlType::of(Oid::INT4), CoercionContext::Assignment, expr.position)? {
                Some(bound) => Ok(bound),
                None => {
                    Err(crate::error!(DATATYPE_MISMATCH, "array subscript must have type integer").at(expr.position))
                }
            }
        };
        if subscripts.iter().any(|item| matches!(item, ast::Subscript::Slice(..))) {
            let mut bounds = Vec::with_capacity(subscripts.len());
            for item in subscripts {
                bounds.push(match item {
                    ast::Subscript::Slice(low, high) => (
                        low.as_ref().map(|low| index(self, low)).transpose()?,
                        high.as_ref().map(|high| index(self, high)).transpose()?,
                    ),
                    // A plain index among slices means 1 to it.
                    ast::Subscript::Index(high) => {
                        (Some(Expr::Const(Datum::Int4(1), SqlType::of(Oid::INT4))), Some(index(self, high)?))
                    }
                });
            }
            let ty = array.ty();
            return Ok(Expr::Slice { array: Box::new(array), bounds, ty });
        }
        let mut indices = Vec::with_capacity(subscripts.len());
        for item in subscripts {
            if let ast::Subscript::Index(expr) = item {
                indices.push(index(self, expr)?);
            }
        }
        Ok(Expr::Subscript { array: Box::new(array), indices, ty: SqlType::of(element) })
    }

    /// `name[i]`: the `"char"` at a place counted from 0, as pg_dump asks of type names.
    fn name_subscript(&mut self, name: Expr, index: &ast::Expr, place: Place, position: u32) -> Result<Expr> {
        let one = || Expr::Const(Datum::Int4(1), SqlType::of(Oid::INT4));
        let index = self.expr(index, place)?;
        let from = self.binary("+", index, one(), position)?;
        let text = self.cast(name, SqlType::of(Oid::TEXT), position)?;
        let letter = self.call_named("substr", vec![text, from, one()], position)?;
        self.cast(letter, SqlType::of(Oid::INTERNAL_CHAR), position)
    }

    /// A container with the value at the subscripts.
    ///
    /// # Errors
    /// `42804` for a type without subscripts or a value of another type.
    pub(super) fn store(
        &mut self,
        container: Expr,
        ty: SqlType,
        subscripts: &[ast::Subscript],
        value: Expr,
        position: u32,
    ) -> Result<Expr> {
        let snapshot = std::sync::Arc::clone(&self.names().snapshot);
        let oid = snapshot.base_type(ty).oid;
        let element = if oid == Oid::JSONB { Some(Oid::JSONB) } else { snapshot.element_type(oid) };
        let Some(element) = element else {
            let text = self.type_text(oid);
            return Err(crate::error!(
                DATATYPE_MISMATCH,
                "cannot subscript type {text} because it does not support subscripting"
            )
            .at(position));
        };
        let slice = subscripts.iter().any(|item| matches!(item, ast::Subscript::Slice(..)));
        if slice && oid == Oid::JSONB {
            return Err(crate::error!(DATATYPE_MISMATCH, "jsonb subscript does not support slices").at(position));
        }
        let one = || Expr::Const(Datum::Int4(1), SqlType::of(Oid::INT4));
        let mut bounds = Vec::with_capacity(subscripts.len());
        for item in subscripts {
            bounds.push(match item {
                ast::Subscript::Slice(low, high) => (
                    low.as_ref().map(|low| self.store_index(low, oid)).transpose()?,
                    high.as_ref().map(|high| self.store_index(high, oid)).transpose()?,
                ),
                ast::Subscript::Index(index) => (slice.then(one), Some(self.store_index(index, oid)?)),
            });
        }
        let wanted = if slice { ty } else { SqlType::with(element, ty.typmod) };
        let found = value.ty().oid;
        let Some(value) = self.try_coerce(value, wanted, CoercionContext::Assignment, position)? else {
            let (wanted, found) = (self.type_text(wanted.oid), self.type_text(found));
            return Err(crate::error!(
                DATATYPE_MISMATCH,
                "subscripted assignment to \"{wanted}\" requires type {wanted} but expression is of type {found}"
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position));
        };
        Ok(Expr::Store { container: Box::new(container), element, bounds, slice, value: Box::new(value) })
    }

    /// A subscript of an assignment: an integer; for jsonb also text.
    fn store_index(&mut self, index: &ast::Expr, container: Oid) -> Result<Expr> {
        let bound = self.expr(index, Place::Update)?;
        let is_text = matches!(bound.ty().oid, Oid::UNKNOWN | Oid::TEXT | Oid::VARCHAR);
        let wanted = if container == Oid::JSONB && is_text { Oid::TEXT } else { Oid::INT4 };
        match self.try_coerce(bound, SqlType::of(wanted), CoercionContext::Assignment, index.position)? {
            Some(bound) => Ok(bound),
            None => Err(crate::error!(DATATYPE_MISMATCH, "array subscript must have type integer").at(index.position)),
        }
    }

    fn collate(&mut self, arg: &ast::Expr, collation: &ast::Name, place: Place) -> Result<Expr> {
        let bound = self.known(arg, place)?;
        if !matches!(collation.last(), "C" | "POSIX" | "default" | "ucs_basic" | "pg_c_utf8" | "C.UTF-8" | "C.utf8") {
            let name = collation.to_string();
            return Err(crate::error!(UNDEFINED_OBJECT, "collation \"{name}\" for encoding \"UTF8\" does not exist")
                .at(collation.position));
        }
        Ok(bound)
    }

    fn sql_value(&mut self, name: &'static str, precision: Option<i32>, position: u32) -> Result<Expr> {
        let (function, target) = match name {
            "CURRENT_DATE" => ("now", Oid::DATE),
            "CURRENT_TIMESTAMP" => ("now", Oid::TIMESTAMPTZ),
            "CURRENT_TIME" => ("now", Oid::TIMETZ),
            "LOCALTIMESTAMP" => ("now", Oid::TIMESTAMP),
            "LOCALTIME" => ("now", Oid::TIME),
            "SESSION_USER" => ("session_user", Oid::NAME),
            "CURRENT_CATALOG" => ("current_database", Oid::NAME),
            "CURRENT_SCHEMA" => ("current_schema", Oid::NAME),
            _ => ("current_user", Oid::NAME),
        };
        let call = self.call_named(function, Vec::new(), position)?;
        let mut value =
            self.cast(call, SqlType::with(target, precision.map_or(-1, |digits| digits.min(6))), position)?;
        // Printed as it was written, whatever computes it.
        let call = match &mut value {
            Expr::Typmod { arg, .. } => &mut **arg,
            other => other,
        };
        if let Expr::Call(call) = call {
            call.form = CallForm::SqlValue(name, precision.unwrap_or(-1));
        }
        Ok(value)
    }
}

/// The typmod that all share, when all have the common type.
pub(super) fn shared_typmod(types: impl Iterator<Item = SqlType>, common: Oid) -> i32 {
    let mut shared = None;
    for ty in types {
        if ty.oid != common || shared.is_some_and(|seen| seen != ty.typmod) {
            return -1;
        }
        shared = Some(ty.typmod);
    }
    shared.unwrap_or(-1)
}

/// A numeric literal: the smallest of integer, bigint and numeric that holds it.
fn number(text: &str) -> Result<Expr> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let lower = plain.to_ascii_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => Some(16),
        Some("0o") => Some(8),
        Some("0b") => Some(2),
        _ => None,
    };
    let value = match radix {
        Some(radix) => i128::from_str_radix(&lower[2..], radix).ok(),
        None => plain.parse::<i128>().ok(),
    };
    let value = value.map(|value| if negative { -value } else { value });
    if let Some(value) = value.and_then(|value| i32::try_from(value).ok()) {
        return Ok(Expr::Const(Datum::Int4(value), SqlType::of(Oid::INT4)));
    }
    if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
        return Ok(Expr::Const(Datum::Int8(value), SqlType::of(Oid::INT8)));
    }
    let ty = SqlType::of(Oid::NUMERIC);
    let text = if negative { format!("-{plain}") } else { plain };
    Ok(Expr::Const(io::input(&text, ty, &io::IoContext::fixed())?, ty))
}
