//! Function calls: every one is an action, except PostgreSQL's own harmless ones.

use policy::catalog::{Body, Calls};
use policy::{
    Action, Detail, FIRST_NORMAL_OBJECT_ID, Function, Lineage, Object, ObjectKind, Oid, Undefined, Verb,
    Volatility,
};

use super::Reader;
use super::body::may_set;
use super::computing::{gives_its_arguments, only_computes};
use super::texts::is_told_by_literal;
use crate::flow::{add, constant};
use crate::name::Name;
use crate::names::{Builtin, builtin, is_aggregate};

/// What a call brings.
pub(crate) struct Called {
    /// What its result carries beside its arguments.
    pub(crate) carried: Lineage,
    /// It is not harmless: its arguments may end anywhere.
    pub(crate) keeps: bool,
    /// It may be an aggregate: what it gives is made of many rows.
    pub(crate) gathers: bool,
    /// A function of a user's may be meant that only computes, or a cast to his type: it may fail or come to NULL where
    /// PostgreSQL's own function does not.
    pub(crate) asks: bool,
}

impl<'a> Reader<'a> {
    /// A call by that name.
    pub(crate) fn call(&mut self, verb: Verb, name: &Name) -> Called {
        self.call_told(verb, name, false)
    }

    /// The same; `told`: what it does by what it is given is told beside it.
    pub(crate) fn call_told(&mut self, verb: Verb, name: &Name, told: bool) -> Called {
        let functions = self.names.functions(name);
        let own = name.schema.is_none() || name.schema.as_deref() == Some("pg_catalog");
        let known = if own { builtin(&name.name) } else { Builtin::Other };
        let (standard, others): (Vec<&'a Function>, Vec<&'a Function>) =
            functions.iter().copied().partition(|f| is_of_information_schema(f));
        let users: Vec<&'a Function> = others.iter().copied().filter(|f| f.schema != "pg_catalog").collect();
        let mut carried = constant();
        // They compute from their arguments, as drivers know; whoever may replace them, their bodies are looked through.
        for function in &standard {
            let before = self.relations.len();
            self.runs(function);
            if self.relations.len() > before {
                carried = Lineage::Unknown;
            }
        }
        // Which of those that only compute is meant makes no difference to anything else.
        let free = known == Builtin::Harmless && others.len() > users.len();
        let (computing, users): (Vec<&'a Function>, Vec<&'a Function>) =
            users.into_iter().partition(|f| free && only_computes(f, self.names.catalog, self.limits));
        for function in &computing {
            self.implying(|reader| reader.call_function(verb, function));
        }
        for function in &users {
            let result = self.call_function(verb, function);
            if !self.gives_its_arguments(function) {
                // A cast between its arguments may make them of anything.
                add(&mut carried, if self.casts_unseen() { Lineage::Unknown } else { result });
            }
        }
        let casts = self.names.cast_by_call(name);
        for schema in &casts {
            self.type_name(&Name { schema: Some(schema.clone()), name: name.name.clone() });
        }
        let in_catalog = others.len() > users.len() + computing.len();
        let altered = self.names.is_altered(name);
        let own_call = functions.iter().all(|f| f.schema == "pg_catalog")
            && self.names.values.is_function(name, self.names);
        if altered {
            self.moves_settings();
            self.opaque(format!("what {name} runs, which is made or altered by what is not committed"));
        } else if own_call {
            self.call_own(verb, name);
            carried = Lineage::Unknown;
        }
        match known {
            Builtin::Harmless if makes_values(&name.name) => self.moves_settings(),
            Builtin::Harmless => {}
            // It is SET by another name, and that is what a rule has to allow.
            Builtin::Contained if told && name.name == "set_config" => {
                self.implying(|reader| reader.call_builtin(verb, name, &functions));
            }
            Builtin::Contained => self.call_builtin(verb, name, &functions),
            Builtin::Other if in_catalog => {
                // Some run a text that they are given, or read what calls anything.
                self.moves_settings();
                self.call_builtin(verb, name, &functions);
                carried = Lineage::Unknown;
            }
            Builtin::Other => {
                if functions.is_empty() && casts.is_empty() && !altered && !own_call {
                    self.missing(Undefined::Function, name);
                }
                if standard.is_empty() && users.is_empty() {
                    carried = Lineage::Unknown;
                }
            }
        }
        // An aggregate has no language: others' functions run for it.
        let gathers = (own && is_aggregate(&name.name)) || functions.iter().any(|f| f.language.is_empty());
        let harmless = known == Builtin::Harmless || (!standard.is_empty() && !altered);
        let keeps = !harmless || !users.is_empty() || own_call || self.casts_unseen();
        Called { carried, keeps, gathers, asks: !computing.is_empty() || !casts.is_empty() }
    }

    /// A call of the function whose code it is: what it runs is told where it is made.
    fn call_own(&mut self, verb: Verb, name: &Name) {
        self.moves_settings();
        self.effects.ddl = true;
        let own = self.names.values.function.as_ref();
        let schema = name.schema.as_deref().or_else(|| own?.schema.as_deref());
        self.act(Action {
            verb,
            object: function_object("function", schema, &name.name, None),
            implied: false,
            detail: Detail::NONE,
        });
    }

    /// What runs may change settings of the session, unseen.
    pub(crate) fn moves_settings(&mut self) {
        self.effects.search_path = true;
        self.effects.string_syntax = true;
    }

    pub(super) fn call_builtin(&mut self, verb: Verb, name: &Name, functions: &[&Function]) {
        if name.name == "set_config" {
            self.moves_settings();
        }
        let oid = functions.iter().find(|f| f.schema == "pg_catalog").map(|f| f.oid);
        self.act(Action {
            verb,
            object: function_object("function", Some("pg_catalog"), &name.name, oid),
            implied: false,
            detail: Detail::NONE,
        });
    }

    /// Gives what its result is made of beside its arguments.
    pub(super) fn call_function(&mut self, verb: Verb, function: &'a Function) -> Lineage {
        // It may run SET, set_config or DDL. Whoever declares it stable only promises not to: `SELECT set_config(…)` runs
        // all the same, so that its body is asked. Of functions in C the promise is believed: they come with extensions.
        let is_volatile = function.volatility == Volatility::Volatile;
        let sets = match &function.body {
            // What casts and types run stands in no text.
            Body::Text(text) => self.may_set_unseen() || may_set(text, self.limits),
            _ => is_volatile || !matches!(&*function.language, "c" | "internal"),
        };
        if sets {
            self.moves_settings();
        }
        self.effects.ddl |= is_volatile;
        // Overloads are told apart by their arguments' types, which are not known here: one action for all.
        let class = if function.procedure { "procedure" } else { "function" };
        let implied = self.implies;
        let same = |action: &Action| {
            action.verb == verb
                && action.implied == implied
                && action.object.class == class
                && action.object.name == function.name
                && action.object.schema.as_deref() == Some(&function.schema)
        };
        if !self.actions.iter().any(same) {
            // One that is not committed has none.
            let oid = Some(function.oid).filter(|oid| *oid != 0);
            let object = function_object(class, Some(&function.schema), &function.name, oid);
            self.act(Action { verb, object, implied, detail: Detail::NONE });
        }
        self.runs(function)
    }

    /// Whether what casts, operators and types run by themselves may change settings.
    fn may_set_unseen(&self) -> bool {
        let catalog = self.names.catalog;
        // Those of values are among those of types, and those of arguments are told where a function runs.
        let Calls { operators, casts, types, unseen, values: _, arguments: _ } = catalog.calls();
        let named = operators.values().chain(types.values()).flatten().map(|(_, function)| function);
        let mut all = named.chain(casts.iter().map(|cast| &cast.function)).chain(unseen);
        all.any(|oid| {
            catalog
                .function(*oid)
                .is_none_or(|f| f.body != Body::Foreign || f.volatility == Volatility::Volatile)
        })
    }

    /// Whether a user's cast may apply by itself to what a function is given (to `json` each does, in `to_json` and its like): its
    /// function gets the values, and may keep them. What is not committed may be one.
    fn casts_unseen(&self) -> bool {
        let catalog = self.names.catalog;
        let is_users = |oid: &Oid| catalog.function(*oid).is_none_or(|f| f.schema != "pg_catalog");
        catalog.calls().unseen.iter().any(is_users) || !catalog.hung().is_empty()
    }

    /// Whether what the function gives is made of its arguments alone, and no cast between them makes it of anything else.
    pub(super) fn gives_its_arguments(&self, function: &Function) -> bool {
        gives_its_arguments(function, self.names.catalog, self.limits) && !self.casts_unseen()
    }

    /// A call that a view makes. Where a policy for rows makes one, its settings alone count.
    pub(super) fn call_by_view(&mut self, oid: Oid, view: bool) {
        match self.names.catalog.function(oid) {
            Some(function) if function.schema == "pg_catalog" && function.name == "set_config" => {
                self.moves_settings();
                self.path_moves();
                if view {
                    self.call_member(oid);
                }
            }
            Some(_) => self.call_member(oid),
            None => self.opaque("a view calls a function that is not in the catalog"),
        }
    }

    /// `x.name` may be the call `name(x)` (attribute notation, 4.2.6), if there is such a function.
    pub(super) fn call_as_attribute(&mut self, name: &str) -> Option<Called> {
        let name = Name { schema: None, name: name.to_owned() };
        let is_none = self.names.functions(&name).is_empty()
            && !self.names.is_altered(&name)
            && self.names.cast_by_call(&name).is_empty();
        if builtin(&name.name) != Builtin::Harmless && is_none {
            return None;
        }
        if is_told_by_literal(&name.name) {
            // What it is given stands before the dot, where nobody looks for it.
            self.opaque(format!("{} in attribute notation", name.name));
        }
        Some(self.call(Verb::Function, &name))
    }

    /// An operator or cast of a user's making: it calls a function that the catalog does not tell.
    pub(crate) fn call_hidden(&mut self, class: &'static str, schema: Option<&str>, name: &str) {
        self.moves_settings();
        self.act(Action {
            verb: Verb::Function,
            object: function_object(class, schema, name, None),
            implied: false,
            detail: Detail::NONE,
        });
    }
}

/// Of the information schema, as initdb made it.
fn is_of_information_schema(function: &Function) -> bool {
    function.schema == "information_schema" && (1..FIRST_NORMAL_OBJECT_ID).contains(&function.oid)
}

/// Functions that make values of a type which no text names: where that is a domain, its check runs.
pub(super) fn makes_values(function: &str) -> bool {
    function.starts_with("pg_input_") || function.contains("_populate_record")
}

pub(crate) fn function_object(
    class: &'static str,
    schema: Option<&str>,
    name: &str,
    oid: Option<Oid>,
) -> Object {
    Object {
        kind: ObjectKind::Function,
        class,
        schema: schema.map(str::to_owned),
        name: name.to_owned(),
        oid,
    }
}
