//! `jsonpath`: the path language of SQL/JSON, as a tree.
//!
//! A value of the type is kept as its canonical text; [`parse`] makes the tree that evaluation walks, and the printer
//! makes the text that PostgreSQL shows. Predicates and other expressions share one node type; the parser sees to it
//! that each stands where it may.

mod escape;
mod lexer;
mod parser;
mod print;

use std::sync::Arc;

use crate::error::Result;
use crate::types::Datum;
use crate::types::numeric::Numeric;

pub use parser::parse;

/// A whole path.
#[derive(Clone, Debug)]
pub struct JsonPath {
    /// Structural errors are errors, and nothing is unwrapped.
    pub strict: bool,
    /// What is evaluated.
    pub root: Node,
}

/// An expression or predicate.
#[derive(Clone, Debug)]
pub enum Node {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(Numeric),
    /// A string.
    String(String),
    /// `$`.
    Root,
    /// `@`.
    Current,
    /// `last`, in subscripts.
    Last,
    /// `$name`.
    Variable(String),
    /// A base and what is applied to it in turn.
    Access(Box<Node>, Vec<Step>),
    /// Arithmetic of two numbers.
    Arithmetic(Operator, Box<Node>, Box<Node>),
    /// `-x` and `+x`.
    Sign(bool, Box<Node>),
    /// Comparison.
    Compare(Operator, Box<Node>, Box<Node>),
    /// `&&`.
    And(Box<Node>, Box<Node>),
    /// `||`.
    Or(Box<Node>, Box<Node>),
    /// `!`.
    Not(Box<Node>),
    /// `exists (...)`.
    Exists(Box<Node>),
    /// `(...) is unknown`.
    IsUnknown(Box<Node>),
    /// `x starts with y`.
    StartsWith(Box<Node>, Box<Node>),
    /// `x like_regex "pattern" flag "flags"`.
    LikeRegex(Box<Node>, String, String),
}

/// Operators of arithmetic and comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// One accessor.
#[derive(Clone, Debug)]
pub enum Step {
    /// `.name`.
    Member(String),
    /// `.*`.
    AnyMember,
    /// `[*]`.
    AnyElement,
    /// `[1, 2 to last]`.
    Elements(Vec<(Node, Option<Node>)>),
    /// `.**{from to to}`; `None` is `last`.
    Descend(Option<u32>, Option<u32>),
    /// `?(...)`.
    Filter(Box<Node>),
    /// `.type()` and the like, with its arguments.
    Method(String, Vec<Node>),
}

impl Node {
    /// Whether this yields true, false or unknown.
    #[must_use]
    pub fn is_predicate(&self) -> bool {
        matches!(
            self,
            Self::Compare(..)
                | Self::And(..)
                | Self::Or(..)
                | Self::Not(_)
                | Self::Exists(_)
                | Self::IsUnknown(_)
                | Self::StartsWith(..)
                | Self::LikeRegex(..)
        )
    }
}

/// Reads the text form; the value is the canonical text.
///
/// # Errors
/// `42601` and `22P02` with PostgreSQL's words.
pub fn input(text: &str) -> Result<Datum> {
    let path = parse(text)?;
    let mut out = String::new();
    path.print(&mut out);
    Ok(Datum::Text(Arc::from(out)))
}

#[cfg(test)]
mod tests;
