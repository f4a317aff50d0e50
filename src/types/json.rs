//! `json` and `jsonb`.

/// A parsed JSON value; numbers keep their digits.
pub type JsonValue = serde_json::Value;
