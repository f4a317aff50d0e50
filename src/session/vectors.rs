//! Vector indexes over restarts: loaded when the server starts, kept in checkpoints while it runs.
//!
//! Before the first client comes every vector index is told to line up its changes; then a thread loads one after the other, from its checkpoint or
//! from its rows. Queries wait for a checkpoint that is being read and compare all rows while an index is built. The same thread writes checkpoints of what
//! has changed much, and another round when the server stops, chooses the codes of what has grown anew and links its nodes by them. Another thread links what writers have entered.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use parking_lot::{Condvar, Mutex};

use crate::catalog::descriptor::{IndexDesc, StorageId, TableDesc};
use crate::catalog::{Catalog, Names, vector_index};
use crate::common::cancel::{CancelFlag, CancelReason};
use crate::error::{Error, Result};
use crate::sql::ddl::IndexExprs;
use crate::sql::eval::EvalContext;
use crate::table::{Filling, IndexEvaluator, Manners, Table, Tables};
use crate::txn::{Isolation, RowStore, TxnManager};

use super::engine::Engine;

/// Time between looks at what has grown: a load brings ten thousand rows in a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// At every so many of them what has changed gets checkpoints.
const CHECKPOINT_EVERY: u64 = 10;

/// Looks that are let go by at most before codes are chosen anew once more.
const ROUNDS_MAX: u32 = 64;

/// Time that entries gather before they are linked. Without it every commit wakes the linker, which the system puts in the committing
/// thread's place: it had to wait for a whole link.
const GATHER: Duration = Duration::from_millis(2);

/// A vector index that is to be loaded.
struct Awaited {
    names: Arc<Names>,
    table: Arc<TableDesc>,
    index: Arc<IndexDesc>,
}

/// The threads that look after vector indexes, until it is dropped.
pub(super) struct VectorKeeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    cancel: CancelFlag,
    tables: Arc<Tables>,
    threads: Vec<JoinHandle<()>>,
}

/// Every vector index of every database.
fn all(catalog: &Catalog) -> Vec<Awaited> {
    let mut found = Vec::new();
    let databases: Vec<_> = catalog.shared().databases.keys().copied().collect();
    for snapshot in databases.into_iter().filter_map(|database| catalog.snapshot(database)) {
        let names = Arc::new(Names::stored(Arc::new(snapshot)));
        for table in names.snapshot.objects.tables.values() {
            for index in table.indexes.iter().filter(|index| vector_index::is_vector(index.method)) {
                let (names, table, index) = (Arc::clone(&names), Arc::clone(table), Arc::clone(index));
                found.push(Awaited { names, table, index });
            }
        }
    }
    found
}

impl VectorKeeper {
    /// Lines up changes of all vector indexes and starts the thread that loads them.
    ///
    /// # Errors
    /// `58030` when the directory of checkpoints cannot be used.
    pub(super) fn start(engine: &Engine) -> Result<Self> {
        let awaited = all(&engine.catalog);
        let kept: HashSet<StorageId> = awaited.iter().map(|item| item.index.storage).collect();
        engine.tables.keep_checkpoints(engine.config.data.join("vectors"), &|index| kept.contains(&index))?;
        awaited.iter().for_each(|item| engine.tables.await_vectors(item.index.storage, item.table.storage));
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let cancel = CancelFlag::new();
        let (signal, flag) = (Arc::clone(&stop), cancel.clone());
        let (tables, txns, threads) = (Arc::clone(&engine.tables), Arc::clone(&engine.txns), engine.scan_threads);
        let memory_bytes = engine.config.maintenance_work_mem as u64;
        let catalog = Arc::clone(&engine.catalog);
        let run = move || {
            load_all(&tables, &txns, awaited, (threads, memory_bytes), &flag);
            let (mut outgrown, mut relinks) = (Outgrown::default(), false);
            for look in 1_u64.. {
                let last = {
                    let mut stopped = signal.0.lock();
                    if !*stopped && !relinks {
                        signal.1.wait_for(&mut stopped, LOOK_EVERY);
                    }
                    *stopped
                };
                if !last {
                    outgrown.look(&tables, &txns, &catalog, memory_bytes, &flag);
                    // It fails when the server stops; the next one goes on with it.
                    relinks = tables.relink_vectors(&flag).unwrap_or(false);
                }
                if (last || look.is_multiple_of(CHECKPOINT_EVERY))
                    && let Err(error) = tables.checkpoint_vectors(last)
                {
                    tracing::warn!(%error, "could not write a checkpoint of a vector index");
                }
                if last {
                    return;
                }
            }
        };
        let (tables, flag) = (Arc::clone(&engine.tables), cancel.clone());
        let link = move || {
            while !flag.is_raised() {
                tables.await_linking();
                thread::sleep(GATHER);
                tables.link_vectors(threads, &|| flag.is_raised());
            }
        };
        let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread can be started")
        };
        let threads = vec![start("vectors", Box::new(run)), start("linker", Box::new(link))];
        Ok(Self { stop, cancel, tables: Arc::clone(&engine.tables), threads })
    }

    /// Writes the last checkpoints and ends the threads.
    pub(super) fn stop(&mut self) {
        self.cancel.raise(CancelReason::Terminate);
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        self.tables.wake_linker();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a keeper of vector indexes had stopped");
            }
        }
    }
}

impl Drop for VectorKeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Loads all vector indexes: from their checkpoints first, those that statements wait for before others, and what is left
/// from the rows. Then builds the primary indexes of their tables, so that the first writer need not, and reads
/// included columns.
fn load_all(
    tables: &Arc<Tables>,
    txns: &Arc<TxnManager>,
    mut awaited: Vec<Awaited>,
    (threads, memory_bytes): (usize, u64),
    cancel: &CancelFlag,
) {
    let (mut left, mut done) = (Vec::new(), Vec::new());
    while let Some(next) = awaited.len().checked_sub(1).filter(|_| !cancel.is_raised()) {
        let wanted = awaited.iter().position(|item| tables.is_wanted(item.index.storage));
        let item = awaited.swap_remove(wanted.unwrap_or(next));
        let restored = item.with_table(tables, txns, |table, txn, evaluator| {
            table.restore_vector_index(tables, txn, evaluator, item.index.oid, threads)
        });
        tables.give_up_checkpoint(item.index.storage);
        match restored {
            Ok(false) => left.push(item),
            Ok(true) => done.push(item),
            Err(error) => item.warn(&error),
        }
    }
    for item in left {
        let manners = Manners::new(threads);
        let filling = Filling {
            threads,
            progress: &|_, _| (),
            pause: &|| tables.make_way(&manners),
            room: &|bytes| tables.room_for_build(bytes, memory_bytes),
        };
        let loaded = item.with_table(tables, txns, |table, txn, evaluator| {
            table.load_vector_index(tables, txn, evaluator, item.index.oid, &filling, cancel)
        });
        match loaded {
            Ok(()) => tables.checkpoint_filled(item.index.storage),
            Err(error) => item.warn(&error),
        }
        done.push(item);
    }
    for item in done.iter().take_while(|_| !cancel.is_raised()) {
        let built = item.with_table(tables, txns, |table, txn, _| table.build_primary_indexes(txn));
        if let Err(error) = built {
            tracing::warn!(%error, table = %item.table.name, "could not build a primary index");
        }
    }
    for item in done.iter().take_while(|_| !cancel.is_raised()) {
        let read = item.with_table(tables, txns, |table, txn, _| table.load_included(txn, item.index.oid, cancel));
        if let Err(error) = read {
            tracing::warn!(%error, index = %item.index.name, "could not read included columns; queries do without");
        }
    }
}

/// Vector indexes whose codes are to be chosen anew, for which that has come to nothing so far: in how many rounds it is tried again, and how many were let
/// go by the last time.
#[derive(Default)]
struct Outgrown(HashMap<StorageId, (u32, u32)>);

impl Outgrown {
    /// Chooses the codes of those that have grown anew. A load under way has no rows yet that could be read: it is waited for, ever longer.
    fn look(
        &mut self,
        tables: &Arc<Tables>,
        txns: &Arc<TxnManager>,
        catalog: &Catalog,
        memory_bytes: u64,
        cancel: &CancelFlag,
    ) {
        let due = tables.outgrown_vectors();
        self.0.retain(|index, _| due.contains(index));
        if due.is_empty() {
            return;
        }
        for item in all(catalog).iter().filter(|item| due.contains(&item.index.storage)) {
            let (left, last) = self.0.entry(item.index.storage).or_insert((0, 0));
            if *left > 0 {
                *left -= 1;
                continue;
            }
            let manners = Manners::new(1);
            let filling = Filling {
                threads: 1,
                progress: &|_, _| (),
                pause: &|| tables.make_way(&manners),
                room: &|bytes| tables.room_for_build(bytes, memory_bytes),
            };
            let recoded = item.with_table(tables, txns, |table, txn, evaluator| {
                table.recode_vector_index(txn, evaluator, item.index.oid, &filling, cancel)
            });
            match recoded {
                Ok(true) => drop(self.0.remove(&item.index.storage)),
                Ok(false) => (*left, *last) = (*last, (2 * *last).clamp(1, ROUNDS_MAX)),
                Err(_) if cancel.is_raised() => return,
                Err(error) => {
                    tracing::warn!(%error, index = %item.index.name, "could not choose the codes of a vector index anew");
                    (*left, *last) = (ROUNDS_MAX, ROUNDS_MAX);
                }
            }
        }
    }
}

impl Awaited {
    /// Runs something with the index's table, in a transaction of its own.
    fn with_table<R>(
        &self,
        tables: &Arc<Tables>,
        txns: &Arc<TxnManager>,
        run: impl FnOnce(&Table, &dyn RowStore, &dyn IndexEvaluator) -> Result<R>,
    ) -> Result<R> {
        let txn = txns.begin(Isolation::ReadCommitted, true);
        txn.begin_statement();
        let mut eval = EvalContext::detached();
        eval.lookup = Arc::clone(&self.names) as _;
        let evaluator = IndexExprs::new(&self.table, &self.names, eval)?;
        run(&tables.open(&*txn, &self.table)?, &*txn, &evaluator)
    }

    fn warn(&self, error: &Error) {
        tracing::warn!(%error, index = %self.index.name, "could not load a vector index; queries do without");
    }
}
