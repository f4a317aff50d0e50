//! Data, options and expected results were run through PostgreSQL 18.4.

use proptest::prelude::*;

use super::{CopyOptions, CopyReader, CopyWriter, Field};
use crate::sql::ast::CopyValue;
use crate::types::column::Batch;
use crate::types::io::IoContext;
use crate::types::{Datum, Oid};

/// `name=value` pairs separated by blanks; `*` is the star, `(a)` a column.
fn given(text: &str) -> Vec<(String, CopyValue)> {
    text.split_whitespace()
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "-"));
            let value = match value {
                "-" => CopyValue::None,
                "*" => CopyValue::Star,
                _ => match value.strip_prefix('(') {
                    Some(column) => CopyValue::Columns(vec![column.trim_end_matches(')').to_owned()]),
                    None => CopyValue::Text(value.replace("NL", "\n").replace("TAB", "\t").replace("NONE", "")),
                },
            };
            (name.to_owned(), value)
        })
        .collect()
}

fn read_pieces(options: &str, data: &[u8], piece: usize) -> String {
    let options = CopyOptions::new(&given(options), true).unwrap();
    let mut reader = CopyReader::new(options, "ct", vec!["a".into(), "b".into(), "c".into()]);
    let mut rows = Vec::new();
    let mut drain = |reader: &mut CopyReader| -> Result<(), String> {
        loop {
            match reader.next() {
                Ok(true) => rows.push(
                    (0..3)
                        .map(|index| match reader.field(index) {
                            Field::Null => "NULL".to_owned(),
                            Field::Default => "DEFAULT".to_owned(),
                            Field::Value(value) => format!("{}", value.escape_ascii()),
                        })
                        .collect::<Vec<_>>()
                        .join("|"),
                ),
                Ok(false) => return Ok(()),
                Err(error) => {
                    let report = error.report();
                    let context = report.context.as_deref().unwrap_or("-");
                    return Err(format!("{} {} @ {context}", error.sqlstate().as_str(), report.message));
                }
            }
        }
    };
    for part in data.chunks(piece) {
        reader.push(part);
        if let Err(message) = drain(&mut reader) {
            return message;
        }
    }
    reader.finish();
    match drain(&mut reader) {
        Ok(()) => rows.join("; "),
        Err(message) => message,
    }
}

fn check(options: &str, data: &[u8], expected: &str) {
    for piece in [1, 3, 1000] {
        assert_eq!(read_pieces(options, data, piece), expected, "{} in pieces of {piece}", data.escape_ascii());
    }
}

#[test]
fn text_is_read() {
    check("", b"1\tx\ty\n2\t\\N\tz\n", "1|x|y; 2|NULL|z");
    check("", b"1\ta\\tb\\x41\\101\\q\\\\\t\n", "1|a\\tbAAq\\\\|");
    check("", b"1\ta\\\nb\tc\n", "1|a\\nb|c");
    check("", b"1\ta\tc\n\\.\n", "1|a|c");
    check("", b"1\ta\tc\n\\.\ngarbage", "1|a|c");
    check("", b"1\ta\tc\r2\tb\tc\r", "1|a|c; 2|b|c");
    check("", b"1\ta\tc\r\n2\tb\tc\r\n", "1|a|c; 2|b|c");
    check("", b"1\tx\ty", "1|x|y");
    check("", b"1\tx\ty\\", "1|x|y");
    check("header", b"a\tb\tc\n1\t2\t3\n", "1|2|3");
    check("default=D", b"1\tD\tD\n", "1|DEFAULT|DEFAULT");
}

#[test]
fn bad_text_is_reported() {
    check("", b"1\tx\n", "22P04 missing data for column \"c\" @ COPY ct, line 1: \"1\tx\"");
    check("", b"1\tx\ty\tz\n", "22P04 extra data after last expected column @ COPY ct, line 1: \"1\tx\ty\tz\"");
    check("", b"1\ta\tc\n\\.x\n", "22P04 end-of-copy marker is not alone on its line @ COPY ct, line 2");
    check("", b"1\ta\tc\\.\n", "22P04 end-of-copy marker is not alone on its line @ COPY ct, line 1");
    check("", b"1\ta\tc\r\n2\tb\tc\n", "22P04 literal newline found in data @ COPY ct, line 2");
    check("", b"1\ta\tc\n2\tb\tc\r\n", "22P04 literal carriage return found in data @ COPY ct, line 2");
    check("", b"1\ta\tc\r\n\\.\n", "22P04 end-of-copy marker does not match previous newline style @ COPY ct, line 2");
    check("", b"1\ta\t\xff\n", "22021 invalid byte sequence for encoding \"UTF8\": 0xff @ COPY ct, line 1");
    check(
        "",
        b"1\ta\t\\xff\n",
        "22021 invalid byte sequence for encoding \"UTF8\": 0xff @ COPY ct, line 1: \"1\ta\t\\xff\"",
    );
    check("", b"1\ta\t\0\n", "22021 invalid byte sequence for encoding \"UTF8\": 0x00 @ COPY ct, line 1");
    check(
        "header=match",
        b"a\t\\N\tc\n1\t2\t3\n",
        "22P04 column name mismatch in header line field 2: got null value (\"\\N\"), expected \"b\" @ COPY ct, line 1: \
         \"a\t\\N\tc\"",
    );
}

#[test]
fn csv_is_read() {
    check("format=csv", b"1,\"a,b\",\"c\"\"d\"\n2,,\"\"\n", "1|a,b|c\\\"d; 2|NULL|");
    check("format=csv", b"1,\"a\nb\",c\n", "1|a\\nb|c");
    check("format=csv", b"1,a\"b\"c,d\n", "1|abc|d");
    check("format=csv", b"1,\\.,c\n", "1|\\\\.|c");
    check("format=csv header=match", b"a,b,c\n1,2,3\n", "1|2|3");
    check("format=csv force_not_null=(c) force_null=(b)", b"1,\"\",\n", "1|NULL|");
    check("format=csv quote=' escape=\\", b"1,'a\\'b',c\n", "1|a\\'b|c");
    check("format=csv default=D", b"1,\"D\",D\n", "1|D|DEFAULT");
}

#[test]
fn bad_csv_is_reported() {
    check("format=csv", b"1,\"a\nb,c\n", "22P04 unterminated CSV quoted field @ COPY ct, line 1: \"1,\"a\nb,c\n\"");
    check("format=csv", b"1,a\n", "22P04 missing data for column \"c\" @ COPY ct, line 1: \"1,a\"");
    check("format=csv", b"1,a,b\r\n2,a\n,b\r\n", "22P04 unquoted newline found in data @ COPY ct, line 2");
    check("format=csv", b"1,a,b\n2,a\r,b\n", "22P04 unquoted carriage return found in data @ COPY ct, line 2");
    check(
        "format=csv header=match",
        b"a,b\n1,2,3\n",
        "22P04 wrong number of fields in header line: got 2, expected 3 @ COPY ct, line 1: \"a,b\"",
    );
}

#[test]
fn binary_is_read() {
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let with = |rest: &[u8]| [&header[..], rest].concat();
    check("format=binary", b"", "22P04 COPY file signature not recognized @ -");
    check("format=binary", &header[..11], "22P04 invalid COPY file header (missing flags) @ -");
    check("format=binary", header, "");
    check("format=binary", &with(b"\xff\xff"), "");
    check("format=binary", &with(b"\xff\xffx"), "22P04 received copy data after EOF marker @ COPY ct, line 1");
    check("format=binary", &with(b"\0\x02"), "22P04 row field count is 2, expected 3 @ COPY ct, line 1");
    let row = b"\0\x03\0\0\0\x04\0\0\0\x01\0\0\0\x01x\xff\xff\xff\xff";
    check("format=binary", &with(row), "\\x00\\x00\\x00\\x01|x|NULL");
    check("format=binary", &with(&[&row[..], b"\xff\xff"].concat()), "\\x00\\x00\\x00\\x01|x|NULL");
    check("format=binary", &with(b"\0\x03\xff\xff\xff\xfe"), "22P04 invalid field size @ COPY ct, line 1, column a");
    check("format=binary", &with(b"\0\x03\0\0"), "22P04 unexpected EOF in COPY data @ COPY ct, line 1, column a");
}

#[test]
fn options_are_checked() {
    let table = [
        ("delimiter=ab", false, "0A000 COPY delimiter must be a single one-byte character"),
        ("delimiter=NL", false, "22023 COPY delimiter cannot be newline or carriage return"),
        ("delimiter=a", false, "22023 COPY delimiter cannot be \"a\""),
        ("null=aNL", false, "22023 COPY null representation cannot use newline or carriage return"),
        ("quote=x", false, "0A000 COPY QUOTE requires CSV mode"),
        ("format=csv quote=,", false, "22023 COPY delimiter and quote must be different"),
        ("escape=a", false, "0A000 COPY ESCAPE requires CSV mode"),
        ("force_quote=*", false, "0A000 COPY FORCE_QUOTE requires CSV mode"),
        ("format=csv force_quote=*", true, "0A000 COPY FORCE_QUOTE cannot be used with COPY FROM"),
        ("format=csv force_not_null=(a)", false, "22023 COPY FORCE_NOT_NULL cannot be used with COPY TO"),
        ("force_null=(a)", true, "0A000 COPY FORCE_NULL requires CSV mode"),
        ("format=binary delimiter=,", false, "42601 cannot specify DELIMITER in BINARY mode"),
        ("format=binary header", false, "0A000 cannot specify HEADER in BINARY mode"),
        ("header=match", false, "0A000 cannot use \"match\" with HEADER in COPY TO"),
        ("header=foo", false, "42601 header requires a Boolean value or \"match\""),
        ("format=foo", false, "22023 COPY format \"foo\" not recognized"),
        ("format=csv format=csv", false, "42601 conflicting or redundant options"),
        ("foo", false, "42601 option \"foo\" not recognized"),
        ("delimiter", true, "42601 delimiter requires a parameter"),
        ("default=x", false, "0A000 COPY DEFAULT cannot be used with COPY TO"),
        ("default=\\N", true, "0A000 NULL specification and DEFAULT specification cannot be the same"),
        ("null=TAB", false, "22023 COPY delimiter character must not appear in the NULL specification"),
        ("on_error=foo", true, "22023 COPY ON_ERROR \"foo\" not recognized"),
        ("on_error=ignore format=binary", true, "42601 only ON_ERROR STOP is allowed in BINARY mode"),
        ("reject_limit=1", true, "22023 COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE"),
        ("force_null=x format=csv", true, "22023 argument to option \"force_null\" must be a list of column names"),
        ("freeze=maybe", true, "42601 freeze requires a Boolean value"),
    ];
    for (options, from, message) in table {
        let error = CopyOptions::new(&given(options), from).unwrap_err();
        assert_eq!(format!("{} {}", error.sqlstate().as_str(), error.report().message), message, "{options}");
    }
}

fn write(options: &str, columns: &[&str], values: &[Datum]) -> String {
    let types: Vec<Oid> =
        values.iter().map(|value| if matches!(value, Datum::Int4(_)) { Oid::INT4 } else { Oid::TEXT }).collect();
    let options = CopyOptions::new(&given(options), false).unwrap();
    let mut writer = CopyWriter::new(options, columns.iter().map(|name| (*name).to_owned()).collect(), &types);
    let batch = Batch::from_rows(&types, &[values.to_vec()]);
    let mut out = Vec::new();
    writer.begin(&mut out);
    writer.encode_batch(&batch, 0..1, &IoContext::fixed(), &mut out).unwrap();
    writer.finish(&mut out);
    let mut shown = String::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        shown.push_str(&rest[5..=length].escape_ascii().to_string());
        rest = &rest[1 + length..];
    }
    shown
}

#[test]
fn rows_are_written() {
    let text = Datum::text;
    assert_eq!(write("format=csv", &["a"], &[text("\\.")]), "\\\"\\\\.\\\"\\n");
    assert_eq!(write("format=csv", &["a", "b"], &[text("\\."), text("x")]), "\\\\.,x\\n");
    assert_eq!(
        write("", &["a", "b", "c"], &[text("a\tb\nc\r\\d\x08\x0b\x0c\x01"), Datum::Null, text("")]),
        "a\\\\tb\\\\nc\\\\r\\\\\\\\d\\\\b\\\\v\\\\f\\x01\\t\\\\N\\t\\n"
    );
    assert_eq!(
        write("format=csv", &["a", "b", "c", "d"], &[text("a\tb\nd\""), Datum::Null, text(""), text("a,b")]),
        "\\\"a\\tb\\nd\\\"\\\"\\\",,\\\"\\\",\\\"a,b\\\"\\n"
    );
    assert_eq!(write("format=csv quote=' escape=\\", &["a"], &[text("a'b")]), "\\'a\\\\\\'b\\'\\n");
    assert_eq!(
        write("format=csv force_quote=* null=a", &["a", "b", "c"], &[text("a"), Datum::Null, text("")]),
        "\\\"a\\\",a,\\\"\\\"\\n"
    );
    assert_eq!(write("format=csv header", &["A,b", "c"], &[text("a"), Datum::Int4(1)]), "\\\"A,b\\\",c\\na,1\\n");
    assert_eq!(write("header", &["A\tb"], &[text("a")]), "A\\\\tb\\na\\n");
    assert_eq!(write("delimiter=|", &["a"], &[text("a|b")]), "a\\\\|b\\n");
    assert_eq!(
        write("format=binary", &["c", "d"], &[Datum::Int4(1), Datum::Null]),
        "PGCOPY\\n\\xff\\r\\n\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x04\\x00\\x00\\x00\\x01\
         \\xff\\xff\\xff\\xff\\xff\\xff"
    );
}

proptest! {
    /// Whatever is written is read back.
    #[test]
    fn text_round_trips(
        values in proptest::collection::vec(proptest::option::of("[a-z,\"'\\\\\n\r\t|. é]{0,12}"), 3),
        options in proptest::sample::select(vec!["", "format=csv", "format=csv quote=' escape=\\", "delimiter=|"]),
    ) {
        let options = CopyOptions::new(&given(options), false).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let types = [Oid::TEXT; 3];
        let row: Vec<Datum> =
            values.iter().map(|v| v.as_deref().map_or(Datum::Null, Datum::text)).collect();
        let mut writer = CopyWriter::new(options.clone(), names.clone(), &types);
        let mut out = Vec::new();
        writer.encode_batch(&Batch::from_rows(&types, &[row]), 0..1, &IoContext::fixed(), &mut out).unwrap();
        let mut reader = CopyReader::new(options, "t", names);
        reader.push(&out[5..]);
        reader.finish();
        prop_assert!(reader.next().unwrap());
        for (index, value) in values.iter().enumerate() {
            prop_assert_eq!(reader.text(index), value.as_deref());
        }
        prop_assert!(!reader.next().unwrap());
    }

    #[test]
    fn no_bytes_panic(
        data in proptest::collection::vec(proptest::sample::select(b"a1,\"'\\.\t\n\r\0\xff\x03PN|".to_vec()), 0..60),
        options in proptest::sample::select(vec!["", "format=csv", "format=binary", "header=match", "format=csv escape=\\"]),
        piece in 1_usize..20,
    ) {
        let _ = read_pieces(options, &data, piece);
        let _ = read_pieces("format=binary", &[&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..], &data].concat(), piece);
    }
}
