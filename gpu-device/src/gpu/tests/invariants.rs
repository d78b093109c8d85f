//! What must hold after every call.

use crate::gpu::{Gpu, resources::Kind};

impl Gpu {
    /// Checks what must hold after every call.
    pub(super) fn verify_invariants(&self) {
        let (mut bytes, mut entries, mut count) = (0, 0, 0);
        for (id, resource) in self.resources.iter() {
            count += 1;
            bytes += resource.host_bytes();
            entries += u32::try_from(resource.entries()).unwrap();
            let known = !resource.buffers().is_empty();
            assert!(
                !known || self.residents.contains(&id),
                "{id} is known to the host unnoticed"
            );
            if let Kind::Picture(picture) = &resource.kind
                && let Some(slots) = picture.picture.slots()
            {
                slots.verify_invariants();
            }
        }
        for (index, scanout) in self.scanouts.iter().enumerate() {
            if let Some(shadow) = &scanout.shadow {
                shadow.slots.verify_invariants();
                bytes += shadow.slots.bytes();
            }
            let Some(shown) = scanout.shown else {
                assert!(scanout.damage.is_empty() && !scanout.pacing.is_waiting());
                continue;
            };
            assert!(
                self.resources.get(shown.resource).is_ok(),
                "{index} shows what is gone"
            );
            assert!(
                scanout
                    .damage
                    .rects()
                    .iter()
                    .all(|rect| shown.source.contains(rect))
            );
            assert!(!scanout.pacing.is_waiting() || !scanout.damage.is_empty());
            assert!(scanout.disable_at.is_none());
        }
        bytes += self.imports.kept_bytes();
        assert_eq!(self.quota.used(), (count, bytes, entries));
        for id in &self.residents {
            assert!(self.resources.get(*id).is_ok(), "{id} is resident but gone");
        }
    }
}
