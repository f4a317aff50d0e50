//! Texts that PostgreSQL 18.4 prints for the same expressions.
