//! What guests can use: capsets, as far as they really work.

use std::{ops::Range, ptr};

use protocols::virtio_gpu::{CAPSET_VENUS, CAPSET_VIRGL, CAPSET_VIRGL2};

use super::library::Functions;
use crate::renderer::Capset;

/// The most bytes of a capset. Today's have some 1400.
const LARGEST: u32 = 1 << 16;

/// Where in [`CAPSET_VIRGL2`] `max_video_memory` is, in MiB.
const VIDEO_MEMORY: Range<usize> = 692..696;

/// What guests are told of memory where the host draws in software. Its driver tells how much is free
/// just now, and a renderer that is started later must offer the same.
const MEMORY_OF_SOFTWARE: u32 = 2048;

/// Asks the library, once it has started, for its capsets in the order of their ids. `device` is what
/// draws, in its driver's words.
pub fn offered(functions: &Functions, device: &str, has_vulkan: bool) -> Vec<Capset> {
    let capsets = [CAPSET_VIRGL, CAPSET_VIRGL2, CAPSET_VENUS].into_iter();
    capsets
        .filter(|id| *id != CAPSET_VENUS || has_vulkan && venus_works(functions))
        .filter_map(|id| capset(functions, id))
        .map(|capset| steady(capset, device))
        .collect()
}

/// A capset that is the same whenever it is asked for.
fn steady(mut capset: Capset, device: &str) -> Capset {
    let software = ["llvmpipe", "softpipe", "swrast"];
    if capset.id == CAPSET_VIRGL2
        && software.iter().any(|name| device.contains(name))
        && let Some(bytes) = capset.data.get_mut(VIDEO_MEMORY)
        && bytes.iter().any(|byte| *byte != 0)
    {
        bytes.copy_from_slice(&MEMORY_OF_SOFTWARE.to_le_bytes());
    }
    capset
}

fn capset(functions: &Functions, id: u32) -> Option<Capset> {
    let (mut version, mut size) = (0, 0);
    let ask = functions.get_cap_set;
    // SAFETY: the function writes two numbers.
    unsafe { ask(id, ptr::from_mut(&mut version), ptr::from_mut(&mut size)) };
    if !(1..=LARGEST).contains(&size) {
        return None;
    }
    // More than is asked for: old versions clear all that any capset may have.
    let room = usize::try_from(LARGEST).ok()?.div_ceil(8);
    let mut words = vec![0_u64; room];
    let data = words.as_mut_ptr().cast();
    // SAFETY: no capset is larger than what there is room for, and words are aligned for all.
    unsafe { (functions.fill_caps)(id, version, data) };
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
    let data: Vec<u8> = bytes.take(usize::try_from(size).ok()?).collect();
    // What the library was not started for it leaves empty.
    let filled = data.iter().any(|byte| *byte != 0);
    filled.then_some(Capset { id, version, data })
}

/// Whether a context of venus can be made: the library says that it has venus also where its server is
/// not installed.
fn venus_works(functions: &Functions) -> bool {
    const CONTEXT: u32 = 1;
    let name = c"probe";
    let length = u32::try_from(name.count_bytes()).unwrap_or(0);
    let create = functions.context_create_with_flags;
    // SAFETY: the name lives as long as the call; there are no contexts yet.
    let made = unsafe { create(CONTEXT, CAPSET_VENUS, length, name.as_ptr()) };
    if made != 0 {
        return false;
    }
    // SAFETY: the context was made just now, and nothing knows it.
    unsafe { (functions.context_destroy)(CONTEXT) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_has_always_the_same_memory() {
        let capset = |megabytes: u32| {
            let mut data = vec![7; 1408];
            data[VIDEO_MEMORY].copy_from_slice(&megabytes.to_le_bytes());
            Capset {
                id: CAPSET_VIRGL2,
                version: 2,
                data,
            }
        };
        let llvmpipe = "llvmpipe (LLVM 21.1.8, 256 bits)";
        assert_eq!(steady(capset(900), llvmpipe), capset(2048));
        assert_eq!(steady(capset(20_000), llvmpipe), capset(2048));
        assert_eq!(steady(capset(0), llvmpipe), capset(0));
        assert_eq!(steady(capset(8192), "AMD Radeon"), capset(8192));
        let old = Capset {
            data: vec![1; 308],
            ..capset(0)
        };
        assert_eq!(steady(old.clone(), llvmpipe), old);
    }
}
