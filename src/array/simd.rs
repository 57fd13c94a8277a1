//! One place where kernels get the machine's vector width.

/// Runs a kernel compiled for the widest vectors this machine has (AVX2 on x86-64, NEON on Arm), chosen at run time.
///
/// The closure and everything it calls must be `#[inline(always)]`, or it runs at SSE2 speed without any sign of it;
/// `benches/kernels.rs` is the guard. No fused multiply-add appears by this: Rust never contracts, so results are the
/// same on every machine.
#[inline(always)]
pub(crate) fn vectorize<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}

/// As [`vectorize`], for kernels written in explicit vectors because the compiler does not reliably find them: float
/// reductions, whose order it may not change. No fused operations: results stay the same on every machine.
#[inline(always)]
pub(crate) fn with_vectors<K: pulp::WithSimd>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}
