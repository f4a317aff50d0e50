//! EXPLAIN: plans as text, in PostgreSQL's layout, and what ANALYZE counts.
//!
//! Costs are the rows that pass through a node and those below it: this planner counts rows, not pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::Names;
use crate::common::clock;
use crate::error::Result;
use crate::sql::deparse;
use crate::sql::expr::Expr;
use crate::sql::logical::{Field, JoinKind, ModifyAction, SetOp};
use crate::sql::physical::{IndexAccess, Node, Op};
use crate::types::column::Batch;

use super::{ExecContext, Operator};

/// Counters of one node.
#[derive(Default)]
pub struct Meter {
    rows: AtomicU64,
    nanos: AtomicU64,
    loops: AtomicU64,
    note: Mutex<Option<String>>,
}

impl Meter {
    /// Counts what a thread of several has done; together they are one run.
    pub(super) fn add(&self, rows: usize, time: std::time::Duration) {
        self.loops.fetch_max(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Counters of all nodes, by address.
#[derive(Default)]
pub struct Meters(Mutex<HashMap<usize, Arc<Meter>>>);

impl Meters {
    /// The counters of a node. Nodes are copied into operators, so inputs are found by their own address in the plan that is
    /// printed; a node that is never opened has no counters.
    pub(super) fn of(&self, node: &Node) -> Arc<Meter> {
        let key = std::ptr::from_ref(node) as usize;
        Arc::clone(self.0.lock().entry(key).or_default())
    }

    fn found(&self, node: &Node) -> Option<Arc<Meter>> {
        self.0.lock().get(&(std::ptr::from_ref(node) as usize)).cloned()
    }
}

/// An operator that is counted.
pub(super) struct Metered {
    inner: Box<dyn Operator>,
    meter: Arc<Meter>,
}

impl Metered {
    pub(super) fn new(inner: Box<dyn Operator>, meter: Arc<Meter>) -> Self {
        meter.loops.fetch_add(1, Ordering::Relaxed);
        Self { inner, meter }
    }
}

impl Operator for Metered {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let start = clock::monotonic();
        let result = self.inner.next(ctx);
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.meter.nanos.fetch_add(nanos, Ordering::Relaxed);
        if let Some(note) = self.inner.note() {
            *self.meter.note.lock() = Some(note);
        }
        if let Ok(Some(batch)) = &result {
            self.meter.rows.fetch_add(batch.rows as u64, Ordering::Relaxed);
        }
        result
    }
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// COSTS.
    pub costs: bool,
    /// TIMING, with ANALYZE.
    pub timing: bool,
}

/// The lines of a plan.
#[must_use]
pub fn lines(node: &Node, names: &Names, layout: Layout, meters: Option<&Meters>) -> Vec<String> {
    let mut printer = Printer { names, layout, meters, gathered: false, found: None, out: Vec::new() };
    printer.node(node, 0, "");
    printer.out
}

struct Printer<'a> {
    names: &'a Names,
    layout: Layout,
    meters: Option<&'a Meters>,
    /// Whether the nodes printed now are run by several threads.
    gathered: bool,
    /// The scan that found rows are given to in the part printed now.
    found: Option<usize>,
    out: Vec<String>,
}

/// The Gather below a Sort that puts partial sorts together: what PostgreSQL calls a Gather Merge.
fn merged(node: &Node) -> Option<&Node> {
    match &node.op {
        Op::Sort { input, .. } if matches!(&input.op, Op::Gather { input, .. } if matches!(input.op, Op::Sort { .. })) => {
            Some(input)
        }
        _ => None,
    }
}

fn cost(node: &Node) -> f64 {
    node.rows + node.op.inputs().iter().map(|input| cost(input)).sum::<f64>()
}

impl Printer<'_> {
    fn node(&mut self, node: &Node, depth: usize, label: &str) {
        // What would decide among rows equally far away has nothing to decide when all rows are sorted.
        let found = match &node.op {
            Op::Sort { input, .. } => &input.op,
            op => op,
        };
        if let Op::Nearest { exact, few: true, .. } = found {
            return self.node(exact, depth, label);
        }
        let indent = if depth == 0 { String::new() } else { format!("{}->  ", " ".repeat(2 + 6 * (depth - 1))) };
        let mut line = format!("{indent}{label}{}", self.title(node));
        if self.layout.costs {
            let width: usize = node.fields.len() * 8;
            line += &format!("  (cost=0.00..{:.2} rows={:.0} width={width})", cost(node), node.rows.max(1.0));
        }
        if let Some(meters) = self.meters {
            line += &match meters.found(node) {
                Some(meter) => {
                    let loops = meter.loops.load(Ordering::Relaxed).max(1) as f64;
                    let rows = meter.rows.load(Ordering::Relaxed) as f64 / loops;
                    let millis = meter.nanos.load(Ordering::Relaxed) as f64 / 1e6 / loops;
                    let time = if self.layout.timing { format!("time=0.000..{millis:.3} ") } else { String::new() };
                    format!(" (actual {time}rows={rows:.2} loops={loops:.0})")
                }
                None => " (never executed)".to_owned(),
            };
        }
        self.out.push(line);
        let pad = " ".repeat(if depth == 0 { 2 } else { 2 + 6 * depth });
        for detail in self.details(node) {
            self.out.push(format!("{pad}{detail}"));
        }
        if let Some(note) = self.meters.and_then(|meters| meters.found(node)?.note.lock().clone()) {
            self.out.push(format!("{pad}{note}"));
        }
        if let Op::With { ctes, body } = &node.op {
            for cte in ctes {
                self.out.push(format!("{pad}CTE {}", cte.name));
                self.node(&cte.plan, depth + 1, "");
            }
            self.node(body, depth + 1, "");
            return;
        }
        if let Op::Nearest { scan, vector, exact, rest, .. } = &node.op {
            // Included columns answer its question, but for when they cannot.
            let asked = |matching: &&Node| match self.meters {
                Some(meters) => vector.included.is_none() || meters.found(matching).is_some(),
                None => vector.included.is_none(),
            };
            if let Some(matching) = vector.matching.as_ref().filter(asked) {
                self.node(matching, depth + 1, "");
            }
            if let Some(rest) = rest {
                let around = self.found.replace(scan.tag);
                self.node(rest, depth + 1, "");
                self.found = around;
            }
            // The other way is part of the story only when it was taken.
            if self.meters.is_some_and(|meters| meters.found(exact).is_some()) {
                self.node(exact, depth + 1, "");
            }
            return;
        }
        let node = merged(node).unwrap_or(node);
        self.gathered |= matches!(node.op, Op::Gather { .. });
        for input in node.op.inputs() {
            self.node(input, depth + 1, "");
        }
        self.gathered &= !matches!(node.op, Op::Gather { .. });
    }

    fn title(&self, node: &Node) -> String {
        let on = |table: &str, alias: &str| if table == alias { table.to_owned() } else { format!("{table} {alias}") };
        match &node.op {
            Op::TableScan { scan, .. } if self.found == Some(scan.tag) => {
                format!("Found Rows of {}", on(&scan.table.name, &scan.alias))
            }
            Op::TableScan { scan, .. } => {
                let parallel = if self.gathered { "Parallel " } else { "" };
                format!("{parallel}Seq Scan on {}", on(&scan.table.name, &scan.alias))
            }
            Op::Gather { .. } => "Gather".to_owned(),
            Op::Sort { .. } if merged(node).is_some() => "Gather Merge".to_owned(),
            Op::IndexScan { scan, access, .. } => {
                let direction = if access.backward { " Backward" } else { "" };
                format!("Index Scan{direction} using {} on {}", access.index.name, on(&scan.table.name, &scan.alias))
            }
            Op::Nearest { scan, vector, .. } => {
                format!("Index Scan using {} on {}", vector.index.name, on(&scan.table.name, &scan.alias))
            }
            Op::SystemScan { relation } => format!("Seq Scan on {}", relation.name),
            Op::Values { rows } if rows.len() == 1 => "Result".to_owned(),
            Op::Values { .. } => "Values Scan on \"*VALUES*\"".to_owned(),
            Op::FunctionScan { calls, .. } => match calls.first().map(|call| &call.expr) {
                Some(Expr::Call(call)) => {
                    let name = crate::catalog::builtin().proc_row(call.function).map_or("function", |row| row.name);
                    format!("Function Scan on {name}")
                }
                _ => "Function Scan".to_owned(),
            },
            Op::ProjectSet { .. } => "ProjectSet".to_owned(),
            Op::Filter { .. } => "Filter".to_owned(),
            Op::Project { .. } => "Projection".to_owned(),
            Op::HashJoin { kind, .. } => format!("Hash {}", join_name(*kind)),
            Op::NestedLoop { kind, .. } => match kind {
                JoinKind::Inner => "Nested Loop".to_owned(),
                other => format!("Nested Loop {}", join_name(*other)),
            },
            Op::Aggregate { spec, .. } if spec.keys.is_empty() && spec.sets.is_empty() => "Aggregate".to_owned(),
            Op::Aggregate { .. } => "HashAggregate".to_owned(),
            Op::Window { .. } => "WindowAgg".to_owned(),
            Op::Sort { input, .. } if matches!(input.op, Op::Nearest { .. }) => "Incremental Sort".to_owned(),
            Op::Sort { top: Some(_), .. } => "Top-N Sort".to_owned(),
            Op::Sort { .. } => "Sort".to_owned(),
            Op::Limit { .. } => "Limit".to_owned(),
            Op::Distinct { on: None, .. } => "HashAggregate".to_owned(),
            Op::Distinct { .. } => "Unique".to_owned(),
            Op::SetOp { op: SetOp::Union, .. } => "Append".to_owned(),
            Op::SetOp { op, all, .. } => {
                let name = if *op == SetOp::Intersect { "Intersect" } else { "Except" };
                format!("HashSetOp {name}{}", if *all { " All" } else { "" })
            }
            Op::With { .. } => "With".to_owned(),
            Op::CteScan { .. } => "CTE Scan".to_owned(),
            Op::LockRows { .. } => "LockRows".to_owned(),
            Op::Modify { spec, .. } => {
                let verb = match spec.action {
                    ModifyAction::Insert { .. } => "Insert",
                    ModifyAction::Update { .. } => "Update",
                    ModifyAction::Delete { .. } => "Delete",
                };
                format!("{verb} on {}", spec.table.name)
            }
        }
    }

    fn text(&self, expr: &Expr, fields: &[Field]) -> String {
        let name = |index: usize| fields.get(index).map_or_else(|| format!("${index}"), |field| field.name.clone());
        deparse::deparse(expr, &name, self.names)
    }

    fn details(&self, node: &Node) -> Vec<String> {
        let mut out = Vec::new();
        match &merged(node).unwrap_or(node).op {
            Op::Gather { workers, .. } => {
                out.push(format!("Workers Planned: {workers}"));
                if self.meters.is_some() {
                    out.push(format!("Workers Launched: {workers}"));
                }
            }
            Op::TableScan { filter: Some(filter), .. } => {
                out.push(format!("Filter: {}", self.text(filter, &node.fields)))
            }
            Op::Nearest { scan, vector, .. } => {
                let name = |index: usize| {
                    let at = scan.columns.get(index);
                    at.map_or_else(|| format!("${index}"), |at| scan.table.columns[*at].name.clone())
                };
                out.push(format!("Order By: {}", deparse::deparse(&vector.order, &name, self.names)));
                if let Some(included) = &vector.included {
                    out.push(format!("Index Cond: {}", deparse::deparse(included, &name, self.names)));
                }
                if let Some(late) = &vector.late {
                    out.push(format!("Filter: {}", deparse::deparse(late, &name, self.names)));
                }
            }
            Op::IndexScan { access, filter, .. } => {
                out.push(format!("Index Cond: {}", self.index_condition(access)));
                if let Some(filter) = filter {
                    out.push(format!("Filter: {}", self.text(filter, &node.fields)));
                }
                out.retain(|line| line != "Index Cond: ");
            }
            Op::Filter { input, predicate } => out.push(format!("Filter: {}", self.text(predicate, &input.fields))),
            Op::Sort { input, keys, .. } => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        let text = self.text(&key.expr, &input.fields);
                        if key.descending { format!("{text} DESC") } else { text }
                    })
                    .collect();
                out.push(format!("Sort Key: {}", keys.join(", ")));
                if matches!(input.op, Op::Nearest { .. }) {
                    out.push(format!("Presorted Key: {}", keys[0]));
                }
            }
            Op::HashJoin { left, right, keys, residual, .. } => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        format!("({} = {})", self.text(&key.left, &left.fields), self.text(&key.right, &right.fields))
                    })
                    .collect();
                out.push(format!("Hash Cond: {}", keys.join(" AND ")));
                if let Some(residual) = residual {
                    let fields: Vec<Field> = left.fields.iter().chain(&right.fields).cloned().collect();
                    out.push(format!("Join Filter: {}", self.text(residual, &fields)));
                }
            }
            Op::Aggregate { input, spec } if !spec.keys.is_empty() => {
                let keys: Vec<String> = spec.keys.iter().map(|key| self.text(key, &input.fields)).collect();
                out.push(format!("Group Key: {}", keys.join(", ")));
            }
            _ => {}
        }
        out
    }

    fn index_condition(&self, access: &IndexAccess) -> String {
        let key = |at: usize| match access.index.keys.get(at).map(|key| &key.target) {
            Some(crate::catalog::descriptor::IndexTarget::Expr(text)) => text.clone(),
            Some(crate::catalog::descriptor::IndexTarget::Column(attnum)) => {
                let table = self.names.snapshot.table(access.index.table);
                let column =
                    table.and_then(|table| table.position_of(*attnum).map(|at| table.columns[at].name.clone()));
                column.unwrap_or_default()
            }
            None => String::new(),
        };
        let mut parts = Vec::new();
        for (at, expr) in access.prefix.iter().enumerate() {
            let value = self.text(expr, &[]);
            let any = access.any && at + 1 == access.prefix.len();
            parts.push(if any { format!("({} = ANY ({value}))", key(at)) } else { format!("({} = {value})", key(at)) });
        }
        let at = access.prefix.len();
        for (bound, symbol) in [(&access.lower, ">"), (&access.upper, "<")] {
            if let Some((expr, included)) = bound {
                let equal = if *included { "=" } else { "" };
                parts.push(format!("({} {symbol}{equal} {})", key(at), self.text(expr, &[])));
            }
        }
        parts.join(" AND ")
    }
}

fn join_name(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "Join",
        JoinKind::Left => "Left Join",
        JoinKind::Right => "Right Join",
        JoinKind::Full => "Full Join",
        JoinKind::Semi => "Semi Join",
        JoinKind::Anti => "Anti Join",
    }
}
