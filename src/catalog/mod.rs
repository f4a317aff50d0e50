//! Floor 2: what exists. Descriptors, built-in catalog data, snapshots, system relations.

pub mod descriptor;
