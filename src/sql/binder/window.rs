//! Window function calls and their specifications.

use crate::error::Result;
use crate::sql::ast::{self, Over};
use crate::sql::expr::{Expr, SortKey, WindowCall};
use crate::sql::logical::{FrameBound, FrameExclude, FrameUnits, WindowFrame};
use crate::sql::walk;
use crate::types::{Oid, SqlType};

use super::call::ChosenCall;
use super::coerce::CoercionContext;
use super::context::{Binder, Place, SET_BASE, WINDOW_BASE};

/// A bound OVER clause.
#[derive(Clone, Debug)]
pub(super) struct BoundWindow {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
    pub frame: WindowFrame,
}

impl BoundWindow {
    /// Whether two calls can share one pass.
    pub(super) fn same(&self, other: &Self) -> bool {
        let exprs = |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| walk::same(x, y));
        let keys = |a: &[SortKey], b: &[SortKey]| {
            a.len() == b.len()
                && a.iter().zip(b).all(|(x, y)| {
                    x.descending == y.descending && x.nulls_first == y.nulls_first && walk::same(&x.expr, &y.expr)
                })
        };
        exprs(&self.partition_by, &other.partition_by)
            && keys(&self.order_by, &other.order_by)
            && self.frame.units == other.frame.units
            && self.frame.exclude == other.frame.exclude
            && same_bound(&self.frame.start, &other.frame.start)
            && same_bound(&self.frame.end, &other.frame.end)
    }
}

fn same_bound(left: &FrameBound, right: &FrameBound) -> bool {
    match (left, right) {
        (FrameBound::Preceding(a), FrameBound::Preceding(b)) | (FrameBound::Following(a), FrameBound::Following(b)) => {
            walk::same(a, b)
        }
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

impl Binder<'_> {
    pub(super) fn window_call(
        &mut self,
        call: &ast::FuncCall,
        chosen: ChosenCall,
        over: &Over,
        place: Place,
        position: u32,
    ) -> Result<Expr> {
        if place == Place::AggregateArgument {
            return Err(crate::error!(GROUPING_ERROR, "aggregate function calls cannot contain window function calls")
                .at(position));
        }
        if !place.allows_windows() {
            return Err(
                crate::error!(WINDOWING_ERROR, "window functions are not allowed in {}", place.name()).at(position)
            );
        }
        let name = call.name.last();
        if !matches!(chosen.row.kind, 'a' | 'w') {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "OVER specified, but {name} is not a window function nor an aggregate function"
            )
            .at(position));
        }
        let mut columns = Vec::new();
        chosen.args.iter().for_each(|arg| walk::columns_of(arg, &mut columns));
        if columns.iter().any(|index| (WINDOW_BASE..SET_BASE).contains(index)) {
            return Err(crate::error!(WINDOWING_ERROR, "window function calls cannot be nested").at(position));
        }
        if call.distinct {
            return Err(
                crate::error!(FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions").at(position)
            );
        }
        if !call.order_by.is_empty() {
            return Err(crate::error!(
                FEATURE_NOT_SUPPORTED,
                "aggregate ORDER BY is not implemented for window functions"
            )
            .at(position));
        }
        if call.filter.is_some() && chosen.row.kind == 'w' {
            return Err(crate::error!(
                FEATURE_NOT_SUPPORTED,
                "FILTER is not implemented for non-aggregate window functions"
            )
            .at(position));
        }
        let filter = self.filter_clause(call)?;
        let window = match over {
            Over::Spec(spec) => self.window_spec(spec)?,
            Over::Name(name) => {
                let spec = self.named_window(name, position)?;
                self.window_spec(&spec)?
            }
        };
        let ty = chosen.result;
        let windows = &mut self.level().windows;
        windows.push((window, WindowCall { function: chosen.row.oid, args: chosen.args, filter, ty }));
        Ok(Expr::Column { index: WINDOW_BASE + windows.len() - 1, ty })
    }

    fn named_window(&mut self, name: &str, position: u32) -> Result<ast::WindowSpec> {
        match self.level().named_windows.iter().find(|window| window.0 == name) {
            Some((_, spec)) => Ok(spec.clone()),
            None => Err(crate::error!(UNDEFINED_OBJECT, "window \"{name}\" does not exist").at(position)),
        }
    }

    fn window_spec(&mut self, spec: &ast::WindowSpec) -> Result<BoundWindow> {
        let base = match &spec.base {
            Some(name) => {
                let base = self.named_window(name, spec.position)?;
                if !spec.partition_by.is_empty() {
                    return Err(crate::error!(
                        WINDOWING_ERROR,
                        "cannot override PARTITION BY clause of window \"{name}\""
                    )
                    .at(spec.position));
                }
                if !spec.order_by.is_empty() && !base.order_by.is_empty() {
                    return Err(crate::error!(WINDOWING_ERROR, "cannot override ORDER BY clause of window \"{name}\"")
                        .at(spec.position));
                }
                if base.frame.is_some() {
                    return Err(crate::error!(
                        WINDOWING_ERROR,
                        "cannot copy window \"{name}\" because it has a frame clause"
                    )
                    .at(spec.position));
                }
                Some(base)
            }
            None => None,
        };
        let partition = base.as_ref().map_or(&spec.partition_by, |base| &base.partition_by);
        let order =
            base.as_ref().filter(|base| !base.order_by.is_empty()).map_or(&spec.order_by, |base| &base.order_by);
        let mut partition_by = Vec::with_capacity(partition.len());
        for expr in partition {
            let bound = self.known(expr, Place::Window)?;
            self.check_groupable(bound.ty().oid, expr.position)?;
            partition_by.push(bound);
        }
        let mut order_by = Vec::with_capacity(order.len());
        for item in order {
            let bound = self.known(&item.expr, Place::Window)?;
            order_by.push(self.sort_key(bound, item)?);
        }
        let frame = self.frame(spec.frame.as_ref(), &order_by, spec.position)?;
        Ok(BoundWindow { partition_by, order_by, frame })
    }

    fn frame(&mut self, frame: Option<&ast::Frame>, order_by: &[SortKey], position: u32) -> Result<WindowFrame> {
        let Some(frame) = frame else {
            return Ok(WindowFrame {
                units: FrameUnits::Range,
                start: FrameBound::UnboundedPreceding,
                end: FrameBound::CurrentRow,
                exclude: FrameExclude::NoOthers,
            });
        };
        let units = frame.units;
        if units == FrameUnits::Groups && order_by.is_empty() {
            return Err(crate::error!(WINDOWING_ERROR, "GROUPS mode requires an ORDER BY clause").at(position));
        }
        let start = self.frame_bound(&frame.start, units, order_by, position)?;
        let end = self.frame_bound(&frame.end, units, order_by, position)?;
        Ok(WindowFrame { units, start, end, exclude: frame.exclude })
    }

    fn frame_bound(
        &mut self,
        bound: &ast::FrameBound,
        units: FrameUnits,
        order_by: &[SortKey],
        position: u32,
    ) -> Result<FrameBound> {
        let (expr, preceding) = match bound {
            ast::FrameBound::UnboundedPreceding => return Ok(FrameBound::UnboundedPreceding),
            ast::FrameBound::CurrentRow => return Ok(FrameBound::CurrentRow),
            ast::FrameBound::UnboundedFollowing => return Ok(FrameBound::UnboundedFollowing),
            ast::FrameBound::Preceding(expr) => (expr, true),
            ast::FrameBound::Following(expr) => (expr, false),
        };
        let offset = self.expr(expr, Place::Window)?;
        let offset = if units == FrameUnits::Range {
            let [key] = order_by else {
                return Err(crate::error!(
                    WINDOWING_ERROR,
                    "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"
                )
                .at(position));
            };
            let want = match key.expr.ty().oid {
                Oid::DATE | Oid::TIMESTAMP | Oid::TIMESTAMPTZ | Oid::TIME | Oid::TIMETZ | Oid::INTERVAL => {
                    Oid::INTERVAL
                }
                Oid::INT2 | Oid::INT4 | Oid::INT8 => Oid::INT8,
                Oid::FLOAT4 | Oid::FLOAT8 => Oid::FLOAT8,
                Oid::NUMERIC => Oid::NUMERIC,
                other => {
                    let text = self.type_text(other);
                    return Err(crate::error!(
                        FEATURE_NOT_SUPPORTED,
                        "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {text}"
                    )
                    .at(position));
                }
            };
            self.coerce(offset, want, CoercionContext::Implicit, expr.position)?
        } else {
            let what = if units == FrameUnits::Rows { "ROWS" } else { "GROUPS" };
            let source = offset.ty().oid;
            match self.try_coerce(offset, SqlType::of(Oid::INT8), CoercionContext::Assignment, expr.position)? {
                Some(offset) => offset,
                None => {
                    let text = self.type_text(source);
                    return Err(crate::error!(
                        DATATYPE_MISMATCH,
                        "argument of {what} must be type bigint, not type {text}"
                    )
                    .at(expr.position));
                }
            }
        };
        Ok(if preceding { FrameBound::Preceding(offset) } else { FrameBound::Following(offset) })
    }
}
