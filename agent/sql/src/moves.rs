//! What a statement does to names, and to what hangs on them: which relations are gone behind it, and whether names may have changed hands in a
//! way that cannot be told.

use std::collections::BTreeSet;

use policy::{Action, Catalog, ObjectKind, Oid, Relation, Verb};

use crate::Effects;
use crate::cursor::Cursor;
use crate::lexer::Token;

/// Notes it among the effects of the statement that these tokens are and that does this.
pub(crate) fn note(
    text: &str,
    tokens: &[Token],
    actions: &[Action],
    catalog: &Catalog,
    effects: &mut Effects,
) {
    if !effects.ddl {
        return;
    }
    let cascades = tokens.iter().any(|token| token.is(text, "cascade"));
    effects.renames |= renames(text, tokens, actions);
    // What a function does that is called is its own matter, as with names.
    let defines = actions.iter().any(|a| matches!(a.verb, Verb::Create | Verb::Alter | Verb::Opaque));
    effects.hangs_code |= defines && (effects.search_path || hangs_code(text, tokens, actions));
    let dropped = |a: &&Action| a.verb == Verb::Drop && a.object.kind == ObjectKind::Relation;
    for Action { object, .. } in actions.iter().filter(dropped) {
        if let Some(schema) = &object.schema {
            effects.drops.push((schema.clone(), object.name.clone()));
        }
    }
    if cascades {
        let changed = actions.iter().filter(|a| matches!(a.verb, Verb::Drop | Verb::Alter));
        let dependents = dependents(changed.filter_map(|a| a.object.oid).collect(), catalog);
        effects.drops.extend(dependents.into_iter().map(|r| (r.schema.clone(), r.name.clone())));
    }
}

/// Whether a name may stand for another relation, or for more of them. Of what was not understood, any of these
/// words is enough.
fn renames(text: &str, tokens: &[Token], actions: &[Action]) -> bool {
    let does = |verb| actions.iter().any(|a| a.verb == verb);
    if does(Verb::Opaque) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return true };
        let text = text.as_bytes().get(first.start as usize..last.end as usize).unwrap_or_default();
        let has = |word: &[u8]| text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        return [&b"rename"[..], b"schema", b"inherit", b"attach", b"drop"].into_iter().any(has);
    }
    let cursor = Cursor::new(text, tokens);
    if cursor.sees_all(&["drop", "owned"]) {
        return true;
    }
    let extension = |a: &Action| {
        a.object.class == "extension" && matches!(a.verb, Verb::Drop | Verb::Alter | Verb::Create)
    };
    // The relations that go by the way are told, each by its name.
    if actions.iter().any(extension) {
        return true;
    }
    let sees = |words: &[&str]| {
        (0..tokens.len()).any(|at| Cursor::new(text, tokens.get(at..).unwrap_or_default()).sees_all(words))
    };
    // RENAME of a column or a constraint has that one's name before TO.
    does(Verb::Alter)
        && [&["rename", "to"][..], &["set", "schema"], &["inherit"], &["attach"]].into_iter().any(sees)
}

/// Whether it may make a relation run what it did not before: by a trigger or a policy of its own, by defaults and checks
/// that it has from another relation, by a cascade to one, or by an operator or a cast. What its own text calls is not asked
/// for here.
fn hangs_code(text: &str, tokens: &[Token], actions: &[Action]) -> bool {
    let sees = |word: &str| tokens.iter().any(|token| token.is(text, word));
    let alters = actions.iter().any(|a| a.verb == Verb::Alter);
    ["trigger", "policy", "rule", "operator", "cast", "like", "inherits", "of"].into_iter().any(sees)
        || (alters && sees("references") && sees("on"))
}

/// The relations that stand on these, and those that stand on them.
pub(crate) fn dependents(mut of: BTreeSet<Oid>, catalog: &Catalog) -> Vec<&Relation> {
    let mut found = Vec::new();
    loop {
        let before = of.len();
        for relation in catalog.relations().filter(|r| r.oid != 0) {
            let stands = relation.bases.iter().any(|base| of.contains(&base.relation))
                || relation.parents.iter().any(|parent| of.contains(parent));
            if stands && of.insert(relation.oid) {
                found.push(relation);
            }
        }
        if of.len() == before {
            return found;
        }
    }
}
