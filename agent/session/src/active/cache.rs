//! What the sessions of one worker share, so that none makes it anew: readings of texts, judgements, and resolved masks.

mod judgements;
mod masks;
mod readings;

pub(super) use judgements::Alike;
use judgements::Judgements;
use masks::MaskSets;
use readings::Readings;
use sql::Limits;

/// What the sessions of one worker share.
pub struct Cache {
    pub(super) readings: Readings,
    pub(super) judgements: Judgements,
    pub(super) masks: MaskSets,
}

impl Cache {
    /// One that keeps readings of texts of about `budget` bytes.
    pub fn new(budget: usize, limits: Limits) -> Self {
        Cache {
            readings: Readings::new(budget, limits),
            judgements: Judgements::default(),
            masks: MaskSets::default(),
        }
    }
}
