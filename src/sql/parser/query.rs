//! SELECT, VALUES, set operations, WITH, FROM.

use super::cursor::Parser;
use super::expr::make;
use super::lexer::TokenKind;
use crate::error::Result;
use crate::sql::ast::{
    Alias, CommonTable, CteBody, Distinct, Expr, ExprKind, FromItem, GroupItem, IntoTable, JoinCondition, JoinKind,
    LimitClause, LockClause, LockStrength, LockWait, Query, QueryBody, Select, SetOp, TableFunction, Target, TypeName,
    With,
};

impl Parser<'_> {
    /// A query with WITH, ORDER BY, LIMIT and locking.
    pub(super) fn query(&mut self) -> Result<Query> {
        self.nested(|p| {
            let with = if p.is_word("with") { Some(p.with_clause()?) } else { None };
            p.query_after_with(with)
        })
    }

    pub(super) fn query_after_with(&mut self, with: Option<With>) -> Result<Query> {
        let body = self.set_expr(0)?;
        let mut query = Query { with, body, ..Query::default() };
        self.query_tail(&mut query)?;
        if let QueryBody::Nested(inner) = &mut query.body
            && query.with.is_none()
            && query.order_by.is_empty()
            && query.limit == LimitClause::default()
            && query.locks.is_empty()
        {
            return Ok(std::mem::take(inner));
        }
        Ok(query)
    }

    fn query_tail(&mut self, query: &mut Query) -> Result<()> {
        if self.eat_words(&["order", "by"]) {
            query.order_by = self.order_list()?;
        }
        loop {
            if self.eat_word("limit") {
                query.limit.limit = if self.eat_word("all") { None } else { Some(self.expr()?) };
                if self.is_punct(",") {
                    return Err(self.unexpected());
                }
            } else if self.eat_word("offset") {
                query.limit.offset = Some(self.expr()?);
                let _ = self.eat_any(&["rows", "row"]);
            } else if self.eat_word("fetch") {
                if self.eat_any(&["first", "next"]).is_none() {
                    return Err(self.unexpected());
                }
                let at = self.position();
                query.limit.limit = Some(if self.is_word("row") || self.is_word("rows") {
                    make(ExprKind::Number("1".into()), at)
                } else {
                    self.primary_only()?
                });
                if self.eat_any(&["rows", "row"]).is_none() {
                    return Err(self.unexpected());
                }
                query.limit.with_ties = if self.eat_word("only") {
                    false
                } else {
                    self.expect_words(&["with", "ties"])?;
                    true
                };
            } else if self.is_word("for") {
                self.lock_clause(query)?;
            } else {
                return Ok(());
            }
        }
    }

    fn lock_clause(&mut self, query: &mut Query) -> Result<()> {
        self.expect_word("for")?;
        if self.eat_words(&["read", "only"]) {
            return Ok(());
        }
        let strength = if self.eat_word("update") {
            LockStrength::Update
        } else if self.eat_words(&["no", "key", "update"]) {
            LockStrength::NoKeyUpdate
        } else if self.eat_word("share") {
            LockStrength::Share
        } else {
            self.expect_words(&["key", "share"])?;
            LockStrength::KeyShare
        };
        let of = if self.eat_word("of") { self.comma_list(Self::name)? } else { Vec::new() };
        let wait = if self.eat_word("nowait") {
            LockWait::NoWait
        } else if self.eat_words(&["skip", "locked"]) {
            LockWait::SkipLocked
        } else {
            LockWait::Block
        };
        query.locks.push(LockClause { strength, of, wait });
        Ok(())
    }

    pub(super) fn with_clause(&mut self) -> Result<With> {
        self.expect_word("with")?;
        let recursive = self.eat_word("recursive");
        let ctes = self.comma_list(|p| {
            let position = p.position();
            let name = p.identifier()?;
            let columns = if p.is_punct("(") { p.column_list()? } else { Vec::new() };
            p.expect_word("as")?;
            let materialized = if p.eat_words(&["not", "materialized"]) {
                Some(false)
            } else if p.eat_word("materialized") {
                Some(true)
            } else {
                None
            };
            p.expect_punct("(")?;
            let body = p.nested(Self::cte_body)?;
            p.expect_punct(")")?;
            if p.is_word("search") || p.is_word("cycle") {
                return Err(crate::error::Error::unsupported("SEARCH and CYCLE of WITH"));
            }
            Ok(CommonTable { name, columns, materialized, body, position })
        })?;
        Ok(With { recursive, ctes })
    }

    fn cte_body(&mut self) -> Result<CteBody> {
        let with = if self.is_word("with") { Some(self.with_clause()?) } else { None };
        Ok(if self.is_word("insert") {
            CteBody::Insert(Box::new(self.insert(with)?))
        } else if self.is_word("update") {
            CteBody::Update(Box::new(self.update(with)?))
        } else if self.is_word("delete") {
            CteBody::Delete(Box::new(self.delete(with)?))
        } else {
            CteBody::Query(Box::new(self.query_after_with(with)?))
        })
    }

    /// Set operations: INTERSECT binds tighter than UNION and EXCEPT.
    fn set_expr(&mut self, level: u8) -> Result<QueryBody> {
        let mut left = self.query_primary()?;
        loop {
            let (op, own) = if self.is_word("union") {
                (SetOp::Union, 1)
            } else if self.is_word("except") {
                (SetOp::Except, 1)
            } else if self.is_word("intersect") {
                (SetOp::Intersect, 2)
            } else {
                return Ok(left);
            };
            if own <= level {
                return Ok(left);
            }
            self.advance();
            let all = self.eat_word("all");
            if !all {
                self.eat_word("distinct");
            }
            let right = self.set_expr(own)?;
            self.grow(1)?;
            left = QueryBody::SetOp { op, all, left: Box::new(wrap(left)), right: Box::new(wrap(right)) };
        }
    }

    fn query_primary(&mut self) -> Result<QueryBody> {
        if self.eat_punct("(") {
            let query = self.query()?;
            self.expect_punct(")")?;
            return Ok(QueryBody::Nested(Box::new(query)));
        }
        if self.eat_word("values") {
            return Ok(QueryBody::Values(self.comma_list(|p| p.paren_list(Self::expr))?));
        }
        if self.eat_word("table") {
            let only = self.eat_word("only");
            let at = self.position();
            let name = self.name()?;
            let star = Target { expr: make(ExprKind::Star(None), at), alias: None };
            let from = vec![FromItem::Table { name, only, alias: None, sample: false }];
            return Ok(QueryBody::Select(Box::new(Select { targets: vec![star], from, ..Select::default() })));
        }
        self.select().map(|s| QueryBody::Select(Box::new(s)))
    }

    fn select(&mut self) -> Result<Select> {
        self.expect_word("select")?;
        let mut select = Select::default();
        if self.eat_word("distinct") {
            select.distinct =
                if self.eat_word("on") { Distinct::On(self.paren_list(Self::expr)?) } else { Distinct::Distinct };
        } else {
            self.eat_word("all");
        }
        if !self.at_select_end() {
            select.targets = self.comma_list(Self::target)?;
        }
        if self.eat_word("into") {
            let temporary = self.eat_any(&["temporary", "temp"]).is_some();
            let unlogged = self.eat_word("unlogged");
            self.eat_word("table");
            select.into = Some(IntoTable { name: self.name()?, temporary, unlogged });
        }
        if self.eat_word("from") {
            select.from = self.comma_list(Self::from_item)?;
        }
        if self.eat_word("where") {
            select.filter = Some(self.expr()?);
        }
        if self.eat_words(&["group", "by"]) {
            select.group_distinct = self.eat_word("distinct");
            if !select.group_distinct {
                self.eat_word("all");
            }
            select.group_by = self.comma_list(Self::group_item)?;
        }
        if self.eat_word("having") {
            select.having = Some(self.expr()?);
        }
        if self.eat_word("window") {
            select.windows = self.comma_list(|p| {
                let name = p.identifier()?;
                p.expect_word("as")?;
                Ok((name, p.window_spec()?))
            })?;
        }
        Ok(select)
    }

    /// After SELECT: nothing to select.
    fn at_select_end(&self) -> bool {
        const WORDS: &[&str] = &[
            "from",
            "where",
            "group",
            "having",
            "window",
            "union",
            "intersect",
            "except",
            "order",
            "limit",
            "offset",
            "fetch",
            "into",
            "for",
        ];
        self.at_statement_end() || self.is_punct(")") || WORDS.iter().any(|w| self.is_word(w))
    }

    pub(super) fn target(&mut self) -> Result<Target> {
        let position = self.position();
        if self.eat_op("*") {
            return Ok(Target { expr: make(ExprKind::Star(None), position), alias: None });
        }
        let expr = self.expr()?;
        let alias = if self.eat_word("as") { Some(self.label()?) } else { self.bare_label() };
        Ok(Target { expr, alias })
    }

    fn group_item(&mut self) -> Result<GroupItem> {
        let groups = |p: &mut Self| {
            p.advance();
            p.paren_list(|p| {
                if p.is_punct("(") {
                    let mark = p.mark();
                    p.advance();
                    let list = p.comma_list(Self::expr)?;
                    p.expect_punct(")")?;
                    if p.is_punct(",") || p.is_punct(")") {
                        return Ok(list);
                    }
                    p.reset(mark);
                }
                Ok(vec![p.expr()?])
            })
        };
        if self.is_word("rollup") && self.punct_at(1, "(") {
            return Ok(GroupItem::Rollup(groups(self)?));
        }
        if self.is_word("cube") && self.punct_at(1, "(") {
            return Ok(GroupItem::Cube(groups(self)?));
        }
        if self.eat_words(&["grouping", "sets"]) {
            return Ok(GroupItem::Sets(self.paren_list(|p| p.nested(Self::group_item))?));
        }
        if self.is_punct("(") && self.punct_at(1, ")") {
            self.advance();
            self.advance();
            return Ok(GroupItem::Empty);
        }
        let expr = self.expr()?;
        Ok(match expr.kind {
            ExprKind::Row(items) => GroupItem::List(items),
            _ => GroupItem::Expr(expr),
        })
    }

    /// A table reference with its joins.
    pub(super) fn from_item(&mut self) -> Result<FromItem> {
        self.measured(|p| {
            let first = p.nested(Self::from_primary)?;
            p.joins(first)
        })
    }

    fn joins(&mut self, mut left: FromItem) -> Result<FromItem> {
        loop {
            let natural = self.is_word("natural");
            let mark = self.mark();
            if natural {
                self.advance();
            }
            let kind = if self.eat_words(&["cross", "join"]) {
                JoinKind::Cross
            } else if self.eat_word("join") || self.eat_words(&["inner", "join"]) {
                JoinKind::Inner
            } else if let Some(side) = self.eat_any(&["left", "right", "full"]) {
                self.eat_word("outer");
                self.expect_word("join")?;
                match side {
                    "left" => JoinKind::Left,
                    "right" => JoinKind::Right,
                    _ => JoinKind::Full,
                }
            } else {
                self.reset(mark);
                return Ok(left);
            };
            let mut right = self.nested(Self::from_primary)?;
            if kind != JoinKind::Cross && !natural && !self.is_word("on") && !self.is_word("using") {
                right = self.nested(|p| p.joins(right))?;
            }
            self.grow(1)?;
            let condition = self.join_condition(kind, natural)?;
            left = FromItem::Join { kind, left: Box::new(left), right: Box::new(right), condition, alias: None };
        }
    }

    fn join_condition(&mut self, kind: JoinKind, natural: bool) -> Result<JoinCondition> {
        if natural {
            return Ok(JoinCondition::Natural);
        }
        if kind == JoinKind::Cross {
            return Ok(JoinCondition::None);
        }
        if self.eat_word("on") {
            return Ok(JoinCondition::On(self.expr()?));
        }
        self.expect_word("using")?;
        let columns = self.column_list()?;
        let alias = if self.eat_word("as") { Some(self.identifier()?) } else { None };
        Ok(JoinCondition::Using { columns, alias })
    }

    fn from_primary(&mut self) -> Result<FromItem> {
        let position = self.position();
        let lateral = self.eat_word("lateral");
        if self.is_punct("(") {
            return self.from_parenthesised(lateral);
        }
        if self.is_words_rows_from() {
            self.expect_words(&["rows", "from"])?;
            let calls = self.paren_list(|p| {
                let call = p.table_call()?;
                let columns = if p.eat_word("as") { p.column_defs()? } else { Vec::new() };
                Ok(TableFunction { call, columns })
            })?;
            return self.function_item(calls, true, lateral, position);
        }
        let only = self.eat_word("only");
        let mark = self.mark();
        if !only && self.at_table_call() {
            let call = self.table_call()?;
            return self.function_item(vec![TableFunction { call, columns: Vec::new() }], false, lateral, position);
        }
        self.reset(mark);
        let name = if only && self.eat_punct("(") {
            let name = self.name()?;
            self.expect_punct(")")?;
            name
        } else {
            self.name()?
        };
        self.eat_op("*");
        let alias = self.alias()?;
        let sample = self.eat_word("tablesample");
        if sample {
            self.name()?;
            self.paren_list(Self::expr)?;
        }
        Ok(FromItem::Table { name, only, alias, sample })
    }

    fn is_words_rows_from(&self) -> bool {
        self.are_words(&["rows", "from"]) && self.punct_at(2, "(")
    }

    /// A (qualified) name followed by `(`, or a function without parentheses such as CURRENT_DATE.
    fn at_table_call(&self) -> bool {
        let mut offset = 0;
        while matches!(self.ahead(offset), TokenKind::Word { .. }) {
            if self.punct_at(offset + 1, "(") {
                return true;
            }
            if !self.punct_at(offset + 1, ".") {
                break;
            }
            offset += 2;
        }
        [
            "current_date",
            "current_timestamp",
            "current_user",
            "current_catalog",
            "current_schema",
            "session_user",
            "current_role",
        ]
        .iter()
        .any(|w| self.is_word(w))
    }

    fn table_call(&mut self) -> Result<Expr> {
        self.primary_only()
    }

    fn function_item(
        &mut self,
        mut calls: Vec<TableFunction>,
        rows_from: bool,
        lateral: bool,
        position: u32,
    ) -> Result<FromItem> {
        let ordinality = self.eat_words(&["with", "ordinality"]);
        let mut alias = None;
        if self.is_word("as") && self.punct_at(1, "(") {
            self.advance();
            calls[0].columns = self.column_defs()?;
        } else {
            let explicit = self.eat_word("as");
            if explicit || self.at_identifier() {
                let name = self.identifier()?;
                let mut columns = Vec::new();
                if self.is_punct("(") {
                    if matches!(self.ahead(1), TokenKind::Word { .. })
                        && !self.punct_at(2, ",")
                        && !self.punct_at(2, ")")
                    {
                        calls[0].columns = self.column_defs()?;
                    } else {
                        columns = self.column_list()?;
                    }
                }
                alias = Some(Alias { name, columns });
            }
        }
        Ok(FromItem::Function { calls, rows_from, ordinality, lateral, alias, position })
    }

    fn column_defs(&mut self) -> Result<Vec<(String, TypeName)>> {
        self.paren_list(|p| {
            let name = p.identifier()?;
            Ok((name, p.type_name()?))
        })
    }

    fn from_parenthesised(&mut self, lateral: bool) -> Result<FromItem> {
        let position = self.position();
        self.expect_punct("(")?;
        if self.query_inside() {
            let query = self.query()?;
            self.expect_punct(")")?;
            let alias = self.alias()?;
            return Ok(FromItem::Query { query: Box::new(query), lateral, alias, position });
        }
        let mut item = self.from_item()?;
        self.expect_punct(")")?;
        let outer = self.alias()?;
        if let (FromItem::Join { alias, .. }, Some(name)) = (&mut item, outer) {
            *alias = Some(name);
        }
        Ok(item)
    }

    fn alias(&mut self) -> Result<Option<Alias>> {
        let explicit = self.eat_word("as");
        if !explicit && !self.at_identifier() {
            return Ok(None);
        }
        if !explicit && self.is_word("tablesample") {
            return Ok(None);
        }
        let name = self.identifier()?;
        let columns = if self.is_punct("(") { self.column_list()? } else { Vec::new() };
        Ok(Some(Alias { name, columns }))
    }
}

fn wrap(body: QueryBody) -> Query {
    match body {
        QueryBody::Nested(query) => *query,
        body => Query { body, ..Query::default() },
    }
}
