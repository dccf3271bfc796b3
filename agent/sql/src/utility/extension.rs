//! ALTER EXTENSION: what belongs to an extension goes where it goes, with its schema and with DROP EXTENSION.

use policy::catalog::Base;
use policy::{Action, Detail, Object, ObjectKind, Renaming, Verb};

use super::kind::object_type;
use super::standing::thing_object;
use crate::cursor::Cursor;
use crate::name::Name;
use crate::read::{Reader, relation_object};

impl Reader<'_> {
    /// What follows the name of the extension.
    pub(super) fn alters_extension(&mut self, cursor: &mut Cursor<'_>, extension: &Name) -> Option<()> {
        if cursor.eat_one(&["add", "drop"]).is_some() {
            return self.takes_member(cursor);
        }
        if cursor.eat_all(&["set", "schema"]) {
            let schema = cursor.name()?;
            self.moves_members(extension, &schema);
        }
        // UPDATE runs the server's own scripts.
        cursor.rest = &[];
        Some(())
    }

    /// An object that becomes a member, or is one no more: it is altered as PostgreSQL asks for its owner.
    fn takes_member(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let object_type = object_type(cursor)?;
        if object_type.kind == ObjectKind::Relation {
            let name = cursor.qualified()?;
            self.touch(Verb::Alter, &name);
            return Some(());
        }
        // Operators, casts and transforms are written in more than a name.
        let name = cursor.qualified();
        self.alter_other(Verb::Alter, object_type.kind, object_type.class, name);
        self.functions_stay();
        cursor.rest = &[];
        Some(())
    }

    /// Every member gets another schema, by which rules and masks do not know it.
    fn moves_members(&mut self, extension: &Name, schema: &str) {
        let renaming = |name: &str| Renaming::To { schema: Some(schema.to_owned()), name: name.to_owned() };
        for member in self.members(extension) {
            match member {
                Base::Relation(oid) => {
                    self.implying(|reader| reader.touch_oid(oid, Verb::Alter));
                    let Some(relation) = self.names.catalog.relation(oid) else { continue };
                    self.renames(relation_object(relation), true, renaming(&relation.name));
                    let object =
                        Object { schema: Some(schema.to_owned()), oid: None, ..relation_object(relation) };
                    self.act(Action { verb: Verb::Create, object, implied: true, detail: Detail::NONE });
                }
                Base::Thing(thing) => self.renames(thing_object(&thing), true, renaming(&thing.name)),
            }
        }
    }
}
