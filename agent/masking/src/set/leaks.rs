//! PostgreSQL's own copies of users' values: what ANALYZE samples, what other sessions are running, large objects;
//! and the secrets of roles and servers, which a service role may be allowed to read and no job needs.
//!
//! `pg_stats` and its like do not depend on the tables that their rows are about, so that no mask would reach
//! them. Views and functions of extensions (`pg_stat_statements`) call a user's function and are caught by that.

/// Columns of `pg_catalog` that hold values, how they lie or how often they are there, texts or secrets of others, in order.
const COLUMNS: &[(&str, &str)] = &[
    ("pg_attribute", "attmissingval"),
    ("pg_authid", "rolpassword"),
    ("pg_db_role_setting", "setconfig"),
    ("pg_file_settings", "setting"),
    ("pg_largeobject", "data"),
    ("pg_roles", "rolconfig"),
    ("pg_shadow", "passwd"),
    ("pg_shadow", "useconfig"),
    ("pg_stat_activity", "query"),
    ("pg_stat_wal_receiver", "conninfo"),
    ("pg_statistic", "stadistinct"),
    ("pg_statistic", "stanumbers1"),
    ("pg_statistic", "stanumbers2"),
    ("pg_statistic", "stanumbers3"),
    ("pg_statistic", "stanumbers4"),
    ("pg_statistic", "stanumbers5"),
    ("pg_statistic", "stavalues1"),
    ("pg_statistic", "stavalues2"),
    ("pg_statistic", "stavalues3"),
    ("pg_statistic", "stavalues4"),
    ("pg_statistic", "stavalues5"),
    ("pg_statistic_ext_data", "stxddependencies"),
    ("pg_statistic_ext_data", "stxdexpr"),
    ("pg_statistic_ext_data", "stxdmcv"),
    ("pg_statistic_ext_data", "stxdndistinct"),
    ("pg_stats", "correlation"),
    ("pg_stats", "elem_count_histogram"),
    ("pg_stats", "histogram_bounds"),
    ("pg_stats", "most_common_elem_freqs"),
    ("pg_stats", "most_common_elems"),
    ("pg_stats", "most_common_freqs"),
    ("pg_stats", "most_common_vals"),
    ("pg_stats", "n_distinct"),
    ("pg_stats", "range_bounds_histogram"),
    ("pg_stats", "range_empty_frac"),
    ("pg_stats", "range_length_histogram"),
    ("pg_stats_ext", "dependencies"),
    ("pg_stats_ext", "most_common_base_freqs"),
    ("pg_stats_ext", "most_common_freqs"),
    ("pg_stats_ext", "most_common_val_nulls"),
    ("pg_stats_ext", "most_common_vals"),
    ("pg_stats_ext", "n_distinct"),
    ("pg_stats_ext_exprs", "correlation"),
    ("pg_stats_ext_exprs", "elem_count_histogram"),
    ("pg_stats_ext_exprs", "histogram_bounds"),
    ("pg_stats_ext_exprs", "most_common_elem_freqs"),
    ("pg_stats_ext_exprs", "most_common_elems"),
    ("pg_stats_ext_exprs", "most_common_freqs"),
    ("pg_stats_ext_exprs", "most_common_vals"),
    ("pg_stats_ext_exprs", "n_distinct"),
    ("pg_stats_ext_exprs", "range_bounds_histogram"),
    ("pg_stats_ext_exprs", "range_empty_frac"),
    ("pg_stats_ext_exprs", "range_length_histogram"),
    ("pg_subscription", "subconninfo"),
    ("pg_user", "useconfig"),
    ("pg_user_mapping", "umoptions"),
    ("pg_user_mappings", "umoptions"),
];

/// Whether the column holds values of tables, or texts of statements, that a mask could be meant for.
pub(super) fn holds_values(schema: &str, relation: &str, column: &str) -> bool {
    match schema {
        "pg_catalog" => COLUMNS.binary_search(&(relation, column)).is_ok(),
        "information_schema" => matches!(
            (relation, column),
            ("user_mapping_options", "option_value") | ("_pg_user_mappings", "umoptions")
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_stand_in_the_order_that_the_search_needs() {
        assert!(COLUMNS.is_sorted());
        assert!(COLUMNS.iter().all(|(relation, column)| holds_values("pg_catalog", relation, column)));
        assert!(!holds_values("public", "pg_stats", "most_common_vals"));
        assert!(!holds_values("pg_catalog", "pg_stats", "tablename"));
    }

    /// Whoever writes a value elsewhere would see in them that it is there already.
    #[test]
    fn how_often_values_are_there_is_held_back_and_how_many_are_null_is_not() {
        for column in ["n_distinct", "most_common_freqs", "correlation"] {
            assert!(holds_values("pg_catalog", "pg_stats", column), "{column}");
        }
        assert!(!holds_values("pg_catalog", "pg_stats", "null_frac"));
        assert!(!holds_values("pg_catalog", "pg_stats", "avg_width"));
    }

    #[test]
    fn passwords_of_roles_and_servers_are_held_back_and_names_are_not() {
        for (relation, column) in [
            ("pg_authid", "rolpassword"),
            ("pg_shadow", "passwd"),
            ("pg_user_mapping", "umoptions"),
            ("pg_subscription", "subconninfo"),
            ("pg_user", "useconfig"),
        ] {
            assert!(holds_values("pg_catalog", relation, column), "{relation}.{column}");
        }
        assert!(!holds_values("pg_catalog", "pg_authid", "rolname"));
        assert!(!holds_values("pg_catalog", "pg_roles", "rolname"));
    }
}
