//! NumPy's array file, as far as vectors need it: two dimensions, C order, `<f2` or `<f4`, format versions 1 to 3.
//!
//! The header is a Python dictionary literal with three known keys; it is read by looking for them, and everything
//! that is not exactly what is expected is refused by name: a file read wrongly would give a benchmark of noise.
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fs;
use std::path::Path;

use half::f16;

use super::data::Vectors;

/// Reads a file of `[rows, dims]` float16 or float32 values; `rows_max` stops early.
///
/// # Errors
/// The file cannot be read, is of another kind, or is shorter than its header says.
pub fn read(path: &Path, rows_max: Option<usize>) -> Result<Vectors, String> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
    parse(&bytes, rows_max).map_err(|e| format!("{name}: {e}"))
}

/// What the header says.
struct Header {
    rows: usize,
    dims: usize,
    half: bool,
    /// Where the values begin.
    start: usize,
}

fn parse(bytes: &[u8], rows_max: Option<usize>) -> Result<Vectors, String> {
    let header = parse_header(bytes)?;
    let width = if header.half { 2 } else { 4 };
    let body = &bytes[header.start..];
    let needed = header.rows.checked_mul(header.dims).and_then(|n| n.checked_mul(width));
    if needed.is_none_or(|needed| body.len() < needed) {
        return Err(format!("{} x {} values do not fit in {} bytes", header.rows, header.dims, body.len()));
    }
    let rows = rows_max.map_or(header.rows, |most| most.min(header.rows));
    let body = &body[..rows * header.dims * width];
    let values = if header.half {
        body.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
    } else {
        body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    Ok(Vectors { dims: header.dims, values })
}

fn parse_header(bytes: &[u8]) -> Result<Header, String> {
    if bytes.len() < 12 || &bytes[..6] != b"\x93NUMPY" {
        return Err("not a .npy file".into());
    }
    let (at, length): (usize, usize) = match bytes[6] {
        1 => (10, usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))),
        2 | 3 => (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize),
        version => return Err(format!("format version {version} is not known")),
    };
    let start = at.checked_add(length).ok_or("the header is too long")?;
    let text = bytes.get(at..start).ok_or("the header is cut off")?;
    let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
    if field(text, "fortran_order")?.starts_with("True") {
        return Err("the array is in Fortran order; save it with order='C'".into());
    }
    let kind = field(text, "descr")?;
    let half = match kind.trim_start_matches(['\'', '"']).get(..3) {
        Some("<f2") => true,
        Some("<f4") => false,
        _ => return Err(format!("elements are {}, expected float16 or float32", kind.trim_end())),
    };
    let shape = field(text, "shape")?;
    let shape = shape.strip_prefix('(').and_then(|s| s.split_once(')')).ok_or("the shape is not a tuple")?.0;
    let sizes: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect();
    match sizes.map_err(|_| "the shape is not made of numbers")?[..] {
        [rows, dims] if rows > 0 && dims > 0 => Ok(Header { rows, dims, half, start }),
        _ => Err(format!("the shape is ({shape}), expected rows and dimensions")),
    }
}

/// The text after `'name':`.
fn field<'a>(header: &'a str, name: &str) -> Result<&'a str, String> {
    let (_, rest) = header.split_once(&format!("'{name}':")).ok_or_else(|| format!("the header has no '{name}'"))?;
    Ok(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend_from_slice(&[version, 0]);
        if version == 1 {
            bytes.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
        } else {
            bytes.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
        }
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn both_widths_and_all_versions_read() {
        let single: Vec<u8> = [1.0_f32, -2.5, 0.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let half: Vec<u8> =
            [1.0_f32, -2.5, 0.0, 4.0, 5.0, 6.0].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        for version in 1..=3 {
            for (kind, body) in [("<f4", &single), ("<f2", &half)] {
                let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (3, 2), }}    \n");
                let read = parse(&file(version, &header, body), None).unwrap();
                assert_eq!((read.dims, read.count()), (2, 3));
                assert_eq!(read.row(0), [1.0, -2.5]);
                assert_eq!(read.row(2), [5.0, 6.0]);
                assert_eq!(parse(&file(version, &header, body), Some(2)).unwrap().count(), 2);
            }
        }
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let ok = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
        let cases = [
            (file(1, ok, &[0; 7]), "do not fit"),
            (file(9, ok, &[0; 8]), "version 9"),
            (file(1, &ok.replace("False", "True"), &[0; 8]), "Fortran"),
            (file(1, &ok.replace("<f4", "<f8"), &[0; 8]), "float16 or float32"),
            (file(1, &ok.replace("<f4", ">f4"), &[0; 8]), "float16 or float32"),
            (file(1, &ok.replace("(1, 2)", "(2,)"), &[0; 8]), "rows and dimensions"),
            (file(1, &ok.replace("(1, 2)", "(1, -2)"), &[0; 8]), "numbers"),
            (file(1, &ok.replace("shape", "shade"), &[0; 8]), "no 'shape'"),
            (file(1, ok, &[0; 8])[..40].to_vec(), "cut off"),
            (b"not numpy at all".to_vec(), "not a .npy"),
        ];
        for (bytes, reason) in cases {
            let error = parse(&bytes, None).map(|v| v.count()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
