//! Whether an object of a JSON text has a key twice; the twin is `covet/accel/twins/keys.py`.
//!
//! The text was decoded before, so it is known to be JSON: this only looks for strings that stand where keys do.

use std::borrow::Cow;
use std::collections::HashSet;

use pyo3::prelude::*;

/// Up to so many keys of an object are compared one by one; beyond, a set is kept, so that no body costs the square.
const FEW: usize = 16;

/// An object or array that is open.
struct Open<'a> {
    is_object: bool,
    /// Where its keys begin among all that are kept.
    first: usize,
    many: Option<HashSet<Cow<'a, [u8]>>>,
    twice: Option<Cow<'a, [u8]>>,
}

/// Return the first key that stands twice in the first object to close that has one.
#[pyfunction]
pub fn duplicate_key(data: &[u8]) -> Option<String> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut keys: Vec<Cow<'_, [u8]>> = Vec::with_capacity(FEW);
    let mut expects_key = false;
    let mut at = 0;
    while at < data.len() {
        match data[at] {
            b'"' => {
                let end = end_of_string(data, at + 1);
                if expects_key {
                    expects_key = false;
                    if let Some(object) = open.last_mut() {
                        let key = unescaped(&data[at + 1..end.min(data.len())]);
                        note(object, &mut keys, key);
                    }
                }
                at = end;
            }
            kind @ (b'{' | b'[') => {
                open.push(Open {
                    is_object: kind == b'{',
                    first: keys.len(),
                    many: None,
                    twice: None,
                });
                expects_key = kind == b'{';
            }
            b'}' | b']' => {
                expects_key = false;
                if let Some(closed) = open.pop() {
                    if let Some(twice) = closed.twice {
                        return Some(String::from_utf8_lossy(&twice).into_owned());
                    }
                    keys.truncate(closed.first);
                }
            }
            b',' => expects_key = open.last().is_some_and(|last| last.is_object),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Remember a key of an object, and whether it was there.
fn note<'a>(object: &mut Open<'a>, keys: &mut Vec<Cow<'a, [u8]>>, key: Cow<'a, [u8]>) {
    if object.twice.is_some() {
        return;
    }
    if let Some(many) = &mut object.many {
        if many.contains(&key) {
            object.twice = Some(key);
        } else {
            many.insert(key);
        }
        return;
    }
    let own = &keys[object.first..];
    if own.contains(&key) {
        object.twice = Some(key);
        return;
    }
    keys.push(key);
    if keys.len() - object.first > FEW {
        object.many = Some(keys.drain(object.first..).collect());
    }
}

/// Return where the quote stands that ends a string.
fn end_of_string(data: &[u8], mut at: usize) -> usize {
    while at < data.len() && data[at] != b'"' {
        at += if data[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Return a key's bytes with its escapes read; a lone surrogate is kept in the form of three bytes.
fn unescaped(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut found = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' {
            found.push(raw[at]);
            at += 1;
            continue;
        }
        let kind = raw.get(at + 1).copied().unwrap_or(b'\\');
        at += 2;
        match kind {
            b'b' => found.push(8),
            b't' => found.push(b'\t'),
            b'n' => found.push(b'\n'),
            b'f' => found.push(12),
            b'r' => found.push(b'\r'),
            b'u' => {
                let mut code = unit(raw, at);
                at += 4;
                if (0xD800..0xDC00).contains(&code) && raw[at.min(raw.len())..].starts_with(b"\\u")
                {
                    let low = unit(raw, at + 2);
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        at += 6;
                    }
                }
                push_code(&mut found, code);
            }
            other => found.push(other),
        }
    }
    Cow::Owned(found)
}

/// Return the number that four hexadecimal digits write.
fn unit(raw: &[u8], at: usize) -> u32 {
    raw.get(at..at + 4)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0xFFFD)
}

/// Write a code point as UTF-8, surrogates too.
fn push_code(found: &mut Vec<u8>, code: u32) {
    if let Some(letter) = char::from_u32(code) {
        let mut room = [0; 4];
        found.extend_from_slice(letter.encode_utf8(&mut room).as_bytes());
    } else {
        let part = |shift: u32| ((code >> shift) & 0x3F) as u8 | 0x80;
        found.extend_from_slice(&[0xE0 | ((code >> 12) & 0x0F) as u8, part(6), part(0)]);
    }
}
