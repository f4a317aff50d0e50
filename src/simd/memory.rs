//! Memory that vectors and links lie in: zeroed words, their bytes, and asking the CPU for them ahead of time.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An atomic integer that is valid when all its bytes are zero.
pub trait Word: Sync + Send + sealed::Sealed {}

impl Word for AtomicU32 {}
impl Word for AtomicU64 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::sync::atomic::AtomicU32 {}
    impl Sealed for std::sync::atomic::AtomicU64 {}
}

/// `count` zeros, whose pages cost nothing before they are first written.
#[must_use]
pub fn zeroed<T: Word>(count: usize) -> Box<[T]> {
    // SAFETY: the sealed trait is of atomic integers only, for which zero bytes are a value.
    let words: Box<[T]> = unsafe { Box::new_zeroed_slice(count).assume_init() };
    advise_huge_pages(&words);
    words
}

/// Asks for large pages under big arrays: rows are read in random order, and with small pages nearly every read
/// would also miss the address translation.
#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(words: &[T]) {
    const HUGE: usize = 1 << 21;
    let begin = (words.as_ptr() as usize).next_multiple_of(HUGE);
    let end = (words.as_ptr() as usize + size_of_val(words)) / HUGE * HUGE;
    if begin < end {
        // SAFETY: the range is inside the array; the advice changes how its pages are backed, not what they hold. That
        // it may be refused does no harm.
        unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages<T>(_words: &[T]) {}

/// The words' bytes in memory order, for a kernel to read.
///
/// Whoever writes the words at the same time makes the kernel see a mix of old and new bytes; what hands out rows that can
/// be rewritten must accept any bytes in them.
#[inline]
#[must_use]
pub fn bytes(words: &[AtomicU64]) -> &[u8] {
    // SAFETY: an atomic has the size and representation of its integer, so the words are this many initialized bytes
    // that live as long as the slice. Only relaxed stores of whole words can happen meanwhile, in the index that
    // reuses a slot while a search still compares its last content; kernels read each byte once and use it only as a
    // number, so a mix costs an estimate and nothing else.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// Writes bytes over the words from the first on; the last word is filled up with zeros.
///
/// # Panics
/// When there are more bytes than the words hold.
pub fn store(words: &[AtomicU64], from: &[u8]) {
    assert!(from.len() <= size_of_val(words), "the row holds the bytes");
    let (whole, rest) = from.as_chunks::<8>();
    for (word, bytes) in words.iter().zip(whole) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        words[whole.len()].store(u64::from_ne_bytes(last), Ordering::Relaxed);
    }
}

/// Asks for the cache lines of a row; only a hint.
#[inline]
pub fn prefetch<T: Word>(row: &[T]) {
    let bytes = size_of_val(row);
    let place: *const i8 = row.as_ptr().cast();
    let ask = |at: usize| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing that the program could see and never faults; the address is inside the row.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.add(at));
        }
        let _ = (place, at);
    };
    (0..bytes).step_by(64).for_each(ask);
    // A row that does not begin with a line ends in one more.
    if bytes > 64 {
        ask(bytes - 1);
    }
}
