//! Every input of `fuzz/seeds/<target>/` through its target, as it is and changed a little.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{TARGETS, Target};

/// As large as a session's: deep nesting is among the inputs.
const STACK_BYTES: usize = 16 << 20;
/// Changed copies of each seed.
const CHANGES: usize = 20;

/// Runs a target with all its seeds through `judge`, and lists the inputs that broke a promise.
fn judge_seeds(judge: fn(&Target, &[u8], &mut Vec<String>)) {
    let all = move || {
        let mut broken = Vec::new();
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target.name);
            let entries = fs::read_dir(folder).expect("every target has seeds");
            let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{} has no seeds", target.name);
            for file in files {
                judge(target, &fs::read(&file).expect("a seed can be read"), &mut broken);
            }
        }
        assert!(broken.is_empty(), "inputs that break a promise:\n{}", broken.join("\n"));
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(all).expect("a thread starts");
    thread.join().expect("all seeds hold");
}

fn run(target: &Target, data: &[u8], broken: &mut Vec<String>) {
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| (target.run)(data))) {
        let cause = cause.downcast_ref::<String>().cloned().unwrap_or_default();
        broken.push(format!("{} \"{}\": {cause}", target.name, data.escape_ascii()));
    }
}

#[test]
fn seeds_hold() {
    judge_seeds(run);
}

#[test]
fn changed_seeds_hold() {
    judge_seeds(|target, seed, broken| {
        // A fixed walk, so that every run tries the same.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed.len() as u64;
        let mut random = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % limit as u64) as usize
        };
        for _ in 0..CHANGES {
            let mut data = seed.to_vec();
            for _ in 0..=random(3) {
                let at = random(data.len() + 1);
                match random(4) {
                    0 if at < data.len() => data[at] ^= 1 << random(8),
                    1 if at < data.len() => data[at] = random(256) as u8,
                    2 => data.truncate(at),
                    _ => data.insert(at, random(256) as u8),
                }
            }
            run(target, &data, broken);
        }
    });
}
