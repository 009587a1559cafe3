//! Statistics of several runs.

use std::fmt;

/// The values of all runs, sorted. `Display` shows the median, minimum and maximum.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.0[0], self.0[self.0.len() - 1]);
        f.pad(&format!("{:.0} ({min:.0}–{max:.0})", self.median()))
    }
}
