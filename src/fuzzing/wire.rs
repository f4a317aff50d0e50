//! The wire: whatever arrives, in whatever pieces, gives the same messages or the same error.

use bytes::BytesMut;

use super::source::{Source, in_pieces};
use crate::common::verifier::Verifier;
use crate::pgwire::frontend::{self, Frontend};
use crate::pgwire::scram::{Exchange, SCRAM, SCRAM_PLUS};
use crate::pgwire::startup::{self, FirstPacket};

/// One of four decoders, then what it gets.
pub(super) fn run(data: &[u8]) {
    let mut source = Source(data);
    match source.below(4) {
        0 => first_packet(source.0),
        1 => options(source.0),
        2 => scram(source),
        _ => messages(source),
    }
}

fn first_packet(packet: &[u8]) {
    match startup::parse(packet) {
        Ok(FirstPacket::Startup(startup)) => {
            assert!(!startup.user.is_empty() && !startup.database.is_empty(), "a startup packet names a user");
            assert!(startup.minor <= 2, "no newer protocol is spoken");
            assert!(startup.settings.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));
        }
        Ok(FirstPacket::Cancel { secret, .. }) => assert!(!secret.is_empty()),
        Ok(FirstPacket::Ssl | FirstPacket::Gssenc) => {}
        Err(error) => assert_eq!(error.report().severity.as_str(), "FATAL"),
    }
}

fn options(text: &[u8]) {
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = startup::parse_options(text);
    }
}

fn scram(mut source: Source<'_>) {
    let verifier = || Verifier { iterations: 4096, salt: vec![7; 16], stored_key: [1; 32], server_key: [2; 32] };
    let (mechanism, hash) = if source.below(2) == 0 { (SCRAM, None) } else { (SCRAM_PLUS, Some(&[9; 32][..])) };
    let (first, last) = (source.piece(), source.0);
    let _ = Exchange::start(verifier(), mechanism, first, hash);
    let hello = if hash.is_some() { "p=tls-server-end-point,,n=,r=abc" } else { "n,,n=,r=abc" };
    let exchange = Exchange::start(verifier(), mechanism, hello.as_bytes(), hash).expect("a proper first message");
    // Nobody knows a key whose hash is all ones.
    assert!(!matches!(exchange.finish(last), Ok(Some(_))), "a proof was accepted");
}

fn messages(mut source: Source<'_>) {
    let most = source.below(40) + 1;
    let mut whole = Vec::new();
    drain(&mut BytesMut::from(source.0), &mut whole);
    let mut pieces = Vec::new();
    let mut buffer = BytesMut::new();
    in_pieces(source.0, most, |piece| {
        if !pieces.last().is_some_and(|last: &String| last.starts_with("error")) {
            buffer.extend_from_slice(piece);
            drain(&mut buffer, &mut pieces);
        }
    });
    assert_eq!(whole, pieces, "pieces of up to {most} bytes");
}

/// Takes all complete messages.
fn drain(buffer: &mut BytesMut, shown: &mut Vec<String>) {
    loop {
        match frontend::decode(buffer) {
            Ok(Some(message)) => {
                if let Frontend::Bind { params, param_formats, .. } = &message {
                    assert!(param_formats.len() < 2 || param_formats.len() == params.len(), "a format per parameter");
                }
                shown.push(format!("{message:?}"));
            }
            Ok(None) => {
                let needed = frontend::needed(buffer);
                assert!(needed == 0 || needed > buffer.len(), "a message that is all there was not taken");
                return;
            }
            Err(error) => {
                shown.push(format!("error {error:?}"));
                return;
            }
        }
    }
}
