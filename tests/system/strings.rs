//! Strings that are no text, in every place where a message has one, and lengths that promise more than comes.

use std::io::Write;

use crate::Target;
use crate::support::wire::{Raw, bind, execute, message, parse, query, shape, socket, startup, sync};
use crate::support::{Server, code};

/// What is no UTF-8: a lone continuation, a cut sequence, an overlong form, a surrogate, one beyond Unicode, old long forms.
const BAD: [&[u8]; 8] = [
    b"\x80",
    b"a\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x28\xa1",
    b"\xff\xfe",
];

fn ended(text: &[u8]) -> Vec<u8> {
    [text, &[0]].concat()
}

/// Every string of every message after the login.
pub fn invalid_text_in_messages(target: &Target) {
    let mut wrong = Vec::new();
    for bad in BAD {
        let text = ended(bad);
        let in_bind = |portal: &[u8], statement: &[u8]| message(b'B', &[portal, statement, &[0; 6]].concat());
        let cases: [(&str, Vec<u8>); 11] = [
            ("query", message(b'Q', &[b"SELECT '", bad, b"'\0"].concat())),
            ("query name", message(b'Q', &[b"SELECT \"", bad, b"\"\0"].concat())),
            ("statement name", message(b'P', &[&text[..], b"SELECT 1\0\0\0"].concat())),
            ("statement text", message(b'P', &[b"\0SELECT '", bad, b"'\0\0\0"].concat())),
            ("portal of Bind", in_bind(&text, b"\0")),
            ("statement of Bind", in_bind(b"\0", &text)),
            ("Describe statement", message(b'D', &[b"S", &text[..]].concat())),
            ("Describe portal", message(b'D', &[b"P", &text[..]].concat())),
            ("Close", message(b'C', &[b"S", &text[..]].concat())),
            ("Execute", message(b'E', &[&text[..], &[0; 4]].concat())),
            ("text value", { [parse("", "SELECT $1::text", &[]), bind("", "", &[], &[Some(bad)], &[])].concat() }),
        ];
        for (name, bytes) in cases {
            let simple = bytes[0] == b'Q';
            let got = target.raw().shape(&if simple { bytes } else { [bytes, sync()].concat() });
            let expected = if name == "text value" { "1 E:22021 Z" } else { "E:22021 Z" };
            if got != expected {
                wrong.push(format!("{name} {}: {got}", bad.escape_ascii()));
            }
        }
        for format in ["text", "csv"] {
            let mut raw = target.raw();
            raw.send(&query("CREATE TEMP TABLE bad_text (a text)"));
            raw.until_ready();
            raw.send(&query(&format!("COPY bad_text FROM STDIN (FORMAT {format})")));
            raw.send(&[message(b'd', &[bad, b"\n"].concat()), message(b'c', b"")].concat());
            let got = shape(&raw.until_ready());
            if got != "G E:22021 Z" {
                wrong.push(format!("COPY {format} {}: {got}", bad.escape_ascii()));
            }
        }
        for (field, packet) in [("user", startup("USER", "postgres")), ("database", startup(&target.user, "USER"))] {
            let at = packet.windows(4).position(|part| part == b"USER").expect("the placeholder");
            let mut bytes = [&packet[..at], bad, &packet[at + 4..]].concat();
            let length = u32::try_from(bytes.len()).expect("short");
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            let mut raw = Raw { stream: socket(target.port) };
            raw.send(&bytes);
            let answers = raw.until_ready();
            if answers.iter().any(|message| message.tag == b'Z') {
                wrong.push(format!("{field} {} at the start", bad.escape_ascii()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(code(target.connect().simple_query("SELECT 1")), "00000");
}

/// Values that say they are longer than their message.
pub fn lengths_beyond_the_message(target: &Target) {
    let huge: [u32; 4] = [0x3fff_fff0, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe];
    for length in huge {
        let body = [b"\0\0\0\0\0\x01".as_slice(), &length.to_be_bytes(), b"ab", &[0; 2]].concat();
        let bytes = [parse("", "SELECT $1::text", &[]), message(b'B', &body), execute("", 0), sync()].concat();
        assert_eq!(target.raw().shape(&bytes), "1 E:08P01 Z", "a value of {length} bytes");
        let header = [b"PGCOPY\n\xff\r\n\0".as_slice(), &[0; 8]].concat();
        let record = [&header[..], &[0, 1], &length.to_be_bytes(), b"ab"].concat();
        let mut raw = target.raw();
        raw.send(&query("CREATE TEMP TABLE long_field (a text)"));
        raw.until_ready();
        raw.send(&query("COPY long_field FROM STDIN (FORMAT binary)"));
        raw.send(&[message(b'd', &record), message(b'c', b"")].concat());
        assert_eq!(shape(&raw.until_ready()), "G E:22P04 Z", "a field of {length} bytes");
        let array = [&1_u32.to_be_bytes()[..], &[0; 4], &23_u32.to_be_bytes(), &length.to_be_bytes(), &[0, 0, 0, 1]];
        let value = array.concat();
        let bytes = [parse("", "SELECT $1::int[]", &[]), bind("", "", &[1], &[Some(&value)], &[]), sync()].concat();
        let got = target.raw().shape(&bytes);
        assert!(got.starts_with("1 E:") && got.ends_with(" Z"), "an array of {length} items: {got}");
    }
}

/// A message that announces a gigabyte takes no memory before it comes.
pub fn announced_gigabytes() {
    const CLIENTS: usize = 20;
    const SLACK_BYTES: u64 = 200 << 20;
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(data.path());
    let before = server.resident_bytes().unwrap_or(0);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Raw::login(server.port, "postgres", "postgres")).collect();
    for client in &mut clients {
        let head = [b"Q".as_slice(), &0x3fff_fffe_u32.to_be_bytes(), b"SELECT '"].concat();
        client.stream.write_all(&head).expect("it is taken");
        client.stream.write_all(&vec![b'x'; 1 << 20]).expect("it is taken");
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let grown = server.resident_bytes().unwrap_or(0).saturating_sub(before);
    assert!(grown < SLACK_BYTES, "{CLIENTS} announced gigabytes took {} MB", grown >> 20);
    drop(clients);
    assert_eq!(code(server.connect("postgres").simple_query("SELECT 1")), "00000");
}
