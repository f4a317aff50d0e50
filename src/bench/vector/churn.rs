//! Turnover: every row is deleted and its vector comes back under a new id, several times.
//!
//! The set of vectors stays what it was, so the exact neighbours do too, and the recall after each turnover is directly
//! comparable to that of the index as it was built: what is lost is what deleting and inserting did to the graph.
//!
//! ```text
//!   before    ids 0 .. n-1                  row i has id i
//!   turnover  one transaction a batch:      DELETE ids [old + i, old + i + batch), COPY the same rows as new + i ...
//!   after     ids n .. 2n-1                 row i has id n + i
//! ```
//!
//! After each turnover comes a VACUUM, so that a server that repairs its index then has done so before it is asked.

use std::io::Write;
use std::time::Instant;

use postgres::Client;

use super::load::{build, copy_rows, load};
use super::results::{Churn, System};
use super::search::{Searches, Shape};
use super::target::Target;
use super::truth::Truth;
use crate::bench::client::text;

/// Rows deleted and copied in one transaction.
const BATCH: usize = 200;

/// Loads and builds anew, then measures recall before and after each turnover; the servers in turn.
///
/// # Errors
/// A server fails, answers wrongly or counts other rows than there are.
pub fn run(
    targets: &[Target<'_>],
    systems: &mut [System],
    searches: Searches<'_>,
    truth: &Truth,
) -> Result<(), String> {
    for (target, system) in targets.iter().zip(systems.iter_mut()) {
        let fresh = load(target, searches.args, searches.data)
            .and_then(|_| build(target, searches.args, searches.data.base.count()))
            .and_then(|_| recalls(target, searches, truth, 0, 0.0));
        system.churn = fresh.map_err(|e| format!("{}: {e}", target.label))?;
    }
    for turnover in 1..=searches.args.turnovers {
        for (target, system) in targets.iter().zip(systems.iter_mut()) {
            let measured = turn_over(target, searches, turnover)
                .and_then(|rate| recalls(target, searches, truth, turnover, rate))
                .map_err(|e| format!("{}, turnover {turnover}: {e}", target.label))?;
            system.churn.extend(measured);
        }
    }
    for target in targets {
        let sql = format!("DROP TABLE {}", searches.args.table);
        target.connect()?.batch_execute(&sql).map_err(|e| format!("{}: {}", target.label, text(e)))?;
    }
    Ok(())
}

/// Replaces every row; returns rows a second, VACUUM included.
fn turn_over(target: &Target<'_>, searches: Searches<'_>, turnover: u32) -> Result<f64, String> {
    let (table, rows) = (&searches.args.table, searches.data.base.count());
    let new = i64::from(turnover) * rows as i64;
    let old = new - rows as i64;
    let mut client = target.connect()?;
    let start = Instant::now();
    for first in (0..rows).step_by(BATCH) {
        let last = rows.min(first + BATCH);
        replace(&mut client, searches, (first, last), (old, new))?;
    }
    client.batch_execute(&format!("VACUUM {table}")).map_err(text)?;
    let seconds = start.elapsed().as_secs_f64();
    let sql = format!("SELECT count(*), min(id), max(id) FROM {table}");
    let row = client.query_one(&sql, &[]).map_err(text)?;
    let found: (i64, Option<i64>, Option<i64>) = (row.get(0), row.get(1), row.get(2));
    let wanted = (rows as i64, Some(new), Some(new + rows as i64 - 1));
    if found != wanted {
        return Err(format!("wrong answer: count, first and last id are {found:?}, not {wanted:?}"));
    }
    Ok(rows as f64 / seconds)
}

fn replace(
    client: &mut Client,
    searches: Searches<'_>,
    (first, last): (usize, usize),
    (old, new): (i64, i64),
) -> Result<(), String> {
    let table = &searches.args.table;
    let mut transaction = client.transaction().map_err(text)?;
    let sql = format!("DELETE FROM {table} WHERE id >= $1 AND id < $2");
    let gone = transaction.execute(&sql, &[&(old + first as i64), &(old + last as i64)]).map_err(text)?;
    if gone != (last - first) as u64 {
        return Err(format!("wrong answer: {gone} rows deleted of {}", last - first));
    }
    let mut writer = transaction.copy_in(&format!("COPY {table} FROM STDIN (FORMAT binary)")).map_err(text)?;
    copy_rows(searches.args, searches.data, first..last, new, |bytes| {
        writer.write_all(bytes).map_err(|e| e.to_string())
    })?;
    writer.finish().map_err(text)?;
    transaction.commit().map_err(text)
}

fn recalls(
    target: &Target<'_>,
    searches: Searches<'_>,
    truth: &Truth,
    turnover: u32,
    rate: f64,
) -> Result<Vec<Churn>, String> {
    let searches = Searches { first_id: i64::from(turnover) * searches.data.base.count() as i64, ..searches };
    let mut out = Vec::new();
    for ef in &searches.args.filter_ef {
        let found = searches.recall(target, Shape::Plain, Some(*ef), truth, searches.encoded.len())?;
        eprintln!("{}: turnover {turnover}, ef {ef}: recall {:.4}, {rate:.0} rows/s", target.label, found.recall);
        out.push(Churn { turnover, ef: *ef, recall: found.recall, rate });
    }
    Ok(out)
}
