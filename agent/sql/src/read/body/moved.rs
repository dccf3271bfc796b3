//! Search paths that move while a statement runs: a body that is run behind looks its names up along another.

use policy::{Action, Verb};

use super::MAX_BODIES;
use crate::SearchPath;
use crate::read::Reader;

impl<'a> Reader<'a> {
    /// Notes whether an action may move the path that what is read now runs with, and those around it: SET holds on behind the
    /// function that it stands in, but not behind one that is called with a path of its own before that.
    pub(in crate::read) fn note_path(&mut self, action: &Action) {
        let moves = match action.verb {
            Verb::Set => matches!(action.object.name.as_str(), "search_path" | "all"),
            // "$user" is another then, and other schemas may be used.
            Verb::SetRole => true,
            _ => false,
        };
        if moves {
            self.path_moves();
        }
    }

    /// The path may move.
    pub(in crate::read) fn path_moves(&mut self) {
        self.moved_paths.insert(self.path);
        self.moved_paths.extend(&self.outer_paths);
    }

    /// Reads with a path, within that which is there already.
    pub(super) fn along(&mut self, path: usize, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.path, path);
        self.outer_paths.push(outer);
        read(self);
        self.outer_paths.pop();
        self.path = outer;
    }

    /// Reads bodies again whose path may have moved before they ran: any schema counts. In which order the server runs what a
    /// statement calls is not told.
    pub(crate) fn read_along_moved_paths(&mut self) {
        if self.moved_paths.is_empty() {
            return;
        }
        let unknown = self.path_of_bodies(SearchPath::Unknown);
        let mut at = 0;
        // A path may turn out to be one that moves while they are read.
        let mut left = Vec::new();
        loop {
            left.extend(self.bodies_run.get(at..).unwrap_or_default());
            at = self.bodies_run.len();
            let moved = |(_, path, _): &(_, usize, _)| *path != unknown && self.moved_paths.contains(path);
            let Some(next) = left.iter().position(moved) else { return };
            let (function, _, by) = left.swap_remove(next);
            if self.bodies.len() == MAX_BODIES {
                return self.opaque("it runs too many functions");
            }
            let run = (std::ptr::from_ref(function), unknown, by);
            if self.bodies.insert(run) {
                let outer = std::mem::replace(&mut self.runs_by, by);
                self.along(unknown, |reader| {
                    reader.reading_moved(run, |reader| reader.runs_body(function));
                });
                self.runs_by = outer;
            }
        }
    }
}
