//! What runs without being named: what indexes compute, what operators and casts call, what checks the values of types, and what
//! the open transaction has hung somewhere.

use std::collections::BTreeSet;

use policy::{Action, Detail, Lineage, ObjectKind, Oid, Output, Relation, RelationKind, Verb};

use super::By;
use super::values::stores;
use crate::SearchPath;
use crate::flow::{add, column, constant};
use crate::lexer::Token;
use crate::name::Name;
use crate::read::{Reader, function_object, texts};

impl<'a> Reader<'a> {
    /// What the indexes and statistics of a relation compute again where it is maintained or rewritten.
    pub(crate) fn keeps(&mut self, relation: &'a Relation) {
        if !relation.writes.kept.is_empty() {
            self.moves_settings();
            self.implying(|reader| relation.writes.kept.iter().for_each(|oid| reader.call_member(*oid)));
        }
    }

    /// What the query of a materialised view calls, and the views that it reads, when it is filled anew.
    pub(crate) fn refills(&mut self, view: &'a Relation) {
        let (mut work, mut seen) = (vec![view], BTreeSet::new());
        while let Some(relation) = work.pop() {
            if !seen.insert(relation.oid) {
                continue;
            }
            self.implying(|reader| relation.functions.iter().for_each(|oid| reader.call_member(*oid)));
            // What another one reads it has kept.
            let bases = relation.bases.iter().filter_map(|base| self.names.catalog.relation(base.relation));
            work.extend(bases.filter(|base| base.kind == RelationKind::View));
        }
    }

    /// The same of all relations, or of those in that schema.
    pub(crate) fn keeps_all(&mut self, schema: Option<&str>) {
        let mut all: Vec<&'a Relation> = self.names.catalog.relations().collect();
        all.retain(|relation| schema.is_none_or(|schema| relation.schema == schema));
        all.sort_unstable_by_key(|relation| relation.oid);
        all.into_iter().for_each(|relation| self.keeps(relation));
    }

    /// The same of a relation and of those that inherit from it.
    pub(crate) fn keeps_kin(&mut self, relation: Oid) {
        let (mut work, mut seen) = (vec![relation], BTreeSet::new());
        while let Some(oid) = work.pop() {
            let Some(relation) = self.names.catalog.relation(oid).filter(|_| seen.insert(oid)) else {
                continue;
            };
            self.keeps(relation);
            work.extend(&relation.children);
        }
    }

    /// The functions that operators and casts in these tokens call, and those that any expression may.
    pub(crate) fn hidden_calls(&mut self, text: &str, tokens: &[Token], path: &SearchPath) {
        let calls = self.names.catalog.calls();
        if !calls.operators.is_empty() {
            let named = tokens.iter().any(|token| token.is(text, "operator"));
            let found = |schema: &String| match path {
                SearchPath::Known { schemas, .. } => named || schemas.contains(schema),
                SearchPath::Unknown => true,
            };
            for operator in texts::operators(text, tokens) {
                for (_, function) in
                    calls.operators.get(operator).into_iter().flatten().filter(|(s, _)| found(s))
                {
                    self.call_member(*function);
                    self.hidden.insert(*function);
                }
            }
        }
        if !calls.casts.is_empty() {
            let types = texts::cast_types(text, tokens);
            for cast in calls.casts.iter().filter(|cast| types.contains(&cast.name)) {
                self.call_member(cast.function);
                self.hidden.insert(cast.function);
            }
        }
        if !calls.unseen.is_empty() {
            self.implying(|reader| calls.unseen.iter().for_each(|oid| reader.call_member(*oid)));
            self.hidden.extend(&calls.unseen);
        }
        if self.names.catalog.has_strayed() {
            self.implying(Self::call_hung);
        } else if self.written != constant() {
            // A cast that is not committed may hand them what is computed.
            for (schema, name) in self.names.catalog.hung() {
                let object = function_object("function", schema.as_deref(), name, None);
                let call = Action { verb: Verb::Function, object, implied: true, detail: Detail::NONE };
                self.act(call);
            }
        }
    }

    /// Adds what the functions of operators and casts read to what a statement gives and stores: it may be what they give, and
    /// no expression tells of it.
    pub(crate) fn with_handed_on(&mut self, output: Output) -> Output {
        let mut handed_on = self.moved_results();
        for function in std::mem::take(&mut self.hidden) {
            for action in crate::called(function, self.names.catalog, self.limits) {
                let read = match action.object.oid {
                    _ if action.verb == Verb::Opaque => Lineage::Unknown,
                    Some(oid) if action.object.kind == ObjectKind::Relation => column(oid, 0),
                    None if action.object.kind == ObjectKind::Relation => Lineage::Unknown,
                    _ => continue,
                };
                add(&mut handed_on, read);
            }
        }
        if handed_on == constant() {
            return output;
        }
        if self.actions.iter().any(|action| !action.implied && stores(action.verb)) {
            add(&mut self.written, handed_on.clone());
        }
        add(&mut self.steers, handed_on.clone());
        match (output, handed_on) {
            (Output::Columns(mut columns), handed_on) => {
                columns.iter_mut().for_each(|lineage| add(lineage, handed_on.clone()));
                Output::Columns(columns)
            }
            (Output::Within(mut columns), Lineage::Exact(more) | Lineage::Derived(more)) => {
                columns.extend(more);
                Output::Within(columns)
            }
            (Output::Within(_), Lineage::Unknown) => Output::Unknown,
            (output, _) => output,
        }
    }

    /// The functions that what is not committed has hung somewhere, whatever runs them: by what they name now.
    fn call_hung(&mut self) {
        let writes =
            |a: &Action| matches!(a.verb, Verb::Insert | Verb::Update | Verb::UpdateAll | Verb::CopyIn);
        // One may be a default, or a trigger.
        let by = if self.actions.iter().any(writes) { By::Filling } else { self.runs_by };
        let outer = std::mem::replace(&mut self.runs_by, by);
        for (schema, name) in self.names.catalog.hung() {
            let name = Name { schema: schema.clone(), name: name.clone() };
            let functions = self.names.functions(&name);
            let users: Vec<_> =
                functions.into_iter().filter(|function| function.schema != "pg_catalog").collect();
            if users.is_empty() || self.names.is_altered(&name) {
                self.opaque(format!("what {name} runs, which is not committed and hangs on something"));
            }
            users.into_iter().for_each(|function| self.call_known(function));
        }
        self.runs_by = outer;
    }
}
