//! The benchmark's result table.

use std::fmt;

/// One measured figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Unit of the figures; larger is better.
    pub unit: &'static str,
    /// Median of the server under test.
    pub ours: f64,
    /// Median of the server compared with.
    pub theirs: Option<f64>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// `version()` of the servers.
    pub versions: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
}

/// Three significant digits or whole numbers, thousands separated.
pub(super) fn figure(value: f64) -> String {
    if value >= 100.0 {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, version) in ["server", "against"].iter().zip(&self.versions) {
            writeln!(f, "{label}: {version}")?;
        }
        writeln!(f)?;
        if self.versions.len() < 2 {
            writeln!(f, "| workload | unit | median |\n| --- | --- | ---: |")?;
        } else {
            writeln!(f, "| workload | unit | server | against | ratio |\n| --- | --- | ---: | ---: | ---: |")?;
        }
        for row in &self.rows {
            write!(f, "| {} | {} | {} |", row.name, row.unit, figure(row.ours))?;
            if let Some(theirs) = row.theirs {
                write!(f, " {} | {:.2} |", figure(theirs), row.ours / theirs)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
