//! Path cases answered by PostgreSQL.

use super::input;
use crate::types::Datum;

#[test]
fn text_is_canonical_as_in_postgres() {
    for (text, want) in [
        ("$.a[*] ? (@ > 2)", "$.\"a\"[*]?(@ > 2)"),
        ("$.a == 1", "($.\"a\" == 1)"),
        ("strict $.\"a b\".c[0, 2 to last].type()", "strict $.\"a b\".\"c\"[0,2 to last].type()"),
        ("$.** {1 to 3}.x", "$.**{1 to 3}.\"x\""),
        ("$.*[last - 1]", "$.*[last - 1]"),
        (
            "$.a ? (exists(@.b) && !(@.c == null) || @.d like_regex \"^a\" flag \"i\")",
            "$.\"a\"?(exists (@.\"b\") && !(@.\"c\" == null) || @.\"d\" like_regex \"^a\" flag \"i\")",
        ),
        ("($.a + 1) * -2", "(($.\"a\" + 1) * -2)"),
        ("$.a + 1 * 2", "($.\"a\" + 1 * 2)"),
        ("$ ? (@ starts with \"x\")", "$?(@ starts with \"x\")"),
        ("$ ? ((@ > 1) is unknown)", "$?((@ > 1) is unknown)"),
        ("$x.a", "$\"x\".\"a\""),
        ("$.a.double() / 2", "($.\"a\".double() / 2)"),
        ("$.a ? (1 < 2 && 3 > 2 && 4 == 4)", "$.\"a\"?((1 < 2 && 3 > 2) && 4 == 4)"),
        ("1.50", "1.50"),
        ("- $.a", "(-$.\"a\")"),
        ("!($.a==1)", "!($.\"a\" == 1)"),
        ("$.**{2}", "$.**{2}"),
        ("$.**{last}", "$.**{last}"),
        ("", "22P02 invalid input syntax for type jsonpath: \"\""),
        ("$.", "42601 syntax error at end of jsonpath input"),
        ("$.a ?", "42601 syntax error at end of jsonpath input"),
        ("@", "42601 @ is not allowed in root expressions"),
        ("last", "42601 LAST is allowed only in array subscripts"),
        ("$.a ? (@ > )", "42601 syntax error at or near \")\" of jsonpath input"),
    ] {
        let shown = match input(text) {
            Ok(Datum::Text(value)) => value.to_string(),
            Ok(other) => panic!("not text: {other:?}"),
            Err(error) => format!("{} {}", error.sqlstate().as_str(), error.report().message),
        };
        assert_eq!(shown, want, "{text}");
    }
}
