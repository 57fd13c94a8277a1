//! An array in a temporary file that has no name: for sources that are dear to read in C order.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::array::{Buf, Span, Spec, total};
use crate::error::{Error, Result};
use crate::pipeline::{Sink, Source, Work};

/// Raw elements, C order, native byte order. Written in any order, then read in parts.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    spec: Spec,
}

fn failed(e: std::io::Error) -> Error {
    Error::io("using a temporary file (TMPDIR names the folder for them)", e)
}

impl Spool {
    /// Room for an array of `spec`.
    pub(crate) fn create(spec: &Spec) -> Result<Self> {
        let file = tempfile::tempfile().map_err(failed)?;
        file.set_len(spec.bytes()).map_err(failed)?;
        Ok(Self { file, spec: spec.clone() })
    }

    /// Writes the elements from `at` on, in native byte order.
    pub(crate) fn write_bytes(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, at * self.spec.dtype().size() as u64).map_err(failed)
    }

    /// Writes the elements of `spans`, laid end to end in `part`.
    pub(crate) fn write_spans(&self, spans: &[Span], part: &Buf) -> Result<()> {
        let size = self.spec.dtype().size();
        let mut rest = part.bytes();
        for span in spans {
            let (now, later) = rest.split_at(span.len as usize * size);
            self.file.write_all_at(now, span.start * size as u64).map_err(failed)?;
            rest = later;
        }
        Ok(())
    }
}

impl Sink for Spool {
    fn write(&self, at: u64, part: &Buf, _work: &mut Work) -> Result<()> {
        self.write_spans(&[Span::new(at, part.len() as u64)], part)
    }
}

impl Source for Spool {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, _work: &mut Work) -> Result<()> {
        let size = self.spec.dtype().size();
        out.reset(self.spec.dtype(), total(spans))?;
        let mut rest = out.bytes_mut();
        for span in spans {
            let (now, later) = rest.split_at_mut(span.len as usize * size);
            self.file.read_exact_at(now, span.start * size as u64).map_err(failed)?;
            rest = later;
        }
        Ok(())
    }
}
