//! What the extensions bring that PostgreSQL is shipped with and migrations make most: the functions that statements call by
//! their names, and the types. All of it is in C, or does no more than what is; what a version has beside it is asked for in
//! vain until the extension is committed.

use std::sync::Arc;

use policy::catalog::{Body, Provisional, TypeKind};
use policy::{Function, RelationKind, Volatility};

struct Extension {
    name: &'static str,
    functions: &'static [&'static str],
    types: &'static [&'static str],
    views: &'static [&'static str],
}

const NONE: Extension = Extension { name: "", functions: &[], types: &[], views: &[] };

/// From contrib of PostgreSQL 14 to 18.
const EXTENSIONS: &[Extension] = &[
    Extension { name: "btree_gin", ..NONE },
    Extension { name: "btree_gist", ..NONE },
    Extension { name: "citext", functions: &["citext"], types: &["citext"], ..NONE },
    Extension {
        name: "cube",
        functions: &["cube", "cube_dim", "cube_distance", "cube_enlarge", "cube_size", "cube_subset"],
        types: &["cube"],
        ..NONE
    },
    Extension {
        name: "fuzzystrmatch",
        functions: &[
            "daitch_mokotoff",
            "difference",
            "dmetaphone",
            "dmetaphone_alt",
            "levenshtein",
            "levenshtein_less_equal",
            "metaphone",
            "soundex",
        ],
        ..NONE
    },
    Extension {
        name: "hstore",
        functions: &[
            "akeys",
            "avals",
            "defined",
            "delete",
            "each",
            "exist",
            "hstore",
            "hstore_to_array",
            "hstore_to_json",
            "hstore_to_json_loose",
            "hstore_to_jsonb",
            "hstore_to_jsonb_loose",
            "hstore_to_matrix",
            "skeys",
            "slice",
            "svals",
        ],
        types: &["hstore"],
        ..NONE
    },
    Extension {
        name: "intarray",
        functions: &["icount", "idx", "intset", "sort", "sort_asc", "sort_desc", "subarray", "uniq"],
        types: &["query_int"],
        ..NONE
    },
    Extension {
        name: "ltree",
        functions: &["index", "lca", "ltree2text", "nlevel", "subltree", "subpath", "text2ltree"],
        types: &["lquery", "ltree", "ltxtquery"],
        ..NONE
    },
    Extension {
        name: "pg_stat_statements",
        functions: &["pg_stat_statements", "pg_stat_statements_info", "pg_stat_statements_reset"],
        views: &["pg_stat_statements", "pg_stat_statements_info"],
        ..NONE
    },
    Extension {
        name: "pg_trgm",
        functions: &[
            "set_limit",
            "show_limit",
            "show_trgm",
            "similarity",
            "strict_word_similarity",
            "word_similarity",
        ],
        ..NONE
    },
    Extension {
        name: "pgcrypto",
        functions: &[
            "armor",
            "crypt",
            "dearmor",
            "decrypt",
            "decrypt_iv",
            "digest",
            "encrypt",
            "encrypt_iv",
            "gen_random_bytes",
            "gen_random_uuid",
            "gen_salt",
            "hmac",
            "pgp_armor_headers",
            "pgp_key_id",
            "pgp_pub_decrypt",
            "pgp_pub_decrypt_bytea",
            "pgp_pub_encrypt",
            "pgp_pub_encrypt_bytea",
            "pgp_sym_decrypt",
            "pgp_sym_decrypt_bytea",
            "pgp_sym_encrypt",
            "pgp_sym_encrypt_bytea",
        ],
        ..NONE
    },
    Extension { name: "plpgsql", ..NONE },
    Extension { name: "unaccent", functions: &["unaccent"], ..NONE },
    Extension {
        name: "uuid-ossp",
        functions: &[
            "uuid_generate_v1",
            "uuid_generate_v1mc",
            "uuid_generate_v3",
            "uuid_generate_v4",
            "uuid_generate_v5",
            "uuid_nil",
            "uuid_ns_dns",
            "uuid_ns_oid",
            "uuid_ns_url",
            "uuid_ns_x500",
        ],
        ..NONE
    },
];

/// What an extension of that name makes in that schema, where it is known.
pub(crate) fn extension(name: &str, schema: &str) -> Option<Vec<Provisional>> {
    let Extension { functions, types, views, .. } =
        EXTENSIONS.iter().find(|extension| extension.name == name)?;
    let made = |name: &&str| {
        Provisional::Made(Arc::new(Function {
            oid: 0,
            schema: schema.to_owned(),
            name: (*name).to_owned(),
            volatility: Volatility::Immutable,
            security_definer: false,
            language: "c".to_owned(),
            procedure: false,
            body: Body::Foreign,
            config: Vec::new(),
        }))
    };
    let named = |name: &&str| (schema.to_owned(), (*name).to_owned());
    let types = types.iter().map(named).map(|(schema, name)| Provisional::Type(schema, name, TypeKind::Base));
    let views = views.iter().map(named);
    let views = views.map(|(schema, name)| Provisional::Created(schema, name, RelationKind::View));
    Some(functions.iter().map(made).chain(types).chain(views).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_extensions_bring_is_by_their_names() {
        let is_sorted = EXTENSIONS.iter().map(|extension| extension.name).is_sorted();
        assert!(is_sorted && extension("uuid-ossp", "s").is_some_and(|made| made.len() == 10));
        assert!(extension("dblink", "s").is_none(), "what runs a text is not among them");
    }
}
