//! The time by which statements are judged, and how long what was judged by it holds.

use evidence::Times;
use policy::{Moment, SubjectPolicy};

use super::Active;

/// When the session is, and between which times nothing is judged otherwise because of the time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    now: Moment,
    since: Moment,
    until: Moment,
}

impl Clock {
    /// When the message in front is judged.
    pub(super) const fn now(&self) -> Moment {
        self.now
    }

    /// False where a rule may speak now that was silent before, or the other way round. Clocks may be put back, too.
    pub(super) fn goes_on(&mut self, now: Moment, policy: &SubjectPolicy) -> bool {
        self.now = now;
        let steady = self.since <= now && now < self.until;
        if !steady {
            (self.since, self.until) = (now, policy.steady_until(now));
        }
        steady
    }

    /// Other rules hold: what they say of the time is to be asked anew.
    pub(super) const fn restart(&mut self) {
        self.until = self.since;
    }
}

impl Active {
    /// What comes is judged by that time.
    pub(crate) fn time_is(&mut self, now: Times) {
        if !self.clock.goes_on(Moment::from_micros(now.wall_us), &self.policy) {
            self.facts.moved();
        }
    }
}
