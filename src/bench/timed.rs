//! Timed windows: some clients, each in a loop on its own thread, for a length of time.

use std::time::{Duration, Instant};

/// What the clients of a window did.
pub struct Timings {
    /// Operations a second of all clients together.
    pub rate: f64,
    /// Time of each operation in nanoseconds, ascending.
    sorted_ns: Vec<u64>,
}

impl Timings {
    /// The time under which a part of the operations stayed, in microseconds; 0 without operations.
    pub fn quantile_us(&self, part: f64) -> f64 {
        let last = self.sorted_ns.len().saturating_sub(1);
        let at = (part * last as f64).round() as usize;
        self.sorted_ns.get(at).map_or(0.0, |ns| *ns as f64 / 1000.0)
    }
}

/// Lets every client repeat `step` for `warm`, then for `limit`, which is measured.
///
/// The clients are connected by the caller, so that no thread can fail before the others start.
///
/// # Errors
/// The first error of a client; the others finish their window.
pub fn window<C: Send>(
    clients: Vec<C>,
    warm: Duration,
    limit: Duration,
    step: impl Fn(&mut C) -> Result<(), String> + Sync,
) -> Result<Timings, String> {
    let begin = Instant::now() + warm;
    let results: Vec<Result<(f64, Vec<u64>), String>> = std::thread::scope(|scope| {
        let step = &step;
        let threads: Vec<_> =
            clients.into_iter().map(|client| scope.spawn(move || repeat(client, begin, limit, step))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a client thread panicked".into()))).collect()
    });
    let mut timings = Timings { rate: 0.0, sorted_ns: Vec::new() };
    for result in results {
        let (rate, mut times) = result?;
        timings.rate += rate;
        timings.sorted_ns.append(&mut times);
    }
    timings.sorted_ns.sort_unstable();
    Ok(timings)
}

fn repeat<C>(
    mut client: C,
    begin: Instant,
    limit: Duration,
    step: impl Fn(&mut C) -> Result<(), String>,
) -> Result<(f64, Vec<u64>), String> {
    step(&mut client)?;
    while Instant::now() < begin {
        step(&mut client)?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    let mut before = start;
    while before.duration_since(start) < limit {
        step(&mut client)?;
        let now = Instant::now();
        times.push(now.duration_since(before).as_nanos() as u64);
        before = now;
    }
    Ok((times.len() as f64 / before.duration_since(start).as_secs_f64(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_counts_and_an_error_ends_the_window() {
        let clients: Vec<u64> = vec![0, 0, 0];
        let timings = window(clients, Duration::ZERO, Duration::from_millis(5), |n| {
            *n += 1;
            Ok(())
        })
        .expect("no step fails");
        assert!(timings.rate > 0.0 && timings.quantile_us(0.5) <= timings.quantile_us(0.99));
        let failing = window(vec![0, 5], Duration::ZERO, Duration::from_millis(5), |n| {
            *n += 1;
            if *n > 7 { Err("seven is enough".into()) } else { Ok(()) }
        });
        assert_eq!(failing.err().as_deref(), Some("seven is enough"));
    }

    #[test]
    fn quantiles_are_of_what_was_seen() {
        let timings = Timings { rate: 1.0, sorted_ns: (1..=101).map(|n| n * 1000).collect() };
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|part| timings.quantile_us(part)), [1.0, 51.0, 100.0, 101.0]);
        assert_eq!(Timings { rate: 0.0, sorted_ns: vec![] }.quantile_us(0.5), 0.0);
    }
}
