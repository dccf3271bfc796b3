//! The command tag of a statement.

use super::tree::{Fields, flag};

/// The first word of PostgreSQL's command tag.
pub(super) fn tag(kind: &str, fields: &Fields) -> &'static str {
    match kind {
        "SelectStmt" => "SELECT",
        "InsertStmt" => "INSERT",
        "UpdateStmt" => "UPDATE",
        "DeleteStmt" => "DELETE",
        "MergeStmt" => "MERGE",
        "ExplainStmt" => "EXPLAIN",
        "CopyStmt" => "COPY",
        "PrepareStmt" => "PREPARE",
        "ExecuteStmt" => "EXECUTE",
        "DeallocateStmt" => "DEALLOCATE",
        "DeclareCursorStmt" => "DECLARE",
        "ClosePortalStmt" => "CLOSE",
        "FetchStmt" => {
            if flag(fields, "ismove") {
                "MOVE"
            } else {
                "FETCH"
            }
        }
        "TruncateStmt" => "TRUNCATE",
        "LockStmt" => "LOCK",
        "CallStmt" => "CALL",
        "DoStmt" => "DO",
        "ListenStmt" => "LISTEN",
        "UnlistenStmt" => "UNLISTEN",
        "NotifyStmt" => "NOTIFY",
        "LoadStmt" => "LOAD",
        "CheckPointStmt" => "CHECKPOINT",
        "CommentStmt" => "COMMENT",
        "SecLabelStmt" => "SECURITY",
        "ReindexStmt" => "REINDEX",
        "ClusterStmt" => "CLUSTER",
        "RefreshMatViewStmt" => "REFRESH",
        "VacuumStmt" => {
            if flag(fields, "is_vacuumcmd") {
                "VACUUM"
            } else {
                "ANALYZE"
            }
        }
        "VariableShowStmt" => "SHOW",
        "DiscardStmt" => "DISCARD",
        "ImportForeignSchemaStmt" => "IMPORT",
        "ReassignOwnedStmt" => "REASSIGN",
        "GrantStmt" | "GrantRoleStmt" => {
            if flag(fields, "is_grant") {
                "GRANT"
            } else {
                "REVOKE"
            }
        }
        "ConstraintsSetStmt" => "SET",
        "ViewStmt" | "IndexStmt" | "RuleStmt" | "DefineStmt" | "CompositeTypeStmt" | "CreatedbStmt" => {
            "CREATE"
        }
        "RenameStmt" | "AddRoleMembersStmt" => "ALTER",
        "DropdbStmt" => "DROP",
        kind if kind.starts_with("Create") => "CREATE",
        kind if kind.starts_with("Alter") => "ALTER",
        kind if kind.starts_with("Drop") => "DROP",
        _ => "",
    }
}
