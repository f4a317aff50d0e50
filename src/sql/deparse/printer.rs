//! The walk over an expression that writes its text.
//!
//! `implicit` says whether casts that the binder added are shown: inside operators and function calls they are, since the
//! choice of the operator hangs on them; at the top and in conditions they are not.

use super::constant::constant;
use super::simple::is_simple;
use crate::catalog::Names;
use crate::catalog::builtin::{OperatorRow, builtin};
use crate::common::quote_ident;
use crate::sql::expr::{Call, CallForm, Expr, RowCompareOp};
use crate::types::{Datum, Oid, SqlType};

/// Spaces by which the parts of CASE are indented.
const INDENT: usize = 4;

/// Writes one expression.
pub(super) struct Printer<'a> {
    out: String,
    column_name: &'a dyn Fn(usize) -> String,
    names: &'a Names,
    pretty: bool,
    indent: usize,
}

impl<'a> Printer<'a> {
    pub(super) fn new(column_name: &'a dyn Fn(usize) -> String, names: &'a Names, pretty: bool) -> Self {
        Self { out: String::new(), column_name, names, pretty, indent: 0 }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// A parenthesis that only the plain style has.
    fn bracket(&mut self, text: &str) {
        if !self.pretty {
            self.push(text);
        }
    }

    /// An operand: in the pretty style parenthesised when it must be.
    fn operand(&mut self, expr: &Expr, implicit: bool, parent: &Expr) {
        let shown = if implicit { expr } else { without_implicit(expr) };
        if self.pretty && !is_simple(shown, parent) {
            self.push("(");
            self.expr(expr, implicit);
            self.push(")");
        } else {
            self.expr(expr, implicit);
        }
    }

    fn list(&mut self, items: &[Expr]) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.expr(item, true);
        }
    }

    fn call_like(&mut self, name: &str, items: &[Expr]) {
        self.push(name);
        self.push("(");
        self.list(items);
        self.push(")");
    }

    pub(super) fn expr(&mut self, expr: &Expr, implicit: bool) {
        match expr {
            Expr::Const(value, ty) => {
                let text = constant(value, *ty, true, self.names);
                self.push(&text);
            }
            Expr::Column { index, .. } => {
                let name = (self.column_name)(*index);
                self.push(&name);
            }
            Expr::Outer { depth, index, .. } => self.push(&format!("outer{depth}.column{}", index + 1)),
            Expr::Param { index, .. } => self.push(&format!("${index}")),
            Expr::Call(call) => self.call(call, expr, implicit),
            Expr::And(items) => self.logic(" AND ", items, expr),
            Expr::Or(items) => self.logic(" OR ", items, expr),
            Expr::Not(arg) => {
                // NOT IN is written with the negator.
                if let Expr::ArrayCompare { function, any: true, left, array } = &**arg
                    && let Some(negator) = operator_of(*function).and_then(|row| builtin().operator_row(row.negator))
                {
                    return self.array_test(left, Some(negator), "ALL", array, arg);
                }
                self.bracket("(");
                self.push("NOT ");
                self.operand(arg, false, expr);
                self.bracket(")");
            }
            Expr::Case { arms, otherwise, ty } => self.case(arms, otherwise.as_deref(), *ty),
            Expr::Coalesce { args, .. } => self.call_like("COALESCE", args),
            Expr::MinMax { greatest, args, .. } => self.call_like(if *greatest { "GREATEST" } else { "LEAST" }, args),
            Expr::Array { items, ty, .. } => {
                self.push("ARRAY[");
                self.list(items);
                self.push("]");
                if items.is_empty() {
                    self.cast_to(*ty);
                }
            }
            Expr::Row { fields, .. } => self.call_like("ROW", fields),
            Expr::Relabel { arg, ty } | Expr::ViaIo { arg, ty } => self.cast(arg, *ty, expr),
            Expr::ArrayMap { array, ty, .. } => self.cast(array, *ty, expr),
            Expr::Typmod { arg, ty, explicit } => self.typmod(arg, *ty, *explicit || implicit, implicit),
            Expr::Domain { arg, ty, .. } => self.cast(arg, *ty, expr),
            Expr::Subquery(_) => self.push("(SELECT ...)"),
            Expr::Grouping { .. } => self.push("GROUPING()"),
            Expr::Default => self.push("DEFAULT"),
            other => self.test(other),
        }
    }

    /// Tests and accesses: nodes with operands.
    fn test(&mut self, expr: &Expr) {
        match expr {
            Expr::IsNull { arg, negated } => {
                self.suffix_test(arg, if *negated { " IS NOT NULL" } else { " IS NULL" }, expr);
            }
            Expr::IsBool { arg, value, negated } => {
                let value = match value {
                    Some(true) => "TRUE",
                    Some(false) => "FALSE",
                    None => "UNKNOWN",
                };
                self.suffix_test(arg, &format!(" IS {}{value}", if *negated { "NOT " } else { "" }), expr);
            }
            Expr::IsDistinct { left, right, negated, .. } => {
                if *negated {
                    self.bracket("(");
                    self.push("NOT ");
                }
                self.bracket("(");
                self.operand(left, true, expr);
                self.push(" IS DISTINCT FROM ");
                self.operand(right, true, expr);
                self.bracket(")");
                if *negated {
                    self.bracket(")");
                }
            }
            Expr::NullIf { left, right, .. } => {
                self.push("NULLIF(");
                self.expr(left, true);
                self.push(", ");
                self.expr(right, true);
                self.push(")");
            }
            Expr::ArrayCompare { function, any, left, array } => {
                let word = if *any { "ANY" } else { "ALL" };
                self.array_test(left, operator_of(*function), word, array, expr);
            }
            Expr::RowCompare { op, pairs } => {
                self.push("(ROW(");
                self.list(&pairs.iter().map(|pair| pair.left.clone()).collect::<Vec<_>>());
                self.push(&format!(") {} ROW(", row_operator(*op)));
                self.list(&pairs.iter().map(|pair| pair.right.clone()).collect::<Vec<_>>());
                self.push("))");
            }
            Expr::Field { record, index, .. } => self.field(record, *index),
            Expr::Subscript { array, indices, .. } => {
                self.container(array);
                for index in indices {
                    self.push("[");
                    self.expr(index, false);
                    self.push("]");
                }
            }
            Expr::Slice { array, bounds, .. } => self.slice(array, bounds),
            Expr::Store { value, .. } => self.expr(value, false),
            other => unreachable_node(other),
        }
    }

    /// An operator's symbol, or how it is written where the symbol alone does not find it.
    fn symbol(&self, row: &OperatorRow) -> String {
        match self.names.schema_to_show(row.namespace) {
            Some(schema) => format!("OPERATOR({schema}.{})", row.name),
            None => row.name.to_owned(),
        }
    }

    fn array_test(&mut self, left: &Expr, operator: Option<&OperatorRow>, word: &str, array: &Expr, expr: &Expr) {
        let operator = operator.map_or_else(|| "=".to_owned(), |row| self.symbol(row));
        self.bracket("(");
        self.operand(left, true, expr);
        self.push(&format!(" {operator} {word} ("));
        self.operand(array, true, expr);
        self.push(")");
        self.bracket(")");
    }

    fn suffix_test(&mut self, arg: &Expr, suffix: &str, expr: &Expr) {
        self.bracket("(");
        self.operand(arg, true, expr);
        self.push(suffix);
        self.bracket(")");
    }

    fn logic(&mut self, word: &str, items: &[Expr], expr: &Expr) {
        self.bracket("(");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.push(word);
            }
            self.operand(item, false, expr);
        }
        self.bracket(")");
    }

    fn field(&mut self, record: &Expr, index: usize) {
        let plain = matches!(record, Expr::Field { .. } | Expr::Subscript { .. });
        self.push(if plain { "" } else { "(" });
        self.expr(record, true);
        self.push(if plain { "." } else { ")." });
        let fields = self.names.snapshot.composite_fields(record.ty().oid).unwrap_or_default();
        let name = fields.get(index).map_or_else(|| format!("f{}", index + 1), |field| quote_ident(&field.0));
        self.push(&name);
    }

    fn container(&mut self, array: &Expr) {
        let plain = matches!(array, Expr::Column { .. } | Expr::Field { .. });
        self.push(if plain { "" } else { "(" });
        self.expr(array, true);
        self.push(if plain { "" } else { ")" });
    }

    fn slice(&mut self, array: &Expr, bounds: &[(Option<Expr>, Option<Expr>)]) {
        self.container(array);
        for (low, high) in bounds {
            self.push("[");
            if let Some(low) = low {
                self.expr(low, false);
            }
            self.push(":");
            if let Some(high) = high {
                self.expr(high, false);
            }
            self.push("]");
        }
    }

    fn line(&mut self, text: &str) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        self.push("\n");
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.push(text);
    }

    fn case(&mut self, arms: &[(Expr, Expr)], otherwise: Option<&Expr>, ty: SqlType) {
        self.line("CASE");
        self.indent += INDENT;
        for (condition, result) in arms {
            self.line("WHEN ");
            self.expr(condition, false);
            self.push(" THEN ");
            self.expr(result, true);
        }
        self.line("ELSE ");
        match otherwise {
            Some(otherwise) => self.expr(otherwise, true),
            None => self.expr(&Expr::Const(Datum::Null, ty), true),
        }
        self.indent -= INDENT;
        self.line("END");
    }

    fn cast_to(&mut self, ty: SqlType) {
        let name = self.names.type_text(ty);
        self.push("::");
        self.push(&name);
    }

    fn cast(&mut self, arg: &Expr, ty: SqlType, expr: &Expr) {
        match arg {
            Expr::Const(value, from) if from.oid == ty.oid && from.typmod == -1 => {
                let text = constant(value, *from, false, self.names);
                self.push(&text);
            }
            _ => {
                self.bracket("(");
                self.operand(arg, false, expr);
                self.bracket(")");
            }
        }
        self.cast_to(ty);
    }

    /// A cast and the modifier that goes with it are one cast as written.
    fn typmod(&mut self, arg: &Expr, ty: SqlType, shown: bool, implicit: bool) {
        let is_sql_value =
            matches!(arg, Expr::Call(call) if matches!(call.form, CallForm::SqlValue(_, digits) if digits >= 0));
        if !shown || is_sql_value {
            return self.expr(arg, implicit);
        }
        let source = match arg {
            Expr::Call(call) if matches!(call.form, CallForm::ExplicitCast | CallForm::ImplicitCast) => &call.args[0],
            Expr::Relabel { arg: inner, ty: to } | Expr::ViaIo { arg: inner, ty: to } if to.oid == ty.oid => &**inner,
            other => other,
        };
        self.cast(source, ty, arg);
    }

    fn call(&mut self, call: &Call, expr: &Expr, implicit: bool) {
        match call.form {
            CallForm::SqlValue(name, precision) => {
                self.push(name);
                if precision >= 0 {
                    self.push(&format!("({precision})"));
                }
            }
            CallForm::Operator(oid) => self.operator(oid, &call.args, expr),
            CallForm::ImplicitCast if !implicit => self.expr(&call.args[0], false),
            CallForm::ImplicitCast | CallForm::ExplicitCast => {
                let typmod = match call.args.get(1) {
                    Some(Expr::Const(Datum::Int4(typmod), _)) => *typmod,
                    _ => call.ty.typmod,
                };
                self.cast(&call.args[0], SqlType::with(call.ty.oid, typmod), expr);
            }
            CallForm::Function | CallForm::Variadic => self.function(call),
        }
    }

    fn operator(&mut self, oid: Oid, args: &[Expr], expr: &Expr) {
        let symbol = builtin().operator_row(oid).map_or_else(|| "?".to_owned(), |row| self.symbol(row));
        self.bracket("(");
        if let [left, _] = args {
            self.operand(left, true, expr);
            self.push(" ");
        }
        self.push(&symbol);
        self.push(" ");
        if let Some(last) = args.last() {
            self.operand(last, true, expr);
        }
        self.bracket(")");
    }

    fn function(&mut self, call: &Call) {
        let Some(row) = builtin().proc_row(call.function) else {
            return self.call_like(&format!("function_{}", call.function), &call.args);
        };
        if row.namespace == "pg_catalog" && self.sql_syntax(row.name, &call.args) {
            return;
        }
        let name = quote_ident(row.name);
        let name = match self.names.schema_to_show(row.namespace) {
            Some(schema) => format!("{schema}.{name}"),
            None => name,
        };
        match call.args.split_last() {
            Some((Expr::Array { items, nested: false, .. }, before)) if row.variadic.is_some() => {
                let all: Vec<Expr> = before.iter().chain(items).cloned().collect();
                self.call_like(&name, &all);
            }
            _ => self.call_like(&name, &call.args),
        }
    }

    /// Functions whose names only SQL's own syntax reaches.
    fn sql_syntax(&mut self, name: &str, args: &[Expr]) -> bool {
        match (name, args) {
            ("extract", [Expr::Const(Datum::Text(field), _), from]) => {
                self.push(&format!("EXTRACT({field} FROM "));
                self.expr(from, false);
                self.push(")");
            }
            ("timezone", [zone, time]) => {
                self.push("(");
                self.expr(time, true);
                self.push(" AT TIME ZONE ");
                self.expr(zone, true);
                self.push(")");
            }
            ("position", [text, part]) => {
                self.push("POSITION((");
                self.expr(part, false);
                self.push(") IN (");
                self.expr(text, false);
                self.push("))");
            }
            ("overlay", [text, new, rest @ ..]) => {
                self.push("OVERLAY(");
                self.expr(text, false);
                for (word, part) in [" PLACING ", " FROM ", " FOR "].iter().zip(std::iter::once(new).chain(rest)) {
                    self.push(word);
                    self.expr(part, false);
                }
                self.push(")");
            }
            _ => return false,
        }
        true
    }
}

/// What is left of an expression when the binder's own casts are not shown.
fn without_implicit(expr: &Expr) -> &Expr {
    match expr {
        Expr::Call(call) if call.form == CallForm::ImplicitCast => without_implicit(&call.args[0]),
        other => other,
    }
}

/// The binary operator that a function implements.
fn operator_of(function: Oid) -> Option<&'static OperatorRow> {
    builtin().operators.iter().find(|row| row.function == function && row.kind == 'b')
}

fn row_operator(op: RowCompareOp) -> &'static str {
    match op {
        RowCompareOp::Eq => "=",
        RowCompareOp::Ne => "<>",
        RowCompareOp::Lt => "<",
        RowCompareOp::Le => "<=",
        RowCompareOp::Gt => ">",
        RowCompareOp::Ge => ">=",
    }
}

fn unreachable_node(expr: &Expr) -> ! {
    panic!("a node without a text form: {expr:?}")
}
