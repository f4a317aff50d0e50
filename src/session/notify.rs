//! LISTEN and NOTIFY: what a transaction says is delivered when it has committed.

use crate::pgwire::backend;

use super::core::Core;

/// Longest payload, bytes, exclusive.
pub(super) const PAYLOAD_MAX: usize = 8000;
/// Longest channel name, bytes, exclusive.
pub(super) const CHANNEL_MAX: usize = 64;

/// Applies what a committed transaction said.
pub(super) fn apply(core: &Core, listen: Vec<(bool, Option<String>)>, notifications: Vec<(String, String)>) {
    if !listen.is_empty() {
        let mut channels = core.entry.channels.lock();
        for (on, channel) in listen {
            match (on, channel) {
                (true, Some(channel)) if !channels.contains(&channel) => channels.push(channel),
                (true, _) => {}
                (false, Some(channel)) => channels.retain(|known| *known != channel),
                (false, None) => channels.clear(),
            }
        }
    }
    if notifications.is_empty() {
        return;
    }
    for session in core.engine.sessions() {
        if session.database != core.database {
            continue;
        }
        let wanted: Vec<(u32, String, String)> = {
            let channels = session.channels.lock();
            notifications
                .iter()
                .filter(|(channel, _)| channels.contains(channel))
                .map(|(channel, payload)| (core.entry.pid, channel.clone(), payload.clone()))
                .collect()
        };
        if !wanted.is_empty() {
            session.inbox.lock().extend(wanted);
            session.waker.wake();
        }
    }
}

/// Appends what has arrived for this session.
pub(super) fn deliver(core: &Core, out: &mut Vec<u8>) {
    for (pid, channel, payload) in core.entry.inbox.lock().drain(..) {
        backend::notification(out, pid, &channel, &payload);
    }
}
