//! Names under which a guest's other virtio devices know a resource.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A new random UUID, version 4. The standard library's random state comes from the system; no
/// secret depends on it, the name only has to be unique.
pub(super) fn random() -> [u8; 16] {
    let half = || RandomState::new().build_hasher().finish().to_ne_bytes();
    let mut bytes = [0; 16];
    let halves = [half(), half()];
    bytes
        .iter_mut()
        .zip(halves.as_flattened())
        .for_each(|(byte, random)| *byte = *random);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn they_differ_and_say_what_they_are() {
        let all: HashSet<_> = (0..1000).map(|_| random()).collect();
        assert_eq!(all.len(), 1000);
        assert!(
            all.iter()
                .all(|uuid| uuid[6] >> 4 == 4 && uuid[8] >> 6 == 2)
        );
    }
}
