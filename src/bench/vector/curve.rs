//! The recall-QPS curve, and what it says about a wanted recall.
//!
//! Between two measured points the logarithm of the speed is taken as linear in recall; outside of the measured points
//! nothing is said: a recall above the highest is not reached, and one below the lowest is reached by that point at
//! least as fast.

use std::fmt;

use super::args::VectorArgs;
use super::load::index_name;
use super::results::{Point, System};
use super::search::{Searches, Shape, median};
use super::target::Target;
use super::truth::Truth;
use crate::bench::report::figure;

/// Recalls that the report reads off the curve.
pub const RECALLS: [f64; 4] = [0.90, 0.95, 0.98, 0.99];

/// Measures the curve of every server: at each `ef_search` the recall, then windows in turn.
///
/// # Errors
/// A server fails or answers wrongly.
pub fn run(
    targets: &[Target<'_>],
    systems: &mut [System],
    searches: Searches<'_>,
    truth: &Truth,
) -> Result<(), String> {
    let args: &VectorArgs = searches.args;
    for (target, system) in targets.iter().zip(systems.iter_mut()) {
        system.plan = searches.plan(target, Shape::Plain).map_err(|e| format!("{}: {e}", target.label))?;
        if !system.plan.contains(&index_name(args)) {
            system.plan.push_str(" (the vector index is NOT used: no figure of this server is one of its index)");
        }
        eprintln!("{}: plan {}", target.label, system.plan);
    }
    for ef in &args.ef {
        let mut recalls = Vec::new();
        for target in targets {
            let measured = searches.recall(target, Shape::Plain, Some(*ef), truth, searches.encoded.len());
            recalls.push(measured.map_err(|e| format!("{}, ef_search {ef}: {e}", target.label))?.recall);
        }
        for clients in &args.clients {
            let mut windows = vec![Vec::new(); targets.len()];
            for _ in 0..args.rounds.max(1) {
                for (target, windows) in targets.iter().zip(&mut windows) {
                    let window = searches.window(target, Shape::Plain, Some(*ef), *clients);
                    windows.push(window.map_err(|e| format!("{}, ef_search {ef}: {e}", target.label))?);
                }
            }
            for (at, windows) in windows.into_iter().enumerate() {
                let window = median(windows);
                let recall = recalls[at];
                eprintln!(
                    "{}: ef {ef}, {clients} clients: recall {recall:.4}, {:.0}/s",
                    targets[at].label, window.rate
                );
                systems[at].curve.push(Point { ef: *ef, clients: *clients, recall, window });
            }
        }
    }
    Ok(())
}

/// What a curve says about a recall.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reading {
    /// Between two measured points.
    At(f64),
    /// Every measured point has more recall; the fastest of them has this speed.
    AtLeast(f64),
    /// No measured point has as much recall.
    NotReached,
}

/// Reads the speed at a recall off the points of one number of clients.
pub fn read(curve: &[Point], clients: usize, recall: f64) -> Reading {
    let mut points: Vec<(f64, f64)> =
        curve.iter().filter(|p| p.clients == clients).map(|p| (p.recall, p.window.rate)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    // Points that another beats in both figures are settings that nobody would choose.
    let mut best: Vec<(f64, f64)> = Vec::new();
    for point in points.into_iter().rev() {
        if best.last().is_none_or(|(_, rate)| point.1 > *rate) {
            best.push(point);
        }
    }
    // Now recall falls and speed rises.
    let Some(under) = best.iter().position(|(r, _)| *r < recall) else {
        return best.last().map_or(Reading::NotReached, |(r, rate)| {
            if *r == recall { Reading::At(*rate) } else { Reading::AtLeast(*rate) }
        });
    };
    let Some(over) = under.checked_sub(1) else { return Reading::NotReached };
    let ((r0, q0), (r1, q1)) = (best[under], best[over]);
    let part = (recall - r0) / (r1 - r0);
    Reading::At((q0.ln() + part * (q1.ln() - q0.ln())).exp())
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(rate) => f.write_str(&figure(*rate)),
            Self::AtLeast(rate) => write!(f, "≥ {}", figure(*rate)),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}

impl Reading {
    /// How many times as fast as another; says so when it is only a bound.
    pub fn ratio(self, other: Self) -> String {
        match (self, other) {
            (Self::At(a), Self::At(b)) => format!("{:.2}", a / b),
            (Self::AtLeast(a), Self::At(b)) => format!("≥ {:.2}", a / b),
            (Self::At(a), Self::AtLeast(b)) => format!("≤ {:.2}", a / b),
            _ => "–".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::Window;
    use super::*;

    fn points(of: &[(f64, f64)]) -> Vec<Point> {
        let window = |rate| Window { rate, p50_us: 0.0, p99_us: 0.0 };
        of.iter().map(|(recall, rate)| Point { ef: 0, clients: 1, recall: *recall, window: window(*rate) }).collect()
    }

    #[test]
    fn speed_is_log_linear_between_points_and_unknown_outside() {
        let curve = points(&[(0.80, 10_000.0), (0.90, 1000.0), (0.96, 100.0)]);
        for (recall, wanted) in
            [(0.85, 3162.28), (0.90, 1000.0), (0.93, 316.228), (0.96, 100.0), (0.80, 10_000.0), (0.82, 6309.57)]
        {
            let Reading::At(rate) = read(&curve, 1, recall) else { panic!("{recall} lies between points") };
            assert!((rate / wanted - 1.0).abs() < 1e-5, "{recall}: {rate}");
        }
        assert_eq!(read(&curve, 1, 0.961), Reading::NotReached);
        assert_eq!(read(&curve, 1, 0.5), Reading::AtLeast(10_000.0));
        assert_eq!(read(&curve, 2, 0.9), Reading::NotReached);
        assert_eq!(read(&[], 1, 0.9), Reading::NotReached);
    }

    #[test]
    fn settings_that_are_beaten_in_both_do_not_count() {
        // A slow window at .85 and a noisy recall that falls back at a higher ef.
        let curve = points(&[(0.80, 1000.0), (0.85, 50.0), (0.90, 100.0), (0.895, 90.0)]);
        let Reading::At(rate) = read(&curve, 1, 0.85) else { panic!("between .80 and .90") };
        assert!((rate - 316.228).abs() < 0.01);
        assert_eq!(read(&points(&[(1.0, 10.0), (1.0, 20.0)]), 1, 1.0), Reading::At(20.0));
    }

    #[test]
    fn a_ratio_of_bounds_is_a_bound() {
        use Reading::{At, AtLeast, NotReached};
        assert_eq!(At(30.0).ratio(At(10.0)), "3.00");
        assert_eq!(AtLeast(30.0).ratio(At(10.0)), "≥ 3.00");
        assert_eq!(At(30.0).ratio(AtLeast(10.0)), "≤ 3.00");
        for (a, b) in [(AtLeast(1.0), AtLeast(1.0)), (NotReached, At(1.0)), (At(1.0), NotReached)] {
            assert_eq!(a.ratio(b), "–");
        }
    }
}
