//! `omendb bench DSN`: the canonical benchmark, against any PostgreSQL-wire server.
//!
//! It is a client: it speaks only the wire protocol, so the same run measures OmenDB and PostgreSQL with pgvector, and with
//! `--against` both in turn, statement kind by statement kind, so that a drift of the machine hits both. It reports
//! medians of several rounds and the ratio. Every workload checks its answers (rows found, sums), so a server that
//! answers wrongly or not at all cannot look fast. Durable inserts are compared only when both servers acknowledge
//! after fsync, which `SHOW fsync` and `SHOW synchronous_commit` are asked for and the report prints.

mod data;
mod report;
mod workload;

use clap::Args;

pub use report::Report;

/// Options of `omendb bench`.
#[derive(Args, Debug, Clone)]
pub struct BenchArgs {
    /// Connection string of the server to measure, such as `postgresql://omendb:PASSWORD@127.0.0.1:5433/omendb`.
    pub dsn: String,
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

/// Runs the benchmark and prints the report as a Markdown table.
///
/// # Errors
/// A connection or statement fails, or an answer is wrong.
pub fn run(args: &BenchArgs) -> Result<(), String> {
    let vectors = match &args.vectors_file {
        Some(path) => data::read_npy(path)?,
        None => data::generate(args.vectors, args.dims),
    };
    let report = workload::run_all(args, &vectors)?;
    println!("{report}");
    Ok(())
}
