//! What is loaded: the vectors, and two columns to filter by.
//!
//! Both columns hold 0 to 9,999, each value for the same number of rows, so `column < 100` keeps one row in a hundred
//! exactly. They differ in where those rows lie:
//!
//! ```text
//!   cat    a random order of the rows:           the kept rows lie anywhere
//!   near   ordered by the nearest of 100 random  the kept rows are whole regions, and most
//!          rows, then by the distance to it:     queries come from somewhere else
//! ```
//!
//! The second is the hard case for an index that looks for neighbours first and filters then.

use super::args::VectorArgs;
use super::truth::Distances;
use crate::bench::data::{Seeded, Vectors};
use crate::bench::npy;

/// Values of a filter column.
pub const CATEGORIES: usize = 10_000;
/// Regions that the correlated column is made of.
const REGIONS: usize = 100;
/// Queries held out of the base when no file has any.
const HELD_OUT: usize = 1000;

/// Vectors, queries and filter columns.
pub struct Dataset {
    /// Rows of the table: row `i` has id `i`.
    pub base: Vectors,
    /// Queries.
    pub queries: Vectors,
    /// The column that has nothing to do with the vector.
    pub cat: Vec<i32>,
    /// The column that goes with the vector.
    pub near: Vec<i32>,
}

/// A filter column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterColumn {
    /// Uncorrelated.
    Cat,
    /// Correlated.
    Near,
}

impl FilterColumn {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cat, Self::Near];

    /// The column's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cat => "cat",
            Self::Near => "near",
        }
    }
}

impl Dataset {
    /// Reads the files of the command line and makes the columns.
    ///
    /// # Errors
    /// A file is unreadable, or base and queries do not go together.
    pub fn read(args: &VectorArgs) -> Result<Self, String> {
        let mut base = npy::read(&args.base, args.rows)?;
        let mut queries = match &args.queries {
            Some(path) => npy::read(path, Some(args.query_count))?,
            None => {
                let held = HELD_OUT.min(base.count() / 2);
                let values = base.values.split_off((base.count() - held) * base.dims);
                Vectors { dims: base.dims, values }
            }
        };
        queries.values.truncate(args.query_count * queries.dims);
        if base.dims != queries.dims {
            return Err(format!("the base has {} dimensions and the queries {}", base.dims, queries.dims));
        }
        if base.count() == 0 || queries.count() == 0 {
            return Err("there is nothing to search or nothing to look for".into());
        }
        let mut dataset = Self { base, queries, cat: Vec::new(), near: Vec::new() };
        dataset.cat = spread(&dataset.random_order());
        dataset.near = spread(&dataset.region_order(args));
        Ok(dataset)
    }

    /// The value of a filter column.
    pub fn filter_values(&self, column: FilterColumn) -> &[i32] {
        match column {
            FilterColumn::Cat => &self.cat,
            FilterColumn::Near => &self.near,
        }
    }

    /// Rows whose value is under the bound.
    pub fn matching(&self, column: FilterColumn, bound: i32) -> Vec<u32> {
        let values = self.filter_values(column);
        (0..values.len() as u32).filter(|row| values[*row as usize] < bound).collect()
    }

    fn random_order(&self) -> Vec<u32> {
        let mut random = Seeded::new(11);
        let mut order: Vec<u32> = (0..self.base.count() as u32).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        order
    }

    fn region_order(&self, args: &VectorArgs) -> Vec<u32> {
        let mut random = Seeded::new(12);
        let count = self.base.count();
        let mut centres = Vectors { dims: self.base.dims, values: Vec::new() };
        for _ in 0..REGIONS.min(count) {
            centres.values.extend_from_slice(self.base.row(random.below(count as u64) as usize));
        }
        let regions: Vec<u32> = (0..centres.count() as u32).collect();
        let nearest = Distances::new(&centres, &self.base, args.metric).nearest(&regions, count, 1).nearest;
        // A vector without a distance to anything comes last.
        let place = |row: u32| nearest[row as usize].first().copied().unwrap_or((u32::MAX, 0.0));
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by(|a, b| {
            let (a, b) = (place(*a), place(*b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        order
    }
}

/// Values 0 to 9,999 in the order given, evenly.
fn spread(order: &[u32]) -> Vec<i32> {
    let mut values = vec![0; order.len()];
    for (rank, row) in order.iter().enumerate() {
        values[*row as usize] = (rank * CATEGORIES / order.len()) as i32;
    }
    values
}

/// The bound that keeps a percentage of the rows.
pub fn bound_of(keep: f64) -> i32 {
    (keep / 100.0 * CATEGORIES as f64).round().max(1.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_keeps_its_share() {
        let mut random = Seeded::new(3);
        let mut order: Vec<u32> = (0..20_000).collect();
        order.sort_by_cached_key(|_| random.next());
        let values = spread(&order);
        for (keep, kept) in [(50.0, 10_000), (10.0, 2000), (1.0, 200), (0.1, 20), (0.01, 2), (100.0, 20_000)] {
            assert_eq!(values.iter().filter(|v| **v < bound_of(keep)).count(), kept, "{keep} %");
        }
    }
}
