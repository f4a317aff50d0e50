//! Syntax trees of queries back to SQL, laid out as `pg_get_viewdef` lays them out.

use crate::catalog::Names;
use crate::common::quote_ident;
use crate::sql::ast::{
    Alias, CteBody, Distinct, Expr, FromItem, GroupItem, JoinCondition, JoinKind, LockStrength, LockWait, Name, Query,
    QueryBody, Select, SetOp, TableFunction, Target, TypeName, With,
};

use super::tree::name;

/// Writes queries.
pub(super) struct QueryPrinter<'a> {
    /// Whose search path decides which relations need their schema; `None` writes names as they are.
    names: Option<&'a Names>,
    /// What needs the schema of the extension.
    pub(super) hidden: Option<&'a HiddenExtension>,
    /// Leave out the parentheses that PostgreSQL leaves out when pretty.
    pub(super) pretty: bool,
    /// Spaces before the clauses of the query being written.
    pub(super) indent: usize,
}

/// An extension that the reader's search path does not show: its objects are written with their schema.
pub struct HiddenExtension {
    /// The schema, quoted where it must be.
    pub schema: String,
    /// Where the query uses the extension's functions and operators.
    pub uses: Vec<u32>,
}

/// The text of a query, as it is stored.
#[must_use]
pub fn deparse_query(query: &Query) -> String {
    QueryPrinter { names: None, hidden: None, pretty: false, indent: 0 }.query(query)
}

/// The text of a query for a reader: relations that a bare name finds lose their schema; `pretty` leaves out parentheses
/// that the meaning does not need.
#[must_use]
pub fn deparse_query_for(query: &Query, names: &Names, hidden: Option<&HiddenExtension>, pretty: bool) -> String {
    QueryPrinter { names: Some(names), hidden, pretty, indent: 0 }.query(query)
}

impl QueryPrinter<'_> {
    /// A query in parentheses.
    pub(super) fn subquery(&mut self, query: &Query) -> String {
        self.indent += 8;
        let text = self.query(query);
        self.indent -= 8;
        format!("({text})", text = text.strip_prefix(&" ".repeat(self.indent + 8)).unwrap_or(&text))
    }

    fn line(&self, word: &str) -> String {
        format!("\n{}{word}", " ".repeat(self.indent))
    }

    fn query(&mut self, query: &Query) -> String {
        let mut text = String::new();
        if let Some(with) = &query.with {
            text.push_str(&self.with(with));
        }
        text.push_str(&self.body(&query.body));
        if !query.order_by.is_empty() {
            text.push_str(&self.line("  ORDER BY "));
            text.push_str(&self.order_items(&query.order_by));
        }
        if let Some(offset) = &query.limit.offset {
            text.push_str(&self.line(" OFFSET "));
            text.push_str(&self.expr(offset));
        }
        match &query.limit.limit {
            Some(limit) if query.limit.with_ties => {
                let count = self.expr(limit);
                text.push_str(&self.line(&format!(" FETCH FIRST ({count}) ROWS WITH TIES")));
            }
            Some(limit) => {
                text.push_str(&self.line(" LIMIT "));
                text.push_str(&self.expr(limit));
            }
            None => {}
        }
        for lock in &query.locks {
            let strength = match lock.strength {
                LockStrength::KeyShare => "KEY SHARE",
                LockStrength::Share => "SHARE",
                LockStrength::NoKeyUpdate => "NO KEY UPDATE",
                LockStrength::Update => "UPDATE",
            };
            text.push_str(&self.line(&format!("  FOR {strength}")));
            if !lock.of.is_empty() {
                text.push_str(&format!(" OF {}", lock.of.iter().map(name).collect::<Vec<_>>().join(", ")));
            }
            text.push_str(match lock.wait {
                LockWait::Block => "",
                LockWait::NoWait => " NOWAIT",
                LockWait::SkipLocked => " SKIP LOCKED",
            });
        }
        text
    }

    fn with(&mut self, with: &With) -> String {
        let mut text = format!("{} WITH ", " ".repeat(self.indent));
        if with.recursive {
            text.push_str("RECURSIVE ");
        }
        for (at, cte) in with.ctes.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            text.push_str(&quote_ident(&cte.name));
            text.push_str(&columns(&cte.columns));
            text.push_str(match cte.materialized {
                Some(true) => " AS MATERIALIZED ",
                Some(false) => " AS NOT MATERIALIZED ",
                None => " AS ",
            });
            match &cte.body {
                CteBody::Query(query) => {
                    self.indent += 8;
                    text.push_str(&format!("(\n{}{})", self.query(query), self.line("")));
                    self.indent -= 8;
                }
                _ => panic!("views hold no data modification"),
            }
        }
        text.push('\n');
        text
    }

    fn body(&mut self, body: &QueryBody) -> String {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(rows) => {
                let rows: Vec<String> = rows.iter().map(|row| self.values_row(row)).collect();
                format!("{} VALUES {}", " ".repeat(self.indent), rows.join(", "))
            }
            QueryBody::SetOp { op, all, left, right } => {
                let word = match op {
                    SetOp::Union => "UNION",
                    SetOp::Intersect => "INTERSECT",
                    SetOp::Except => "EXCEPT",
                };
                let all = if *all { " ALL" } else { "" };
                let left = self.operand(left);
                let right = self.operand(right);
                format!("{left}{}\n{right}", self.line(&format!("{word}{all}")))
            }
            QueryBody::Nested(query) => self.subquery(query),
        }
    }

    fn values_row(&mut self, row: &[Expr]) -> String {
        let texts: Vec<String> = row.iter().map(|expr| self.expr(expr)).collect();
        format!("({})", texts.join(","))
    }

    /// A side of a set operation: in parentheses unless it is a plain SELECT or VALUES.
    fn operand(&mut self, query: &Query) -> String {
        let plain = query.with.is_none()
            && query.order_by.is_empty()
            && query.limit.limit.is_none()
            && query.limit.offset.is_none()
            && query.locks.is_empty();
        match &query.body {
            QueryBody::Select(_) | QueryBody::Values(_) if plain => self.query(query),
            _ => format!("{}{}", " ".repeat(self.indent), self.subquery(query)),
        }
    }

    fn select(&mut self, select: &Select) -> String {
        let mut text = format!("{} SELECT ", " ".repeat(self.indent));
        match &select.distinct {
            Distinct::All => {}
            Distinct::Distinct => text.push_str("DISTINCT "),
            Distinct::On(exprs) => text.push_str(&format!("DISTINCT ON ({}) ", self.exprs(exprs))),
        }
        let separator = format!("\n{}", " ".repeat(self.indent + 4));
        for (at, target) in select.targets.iter().enumerate() {
            let target = self.target(target);
            text.push_str(if at > 0 { "," } else { "" });
            if target.starts_with('\n') {
                text.truncate(text.trim_end_matches(' ').len());
            } else if at > 0 {
                text.push_str(&separator);
            }
            text.push_str(&target);
        }
        if !select.from.is_empty() {
            text.push_str(&self.line("   FROM "));
            let items: Vec<String> = select.from.iter().map(|item| self.from(item)).collect();
            text.push_str(&items.join(&format!(",\n{}", " ".repeat(self.indent + 4))));
        }
        if let Some(filter) = &select.filter {
            text.push_str(&self.line("  WHERE "));
            text.push_str(&self.bare(filter));
        }
        if !select.group_by.is_empty() {
            let items: Vec<String> = select.group_by.iter().map(|item| self.group(item)).collect();
            let distinct = if select.group_distinct { "DISTINCT " } else { "" };
            text.push_str(&self.line(&format!("  GROUP BY {distinct}{}", items.join(", "))));
        }
        if let Some(having) = &select.having {
            text.push_str(&self.line(" HAVING "));
            text.push_str(&self.bare(having));
        }
        for (at, (window, spec)) in select.windows.iter().enumerate() {
            text.push_str(&if at == 0 { self.line("  WINDOW ") } else { ", ".to_owned() });
            let spec = self.window(spec);
            text.push_str(&format!("{} AS ({spec})", quote_ident(window)));
        }
        text
    }

    fn target(&mut self, target: &Target) -> String {
        let text = self.bare(&target.expr);
        match &target.alias {
            Some(alias) => format!("{text} AS {}", quote_ident(alias)),
            None => text,
        }
    }

    fn group(&mut self, item: &GroupItem) -> String {
        let mut lists = |lists: &[Vec<Expr>]| {
            let texts: Vec<String> = lists
                .iter()
                .map(
                    |list| {
                        if let [only] = list.as_slice() { self.expr(only) } else { format!("({})", self.exprs(list)) }
                    },
                )
                .collect();
            texts.join(", ")
        };
        match item {
            GroupItem::Rollup(items) => format!("ROLLUP({})", lists(items)),
            GroupItem::Cube(items) => format!("CUBE({})", lists(items)),
            GroupItem::Expr(expr) => self.expr(expr),
            GroupItem::Empty => "()".to_owned(),
            GroupItem::Sets(items) => {
                let texts: Vec<String> = items.iter().map(|item| self.group(item)).collect();
                format!("GROUPING SETS ({})", texts.join(", "))
            }
            GroupItem::List(items) => format!("({})", self.exprs(items)),
        }
    }

    fn from(&mut self, item: &FromItem) -> String {
        match item {
            FromItem::Table { name: relation, only, alias: written, .. } => {
                let (text, implied) = self.relation(relation);
                let only = if *only { "ONLY " } else { "" };
                let named = written.as_ref().is_some_and(|alias| alias.name != implied || !alias.columns.is_empty());
                format!("{only}{text}{}", if named { alias(written.as_ref(), "") } else { String::new() })
            }
            FromItem::Query { query, lateral, alias: written, .. } => {
                let lateral = if *lateral { "LATERAL " } else { "" };
                format!("{lateral}{}{}", self.subquery(query), alias(written.as_ref(), ""))
            }
            FromItem::Function { calls, rows_from, ordinality, lateral, alias: written, .. } => {
                let mut text = if *lateral { "LATERAL ".to_owned() } else { String::new() };
                if *rows_from {
                    let calls: Vec<String> = calls.iter().map(|call| self.call_with_columns(call)).collect();
                    text.push_str(&format!("ROWS FROM({})", calls.join(", ")));
                } else if let [call] = calls.as_slice() {
                    text.push_str(&self.expr(&call.call));
                }
                text.push_str(if *ordinality { " WITH ORDINALITY" } else { "" });
                let defined = match calls.as_slice() {
                    [call] if !rows_from => call.columns.as_slice(),
                    _ => &[],
                };
                text + &alias(written.as_ref(), &self.definitions(defined))
            }
            FromItem::Join { kind, left, right, condition, alias: written } => {
                self.join(*kind, left, right, condition, written.as_ref())
            }
        }
    }

    fn call_with_columns(&mut self, call: &TableFunction) -> String {
        let text = self.expr(&call.call);
        if call.columns.is_empty() { text } else { format!("{text} AS ({})", self.definitions(&call.columns)) }
    }

    fn definitions(&self, list: &[(String, TypeName)]) -> String {
        let text = |(name, ty): &(String, TypeName)| format!("{} {}", quote_ident(name), self.type_name(ty));
        list.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    fn join(
        &mut self,
        kind: JoinKind,
        left: &FromItem,
        right: &FromItem,
        condition: &JoinCondition,
        written: Option<&Alias>,
    ) -> String {
        let word = match kind {
            JoinKind::Inner => "JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::Cross => "CROSS JOIN",
        };
        let natural = if matches!(condition, JoinCondition::Natural) { "NATURAL " } else { "" };
        let left = self.from(left);
        let nested = self.pretty && matches!(right, FromItem::Join { alias: None, .. });
        let right = self.from(right);
        let right = if nested { format!("({right})") } else { right };
        let condition = match condition {
            JoinCondition::None | JoinCondition::Natural => String::new(),
            JoinCondition::On(expr) if self.pretty => format!(" ON {}", self.bare(expr)),
            JoinCondition::On(expr) => format!(" ON ({})", self.expr(expr)),
            JoinCondition::Using { columns: list, alias } => {
                let alias = alias.as_ref().map(|alias| format!(" AS {}", quote_ident(alias)));
                format!(" USING{}{}", columns(list).replacen('(', " (", 1), alias.unwrap_or_default())
            }
        };
        let text = format!("{left}{}{natural}{word} {right}{condition}", self.line("     "));
        let text = if self.pretty && written.is_none() { text } else { format!("({text})") };
        format!("{text}{}", alias(written, ""))
    }

    /// A relation's name as the reader's search path wants it, and the name it goes by without an alias.
    fn relation(&self, relation: &Name) -> (String, String) {
        let implied = relation.last().to_owned();
        if let (Some(names), Some(schema)) = (self.names, relation.schema()) {
            let snapshot = &names.snapshot;
            let found = snapshot.schema_named(schema).and_then(|schema| snapshot.relation_in(schema, relation.last()));
            if let Some(found) = found {
                return (names.relation_text(&found), implied);
            }
        }
        (name(relation), implied)
    }
}

fn columns(list: &[String]) -> String {
    if list.is_empty() {
        return String::new();
    }
    format!("({})", list.iter().map(|column| quote_ident(column)).collect::<Vec<_>>().join(", "))
}

/// An alias; `defined` is the text of its column definitions.
fn alias(alias: Option<&Alias>, defined: &str) -> String {
    match alias {
        None if defined.is_empty() => String::new(),
        None => format!(" AS ({defined})"),
        Some(alias) if defined.is_empty() => format!(" {}{}", quote_ident(&alias.name), columns(&alias.columns)),
        Some(alias) => format!(" {}({defined})", quote_ident(&alias.name)),
    }
}
