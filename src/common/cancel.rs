//! The flag through which another thread asks a statement to stop.
//!
//! Whoever works long (an operator per batch, a lock wait per wake-up, a sleep) polls [`CancelFlag::check`]; nothing is
//! ever interrupted by force, so invariants hold at every stop. The first reason raised wins until the flag is cleared at
//! the start of the next statement; a termination is never cleared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result, SqlState};

/// Why a statement is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// A cancel request or `pg_cancel_backend`.
    UserRequest,
    /// `statement_timeout`.
    StatementTimeout,
    /// `pg_terminate_backend` or shutdown: the session ends.
    Terminate,
    /// `transaction_timeout`: the session ends.
    TransactionTimeout,
}

const NONE: u32 = 0;
const USER_REQUEST: u32 = 1;
const STATEMENT_TIMEOUT: u32 = 2;
const TERMINATE: u32 = 3;
const TRANSACTION_TIMEOUT: u32 = 4;

/// A session's cancel flag; clones share it.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicU32>);

impl CancelFlag {
    /// A flag that is down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop; a termination overrides weaker reasons, otherwise the first reason stays.
    pub fn raise(&self, reason: CancelReason) {
        let code = match reason {
            CancelReason::UserRequest => USER_REQUEST,
            CancelReason::StatementTimeout => STATEMENT_TIMEOUT,
            CancelReason::Terminate => TERMINATE,
            CancelReason::TransactionTimeout => TRANSACTION_TIMEOUT,
        };
        if code >= TERMINATE {
            self.0.store(code, Ordering::Release);
        } else {
            // Losing the race means another reason came first, which is the rule.
            let _ = self.0.compare_exchange(NONE, code, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Takes the flag down before a new statement, unless the session is to end.
    pub fn clear(&self) {
        let current = self.0.load(Ordering::Acquire);
        if current < TERMINATE {
            let _ = self.0.compare_exchange(current, NONE, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Whether a stop is asked for.
    #[inline]
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NONE
    }

    /// Fails when a stop is asked for.
    ///
    /// # Errors
    /// `57014` for cancelled statements, FATAL `57P01` or `25P04` when the session is to end.
    #[inline]
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            NONE => Ok(()),
            code => Err(error_for(code)),
        }
    }
}

#[cold]
fn error_for(code: u32) -> Error {
    match code {
        STATEMENT_TIMEOUT => Error::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout"),
        TERMINATE => Error::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command"),
        TRANSACTION_TIMEOUT => {
            Error::fatal(SqlState::new("25P04"), "terminating connection due to transaction timeout")
        }
        _ => Error::new(SqlState::QUERY_CANCELED, "canceling statement due to user request"),
    }
}

#[cfg(test)]
mod tests {
    use super::{CancelFlag, CancelReason};

    #[test]
    fn the_first_reason_wins_but_termination_overrides() {
        let flag = CancelFlag::new();
        assert!(flag.check().is_ok());
        flag.raise(CancelReason::StatementTimeout);
        flag.raise(CancelReason::UserRequest);
        assert!(flag.check().expect_err("raised").report().message.contains("statement timeout"));
        flag.raise(CancelReason::Terminate);
        flag.clear();
        assert_eq!(flag.check().expect_err("raised").sqlstate().as_str(), "57P01");
    }
}
