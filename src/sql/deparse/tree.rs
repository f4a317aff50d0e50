//! Syntax trees of expressions back to SQL: for the queries of views, whose text is kept as a tree with its names resolved.
//!
//! Every operator gets its parentheses, so the text reads back as the same tree whatever the precedences.

use super::query::QueryPrinter;
use crate::catalog::builtin::builtin;
use crate::common::quote_ident;
use crate::sql::ast::{Expr, ExprKind, FrameBound, FrameExclude, FrameUnits, FuncCall, LikeKind, Name, OpName};
use crate::sql::ast::{OrderItem, Over, Subscript, TypeName, WindowSpec};
use crate::types::{SqlType, typmod};

use super::constant::quote;

/// A name with its parts quoted where they must be.
pub(super) fn name(name: &Name) -> String {
    name.parts.iter().map(|part| quote_ident(part)).collect::<Vec<_>>().join(".")
}

/// A type whose bare name is found.
fn type_name(ty: &TypeName) -> String {
    let arrays = "[]".repeat(ty.array_dims);
    let modifiers: Vec<&str> = ty
        .modifiers
        .iter()
        .filter_map(|modifier| match &modifier.kind {
            ExprKind::Number(text) | ExprKind::String(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let bare = ty.name.parts.len() == 1 || ty.name.schema() == Some("pg_catalog");
    let row = builtin().types_named(ty.name.last()).find(|row| row.namespace == "pg_catalog").filter(|_| bare);
    let known = row.and_then(|row| {
        let typmod = match (ty.interval_typmod, modifiers.as_slice()) {
            (Some(typmod), _) => typmod,
            (None, []) => -1,
            (None, modifiers) => typmod::parse_typmod(row.oid, modifiers).ok()?,
        };
        typmod::format_type(SqlType::with(row.oid, typmod))
    });
    match known {
        Some(text) => text + &arrays,
        None if modifiers.is_empty() => name(&ty.name) + &arrays,
        None => format!("{}({}){arrays}", name(&ty.name), modifiers.join(",")),
    }
}

/// Whether the text of an expression stands in parentheses of its own.
fn is_wrapped(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(text) => text.starts_with('-'),
        ExprKind::Unary { .. }
        | ExprKind::Binary { .. }
        | ExprKind::And(..)
        | ExprKind::Or(..)
        | ExprKind::Not(_)
        | ExprKind::Collate { .. }
        | ExprKind::AtTimeZone { .. }
        | ExprKind::Overlaps { .. }
        | ExprKind::IsNull { .. }
        | ExprKind::IsBool { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::Between { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::Like { .. }
        | ExprKind::AnyArray { .. }
        | ExprKind::AnyQuery { .. }
        | ExprKind::Exists(_) => true,
        _ => false,
    }
}

impl QueryPrinter<'_> {
    /// The schema that what is used at a position must be written with.
    fn hidden_schema(&self, position: u32) -> Option<&str> {
        let hidden = self.hidden.filter(|hidden| hidden.uses.contains(&position))?;
        Some(&hidden.schema)
    }

    fn operator(&self, op: &OpName, position: u32) -> String {
        match &op.schema {
            Some(schema) => format!("OPERATOR({}.{})", quote_ident(schema), op.symbol),
            None => self.symbol(&op.symbol, position),
        }
    }

    fn symbol(&self, symbol: &str, position: u32) -> String {
        match self.hidden_schema(position) {
            Some(schema) => format!("OPERATOR({schema}.{symbol})"),
            None => symbol.to_owned(),
        }
    }

    /// A type as PostgreSQL prints it.
    pub(super) fn type_name(&self, ty: &TypeName) -> String {
        let is_bare = ty.name.parts.len() == 1;
        let of_extension = || builtin().types_named(ty.name.last()).any(|row| row.namespace == "public");
        match self.hidden.filter(|_| is_bare && of_extension()) {
            Some(hidden) => format!("{}.{}", hidden.schema, type_name(ty)),
            None => type_name(ty),
        }
    }

    pub(super) fn exprs(&mut self, items: &[Expr]) -> String {
        items.iter().map(|item| self.bare(item)).collect::<Vec<_>>().join(", ")
    }

    /// An expression where nothing binds tighter: without its own parentheses when pretty.
    pub(super) fn bare(&mut self, expr: &Expr) -> String {
        let text = self.expr(expr);
        if self.pretty && is_wrapped(expr) { text[1..text.len() - 1].to_owned() } else { text }
    }

    /// A side of AND or OR.
    fn condition(&mut self, expr: &Expr, inside_and: bool) -> String {
        let keeps = match &expr.kind {
            ExprKind::Or(..) => inside_and,
            ExprKind::AnyArray { .. } | ExprKind::InList { .. } => true,
            _ => false,
        };
        if keeps { self.expr(expr) } else { self.bare(expr) }
    }

    /// A chain of AND or OR, flat however it was grouped.
    fn logic(&mut self, expr: &Expr, and: bool) -> String {
        let mut items = Vec::new();
        flatten(expr, and, &mut items);
        let texts: Vec<String> = items.into_iter().map(|item| self.condition(item, and)).collect();
        format!("({})", texts.join(if and { " AND " } else { " OR " }))
    }

    fn optional(&mut self, expr: Option<&Expr>) -> String {
        expr.map(|expr| self.expr(expr)).unwrap_or_default()
    }

    /// The text of an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Null => "NULL".to_owned(),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Number(text) if text.starts_with('-') => format!("({text})"),
            ExprKind::Number(text) => text.clone(),
            ExprKind::String(text) => quote(text),
            ExprKind::BitString { digits, hex } => format!("{}'{digits}'", if *hex { 'X' } else { 'B' }),
            ExprKind::Param(index) => format!("${index}"),
            ExprKind::Column(column) => name(column),
            ExprKind::Star(None) => "*".to_owned(),
            ExprKind::Star(Some(table)) => format!("{}.*", name(table)),
            ExprKind::Field { base, name } => format!("({}).{}", self.expr(base), quote_ident(name)),
            ExprKind::FieldStar(base) => format!("({}).*", self.expr(base)),
            ExprKind::Subscript { base, subscripts } => self.subscripts(base, subscripts),
            ExprKind::Unary { op, arg } => format!("({} {})", self.operator(op, expr.position), self.expr(arg)),
            ExprKind::Binary { op, left, right } => {
                format!("({} {} {})", self.expr(left), self.operator(op, expr.position), self.expr(right))
            }
            ExprKind::And(..) => self.logic(expr, true),
            ExprKind::Or(..) => self.logic(expr, false),
            ExprKind::Not(arg) => format!("(NOT {})", self.expr(arg)),
            ExprKind::Array(items) => format!("ARRAY[{}]", self.exprs(items)),
            ExprKind::Row(items) => format!("ROW({})", self.exprs(items)),
            ExprKind::Cast { arg, ty } => self.cast(arg, ty),
            ExprKind::Collate { arg, collation } => format!("({} COLLATE {})", self.expr(arg), name(collation)),
            ExprKind::AtTimeZone { arg, zone: Some(zone) } => {
                format!("({} AT TIME ZONE {})", self.expr(arg), self.expr(zone))
            }
            ExprKind::AtTimeZone { arg, zone: None } => format!("({} AT LOCAL)", self.expr(arg)),
            ExprKind::Coalesce(items) => format!("COALESCE({})", self.exprs(items)),
            ExprKind::NullIf(left, right) => format!("NULLIF({}, {})", self.expr(left), self.expr(right)),
            ExprKind::Greatest(items) => format!("GREATEST({})", self.exprs(items)),
            ExprKind::Least(items) => format!("LEAST({})", self.exprs(items)),
            ExprKind::Grouping(items) => format!("GROUPING({})", self.exprs(items)),
            ExprKind::Call(call) => self.function(call, expr.position),
            ExprKind::SqlValue { name, precision: None } => (*name).to_owned(),
            ExprKind::SqlValue { name, precision: Some(digits) } => format!("{name}({digits})"),
            ExprKind::Default => "DEFAULT".to_owned(),
            ExprKind::NamedArg { name, value } => format!("{} => {}", quote_ident(name), self.expr(value)),
            ExprKind::Overlaps { left, right } => {
                format!("(({}) OVERLAPS ({}))", self.exprs(left), self.exprs(right))
            }
            _ => self.predicate(expr),
        }
    }

    /// Tests, subqueries, CASE.
    fn predicate(&mut self, expr: &Expr) -> String {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match &expr.kind {
            ExprKind::IsNull { arg, negated } => format!("({} IS {}NULL)", self.expr(arg), not(*negated)),
            ExprKind::IsBool { arg, value, negated } => {
                let value = value.map_or("UNKNOWN", |value| if value { "TRUE" } else { "FALSE" });
                format!("({} IS {}{value})", self.expr(arg), not(*negated))
            }
            ExprKind::IsDistinct { left, right, negated } => {
                format!("({} IS {}DISTINCT FROM {})", self.expr(left), not(*negated), self.expr(right))
            }
            ExprKind::Between { arg, low, high, symmetric: false, negated } => {
                let (arg, low, high) = (self.expr(arg), self.expr(low), self.expr(high));
                let wrap = |text: String| if self.pretty { text } else { format!("({text})") };
                let (first, word, second) = if *negated { ("<", "OR", ">") } else { (">=", "AND", "<=") };
                let (first, second) = (self.symbol(first, expr.position), self.symbol(second, expr.position));
                format!("({} {word} {})", wrap(format!("{arg} {first} {low}")), wrap(format!("{arg} {second} {high}")))
            }
            ExprKind::Between { arg, low, high, symmetric, negated } => {
                let symmetric = if *symmetric { "SYMMETRIC " } else { "" };
                let (arg, low, high) = (self.expr(arg), self.expr(low), self.expr(high));
                format!("({arg} {}BETWEEN {symmetric}{low} AND {high})", not(*negated))
            }
            ExprKind::InList { arg, list, negated } => {
                format!("({} {}IN ({}))", self.expr(arg), not(*negated), self.exprs(list))
            }
            ExprKind::InQuery { arg, query, negated } => {
                format!("({} {}IN {})", self.expr(arg), not(*negated), self.subquery(query))
            }
            ExprKind::Like { kind, arg, pattern, escape, negated } => {
                let word = match kind {
                    LikeKind::Like => "LIKE",
                    LikeKind::ILike => "ILIKE",
                    LikeKind::Similar => "SIMILAR TO",
                };
                let escape = escape.as_ref().map(|escape| format!(" ESCAPE {}", self.expr(escape)));
                let (arg, pattern) = (self.expr(arg), self.expr(pattern));
                format!("({arg} {}{word} {pattern}{})", not(*negated), escape.unwrap_or_default())
            }
            ExprKind::AnyArray { op, left, right, any } => {
                let word = if *any { "ANY" } else { "ALL" };
                format!("({} {} {word} ({}))", self.expr(left), self.operator(op, expr.position), self.expr(right))
            }
            ExprKind::AnyQuery { op, left, query, any } => {
                let word = if *any { "ANY" } else { "ALL" };
                format!("({} {} {word} {})", self.expr(left), self.operator(op, expr.position), self.subquery(query))
            }
            ExprKind::Exists(query) => format!("(EXISTS {})", self.subquery(query)),
            ExprKind::ScalarQuery(query) => self.subquery(query),
            ExprKind::ArrayQuery(query) => format!("ARRAY{}", self.subquery(query)),
            ExprKind::Case { operand, arms, otherwise } => self.case(operand.as_deref(), arms, otherwise.as_deref()),
            other => panic!("a node without a text form: {other:?}"),
        }
    }

    fn subscripts(&mut self, base: &Expr, subscripts: &[Subscript]) -> String {
        let plain = matches!(base.kind, ExprKind::Column(_));
        let mut text = if plain { self.expr(base) } else { format!("({})", self.expr(base)) };
        for subscript in subscripts {
            let inner = match subscript {
                Subscript::Index(index) => self.expr(index),
                Subscript::Slice(low, high) => {
                    format!("{}:{}", self.optional(low.as_ref()), self.optional(high.as_ref()))
                }
            };
            text.push_str(&format!("[{inner}]"));
        }
        text
    }

    fn cast(&mut self, arg: &Expr, ty: &TypeName) -> String {
        let simple = self.pretty && !is_wrapped(arg);
        let plain = simple || matches!(arg.kind, ExprKind::String(_) | ExprKind::Null);
        let inner = if plain { self.expr(arg) } else { self.bare(arg) };
        let ty = self.type_name(ty);
        if plain { format!("{inner}::{ty}") } else { format!("({inner})::{ty}") }
    }

    fn case(&mut self, operand: Option<&Expr>, arms: &[(Expr, Expr)], otherwise: Option<&Expr>) -> String {
        let indent = |level: usize| " ".repeat(level);
        let level = self.indent + 8;
        let own = std::mem::replace(&mut self.indent, level);
        let mut text = format!("\n{}CASE", indent(level));
        if let Some(operand) = operand {
            text.push_str(&format!(" {}", self.expr(operand)));
        }
        self.indent += 4;
        for (condition, result) in arms {
            let (condition, result) = (self.bare(condition), self.bare(result));
            text.push_str(&format!("\n{}WHEN {condition} THEN {result}", indent(level + 4)));
        }
        let otherwise = otherwise.map_or_else(|| "NULL".to_owned(), |otherwise| self.bare(otherwise));
        self.indent = own;
        text.push_str(&format!("\n{}ELSE {otherwise}\n{}END", indent(level + 4), indent(level)));
        text
    }

    fn function(&mut self, call: &FuncCall, position: u32) -> String {
        let bare = call.name.parts.len() == 1 || call.name.schema() == Some("pg_catalog");
        let mut function = if bare { quote_ident(call.name.last()) } else { name(&call.name) };
        if let Some(schema) = self.hidden_schema(position).filter(|_| bare) {
            function = format!("{schema}.{function}");
        }
        let mut args: Vec<String> = call.args.iter().map(|arg| self.bare(arg)).collect();
        if call.variadic
            && let Some(last) = args.last_mut()
        {
            *last = format!("VARIADIC {last}");
        }
        if let (true, "extract", [Expr { kind: ExprKind::String(field), .. }, _]) =
            (bare, call.name.last(), call.args.as_slice())
        {
            return format!("EXTRACT({field} FROM {})", args[1]);
        }
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let mut text = format!("{function}({distinct}{}", args.join(", "));
        if !call.order_by.is_empty() {
            text.push_str(&format!(" ORDER BY {}", self.order_items(&call.order_by)));
        }
        text.push(')');
        if !call.within_group.is_empty() {
            text.push_str(&format!(" WITHIN GROUP (ORDER BY {})", self.order_items(&call.within_group)));
        }
        if let Some(filter) = &call.filter {
            text.push_str(&format!(" FILTER (WHERE {})", self.expr(filter)));
        }
        match &call.over {
            Some(Over::Name(window)) => text.push_str(&format!(" OVER {}", quote_ident(window))),
            Some(Over::Spec(spec)) => text.push_str(&format!(" OVER ({})", self.window(spec))),
            None => {}
        }
        text
    }

    /// Items of ORDER BY.
    pub(super) fn order_items(&mut self, items: &[OrderItem]) -> String {
        let texts: Vec<String> = items.iter().map(|item| self.order_item(item)).collect();
        texts.join(", ")
    }

    fn order_item(&mut self, item: &OrderItem) -> String {
        let mut text = self.expr(&item.expr);
        if let Some(using) = &item.using {
            text.push_str(&format!(" USING {using}"));
        } else if item.descending {
            text.push_str(" DESC");
        }
        match item.nulls_first {
            Some(first) if first != item.descending => {
                text.push_str(if first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            _ => {}
        }
        text
    }

    /// A window definition without its parentheses.
    pub(super) fn window(&mut self, spec: &WindowSpec) -> String {
        let mut parts = Vec::new();
        if let Some(base) = &spec.base {
            parts.push(quote_ident(base));
        }
        if !spec.partition_by.is_empty() {
            parts.push(format!("PARTITION BY {}", self.exprs(&spec.partition_by)));
        }
        if !spec.order_by.is_empty() {
            parts.push(format!("ORDER BY {}", self.order_items(&spec.order_by)));
        }
        if let Some(frame) = &spec.frame {
            let units = match frame.units {
                FrameUnits::Rows => "ROWS",
                FrameUnits::Range => "RANGE",
                FrameUnits::Groups => "GROUPS",
            };
            let exclude = match frame.exclude {
                FrameExclude::NoOthers => "",
                FrameExclude::CurrentRow => " EXCLUDE CURRENT ROW",
                FrameExclude::Group => " EXCLUDE GROUP",
                FrameExclude::Ties => " EXCLUDE TIES",
            };
            let (start, end) = (self.bound(&frame.start), self.bound(&frame.end));
            parts.push(format!("{units} BETWEEN {start} AND {end}{exclude}"));
        }
        parts.join(" ")
    }

    fn bound(&mut self, bound: &FrameBound) -> String {
        match bound {
            FrameBound::UnboundedPreceding => "UNBOUNDED PRECEDING".to_owned(),
            FrameBound::Preceding(expr) => format!("{} PRECEDING", self.expr(expr)),
            FrameBound::CurrentRow => "CURRENT ROW".to_owned(),
            FrameBound::Following(expr) => format!("{} FOLLOWING", self.expr(expr)),
            FrameBound::UnboundedFollowing => "UNBOUNDED FOLLOWING".to_owned(),
        }
    }
}

/// The conditions of a chain of AND or OR.
fn flatten<'a>(expr: &'a Expr, and: bool, out: &mut Vec<&'a Expr>) {
    match (&expr.kind, and) {
        (ExprKind::And(left, right), true) | (ExprKind::Or(left, right), false) => {
            flatten(left, and, out);
            flatten(right, and, out);
        }
        _ => out.push(expr),
    }
}
