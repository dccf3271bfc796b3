//! What an action could do past the masks.
//!
//! Masking changes cells on their way out. It cannot see a value that a statement stores elsewhere and another
//! reads back, nor a column that has got another name. Whether a stored value may come from a masked column is
//! told from outside, by who knows the statement's lineage; definitions (CREATE, ALTER) are looked at by the
//! relations' names alone, so there it errs to more: a mask on `public.*.ssn` counts for every relation of
//! `public`.

use crate::action::{Action, Object, ObjectKind, Verb};
use crate::mask::Masks;
use crate::window::Moment;

/// How a masked value could get past its mask by an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// In no way.
    None,
    /// It is not understood: in any way.
    Anything,
    /// COPY sends it to the client, or may to a file.
    Copies,
    /// It is stored, or its column renamed or redefined.
    Stores,
}

/// Whether a mask names a column of that object.
pub(super) fn touches(masks: &Masks, object: &Object) -> bool {
    match object.kind {
        ObjectKind::Relation => masks.name_relation(object.schema.as_deref(), &object.name),
        ObjectKind::Schema => masks.name_schema(&object.name),
        ObjectKind::Function | ObjectKind::Role | ObjectKind::Setting | ObjectKind::Other => false,
    }
}

/// What is known of the statement that an action is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Around {
    /// It reads relations with masked columns.
    pub(super) reads_masked: bool,
    /// A value that it stores, copies out, or hands to a function, may come from a masked column.
    pub(super) stores_masked: bool,
    /// When it is judged.
    pub(super) at: Moment,
}

/// The exposure by one action.
pub(super) fn of(action: &Action, masks: &Masks, around: Around) -> Exposure {
    let Around { reads_masked, stores_masked, at: _ } = around;
    let stores = match action.verb {
        Verb::Replicate | Verb::Opaque => return Exposure::Anything,
        Verb::CopyServer | Verb::CopyProgram => return Exposure::Copies,
        // What it sends is told with what is stored.
        Verb::CopyOut if stores_masked || touches(masks, &action.object) => return Exposure::Copies,
        Verb::CopyOut => false,
        // What a table is made of is stored as INSERT stores it. A view's or a function's text is kept, and read later.
        Verb::Create if action.object.class == "table" => stores_masked,
        Verb::Create => reads_masked || stores_masked,
        Verb::Alter => reads_masked || touches(masks, &action.object),
        Verb::Insert
        | Verb::Update
        | Verb::UpdateAll
        | Verb::CopyIn
        | Verb::Set
        | Verb::Notify
        | Verb::Call
        | Verb::Function
        | Verb::Do
        | Verb::System => stores_masked,
        Verb::Select
        | Verb::Predicate
        | Verb::Delete
        | Verb::DeleteAll
        | Verb::Truncate
        | Verb::Lock
        | Verb::References
        | Verb::Drop
        | Verb::Maintain
        | Verb::Grant
        | Verb::Revoke
        | Verb::Role
        | Verb::SetRole
        | Verb::Show
        | Verb::Transaction
        | Verb::Prepare
        | Verb::Cursor
        | Verb::Explain => false,
    };
    if stores { Exposure::Stores } else { Exposure::None }
}

/// Whether what an action runs or defines is code, which is not read: it may carry a masked value anywhere. Where a rule
/// has to allow that, its author says so; where nothing is enforced, nobody has.
pub(super) const fn is_code(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Function
            | Verb::Call
            | Verb::Do
            | Verb::System
            | Verb::Create
            | Verb::Alter
            | Verb::CopyServer
            | Verb::CopyProgram
    )
}
