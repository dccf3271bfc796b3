//! PostgreSQL's own functions, operators and types, as far as a call of them needs no rule.
//!
//! A function is on the list of the harmless ones only if it computes from its arguments, the clock, the
//! session, the system catalogs, or the server's own counters. Whatever runs a text, writes, waits, signals, locks, or
//! reads files or what other sessions run is not: it stays an action of its own.

#[rustfmt::skip]
mod harmless;

/// What is known of a built-in function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// Free to call, and its result carries its arguments alone.
    Harmless,
    /// An action, but its result carries nothing beside its arguments.
    Contained,
    /// Anything else.
    Other,
}

/// The functions that are actions and still return nothing of anyone's data. Sorted.
const CONTAINED: &[&str] = &[
    "nextval",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_cancel_backend",
    "pg_notify",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_terminate_backend",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "set_config",
    "setval",
];

/// What is known of `pg_catalog`'s function of that name.
pub(crate) fn builtin(name: &str) -> Builtin {
    if harmless::FUNCTIONS.binary_search(&name).is_ok() {
        Builtin::Harmless
    } else if CONTAINED.contains(&name) {
        Builtin::Contained
    } else {
        Builtin::Other
    }
}

/// PostgreSQL's own aggregates (9.21). Sorted.
#[rustfmt::skip]
const AGGREGATES: &[&str] = &[
    "any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count",
    "covar_pop", "covar_samp", "cume_dist", "dense_rank", "every", "json_agg", "json_agg_strict", "json_arrayagg",
    "json_object_agg", "json_object_agg_strict", "json_object_agg_unique", "json_object_agg_unique_strict",
    "json_objectagg", "jsonb_agg", "jsonb_agg_strict", "jsonb_object_agg", "jsonb_object_agg_strict",
    "jsonb_object_agg_unique", "jsonb_object_agg_unique_strict", "max", "min", "mode", "percent_rank",
    "percentile_cont", "percentile_disc", "range_agg", "range_intersect_agg", "rank", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev",
    "stddev_pop", "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance", "xmlagg",
];

/// Whether `pg_catalog` has an aggregate of that name.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.binary_search(&name).is_ok()
}

/// Whether `pg_catalog` has a type of that name (arrays without their underscore).
pub(crate) fn is_builtin_type(name: &str) -> bool {
    harmless::TYPES.binary_search(&name).is_ok()
}

/// Whether `pg_catalog` has an operator of that name.
pub(crate) fn is_builtin_operator(name: &str) -> bool {
    harmless::OPERATORS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_sorted_and_without_repetition() {
        for list in [harmless::FUNCTIONS, harmless::TYPES, harmless::OPERATORS, AGGREGATES] {
            assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
        }
    }

    #[test]
    fn what_people_call_to_compute_or_to_watch_a_server_is_harmless() {
        let always = [
            "jsonb_exists",
            "jsonb_contains",
            "jsonb_object_field_text",
            "ts_match_vq",
            "ts_debug",
            "hashint4",
            "hash_record",
            "int4larger",
            "numeric_mul",
            "textcat",
            "current_query",
            "currval",
            "lastval",
            "txid_current",
            "pg_show_all_settings",
            "pg_relation_filenode",
            "pg_current_wal_lsn",
            "pg_last_xact_replay_timestamp",
            "pg_blocking_pids",
            "pg_notification_queue_usage",
            "pg_stat_get_live_tuples",
            "pg_stat_get_db_xact_commit",
        ];
        for name in always {
            assert_eq!(builtin(name), Builtin::Harmless, "{name}");
        }
    }

    #[test]
    fn what_runs_writes_waits_or_reads_files_is_not_harmless() {
        let never = [
            "set_config",
            "pg_read_file",
            "pg_read_binary_file",
            "pg_ls_dir",
            "pg_stat_file",
            "lo_import",
            "lo_export",
            "lo_get",
            "lo_put",
            "loread",
            "lowrite",
            "dblink",
            "pg_sleep",
            "nextval",
            "setval",
            "query_to_xml",
            "database_to_xml",
            "table_to_xml",
            "schema_to_xml",
            "cursor_to_xml",
            "query_to_xmlschema",
            "query_to_xml_and_xmlschema",
            "ts_stat",
            "ts_rewrite",
            "pg_terminate_backend",
            "pg_cancel_backend",
            "pg_reload_conf",
            "pg_notify",
            "pg_export_snapshot",
            "pg_advisory_lock",
            "pg_logical_emit_message",
            "pg_create_restore_point",
            "pg_stat_get_activity",
            "pg_stat_get_backend_activity",
            "pg_sequence_last_value",
            "setseed",
            "pg_rotate_logfile",
            "pg_promote",
            "pg_switch_wal",
            "brin_summarize_range",
        ];
        for name in never {
            assert_ne!(builtin(name), Builtin::Harmless, "{name}");
        }
    }
}
