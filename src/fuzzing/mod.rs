//! Beside the floors: the bodies of the fuzz targets, for tests and fuzzing builds only.
//!
//! A target takes any bytes, drives one decoder with them and panics when a promise of that decoder is broken: that no input
//! panics, that what was written is read back, that bytes sort as values do. The binaries in `fuzz/` call them under
//! coverage guidance; `replay` calls them with every input of `fuzz/seeds/`, to which each crash ever found is added, so
//! that the ordinary tests keep what fuzzing has learned.
//!
//! * [`wire`]: startup packets, frontend messages, SCRAM. [`copy`]: the three COPY readers and the writer.
//! * [`sql`]: lexer and parser. [`values`]: text and binary input and output of every type.
//! * [`keys`]: ordered keys and images against comparison. [`rows`]: stored rows.
//! * [`source`]: how structured input is taken from bytes. [`lookup`]: the types of a made-up user.

mod copy;
mod keys;
mod lookup;
#[cfg(test)]
mod replay;
mod rows;
mod source;
mod sql;
mod values;
mod wire;

/// A fuzz target.
pub struct Target {
    /// Its name: the binary's in `fuzz/` and the folder's in `fuzz/seeds/`.
    pub name: &'static str,
    /// Judges one input.
    ///
    /// # Panics
    /// When a promise is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "wire", run: wire::run },
    Target { name: "copy", run: copy::run },
    Target { name: "sql", run: sql::run },
    Target { name: "keys", run: keys::run },
    Target { name: "rows", run: rows::run },
    Target { name: "text", run: values::text },
    Target { name: "binary", run: values::binary },
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or as the target does.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(data);
}
