//! Memory that vectors and links lie in: zeroed words, also in a file, their bytes, and asking the CPU for them ahead of time.

use std::fs::File;
use std::ops::Deref;
use std::ptr::NonNull;
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

/// An array of words.
pub struct Words<T: Word> {
    first: NonNull<T>,
    count: usize,
    in_file: bool,
}

// SAFETY: it owns its words as a boxed slice does, and these are atomic integers.
unsafe impl<T: Word> Send for Words<T> {}
// SAFETY: as above; a shared reference gives shared references to atomic integers only.
unsafe impl<T: Word> Sync for Words<T> {}

impl<T: Word> Words<T> {
    /// Zeros, whose pages cost nothing before they are first written.
    #[must_use]
    pub fn zeroed(count: usize) -> Self {
        // SAFETY: the sealed trait is of atomic integers only, for which zero bytes are a value.
        let words: Box<[T]> = unsafe { Box::new_zeroed_slice(count).assume_init() };
        advise_huge_pages(&words);
        Self { first: NonNull::from(Box::leak(words)).cast(), count, in_file: false }
    }

    /// Zeros at the end of a file, which grows by them; the system keeps as much of them in memory as it has to spare. The
    /// file must have no name, so that nobody else changes it. An error of the disk while they are used
    /// ends the process, as one of its swap space would.
    ///
    /// # Errors
    /// What making room in the file fails with; where files cannot be mapped, always.
    #[cfg(target_os = "linux")]
    pub fn in_file(file: &File, count: usize) -> std::io::Result<Self> {
        use std::os::fd::AsRawFd;
        const ALIGNED: u64 = 1 << 16;
        let from = file.metadata()?.len().next_multiple_of(ALIGNED) as libc::off_t;
        let bytes = (count * size_of::<T>()).max(1);
        // SAFETY: takes numbers only. Space that is allocated cannot be missing when a word is written.
        let full = unsafe { libc::posix_fallocate(file.as_raw_fd(), from, bytes as libc::off_t) };
        if full != 0 {
            return Err(std::io::Error::from_raw_os_error(full));
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: asks for a new mapping at a place of the system's choice; the range is in the file, which nobody shortens.
        let first =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), from) };
        if first == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let first = NonNull::new(first.cast()).expect("a mapping is not at zero");
        Ok(Self { first, count, in_file: true })
    }

    /// See above.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn in_file(_file: &File, _count: usize) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Whether they are in a file.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.in_file
    }
}

impl<T: Word> Deref for Words<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many words begin there, in a box or in a mapping; both begin as zeros, which are a value of atomic
        // integers, and live as long as this does.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<T: Word> Drop for Words<T> {
    fn drop(&mut self) {
        if self.in_file {
            #[cfg(target_os = "linux")]
            // SAFETY: the mapping was made with this length, and nobody refers to it any more.
            unsafe {
                libc::munmap(self.first.as_ptr().cast(), (self.count * size_of::<T>()).max(1));
            }
        } else {
            let words = std::ptr::slice_from_raw_parts_mut(self.first.as_ptr(), self.count);
            // SAFETY: this was a box of as many words, and nobody refers to them any more.
            drop(unsafe { Box::from_raw(words) });
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lie_in_memory_or_in_a_file() {
        let file = tempfile::tempfile().expect("a temporary file");
        let mut all = vec![Words::<AtomicU64>::zeroed(1000), Words::zeroed(0)];
        if cfg!(target_os = "linux") {
            all.extend([70_000, 1, 0].map(|count| Words::in_file(&file, count).expect("there is room")));
            assert!(!all[0].is_in_file() && all[2].is_in_file());
        }
        for (nth, words) in all.iter().enumerate() {
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            words.iter().for_each(|word| word.store(nth as u64 + 1, Ordering::Relaxed));
        }
        let sums: Vec<u64> =
            all.iter().map(|words| words.iter().map(|word| word.load(Ordering::Relaxed)).sum()).collect();
        assert!([1000, 0, 210_000, 4, 0].starts_with(&sums), "{sums:?}");
    }
}
