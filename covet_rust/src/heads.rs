//! The most ordinary requests, read at one go, and answers written so; the twin is `covet/accel/twins/heads.py`.
//!
//! Whatever is not plainly one whole request is nobody's business here: it is left to the server's parser, untouched.

use std::borrow::Cow;

use pyo3::buffer::PyBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// What is longer is left to the parser, and so are more headers.
const MAX_BYTES: usize = 65536;
const MAX_HEADERS: usize = 128;

/// Where a byte may stand: in the name of a header, in a target, in a value.
const NAME: u8 = 1;
const TARGET: u8 = 2;
const VALUE: u8 = 4;

static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        let mut kind = VALUE;
        let is_word = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if is_word
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|'
            )
        {
            kind |= NAME;
        }
        if is_word
            || matches!(
                byte,
                b'!' | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b'/'
                    | b':'
                    | b';'
                    | b'='
                    | b'?'
                    | b'@'
            )
        {
            kind |= TARGET;
        }
        kinds[byte as usize] = kind;
        byte += 1;
    }
    kinds
}

/// Return method, path, query, headers and body of a request that is there as a whole and plain; `None` for all else.
#[pyfunction]
#[pyo3(signature = (data, believes, /))]
pub fn read_request<'py>(
    data: &Bound<'py, PyBytes>,
    believes: bool,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let py = data.py();
    let bytes = data.as_bytes();
    if bytes.len() > MAX_BYTES {
        return Ok(None);
    }
    let Some((method, rest)) = method_of(py, bytes) else {
        return Ok(None);
    };
    let length = run(rest, TARGET);
    let (target, rest) = rest.split_at(length);
    if target.first() != Some(&b'/') || target.get(1) == Some(&b'/') {
        return Ok(None);
    }
    let Some(mut rest) = rest.strip_prefix(b" HTTP/1.1\r\n") else {
        return Ok(None);
    };
    let headers = PyList::empty(py);
    let mut seen = Seen::default();
    let mut name = Vec::with_capacity(32);
    let body = loop {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            break body;
        }
        let Some((found, value, behind)) = line(rest) else {
            return Ok(None);
        };
        rest = behind;
        name.clear();
        name.extend(found.iter().map(u8::to_ascii_lowercase));
        if headers.len() == MAX_HEADERS || !seen.takes(&name, value, believes) {
            return Ok(None);
        }
        headers.append((PyBytes::new(py, &name), PyBytes::new(py, value)))?;
    };
    if !seen.has_host || body.len() != seen.length.unwrap_or(0) {
        return Ok(None);
    }
    let (path, query) = match target.iter().position(|&byte| byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &b""[..]),
    };
    let path = PyString::new(py, &String::from_utf8_lossy(path));
    let (query, body) = (PyBytes::new(py, query), PyBytes::new(py, body));
    Ok(Some(
        (method, path, query, headers, body).into_pyobject(py)?,
    ))
}

/// How many bytes of this kind stand in front.
fn run(bytes: &[u8], kind: u8) -> usize {
    bytes
        .iter()
        .position(|&byte| KINDS[usize::from(byte)] & kind == 0)
        .unwrap_or(bytes.len())
}

fn method_of<'py, 'data>(
    py: Python<'py>,
    bytes: &'data [u8],
) -> Option<(&'py Bound<'py, PyString>, &'data [u8])> {
    let end = bytes.iter().take(8).position(|&byte| byte == b' ')?;
    let method = match &bytes[..end] {
        b"GET" => intern!(py, "GET"),
        b"POST" => intern!(py, "POST"),
        b"PUT" => intern!(py, "PUT"),
        b"PATCH" => intern!(py, "PATCH"),
        b"DELETE" => intern!(py, "DELETE"),
        b"HEAD" => intern!(py, "HEAD"),
        b"OPTIONS" => intern!(py, "OPTIONS"),
        _ => return None,
    };
    Some((method, &bytes[end + 1..]))
}

/// Return name and value of the line in front, and what stands behind it; a value has neither blanks round it nor none.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = bytes.split_at(run(bytes, NAME));
    if name.is_empty() {
        return None;
    }
    let mut rest = rest.strip_prefix(b":")?;
    while let Some(behind) = rest.strip_prefix(b" ") {
        rest = behind;
    }
    let (value, rest) = rest.split_at(run(rest, VALUE));
    if value.last().is_none_or(|&byte| byte == b' ') {
        return None;
    }
    Some((name, value, rest.strip_prefix(b"\r\n")?))
}

/// What may stand only once, and what has been found of it.
#[derive(Default)]
struct Seen {
    has_host: bool,
    has_connection: bool,
    length: Option<usize>,
}

impl Seen {
    /// Whether the request stays plain with this header.
    fn takes(&mut self, name: &[u8], value: &[u8], believes: bool) -> bool {
        match name {
            b"host" => !std::mem::replace(&mut self.has_host, true),
            b"connection" => {
                value.eq_ignore_ascii_case(b"keep-alive")
                    && !std::mem::replace(&mut self.has_connection, true)
            }
            b"content-length" => {
                let is_plain = value.len() <= 5
                    && value.iter().all(u8::is_ascii_digit)
                    && (value[0] != b'0' || value.len() == 1);
                let number = value.iter().fold(0, |sum, digit| {
                    sum * 10 + usize::from(digit.wrapping_sub(b'0')) % 10
                });
                is_plain && self.length.replace(number).is_none()
            }
            b"transfer-encoding" | b"upgrade" | b"expect" | b"proxy-connection" => false,
            b"x-forwarded-for" | b"x-forwarded-proto" | b"x-forwarded-host"
            | b"x-forwarded-port" => !believes,
            _ => true,
        }
    }
}

/// Return the bytes of an answer, and whether the connection ends with it.
#[pyfunction]
#[pyo3(signature = (start, common, headers, body, has_length, has_body, closes, /))]
pub fn write_answer<'py>(
    start: &[u8],
    common: &[u8],
    headers: &Bound<'py, PyList>,
    body: &Bound<'py, PyAny>,
    has_length: bool,
    has_body: bool,
    closes: bool,
) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let held;
    let body = if let Ok(bytes) = body.cast::<PyBytes>() {
        bytes.as_bytes()
    } else {
        held = PyBuffer::<u8>::get(body)?.to_vec(body.py())?;
        &held
    };
    let mut closes = closes;
    let mut tells_length = has_length;
    let mut out = Vec::with_capacity(start.len() + common.len() + body.len() + 256);
    out.extend_from_slice(start);
    out.extend_from_slice(common);
    for pair in headers.iter() {
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        let (name, value): (Cow<[u8]>, Cow<[u8]>) = (name.extract()?, value.extract()?);
        let (name, value) = (&*name, &*value);
        if name == b"connection" && contains_close(value) {
            closes = true;
            continue;
        }
        tells_length &= name != b"content-length";
        for piece in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
    if tells_length {
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(if closes {
        b"connection: close\r\n\r\n"
    } else {
        b"\r\n"
    });
    if has_body {
        out.extend_from_slice(body);
    }
    Ok((PyBytes::new(headers.py(), &out), closes))
}

fn contains_close(value: &[u8]) -> bool {
    value
        .windows(5)
        .any(|word| word.eq_ignore_ascii_case(b"close"))
}

/// The headers of lengths that small answers have, made when one is first told.
static LENGTHS: [PyOnceLock<Py<PyTuple>>; 4096] = [const { PyOnceLock::new() }; 4096];

/// Return the headers of an answer with the length of its body, unless they tell it: then the list itself.
#[pyfunction]
#[pyo3(signature = (headers, size, /))]
pub fn with_length<'py>(headers: &Bound<'py, PyList>, size: usize) -> PyResult<Bound<'py, PyList>> {
    let mut told = Vec::with_capacity(headers.len() + 1);
    for pair in headers.iter() {
        if pair.get_item(0)?.extract::<&[u8]>()? == b"content-length" {
            return Ok(headers.clone());
        }
        told.push(pair);
    }
    told.push(length_header(headers.py(), size)?.into_any());
    PyList::new(headers.py(), told)
}

fn length_header(py: Python<'_>, size: usize) -> PyResult<Bound<'_, PyTuple>> {
    let make = || {
        let digits = PyBytes::new(py, itoa::Buffer::new().format(size).as_bytes());
        PyTuple::new(py, [PyBytes::new(py, b"content-length"), digits]).map(Bound::unbind)
    };
    Ok(match LENGTHS.get(size) {
        Some(kept) => kept.get_or_try_init(py, make)?.bind(py).clone(),
        None => make()?.into_bound(py),
    })
}
