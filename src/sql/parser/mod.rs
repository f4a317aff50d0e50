//! Floor 6, stage 1: text to syntax tree.
//!
//! A lexer with PostgreSQL's rules, then recursive descent with precedence climbing for expressions. Statements come back in
//! order; an error anywhere fails the whole string, as in PostgreSQL. Nesting is limited, so no input overflows the
//! stack. The grammar is our own because no SQL parser library reads PostgreSQL's operators and precedences faithfully
//! (docs/decisions/0001-parser.md).

mod cursor;
mod ddl;
mod dml;
mod expr;
mod grant;
mod keywords;
mod lexer;
mod objects;
mod query;
mod special;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
mod types;
mod utility;

use cursor::Parser;
use lexer::TokenKind;

use crate::error::Result;
use crate::sql::ast::{Expr, ParsedStatement, Query, Statement, TransactionStatement, TypeName};

/// Parses a query string into its statements; empty statements are left out, so an empty string gives none.
///
/// # Errors
/// `42601` with the position of the offending token, `54001` for nesting too deep.
pub fn parse(text: &str) -> Result<Vec<ParsedStatement>> {
    let mut parser = Parser::new(text)?;
    let mut statements = Vec::new();
    loop {
        while parser.eat_punct(";") {}
        if parser.at_end() {
            return Ok(statements);
        }
        let mark = parser.mark();
        let statement = parser.statement()?;
        if !parser.at_statement_end() {
            return Err(parser.unexpected());
        }
        statements.push(ParsedStatement { statement, text: parser.text_since(mark).to_string() });
    }
}

/// Parses one expression: SQL text stored in the catalog.
///
/// # Errors
/// As [`parse`].
pub fn parse_expr(text: &str) -> Result<Expr> {
    whole(text, Parser::expr)
}

/// Parses one query: a view's text.
///
/// # Errors
/// As [`parse`].
pub fn parse_query(text: &str) -> Result<Query> {
    whole(text, Parser::query)
}

/// Parses a type name, as `to_regtype` and `::regtype` get them.
///
/// # Errors
/// As [`parse`].
pub fn parse_type(text: &str) -> Result<TypeName> {
    whole(text, Parser::type_name)
}

fn whole<'a, T>(text: &'a str, parse: impl FnOnce(&mut Parser<'a>) -> Result<T>) -> Result<T> {
    let mut parser = Parser::new(text)?;
    let value = parse(&mut parser)?;
    if parser.at_end() { Ok(value) } else { Err(parser.unexpected()) }
}

impl Parser<'_> {
    fn statement(&mut self) -> Result<Statement> {
        if self.is_punct("(") {
            return self.plannable();
        }
        let TokenKind::Word { text, quoted: false } = self.ahead(0).clone() else { return Err(self.unexpected()) };
        match text.as_str() {
            "select" | "values" | "with" | "table" | "insert" | "update" | "delete" | "merge" => self.plannable(),
            "explain" => self.explain(),
            "copy" => self.copy(),
            "create" => self.create(),
            "alter" => self.alter(),
            "drop" => self.drop_statement(),
            "truncate" => self.truncate(),
            "comment" => self.comment(),
            "grant" => self.grant(false),
            "revoke" => self.grant(true),
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => self.transaction(),
            "set" | "reset" => self.set_statement(),
            "show" => self.show(),
            "discard" => self.discard(),
            "prepare" => self.prepare(),
            "execute" => self.execute(),
            "deallocate" => self.deallocate(),
            "declare" => self.declare(),
            "fetch" => self.fetch(false),
            "move" => self.fetch(true),
            "close" => self.close(),
            "lock" => self.lock_table(),
            "listen" => {
                self.advance();
                Ok(Statement::Listen { channel: self.identifier()? })
            }
            "unlisten" => {
                self.advance();
                let channel = if self.eat_op("*") { None } else { Some(self.identifier()?) };
                Ok(Statement::Unlisten { channel })
            }
            "notify" => self.notify(),
            "vacuum" => self.vacuum(false),
            "analyze" | "analyse" => self.vacuum(true),
            "reindex" => self.reindex(),
            "checkpoint" => {
                self.advance();
                Ok(Statement::Checkpoint)
            }
            "load" => {
                self.advance();
                Ok(Statement::Load { library: self.string()? })
            }
            "cluster" => self.cluster(),
            "reassign" => {
                self.advance();
                self.belongings(true)
            }
            "do" | "call" | "refresh" | "security" | "import" => self.unsupported(&text.to_uppercase()),
            _ => Err(self.unexpected()),
        }
    }
}

/// Whether a statement only controls the transaction block, so that it works in a failed one.
#[must_use]
pub fn ends_block(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Transaction(
            TransactionStatement::Commit { .. }
                | TransactionStatement::Rollback { .. }
                | TransactionStatement::RollbackTo(_)
                | TransactionStatement::Prepare(_)
        )
    )
}
