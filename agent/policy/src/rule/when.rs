//! Conditions of a rule on how an action is done, by whom it is gained, and when.
//!
//! A condition is asked of the verbs that can answer it; a rule with one is about no other verb. What could not be told
//! never helps: a rule that allows does not match it, one that denies or holds does.

use crate::action::{Action, Verb};
use crate::pattern::{ColumnPattern, Glob};
use crate::who::covers;
use crate::window::{Moment, Window};

/// How many rows a statement may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowLimit {
    /// A literal limit says that there are no more: of rules that allow alone.
    AtMost(u64),
    /// No literal limit keeps it to so many: of rules that deny or hold alone.
    Above(u64),
}

/// All of these must hold; what is absent or empty asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct When {
    /// Rows are chosen by a condition that is not trivially true.
    pub(crate) condition: Option<bool>,
    pub(crate) limit: Option<RowLimit>,
    /// Of the columns that are read or written: all of them for a rule that allows, one of them for another.
    pub(crate) columns: Vec<ColumnPattern>,
    /// Of the roles that gain or lose by it, in the same way.
    pub(crate) roles: Vec<Glob>,
    /// Any of these.
    pub(crate) windows: Vec<Window>,
}

/// What each condition is asked of.
pub(crate) const CONDITION: &[Verb] =
    &[Verb::Select, Verb::Update, Verb::UpdateAll, Verb::Delete, Verb::DeleteAll];
pub(crate) const LIMIT: &[Verb] = &[Verb::Select];
pub(crate) const COLUMNS: &[Verb] =
    &[Verb::Select, Verb::Predicate, Verb::Insert, Verb::Update, Verb::UpdateAll];
pub(crate) const ROLES: &[Verb] = &[Verb::Grant, Verb::Revoke];

impl When {
    /// Whether it asks nothing.
    pub(crate) fn is_always(&self) -> bool {
        *self == When::default()
    }

    /// Whether it is met. `restricts`: the rule denies or holds.
    pub(crate) fn holds(&self, action: &Action, at: Moment, restricts: bool) -> bool {
        self.unmet(action, at, restricts).is_none()
    }

    /// The key of the first condition that is not met.
    pub(crate) fn unmet(&self, action: &Action, at: Moment, restricts: bool) -> Option<&'static str> {
        let open = |window: &Window| window.contains(at).unwrap_or(restricts);
        if !self.condition.is_none_or(|wanted| condition(action, wanted, restricts)) {
            Some("condition")
        } else if !self.limit.is_none_or(|wanted| limit(action, wanted)) {
            Some("limit")
        } else if !self.columns.is_empty() && !self.has_columns(action, restricts) {
            Some("columns")
        } else if !self.roles.is_empty() && !self.has_roles(action, restricts) {
            Some("roles")
        } else if !self.windows.is_empty() && !self.windows.iter().any(open) {
            Some("time")
        } else {
            None
        }
    }

    /// Whether it is met wherever `other` is, of another rule. `alike`: both allow, or both restrict. It may say no where
    /// it is.
    pub(crate) fn covers(&self, other: &When, alike: bool) -> bool {
        let limit = match (self.limit, other.limit) {
            (None, _) => true,
            (Some(RowLimit::AtMost(wide)), Some(RowLimit::AtMost(narrow))) => narrow <= wide,
            (Some(RowLimit::Above(wide)), Some(RowLimit::Above(narrow))) => narrow >= wide,
            _ => false,
        };
        // One that allows asks for all of the columns, one that restricts for any: not the same where there are none.
        let columns = self.columns.is_empty()
            || (alike && covers(&self.columns, &other.columns, ColumnPattern::covers));
        let roles = self.roles.is_empty() || (alike && covers(&self.roles, &other.roles, Glob::covers));
        limit
            && columns
            && roles
            && (self.condition.is_none() || self.condition == other.condition)
            && covers(&self.windows, &other.windows, Window::eq)
    }

    fn has_columns(&self, action: &Action, restricts: bool) -> bool {
        if !COLUMNS.contains(&action.verb) {
            return false;
        }
        let object = &action.object;
        let Some(columns) = &action.detail.columns else {
            let of =
                |pattern: &ColumnPattern| pattern.may_be_of(object.schema.as_deref(), Some(&object.name));
            return restricts && self.columns.iter().any(of);
        };
        let named = |column: &String| {
            self.columns.iter().any(|pattern| match &object.schema {
                Some(schema) => pattern.matches(schema, &object.name, column),
                None => restricts && pattern.matches_anywhere(&object.name, column),
            })
        };
        if restricts { columns.iter().any(named) } else { columns.iter().all(named) }
    }

    fn has_roles(&self, action: &Action, restricts: bool) -> bool {
        if !ROLES.contains(&action.verb) {
            return false;
        }
        let roles = &action.detail.roles;
        let named = |role: &String| self.roles.iter().any(|glob| glob.matches(role));
        // There is no GRANT to nobody: to whom it is could not be told.
        match (roles.is_empty(), restricts) {
            (true, _) => restricts,
            (false, true) => roles.iter().any(named),
            (false, false) => roles.iter().all(named),
        }
    }
}

fn condition(action: &Action, wanted: bool, restricts: bool) -> bool {
    let found = match action.verb {
        Verb::Update | Verb::Delete => Some(true),
        Verb::UpdateAll | Verb::DeleteAll => Some(false),
        Verb::Select => action.detail.condition,
        _ => return false,
    };
    found.map_or(restricts, |found| found == wanted)
}

/// A limit that could not be told is none: a rule that allows asks for the one form, a rule that restricts for the other.
fn limit(action: &Action, wanted: RowLimit) -> bool {
    LIMIT.contains(&action.verb)
        && match wanted {
            RowLimit::AtMost(most) => action.detail.limit.is_some_and(|limit| limit <= most),
            RowLimit::Above(most) => action.detail.limit.is_none_or(|limit| limit > most),
        }
}

mod words;

#[cfg(test)]
mod tests;
