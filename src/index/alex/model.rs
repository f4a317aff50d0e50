//! Linear models from keys to positions, and the search that corrects them.
//!
//! A model is a guess only: the search starts at the predicted position and widens exponentially until the answer is
//! bracketed, so a wrong model costs time and never an answer (ALEX, Ding et al., SIGMOD 2020, section 3.2).

/// Predicts the position of a key in an ascending array.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Model {
    base: u64,
    slope: f64,
    intercept: f64,
}

impl Model {
    /// The least-squares line through (key, position * scale) of ascending keys.
    pub(super) fn fit(keys: impl ExactSizeIterator<Item = u64> + Clone, scale: f64) -> Self {
        let count = keys.len() as f64;
        let Some(base) = keys.clone().next() else { return Self::default() };
        let (mut sum_x, mut sum_y) = (0.0, 0.0);
        for (position, key) in keys.clone().enumerate() {
            sum_x += (key - base) as f64;
            sum_y += position as f64 * scale;
        }
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (position, key) in keys.enumerate() {
            let x = (key - base) as f64 - mean_x;
            covariance += x * (position as f64 * scale - mean_y);
            variance += x * x;
        }
        let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
        Self { base, slope, intercept: mean_y - slope * mean_x }
    }

    /// The predicted position, within `0..len`. `len` must not be zero.
    #[inline]
    pub(super) fn predict(&self, key: u64, len: usize) -> usize {
        let offset = if key >= self.base { (key - self.base) as f64 } else { -((self.base - key) as f64) };
        // Casting to an integer saturates, so negative and huge predictions land on an end.
        ((offset * self.slope + self.intercept) as usize).min(len - 1)
    }
}

/// The last position whose key is at or below `key`; 0 when there is none. Starts at `guess` and widens.
#[inline]
pub(super) fn search_from(keys: &[u64], key: u64, guess: usize) -> usize {
    let len = keys.len();
    if keys[guess] <= key {
        let (mut low, mut step) = (guess, 1);
        let mut high = guess + 1;
        while high < len && keys[high] <= key {
            low = high;
            step *= 2;
            high += step;
        }
        let high = high.min(len);
        low + keys[low..high].partition_point(|slot| *slot <= key) - 1
    } else {
        let (mut high, mut step) = (guess, 1);
        let mut low = guess.saturating_sub(1);
        while low > 0 && keys[low] > key {
            high = low;
            step *= 2;
            low = low.saturating_sub(step);
        }
        (low + keys[low..high].partition_point(|slot| *slot <= key)).saturating_sub(1)
    }
}

/// As [`search_from`], without a guess.
#[inline]
pub(super) fn search(keys: &[u64], key: u64) -> usize {
    keys.partition_point(|slot| *slot <= key).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guess_leads_to_the_answer() {
        let keys = [2u64, 2, 5, 5, 5, 9, 100, u64::MAX];
        for key in [0, 1, 2, 3, 5, 8, 9, 10, 100, 101, u64::MAX] {
            for guess in 0..keys.len() {
                assert_eq!(search_from(&keys, key, guess), search(&keys, key), "{key} from {guess}");
            }
        }
    }

    #[test]
    fn a_line_is_predicted_exactly() {
        let keys: Vec<u64> = (0..100).map(|i| (1 << 40) | (i * 64)).collect();
        let model = Model::fit(keys.iter().copied(), 1.0);
        for (position, key) in keys.iter().enumerate() {
            assert!(model.predict(*key, keys.len()).abs_diff(position) <= 1);
        }
        assert_eq!((model.predict(0, 100), model.predict(u64::MAX, 100)), (0, 99));
    }
}
