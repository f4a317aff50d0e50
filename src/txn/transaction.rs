//! A transaction: its snapshot, commands, locks, savepoints, and its end.
//!
//! Everything is behind `&self`: a session's thread drives it, parallel scans read through it. Writes are in the buffer,
//! or pending in the store (`ahead`), until the commit; other transactions know of them through row locks and the registry of rows being inserted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::descriptor::StorageId;
use crate::common::{CancelFlag, clock};
use crate::error::{Error, Result, SqlState};
use crate::storage::Cf;
use crate::txn::buffer::{Buffer, Held, Restart};
use crate::txn::lock_view::LockTarget;
use crate::txn::locks::{self, AdvisoryKey, Party, TableLock};
use crate::txn::manager::{Member, TxnManager};
use crate::txn::options::Isolation;
use crate::txn::row_store::Wait;
use crate::txn::sequences::SequenceState;
use crate::txn::serializable::ReadSet;
use crate::txn::snapshot::{Snapshot, View};
use crate::types::Oid;

/// Names a savepoint of one transaction; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SavepointId(pub(crate) u64);

/// A transaction; dropping it rolls it back.
pub struct Transaction {
    pub(super) manager: Arc<TxnManager>,
    pub(super) member: Arc<Member>,
    pub(super) present: Mutex<Present>,
    pub(super) buffer: Mutex<Buffer>,
    /// Whether the buffer has ever had rows or entries; spares readers its lock.
    pub(super) wrote: AtomicBool,
    /// What was read, at SERIALIZABLE.
    pub(super) reads: Mutex<Option<ReadSet>>,
    pub(super) synchronous: AtomicBool,
    ended: AtomicBool,
    /// Microseconds; 0 is for ever.
    lock_timeout: AtomicU64,
    /// The session whose advisory locks are this transaction's friends; 0 is none.
    session: AtomicU64,
}

/// Where a transaction stands.
pub(super) struct Present {
    pub(super) isolation: Isolation,
    read_only: bool,
    snapshot: Option<Arc<Snapshot>>,
    pub(super) command: u32,
}

impl Transaction {
    pub(super) fn new(manager: Arc<TxnManager>, member: Arc<Member>, isolation: Isolation, read_only: bool) -> Self {
        let synchronous = AtomicBool::new(manager.options.sync);
        Self {
            manager,
            member,
            present: Mutex::new(Present { isolation, read_only, snapshot: None, command: 1 }),
            buffer: Mutex::default(),
            wrote: AtomicBool::new(false),
            reads: Mutex::new((isolation == Isolation::Serializable).then(ReadSet::default)),
            synchronous,
            ended: AtomicBool::new(false),
            lock_timeout: AtomicU64::new(0),
            session: AtomicU64::new(0),
        }
    }

    /// The manager that it belongs to.
    #[must_use]
    pub fn manager(&self) -> &Arc<TxnManager> {
        &self.manager
    }

    /// Its isolation level.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.present.lock().isolation
    }

    /// Whether it is not to write; the executor refuses by statement (temporary tables may be written).
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.present.lock().read_only
    }

    /// Sets whether it is not to write.
    pub fn set_read_only(&self, read_only: bool) {
        self.present.lock().read_only = read_only;
    }

    /// Changes the isolation level.
    ///
    /// # Errors
    /// `25001` once a snapshot was taken, and behind a savepoint.
    pub fn set_isolation(&self, isolation: Isolation) -> Result<()> {
        let is_subtransaction = self.buffer.lock().has_savepoints();
        let mut present = self.present.lock();
        if present.isolation == isolation {
            return Ok(());
        }
        if present.snapshot.is_some() {
            crate::bail!(ACTIVE_SQL_TRANSACTION, "SET TRANSACTION ISOLATION LEVEL must be called before any query");
        }
        if is_subtransaction {
            crate::bail!(
                ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
            );
        }
        present.isolation = isolation;
        *self.reads.lock() = (isolation == Isolation::Serializable).then(ReadSet::default);
        Ok(())
    }

    /// Its number, unique in the store.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.member.id
    }

    /// The backend's process number for deadlock reports and `pg_blocking_pids`.
    pub fn set_process_id(&self, pid: i32) {
        self.member.process.store(pid, Ordering::Relaxed);
    }

    /// See [`Transaction::set_process_id`]; 0 for none.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.member.process.load(Ordering::Relaxed)
    }

    /// How long to wait for any lock from now on; `None` is for ever.
    pub fn set_lock_timeout(&self, timeout: Option<Duration>) {
        let micros = timeout.map_or(0, |timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX).max(1));
        self.lock_timeout.store(micros, Ordering::Relaxed);
    }

    pub(super) fn lock_timeout(&self) -> Option<Duration> {
        match self.lock_timeout.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Whether the commit is on disk when acknowledged (synchronous_commit).
    pub fn set_synchronous(&self, synchronous: bool) {
        self.synchronous.store(synchronous, Ordering::Relaxed);
    }

    pub(super) fn set_session(&self, session: u64) {
        self.session.store(session, Ordering::Relaxed);
    }

    fn session(&self) -> Option<u64> {
        Some(self.session.load(Ordering::Relaxed)).filter(|session| *session != 0)
    }

    /// Starts a statement: a new snapshot at READ COMMITTED, and always a new command, which sees the writes of earlier
    /// commands of this transaction and not its own.
    pub fn begin_statement(&self) {
        let mut present = self.present.lock();
        present.command += 1;
        let outdated = match &present.snapshot {
            Some(snapshot) => present.isolation.per_statement() && snapshot.ts() != self.manager.visible_ts(),
            None => true,
        };
        if outdated {
            present.snapshot = Some(self.take_snapshot(present.isolation));
        }
    }

    fn take_snapshot(&self, isolation: Isolation) -> Arc<Snapshot> {
        Arc::new(self.manager.snapshots.take(isolation == Isolation::Serializable))
    }

    /// Starts a new command on the same snapshot: it sees everything that this transaction has written so far.
    pub fn next_command(&self) {
        self.present.lock().command += 1;
    }

    /// What the present command sees; keeps its snapshot alive.
    #[must_use]
    pub fn view(&self) -> View {
        let mut present = self.present.lock();
        let isolation = present.isolation;
        let snapshot = Arc::clone(present.snapshot.get_or_insert_with(|| self.take_snapshot(isolation)));
        View::new(snapshot, present.command)
    }

    /// The snapshot's timestamp; taken now if there is none yet.
    #[must_use]
    pub fn snapshot_ts(&self) -> u64 {
        self.view().ts()
    }

    /// Whether a commit would write anything.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        self.buffer.lock().has_writes()
    }

    /// Makes a savepoint. Cheap: changes are logged from now on until it is released.
    #[must_use]
    pub fn savepoint(&self) -> SavepointId {
        SavepointId(self.buffer.lock().savepoint())
    }

    /// Takes back everything since the savepoint, locks included. The savepoint stays, later ones go.
    ///
    /// # Panics
    /// When the savepoint was released or rolled back.
    pub fn rollback_to(&self, savepoint: SavepointId) {
        let undone = self.buffer.lock().rollback_to(savepoint.0);
        self.take_back_since(&undone);
        for (storage, range) in undone.inserted {
            self.manager.inserting.remove(storage, std::iter::once(range));
        }
        undone.restarts.into_iter().rev().for_each(|r| self.manager.sequences.take_back(r.oid, r.before));
        undone.held.into_iter().rev().for_each(|held| self.let_go(&held, true));
        self.manager.wide_locks.release_since(self.member.id, savepoint.0);
        undone.rollback_hooks.into_iter().rev().for_each(|hook| hook());
        self.manager.sweep_entered(&undone.entered);
        self.tell_undone();
    }

    /// Tells those who wait for this transaction that some of it is undone.
    pub(super) fn tell_undone(&self) {
        self.member.undone.fetch_add(1, Ordering::Release);
        let _ended = self.member.ended.lock();
        self.member.changed.notify_all();
    }

    /// Forgets the savepoint and later ones; what was done since stays.
    pub fn release(&self, savepoint: SavepointId) {
        self.buffer.lock().release(savepoint.0);
    }

    /// Sets or removes a key of the catalog or of roles with the commit.
    pub fn put_meta(&self, cf: Cf, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.buffer.lock().meta.push((cf, key, value));
    }

    /// Runs after the commit is durable and before it becomes visible, with its timestamp, in commit order; also for
    /// transactions that wrote nothing else, which get a timestamp for it. Must be quick and must not wait for other transactions.
    pub fn on_commit(&self, hook: Box<dyn FnOnce(u64) + Send>) {
        self.buffer.lock().commit_hooks.push(hook);
    }

    /// Runs when the transaction, or the part of it since a savepoint that is rolled back to, is undone.
    pub fn on_rollback(&self, hook: Box<dyn FnOnce() + Send>) {
        self.buffer.lock().rollback_hooks.push(hook);
    }

    /// Removes a dropped or truncated table's or index's keys after the commit, once no snapshot needs them.
    pub fn delete_storage(&self, storage: StorageId) {
        self.buffer.lock().dropped.push(storage);
    }

    /// Restarts a sequence for this transaction at once and for good with the commit. The caller holds the sequence's
    /// lock, so no other transaction takes values meanwhile.
    pub fn restart_sequence(&self, oid: Oid, last: i64, is_called: bool) {
        let before = self.manager.sequences.restart(oid, SequenceState { last, is_called });
        self.buffer.lock().restarts.push(Restart { oid, before });
    }

    /// Locks a table until the end of the transaction; false when `wait` is not [`Wait::Block`] and it is taken (the
    /// caller knows the name for PostgreSQL's `could not obtain lock on relation "t"`).
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock_table(&self, oid: Oid, mode: TableLock, wait: Wait, cancel: &CancelFlag) -> Result<bool> {
        let target = |_| LockTarget::Relation(oid, mode);
        let taken = self.manager.table_locks.acquire(oid, mode as u8, wait, &self.party(cancel), target);
        Ok(self.hold(taken, |before| Held::Table(oid, before))?.is_some())
    }

    /// Waits until all others who hold a lock on a table now that is in the way of `mode` have let it go. It takes no lock:
    /// who comes later is neither waited for nor kept waiting.
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn wait_for_lockers(&self, oid: Oid, mode: TableLock, cancel: &CancelFlag) -> Result<()> {
        let in_the_way = |(key, owner, modes): (Oid, u64, locks::Modes)| {
            let conflicts = modes & locks::TABLE_CONFLICTS[mode as usize] != 0;
            (key == oid && owner != self.member.id && conflicts).then_some(owner)
        };
        let holders = || self.manager.table_locks.held().into_iter().filter_map(in_the_way).collect::<Vec<u64>>();
        for owner in holders() {
            // Rolling back to a savepoint may let go of the lock too, or not.
            while holders().contains(&owner) {
                let undone = self.manager.active.lock().get(&owner).map(|member| member.undone.load(Ordering::Acquire));
                let Some(undone) = undone else { break };
                self.wait_for_member(owner, undone & TOKEN_UNDONE, cancel)?;
            }
        }
        Ok(())
    }

    /// Takes an advisory lock until the end of the transaction; false as for [`Transaction::lock_table`].
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock_advisory(&self, key: AdvisoryKey, shared: bool, wait: Wait, cancel: &CancelFlag) -> Result<bool> {
        let taken = self
            .manager
            .advisory_locks
            .acquire(key, u8::from(!shared), wait, &self.party(cancel), |_| LockTarget::Advisory(key, shared));
        Ok(self.hold(taken, |before| Held::Advisory(key, before))?.is_some())
    }

    /// Enters a lock that was taken, and counts deadlocks.
    pub(super) fn hold(
        &self,
        taken: Result<Option<locks::Modes>>,
        held: impl FnOnce(locks::Modes) -> Held,
    ) -> Result<Option<()>> {
        match taken {
            Ok(None) => Ok(None),
            Ok(Some(before)) => {
                self.buffer.lock().held.push(held(before));
                Ok(Some(()))
            }
            Err(error) => Err(self.count_failure(error)),
        }
    }

    pub(super) fn count_failure(&self, error: Error) -> Error {
        let counter = match error.sqlstate() {
            SqlState::DEADLOCK_DETECTED => &self.manager.counters.deadlocks,
            SqlState::SERIALIZATION_FAILURE => &self.manager.counters.serialization_failures,
            _ => return error,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        error
    }

    pub(super) fn party<'a>(&'a self, cancel: &'a CancelFlag) -> Party<'a> {
        Party {
            owner: self.member.id,
            twin: self.session(),
            waiter: self.member.id,
            session: self.session(),
            process: self.member.process.load(Ordering::Relaxed),
            timeout: self.lock_timeout(),
            cancel,
            waits: &self.manager.waits,
        }
    }

    /// Waits until another transaction has ended, or has rolled back to a savepoint since `undone`.
    pub(super) fn wait_for_member(&self, id: u64, undone: u64, cancel: &CancelFlag) -> Result<()> {
        let Some(member) = self.manager.active.lock().get(&id).cloned() else { return Ok(()) };
        let gone = |ended: bool| ended || member.undone.load(Ordering::Acquire) & TOKEN_UNDONE != undone;
        let mut ended = member.ended.lock();
        if gone(*ended) {
            return Ok(());
        }
        let party = self.party(cancel);
        party
            .waits
            .enter(party.waiter, party.session, party.process, vec![id], LockTarget::Transaction(id))
            .map_err(|e| self.count_failure(e))?;
        let started = clock::monotonic();
        let outcome = loop {
            member.changed.wait_for(&mut ended, locks::poll_for(started, party.timeout));
            if gone(*ended) {
                break Ok(());
            }
            let failed = cancel.check().and_then(|()| locks::check_timeout(started, party.timeout));
            if failed.is_err() {
                break failed;
            }
        };
        party.waits.leave(party.waiter, party.session);
        outcome
    }

    fn let_go(&self, held: &Held, keep: bool) {
        let kept = |before: locks::Modes| if keep { before } else { 0 };
        let owner = self.member.id;
        match held {
            Held::Row(key, before) => self.manager.row_locks.release(*key, owner, kept(*before)),
            Held::Table(oid, before) => self.manager.table_locks.release(*oid, owner, kept(*before)),
            Held::Advisory(key, before) => self.manager.advisory_locks.release(*key, owner, kept(*before)),
        }
    }

    /// Marks the transaction as ended; false when it was already.
    pub(super) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    /// Whether it has committed or rolled back.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Lets go of everything that others can see of it.
    pub(super) fn leave(&self, buffer: &Buffer) {
        for (storage, table) in &buffer.tables {
            if !table.inserted.is_empty() {
                self.manager.inserting.remove(*storage, table.inserted.iter().map(|(range, ())| range));
            }
        }
        buffer.held.iter().rev().for_each(|held| self.let_go(held, false));
        self.manager.wide_locks.release_since(self.member.id, 0);
        self.present.lock().snapshot = None;
        self.manager.active.lock().remove(&self.member.id);
        *self.member.ended.lock() = true;
        self.member.changed.notify_all();
    }

    /// Rolls back; does nothing when the transaction has ended.
    pub fn rollback(&self) {
        if !self.end() {
            return;
        }
        let buffer = std::mem::take(&mut *self.buffer.lock());
        self.undo_all(buffer);
    }

    pub(super) fn undo_all(&self, mut buffer: Buffer) {
        let hooks = std::mem::take(&mut buffer.rollback_hooks);
        // At shutdown the next start does it: nobody commits any more, and readers know what to make of pending rows.
        if buffer.is_ahead() && self.manager.check_running().is_ok() {
            self.take_back_all(&mut buffer);
        }
        for restart in buffer.restarts.drain(..).rev() {
            self.manager.sequences.take_back(restart.oid, restart.before);
        }
        self.leave(&buffer);
        hooks.into_iter().rev().for_each(|hook| hook());
        self.manager.sweep_entered(&buffer.entered);
        self.manager.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
    }
}

/// The part of a token that counts partial rollbacks; the rest is the transaction's number.
pub(super) const TOKEN_UNDONE: u64 = 0xffff;

/// A token for `RowState::InFlight`.
pub(super) fn token(manager: &TxnManager, id: u64) -> u64 {
    let undone = manager.active.lock().get(&id).map_or(0, |member| member.undone.load(Ordering::Acquire));
    id << 16 | (undone & TOKEN_UNDONE)
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.rollback();
    }
}
