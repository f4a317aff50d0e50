//! Sequences.

/// What a sequence is like, for taking its next value.
#[derive(Clone, Copy, Debug)]
pub struct SequenceSpec<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// First value.
    pub start: i64,
    /// Step, not 0.
    pub increment: i64,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// Whether it goes on from the other end.
    pub cycle: bool,
    /// Values that a session may take at once.
    pub cache: i64,
}

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// The last value given out, or the first to be given out.
    pub last: i64,
    /// Whether `last` has been given out.
    pub is_called: bool,
}
