//! Resident memory of a server on this machine, from `/proc`.
//!
//! A server may be one process or many that share memory, so what counts is the proportional share (`Pss`) of the
//! process and all its descendants: memory that several of them map is counted once. Where that cannot be read, the
//! resident size (`VmRSS`) of the process alone.

use std::fs;

/// Resident bytes of a process and its descendants; none when the process cannot be read.
pub fn resident(pid: u32) -> Option<u64> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        family.extend(children(family[at]));
        at += 1;
    }
    let shares: Option<Vec<u64>> = family
        .iter()
        .filter(|pid| fs::metadata(format!("/proc/{pid}")).is_ok())
        .map(|pid| kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:"))
        .collect();
    match shares {
        Some(shares) if !shares.is_empty() => Some(shares.iter().sum()),
        _ => kilobytes(&format!("/proc/{pid}/status"), "VmRSS:"),
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The value of a line such as `Pss:   12 kB`, in bytes.
fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_touched_is_seen() {
        let block = vec![1_u8; 64 << 20];
        let seen = resident(std::process::id()).expect("a process can read itself");
        assert!(seen >= 64 << 20, "{seen} {}", block[block.len() / 2]);
        assert_eq!(resident(u32::MAX), None);
    }
}
