//! Filtered search: recall and speed when `WHERE` keeps half of the rows, and down to one in ten thousand.
//!
//! Both filter columns get an ordinary index, so that each planner may choose to read the few matching rows instead of
//! the graph. A server that stops when its candidates do not pass the filter is told to go on
//! (`hnsw.iterative_scan = relaxed_order`); the others keep their default. Beside the statement that everyone writes
//! stands the one that is written by hand to avoid the vector index, where that can be the better choice.

use super::args::VectorArgs;
use super::dataset::{FilterColumn, bound_of};
use super::results::{FilterPoint, System};
use super::search::{Searches, Shape, median};
use super::target::Target;
use super::truth::Truth;
use crate::bench::client::text;

/// The statement written by hand is measured up to this percentage of rows kept.
const EXACT_KEEP_MAX: f64 = 10.0;

/// Measures every column, selectivity and setting, the servers in turn.
///
/// # Errors
/// A server fails or answers wrongly.
pub fn run(targets: &[Target<'_>], systems: &mut [System], searches: Searches<'_>) -> Result<(), String> {
    let args = searches.args;
    for target in targets {
        create_indexes(target, args).map_err(|e| format!("{}: {e}", target.label))?;
    }
    for column in FilterColumn::ALL {
        for keep in &args.keep {
            let bound = bound_of(*keep);
            let rows = searches.data.matching(column, bound);
            let truth = searches.distances.nearest(&rows, args.filter_queries, args.k);
            let mut shapes: Vec<(Shape, Option<u32>)> =
                args.filter_ef.iter().map(|ef| (Shape::Filtered(column, bound), Some(*ef))).collect();
            if *keep <= EXACT_KEEP_MAX {
                shapes.push((Shape::FilteredExact(column, bound), None));
            }
            for (shape, ef) in shapes {
                let point = Unmeasured { column, keep: *keep, shape, ef };
                measure(targets, systems, searches, &truth, point)?;
            }
        }
    }
    for target in targets {
        drop_indexes(target, args).map_err(|e| format!("{}: {e}", target.label))?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Unmeasured {
    column: FilterColumn,
    keep: f64,
    shape: Shape,
    ef: Option<u32>,
}

fn measure(
    targets: &[Target<'_>],
    systems: &mut [System],
    searches: Searches<'_>,
    truth: &Truth,
    point: Unmeasured,
) -> Result<(), String> {
    let Unmeasured { column, keep, shape, ef } = point;
    let named =
        |target: &Target<'_>, error: String| format!("{}, {} keeps {keep} %: {error}", target.label, column.name());
    let mut windows = vec![Vec::new(); targets.len()];
    let mut recalls = Vec::new();
    for target in targets {
        let recall = searches.recall(target, shape, ef, truth, searches.args.filter_queries);
        recalls.push(recall.map_err(|e| named(target, e))?);
    }
    for _ in 0..searches.args.rounds.max(1) {
        for (target, windows) in targets.iter().zip(&mut windows) {
            windows.push(searches.window(target, shape, ef, 1).map_err(|e| named(target, e))?);
        }
    }
    for (at, windows) in windows.into_iter().enumerate() {
        let target = &targets[at];
        let plan = searches.plan(target, shape).map_err(|e| named(target, e))?;
        let (recall, short, window) = (recalls[at].recall, recalls[at].short, median(windows));
        eprintln!(
            "{}: {} keeps {keep} %, ef {ef:?}: recall {recall:.4}, {:.1}/s, {plan}",
            target.label,
            column.name(),
            window.rate
        );
        systems[at].filters.push(FilterPoint { column: column.name(), keep, ef, recall, short, plan, window });
    }
    Ok(())
}

fn create_indexes(target: &Target<'_>, args: &VectorArgs) -> Result<(), String> {
    drop_indexes(target, args)?;
    let (table, mut client) = (&args.table, target.connect()?);
    for column in FilterColumn::ALL {
        let column = column.name();
        client.batch_execute(&format!("CREATE INDEX {table}_{column} ON {table} ({column})")).map_err(text)?;
    }
    client.batch_execute(&format!("VACUUM ANALYZE {table}")).map_err(text)
}

fn drop_indexes(target: &Target<'_>, args: &VectorArgs) -> Result<(), String> {
    let (table, mut client) = (&args.table, target.connect()?);
    for column in FilterColumn::ALL {
        client.batch_execute(&format!("DROP INDEX IF EXISTS {table}_{}", column.name())).map_err(text)?;
    }
    Ok(())
}
