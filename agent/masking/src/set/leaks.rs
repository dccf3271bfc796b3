//! PostgreSQL's own copies of users' values: what ANALYZE samples, what other sessions are running, large objects;
//! and the secrets of roles and servers, which a service role may be allowed to read and no job needs.
//!
//! `pg_stats` and its like do not depend on the tables that their rows are about, so that no mask would reach
//! them. Views and functions of extensions (`pg_stat_statements`) call a user's function and are caught by that.

/// Columns of `pg_catalog` that hold values, texts or secrets of others, in order.
const COLUMNS: &[(&str, &str)] = &[
    ("pg_attribute", "attmissingval"),
    ("pg_authid", "rolpassword"),
    ("pg_largeobject", "data"),
    ("pg_shadow", "passwd"),
    ("pg_stat_activity", "query"),
    ("pg_stat_wal_receiver", "conninfo"),
    ("pg_statistic", "stavalues1"),
    ("pg_statistic", "stavalues2"),
    ("pg_statistic", "stavalues3"),
    ("pg_statistic", "stavalues4"),
    ("pg_statistic", "stavalues5"),
    ("pg_statistic_ext_data", "stxdexpr"),
    ("pg_statistic_ext_data", "stxdmcv"),
    ("pg_stats", "histogram_bounds"),
    ("pg_stats", "most_common_elems"),
    ("pg_stats", "most_common_vals"),
    ("pg_stats", "range_bounds_histogram"),
    ("pg_stats_ext", "most_common_vals"),
    ("pg_stats_ext_exprs", "histogram_bounds"),
    ("pg_stats_ext_exprs", "most_common_elems"),
    ("pg_stats_ext_exprs", "most_common_vals"),
    ("pg_stats_ext_exprs", "range_bounds_histogram"),
    ("pg_subscription", "subconninfo"),
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

    #[test]
    fn passwords_of_roles_and_servers_are_held_back_and_names_are_not() {
        for (relation, column) in [
            ("pg_authid", "rolpassword"),
            ("pg_shadow", "passwd"),
            ("pg_user_mapping", "umoptions"),
            ("pg_subscription", "subconninfo"),
        ] {
            assert!(holds_values("pg_catalog", relation, column), "{relation}.{column}");
        }
        assert!(!holds_values("pg_catalog", "pg_authid", "rolname"));
        assert!(!holds_values("pg_catalog", "pg_roles", "rolname"));
    }
}
