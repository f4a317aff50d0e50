//! Values and rows as bytes: storage, ordered keys, COPY, and messages to a client.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use omendb::pgwire::copy_format::{CopyOptions, CopyReader};
use omendb::pgwire::{Format, RowEncoder, frontend};
use omendb::types::column::Batch;
use omendb::types::io::{IoContext, input};
use omendb::types::{Datum, Oid, SqlType, codec, keycode};

use crate::Numbers;

const ROWS: usize = 1024;
const TYPES: [Oid; 6] = [Oid::INT8, Oid::TEXT, Oid::FLOAT8, Oid::NUMERIC, Oid::TIMESTAMPTZ, Oid::VECTOR];

fn rows() -> Vec<Vec<Datum>> {
    let mut numbers = Numbers::new(3);
    let ctx = IoContext::fixed();
    (0..ROWS)
        .map(|row| {
            let price = format!("{}.{:02}", numbers.next() % 100_000, row % 100);
            vec![
                Datum::Int8(numbers.next() as i64),
                Datum::text(format!("a name of some length {row}")),
                Datum::Float8(f64::from(numbers.unit())),
                input(&price, SqlType::of(Oid::NUMERIC), &ctx).expect("a number"),
                Datum::Timestamptz(numbers.next() as i64 >> 14),
                Datum::Vector((0..384).map(|_| numbers.unit()).collect()),
            ]
        })
        .collect()
}

/// All codecs.
pub fn benches(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("codecs");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("row/encode", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            rows.iter().flatten().for_each(|datum| codec::encode(black_box(datum), &mut out));
            out.len()
        });
    });
    let stored: Vec<Vec<u8>> = rows
        .iter()
        .map(|row| {
            let mut out = Vec::new();
            row.iter().for_each(|datum| codec::encode(datum, &mut out));
            out
        })
        .collect();
    group.bench_function("row/decode", |b| {
        b.iter(|| {
            for row in &stored {
                let mut rest = &row[..];
                for oid in TYPES {
                    let (datum, used) = codec::decode(oid, rest).expect("a stored value");
                    black_box(datum);
                    rest = &rest[used..];
                }
            }
        });
    });
    for (column, name) in [(0, "int8"), (1, "text"), (2, "float8"), (3, "numeric")] {
        group.bench_function(format!("key/{name}"), |b| {
            let mut out = Vec::new();
            b.iter(|| {
                out.clear();
                rows.iter().for_each(|row| keycode::encode_key(black_box(&row[column]), false, false, &mut out));
                out.len()
            });
        });
    }
    let batch = Batch::from_rows(&TYPES, &rows);
    for format in [Format::Text, Format::Binary] {
        group.bench_function(format!("wire/{format:?}").to_lowercase(), |b| {
            let mut encoder = RowEncoder::new(&TYPES, &[format; TYPES.len()]);
            let (mut out, ctx) = (Vec::new(), IoContext::fixed());
            b.iter(|| {
                out.clear();
                encoder.encode_batch(black_box(&batch), 0..ROWS, &ctx, &mut out).expect("rows are sent");
                out.len()
            });
        });
    }
    let lines: Vec<u8> = (0..ROWS).flat_map(|row| format!("{row}\tsome text\t\\N\t{row}.5\n").into_bytes()).collect();
    group.bench_function("copy/text", |b| {
        b.iter(|| {
            let columns = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
            let mut reader = CopyReader::new(CopyOptions::default(), "t", columns);
            reader.push(black_box(&lines));
            reader.finish();
            while reader.next().expect("a record") {}
            reader.line()
        });
    });
    let message = b"Q\0\0\0\x0dselect 1\0";
    let pipeline: Vec<u8> = message.iter().copied().cycle().take(message.len() * ROWS).collect();
    group.bench_function("wire/decode", |b| {
        b.iter(|| {
            let mut buffer = BytesMut::from(black_box(&pipeline[..]));
            let mut count = 0;
            while frontend::decode(&mut buffer).expect("messages").is_some() {
                count += 1;
            }
            count
        });
    });
    group.finish();
}
