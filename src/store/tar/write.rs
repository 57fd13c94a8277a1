//! The header of a member: POSIX ustar, with a pax header before it where the name or the size does not fit.

use super::BLOCK;

/// What ends an archive: two empty blocks.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Sizes from here on do not fit eleven octal digits.
const LARGE: u64 = 1 << 33;

/// Zeros behind a member of `len` bytes.
pub fn padding(len: u64) -> usize {
    (len.next_multiple_of(BLOCK as u64) - len) as usize
}

/// Appends the header of a file of `size` bytes called `name`. No time, no user: same input, same bytes.
pub fn header(name: &str, size: u64, out: &mut Vec<u8>) {
    let long = name.len() > 100 || !name.is_ascii();
    if long || size >= LARGE {
        let mut records = Vec::new();
        if long {
            records.extend_from_slice(&record("path", name));
        }
        if size >= LARGE {
            records.extend_from_slice(&record("size", &size.to_string()));
        }
        out.extend_from_slice(&block("././@PaxHeader", records.len() as u64, b'x'));
        let pad = padding(records.len() as u64);
        out.extend_from_slice(&records);
        out.resize(out.len() + pad, 0);
    }
    let short: String = if long { name.chars().filter(char::is_ascii).take(100).collect() } else { name.to_owned() };
    out.extend_from_slice(&block(&short, if size >= LARGE { 0 } else { size }, b'0'));
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    format!("{len} {key}={value}\n").into_bytes()
}

fn block(name: &str, size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{size:011o}\x0000000000000\0        ").as_bytes());
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
