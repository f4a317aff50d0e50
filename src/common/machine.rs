//! What the machine gives to this process.

use std::fs;

/// Memory that is assumed where nothing says how much there is.
const UNKNOWN: u64 = 4 << 30;

/// Bytes of memory that the process may use: the machine's, or less where its control group has a limit.
#[must_use]
pub fn memory_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text)).unwrap_or(UNKNOWN);
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    limits
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .filter_map(|text| limit(&text))
        .fold(machine, u64::min)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// A control group's limit; `None` for the word that says there is none.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::{limit, memory_bytes, total};

    #[test]
    fn limits_are_read() {
        assert_eq!(total("MemFree:  3 kB\nMemTotal:       24576000 kB\n"), Some(24_576_000 << 10));
        assert_eq!((total("MemTotal: many kB"), total("")), (None, None));
        assert_eq!((limit("536870912\n"), limit("max\n"), limit("0")), (Some(512 << 20), None, None));
        assert!(memory_bytes() > 1 << 20);
    }
}
