//! Code that a statement brings along: actions of rules, elements of a schema, bodies of functions, blocks of DO.
//!
//! Its statements are read one after another as any others are, with what those before them make uncertain, and with the
//! names of the values around them. What of it is not understood is opaque at its place. Code that is run at once (DO, the
//! elements of a schema) has the effects of its statements; of code that is only defined the actions are told, and nothing
//! is followed.
//!
//! Nobody can tell when or how often a statement of it runs: branches, loops and handlers of errors are not followed, so
//! that whatever one of them may do counts from there on, and in a loop from its beginning.

mod plpgsql;
mod sequence;
mod text;

pub(crate) use sequence::Source;
pub(crate) use text::CodeText;

use policy::{Lineage, Output};

use crate::flow::{add, constant};
use crate::read::Reader;
use crate::{Effects, Statement};

impl Reader<'_> {
    /// Adds what a statement of other code does: its actions with what is told of them, and what it carries. `placed`:
    /// where something stands in it is where it stands in this text.
    pub(crate) fn take(&mut self, statement: Statement, placed: bool) {
        let Statement { actions, written, steers, relations, wants, .. } = statement;
        for mut action in actions {
            if !placed {
                action.detail.position = None;
            }
            // How often it runs is not known.
            action.detail.limit = None;
            self.act_told(action);
        }
        self.store(written);
        self.steer(steers);
        self.relations.extend(relations);
        self.wants.catalog |= wants.catalog;
        self.wants.search_path |= wants.search_path;
        self.wants.reach |= wants.reach;
    }

    /// Reads code that is only defined: its actions are told, and nothing that it does is followed.
    pub(crate) fn defines<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.at_once.get_or_insert(self.actions.len());
        let outer = std::mem::take(&mut self.effects);
        let result = read(self);
        self.effects = outer;
        result
    }

    /// The effects of a statement of code.
    pub(crate) fn follow(&mut self, effects: Effects) {
        // What is followed by name is followed one statement at a time.
        if effects.changes_names() {
            self.opaque("a text gives names of prepared statements or cursors another meaning");
        }
        let Effects {
            ddl,
            search_path,
            sets_path: _,
            string_syntax,
            transaction,
            prepares: _,
            executes: _,
            deallocates: _,
            declares: _,
            holds: _,
            fetches: _,
            copy: _,
            temp,
            renames,
            hangs_code,
            reopens,
            names,
        } = effects;
        // A transaction that ends may put settings and relations back to what they were.
        let ends = transaction.is_some();
        self.effects.ddl |= ddl || ends;
        self.effects.search_path |= search_path || ends;
        self.effects.string_syntax |= string_syntax || ends;
        self.effects.renames |= renames || ends;
        self.effects.hangs_code |= hangs_code;
        self.effects.temp |= temp;
        self.effects.names.extend(names);
        self.effects.reopens |= reopens;
    }
}

/// What rows carry.
pub(crate) fn carried(output: Output) -> Lineage {
    match output {
        Output::None => constant(),
        Output::Columns(columns) => {
            let mut sum = constant();
            columns.into_iter().for_each(|column| add(&mut sum, column));
            sum
        }
        Output::Within(columns) => Lineage::Derived(columns),
        Output::Inherited(_) | Output::Unknown => Lineage::Unknown,
    }
}
