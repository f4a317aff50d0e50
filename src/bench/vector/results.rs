//! What was measured, as plain values: the report, the JSON file and the plot read these.

use serde::Serialize;

/// A whole run.
#[derive(Serialize, Debug, Default)]
pub struct Results {
    /// Rows, dimensions, metric, k and so on, for the heading.
    pub data: String,
    /// The measured server, then the one compared with.
    pub systems: Vec<System>,
}

/// One server.
#[derive(Serialize, Debug, Default)]
pub struct System {
    /// `version()`.
    pub version: String,
    /// Settings that say what a durable write is, and more.
    pub settings: String,
    /// COPY and its table.
    pub load: Option<Load>,
    /// CREATE INDEX.
    pub build: Option<Build>,
    /// The node of the plan that reads the table in an unfiltered search.
    pub plan: String,
    /// Recall and speed by `hnsw.ef_search`.
    pub curve: Vec<Point>,
    /// Filtered search.
    pub filters: Vec<FilterPoint>,
    /// Writes.
    pub writes: Vec<Write>,
    /// Recall under turnover.
    pub churn: Vec<Churn>,
    /// Memory over the run.
    pub memory: Vec<Memory>,
}

/// COPY of the table.
#[derive(Serialize, Debug, Clone)]
pub struct Load {
    /// Until COPY was acknowledged.
    pub seconds: f64,
    /// Rows a second.
    pub rate: f64,
    /// `pg_table_size`.
    pub bytes: i64,
}

/// CREATE INDEX.
#[derive(Serialize, Debug, Clone)]
pub struct Build {
    /// The statement.
    pub statement: String,
    /// Until it was acknowledged.
    pub seconds: f64,
    /// `pg_relation_size` of the index.
    pub bytes: i64,
    /// Rows.
    pub rows: usize,
}

/// A timed window: one or more clients in a loop.
#[derive(Serialize, Debug, Clone, Copy)]
pub struct Window {
    /// Operations a second of all clients together.
    pub rate: f64,
    /// Median time of an operation, in microseconds.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
}

/// One measured point of the recall-QPS curve.
#[derive(Serialize, Debug, Clone)]
pub struct Point {
    /// `hnsw.ef_search`.
    pub ef: u32,
    /// Clients.
    pub clients: usize,
    /// Mean recall of all queries.
    pub recall: f64,
    /// Speed.
    pub window: Window,
}

/// One measured point of filtered search.
#[derive(Serialize, Debug, Clone)]
pub struct FilterPoint {
    /// `cat` (uncorrelated) or `near` (correlated).
    pub column: &'static str,
    /// Percentage of the rows that the filter keeps.
    pub keep: f64,
    /// `hnsw.ef_search`; none when the statement was written so that no vector index serves it.
    pub ef: Option<u32>,
    /// Mean recall against the exact neighbours among the rows kept.
    pub recall: f64,
    /// Part of the queries that returned fewer rows than they had to.
    pub short: f64,
    /// The node of the plan that reads the table.
    pub plan: String,
    /// Speed with one client.
    pub window: Window,
}

/// One write workload.
#[derive(Serialize, Debug, Clone)]
pub struct Write {
    /// What was written.
    pub name: &'static str,
    /// Clients.
    pub clients: usize,
    /// Speed.
    pub window: Window,
}

/// Recall after some turnovers.
#[derive(Serialize, Debug, Clone)]
pub struct Churn {
    /// How often every row was replaced; 0 is the index as built.
    pub turnover: u32,
    /// `hnsw.ef_search`.
    pub ef: u32,
    /// Mean recall of all queries.
    pub recall: f64,
    /// Rows replaced a second.
    pub rate: f64,
}

/// Resident memory at one time.
#[derive(Serialize, Debug, Clone)]
pub struct Memory {
    /// After what.
    pub when: &'static str,
    /// Bytes.
    pub bytes: u64,
}
