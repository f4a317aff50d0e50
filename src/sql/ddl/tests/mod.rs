//! Statements over an empty store, with the reports that PostgreSQL 18.4 gives for them.

use std::sync::Arc;

use crate::catalog::descriptor::ConstraintKind;
use crate::catalog::store::{FIRST_DATABASE, FIRST_ROLE};
use crate::catalog::{Catalog, Edit, Names, SearchPath};
use crate::error::{Error, Result};
use crate::sql::ddl::{DdlContext, execute};
use crate::sql::deparse::deparse_query;
use crate::sql::eval::EvalContext;
use crate::sql::parser;
use crate::storage::{Kv, MemoryKv};
use crate::table::{NoEvaluator, Tables, WriteContext};
use crate::txn::{Isolation, TxnManager, TxnOptions};
use crate::types::Datum;

/// A store with one session's worth of everything.
struct Bench {
    catalog: Catalog,
    manager: Arc<TxnManager>,
    tables: Arc<Tables>,
    search: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let catalog = Catalog::open(Arc::clone(&kv), "postgres").expect("an empty store opens");
        let manager = TxnManager::open(kv, TxnOptions::default()).expect("an empty store opens");
        Self { catalog, manager, tables: Arc::new(Tables::new(7)), search: vec!["public".to_owned()] }
    }

    fn edit(&self) -> Edit {
        self.catalog.edit(FIRST_DATABASE, false)
    }

    fn path(&self, edit: &Edit) -> SearchPath {
        edit.snapshot.search_path(&self.search, "postgres", None)
    }

    /// Runs statements, each in a transaction of its own; reports in order.
    fn run(&self, sql: &str) -> Vec<String> {
        let mut out = Vec::new();
        for parsed in parser::parse(sql).expect("test statements parse") {
            let mut edit = self.edit();
            let path = self.path(&edit);
            let txn = self.manager.begin(Isolation::ReadCommitted, false);
            txn.begin_statement();
            let role = Arc::clone(&edit.snapshot.shared.roles[&FIRST_ROLE]);
            let eval = EvalContext::detached();
            let mut ctx = DdlContext {
                catalog: &self.catalog,
                edit: &mut edit,
                path,
                txn: &txn,
                tables: &self.tables,
                eval: &eval,
                see: &|_| {},
                waits: &|_| false,
                role,
                notices: Vec::new(),
            };
            let result = execute(&parsed.statement, &mut ctx);
            out.extend(ctx.notices.iter().map(report));
            match result {
                Ok(tag) => {
                    txn.commit().expect("commits");
                    self.catalog.publish(&edit);
                    out.push(tag);
                }
                Err(error) => {
                    txn.rollback();
                    out.push(report(&error));
                }
            }
        }
        out
    }

    /// Stored expressions.
    fn definitions(&self) -> Vec<String> {
        let edit = self.edit();
        let (mut defaults, mut checks, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
        for table in edit.snapshot.objects.tables.values() {
            for column in &table.columns {
                if let Some(text) = column.default.as_ref().or(column.generated.as_ref()) {
                    defaults.push(format!("{}.{} default {text}", table.name, column.name));
                }
            }
            for constraint in &table.constraints {
                if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                    checks.push(format!("{} {} {expr}", table.name, constraint.name));
                }
            }
            indexes.extend(table.indexes.iter().map(|index| format!("{} index {}", table.name, index.name)));
        }
        checks.sort();
        indexes.sort();
        defaults.into_iter().chain(checks).chain(indexes).collect()
    }

    /// Views as `pg_get_viewdef` prints them.
    fn views(&self) -> Vec<String> {
        let edit = self.edit();
        let names = Names { snapshot: Arc::new(edit.snapshot.clone()), path: self.path(&edit) };
        let mut texts: Vec<(String, String)> = Vec::new();
        for view in edit.snapshot.objects.views.values() {
            let query = parser::parse_query(&view.query).expect("a stored query parses");
            texts.push((view.name.clone(), deparse_query(&query, Some(&names), false)));
        }
        texts.sort();
        texts.into_iter().map(|(name, text)| format!("{name}:\n{text};")).collect()
    }

    fn insert(&self, table: &str, rows: &[Vec<Datum>]) -> Result<()> {
        let edit = self.edit();
        let found = edit.snapshot.find_relation(&self.path(&edit), table);
        let Some(crate::catalog::Relation::Table(desc)) = found else { panic!("no table {table}") };
        let txn = self.manager.begin(Isolation::ReadCommitted, false);
        txn.begin_statement();
        let eval = EvalContext::detached();
        let write = WriteContext { evaluator: &NoEvaluator, cancel: &eval.cancel, io: eval.io(), duplicates: None };
        self.tables.open(txn.as_ref(), &desc)?.insert_batch(txn.as_ref(), &write, rows)?;
        txn.commit()
    }
}

fn report(error: &Error) -> String {
    let report = error.report();
    let mut text = format!("{}:  {}: {}", report.severity.as_str(), report.sqlstate.as_str(), report.message);
    if let Some(detail) = &report.detail {
        text.push_str(&format!("\nDETAIL:  {detail}"));
    }
    if let Some(hint) = &report.hint {
        text.push_str(&format!("\nHINT:  {hint}"));
    }
    text
}

/// Runs a script of `> statement` lines, each followed by what PostgreSQL 18.4 answered, and lists what differs.
/// `-- insert t` puts one row in, `-- defs` and `-- views` print stored expressions and queries.
fn compare(script: &str) {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    let text = format!("\n{script}");
    for record in text.split("\n> ").skip(1) {
        let (statement, expected) = record.split_once('\n').unwrap_or((record, ""));
        let expected = expected.trim_end_matches('\n');
        let answer = if let Some(table) = statement.strip_prefix("-- insert ") {
            bench.insert(table, &[vec![Datum::Int4(1), Datum::text("a")]]).expect("the row fits");
            String::new()
        } else if let Some(table) = statement.strip_prefix("-- insertp ") {
            bench.insert(table, &[vec![Datum::Int4(1)]]).expect("the row fits");
            String::new()
        } else if statement == "-- defs" {
            bench.definitions().join("\n")
        } else if statement == "-- views" {
            bench.views().join("\n")
        } else {
            bench.run(statement).join("\n")
        };
        if answer != expected {
            wrong.push(format!("{statement}\nours:\n{answer}\ntheirs:\n{expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn errors_are_those_of_postgres() {
    compare(include_str!("errors.txt"));
}

#[test]
fn changes_are_those_of_postgres() {
    compare(include_str!("changes.txt"));
}

#[test]
fn vector_indexes_are_those_of_pgvector() {
    compare(include_str!("vector_indexes.txt"));
}

#[test]
#[ignore = "runs a script that DDL_FILE names"]
fn script() {
    compare(&std::fs::read_to_string(std::env::var("DDL_FILE").expect("DDL_FILE names a script")).expect("reads"));
}
