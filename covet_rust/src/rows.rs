//! Rows of a database to the bytes of a JSON array of objects, with no Python object made on the way.
//!
//! The bytes are those of pydantic for the same values, and of the twin `covet/accel/twins/rows.py`.

use pyo3::exceptions::{PyRecursionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::output::{HEX, Output};

/// How deep a JSON value may nest; the twin has the same limit.
pub(crate) const MAX_DEPTH: usize = 200;

/// The classes of the standard library that have a spelling in JSON.
pub(crate) struct Types {
    datetime: Py<PyType>,
    date: Py<PyType>,
    time: Py<PyType>,
    timedelta: Py<PyType>,
    decimal: Py<PyType>,
    uuid: Py<PyType>,
    enumeration: Py<PyType>,
    utc: Py<PyAny>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

impl Types {
    pub(crate) fn get(py: Python<'_>) -> PyResult<&'static Types> {
        TYPES.get_or_try_init(py, || {
            let load = |module: &str, name: &str| -> PyResult<Py<PyType>> {
                Ok(py
                    .import(module)?
                    .getattr(name)?
                    .cast_into::<PyType>()?
                    .unbind())
            };
            Ok(Types {
                datetime: load("datetime", "datetime")?,
                date: load("datetime", "date")?,
                time: load("datetime", "time")?,
                timedelta: load("datetime", "timedelta")?,
                decimal: load("decimal", "Decimal")?,
                uuid: load("uuid", "UUID")?,
                enumeration: load("enum", "Enum")?,
                utc: py.import("datetime")?.getattr("UTC")?.unbind(),
            })
        })
    }

    /// Whether a class is one of these, but no enumeration.
    pub(crate) fn is_spelled(&self, kind: &Bound<'_, PyType>) -> bool {
        let py = kind.py();
        [
            &self.datetime,
            &self.decimal,
            &self.uuid,
            &self.date,
            &self.time,
        ]
        .iter()
        .any(|one| kind.is(one.bind(py)))
    }

    /// Whether a value is a member of an enumeration.
    pub(crate) fn is_enumeration(&self, value: &Bound<'_, PyAny>) -> bool {
        value
            .is_instance(self.enumeration.bind(value.py()))
            .unwrap_or(false)
    }
}

/// The bytes of `[{"key":value,…},…]` for rows in the order of the plan's keys.
///
/// `plan.fragments` are the texts before each value (`{"id":`, `,"title":`), `plan.converters` what turns a driver's
/// value into Python's, or None. Raises ValueError for a row of another length and TypeError for a value that JSON
/// cannot spell.
#[pyfunction]
pub fn encode_rows<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    plan: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let types = Types::get(py)?;
    let columns = read_plan(plan)?;
    let count = rows.len().unwrap_or(0);
    let mut out = Output::new();
    out.push(b'[');
    for (index, row) in rows.try_iter()?.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_row(&mut out, &row?, &columns, types)?;
        if index == 0 {
            // Rows of one query are of like size: room for all of them at once, and a tenth for those that are longer.
            out.reserve(count * (out.written().len() + out.written().len() / 10));
        }
    }
    out.push(b']');
    Ok(PyBytes::new(py, out.written()))
}

/// One column: the text before its value, and its converter.
type Column<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyAny>>);

fn read_plan<'py>(plan: &Bound<'py, PyAny>) -> PyResult<Vec<Column<'py>>> {
    let py = plan.py();
    let fragments = plan
        .getattr(pyo3::intern!(py, "fragments"))?
        .cast_into::<PyTuple>()?;
    let converters = plan
        .getattr(pyo3::intern!(py, "converters"))?
        .cast_into::<PyTuple>()?;
    fragments
        .iter()
        .zip(converters.iter())
        .map(|(fragment, converter)| {
            let converter = if converter.is_none() {
                None
            } else {
                Some(converter)
            };
            Ok((fragment.cast_into::<PyBytes>()?, converter))
        })
        .collect()
}

fn write_row(
    out: &mut Output,
    row: &Bound<'_, PyAny>,
    columns: &[Column<'_>],
    types: &Types,
) -> PyResult<()> {
    if columns.is_empty() {
        out.put(b"{}");
        return Ok(());
    }
    let length = row.len()?;
    if length != columns.len() {
        return Err(PyValueError::new_err(format!(
            "a row has {length} values, its plan {} columns",
            columns.len()
        )));
    }
    if let Ok(tuple) = row.cast::<PyTuple>() {
        for ((fragment, converter), value) in columns.iter().zip(tuple.iter()) {
            write_column(out, fragment, converter.as_ref(), value, types)?;
        }
    } else {
        for ((fragment, converter), value) in columns.iter().zip(row.try_iter()?) {
            write_column(out, fragment, converter.as_ref(), value?, types)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_column<'py>(
    out: &mut Output,
    fragment: &Bound<'py, PyBytes>,
    converter: Option<&Bound<'py, PyAny>>,
    value: Bound<'py, PyAny>,
    types: &Types,
) -> PyResult<()> {
    out.put(fragment.as_bytes());
    match converter {
        // As everywhere in the framework, a converter never sees NULL.
        Some(convert) if !value.is_none() => write_value(out, &convert.call1((value,))?, types, 0),
        _ => write_value(out, &value, types, 0),
    }
}

pub(crate) fn write_value(
    out: &mut Output,
    value: &Bound<'_, PyAny>,
    types: &Types,
    depth: usize,
) -> PyResult<()> {
    let py = value.py();
    let kind = value.get_type();
    if value.is_none() {
        out.put_null();
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        out.put_text(text.to_str()?);
    } else if value.is_exact_instance_of::<PyInt>() {
        write_int(out, value)?;
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        out.put_bool(flag.is_true());
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        out.put_float(number.value());
    } else if kind.is(types.datetime.bind(py)) {
        write_datetime(out, value, types)?;
    } else if kind.is(types.decimal.bind(py)) {
        out.put_plain(value.str()?.to_str()?);
    } else if kind.is(types.uuid.bind(py)) {
        write_uuid(out, value)?;
    } else if kind.is(types.date.bind(py)) {
        out.push(b'"');
        write_date(
            out,
            state(value)?.get_item(0)?.cast::<PyBytes>()?.as_bytes(),
        );
        out.push(b'"');
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        write_dict(out, dict, types, deeper(depth)?)?;
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        write_items(out, list.iter(), types, deeper(depth)?)?;
    } else {
        write_rare(out, value, types, depth)?;
    }
    Ok(())
}

/// What rows hold seldom, and subclasses of the rest.
fn write_rare(
    out: &mut Output,
    value: &Bound<'_, PyAny>,
    types: &Types,
    depth: usize,
) -> PyResult<()> {
    let py = value.py();
    if value.is_instance(types.enumeration.bind(py))? {
        return write_value(
            out,
            &value.getattr(pyo3::intern!(py, "value"))?,
            types,
            deeper(depth)?,
        );
    }
    if value.is_instance(types.datetime.bind(py))? {
        return write_moment(out, value, 19);
    }
    if value.is_instance(types.date.bind(py))? {
        let text = value.call_method0(pyo3::intern!(py, "isoformat"))?;
        out.put_plain(text.cast::<PyString>()?.to_str()?);
        return Ok(());
    }
    if value.is_instance(types.time.bind(py))? {
        return write_moment(out, value, 8);
    }
    if value.is_instance(types.timedelta.bind(py))? {
        return write_duration(out, value);
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        write_base64(out, bytes.as_bytes());
    } else if let Ok(text) = value.cast::<PyString>() {
        out.put_text(text.to_str()?);
    } else if value.is_instance_of::<PyInt>() {
        write_int(out, value)?;
    } else if let Ok(number) = value.cast::<PyFloat>() {
        out.put_float(number.value());
    } else if let Ok(dict) = value.cast::<PyDict>() {
        write_dict(out, dict, types, deeper(depth)?)?;
    } else if let Ok(list) = value.cast::<PyList>() {
        write_items(out, list.iter(), types, deeper(depth)?)?;
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        write_items(out, tuple.iter(), types, deeper(depth)?)?;
    } else if value.is_instance(types.uuid.bind(py))?
        || value.is_instance(types.decimal.bind(py))?
    {
        out.put_plain(value.str()?.to_str()?);
    } else {
        return Err(unsupported("value", value));
    }
    Ok(())
}

fn unsupported(what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let name = value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("JSON has no spelling for a {what} of type {name}"))
}

fn deeper(depth: usize) -> PyResult<usize> {
    if depth >= MAX_DEPTH {
        return Err(PyRecursionError::new_err(format!(
            "a JSON value nests deeper than {MAX_DEPTH} levels"
        )));
    }
    Ok(depth + 1)
}

fn write_items<'py>(
    out: &mut Output,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    types: &Types,
    depth: usize,
) -> PyResult<()> {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_value(out, &item, types, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn write_dict(
    out: &mut Output,
    dict: &Bound<'_, PyDict>,
    types: &Types,
    depth: usize,
) -> PyResult<()> {
    out.push(b'{');
    for (index, (key, value)) in dict.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_key(out, &key)?;
        out.push(b':');
        write_value(out, &value, types, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_key(out: &mut Output, key: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(text) = key.cast::<PyString>() {
        out.put_text(text.to_str()?);
    } else if key.is_none() {
        out.put(b"\"None\"");
    } else if let Ok(flag) = key.cast::<PyBool>() {
        out.put(if flag.is_true() {
            b"\"true\""
        } else {
            b"\"false\""
        });
    } else if key.is_instance_of::<PyInt>() {
        out.push(b'"');
        write_int(out, key)?;
        out.push(b'"');
    } else {
        return Err(unsupported("key", key));
    }
    Ok(())
}

pub(crate) fn write_int(out: &mut Output, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(number) = value.extract::<i64>() {
        out.put_integer(number);
        return Ok(());
    }
    // int.__repr__ rather than str(): a subclass may spell itself otherwise.
    let text = value
        .py()
        .get_type::<PyInt>()
        .call_method1("__repr__", (value,))?;
    out.put(text.cast::<PyString>()?.to_str()?.as_bytes());
    Ok(())
}

/// The packed state that pickling a date, time or datetime takes: one call for all its parts, where reading each
/// would be seven (the stable ABI has no access to the fields).
fn state<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let reduced = value.call_method0(pyo3::intern!(value.py(), "__reduce__"))?;
    Ok(reduced
        .cast::<PyTuple>()?
        .get_item(1)?
        .cast_into::<PyTuple>()?)
}

fn write_datetime(out: &mut Output, value: &Bound<'_, PyAny>, types: &Types) -> PyResult<()> {
    let state = state(value)?;
    let packed = state.get_item(0)?;
    let packed = packed.cast::<PyBytes>()?.as_bytes();
    out.push(b'"');
    write_date(out, &packed[..4]);
    out.push(b'T');
    write_time(out, &packed[4..]);
    if state.len() > 1 {
        if state.get_item(1)?.is(types.utc.bind(value.py())) {
            out.push(b'Z');
        } else {
            write_offset(out, value)?;
        }
    }
    out.push(b'"');
    Ok(())
}

/// `2026-01-31`, of the year in two bytes, the month and the day.
fn write_date(out: &mut Output, packed: &[u8]) {
    let year = usize::from(packed[0]) << 8 | usize::from(packed[1]);
    write_two(out, (year / 100) as u8);
    write_two(out, (year % 100) as u8);
    out.push(b'-');
    write_two(out, packed[2]);
    out.push(b'-');
    write_two(out, packed[3]);
}

/// `12:34:56` or `12:34:56.000789`, of hour, minute, second, and the microseconds in three bytes.
fn write_time(out: &mut Output, packed: &[u8]) {
    write_two(out, packed[0]);
    out.push(b':');
    write_two(out, packed[1]);
    out.push(b':');
    write_two(out, packed[2]);
    let micros = u32::from(packed[3]) << 16 | u32::from(packed[4]) << 8 | u32::from(packed[5]);
    if micros > 0 {
        out.push(b'.');
        write_two(out, (micros / 10_000) as u8);
        write_two(out, (micros / 100 % 100) as u8);
        write_two(out, (micros % 100) as u8);
    }
}

fn write_two(out: &mut Output, number: u8) {
    out.put(&[b'0' + number / 10, b'0' + number % 10]);
}

/// The offset of a moment as RFC 3339 has it: `Z` for none, and no seconds.
fn write_offset(out: &mut Output, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let offset = value.call_method0(pyo3::intern!(value.py(), "utcoffset"))?;
    if offset.is_none() {
        return Ok(());
    }
    let micros = total_micros(&offset)?;
    if micros == 0 {
        out.push(b'Z');
        return Ok(());
    }
    let minutes = micros.unsigned_abs() / 60_000_000;
    out.push(if micros < 0 { b'-' } else { b'+' });
    write_two(out, (minutes / 60) as u8);
    out.push(b':');
    write_two(out, (minutes % 60) as u8);
    Ok(())
}

/// `isoformat()` of a time or of a subclass, its offset spelled as elsewhere. `start` is where an offset may begin.
fn write_moment(out: &mut Output, value: &Bound<'_, PyAny>, start: usize) -> PyResult<()> {
    let text = value.call_method0(pyo3::intern!(value.py(), "isoformat"))?;
    let text = text.cast::<PyString>()?.to_str()?;
    out.push(b'"');
    match text[start..].find(['+', '-']) {
        None => out.put(text.as_bytes()),
        Some(at) => {
            out.put(&text.as_bytes()[..start + at]);
            write_offset(out, value)?;
        }
    }
    out.push(b'"');
    Ok(())
}

fn write_uuid(out: &mut Output, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let number: u128 = value.getattr(pyo3::intern!(value.py(), "int"))?.extract()?;
    let bytes = number.to_be_bytes();
    let mut text = [b'-'; 36];
    let mut place = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            place += 1;
        }
        text[place] = HEX[(byte >> 4) as usize];
        text[place + 1] = HEX[(byte & 15) as usize];
        place += 2;
    }
    out.push(b'"');
    out.put(&text);
    out.push(b'"');
    Ok(())
}

fn total_micros(duration: &Bound<'_, PyAny>) -> PyResult<i128> {
    let py = duration.py();
    let days: i64 = duration.getattr(pyo3::intern!(py, "days"))?.extract()?;
    let seconds: i64 = duration.getattr(pyo3::intern!(py, "seconds"))?.extract()?;
    let micros: i64 = duration
        .getattr(pyo3::intern!(py, "microseconds"))?
        .extract()?;
    Ok(i128::from(days) * 86_400_000_000 + i128::from(seconds) * 1_000_000 + i128::from(micros))
}

/// A duration in ISO 8601, a year counted as 365 days, as pydantic spells it.
fn write_duration(out: &mut Output, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let total = total_micros(value)?;
    let size = total.unsigned_abs();
    let (days, rest) = (size / 86_400_000_000, size % 86_400_000_000);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = String::from(if total < 0 { "-P" } else { "P" });
    push_units(&mut text, &[(days / 365, 'Y'), (days % 365, 'D')]);
    if rest > 0 || size == 0 {
        text.push('T');
        push_units(
            &mut text,
            &[(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')],
        );
        if micros > 0 {
            let fraction = format!("{micros:06}");
            text.push_str(&format!(
                "{}.{}S",
                seconds % 60,
                fraction.trim_end_matches('0')
            ));
        } else if seconds % 60 > 0 || size == 0 {
            text.push_str(&format!("{}S", seconds % 60));
        }
    }
    out.put_plain(&text);
    Ok(())
}

fn push_units(text: &mut String, units: &[(u128, char)]) {
    for (number, unit) in units {
        if *number > 0 {
            text.push_str(&number.to_string());
            text.push(*unit);
        }
    }
}

/// Base64 in the URL-safe alphabet, padded.
fn write_base64(out: &mut Output, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| (group << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
    out.push(b'"');
}
