//! What is told of an action beside its verb and its relation: which columns, under what condition, how many rows.
//!
//! A column that is read comes to light after the relation was touched, so what is noted here is told when the whole
//! statement has been read. It errs to more: what could not be followed is any column, no condition and no limit.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use policy::{Action, Catalog, Detail, Oid, Relation, Verb};

/// What is read of one relation, in one place of a statement.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Positions among the relation's columns.
    columns: RefCell<BTreeSet<usize>>,
    /// Any column may be read.
    every: Cell<bool>,
    /// A system column is read that tells its rows apart.
    system: Cell<bool>,
    condition: Cell<bool>,
    limit: Cell<Option<u64>>,
}

impl Used {
    /// Of rows that are chosen by a condition, or not.
    pub(crate) fn by(condition: bool) -> Rc<Self> {
        let used = Used::default();
        used.condition.set(condition);
        Rc::new(used)
    }

    pub(crate) fn read(&self, position: usize) {
        self.columns.borrow_mut().insert(position);
    }

    pub(crate) fn read_every(&self) {
        self.every.set(true);
    }

    pub(crate) fn read_system(&self) {
        self.system.set(true);
    }

    /// Notes what was read in a part of its place, and gives whether it can tell its rows apart.
    pub(crate) fn take_in(&self, part: &Used) -> bool {
        self.columns.borrow_mut().extend(part.columns.borrow().iter());
        self.every.set(self.every.get() || part.every.get());
        part.is_read() || part.system.get()
    }

    /// Whether any column has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.every.get() || !self.columns.borrow().is_empty()
    }

    pub(crate) fn choose(&self, condition: bool) {
        self.condition.set(condition);
    }

    pub(crate) fn limit(&self, rows: u64) {
        self.limit.set(Some(rows));
    }

    /// The names of the columns that were read; `None`: any.
    fn names(&self, relation: &Relation) -> Option<Vec<String>> {
        if self.every.get() && relation.columns.is_empty() {
            return None;
        }
        if self.every.get() {
            return Some(relation.columns.iter().map(|column| column.name.clone()).collect());
        }
        let columns = self.columns.borrow();
        columns.iter().map(|at| relation.columns.get(*at).map(|column| column.name.clone())).collect()
    }
}

/// What is known of one touch of a relation.
#[derive(Debug, Clone, Default)]
pub(crate) enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// What is read of the relation that was named, as far as it comes to light.
    Read(Rc<Used>),
    /// The same, by a view of which one row may be made of many of this relation's.
    Gathered(Rc<Used>),
    /// What is written to it.
    Written {
        /// Columns; `None`: any, or the verb has none.
        columns: Option<Rc<[String]>>,
        condition: Option<bool>,
    },
    /// By a statement of code, which has been read.
    Already(Box<Detail>),
}

impl Told {
    /// The columns that are written, where they are known.
    pub(crate) fn written(&self) -> Option<&[String]> {
        match self {
            Told::Written { columns, condition: _ } => columns.as_deref(),
            Told::Nothing | Told::Read(_) | Told::Gathered(_) | Told::Already(_) => None,
        }
    }

    /// The same of a relation that a view which was touched stands on: its columns have other names there.
    /// `gathers`: one of its rows may be made of many of that one's.
    pub(crate) fn of_base(&self, gathers: bool) -> Told {
        match self {
            Told::Nothing => Told::Nothing,
            Told::Read(used) if !gathers => Told::Read(Rc::clone(used)),
            Told::Read(used) | Told::Gathered(used) => Told::Gathered(Rc::clone(used)),
            Told::Written { columns: _, condition } => Told::Written { columns: None, condition: *condition },
            Told::Already(detail) => Told::Already(detail.clone()),
        }
    }
}

/// One touch, to be told when the statement has been read.
#[derive(Debug)]
pub(crate) struct Note {
    /// The action's place among those of the statement.
    pub(crate) action: usize,
    pub(crate) told: Told,
    /// The relation whose columns [`Told::Read`] counts; `None`: those that a view reads of its base.
    pub(crate) named: Option<Oid>,
    /// What a view reads of its base.
    pub(crate) base: Option<Vec<String>>,
}

/// Whether conditions of rules may ask more about an action of this verb.
pub(crate) const fn is_told(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Select | Verb::Insert | Verb::Update | Verb::UpdateAll | Verb::Delete | Verb::DeleteAll
    )
}

/// Tells the actions what was noted. A relation that is touched more than once is told of by the sum: all the columns,
/// a condition only if each has one, a limit only if each has one.
pub(crate) fn tell(notes: &[Note], actions: &mut [Action], catalog: &Catalog) {
    let mut seen = vec![false; actions.len()];
    for note in notes {
        let detail = of(note, catalog);
        let (Some(action), Some(seen)) = (actions.get_mut(note.action), seen.get_mut(note.action)) else {
            continue;
        };
        if std::mem::replace(seen, true) {
            merge(&mut action.detail, detail);
        } else {
            action.detail = detail;
        }
    }
}

fn of(note: &Note, catalog: &Catalog) -> Detail {
    let mut detail = Detail::NONE;
    match &note.told {
        Told::Nothing => {}
        Told::Read(used) | Told::Gathered(used) => {
            detail.columns = match note.named {
                Some(oid) => catalog.relation(oid).and_then(|relation| used.names(relation)),
                None => note.base.clone(),
            };
            detail.condition = Some(used.condition.get());
            detail.limit = used.limit.get().filter(|_| matches!(note.told, Told::Read(_)));
        }
        Told::Written { columns, condition } => {
            detail.columns = columns.as_ref().map(|columns| columns.to_vec());
            detail.condition = *condition;
        }
        Told::Already(told) => detail = Detail::clone(told),
    }
    if let Some(columns) = &mut detail.columns {
        columns.sort_unstable();
        columns.dedup();
    }
    detail
}

fn merge(detail: &mut Detail, other: Detail) {
    detail.columns = match (detail.columns.take(), other.columns) {
        (Some(mut columns), Some(more)) => {
            columns.extend(more);
            columns.sort_unstable();
            columns.dedup();
            Some(columns)
        }
        _ => None,
    };
    detail.condition = match (detail.condition, other.condition) {
        (Some(one), Some(other)) => Some(one && other),
        _ => None,
    };
    detail.limit = match (detail.limit, other.limit) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        _ => None,
    };
}
