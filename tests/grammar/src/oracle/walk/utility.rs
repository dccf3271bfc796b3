//! What a session has to follow, and names that are no nodes of their own.

use pg_query::protobuf::{ObjectType, TransactionStmtKind};

use super::Walk;
use crate::oracle::tree::{Fields, flag, list, node, number, qualified, text};

impl Walk {
    /// What a session has to follow, and names that are no nodes of their own.
    pub(super) fn utility(&mut self, kind: &str, fields: &Fields) {
        let name = |key: &str| text(fields, key).to_owned();
        let effect = match kind {
            "TransactionStmt" => match TransactionStmtKind::try_from(number(fields, "kind") as i32) {
                Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
                    "begin".to_owned()
                }
                Ok(TransactionStmtKind::TransStmtCommit) => format!("commit {}", flag(fields, "chain")),
                Ok(TransactionStmtKind::TransStmtRollback) => format!("rollback {}", flag(fields, "chain")),
                Ok(TransactionStmtKind::TransStmtSavepoint) => {
                    format!("savepoint {}", name("savepoint_name"))
                }
                Ok(TransactionStmtKind::TransStmtRelease) => format!("release {}", name("savepoint_name")),
                Ok(TransactionStmtKind::TransStmtRollbackTo) => {
                    format!("rollback to {}", name("savepoint_name"))
                }
                Ok(TransactionStmtKind::TransStmtPrepare) => "prepare transaction".to_owned(),
                _ => "prepared".to_owned(),
            },
            "PrepareStmt" => format!("prepares {}", name("name")),
            "ExecuteStmt" => format!("executes {}", name("name")),
            "DeallocateStmt" => format!("deallocates {}", name("name")),
            "DeclareCursorStmt" => format!("declares {}", name("portalname")),
            "FetchStmt" => format!("fetches {}", name("portalname")),
            _ => String::new(),
        };
        if !effect.is_empty() {
            self.facts.effects.insert(effect);
        }
        if kind == "DropStmt" {
            self.dropped(fields);
        }
        if matches!(kind, "CommentStmt" | "SecLabelStmt") {
            self.commented(kind, fields);
        }
    }

    /// The relation that a comment or a label is on, or on a part of.
    fn commented(&mut self, kind: &str, fields: &Fields) {
        let object_type = ObjectType::try_from(number(fields, "objtype") as i32).unwrap_or_default();
        let Some(("List", object)) = fields.get("object").and_then(node) else { return };
        let parts = list(object, "items");
        let name = match object_type {
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectIndex
            | ObjectType::ObjectSequence
            | ObjectType::ObjectForeignTable => qualified(parts),
            ObjectType::ObjectColumn
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectTrigger
            | ObjectType::ObjectRule
            | ObjectType::ObjectPolicy => parts.split_last().and_then(|(_, relation)| qualified(relation)),
            _ => None,
        };
        if let Some(name) = name {
            self.facts.relations.entry(name).or_insert_with(|| kind.to_owned());
        }
    }

    fn dropped(&mut self, fields: &Fields) {
        let object_type = ObjectType::try_from(number(fields, "remove_type") as i32).unwrap_or_default();
        let is_relation = matches!(
            object_type,
            ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectIndex
                | ObjectType::ObjectSequence
                | ObjectType::ObjectForeignTable
        );
        for object in list(fields, "objects") {
            let Some((kind, object)) = node(object) else { continue };
            let around = format!("DropStmt of {object_type:?}");
            match kind {
                "List" => {
                    let parts = list(object, "items");
                    let Some(name) = qualified(parts) else { continue };
                    if is_relation {
                        self.facts.relations.entry(name).or_insert(around);
                    } else if matches!(
                        object_type,
                        ObjectType::ObjectTrigger | ObjectType::ObjectRule | ObjectType::ObjectPolicy
                    ) {
                        if let Some((_, on)) = parts.split_last()
                            && let Some(on) = qualified(on)
                        {
                            self.facts.relations.entry(on).or_insert_with(|| around.clone());
                        }
                        self.facts.drops.insert(name.name, around);
                    } else {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "TypeName" => {
                    // Those that the grammar has words for cannot be dropped.
                    if let Some(name) = qualified(list(object, "names"))
                        && name.schema.as_deref() != Some("pg_catalog")
                    {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "ObjectWithArgs" => {
                    if let Some(name) = qualified(list(object, "objname")) {
                        self.facts.drops.insert(name.name, around);
                    }
                }
                "String" => {
                    self.facts.drops.insert(text(object, "sval").to_owned(), around);
                }
                _ => {}
            }
        }
    }
}
