//! What the statements before one of the same text have made uncertain, and those around the code that it is in.

use std::cell::Cell;
use std::rc::Rc;

use policy::Catalog;
use policy::catalog::Provisional;

use crate::analysis::SetPath;
use crate::{Effects, Limits, SearchPath, Settings, Statement, TransactionEffect};

/// Bytes that code may have beyond the text's own length, where it is read again: in a loop, or in code of code.
const MORE_CODE: usize = 256 * 1024;

/// Statements and expressions of code that one text may have.
const MAX_PIECES: usize = 40_000;

/// What is copied of what is not committed counts as so many bytes of bodies, each.
const STEP: usize = 64;

/// What earlier statements have made uncertain. It only ever grows: what one of them may have done counts as done.
pub(crate) struct Before<'o> {
    /// Of the statement that this code is in.
    outer: Option<&'o Before<'o>>,
    /// Each statement is run, once, and behind the one before it.
    straight: bool,
    /// What names mean has been changed here.
    copied: bool,
    /// What names mean, by what they have done.
    pub(crate) catalog: Catalog,
    /// It is not known what the effective search path is.
    search_path: bool,
    /// What it was set to here, and whether that ends with the transaction.
    path: Option<(SearchPath, SetPath)>,
    /// Who the role is, or which schemas it may use, may be other than at the beginning.
    reach: bool,
    /// The catalog may have changed: lineage proves nothing any more.
    pub(crate) ddl: bool,
    /// No name of a relation is certain any more.
    pub(crate) moved: bool,
    /// Any relation may run what changes settings.
    pub(crate) hangs_code: bool,
    /// How strings are read may have changed.
    pub(crate) string_syntax: bool,
    /// Bytes of code that may still be read; of the outermost alone.
    code: Cell<usize>,
    /// Pieces of it; the same.
    pieces: Cell<usize>,
    /// Bytes of bodies that may still be looked through.
    bodies: Rc<Cell<usize>>,
}

impl<'o> Before<'o> {
    /// Before the first statement of a text of that many bytes. `straight`: that is run as it is.
    pub(crate) fn nothing(length: usize, catalog: &Catalog, limits: &Limits, straight: bool) -> Self {
        Before::run(length, catalog, straight, Rc::new(Cell::new(limits.bodies)))
    }

    /// Before the first statement of a text that another runs, where this is known.
    pub(crate) fn given(length: usize, by: &Before<'_>) -> Self {
        Before::run(length, &by.catalog, false, Rc::clone(&by.bodies))
    }

    fn run(length: usize, catalog: &Catalog, straight: bool, bodies: Rc<Cell<usize>>) -> Self {
        Before {
            outer: None,
            straight,
            copied: false,
            catalog: catalog.clone(),
            search_path: false,
            path: None,
            reach: false,
            ddl: false,
            moved: false,
            hangs_code: false,
            string_syntax: false,
            code: Cell::new(length.saturating_add(MORE_CODE)),
            pieces: Cell::new(MAX_PIECES),
            bodies,
        }
    }

    /// Before the first statement of code that is read where this is known.
    pub(crate) fn code_in(outer: &'o Before<'o>) -> Self {
        Before {
            outer: Some(outer),
            search_path: outer.search_path,
            path: None,
            reach: outer.reach,
            ddl: outer.ddl,
            moved: outer.moved,
            hangs_code: outer.hangs_code,
            string_syntax: outer.string_syntax,
            ..Before::given(0, outer)
        }
    }

    fn outermost(&self) -> &Before<'o> {
        let mut level = self;
        while let Some(outer) = level.outer {
            level = outer;
        }
        level
    }

    /// Whether so many bytes of code may still be read.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        spend(&self.outermost().code, bytes)
    }

    /// Whether a body of so many bytes may be looked through.
    pub(crate) fn spend_body(&self, bytes: usize) -> bool {
        // A short one takes its time, too.
        spend(&self.bodies, bytes.max(STEP))
    }

    /// Whether one more piece of code may be read.
    pub(crate) fn spend_piece(&self) -> bool {
        spend(&self.outermost().pieces, 1)
    }

    /// Whether anything is uncertain that was not around the code.
    pub(crate) fn has_changed(&self) -> bool {
        let Some(outer) = self.outer else { return false };
        self.catalog.steps() != outer.catalog.steps()
            || self.path.is_some()
            || (self.search_path, self.reach, self.ddl, self.moved, self.hangs_code, self.string_syntax)
                != (
                    outer.search_path,
                    outer.reach,
                    outer.ddl,
                    outer.moved,
                    outer.hangs_code,
                    outer.string_syntax,
                )
    }

    /// Where names are looked for now.
    pub(crate) fn search_path<'p>(&'p self, settings: &'p Settings) -> &'p SearchPath {
        match &self.path {
            _ if self.search_path => &SearchPath::Unknown,
            Some((path, _)) => path,
            None => &settings.search_path,
        }
    }

    /// `settings`: those that were read by at the beginning.
    pub(crate) fn add(&mut self, statement: &Statement, settings: &Settings) {
        let Effects { ddl, hangs_code, string_syntax, renames, .. } = &statement.effects;
        self.ddl |= ddl;
        self.hangs_code |= hangs_code;
        self.string_syntax |= string_syntax;
        self.moved |= renames;
        let new_schema = statement.makes_schema(&self.catalog);
        self.does(&statement.provisional(&self.catalog));
        self.follow_path(statement, new_schema, settings);
    }

    fn does(&mut self, done: &[Provisional]) {
        if done.is_empty() {
            return;
        }
        // The first change of code to what is around it copies that.
        let copies = !std::mem::replace(&mut self.copied, true) && !self.straight;
        if copies && !spend(&self.bodies, self.catalog.steps().saturating_mul(STEP)) {
            self.moved = true;
            return;
        }
        for done in done {
            self.catalog.apply(done);
        }
    }

    fn follow_path(&mut self, statement: &Statement, new_schema: bool, settings: &Settings) {
        let Effects { sets_path, transaction, .. } = &statement.effects;
        let takes_back = transaction.as_ref().is_some_and(TransactionEffect::takes_back);
        let commits = matches!(transaction, Some(TransactionEffect::Commit { .. }));
        let ends = |(_, set): &(SearchPath, SetPath)| set.local || !commits;
        self.search_path |= takes_back && (settings.unsettled || self.path.as_ref().is_some_and(ends));
        self.reach |= (takes_back && settings.unsettled)
            || statement.moves_reach(self.search_path(settings), settings.reach.as_deref());
        self.search_path |= self.reach;
        let set = match (sets_path, &self.path) {
            (Some(set), _) => set.clone(),
            (None, Some((_, set))) if new_schema => set.clone(),
            (None, _) => {
                self.search_path |= new_schema;
                return;
            }
        };
        let made = |schema: &str| self.catalog.is_schema_made(schema);
        match &settings.reach {
            Some(reach) if !self.reach && self.straight => {
                self.path = Some((settings.search_path.set_to(&set.list, reach, made), set));
                self.search_path = false;
            }
            _ => self.search_path = true,
        }
    }
}

fn spend(left: &Cell<usize>, what: usize) -> bool {
    let after = left.get().checked_sub(what);
    left.set(after.unwrap_or(0));
    after.is_some()
}
