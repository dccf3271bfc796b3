//! What an action could do past the masks.
//!
//! Masking changes cells on their way out. It cannot see a value that a statement stores elsewhere and another
//! reads back, nor a column that has got another name. It goes by the relations' names alone, so it errs to more:
//! an update of a relation with a masked column counts, whatever it sets, and a mask on `public.*.ssn` counts for
//! every relation of `public`.

use crate::action::{Action, Object, ObjectKind, Verb};
use crate::mask::Masks;

/// How a masked value could get past its mask by an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// In no way.
    None,
    /// It is not understood: in any way.
    Anything,
    /// COPY sends it to the client or to a file.
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

/// The exposure by one action of a statement that reads masked relations or not.
pub(super) fn of(action: &Action, masks: &Masks, reads_masked: bool) -> Exposure {
    let stores = match action.verb {
        Verb::Opaque => return Exposure::Anything,
        Verb::CopyOut | Verb::CopyServer => return Exposure::Copies,
        Verb::Insert | Verb::Create => reads_masked,
        Verb::Update | Verb::UpdateAll | Verb::Alter => reads_masked || touches(masks, &action.object),
        Verb::Select
        | Verb::Delete
        | Verb::DeleteAll
        | Verb::Truncate
        | Verb::Lock
        | Verb::CopyIn
        | Verb::Drop
        | Verb::Maintain
        | Verb::Grant
        | Verb::Revoke
        | Verb::Role
        | Verb::SetRole
        | Verb::Set
        | Verb::Show
        | Verb::Transaction
        | Verb::Prepare
        | Verb::Cursor
        | Verb::Notify
        | Verb::Call
        | Verb::Function
        | Verb::Do
        | Verb::Explain
        | Verb::System => false,
    };
    if stores { Exposure::Stores } else { Exposure::None }
}
