//! `omendb bench`: the canonical benchmarks, against any PostgreSQL-wire server.
//!
//! A benchmark is a client: it speaks only the wire protocol, so the same run measures OmenDB and PostgreSQL with pgvector, and
//! with `--against` both in turn, so that a drift of the machine hits both. Every workload checks its answers, so a
//! server that answers wrongly or not at all cannot look fast. Durable writes are compared only when both servers
//! acknowledge after fsync, which `SHOW fsync` and `SHOW synchronous_commit` are asked for and the report prints.
//!
//! * `omendb bench DSN`: statement kinds ([`workload`], [`report`]).
//! * `omendb bench vector DSN`: vector search by index ([`vector`]).
//! * [`data`], [`npy`], [`client`], [`lean`], [`timed`]: what both use.

mod client;
mod data;
mod lean;
mod npy;
mod report;
mod timed;
mod vector;
mod workload;

use clap::{Args, Subcommand};

pub use report::Report;
pub use vector::VectorArgs;

/// Options of `omendb bench`.
#[derive(Args, Debug, Clone)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    kind: Option<BenchKind>,
    #[command(flatten)]
    statements: StatementArgs,
}

#[derive(Subcommand, Debug, Clone)]
enum BenchKind {
    /// Measure vector search by index: recall, queries per second, build, filters, writes, memory.
    Vector(Box<VectorArgs>),
}

/// Options of the benchmark of statement kinds.
#[derive(Args, Debug, Clone)]
pub struct StatementArgs {
    /// Connection string of the server to measure, such as `postgresql://omendb:PASSWORD@127.0.0.1:5433/omendb`.
    #[arg(required = true)]
    pub dsn: Option<String>,
    /// Connection string of a server to compare with, measured in the same run, workload by workload.
    #[arg(long)]
    pub against: Option<String>,
    /// Rows of the table for `count(*)`, group-by and point reads.
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: u32,
    /// Vectors of the table for COPY and exact KNN (ignored with `--vectors-file`).
    #[arg(long, default_value_t = 50_000)]
    pub vectors: u32,
    /// Dimensions of generated vectors.
    #[arg(long, default_value_t = 384)]
    pub dims: u32,
    /// A .npy file of float16 or float32 vectors to use instead of generated ones.
    #[arg(long)]
    pub vectors_file: Option<std::path::PathBuf>,
    /// Seconds each timed workload runs per round.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Rounds; the median is reported.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Only workloads whose name contains this text.
    #[arg(long)]
    pub only: Option<String>,
}

/// Runs a benchmark and prints its report as Markdown tables.
///
/// # Errors
/// A connection or statement fails, or an answer is wrong.
pub fn run(args: &BenchArgs) -> Result<(), String> {
    if let Some(BenchKind::Vector(args)) = &args.kind {
        return vector::run(args);
    }
    let args = &args.statements;
    let vectors = match &args.vectors_file {
        Some(path) => npy::read(path, None)?,
        None => data::generate(args.vectors, args.dims),
    };
    let report = workload::run_all(args, &vectors)?;
    println!("{report}");
    Ok(())
}
