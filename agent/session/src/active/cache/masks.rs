//! Masks as they were resolved, for as long as a session has them: many sessions of one worker have the same.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use masking::MaskSet;
use policy::{Catalog, Masks};

/// Resolved masks that are in use.
#[derive(Default)]
pub(in crate::active) struct MaskSets {
    sets: Vec<Resolved>,
}

struct Resolved {
    masks: Masks,
    /// What they were resolved by. It is not kept alive, but its place is taken by no other.
    catalog: std::sync::Weak<Catalog>,
    set: Weak<MaskSet>,
}

impl MaskSets {
    /// What masks mean for a catalog; nothing where there are none.
    pub(in crate::active) fn resolve(
        &mut self,
        masks: &Masks,
        catalog: &Arc<Catalog>,
    ) -> Option<Rc<MaskSet>> {
        if masks.is_empty() {
            return None;
        }
        let same = |known: &Resolved| {
            std::ptr::eq(known.catalog.as_ptr(), Arc::as_ptr(catalog)) && known.masks == *masks
        };
        if let Some(set) = self.sets.iter().find(|known| same(known)).and_then(|known| known.set.upgrade()) {
            return Some(set);
        }
        let set = Rc::new(MaskSet::resolve(masks, catalog));
        self.sets.retain(|known| known.set.strong_count() > 0);
        self.sets.push(Resolved {
            masks: masks.clone(),
            catalog: Arc::downgrade(catalog),
            set: Rc::downgrade(&set),
        });
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use policy::{ColumnPattern, MaskMethod};

    use super::*;

    #[test]
    fn the_same_masks_on_the_same_catalog_are_resolved_once() {
        let masks = |column: &str| {
            let pattern: ColumnPattern = column.parse().unwrap();
            Masks::new([(pattern, MaskMethod::Redact)])
        };
        let (catalog, other) = (Arc::new(Catalog::default()), Arc::new(Catalog::default()));
        let mut sets = MaskSets::default();
        assert!(sets.resolve(&Masks::default(), &catalog).is_none());
        let first = sets.resolve(&masks("public.t.a"), &catalog).unwrap();
        assert!(Rc::ptr_eq(&first, &sets.resolve(&masks("public.t.a"), &catalog).unwrap()));
        assert!(!Rc::ptr_eq(&first, &sets.resolve(&masks("public.t.b"), &catalog).unwrap()));
        assert!(!Rc::ptr_eq(&first, &sets.resolve(&masks("public.t.a"), &other).unwrap()));
        drop(first);
        let again = sets.resolve(&masks("public.t.a"), &catalog).unwrap();
        assert_eq!((Rc::strong_count(&again), sets.sets.len()), (1, 1), "what nobody has is not kept");
    }
}
