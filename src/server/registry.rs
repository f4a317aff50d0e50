//! Who is connected: cancel requests find a session here by its number and secret, shutdown finds them all.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::common::verifier::equal;
use crate::common::{CancelFlag, CancelReason};
use crate::error::{Error, Result, SqlState};
use crate::pgwire::host::Waker;

struct Entry {
    secret: Vec<u8>,
    flag: CancelFlag,
    waker: Waker,
}

#[derive(Default)]
struct State {
    sessions: HashMap<u32, Entry>,
    reserved: hashbrown::HashSet<u32>,
    last_pid: u32,
    stopping: bool,
}

/// The sessions there are.
#[derive(Default)]
pub struct Registry(Mutex<State>);

/// Numbers begin here, so that they do not look like those of system processes.
const FIRST_PID: u32 = 1000;

impl Registry {
    /// A number for a session that is being opened, unique among the open ones; [`Registry::remove`] frees it.
    ///
    /// # Errors
    /// FATAL `53300` when there are `most` sessions, FATAL `57P03` when the server is shutting down.
    pub fn reserve(&self, most: u32) -> Result<u32> {
        let mut state = self.0.lock();
        if state.stopping {
            return Err(Error::fatal(SqlState::CANNOT_CONNECT_NOW, "the database system is shutting down"));
        }
        if state.reserved.len() >= most as usize {
            return Err(Error::fatal(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already"));
        }
        loop {
            // Numbers are positive as 32-bit signed integers, which clients use.
            state.last_pid =
                if state.last_pid >= i32::MAX as u32 { FIRST_PID } else { state.last_pid.max(FIRST_PID) + 1 };
            let pid = state.last_pid;
            if state.reserved.insert(pid) {
                return Ok(pid);
            }
        }
    }

    /// Makes an open session known to cancel requests and shutdown.
    pub fn insert(&self, pid: u32, secret: Vec<u8>, flag: CancelFlag, waker: Waker) {
        let mut state = self.0.lock();
        if state.stopping {
            flag.raise(CancelReason::Terminate);
            waker.wake();
        }
        state.sessions.insert(pid, Entry { secret, flag, waker });
    }

    /// Forgets a session.
    pub fn remove(&self, pid: u32) {
        let mut state = self.0.lock();
        state.sessions.remove(&pid);
        state.reserved.remove(&pid);
    }

    /// A cancel request: does nothing, and says nothing, when number and secret do not match.
    pub fn cancel(&self, pid: u32, secret: &[u8]) {
        let state = self.0.lock();
        if let Some(entry) = state.sessions.get(&pid)
            && equal(&entry.secret, secret)
        {
            entry.flag.raise(CancelReason::UserRequest);
            entry.waker.wake();
        }
    }

    /// Ends every session, and refuses new ones from now on.
    pub fn terminate_all(&self) {
        let mut state = self.0.lock();
        state.stopping = true;
        for entry in state.sessions.values() {
            entry.flag.raise(CancelReason::Terminate);
            entry.waker.wake();
        }
    }

    /// Number of sessions, those being opened included.
    pub fn len(&self) -> usize {
        self.0.lock().reserved.len()
    }
}
