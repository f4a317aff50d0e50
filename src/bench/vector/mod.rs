//! `omendb bench vector`: vector search by index, side by side with any server that has pgvector's SQL.
//!
//! It takes any vectors (`.npy`), computes the exact neighbours itself, loads both servers by the same COPY, builds both
//! indexes by the same CREATE INDEX, and measures in windows that alternate between the servers. Recall is what SQL
//! returns against the exact neighbours; every row returned is checked to exist, to pass the filter and to come once.
//!
//! * [`args`]: the command line. [`results`]: what is measured, as values.
//! * [`dataset`], [`truth`]: vectors, filter columns, exact neighbours. [`target`]: a server.
//! * [`load`], [`search`], [`curve`], [`filter`], [`write`], [`churn`], [`memory`]: the parts, in the order in which they run.
//! * [`report`], [`plot`]: tables and image.

mod args;
mod churn;
mod curve;
mod dataset;
mod filter;
mod load;
mod memory;
mod plot;
mod report;
mod results;
mod search;
mod target;
mod truth;
mod write;

use std::fs;
use std::time::Instant;

pub use args::VectorArgs;

use args::Phase;
use dataset::Dataset;
use results::{Memory, Results, System};
use search::Searches;
use target::Target;
use truth::{Distances, Truth, fingerprint};

/// Runs the benchmark, prints its tables and writes the files that were asked for: after a failure those of what was measured.
///
/// # Errors
/// A file, a connection or a statement fails, or an answer is wrong.
pub fn run(args: &VectorArgs) -> Result<(), String> {
    let (targets, systems): (Vec<Target<'_>>, Vec<System>) = Target::all(args)?.into_iter().unzip();
    let data = Dataset::read(args)?;
    let mut results = Results { data: heading(args, &data), systems };
    eprintln!("{}", results.data);
    // What was measured before a failure is worth the time that it took.
    let outcome = measure(args, &targets, &mut results.systems, &data);
    println!("{}", report::Tables(&results));
    write_files(args, &results)?;
    outcome
}

fn measure(args: &VectorArgs, targets: &[Target<'_>], systems: &mut [System], data: &Dataset) -> Result<(), String> {
    note_memory(args, targets, systems, "before");
    load_and_build(args, targets, systems, data)?;
    let distances = Distances::new(&data.base, &data.queries, args.metric);
    let encoded = Searches::encode_all(args, data);
    let searches = Searches { args, data, distances: &distances, encoded: &encoded, first_id: 0 };
    let needs_truth = args.runs(Phase::Search) || args.runs(Phase::Churn);
    let truth = if needs_truth { exact(args, data, &distances)? } else { Truth { nearest: Vec::new() } };
    if args.runs(Phase::Search) {
        curve::run(targets, systems, searches, &truth)?;
        note_memory(args, targets, systems, "searched");
    }
    if args.runs(Phase::Filter) {
        filter::run(targets, systems, searches)?;
        note_memory(args, targets, systems, "searched with filters");
    }
    if args.runs(Phase::Insert) || args.runs(Phase::Update) {
        write::run(targets, systems, args, data)?;
        note_memory(args, targets, systems, "written");
    }
    if args.runs(Phase::Churn) {
        churn::run(targets, systems, searches, &truth)?;
        note_memory(args, targets, systems, "turned over");
    }
    Ok(())
}

fn heading(args: &VectorArgs, data: &Dataset) -> String {
    let name = args.base.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (rows, dims, queries) = (data.base.count(), data.base.dims, data.queries.count());
    let (metric, k) = (args.metric.name(), args.k);
    format!("{name}: {rows} x {dims}, {queries} queries, {metric}, {k} nearest")
}

fn load_and_build(
    args: &VectorArgs,
    targets: &[Target<'_>],
    systems: &mut [System],
    data: &Dataset,
) -> Result<(), String> {
    let named = |target: &Target<'_>, error: String| format!("{}: {error}", target.label);
    if !args.runs(Phase::Build) {
        for (target, system) in targets.iter().zip(systems.iter_mut()) {
            load::ensure(target, args, data, system).map_err(|e| named(target, e))?;
        }
        note_memory(args, targets, systems, "ready");
        return Ok(());
    }
    for (target, system) in targets.iter().zip(systems.iter_mut()) {
        let load = load::load(target, args, data).map_err(|e| named(target, e))?;
        eprintln!("{}: loaded in {:.1} s, {:.0} rows/s", target.label, load.seconds, load.rate);
        system.load = Some(load);
    }
    note_memory(args, targets, systems, "loaded");
    for (target, system) in targets.iter().zip(systems.iter_mut()) {
        let build = load::build(target, args, data.base.count()).map_err(|e| named(target, e))?;
        eprintln!("{}: index built in {:.1} s, {} bytes", target.label, build.seconds, build.bytes);
        system.build = Some(build);
    }
    note_memory(args, targets, systems, "index built");
    Ok(())
}

/// The exact neighbours among all rows, computed or from the cache file.
fn exact(args: &VectorArgs, data: &Dataset, distances: &Distances<'_>) -> Result<Truth, String> {
    let queries = args.queries.as_ref().unwrap_or(&args.base);
    let path = queries.with_extension(format!("{}.k{}.truth", args.metric.name(), args.k));
    let mark = args.cache_truth.then(|| fingerprint(&data.base, &data.queries, args.metric, args.k));
    if let Some(truth) = mark.and_then(|mark| Truth::load(&path, mark)) {
        return Ok(truth);
    }
    let start = Instant::now();
    let rows: Vec<u32> = (0..data.base.count() as u32).collect();
    let truth = distances.nearest(&rows, data.queries.count(), args.k);
    eprintln!("exact neighbours in {:.1} s", start.elapsed().as_secs_f64());
    if let Some(mark) = mark {
        truth.save(&path, mark)?;
    }
    Ok(truth)
}

fn note_memory(args: &VectorArgs, targets: &[Target<'_>], systems: &mut [System], when: &'static str) {
    if !args.runs(Phase::Memory) {
        return;
    }
    for (target, system) in targets.iter().zip(systems) {
        if let Some(bytes) = target.pid.and_then(memory::resident) {
            system.memory.push(Memory { when, bytes });
        }
    }
}

fn write_files(args: &VectorArgs, results: &Results) -> Result<(), String> {
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(results).map_err(|e| e.to_string())?;
        fs::write(path, json + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if let (Some(path), Some(image)) = (&args.plot, plot::svg(results)) {
        fs::write(path, image).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}
