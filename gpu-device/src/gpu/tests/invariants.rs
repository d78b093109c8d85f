//! What must hold after every call.

use crate::gpu::{Gpu, resources::Kind};

impl Gpu {
    /// Checks what must hold after every call.
    pub(super) fn verify_invariants(&self) {
        let (mut bytes, mut entries, mut count, mut rendered) = (0, 0, 0, 0);
        for (id, resource) in self.resources.iter() {
            count += 1;
            bytes += resource.host_bytes();
            rendered += resource.rendered_bytes();
            entries += u32::try_from(resource.entries().len()).unwrap();
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
            let coming = scanout.drawing.iter().map(|drawing| drawing.shown);
            for wanted in scanout.wanted.into_iter().chain(coming) {
                let wanted = self.resources.get(wanted.resource);
                assert!(wanted.is_ok(), "{index} is to show what is gone");
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
            assert!(scanout.wanted.is_some());
        }
        bytes += self.imports.kept_bytes();
        assert_eq!(self.quota.used(), (count, bytes, entries));
        assert_eq!(self.quota.rendered(), rendered);
        self.verify_3d();
        for id in &self.residents {
            assert!(self.resources.get(*id).is_ok(), "{id} is resident but gone");
        }
    }

    fn verify_3d(&self) {
        self.three_d.verify_invariants();
        for id in self.three_d.used_resources() {
            assert!(
                self.resources.get(id).is_ok(),
                "a context uses {id}, which is gone"
            );
        }
        for (offset, id) in self.three_d.mapped() {
            let resource = self.resources.get(id).unwrap();
            assert!(
                matches!(&resource.kind, Kind::Host(host) if host.is_mapped_at(offset)),
                "{id} is mapped unnoticed"
            );
        }
    }
}
