//! The table and its index: COPY and CREATE INDEX, timed.

use std::io::Write;
use std::ops::Range;
use std::time::Instant;

use postgres::Client;

use super::args::{Column, VectorArgs};
use super::dataset::Dataset;
use super::results::{Build, Load, System};
use super::target::Target;
use crate::bench::client::{COPY_HEADER, Encoded, text, write_halfvec, write_vector};

/// Bytes collected before they are given to the connection.
const COPY_CHUNK: usize = 1 << 17;

/// A vector in the binary form of the column's type.
pub fn encode(args: &VectorArgs, values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + 4 * values.len());
    match args.column {
        Column::Vector => write_vector(values, &mut bytes),
        Column::Halfvec => write_halfvec(values, &mut bytes),
    }
    bytes
}

/// The vector index's name.
pub fn index_name(args: &VectorArgs) -> String {
    format!("{}_embedding", args.table)
}

/// Makes and fills the table.
///
/// # Errors
/// A statement fails, or the server counts other rows than it was sent.
pub fn load(target: &Target<'_>, args: &VectorArgs, data: &Dataset) -> Result<Load, String> {
    let mut client = target.connect()?;
    let (table, kind, dims) = (&args.table, args.column.sql_name(), data.base.dims);
    client
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (id bigint PRIMARY KEY, cat int NOT NULL, near int NOT NULL, touched int NOT NULL,
                 embedding {kind}({dims}))"
        ))
        .map_err(text)?;
    let start = Instant::now();
    let copied = copy(&mut client, args, data)?;
    let seconds = start.elapsed().as_secs_f64();
    if copied != data.base.count() as u64 {
        return Err(format!("COPY counted {copied} rows of {}", data.base.count()));
    }
    client.batch_execute(&format!("VACUUM ANALYZE {table}")).map_err(text)?;
    let bytes = client.query_one("SELECT pg_table_size($1::text::regclass)", &[table]).map_err(text)?.get(0);
    Ok(Load { seconds, rate: copied as f64 / seconds, bytes })
}

fn copy(client: &mut Client, args: &VectorArgs, data: &Dataset) -> Result<u64, String> {
    let mut writer = client.copy_in(&format!("COPY {} FROM STDIN (FORMAT binary)", args.table)).map_err(text)?;
    copy_rows(args, data, 0..data.base.count(), 0, |bytes| writer.write_all(bytes).map_err(|e| e.to_string()))?;
    writer.finish().map_err(text)
}

/// Writes rows in COPY's binary form, a piece at a time; row `i` gets the id `first_id + i`.
///
/// # Errors
/// Those of `write`.
pub fn copy_rows(
    args: &VectorArgs,
    data: &Dataset,
    rows: Range<usize>,
    first_id: i64,
    mut write: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut buffer = COPY_HEADER.to_vec();
    for row in rows {
        buffer.extend_from_slice(&5_i16.to_be_bytes());
        put_field(&mut buffer, &(first_id + row as i64).to_be_bytes());
        put_field(&mut buffer, &data.cat[row].to_be_bytes());
        put_field(&mut buffer, &data.near[row].to_be_bytes());
        put_field(&mut buffer, &0_i32.to_be_bytes());
        put_field(&mut buffer, &encode(args, data.base.row(row)));
        if buffer.len() > COPY_CHUNK {
            write(&buffer)?;
            buffer.clear();
        }
    }
    buffer.extend_from_slice(&(-1_i16).to_be_bytes());
    write(&buffer)
}

fn put_field(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// Makes the index.
///
/// # Errors
/// The server refuses the statement or an option.
pub fn build(target: &Target<'_>, args: &VectorArgs, rows: usize) -> Result<Build, String> {
    let mut client = target.connect()?;
    let index = index_name(args);
    client.batch_execute(&format!("DROP INDEX IF EXISTS {index}")).map_err(text)?;
    let mut options = Vec::new();
    if args.m > 0 {
        options.push(format!("m = {}, ef_construction = {}", args.m, args.ef_construction));
    }
    options.extend(target.with.iter().cloned());
    let with = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
    let (table, method, opclass) = (&args.table, &args.method, args.opclass());
    let statement = format!("CREATE INDEX {index} ON {table} USING {method} (embedding {opclass}){with}");
    let start = Instant::now();
    client.batch_execute(&statement).map_err(text)?;
    let seconds = start.elapsed().as_secs_f64();
    client.batch_execute(&format!("ANALYZE {table}")).map_err(text)?;
    let bytes = client.query_one("SELECT pg_relation_size($1::text::regclass)", &[&index]).map_err(text)?.get(0);
    Ok(Build { statement, seconds, bytes, rows })
}

/// Makes sure that the table and the index are there: a table that an earlier run left is used when it is this data set's.
///
/// # Errors
/// As [`load`] and [`build`].
pub fn ensure(target: &Target<'_>, args: &VectorArgs, data: &Dataset, system: &mut System) -> Result<(), String> {
    let mut client = target.connect()?;
    if !holds(&mut client, args, data)? {
        eprintln!("{}: loading {} rows", target.label, data.base.count());
        system.load = Some(load(target, args, data)?);
    }
    let exists = client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&index_name(args)]).map_err(text)?;
    if !exists.get::<_, bool>(0) {
        eprintln!("{}: building the index", target.label);
        system.build = Some(build(target, args, data.base.count())?);
    }
    Ok(())
}

/// Whether the table is there with as many rows and the same first and last vector.
fn holds(client: &mut Client, args: &VectorArgs, data: &Dataset) -> Result<bool, String> {
    let table = &args.table;
    let exists = client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[table]).map_err(text)?;
    if !exists.get::<_, bool>(0) {
        return Ok(false);
    }
    let count: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).map_err(text)?.get(0);
    if count != data.base.count() as i64 {
        return Ok(false);
    }
    let sql = format!("SELECT count(*) FROM {table} WHERE id = $1 AND embedding = $2");
    let Ok(statement) = client.prepare(&sql) else { return Ok(false) };
    for row in [0, data.base.count() - 1] {
        let bytes = encode(args, data.base.row(row));
        let found = client.query_one(&statement, &[&(row as i64), &Encoded(&bytes)]);
        // Another number of dimensions is an error to the server and another data set to us.
        if found.map_or(0, |row| row.get::<_, i64>(0)) != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}
