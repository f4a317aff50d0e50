//! The settings that the engine reads on every statement, decoded once per change.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::values::Value;
use super::{Settings, checks};
use crate::error::Severity;
use crate::txn::Isolation;
use crate::types::io::FormatSettings;
use crate::types::timezone::Zone;

/// `hnsw.iterative_scan` and `ivfflat.iterative_scan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IterativeScan {
    Off,
    RelaxedOrder,
    StrictOrder,
}

/// Decoded settings. Timeouts are `None` when switched off (0).
#[derive(Clone, Debug)]
pub struct Typed {
    /// What text input and output depend on.
    pub format: Arc<FormatSettings>,
    /// `search_path`, item by item; `$user` is still in it.
    pub search_path: Arc<[String]>,
    /// `statement_timeout`.
    pub statement_timeout: Option<Duration>,
    /// `lock_timeout`.
    pub lock_timeout: Option<Duration>,
    /// `deadlock_timeout`.
    pub deadlock_timeout: Duration,
    /// `transaction_timeout`.
    pub transaction_timeout: Option<Duration>,
    /// `idle_in_transaction_session_timeout`.
    pub idle_in_transaction_session_timeout: Option<Duration>,
    /// `idle_session_timeout`.
    pub idle_session_timeout: Option<Duration>,
    /// The isolation of the current transaction, or of the next one.
    pub isolation: Isolation,
    /// Whether the current or next transaction is read only.
    pub read_only: bool,
    /// Whether the current or next transaction is deferrable.
    pub deferrable: bool,
    /// `work_mem` in bytes.
    pub work_mem: usize,
    /// `hash_mem_multiplier`.
    pub hash_mem_multiplier: f64,
    /// `temp_file_limit` in bytes, if there is a limit.
    pub temp_file_limit: Option<u64>,
    /// `maintenance_work_mem` in bytes.
    pub maintenance_work_mem: usize,
    /// `role`: `none` for the session's user.
    pub role: Arc<str>,
    /// `session_authorization`.
    pub session_authorization: Arc<str>,
    /// `application_name`.
    pub application_name: Arc<str>,
    /// `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// The least severe messages that the client wants, as a rank of [`Typed::wants`].
    client_min_messages: u8,
    /// `is_superuser`.
    pub is_superuser: bool,
    /// Whether commits wait for the disk: `synchronous_commit` is not `off`.
    pub synchronous_commit: bool,
    /// `enable_seqscan`.
    pub enable_seqscan: bool,
    /// `enable_indexscan`.
    pub enable_indexscan: bool,
    /// `max_parallel_workers_per_gather`.
    pub parallel_workers: usize,
    /// `hnsw.ef_search`.
    pub hnsw_ef_search: usize,
    /// `hnsw.iterative_scan`.
    pub hnsw_iterative_scan: IterativeScan,
    /// `hnsw.max_scan_tuples`.
    pub hnsw_max_scan_tuples: usize,
    /// `hnsw.scan_mem_multiplier`: how many times `work_mem` an iterative scan may take.
    pub hnsw_scan_mem_multiplier: f64,
    /// `ivfflat.probes`.
    pub ivfflat_probes: usize,
    /// `ivfflat.iterative_scan`.
    pub ivfflat_iterative_scan: IterativeScan,
    /// `ivfflat.max_probes`; [`Typed::ivfflat_probes`] wins when that is more.
    pub ivfflat_max_probes: usize,
}

static DEFAULT_FORMAT: LazyLock<Arc<FormatSettings>> = LazyLock::new(Arc::default);

impl Default for Typed {
    fn default() -> Self {
        Self {
            format: Arc::clone(&DEFAULT_FORMAT),
            search_path: Arc::from([]),
            statement_timeout: None,
            lock_timeout: None,
            deadlock_timeout: Duration::from_secs(1),
            transaction_timeout: None,
            idle_in_transaction_session_timeout: None,
            idle_session_timeout: None,
            isolation: Isolation::ReadCommitted,
            read_only: false,
            deferrable: false,
            work_mem: 0,
            hash_mem_multiplier: 1.0,
            temp_file_limit: None,
            maintenance_work_mem: 0,
            role: Arc::from("none"),
            session_authorization: Arc::from(""),
            application_name: Arc::from(""),
            standard_conforming_strings: true,
            client_min_messages: 0,
            is_superuser: false,
            synchronous_commit: true,
            enable_seqscan: true,
            enable_indexscan: true,
            parallel_workers: 0,
            hnsw_ef_search: 0,
            hnsw_iterative_scan: IterativeScan::Off,
            hnsw_max_scan_tuples: 0,
            hnsw_scan_mem_multiplier: 1.0,
            ivfflat_probes: 0,
            ivfflat_iterative_scan: IterativeScan::Off,
            ivfflat_max_probes: 0,
        }
    }
}

/// Reads settings that the registry has by the kind it has.
struct Reader<'a>(&'a Settings);

impl Reader<'_> {
    fn value(&self, name: &str) -> Value {
        self.0.get(name).expect("the registry has the setting")
    }

    fn bool(&self, name: &str) -> bool {
        self.value(name) == Value::Bool(true)
    }

    fn int(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Int(value) => u64::try_from(value).unwrap_or(0),
            other => panic!("{name} is an integer, not {other:?}"),
        }
    }

    fn real(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Real(value) => value,
            other => panic!("{name} is a real number, not {other:?}"),
        }
    }

    fn text(&self, name: &str) -> Arc<str> {
        match self.value(name) {
            Value::Text(text) => text,
            other => panic!("{name} is text, not {other:?}"),
        }
    }

    fn size(&self, name: &str, unit: u64) -> usize {
        usize::try_from(self.int(name).saturating_mul(unit)).unwrap_or(usize::MAX)
    }

    fn timeout(&self, name: &str) -> Option<Duration> {
        Some(self.int(name)).filter(|millis| *millis > 0).map(Duration::from_millis)
    }
}

impl Typed {
    /// Decodes again; what did not change keeps its `Arc`.
    pub(super) fn refresh(&mut self, settings: &Settings) {
        let read = Reader(settings);
        self.refresh_format(&read);
        let path = checks::split_names(&read.text("search_path")).unwrap_or_default();
        if *self.search_path != *path {
            self.search_path = path.into();
        }
        self.statement_timeout = read.timeout("statement_timeout");
        self.lock_timeout = read.timeout("lock_timeout");
        self.deadlock_timeout = Duration::from_millis(read.int("deadlock_timeout"));
        self.transaction_timeout = read.timeout("transaction_timeout");
        self.idle_in_transaction_session_timeout = read.timeout("idle_in_transaction_session_timeout");
        self.idle_session_timeout = read.timeout("idle_session_timeout");
        self.isolation = isolation(&read.text("transaction_isolation"));
        self.read_only = read.bool("transaction_read_only");
        self.deferrable = read.bool("transaction_deferrable");
        self.work_mem = read.size("work_mem", 1024);
        self.hash_mem_multiplier = read.real("hash_mem_multiplier");
        self.temp_file_limit = match read.value("temp_file_limit") {
            Value::Int(kilobytes) => u64::try_from(kilobytes).ok().map(|kilobytes| kilobytes * 1024),
            other => panic!("temp_file_limit is an integer, not {other:?}"),
        };
        self.maintenance_work_mem = read.size("maintenance_work_mem", 1024);
        self.role = read.text("role");
        self.session_authorization = read.text("session_authorization");
        self.application_name = read.text("application_name");
        self.standard_conforming_strings = read.bool("standard_conforming_strings");
        self.client_min_messages = message_rank(&read.text("client_min_messages"));
        self.is_superuser = read.bool("is_superuser");
        self.synchronous_commit = &*read.text("synchronous_commit") != "off";
        self.enable_seqscan = read.bool("enable_seqscan");
        self.enable_indexscan = read.bool("enable_indexscan");
        self.parallel_workers = read.size("max_parallel_workers_per_gather", 1);
        self.hnsw_ef_search = read.size("hnsw.ef_search", 1);
        self.hnsw_iterative_scan = iterative_scan(&read.text("hnsw.iterative_scan"));
        self.hnsw_scan_mem_multiplier = read.real("hnsw.scan_mem_multiplier");
        self.hnsw_max_scan_tuples = read.size("hnsw.max_scan_tuples", 1);
        self.ivfflat_probes = read.size("ivfflat.probes", 1);
        self.ivfflat_iterative_scan = iterative_scan(&read.text("ivfflat.iterative_scan"));
        self.ivfflat_max_probes = read.size("ivfflat.max_probes", 1);
    }

    fn refresh_format(&mut self, read: &Reader<'_>) {
        let mut format = (*self.format).clone();
        let zone = read.text("TimeZone");
        if *zone != *format.timezone.name() {
            format.timezone = Zone::from_setting(&zone).unwrap_or_else(|_| Zone::utc());
        }
        // All of these were checked when they were set.
        let _ = format.set_date_style(&read.text("DateStyle"));
        format.interval_style = checks::interval_style(&read.text("IntervalStyle"));
        format.bytea_output = checks::bytea_output(&read.text("bytea_output"));
        if let Value::Int(digits) = read.value("extra_float_digits") {
            format.extra_float_digits = i32::try_from(digits).unwrap_or(1);
        }
        let old = &self.format;
        let same = old.timezone.name() == format.timezone.name()
            && (old.date_format, old.date_order) == (format.date_format, format.date_order)
            && (old.interval_style, old.bytea_output) == (format.interval_style, format.bytea_output)
            && old.extra_float_digits == format.extra_float_digits;
        if !same {
            self.format = Arc::new(format);
        }
    }

    /// Whether the client wants to hear messages of this severity (`client_min_messages`).
    #[must_use]
    pub fn wants(&self, severity: Severity) -> bool {
        let rank = match severity {
            Severity::Notice => message_rank("notice"),
            Severity::Warning => message_rank("warning"),
            Severity::Info | Severity::Error | Severity::Fatal | Severity::Panic => u8::MAX,
        };
        rank >= self.client_min_messages
    }
}

fn message_rank(label: &str) -> u8 {
    match label {
        "log" => 1,
        "notice" => 2,
        "warning" => 3,
        "error" => 4,
        _ => 0,
    }
}

fn iterative_scan(label: &str) -> IterativeScan {
    match label {
        "relaxed_order" => IterativeScan::RelaxedOrder,
        "strict_order" => IterativeScan::StrictOrder,
        _ => IterativeScan::Off,
    }
}

fn isolation(label: &str) -> Isolation {
    match label {
        "serializable" => Isolation::Serializable,
        "repeatable read" => Isolation::RepeatableRead,
        "read uncommitted" => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    }
}
