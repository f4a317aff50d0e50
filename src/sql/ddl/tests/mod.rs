//! Statements over an empty store, with the reports that PostgreSQL 18.4 gives for them.

use std::sync::Arc;

use crate::catalog::descriptor::ConstraintKind;
use crate::catalog::store::{FIRST_DATABASE, FIRST_ROLE};
use crate::catalog::{Catalog, Edit, Names, Relation, SearchPath};
use crate::error::{Error, Result};
use crate::sql::ddl::{DdlContext, Later, execute, finish};
use crate::sql::deparse::deparse_query_for;
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
        self.run_first(sql, &mut Vec::new())
    }

    /// The same; what is left for later transactions is not done.
    fn run_first(&self, sql: &str, later: &mut Vec<Later>) -> Vec<String> {
        let mut out = Vec::new();
        for parsed in parser::parse(sql).expect("test statements parse") {
            let result = self.transact(|ctx| {
                let result = execute(&parsed.statement, ctx);
                out.extend(ctx.notices.iter().map(report));
                later.append(&mut ctx.later);
                result
            });
            out.push(result.unwrap_or_else(|error| report(&error)));
        }
        out
    }

    /// The second transaction of a statement that says CONCURRENTLY.
    fn finish(&self, later: Later) -> Result<()> {
        self.transact(|ctx| finish(later, ctx))
    }

    /// Runs something in a transaction of its own, which commits unless it fails.
    fn transact<R>(&self, act: impl FnOnce(&mut DdlContext<'_>) -> Result<R>) -> Result<R> {
        let mut edit = self.edit();
        let path = self.path(&edit);
        let txn = self.manager.begin(Isolation::ReadCommitted, false);
        txn.begin_statement();
        let role = Arc::clone(&edit.snapshot.shared.roles[&FIRST_ROLE]);
        let eval = EvalContext::detached();
        let done = act(&mut DdlContext {
            catalog: &self.catalog,
            edit: &mut edit,
            path,
            txn: &txn,
            tables: &self.tables,
            eval: &eval,
            see: &|_| {},
            waits: &|_| false,
            role,
            maintenance_work_mem: 64 << 20,
            notices: Vec::new(),
            later: Vec::new(),
        });
        match &done {
            Ok(_) => {
                txn.commit().expect("commits");
                self.catalog.publish(&edit);
            }
            Err(_) => txn.rollback(),
        }
        done
    }

    /// Names of a table's indexes with their storage and whether they are valid.
    fn indexes(&self, table: &str) -> Vec<(String, u32, bool)> {
        let edit = self.edit();
        let Some(Relation::Table(desc)) = edit.snapshot.find_relation(&self.path(&edit), table) else {
            panic!("no table {table}")
        };
        desc.indexes.iter().map(|index| (index.name.clone(), index.storage.0, index.valid)).collect()
    }

    /// What a table's rows and indexes disagree about.
    fn problems(&self, table: &str) -> usize {
        let edit = self.edit();
        let Some(Relation::Table(desc)) = edit.snapshot.find_relation(&self.path(&edit), table) else {
            panic!("no table {table}")
        };
        let txn = self.manager.begin(Isolation::ReadCommitted, true);
        txn.begin_statement();
        let open = self.tables.open(txn.as_ref(), &desc).expect("a table opens");
        open.check(txn.as_ref(), &NoEvaluator).expect("a check runs").len()
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
            texts.push((view.name.clone(), deparse_query_for(&query, &names, None, false)));
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

#[test]
fn an_index_is_built_while_rows_come() {
    let bench = Bench::new();
    let row = |id: i32, n: i32| vec![Datum::Int4(id), Datum::Int4(n)];
    bench.run("create table t (id int, n int)");
    bench.insert("t", &[row(1, 10), row(2, 20)]).expect("rows fit");
    let mut later = Vec::new();
    assert_eq!(bench.run_first("create index concurrently i on t (n)", &mut later), ["CREATE INDEX"]);
    assert!(!bench.indexes("t")[0].2, "nobody reads by it yet");
    bench.insert("t", &[row(3, 30)]).expect("writers keep it in step");
    bench.finish(later[0]).expect("the rest is filled in");
    assert!(bench.indexes("t")[0].2);
    assert_eq!(bench.problems("t"), 0);

    let before = bench.indexes("t");
    later.clear();
    bench.run_first("reindex index concurrently i", &mut later);
    let names: Vec<_> = bench.indexes("t").into_iter().map(|(name, _, valid)| (name, valid)).collect();
    assert_eq!(names, [("i".to_owned(), true), ("i_ccnew".to_owned(), false)]);
    bench.insert("t", &[row(4, 40)]).expect("writers keep both in step");
    bench.finish(later[0]).expect("the new one takes the old one's place");
    let after = bench.indexes("t");
    assert_eq!((after.len(), after[0].0.as_str(), after[0].2), (1, "i", true));
    assert_ne!(after[0].1, before[0].1);
    assert_eq!(bench.problems("t"), 0);
}

#[test]
fn an_index_that_was_dropped_meanwhile_is_not_filled() {
    let bench = Bench::new();
    bench.run("create table t (id int)");
    let mut later = Vec::new();
    bench.run_first("create index concurrently i on t (id)", &mut later);
    bench.run("drop index i");
    assert_eq!(bench.finish(later[0]).expect_err("it is gone").sqlstate().as_str(), "42704");
    later.clear();
    bench.run_first("create index concurrently i on t (id)", &mut later);
    bench.run("drop table t");
    assert_eq!(bench.finish(later[0]).expect_err("it is gone").sqlstate().as_str(), "42704");
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
