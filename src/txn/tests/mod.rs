//! Tests of transactions as a whole.
