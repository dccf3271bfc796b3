//! Judgements of what texts mean. The sessions of one worker for which the policy says the same share them: a pool's
//! connections run the same statements.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use masking::MaskSet;
use policy::{Moment, SubjectPolicy};

use crate::active::clock::Clock;
use crate::active::judged::Told;
use crate::active::reading::{Meaning, Reading};

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
    judged: VecDeque<Kept>,
    /// What all of them weigh.
    weight: usize,
}

struct Kept {
    meaning: Rc<Meaning>,
    told: Rc<Told>,
    /// About what the meaning and its judgement take in memory, in bytes.
    weight: usize,
}

/// How many are kept, and what they weigh at most: a loop over some statements finds each of them, and a text of many
/// statements, which stays in memory with its judgement, is judged again.
const MOST: usize = 64;
const MOST_BYTES: usize = 512 << 10;

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

    /// The judgement of a reading, at that time: the one that was made before of what means the same, or what `judge` makes
    /// of it.
    pub(in crate::active) fn judgement(
        &self,
        reading: &Reading,
        now: Moment,
        judge: impl FnOnce() -> Told,
    ) -> Rc<Told> {
        let mut recent = self.recent.borrow_mut();
        let Recent { clock, judged, weight } = &mut *recent;
        if !clock.goes_on(now, &self.policy) {
            judged.clear();
            *weight = 0;
        }
        // The meaning is kept with it: no other can be in its place.
        if let Some(kept) = judged.iter().find(|kept| Rc::ptr_eq(&kept.meaning, reading.meaning())) {
            return Rc::clone(&kept.told);
        }
        let told = Rc::new(judge());
        let kept =
            Kept { meaning: Rc::clone(reading.meaning()), told: Rc::clone(&told), weight: reading.weight() };
        if kept.weight <= MOST_BYTES / 4 {
            *weight += kept.weight;
            judged.push_back(kept);
        }
        while judged.len() > MOST || *weight > MOST_BYTES {
            let Some(oldest) = judged.pop_front() else { break };
            *weight -= oldest.weight;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use policy::{Document, Policy, Principal, Subject};
    use sql::Analysis;

    use super::*;

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

    /// Texts of many statements, each another one, do not stay.
    #[test]
    fn what_is_kept_is_bounded_by_what_it_weighs() {
        let mut judgements = Judgements::default();
        let alike = judgements.of(&policy(&parsed(), 7), None);
        let settings = sql::Settings::default();
        let text = "SELECT 1;".repeat(1000);
        let info = allocation_counter::measure(|| {
            for number in 0..200 {
                let text = format!("{text}SELECT {number}");
                let limits = sql::Limits::default();
                let analysis = sql::analyse(text.as_bytes(), &settings, &policy::Catalog::default(), &limits);
                let reading = Reading::new(analysis);
                alike.judgement(&reading, Moment::default(), || {
                    Told::new(alike.policy().judge(reading.actions(), Moment::default()))
                });
            }
        });
        assert!(info.bytes_current < 2 << 20, "{} bytes stay", info.bytes_current);
    }

    #[test]
    fn a_judgement_of_another_time_is_not_given_to_who_comes_later() {
        let mut judgements = Judgements::default();
        let alike = judgements.of(&policy(&parsed(), 7), None);
        let reading = Reading::new(Analysis::default());
        let judged = |hour: u64| {
            let mut anew = false;
            alike.judgement(&reading, Moment::from_micros(hour * HOUR), || {
                anew = true;
                Told::new(alike.policy().judge([], Moment::default()))
            });
            anew
        };
        // The epoch began on a Thursday; clocks may be put back.
        assert_eq!([0, 5, 72, 95, 96, 72].map(judged), [true, false, true, false, true, true]);
    }
}
