//! Waiting for a client or for the waker: one system call, without a turn of the runtime.
//!
//! A session waits between any two statements, so the way there and back is part of every one of them. On Linux a thread
//! asks epoll itself about its socket and an eventfd; the runtime, which would look at timers, queues and wakers as well, is
//! kept for TLS and for what does not fit into the socket's buffer. A processor that has nothing to do falls asleep, and
//! waking it can take longer than the statement that it is woken for; so a session that has just answered
//! asks again and again for a moment (`idle_poll`) before it waits, as long as at least half of the processors would have nothing to do
//! and nobody else wants its own: the client may be just there, for an answer likes to wake its reader where it was written.
//! Whoever wakes a session cannot know where its thread
//! waits, so [`Alarm::wake`] says it in both places; the session looks at what it was woken for, and a call too many does no harm.

use tokio::sync::Notify;

/// Wakes a connection's thread.
pub struct Alarm {
    /// Ends a wait in the runtime.
    pub notify: Notify,
    #[cfg(target_os = "linux")]
    event: rustix::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, LazyLock};
    use std::time::Duration;

    use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
    use rustix::fd::OwnedFd;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    use super::Alarm;
    use crate::common::clock;

    /// Sessions that are at work or poll.
    static AWAKE: AtomicUsize = AtomicUsize::new(0);

    /// Sessions up to which they may poll: each has a client, which wants a processor too.
    static AWAKE_MAX: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2);

    /// Giving the processor away for a moment takes as long as this only when somebody else had use for it.
    const OTHERS: Duration = Duration::from_micros(5);

    const SOCKET: u64 = 0;
    const EVENT: u64 = 1;

    impl Alarm {
        /// An alarm that nobody has used.
        ///
        /// # Errors
        /// Out of descriptors.
        pub fn new() -> io::Result<Self> {
            Ok(Self { notify: Notify::new(), event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
        }

        /// Wakes the thread, or the next wait.
        pub fn wake(&self) {
            self.notify.notify_one();
            // It fails only when it is rung 2^64 times already.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }

        fn clear(&self) {
            // Nothing to read means that somebody else has read it.
            let _ = rustix::io::read(&self.event, &mut [0_u8; 8]);
        }
    }

    /// What [`Poller::wait`] saw.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Seen {
        /// Bytes, or the end of the connection.
        Input,
        /// The alarm.
        Woken,
        /// Nothing for the time given.
        Nothing,
    }

    /// A socket and an alarm to wait for.
    pub struct Poller {
        epoll: OwnedFd,
        alarm: Arc<Alarm>,
        /// Time to poll for input before waiting for it.
        idle_poll: Duration,
    }

    impl Drop for Poller {
        fn drop(&mut self) {
            AWAKE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Poller {
        /// Prepares to wait for a socket, which stays open for as long as this lives, and an alarm.
        ///
        /// # Errors
        /// Out of descriptors or memory.
        pub fn new(socket: &TcpStream, alarm: &Arc<Alarm>, idle_poll: Duration) -> io::Result<Self> {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
            epoll::add(&epoll, socket, epoll::EventData::new_u64(SOCKET), flags)?;
            epoll::add(&epoll, &alarm.event, epoll::EventData::new_u64(EVENT), epoll::EventFlags::IN)?;
            AWAKE.fetch_add(1, Ordering::Relaxed);
            Ok(Self { epoll, alarm: Arc::clone(alarm), idle_poll })
        }

        /// What there is within the time to poll, if there is any to spare.
        fn poll(&self, events: &mut [epoll::Event]) -> io::Result<usize> {
            let spare = || AWAKE.load(Ordering::Relaxed) <= *AWAKE_MAX;
            if self.idle_poll.is_zero() || !spare() {
                return Ok(0);
            }
            let (begun, mut polled, mut taken) = (clock::monotonic(), Duration::ZERO, false);
            loop {
                let count = self.ask(events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
                if count > 0 || taken || polled >= self.idle_poll || !spare() {
                    return Ok(count);
                }
                std::thread::yield_now();
                let elapsed = begun.elapsed();
                (taken, polled) = (elapsed - polled > OTHERS, elapsed);
            }
        }

        fn ask(&self, events: &mut [epoll::Event], limit: Option<&Timespec>) -> io::Result<usize> {
            loop {
                match epoll::wait(&self.epoll, &mut *events, limit) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => return Ok(other?),
                }
            }
        }

        /// Waits for as long as `limit` says; input comes before the alarm, which stays set then.
        ///
        /// # Errors
        /// None that a correct program sees.
        pub fn wait(&self, limit: Option<Duration>) -> io::Result<Seen> {
            let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
            let none = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(EVENT) };
            let mut events = [none; 2];
            let mut count = self.poll(&mut events)?;
            if count == 0 {
                AWAKE.fetch_sub(1, Ordering::Relaxed);
                let asked = self.ask(&mut events, limit.as_ref());
                AWAKE.fetch_add(1, Ordering::Relaxed);
                count = asked?;
            }
            let seen = &events[..count];
            if seen.iter().any(|event| event.data.u64() == SOCKET) {
                return Ok(Seen::Input);
            }
            if seen.is_empty() {
                return Ok(Seen::Nothing);
            }
            self.alarm.clear();
            Ok(Seen::Woken)
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::{Poller, Seen};

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// An alarm that nobody has used.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { notify: Notify::new() })
    }

    /// Wakes the thread, or the next wait.
    pub fn wake(&self) {
        self.notify.notify_one();
    }
}
