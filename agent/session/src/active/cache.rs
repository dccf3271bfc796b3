//! What the sessions of one worker share, so that none makes it anew: readings of texts, and resolved masks.

mod masks;
mod readings;

use masks::MaskSets;
use readings::Readings;
use sql::Limits;

/// What the sessions of one worker share.
pub struct Cache {
    pub(super) readings: Readings,
    pub(super) masks: MaskSets,
}

impl Cache {
    /// One that keeps readings of texts of about `budget` bytes.
    pub fn new(budget: usize, limits: Limits) -> Self {
        Cache { readings: Readings::new(budget, limits), masks: MaskSets::default() }
    }
}
