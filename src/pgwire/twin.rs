//! Another hand's codec as a twin: what the pgwire crate's client encodes we decode, and what we encode it decodes.
//!
//! The messages are random and nothing is shared but the bytes, so a field that both sides of our own code misread alike shows up.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::copy::{CopyBothResponse, CopyData, CopyDone, CopyFail, CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Flush, Parse, ParseComplete, PortalSuspended, Sync,
};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ErrorResponse, NoticeResponse, NotificationResponse, ReadyForQuery,
    TransactionStatus,
};
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, GssEncRequest, NegotiateProtocolVersion, ParameterStatus, SecretKey, SslRequest,
    Startup,
};
use pgwire::messages::terminate::Terminate;
use pgwire::messages::{DecodeContext, Message, PgWireBackendMessage, ProtocolVersion};
use proptest::collection::vec;
use proptest::prelude::*;

use super::backend::{self, ColumnDesc, Format};
use super::frontend::{self, Frontend};
use super::rows::RowEncoder;
use super::startup::{self, FirstPacket};
use crate::error::{Error, SqlState};
use crate::types::column::Batch;
use crate::types::io::IoContext;
use crate::types::{Datum, Oid};

/// Text that a message can carry: anything but the byte that ends it.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::Binary)]
}

fn frontend_message() -> impl Strategy<Value = Frontend> {
    let parse = (text(), text(), vec(any::<u32>(), 0..5));
    let bind = (text(), text(), any::<bool>(), vec(proptest::option::of(blob()), 0..5), vec(0_i16..2, 0..4));
    prop_oneof![
        text().prop_map(Frontend::Query),
        parse.prop_map(|(name, query, param_types)| Frontend::Parse { name, query, param_types }),
        bind.prop_map(|(portal, statement, each, params, result_formats)| {
            let param_formats = if each { vec![1; params.len()] } else { vec![0] };
            Frontend::Bind { portal, statement, param_formats, params, result_formats }
        }),
        (any::<bool>(), text()).prop_map(|(statement, name)| Frontend::Describe { statement, name }),
        (any::<bool>(), text()).prop_map(|(statement, name)| Frontend::Close { statement, name }),
        (text(), 0..i32::MAX as u32).prop_map(|(portal, max_rows)| Frontend::Execute { portal, max_rows }),
        blob().prop_map(Frontend::CopyData),
        text().prop_map(Frontend::CopyFail),
        prop_oneof![Just(Frontend::Sync), Just(Frontend::Flush), Just(Frontend::CopyDone), Just(Frontend::Terminate)],
    ]
}

/// Has the twin encode a message.
fn encode(message: &Frontend, out: &mut BytesMut) {
    let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let target = |statement: bool| if statement { b'S' } else { b'P' };
    match message.clone() {
        Frontend::Query(query) => Query::new(query).encode(out),
        Frontend::Parse { name: own, query, param_types } => Parse::new(name(&own), query, param_types).encode(out),
        Frontend::Bind { portal, statement, param_formats, params, result_formats } => {
            Bind::new(name(&portal), name(&statement), param_formats, params, result_formats).encode(out)
        }
        Frontend::Describe { statement, name: own } => Describe::new(target(statement), name(&own)).encode(out),
        Frontend::Close { statement, name: own } => Close::new(target(statement), name(&own)).encode(out),
        Frontend::Execute { portal, max_rows } => Execute::new(name(&portal), max_rows as i32).encode(out),
        Frontend::CopyData(data) => CopyData::new(data).encode(out),
        Frontend::CopyFail(reason) => CopyFail::new(reason).encode(out),
        Frontend::CopyDone => CopyDone::new().encode(out),
        Frontend::Sync => Sync::new().encode(out),
        Frontend::Flush => Flush::new().encode(out),
        Frontend::Terminate => Terminate::new().encode(out),
        Frontend::FunctionCall | Frontend::Invalid { .. } => panic!("not generated"),
    }
    .expect("the twin encodes");
}

/// A first packet as the twin encodes it, without its length, as ours is given.
fn first(message: &impl Message) -> FirstPacket {
    let mut out = BytesMut::new();
    message.encode(&mut out).expect("the twin encodes");
    let length = u32::from_be_bytes(out[..4].try_into().unwrap()) as usize;
    assert_eq!(length, out.len());
    startup::parse(&out[4..]).unwrap()
}

/// Decodes one message of ours by the twin; nothing may be left.
fn decoded(bytes: &[u8]) -> String {
    let mut buffer = BytesMut::from(bytes);
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    let message = PgWireBackendMessage::decode(&mut buffer, &context).expect("the twin decodes").expect("a message");
    assert!(buffer.is_empty(), "bytes left after {message:?}");
    format!("{message:?}")
}

/// Holds one message of ours against the twin's.
fn same(write: impl FnOnce(&mut Vec<u8>), expected: PgWireBackendMessage) {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(decoded(&out), format!("{expected:?}"));
}

proptest! {
    #[test]
    fn what_the_twin_sends_we_read(messages in vec(frontend_message(), 1..8)) {
        let mut bytes = BytesMut::new();
        messages.iter().for_each(|message| encode(message, &mut bytes));
        for message in &messages {
            let found = frontend::decode(&mut bytes).unwrap().expect("a whole message");
            prop_assert_eq!(format!("{found:?}"), format!("{message:?}"));
        }
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn startup_packets_of_the_twin(
        user in "[a-z]{1,10}", database in "[a-z]{0,10}", value in "[^\0]{0,20}", minor in 0_u16..5,
    ) {
        let pairs = [("user", &user), ("database", &database), ("application_name", &value)];
        let mut packet = Startup::new();
        packet.protocol_number_minor = minor;
        packet.parameters = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect::<BTreeMap<_, _>>();
        let FirstPacket::Startup(found) = first(&packet) else { panic!("a startup packet") };
        prop_assert_eq!(&found.database, if database.is_empty() { &user } else { &database });
        prop_assert_eq!(found.settings, vec![("application_name".to_owned(), value)]);
        prop_assert_eq!((found.minor, found.negotiate), (u32::from(minor.min(2)), minor > 2));
        prop_assert_eq!(found.user, user);
    }

    #[test]
    fn cancel_requests_of_the_twin(pid in any::<i32>(), secret in vec(any::<u8>(), 4..=256)) {
        let packet = CancelRequest::new(pid, SecretKey::Bytes(secret.clone().into()));
        prop_assert_eq!(first(&packet), FirstPacket::Cancel { pid: pid as u32, secret });
    }

    #[test]
    fn rows_are_described(
        columns in vec((text(), any::<u32>(), any::<i16>(), any::<u32>(), any::<i16>(), any::<i32>(), format()), 0..6),
        types in vec(any::<u32>(), 0..6),
    ) {
        let ours: Vec<ColumnDesc> = columns
            .iter()
            .cloned()
            .map(|(name, table, attnum, oid, type_size, typmod, format)| ColumnDesc {
                name, table: Oid(table), attnum, type_oid: Oid(oid), type_size, typmod, format,
            })
            .collect();
        let theirs = columns
            .into_iter()
            .map(|(name, table, attnum, oid, size, typmod, format)| {
                FieldDescription::new(name, table as i32, attnum, oid, size, typmod, format.code())
            })
            .collect();
        same(|out| backend::row_description(out, &ours), PgWireBackendMessage::RowDescription(RowDescription::new(theirs)));
        same(
            |out| backend::parameter_description(out, &types),
            PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types.clone())),
        );
    }

    #[test]
    fn reports_are_read(texts in vec(proptest::option::of(text()), 10), position in proptest::option::of(1_u32..)) {
        let mut error = Error::new(SqlState::UNIQUE_VIOLATION, texts[0].clone().unwrap_or_default());
        let report = error.report_mut();
        report.position = position;
        let fields = [&mut report.detail, &mut report.hint, &mut report.context, &mut report.schema, &mut report.table];
        let more = [&mut report.column, &mut report.data_type, &mut report.constraint];
        fields.into_iter().chain(more).zip(&texts[1..]).for_each(|(field, text)| field.clone_from(text));
        let mut expected = vec![(b'S', "ERROR"), (b'V', "ERROR"), (b'C', "23505")];
        let report = error.report();
        expected.push((b'M', &report.message));
        let position = position.map(|position| position.to_string());
        for (kind, text) in [
            (b'D', &report.detail), (b'H', &report.hint), (b'P', &position), (b'W', &report.context),
            (b's', &report.schema), (b't', &report.table), (b'c', &report.column), (b'd', &report.data_type),
            (b'n', &report.constraint),
        ] {
            expected.extend(text.as_deref().map(|text| (kind, text)));
        }
        let fields = || expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        same(|out| backend::error_response(out, &error), PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields())));
        same(|out| backend::notice_response(out, &error), PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields())));
    }

    #[test]
    fn answers_are_read(a in text(), b in text(), number in any::<u32>(), data in blob(), format in format(), columns in 0_usize..9) {
        use PgWireBackendMessage as M;
        same(|out| backend::command_complete(out, &a), M::CommandComplete(CommandComplete::new(a.clone())));
        same(|out| backend::parameter_status(out, &a, &b), M::ParameterStatus(ParameterStatus::new(a.clone(), b.clone())));
        same(
            |out| backend::notification(out, number, &a, &b),
            M::NotificationResponse(NotificationResponse::new(number as i32, a.clone(), b.clone())),
        );
        same(
            |out| backend::negotiate_protocol_version(out, number, &[&a, &b]),
            M::NegotiateProtocolVersion(NegotiateProtocolVersion::new(number as i32, vec![a.clone(), b.clone()])),
        );
        same(|out| backend::copy_data(out, &data), M::CopyData(CopyData::new(data.clone())));
        let (code, count) = (format.code() as i8, columns as i16);
        let formats = || vec![format.code(); columns];
        same(|out| backend::copy_in_response(out, format, columns), M::CopyInResponse(CopyInResponse::new(code, count, formats())));
        same(|out| backend::copy_out_response(out, format, columns), M::CopyOutResponse(CopyOutResponse::new(code, count, formats())));
        same(|out| backend::copy_both_response(out, format, columns), M::CopyBothResponse(CopyBothResponse::new(code, count, formats())));
        let mut secret = data.to_vec();
        secret.extend_from_slice(b"four");
        let key = BackendKeyData::new(number as i32, SecretKey::Bytes(secret.clone().into()));
        same(|out| backend::backend_key_data(out, number, &secret), M::BackendKeyData(key));
        same(|out| backend::authentication_sasl_continue(out, &data), M::Authentication(Authentication::SASLContinue(data.clone())));
        same(|out| backend::authentication_sasl_final(out, &data), M::Authentication(Authentication::SASLFinal(data.clone())));
    }

    #[test]
    fn data_rows_are_read(rows in vec((any::<Option<i64>>(), proptest::option::of(text()), proptest::option::of(blob())), 1..5), format in format()) {
        let types = [Oid::INT8, Oid::TEXT, Oid::BYTEA];
        let datums: Vec<Vec<Datum>> = rows
            .into_iter()
            .map(|(number, text, data)| vec![
                number.map_or(Datum::Null, Datum::Int8),
                text.map_or(Datum::Null, Datum::text),
                data.map_or(Datum::Null, |data| Datum::Bytea(data.to_vec().into())),
            ])
            .collect();
        let mut out = Vec::new();
        let ctx = IoContext::fixed();
        RowEncoder::new(&types, &[format; 3])
            .encode_batch(&Batch::from_rows(&types, &datums), 0..datums.len(), &ctx, &mut out)
            .unwrap();
        let mut buffer = BytesMut::from(&out[..]);
        for row in &datums {
            let found = pgwire::messages::data::DataRow::decode(&mut buffer, &DecodeContext::default()).unwrap().unwrap();
            prop_assert_eq!(found.field_count, 3);
            let mut rest = &found.data[..];
            for (datum, oid) in row.iter().zip(types) {
                let (length, after) = rest.split_first_chunk::<4>().unwrap();
                let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                    prop_assert!(datum.is_null());
                    rest = after;
                    continue;
                };
                let mut expected = Vec::new();
                match format {
                    Format::Binary => crate::types::wire::send(datum, oid, &ctx, &mut expected).unwrap(),
                    Format::Text => expected = crate::types::io::to_text(datum, oid, &ctx).unwrap().into_bytes(),
                }
                prop_assert_eq!(&after[..length], &expected[..]);
                rest = &after[length..];
            }
            prop_assert!(rest.is_empty());
        }
        prop_assert!(buffer.is_empty());
    }
}

#[test]
fn messages_without_fields_are_read() {
    use PgWireBackendMessage as M;
    same(backend::no_data, M::NoData(NoData::new()));
    same(backend::parse_complete, M::ParseComplete(ParseComplete::new()));
    same(backend::bind_complete, M::BindComplete(BindComplete::new()));
    same(backend::close_complete, M::CloseComplete(CloseComplete::new()));
    same(backend::portal_suspended, M::PortalSuspended(PortalSuspended::new()));
    same(backend::empty_query, M::EmptyQueryResponse(EmptyQueryResponse::new()));
    same(backend::copy_done, M::CopyDone(CopyDone::new()));
    same(backend::authentication_ok, M::Authentication(Authentication::Ok));
    same(
        |out| backend::authentication_sasl(out, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]),
        M::Authentication(Authentication::SASL(vec!["SCRAM-SHA-256-PLUS".to_owned(), "SCRAM-SHA-256".to_owned()])),
    );
    for (state, status) in [
        (backend::IDLE, TransactionStatus::Idle),
        (backend::IN_TRANSACTION, TransactionStatus::Transaction),
        (backend::IN_FAILED_TRANSACTION, TransactionStatus::Error),
    ] {
        same(|out| backend::ready_for_query(out, state), M::ReadyForQuery(ReadyForQuery::new(status)));
    }
}

#[test]
fn requests_for_encryption_are_read() {
    assert_eq!(first(&SslRequest::new()), FirstPacket::Ssl);
    assert_eq!(first(&GssEncRequest::new()), FirstPacket::Gssenc);
}
