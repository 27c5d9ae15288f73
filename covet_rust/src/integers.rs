//! PostgreSQL's flat arrays of integers, to and from its binary form; the twin is `covet/accel/twins/integers.py`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};

/// The element types: `integer` of four bytes, `bigint` of eight.
const INTEGER: i32 = 23;
const BIGINT: i32 = 20;
/// Dimensions, flags and type; then length and lower bound of the one dimension.
const HEAD: usize = 20;

/// Return a list or tuple of integers as an array of `width` bytes each; `None` for whatever else there is in it.
#[pyfunction]
#[pyo3(signature = (values, width, /))]
pub fn encode_integers<'py>(
    values: &Bound<'py, PyAny>,
    width: usize,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = values.py();
    let mut out = Vec::new();
    let count = if let Ok(list) = values.cast_exact::<PyList>() {
        begin(&mut out, list.len(), width);
        for item in list.iter() {
            if !put(&mut out, &item, width) {
                return Ok(None);
            }
        }
        list.len()
    } else if let Ok(tuple) = values.cast_exact::<PyTuple>() {
        begin(&mut out, tuple.len(), width);
        for item in tuple.iter_borrowed() {
            if !put(&mut out, &item, width) {
                return Ok(None);
            }
        }
        tuple.len()
    } else {
        return Ok(None);
    };
    // A list that lost or won elements meanwhile would tell a wrong length.
    if out.len() != HEAD + count * (4 + width) {
        return Ok(None);
    }
    Ok(Some(PyBytes::new(py, &out)))
}

fn begin(out: &mut Vec<u8>, count: usize, width: usize) {
    out.reserve(HEAD + count * (4 + width));
    let kind = if width == 4 { INTEGER } else { BIGINT };
    let length = i32::try_from(count).unwrap_or(i32::MAX);
    for word in [1, 0, kind, length, 1] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Append one element; return false where it is no plain integer of that width.
fn put(out: &mut Vec<u8>, item: &Bound<'_, PyAny>, width: usize) -> bool {
    if !item.is_exact_instance_of::<PyInt>() {
        return false;
    }
    let Ok(value) = item.extract::<i64>() else {
        return false;
    };
    if width == 4 {
        let Ok(value) = i32::try_from(value) else {
            return false;
        };
        out.extend_from_slice(&4_i32.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.extend_from_slice(&8_i32.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    true
}

/// Return the integers of an array of one dimension, `None` for NULL; `None` alone for what has another form.
#[pyfunction]
#[pyo3(signature = (data, width, /))]
pub fn decode_integers(data: &[u8], width: usize) -> Option<Vec<Option<i64>>> {
    let word = |at: usize| -> Option<i32> {
        let bytes = data.get(at..at + 4)?;
        Some(i32::from_be_bytes(bytes.try_into().ok()?))
    };
    match word(0)? {
        0 => return Some(Vec::new()),
        1 => {}
        _ => return None,
    }
    let count = usize::try_from(word(12)?).ok()?;
    let mut found = Vec::with_capacity(count.min(data.len()));
    let mut at = HEAD;
    for _ in 0..count {
        let length = word(at)?;
        at += 4;
        if length == -1 {
            found.push(None);
            continue;
        }
        if usize::try_from(length).ok()? != width {
            return None;
        }
        let bytes = data.get(at..at + width)?;
        found.push(Some(if width == 4 {
            i64::from(i32::from_be_bytes(bytes.try_into().ok()?))
        } else {
            i64::from_be_bytes(bytes.try_into().ok()?)
        }));
        at += width;
    }
    (at == data.len()).then_some(found)
}
