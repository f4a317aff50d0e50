//! The command line of `omendb bench vector`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A part of the benchmark.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Recall against queries per second, by `hnsw.ef_search`.
    Search,
    /// COPY and CREATE INDEX, timed.
    Build,
    /// `WHERE` together with `ORDER BY distance`, from 50 % to 0.01 % of the rows.
    Filter,
    /// Durable single-row inserts.
    Insert,
    /// Durable single-row updates of the vector and of another column.
    Update,
    /// Resident memory of the servers; needs `--pid`.
    Memory,
    /// Recall after every row was deleted and inserted again; not run unless asked for.
    Churn,
}

/// Type of the indexed column.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// 32-bit floats.
    Vector,
    /// 16-bit floats.
    Halfvec,
}

/// What "near" means.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// `<=>`
    Cosine,
    /// `<->`
    L2,
    /// `<#>`
    Ip,
    /// `<+>`
    L1,
}

/// Options of the benchmark of vector search.
#[derive(Args, Debug, Clone)]
pub struct VectorArgs {
    /// Connection string of the server to measure.
    pub dsn: String,
    /// Connection string of a server to compare with, measured in the same run, window by window.
    #[arg(long)]
    pub against: Option<String>,
    /// Vectors to index: a .npy file of float16 or float32 rows.
    #[arg(long)]
    pub base: PathBuf,
    /// Query vectors; without it the last 1,000 rows of the base are held out.
    #[arg(long)]
    pub queries: Option<PathBuf>,
    /// Use only the first rows of the base.
    #[arg(long)]
    pub rows: Option<usize>,
    /// Use only the first queries.
    #[arg(long, default_value_t = 1000)]
    pub query_count: usize,
    /// Parts to run.
    #[arg(long, value_enum, value_delimiter = ',',
        default_values_t = [Phase::Build, Phase::Search, Phase::Filter, Phase::Insert, Phase::Update, Phase::Memory])]
    pub only: Vec<Phase>,
    /// Distance.
    #[arg(long, value_enum, default_value_t = Metric::Cosine)]
    pub metric: Metric,
    /// Type of the column.
    #[arg(long, value_enum, default_value_t = Column::Vector)]
    pub column: Column,
    /// Access method.
    #[arg(long, default_value = "hnsw")]
    pub method: String,
    /// Links per node, at both servers; 0 leaves the options m and ef_construction out.
    #[arg(short, default_value_t = 16)]
    pub m: u32,
    /// Candidates while building, at both servers.
    #[arg(long, default_value_t = 64)]
    pub ef_construction: u32,
    /// More index options of the measured server, such as `quantization=rabitq2`.
    #[arg(long, value_delimiter = ',', value_name = "NAME=VALUE")]
    pub with: Vec<String>,
    /// More index options of the server compared with.
    #[arg(long, value_delimiter = ',', value_name = "NAME=VALUE")]
    pub against_with: Vec<String>,
    /// Session settings of the measured server; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Session settings of the server compared with; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub against_set: Vec<String>,
    /// Values of hnsw.ef_search.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 20, 30, 40, 64, 100, 160, 250, 400, 800])]
    pub ef: Vec<u32>,
    /// Values of hnsw.ef_search for filtered search and for churn.
    #[arg(long, value_delimiter = ',', default_values_t = [40, 100])]
    pub filter_ef: Vec<u32>,
    /// Percentages of the rows that filters keep.
    #[arg(long, value_delimiter = ',', default_values_t = [50.0, 10.0, 1.0, 0.1, 0.01])]
    pub keep: Vec<f64>,
    /// Filtered queries per recall figure.
    #[arg(long, default_value_t = 300)]
    pub filter_queries: usize,
    /// How often every row is replaced in the churn part.
    #[arg(long, default_value_t = 5)]
    pub turnovers: u32,
    /// Numbers of clients.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub clients: Vec<usize>,
    /// Neighbours asked for.
    #[arg(short, default_value_t = 10)]
    pub k: usize,
    /// Seconds of each timed window.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Timed windows of each figure, the servers in turn; the median is reported.
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Name of the table that is made, and dropped before.
    #[arg(long, default_value = "bench_vector")]
    pub table: String,
    /// Process of the measured server, on this machine, for its resident memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Process of the server compared with.
    #[arg(long)]
    pub against_pid: Option<u32>,
    /// Keep the exact neighbours in a file beside the queries, and use it when it fits.
    #[arg(long)]
    pub cache_truth: bool,
    /// Write everything measured as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Draw the recall-QPS curves as SVG.
    #[arg(long)]
    pub plot: Option<PathBuf>,
}

impl VectorArgs {
    /// Whether a part runs.
    pub fn runs(&self, phase: Phase) -> bool {
        self.only.contains(&phase)
    }

    /// Operator class of the column and metric.
    pub fn opclass(&self) -> String {
        format!("{}_{}_ops", self.column.sql_name(), self.metric.name())
    }
}

impl Column {
    /// The type's name.
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::Halfvec => "halfvec",
        }
    }
}

impl Metric {
    /// As in operator class names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Ip => "ip",
            Self::L1 => "l1",
        }
    }

    /// The distance operator.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Cosine => "<=>",
            Self::L2 => "<->",
            Self::Ip => "<#>",
            Self::L1 => "<+>",
        }
    }
}
