//! Relations as they are touched: the named one, what a view stands on, and the kin by inheritance.

use policy::catalog::Lookup;
use policy::{
    Action, Detail, FIRST_NORMAL_OBJECT_ID, Object, ObjectKind, Oid, Relation, RelationKind, Undefined, Verb,
};

use super::Reader;
use super::expr::Typed;
use super::uses::{Note, Told, is_told};
use crate::flow::{Cell, Rows, column, own};
use crate::name::Name;

/// What a relation's name turned out to be.
pub(crate) enum Target<'a> {
    /// In the catalog.
    Known(&'a Relation),
    /// One of these: what is not committed has made or moved some of them.
    Perhaps(Vec<&'a Relation>),
    /// Neither; the statement has been marked opaque.
    Missing,
}

impl<'a> Target<'a> {
    /// What it may be.
    pub(crate) fn relations(&self) -> &[&'a Relation] {
        match self {
            Target::Known(relation) => std::slice::from_ref(relation),
            Target::Perhaps(relations) => relations,
            Target::Missing => &[],
        }
    }
}

impl<'a> Reader<'a> {
    /// Looks a relation up; one that is not there makes the statement opaque.
    pub(crate) fn target(&mut self, name: &Name) -> Target<'a> {
        let found = self.names.relations(name);
        match found.as_slice() {
            [] => {
                self.missing(Undefined::Relation, name);
                Target::Missing
            }
            [relation] if self.names.is_settled(relation) => Target::Known(relation),
            _ => Target::Perhaps(found),
        }
    }

    /// `verb` on the relation of that name and on all that comes along.
    pub(crate) fn touch(&mut self, verb: Verb, name: &Name) -> Target<'a> {
        self.touch_telling(verb, name, &Told::Nothing)
    }

    /// The same where more is known of it.
    pub(crate) fn touch_telling(&mut self, verb: Verb, name: &Name, told: &Told) -> Target<'a> {
        let target = self.target(name);
        self.touch_target(verb, &target, told);
        target
    }

    /// `verb` on a target that was looked up before.
    pub(crate) fn touch_target(&mut self, verb: Verb, target: &Target<'a>, told: &Told) {
        for relation in target.relations() {
            self.touch_known(verb, relation, told);
        }
    }

    pub(crate) fn touch_known(&mut self, verb: Verb, relation: &'a Relation, told: &Told) {
        let writes = matches!(
            verb,
            Verb::Insert
                | Verb::Update
                | Verb::UpdateAll
                | Verb::Delete
                | Verb::DeleteAll
                | Verb::Truncate
                | Verb::CopyIn
        );
        let carries = writes || matches!(verb, Verb::Select | Verb::Lock);
        if writes && relation.has_rules {
            self.opaque(format!("rewrite rules on \"{}.{}\"", relation.schema, relation.name));
        }
        let root = relation.oid;
        // With the view whose base it is.
        let mut work = vec![(relation.oid, false, None, false)];
        let mut seen = std::collections::BTreeMap::new();
        while let Some((oid, implied, view, gathered)) = work.pop() {
            // Met as a view's base and as kin: the base, which needs a rule of its own, counts.
            if seen.get(&oid).is_some_and(|before| *before <= implied) {
                continue;
            }
            seen.insert(oid, implied);
            self.relations.insert(oid);
            let Some(relation) = self.names.catalog.relation(oid) else {
                self.opaque("a view stands on a relation that is not in the catalog");
                continue;
            };
            let object = relation_object(relation);
            let action = self.add_action(Action { verb, object, implied, detail: Detail::NONE });
            if let Some(action) = action.filter(|_| is_told(verb)) {
                self.notes.push(note(action, root, relation, view, gathered, told));
            }
            if writes && view.is_some() && relation.has_rules {
                // What is written through a view is written to its base, by the base's rules.
                self.opaque(format!("rewrite rules on \"{}.{}\"", relation.schema, relation.name));
            }
            if writes && relation.has_triggers {
                // A partition's, or those of what a view writes to, run as well. Its function may change settings.
                self.moves_settings();
            }
            if writes {
                self.write_runs(verb, relation);
                self.look_up(verb, relation, told.written().filter(|_| view.is_none()));
            }
            if verb == Verb::Maintain {
                self.keeps(relation);
            }
            if matches!(verb, Verb::Alter | Verb::Drop | Verb::Maintain) {
                // A change of a parent reaches its children.
                work.extend(relation.children.iter().map(|oid| (*oid, true, view, gathered)));
                if let Some(table) = relation.table {
                    // What is done to an index is done to its table, which is another without it.
                    let verb = if verb == Verb::Drop { Verb::Alter } else { verb };
                    self.implying(|reader| reader.touch_oid(table, verb));
                }
                let owner = self.names.catalog.dependents().owner(relation.oid);
                if let Some(owner) = owner.filter(|_| relation.kind == RelationKind::Sequence) {
                    self.implying(|reader| reader.touch_oid(owner.relation, Verb::Alter));
                }
            }
            if !carries {
                continue;
            }
            // PostgreSQL's own views are asked for by their own names: they show what they are made to show, and a
            // rule about `pg_authid` would else take `pg_roles` away with it.
            let own = is_own(relation);
            if !own {
                let gathers = gathered || gathers(relation);
                work.extend(
                    relation.bases.iter().map(|base| (base.relation, implied, Some(relation), gathers)),
                );
            }
            let kin = relation.children.iter().chain(&relation.parents);
            work.extend(kin.map(|oid| (*oid, true, view, gathered)));
            // What they call is theirs as well: `information_schema.columns` has functions of its own schema, and
            // `set_config` is what an UPDATE of pg_settings comes to.
            for function in relation.functions.iter().filter(|_| !own || writes) {
                self.call_by_view(*function, relation.kind != RelationKind::Table);
            }
        }
    }

    /// What a write asks of rows that are there, with the values that it brings: whether it fails, or writes as many rows
    /// as it was given, tells. `written`: the columns; `None`: any.
    ///
    /// That a value is in a unique index already tells who has it himself no more than that. As with PostgreSQL, whose
    /// ON CONFLICT needs the privilege to read, it is a question where the statement is made to ask it. What a function, a
    /// trigger or a cascade writes along is the matter of who made it.
    fn look_up(&mut self, verb: Verb, relation: &Relation, written: Option<&[String]>) {
        if self.implies {
            return;
        }
        let inserts = matches!(verb, Verb::Insert | Verb::CopyIn);
        let updates = matches!(verb, Verb::Update | Verb::UpdateAll);
        let name = |attnum| relation.columns.iter().find(|c| c.attnum == attnum).map(|c| c.name.as_str());
        let is_written = |attnum: &i16| {
            written.is_none_or(|names| name(*attnum).is_none_or(|name| names.iter().any(|n| n == name)))
        };
        for probe in &relation.writes.probes {
            let looks = match probe.by {
                Lookup::Key => inserts && self.on_conflict,
                Lookup::Exclusion => inserts || updates,
                // A new row is held against itself alone.
                Lookup::Check => updates,
            };
            if looks && probe.columns.iter().any(is_written) {
                for attnum in &probe.columns {
                    self.steer(column(relation.oid, *attnum));
                }
            }
        }
    }

    /// The columns of a relation, each carrying itself.
    pub(super) fn columns_of(relation: &Relation) -> Rows {
        if relation.columns.is_empty() {
            // A relation without columns, or one of which they are not known.
            return Rows::Any(policy::Lineage::Unknown);
        }
        Rows::Columns(
            relation
                .columns
                .iter()
                .map(|c| Cell {
                    name: Some(c.name.clone()),
                    lineage: own(relation.oid, c.attnum),
                    typed: Typed::of_column(c.type_oid),
                })
                .collect(),
        )
    }
}

/// What is to be told of a relation that was touched, by its own name (`root`), as the base of a view, or as their kin.
/// `gathered`: the views around it may make one row of many of its rows.
fn note(
    action: usize,
    root: Oid,
    relation: &Relation,
    view: Option<&Relation>,
    gathered: bool,
    told: &Told,
) -> Note {
    let Some(view) = view else {
        return Note { action, told: told.clone(), named: Some(root), base: None };
    };
    let read = view.bases.iter().filter(|base| base.relation == relation.oid);
    let name = |attnum| relation.columns.iter().find(|c| c.attnum == attnum).map(|c| c.name.clone());
    // As kin of a base: no column of the view's own text.
    let base = read.map(|base| name(base.attnum)).collect::<Option<Vec<_>>>().filter(|base| !base.is_empty());
    Note { action, told: told.of_base(gathered), named: None, base }
}

/// Whether one row of a view may be made of many: one that is not understood may be any.
fn gathers(relation: &Relation) -> bool {
    relation.view.as_ref().is_none_or(|view| view.gathers)
}

/// PostgreSQL's own: made by initdb, in a schema of its own.
pub(super) fn is_own(relation: &Relation) -> bool {
    relation.oid < FIRST_NORMAL_OBJECT_ID
        && matches!(relation.schema.as_str(), "pg_catalog" | "information_schema")
}

/// The object that actions on a relation name.
pub(crate) fn relation_object(relation: &Relation) -> Object {
    Object {
        kind: ObjectKind::Relation,
        class: relation.kind.word(),
        schema: Some(relation.schema.clone()),
        name: relation.name.clone(),
        oid: Some(relation.oid),
    }
}
