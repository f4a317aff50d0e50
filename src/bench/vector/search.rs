//! A search as a client does it: prepared once, the vector as a binary parameter, every answer checked.

use std::time::Duration;

use super::args::VectorArgs;
use super::dataset::{Dataset, FilterColumn};
use super::load::encode;
use super::results::Window;
use super::target::{Target, scan_of};
use super::truth::{Distances, Truth};
use crate::bench::lean::Lean;
use crate::bench::timed;

/// What is searched for, apart from the vector.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// All rows, in the index's order.
    Plain,
    /// Rows of a filter column under a bound.
    Filtered(FilterColumn, i32),
    /// The same, written so that no vector index serves it: `ORDER BY (distance) + 0`, as one does by hand.
    FilteredExact(FilterColumn, i32),
}

impl Shape {
    /// The statement. `$1` is the vector, `$2` the bound.
    pub fn sql(self, args: &VectorArgs) -> String {
        let (table, operator, k) = (&args.table, args.metric.operator(), args.k);
        match self {
            Self::Plain => format!("SELECT id FROM {table} ORDER BY embedding {operator} $1 LIMIT {k}"),
            Self::Filtered(column, _) => {
                let column = column.name();
                format!("SELECT id FROM {table} WHERE {column} < $2 ORDER BY embedding {operator} $1 LIMIT {k}")
            }
            Self::FilteredExact(column, _) => {
                let column = column.name();
                format!("SELECT id FROM {table} WHERE {column} < $2 ORDER BY (embedding {operator} $1) + 0 LIMIT {k}")
            }
        }
    }

    fn filter(self) -> Option<(FilterColumn, i32)> {
        match self {
            Self::Plain => None,
            Self::Filtered(column, bound) | Self::FilteredExact(column, bound) => Some((column, bound)),
        }
    }
}

/// What every search of a run needs.
#[derive(Clone, Copy)]
pub struct Searches<'a> {
    /// Options.
    pub args: &'a VectorArgs,
    /// Rows and queries.
    pub data: &'a Dataset,
    /// Distances between them.
    pub distances: &'a Distances<'a>,
    /// The queries in binary form.
    pub encoded: &'a [Vec<u8>],
    /// Id of the first row of the data.
    pub first_id: i64,
}

/// Mean recall and the part of the queries that got too few rows.
pub struct Recall {
    /// 0 to 1.
    pub recall: f64,
    /// 0 to 1.
    pub short: f64,
}

/// A session with a prepared search.
struct Searcher<'a> {
    session: Lean,
    searches: Searches<'a>,
    shape: Shape,
    /// Query to send next.
    next: usize,
    ids: Vec<i64>,
    found: Vec<u32>,
}

impl<'a> Searches<'a> {
    /// The queries in binary form.
    pub fn encode_all(args: &VectorArgs, data: &Dataset) -> Vec<Vec<u8>> {
        (0..data.queries.count()).map(|query| encode(args, data.queries.row(query))).collect()
    }

    fn open(self, target: &Target<'_>, shape: Shape, ef: Option<u32>, first: usize) -> Result<Searcher<'a>, String> {
        let mut session = target.connect_lean()?;
        if let Some(ef) = ef {
            session.run(&format!("SET hnsw.ef_search = {ef}"))?;
            if shape.filter().is_some() && target.needs_iterative {
                session.run("SET hnsw.iterative_scan = 'relaxed_order'")?;
            }
        }
        session.prepare(&shape.sql(self.args))?;
        Ok(Searcher { session, searches: self, shape, next: first, ids: Vec::new(), found: Vec::new() })
    }

    /// Asks the first `queries` queries once each and compares with the exact neighbours.
    ///
    /// # Errors
    /// The server fails, or returns a row that it may not.
    pub fn recall(
        self,
        target: &Target<'_>,
        shape: Shape,
        ef: Option<u32>,
        truth: &Truth,
        queries: usize,
    ) -> Result<Recall, String> {
        let mut searcher = self.open(target, shape, ef, 0)?;
        let (mut hits, mut wanted, mut short) = (0, 0, 0);
        let queries = queries.min(truth.nearest.len()).max(1);
        for query in 0..queries {
            searcher.ask()?;
            let (hit, want) = truth.hits(self.distances, query, &searcher.found);
            hits += hit;
            wanted += want;
            short += usize::from(searcher.found.len() < want);
        }
        Ok(Recall { recall: hits as f64 / wanted.max(1) as f64, short: short as f64 / queries as f64 })
    }

    /// Queries a second of some clients; the median of the rounds is the caller's affair.
    ///
    /// # Errors
    /// The server fails, or returns a row that it may not.
    pub fn window(self, target: &Target<'_>, shape: Shape, ef: Option<u32>, clients: usize) -> Result<Window, String> {
        let share = self.encoded.len() / clients.max(1);
        let searchers: Result<Vec<_>, String> =
            (0..clients).map(|client| self.open(target, shape, ef, client * share)).collect();
        let timings =
            timed::window(searchers?, warm_up(self.args), Duration::from_secs_f64(self.args.seconds), Searcher::ask)?;
        Ok(window_of(&timings))
    }

    /// The node of the plan that reads the table, with the first query as a literal.
    ///
    /// # Errors
    /// The server cannot explain the statement.
    pub fn plan(self, target: &Target<'_>, shape: Shape) -> Result<String, String> {
        let mut client = target.connect()?;
        let values: Vec<String> = self.data.queries.row(0).iter().map(f32::to_string).collect();
        let kind = self.args.column.sql_name();
        let bound = shape.filter().map_or(0, |(_, bound)| bound).to_string();
        let sql =
            shape.sql(self.args).replace("$1", &format!("'[{}]'::{kind}", values.join(","))).replace("$2", &bound);
        scan_of(&mut client, &sql)
    }
}

/// Time before a window is measured.
pub fn warm_up(args: &VectorArgs) -> Duration {
    Duration::from_secs_f64((args.seconds / 5.0).min(0.5))
}

/// The figures of a window.
pub fn window_of(timings: &timed::Timings) -> Window {
    Window { rate: timings.rate, p50_us: timings.quantile_us(0.5), p99_us: timings.quantile_us(0.99) }
}

/// The window with the median rate.
pub fn median(mut windows: Vec<Window>) -> Window {
    windows.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    windows[windows.len() / 2]
}

impl Searcher<'_> {
    /// Sends the next query and checks what comes back; the rows are in `found`.
    fn ask(&mut self) -> Result<(), String> {
        let vector = &self.searches.encoded[self.next % self.searches.encoded.len()][..];
        self.next += 1;
        match self.shape.filter() {
            None => self.session.query(&[vector], &mut self.ids)?,
            Some((_, bound)) => self.session.query(&[vector, &bound.to_be_bytes()], &mut self.ids)?,
        }
        self.found.clear();
        for id in &self.ids {
            let row = u32::try_from(id - self.searches.first_id);
            self.found.push(row.map_err(|_| format!("wrong answer: row {id} does not exist"))?);
        }
        check(&self.found, self.searches.args.k, self.searches.data, self.shape.filter())
    }
}

/// Every row exists, qualifies, and comes once.
fn check(found: &[u32], k: usize, data: &Dataset, filter: Option<(FilterColumn, i32)>) -> Result<(), String> {
    if found.len() > k {
        return Err(format!("wrong answer: {} rows for LIMIT {k}", found.len()));
    }
    for (at, id) in found.iter().enumerate() {
        if *id as usize >= data.base.count() {
            return Err(format!("wrong answer: row {id} does not exist"));
        }
        if found[..at].contains(id) {
            return Err(format!("wrong answer: row {id} came twice"));
        }
        if let Some((column, bound)) = filter
            && data.filter_values(column)[*id as usize] >= bound
        {
            return Err(format!("wrong answer: row {id} does not pass {} < {bound}", column.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::data::generate;

    #[test]
    fn answers_that_cannot_be_are_errors() {
        let data = Dataset {
            base: generate(4, 2),
            queries: generate(1, 2),
            cat: vec![0, 5000, 9999, 1],
            near: vec![9, 9, 9, 9],
        };
        let filter = Some((FilterColumn::Cat, 5000));
        for (found, filter, wrong) in [
            (vec![0, 1, 2, 3], None, None),
            (vec![], filter, None),
            (vec![3, 0], filter, None),
            (vec![3, 1], filter, Some("pass")),
            (vec![4], None, Some("exist")),
            (vec![1, 2, 1], None, Some("twice")),
            (vec![0, 1, 2, 3, 0], None, Some("LIMIT")),
        ] {
            let got = check(&found, 4, &data, filter).err();
            assert_eq!(got.is_some(), wrong.is_some(), "{found:?}");
            assert!(got.unwrap_or_default().contains(wrong.unwrap_or_default()));
        }
    }
}
