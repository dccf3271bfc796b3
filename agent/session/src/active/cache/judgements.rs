//! Judgements of what texts mean. The sessions of one worker for which the policy says the same share them: a pool's
//! connections run the same statements.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use masking::MaskSet;
use policy::{Moment, SubjectPolicy};

use crate::active::clock::Clock;
use crate::active::judged::Told;
use crate::active::reading::Meaning;

/// The judgements that are in use.
#[derive(Default)]
pub(in crate::active) struct Judgements {
    alike: Vec<Weak<Alike>>,
}

/// What is shared by sessions for which the policy and its masks say the same, as long as there is one of them.
pub(in crate::active) struct Alike {
    policy: Arc<SubjectPolicy>,
    /// Absent where nothing is masked.
    masks: Option<Rc<MaskSet>>,
    recent: RefCell<Recent>,
}

/// The last judgements, all of a time in which no rule began or ceased to speak.
#[derive(Default)]
struct Recent {
    clock: Clock,
    judged: Vec<(Rc<Meaning>, Rc<Told>)>,
    next: usize,
}

/// How many are kept: a loop over some statements finds each of them.
const KEPT: usize = 64;

impl Judgements {
    /// What sessions share that have this policy and these masks.
    pub(in crate::active) fn of(
        &mut self,
        policy: &Arc<SubjectPolicy>,
        masks: Option<&Rc<MaskSet>>,
    ) -> Rc<Alike> {
        let same = |known: &Rc<Alike>| {
            known.policy.is_alike(policy) && known.masks.as_ref().map(Rc::as_ptr) == masks.map(Rc::as_ptr)
        };
        if let Some(known) = self.alike.iter().filter_map(Weak::upgrade).find(same) {
            return known;
        }
        let policy = Arc::clone(policy);
        let alike = Rc::new(Alike { policy, masks: masks.cloned(), recent: RefCell::default() });
        self.alike.retain(|known| known.strong_count() > 0);
        self.alike.push(Rc::downgrade(&alike));
        alike
    }
}

impl Alike {
    /// The policy that they share.
    pub(in crate::active) fn policy(&self) -> &Arc<SubjectPolicy> {
        &self.policy
    }

    /// The judgement of what a text means, at that time: the one that was made before, or what `judge` makes of it.
    pub(in crate::active) fn judgement(
        &self,
        meaning: &Rc<Meaning>,
        now: Moment,
        judge: impl FnOnce() -> Told,
    ) -> Rc<Told> {
        let mut recent = self.recent.borrow_mut();
        let Recent { clock, judged, next } = &mut *recent;
        if !clock.goes_on(now, &self.policy) {
            judged.clear();
            *next = 0;
        }
        // The meaning is kept with it: no other can be in its place.
        if let Some((_, told)) = judged.iter().find(|(known, _)| Rc::ptr_eq(known, meaning)) {
            return Rc::clone(told);
        }
        let told = Rc::new(judge());
        let entry = (Rc::clone(meaning), Rc::clone(&told));
        match judged.get_mut(*next) {
            Some(oldest) => *oldest = entry,
            None => judged.push(entry),
        }
        *next = (*next + 1) % KEPT;
        told
    }
}

#[cfg(test)]
mod tests {
    use policy::{Document, Policy, Principal, Subject};
    use sql::Analysis;

    use super::*;
    use crate::active::reading::Reading;

    const RULES: &str = "version: 1\nrules:\n\
        - { name: read, actions: [select], decision: allow }\n\
        - { name: theirs, who: { uid: 0 }, actions: [insert], decision: allow }\n\
        - { name: sundays, actions: [delete], when: { time: { days: sun } }, decision: allow }\n";
    const HOUR: u64 = 3_600_000_000;

    fn policy(of: &Arc<Policy>, uid: u32) -> Arc<SubjectPolicy> {
        let principal = Principal { uid, ..Principal::plain() };
        Arc::new(of.for_subject(&Subject { principal: &principal, resource: "shop", database: "shop" }))
    }

    fn parsed() -> Arc<Policy> {
        Arc::new(Policy::parse(&[Document { name: "test", text: RULES }]).unwrap())
    }

    #[test]
    fn only_those_share_for_whom_the_policy_says_the_same() {
        let (parsed, again) = (parsed(), parsed());
        let mut judgements = Judgements::default();
        let first = judgements.of(&policy(&parsed, 7), None);
        assert!(Rc::ptr_eq(&first, &judgements.of(&policy(&parsed, 8), None)));
        assert!(!Rc::ptr_eq(&first, &judgements.of(&policy(&parsed, 0), None)), "other rules");
        assert!(!Rc::ptr_eq(&first, &judgements.of(&policy(&again, 7), None)), "another policy");
        let masks = Rc::new(MaskSet::default());
        assert!(!Rc::ptr_eq(&first, &judgements.of(&policy(&parsed, 7), Some(&masks))), "masks");
        drop(first);
        let _other = judgements.of(&policy(&again, 7), None);
        assert_eq!(judgements.alike.len(), 1, "what nobody has is not kept");
    }

    #[test]
    fn a_judgement_of_another_time_is_not_given_to_who_comes_later() {
        let mut judgements = Judgements::default();
        let alike = judgements.of(&policy(&parsed(), 7), None);
        let reading = Reading::new(Analysis::default());
        let judged = |hour: u64| {
            let mut anew = false;
            alike.judgement(reading.meaning(), Moment::from_micros(hour * HOUR), || {
                anew = true;
                Told::new(alike.policy().judge([], Moment::default()))
            });
            anew
        };
        // The epoch began on a Thursday; clocks may be put back.
        assert_eq!([0, 5, 72, 95, 96, 72].map(judged), [true, false, true, false, true, true]);
    }
}
