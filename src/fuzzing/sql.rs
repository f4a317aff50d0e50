//! SQL text: every text gives statements or an error that points into it, and a statement's own text parses alone.

use crate::sql::parser;

/// The text.
pub(super) fn run(data: &[u8]) {
    let Ok(text) = crate::types::wire::text_from(data) else { return };
    match parser::parse(text) {
        Ok(statements) => {
            for statement in statements {
                let alone = parser::parse(&statement.text).expect("a statement's text parses");
                assert_eq!(alone.len(), 1, "{:?} is one statement", statement.text);
            }
        }
        Err(error) => {
            assert!(!error.sqlstate().as_str().starts_with("XX"), "{error:?}");
            let position = error.report().position.map_or(0, |position| position as usize);
            assert!(position <= text.chars().count() + 1, "position {position} is outside of the text");
        }
    }
    let _ = parser::parse_expr(text);
    let _ = parser::parse_query(text);
    let _ = parser::parse_type(text);
}
