//! Checksums of whole files.

use std::path::Path;

use crate::error::Result;

/// SHA-256 of the file at `path` in hexadecimal, as `sha256sum` prints it; `None` for standard input, and without the feature
/// `report`.
pub fn sha256(path: &Path) -> Result<Option<String>> {
    #[cfg(feature = "report")]
    {
        use std::fmt::Write;
        use std::io::Read;

        use sha2::{Digest, Sha256};

        use crate::error::Error;

        if path == Path::new("-") {
            return Ok(None);
        }
        let failed = |e| Error::io(format!("reading {}", path.display()), e);
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            let n = file.read(&mut block).map_err(failed)?;
            if n == 0 {
                break;
            }
            hasher.update(&block[..n]);
        }
        let mut text = String::with_capacity(64);
        for byte in hasher.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Some(text))
    }
    #[cfg(not(feature = "report"))]
    {
        let _ = path;
        Ok(None)
    }
}

#[cfg(all(test, feature = "report"))]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_standard_test_vector() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap().as_deref(), Some(expected));
        assert_eq!(sha256(Path::new("-")).unwrap(), None);
    }
}
