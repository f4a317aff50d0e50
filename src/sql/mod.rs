//! Floors 4 to 6: SQL. Nouns that stages hand to each other (`ast`, `expr`, `logical`), and the stages.

pub mod ast;
pub mod binder;
pub mod ddl;
pub mod deparse;
pub mod eval;
pub mod executor;
pub mod expr;
pub mod logical;
pub mod optimizer;
pub mod parser;
pub mod physical;
pub mod planner;
pub mod walk;
