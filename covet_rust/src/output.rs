//! The bytes of a JSON text while it is written.
//!
//! Nearly all pieces of JSON are a few bytes, where calling memcpy takes longer than the copying. So the buffer is
//! zeroed ahead of what is written, and short pieces are put in place as blocks of a fixed size.

use std::cell::Cell;

/// What a buffer begins with.
const FIRST: usize = 1024;
/// The largest buffer that is kept for the next text.
const KEPT: usize = 256 * 1024;
/// Room that is never less than what a short piece takes.
const SPARE: usize = 64;
/// The longest piece that is put in place without memcpy.
const SHORT: usize = 32;

/// A text in the making.
pub(crate) struct Output {
    bytes: Vec<u8>,
    length: usize,
}

/// A piece that is written often: up to 32 bytes as a block of that size, what follows it is written over the rest.
pub(crate) enum Prepared {
    /// The block, and how much of it counts.
    Block([u8; SHORT], usize),
    /// What is longer.
    Long(Vec<u8>),
}

impl Prepared {
    /// Prepare a piece.
    pub(crate) fn new(piece: &[u8]) -> Self {
        if piece.len() > SHORT {
            return Self::Long(piece.to_vec());
        }
        let mut block = [0; SHORT];
        block[..piece.len()].copy_from_slice(piece);
        Self::Block(block, piece.len())
    }
}

thread_local! {
    /// The buffer of the text before, so that none has to be zeroed and grown anew.
    static BEFORE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.bytes.len() <= KEPT {
            BEFORE.set(std::mem::take(&mut self.bytes));
        }
    }
}

impl Output {
    /// Begin a text.
    pub(crate) fn new() -> Self {
        let mut bytes = BEFORE.take();
        if bytes.is_empty() {
            bytes.resize(FIRST, 0);
        }
        Self { bytes, length: 0 }
    }

    /// What has been written.
    pub(crate) fn written(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Make room for so many bytes more.
    #[inline]
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.bytes.len() - self.length < more + SPARE {
            self.grow(more + SPARE);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let wanted = self.length + more;
        self.bytes.resize(wanted.max(2 * self.bytes.len()), 0);
    }

    /// Write one byte.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        if self.length == self.bytes.len() {
            self.grow(SPARE);
        }
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    /// Write some bytes as they are.
    #[inline]
    pub(crate) fn put(&mut self, piece: &[u8]) {
        let size = piece.len();
        self.reserve(size);
        copy_short(&mut self.bytes[self.length..][..size], piece);
        self.length += size;
    }

    /// Write a piece that was prepared.
    #[inline]
    pub(crate) fn put_prepared(&mut self, piece: &Prepared) {
        match piece {
            Prepared::Block(block, size) => self.put_start(*block, *size),
            Prepared::Long(bytes) => self.put(bytes),
        }
    }

    /// Write what stands for nothing.
    #[inline]
    pub(crate) fn put_null(&mut self) {
        self.put_start(*b"null    ", 4);
    }

    /// Write a flag.
    #[inline]
    pub(crate) fn put_bool(&mut self, flag: bool) {
        if flag {
            self.put_start(*b"true    ", 4);
        } else {
            self.put_start(*b"false   ", 5);
        }
    }

    /// Write the start of a block; what comes next is written over the rest of it.
    #[inline]
    fn put_start<const N: usize>(&mut self, block: [u8; N], size: usize) {
        if let Some(place) = self.place(N) {
            place.copy_from_slice(&block);
            self.length += size;
        } else {
            self.grow(N + SPARE);
            self.put(&block[..size]);
        }
    }

    /// Write a whole number.
    #[inline]
    pub(crate) fn put_integer(&mut self, number: i64) {
        if (0..10).contains(&number) {
            self.push(b'0' + number as u8);
        } else if (10..100).contains(&number) {
            let number = number as u8;
            self.put_start([b'0' + number / 10, b'0' + number % 10], 2);
        } else {
            self.put(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    /// Write a number with a fraction; what is none is null.
    #[inline]
    pub(crate) fn put_float(&mut self, number: f64) {
        if number.is_finite() {
            self.put(zmij::Buffer::new().format_finite(number).as_bytes());
        } else {
            self.put_null();
        }
    }

    /// Write a text that needs no escapes, in quotes.
    pub(crate) fn put_plain(&mut self, text: &str) {
        self.push(b'"');
        self.put(text.as_bytes());
        self.push(b'"');
    }

    /// Write a text in quotes.
    #[inline]
    pub(crate) fn put_text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        if bytes.len() < 8 {
            self.put_word(bytes);
        } else {
            self.put_words(bytes);
        }
    }

    /// Write a text of fewer than eight bytes: one word, and spaces behind it that are written over.
    fn put_word(&mut self, bytes: &[u8]) {
        let size = bytes.len() & 7;
        let word = read_word(bytes);
        let Some(place) = self.place(10) else {
            self.grow(SPARE);
            return self.put_word(bytes);
        };
        place[0] = b'"';
        place[1..9].copy_from_slice(&word.to_le_bytes());
        place[size + 1] = b'"';
        if are_clean(word) {
            self.length += size + 2;
        } else {
            self.put_escaped(bytes);
        }
    }

    /// Write a text of eight bytes and more.
    fn put_words(&mut self, bytes: &[u8]) {
        let size = bytes.len();
        let Some([open, place @ .., close]) = self.place(size + 2) else {
            self.grow(size + SPARE);
            return self.put_words(bytes);
        };
        *open = b'"';
        *close = b'"';
        if copy_clean(place, bytes) {
            self.length += size + 2;
        } else {
            self.put_escaped(bytes);
        }
    }

    /// The bytes that come next, if there is room.
    #[inline]
    fn place(&mut self, size: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.length..self.length + size)
    }

    #[cold]
    #[inline(never)]
    fn put_escaped(&mut self, bytes: &[u8]) {
        let mut done = 0;
        self.push(b'"');
        for (index, byte) in bytes.iter().enumerate() {
            let escape = ESCAPES[usize::from(*byte)];
            if escape == 0 {
                continue;
            }
            self.put(&bytes[done..index]);
            if escape == b'u' {
                self.put(b"\\u00");
                self.push(HEX[usize::from(byte >> 4)]);
                self.push(HEX[usize::from(byte & 15)]);
            } else {
                self.put(&[b'\\', escape]);
            }
            done = index + 1;
        }
        self.put(&bytes[done..]);
        self.push(b'"');
    }
}

/// Copy a piece to a place of its size: two blocks that overlap rather than a loop.
#[inline]
fn copy_short(place: &mut [u8], piece: &[u8]) {
    if piece.len() > SHORT {
        place.copy_from_slice(piece);
    } else if !(copy_ends::<16>(place, piece)
        || copy_ends::<8>(place, piece)
        || copy_ends::<4>(place, piece))
    {
        copy_few(place, piece);
    }
}

/// Copy three bytes at most; of a loop the compiler would make a call of memcpy.
#[inline]
fn copy_few(place: &mut [u8], piece: &[u8]) {
    match (place, piece) {
        ([to], [one]) => *to = *one,
        ([to, further], [one, two]) => (*to, *further) = (*one, *two),
        ([to, further, last], [one, two, three]) => {
            (*to, *further, *last) = (*one, *two, *three);
        }
        _ => {}
    }
}

/// Copy the first and the last N bytes, if there are as many.
#[inline]
fn copy_ends<const N: usize>(place: &mut [u8], piece: &[u8]) -> bool {
    let (Some(first), Some(last)) = (piece.first_chunk::<N>(), piece.last_chunk::<N>()) else {
        return false;
    };
    if let Some(to) = place.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = place.last_chunk_mut() {
        *to = *last;
    }
    true
}

/// Fewer than eight bytes as a word, spaces behind them.
#[inline]
fn read_word(bytes: &[u8]) -> u64 {
    const SPACES: u64 = 0x2020_2020_2020_2020;
    let word = match bytes {
        [] => 0,
        [one] => u64::from(*one),
        [one, two] => u64::from(*one) | u64::from(*two) << 8,
        [one, two, three] => u64::from(*one) | u64::from(*two) << 8 | u64::from(*three) << 16,
        _ => {
            let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
                return SPACES;
            };
            u64::from(u32::from_le_bytes(*first))
                | u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() & 7) - 32)
        }
    };
    word | SPACES << (8 * (bytes.len() & 7))
}

/// Copy eight bytes and more to a place of their size, as long as none needs an escape; say whether that was so.
#[inline]
fn copy_clean(place: &mut [u8], text: &[u8]) -> bool {
    for (to, from) in place.chunks_exact_mut(8).zip(text.chunks_exact(8)) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut(), from.first_chunk()) {
            *to = *from;
            if !are_clean(u64::from_le_bytes(*from)) {
                return false;
            }
        }
    }
    match (place.last_chunk_mut::<8>(), text.last_chunk::<8>()) {
        (Some(to), Some(from)) => {
            *to = *from;
            are_clean(u64::from_le_bytes(*from))
        }
        _ => false,
    }
}

/// Whether none of eight bytes needs an escape: no quote, no backslash, nothing below a space. May be wrong the
/// other way about, which costs a look at each byte and no more.
#[inline]
fn are_clean(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quotes = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let slashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * 0x20);
    (quotes | slashes | controls) & !word & HIGHS == 0
}

/// The escape of each byte: 0 none, `u` six characters, else the letter after the backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0_u8; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = b'u';
        byte += 1;
    }
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[8] = b'b';
    table[12] = b'f';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";
