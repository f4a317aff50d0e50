//! The results as Markdown tables.

use std::fmt::{self, Write};

use super::curve::{RECALLS, read};
use super::results::{FilterPoint, Results, System, Window};
use crate::bench::report::figure;

/// Recall that a filtered search needs to count as an answer.
const FILTER_RECALL: f64 = 0.95;

/// Shows [`Results`]; with two servers every table has ratios, larger is better for the first server.
pub struct Tables<'a>(pub &'a Results);

impl fmt::Display for Tables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Results { data, systems } = self.0;
        writeln!(f, "{data}\n")?;
        for (label, system) in labels(systems).iter().zip(systems) {
            writeln!(f, "{label}: {} ({})", system.version, system.settings)?;
        }
        build(f, systems)?;
        curves(f, systems)?;
        readings(f, systems)?;
        filters(f, systems)?;
        best_filters(f, systems)?;
        writes(f, systems)?;
        churn(f, systems)?;
        memory(f, systems)
    }
}

/// How the servers are called: by product, or by role when both are the same product.
pub fn labels(systems: &[System]) -> Vec<String> {
    let product = |system: &System| if system.version.contains("OmenDB") { "OmenDB" } else { "pgvector" }.to_string();
    let names: Vec<String> = systems.iter().map(product).collect();
    match &names[..] {
        [a, b] if a == b => vec![format!("{a} (server)"), format!("{b} (against)")],
        _ => names,
    }
}

/// A table's head: left-aligned names, then right-aligned columns.
fn head(f: &mut fmt::Formatter<'_>, left: &[&str], right: &[String]) -> fmt::Result {
    let all = left.iter().map(ToString::to_string).chain(right.iter().cloned()).collect::<Vec<_>>().join(" | ");
    writeln!(f, "\n| {all} |")?;
    writeln!(f, "|{}{}", " --- |".repeat(left.len()), " ---: |".repeat(right.len()))
}

/// Columns of each server, and one of ratios when there are two.
fn columns(systems: &[System], names: &[&str], ratio: Option<&str>) -> Vec<String> {
    let mut out = Vec::new();
    for label in labels(systems) {
        out.extend(names.iter().map(|name| format!("{label} {name}").trim_end().to_string()));
    }
    if let (Some(ratio), true) = (ratio, systems.len() > 1) {
        out.push(ratio.into());
    }
    out
}

/// One row of figures where more is better, or less: the ratio says how many times better the first is. A size of 0 is one
/// that the server does not tell.
fn line(f: &mut fmt::Formatter<'_>, name: &str, values: &[Option<f64>], more_is_better: bool) -> fmt::Result {
    let values: Vec<Option<f64>> = values.iter().map(|value| value.filter(|value| *value > 0.0)).collect();
    if values.iter().all(Option::is_none) {
        return Ok(());
    }
    write!(f, "| {name} |")?;
    for value in &values {
        write!(f, " {} |", value.map_or("–".into(), figure))?;
    }
    if let [ours, theirs] = values[..] {
        let ratio = ours.zip(theirs).map(|(a, b)| if more_is_better { a / b } else { b / a });
        write!(f, " {} |", ratio.map_or("–".into(), |r| format!("{r:.2}")))?;
    }
    writeln!(f)
}

fn build(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.load.is_none() && s.build.is_none()) {
        return Ok(());
    }
    head(f, &["load and build"], &columns(systems, &[""], Some("times better")))?;
    let each = |value: &dyn Fn(&System) -> Option<f64>| systems.iter().map(value).collect::<Vec<_>>();
    line(f, "COPY binary, rows/s", &each(&|s| s.load.as_ref().map(|l| l.rate)), true)?;
    line(f, "table, MB", &each(&|s| s.load.as_ref().map(|l| l.bytes as f64 / 1e6)), false)?;
    line(f, "CREATE INDEX, s", &each(&|s| s.build.as_ref().map(|b| b.seconds)), false)?;
    line(f, "index, bytes/row", &each(&|s| s.build.as_ref().map(|b| b.bytes as f64 / b.rows as f64)), false)?;
    writeln!(f)?;
    for build in systems.iter().filter_map(|s| s.build.as_ref()) {
        writeln!(f, "    {}", build.statement)?;
    }
    Ok(())
}

fn curves(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.curve.is_empty()) {
        return Ok(());
    }
    writeln!(f)?;
    for (label, system) in labels(systems).iter().zip(systems) {
        writeln!(f, "{label}: {}", system.plan)?;
    }
    let names = ["recall", "QPS", "p50 µs", "p99 µs"];
    head(f, &["ef_search", "clients"], &columns(systems, &names, Some("QPS ratio")))?;
    for point in &systems[0].curve {
        write!(f, "| {} | {} |", point.ef, point.clients)?;
        let points: Vec<_> =
            systems.iter().map(|s| s.curve.iter().find(|p| p.ef == point.ef && p.clients == point.clients)).collect();
        for point in &points {
            match point {
                Some(point) => write!(f, " {:.4} |{}", point.recall, cells(&point.window))?,
                None => write!(f, " – | – | – | – |")?,
            }
        }
        if let [Some(a), Some(b)] = points[..] {
            write!(f, " {:.2} |", a.window.rate / b.window.rate)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn cells(window: &Window) -> String {
    format!(" {} | {} | {} |", figure(window.rate), figure(window.p50_us), figure(window.p99_us))
}

fn readings(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    let mut clients: Vec<usize> = systems.iter().flat_map(|s| s.curve.iter().map(|p| p.clients)).collect();
    clients.sort_unstable();
    clients.dedup();
    if clients.is_empty() {
        return Ok(());
    }
    head(f, &["recall", "clients"], &columns(systems, &["QPS"], Some("ratio")))?;
    for recall in RECALLS {
        for clients in &clients {
            let readings: Vec<_> = systems.iter().map(|s| read(&s.curve, *clients, recall)).collect();
            let mut row = format!("| {recall:.2} | {clients} |");
            for reading in &readings {
                write!(row, " {reading} |")?;
            }
            if let [ours, theirs] = readings[..] {
                write!(row, " {} |", ours.ratio(theirs))?;
            }
            writeln!(f, "{row}")?;
        }
    }
    Ok(())
}

fn filters(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.filters.is_empty()) {
        return Ok(());
    }
    let names = ["recall", "QPS", "too few rows", "plan"];
    head(f, &["filter", "keeps", "ef_search"], &columns(systems, &names, Some("QPS ratio")))?;
    for point in &systems[0].filters {
        let ef = point.ef.map_or("by hand".into(), |ef| ef.to_string());
        write!(f, "| {} | {} % | {ef} |", point.column, point.keep)?;
        let points: Vec<Option<&FilterPoint>> = systems
            .iter()
            .map(|s| s.filters.iter().find(|p| (p.column, p.keep, p.ef) == (point.column, point.keep, point.ef)))
            .collect();
        for point in &points {
            match point {
                Some(p) => {
                    let (rate, short) = (figure(p.window.rate), 100.0 * p.short);
                    write!(f, " {:.4} | {rate} | {short:.0} % | {} |", p.recall, p.plan)?;
                }
                None => write!(f, " – | – | – | – |")?,
            }
        }
        if let [Some(a), Some(b)] = points[..] {
            write!(f, " {:.2} |", a.window.rate / b.window.rate)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// For each filter the fastest way with enough recall, the statement written by hand included.
fn best_filters(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.filters.is_empty()) {
        return Ok(());
    }
    let recall = format!("filter, recall at least {FILTER_RECALL}");
    head(f, &[&recall, "keeps"], &columns(systems, &["best QPS", "by"], Some("ratio")))?;
    let mut last = None;
    for point in &systems[0].filters {
        if last.replace((point.column, point.keep)) == Some((point.column, point.keep)) {
            continue;
        }
        write!(f, "| {} | {} % |", point.column, point.keep)?;
        let best: Vec<Option<&FilterPoint>> = systems
            .iter()
            .map(|s| {
                let same = s.filters.iter().filter(|p| (p.column, p.keep) == (point.column, point.keep));
                same.filter(|p| p.recall >= FILTER_RECALL).max_by(|a, b| a.window.rate.total_cmp(&b.window.rate))
            })
            .collect();
        for point in &best {
            match point {
                Some(p) => {
                    let by = p.ef.map_or("hand".into(), |ef| format!("ef_search {ef}"));
                    write!(f, " {} | {by} |", figure(p.window.rate))?;
                }
                None => write!(f, " not reached | – |")?,
            }
        }
        match best[..] {
            [Some(a), Some(b)] => write!(f, " {:.2} |", a.window.rate / b.window.rate)?,
            [_, _] => write!(f, " – |")?,
            _ => {}
        }
        writeln!(f)?;
    }
    Ok(())
}

fn writes(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.writes.is_empty()) {
        return Ok(());
    }
    head(f, &["durable single-row writes", "clients"], &columns(systems, &["/s", "p50 µs", "p99 µs"], Some("ratio")))?;
    for row in &systems[0].writes {
        write!(f, "| {} | {} |", row.name, row.clients)?;
        let found: Vec<_> =
            systems.iter().map(|s| s.writes.iter().find(|w| w.name == row.name && w.clients == row.clients)).collect();
        for write in &found {
            write!(f, "{}", write.map_or(" – | – | – |".into(), |w| cells(&w.window)))?;
        }
        if let [Some(a), Some(b)] = found[..] {
            write!(f, " {:.2} |", a.window.rate / b.window.rate)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn churn(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.churn.is_empty()) {
        return Ok(());
    }
    head(f, &["turnovers", "ef_search"], &columns(systems, &["recall", "rows/s"], None))?;
    for row in &systems[0].churn {
        write!(f, "| {} | {} |", row.turnover, row.ef)?;
        for system in systems {
            match system.churn.iter().find(|c| (c.turnover, c.ef) == (row.turnover, row.ef)) {
                Some(c) if c.turnover > 0 => write!(f, " {:.4} | {} |", c.recall, figure(c.rate))?,
                Some(c) => write!(f, " {:.4} | – |", c.recall)?,
                None => write!(f, " – | – |")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn memory(f: &mut fmt::Formatter<'_>, systems: &[System]) -> fmt::Result {
    if systems.iter().all(|s| s.memory.is_empty()) {
        return Ok(());
    }
    head(f, &["resident memory, MB"], &columns(systems, &[""], None))?;
    let mut times: Vec<&str> = systems.iter().flat_map(|s| s.memory.iter().map(|m| m.when)).collect();
    let mut seen = Vec::new();
    times.retain(|when| {
        !seen.contains(when) && {
            seen.push(*when);
            true
        }
    });
    for when in times {
        let of = |s: &System| s.memory.iter().find(|m| m.when == when).map(|m| m.bytes as f64 / 1e6);
        write!(f, "| {when} |")?;
        for system in systems {
            write!(f, " {} |", of(system).map_or("–".into(), figure))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::results::{Build, Churn, Load, Memory, Point, Write};
    use super::*;

    fn system(version: &str, speed: f64) -> System {
        let window = Window { rate: 100.0 * speed, p50_us: 10.0, p99_us: 20.0 };
        System {
            version: version.into(),
            load: Some(Load { seconds: 1.0, rate: 1000.0 * speed, bytes: 5_000_000 }),
            build: Some(Build { statement: "CREATE INDEX".into(), seconds: 10.0 / speed, bytes: 4000, rows: 10 }),
            plan: "Index Scan using i".into(),
            curve: vec![
                Point { ef: 10, clients: 1, recall: 0.85, window },
                Point { ef: 99, clients: 1, recall: 0.97, window: Window { rate: 50.0 * speed, ..window } },
            ],
            filters: vec![FilterPoint {
                column: "cat",
                keep: 1.0,
                ef: None,
                recall: 1.0,
                short: 0.25,
                plan: "Seq Scan".into(),
                window,
            }],
            writes: vec![Write { name: "insert", clients: 2, window }],
            churn: [0, 1].map(|turnover| Churn { turnover, ef: 40, recall: 0.9, rate: 100.0 * speed }).to_vec(),
            memory: vec![Memory { when: "loaded", bytes: 3_000_000 }],
            ..System::default()
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_head() {
        let both = vec![system("OmenDB 1", 4.0), system("PostgreSQL 18", 2.0)];
        for systems in [both, vec![system("PostgreSQL 18", 1.0)]] {
            let text = Tables(&Results { data: "data".into(), systems }).to_string();
            let mut width = None;
            for row in text.lines() {
                let cells = row.matches('|').count();
                if cells == 0 {
                    width = None;
                } else {
                    assert_eq!(*width.get_or_insert(cells), cells, "{row}\n{text}");
                }
            }
        }
    }

    #[test]
    fn ratios_say_how_many_times_better() {
        let systems = vec![system("OmenDB 1", 4.0), system("PostgreSQL 18", 2.0)];
        let text = Tables(&Results { data: "data".into(), systems }).to_string();
        for row in [
            "| COPY binary, rows/s | 4,000 | 2,000 | 2.00 |",
            "| CREATE INDEX, s | 2.5 | 5.0 | 2.00 |",
            "| 0.90 | 1 | 300 | 150 | 2.00 |",
            "| 0.99 | 1 | not reached | not reached | – |",
            "| cat | 1 % | by hand | 1.0000 | 400 | 25 % | Seq Scan | 1.0000 | 200 | 25 % | Seq Scan | 2.00 |",
            "| cat | 1 % | 400 | hand | 200 | hand | 2.00 |",
            "| insert | 2 | 400 | 10.0 | 20.0 | 200 | 10.0 | 20.0 | 2.00 |",
            "| 0 | 40 | 0.9000 | – | 0.9000 | – |",
            "| 1 | 40 | 0.9000 | 400 | 0.9000 | 200 |",
            "| loaded | 3.0 | 3.0 |",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
        assert_eq!(labels(&[system("x", 1.0), system("y", 1.0)]), ["pgvector (server)", "pgvector (against)"]);
    }
}
