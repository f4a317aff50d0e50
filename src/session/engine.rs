//! The engine: one open data directory, shared by all sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::common::watchdog::Watchdog;
use crate::common::{CancelFlag, clock, rng, verifier};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pgwire::{Connection, Host, Login, RoleLogin, TlsInfo, Waker};
use crate::sql::executor::spill::{self, SpillSpace};
use crate::storage::{Cf, Kv, RocksKv, RocksOptions};
use crate::table::Tables;
use crate::txn::{Collector, TxnManager, TxnOptions};
use crate::types::Oid;

use super::session::Session;
use super::vectors::VectorKeeper;

/// Time between rounds of garbage collection.
const COLLECT_EVERY: Duration = Duration::from_millis(500);

/// A running session, as others see it.
pub struct SessionEntry {
    /// The connection's number.
    pub pid: u32,
    /// Its database.
    pub database: Oid,
    /// Its login role.
    pub user: String,
    /// Raised to cancel or terminate.
    pub cancel: CancelFlag,
    /// Wakes its thread.
    pub waker: Waker,
    /// Where the client is.
    pub address: Option<std::net::SocketAddr>,
    /// Where it has reached the server.
    pub server_address: Option<std::net::SocketAddr>,
    /// Encryption, if any.
    pub tls: Option<TlsInfo>,
    /// Start of the session, microseconds since 2000-01-01 UTC.
    pub started_micros: i64,
    /// What it does now.
    pub activity: Mutex<Activity>,
    /// Channels listened to.
    pub channels: Mutex<Vec<String>>,
    /// Notifications to deliver: sender, channel, payload.
    pub inbox: Mutex<Vec<(u32, String, String)>>,
}

/// A session's row of pg_stat_activity.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Activity {
    pub query: String,
    pub state: &'static str,
    pub query_micros: i64,
    pub state_micros: i64,
    pub transaction_micros: Option<i64>,
    pub application: String,
}

/// One open data directory.
pub struct Engine {
    /// What objects there are.
    pub catalog: Arc<Catalog>,
    /// Transactions.
    pub txns: Arc<TxnManager>,
    /// Run-time state of tables.
    pub tables: Arc<Tables>,
    /// The store.
    pub kv: Arc<dyn Kv>,
    /// Timeouts.
    pub watchdog: Watchdog,
    /// What the server was started with.
    pub config: Config,
    /// Threads that a scan may use, at least one.
    pub scan_threads: usize,
    /// Where rows go that do not fit in memory.
    pub spill: SpillSpace,
    /// Start of the server, microseconds since 2000-01-01 UTC.
    pub started_micros: i64,
    /// Whether this start made the database.
    pub created: bool,
    sessions: Mutex<HashMap<u32, Arc<SessionEntry>>>,
    edit_versions: AtomicU64,
    /// Loads vector indexes and writes their checkpoints.
    keeper: Mutex<Option<VectorKeeper>>,
    /// Collects old row versions for as long as the engine is there.
    _collector: Collector,
}

impl Engine {
    /// Opens the data directory of a configuration, making it when it is empty.
    ///
    /// # Errors
    /// `55006` when another server has it open, `XX001` when it does not read, `58030` when it cannot be made.
    pub fn open(config: &Config) -> Result<Arc<Self>> {
        std::fs::create_dir_all(&config.data)
            .map_err(|e| crate::error!(IO_ERROR, "could not create directory \"{}\": {e}", config.data.display()))?;
        let options = RocksOptions { block_cache_bytes: config.block_cache, memtable_bytes: config.memtable };
        let kv: Arc<dyn Kv> = Arc::new(RocksKv::open(&config.data.join("store"), &options)?);
        spill::clear(&config.data.join("tmp"))?;
        Self::open_on(kv, config)
    }

    /// Opens an engine on a store.
    ///
    /// # Errors
    /// `XX001` when it does not read or has another format.
    pub fn open_on(kv: Arc<dyn Kv>, config: &Config) -> Result<Arc<Self>> {
        let options = TxnOptions {
            row_cache_bytes: config.row_cache,
            scan_cache_bytes: config.scan_cache,
            spill_bytes: config.transaction_memory,
            ..TxnOptions::default()
        };
        let txns = TxnManager::open(Arc::clone(&kv), options)?;
        let created = is_empty(&*kv)?;
        let verifier = || Some(verifier::make(&config.admin_password));
        let catalog = Catalog::open_with(Arc::clone(&kv), &config.admin_user, verifier)?;
        let tables = Arc::new(Tables::new(rng::random_u64()));
        txns.set_sweeper(Arc::clone(&tables) as _);
        let collector = Collector::start(&txns, COLLECT_EVERY);
        let engine = Arc::new(Self {
            catalog: Arc::new(catalog),
            txns,
            tables: Arc::clone(&tables),
            kv,
            watchdog: Watchdog::new(),
            config: config.clone(),
            scan_threads: match config.scan_threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            spill: SpillSpace::new(config.data.join("tmp"), None),
            started_micros: clock::now_micros(),
            created,
            sessions: Mutex::default(),
            edit_versions: AtomicU64::new(1 << 60),
            keeper: Mutex::default(),
            _collector: collector,
        });
        super::maintenance::drop_temporary(&engine)?;
        Ok(engine)
    }

    /// Begins the work that goes on while clients are served; to be called before the first one comes.
    ///
    /// # Errors
    /// `58030` when a directory cannot be used.
    pub fn start(&self) -> Result<()> {
        *self.keeper.lock() = Some(VectorKeeper::start(self)?);
        Ok(())
    }

    /// A number that no other state of the catalog has, for private copies.
    pub fn edit_version(&self) -> u64 {
        self.edit_versions.fetch_add(1, Ordering::Relaxed)
    }

    /// All sessions.
    pub fn sessions(&self) -> Vec<Arc<SessionEntry>> {
        self.sessions.lock().values().cloned().collect()
    }

    /// A session by its number.
    pub fn session(&self, pid: u32) -> Option<Arc<SessionEntry>> {
        self.sessions.lock().get(&pid).cloned()
    }

    pub(super) fn enter(&self, entry: &Arc<SessionEntry>) {
        self.sessions.lock().insert(entry.pid, Arc::clone(entry));
    }

    pub(super) fn leave(&self, pid: u32) {
        self.sessions.lock().remove(&pid);
    }

    /// Opens a session.
    ///
    /// # Errors
    /// FATAL `3D000` and `53300`; errors of startup settings.
    pub fn connect(self: &Arc<Self>, login: Login) -> Result<Session> {
        Session::open(Arc::clone(self), login)
    }
}

/// Whether the store has no catalog yet.
fn is_empty(kv: &dyn Kv) -> Result<bool> {
    let mut empty = true;
    kv.scan(Cf::Default, b"C", b"D", &mut |_, _| {
        empty = false;
        Ok(false)
    })?;
    Ok(empty)
}

/// The engine as the server sees it.
pub struct EngineHost(pub Arc<Engine>);

impl Host for EngineHost {
    fn role(&self, name: &str) -> Result<Option<RoleLogin>> {
        let shared = self.0.catalog.shared();
        let Some(role) = shared.roles.values().find(|role| role.name == name) else { return Ok(None) };
        let verifier = match self.0.kv.get(Cf::Users, name.as_bytes())? {
            Some(bytes) => {
                Some(String::from_utf8(bytes).map_err(|_| Error::corrupt("a password verifier is damaged"))?)
            }
            None => None,
        };
        Ok(Some(RoleLogin {
            verifier,
            can_login: role.login,
            connection_limit: role.connection_limit,
            valid_until: role.valid_until,
        }))
    }

    fn open(&self, login: Login) -> Result<Box<dyn Connection>> {
        Ok(Box::new(self.0.connect(login)?))
    }

    fn shutdown(&self) {
        self.0.txns.shutdown();
        if let Some(mut keeper) = self.0.keeper.lock().take() {
            keeper.stop();
        }
        self.0.kv.flush();
    }
}
