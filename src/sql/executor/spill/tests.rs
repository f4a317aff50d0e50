//! Operators with next to no memory against the same operators with plenty: the same rows, in files that are gone afterwards.

use std::sync::Arc;

use proptest::prelude::*;

use super::SpillSpace;
use crate::catalog::descriptor::{IndexDesc, RelationDesc, TableDesc};
use crate::catalog::store::FIRST_DATABASE;
use crate::catalog::{Catalog, Names};
use crate::common::CancelReason;
use crate::error::{Error, Result, SqlState};
use crate::sql::eval::EvalContext;
use crate::sql::executor::{ExecContext, Shared, StoredExpressions, SystemRows, TableChecks, build};
use crate::sql::expr::{AggregateCall, Expr, SortKey};
use crate::sql::logical::{Aggregate, Field, JoinKind, LogicalPlan, SetOp};
use crate::sql::physical::{CteNode, JoinKey, Node, Op};
use crate::storage::{Kv, MemoryKv};
use crate::table::Tables;
use crate::txn::{Isolation, TxnManager, TxnOptions};
use crate::types::{Datum, Oid, SqlType, keycode};

/// Bytes that operators may hold: a fraction of any input.
const LITTLE: usize = 4 << 10;
const TYPES: [Oid; 3] = [Oid::INT4, Oid::TEXT, Oid::INT8];

struct Nothing;

impl StoredExpressions for Nothing {
    fn index(&self, _: &TableDesc, _: &IndexDesc) -> Result<(Vec<Expr>, Option<Expr>)> {
        Err(Error::internal("there are no tables"))
    }

    fn default(&self, _: &TableDesc, _: usize) -> Result<Expr> {
        Err(Error::internal("there are no tables"))
    }

    fn checks(&self, _: &TableDesc) -> Result<TableChecks> {
        Err(Error::internal("there are no tables"))
    }
}

impl SystemRows for Nothing {
    fn rows(&self, _: &RelationDesc) -> Result<Vec<Vec<Datum>>> {
        Ok(Vec::new())
    }
}

fn context(memory: usize, spill: SpillSpace) -> ExecContext {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let catalog = Catalog::open(Arc::clone(&kv), "postgres").unwrap();
    let snapshot = catalog.snapshot(FIRST_DATABASE).unwrap();
    let path = snapshot.search_path(&[], "postgres", None);
    let names = Arc::new(Names { snapshot: Arc::new(snapshot), path });
    let manager = TxnManager::open(kv, TxnOptions::default()).unwrap();
    let txn = manager.begin(Isolation::ReadCommitted, false);
    let tables = Arc::new(Tables::new(1));
    let mut shared = Shared::new(txn, tables, names, Arc::new(Nothing), Arc::new(Nothing));
    (shared.work_mem, shared.hash_mem, shared.spill) = (memory, memory, spill);
    ExecContext { shared: Arc::new(shared), eval: EvalContext::detached(), part: None }
}

fn fields(types: &[Oid]) -> Vec<Field> {
    types.iter().map(|oid| Field { name: "c".to_owned(), ty: SqlType::of(*oid), origin: None }).collect()
}

fn node(op: Op, types: &[Oid]) -> Node {
    Node { op, fields: fields(types), rows: 1.0 }
}

fn values(rows: &[Vec<Datum>]) -> Node {
    let item = |(datum, oid): (&Datum, &Oid)| Expr::Const(datum.clone(), SqlType::of(*oid));
    let rows = rows.iter().map(|row| row.iter().zip(&TYPES).map(item).collect()).collect();
    node(Op::Values { rows }, &TYPES)
}

fn column(index: usize) -> Expr {
    Expr::Column { index, ty: SqlType::of(TYPES[index % TYPES.len()]) }
}

/// Rows as bytes that tell them apart, and the most that was on disk between batches.
fn run(node: &Node, ctx: &ExecContext) -> (Vec<Vec<u8>>, u64) {
    let types = node.types();
    let mut operator = build(node, ctx).unwrap();
    let (mut rows, mut disk) = (Vec::new(), 0);
    while let Some(batch) = operator.next(ctx).unwrap() {
        disk = disk.max(ctx.shared.spill.used());
        for at in 0..batch.rows {
            let mut bytes = Vec::new();
            for (datum, oid) in batch.row(&types, at).iter().zip(&types) {
                keycode::encode_key_typed(*oid, datum, false, false, &mut bytes);
            }
            rows.push(bytes);
        }
    }
    ctx.shared.ctes.lock().clear();
    (rows, disk)
}

/// Whether little memory gives what plenty gives, in order where order is promised; whether rows went to disk.
fn agrees(node: &Node, ordered: bool) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let plenty = context(1 << 30, SpillSpace::new(dir.path().join("plenty"), None));
    let little = context(LITTLE, SpillSpace::new(dir.path().join("little"), None));
    let ((mut wanted, none), (mut found, disk)) = (run(node, &plenty), run(node, &little));
    if !ordered {
        wanted.sort();
        found.sort();
    }
    assert_eq!(wanted, found);
    assert_eq!((none, little.shared.spill.used()), (0, 0), "files are gone");
    assert!(!dir.path().join("plenty").exists(), "plenty of memory needs no files");
    disk > 0
}

fn rows(most: usize) -> impl Strategy<Value = Vec<Vec<Datum>>> {
    let maybe = |datum: BoxedStrategy<Datum>| prop_oneof![1 => Just(Datum::Null), 9 => datum];
    let text = "[a-c]{0,3}".prop_map(|text: String| Datum::text(text.repeat(6)));
    let row = (maybe((0..40_i32).prop_map(Datum::Int4).boxed()), maybe(text.boxed()), 0..3000_i64);
    prop::collection::vec(row.prop_map(|(a, b, c)| vec![a, b, Datum::Int8(c)]), 0..most)
}

fn many() -> Vec<Vec<Datum>> {
    let row = |at: i32| vec![Datum::Int4(at % 97), Datum::text(format!("some text {at}")), Datum::Int8(i64::from(at))];
    (0..4000).map(row).collect()
}

fn key(index: usize, descending: bool) -> SortKey {
    SortKey { expr: column(index), descending, nulls_first: descending }
}

fn sort(input: Node, keys: Vec<SortKey>) -> Node {
    node(Op::Sort { input: Box::new(input), keys, top: None }, &TYPES)
}

fn join(kind: JoinKind, left: Node, right: Node, index: usize) -> Node {
    let keys = vec![JoinKey { left: column(index), right: column(index), nulls_match: false }];
    let types: Vec<Oid> = match kind {
        JoinKind::Semi | JoinKind::Anti => TYPES.to_vec(),
        _ => TYPES.iter().chain(&TYPES).copied().collect(),
    };
    node(Op::HashJoin { kind, left: Box::new(left), right: Box::new(right), keys, residual: None }, &types)
}

fn set_operation(op: SetOp, all: bool, left: Node, right: Node) -> Node {
    node(Op::SetOp { op, all, left: Box::new(left), right: Box::new(right) }, &TYPES)
}

fn grouped(input: Node, keys: &[usize], distinct: bool) -> Node {
    let function = |name: &str, args: &[Oid]| {
        let mut rows = crate::catalog::builtin().procs_named(name);
        rows.find(|row| row.args == args).expect("the catalog has it").oid
    };
    let call = |name: &str, index: usize, types: &[Oid], ty: Oid| AggregateCall {
        function: function(name, types),
        args: vec![column(index)],
        direct_args: 0,
        distinct,
        order_by: Vec::new(),
        filter: None,
        ty: SqlType::of(ty),
    };
    let calls = vec![
        call("sum", 2, &[Oid::INT8], Oid::NUMERIC),
        call("max", 1, &[Oid::TEXT], Oid::TEXT),
        call("min", 0, &[Oid::INT4], Oid::INT4),
    ];
    let mut types: Vec<Oid> = keys.iter().map(|at| TYPES[*at]).collect();
    types.extend([Oid::NUMERIC, Oid::TEXT, Oid::INT4]);
    let spec = Aggregate {
        input: Box::new(LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() }),
        keys: keys.iter().map(|at| column(*at)).collect(),
        sets: Vec::new(),
        calls,
        grouping_calls: Vec::new(),
        fields: fields(&types),
    };
    node(Op::Aggregate { input: Box::new(input), spec: Arc::new(spec) }, &types)
}

fn distinct(input: Node) -> Node {
    node(Op::Distinct { input: Box::new(input), on: None }, &TYPES)
}

const KINDS: [JoinKind; 6] =
    [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn little_memory_gives_the_same_rows(left in rows(700), right in rows(700)) {
        let (a, b) = (|| values(&left), || values(&right));
        agrees(&sort(a(), vec![key(1, true), key(0, false)]), true);
        agrees(&sort(a(), vec![key(0, false)]), true);
        agrees(&distinct(a()), false);
        agrees(&grouped(a(), &[1], false), false);
        agrees(&grouped(a(), &[2, 0], true), false);
        for all in [false, true] {
            for op in [SetOp::Union, SetOp::Intersect, SetOp::Except] {
                agrees(&set_operation(op, all, a(), b()), false);
            }
        }
        for kind in KINDS {
            agrees(&join(kind, a(), b(), 2), false);
        }
    }
}

#[test]
fn what_does_not_fit_goes_to_disk() {
    let input = || values(&many());
    assert!(agrees(&sort(input(), vec![key(1, false)]), true));
    assert!(agrees(&distinct(input()), false));
    assert!(agrees(&grouped(input(), &[1, 2], false), false));
    assert!(agrees(&set_operation(SetOp::Except, true, input(), values(&many()[..700])), false));
    assert!(agrees(&join(JoinKind::Full, input(), input(), 1), false));
    // One key for all rows cannot be divided.
    let alike: Vec<Vec<Datum>> =
        (0..60).map(|at| vec![Datum::Int4(1), Datum::text("x".repeat(200)), Datum::Int8(at)]).collect();
    agrees(&join(JoinKind::Inner, values(&alike), values(&alike), 0), false);
}

#[test]
fn queries_that_are_read_twice_are_kept_on_disk() {
    let cte = CteNode { id: 7, name: "c".to_owned(), plan: values(&many()), recursive: None, modifies: false };
    let scan = || node(Op::CteScan { id: 7 }, &TYPES);
    let body = set_operation(SetOp::Union, true, scan(), scan());
    assert!(agrees(&node(Op::With { ctes: vec![cte], body: Box::new(body) }, &TYPES), true));
}

#[test]
fn the_limit_of_temporary_files_holds() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(LITTLE, SpillSpace::new(dir.path().to_owned(), Some(16 << 10)));
    let mut operator = build(&sort(values(&many()), vec![key(1, false)]), &ctx).unwrap();
    let error = operator.next(&ctx).unwrap_err();
    assert_eq!(error.report().sqlstate, SqlState::CONFIGURATION_LIMIT_EXCEEDED);
    drop(operator);
    assert_eq!(ctx.shared.spill.used(), 0);
}

#[test]
fn a_cancelled_statement_leaves_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(LITTLE, SpillSpace::new(dir.path().to_owned(), None));
    let mut operator = build(&sort(values(&many()), vec![key(1, false)]), &ctx).unwrap();
    operator.next(&ctx).unwrap().expect("there are rows");
    assert!(ctx.shared.spill.used() > 0);
    ctx.eval.cancel.raise(CancelReason::UserRequest);
    assert_eq!(operator.next(&ctx).unwrap_err().report().sqlstate, SqlState::QUERY_CANCELED);
    drop(operator);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
