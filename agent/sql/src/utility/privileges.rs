//! GRANT, REVOKE, roles, default privileges, ownership.

use policy::{Action, Detail, ObjectKind, RelationKind, Renaming, Verb};

use super::kind::object_type;
use super::{Read, action, session};
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::read::{Reader, function_object, relation_object};

impl<'a> Reader<'a> {
    pub(super) fn privileges(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        let (verb, tag, to) =
            if head == "grant" { (Verb::Grant, "GRANT", "to") } else { (Verb::Revoke, "REVOKE", "from") };
        if verb == Verb::Revoke {
            let _ = cursor.eat_all(&["grant", "option", "for"])
                || cursor.eat_all(&["admin", "option", "for"])
                || cursor.eat_all(&["inherit", "option", "for"])
                || cursor.eat_all(&["set", "option", "for"]);
        }
        // Privileges, or roles: words with commas and columns in parentheses, up to ON, or to TO or FROM.
        let mut roles = Vec::new();
        while !cursor.sees("on") && !cursor.sees(to) {
            roles.push(cursor.label()?.into_owned());
            cursor.group();
            cursor.eat("privileges");
            // ALTER SYSTEM
            cursor.eat("system");
            cursor.eat_kind(Kind::Comma);
        }
        if cursor.eat("on") {
            self.privileged_objects(verb, cursor)?;
        } else {
            for role in roles {
                self.act(action(verb, ObjectKind::Role, "role", role));
            }
        }
        if !cursor.eat(to) {
            return None;
        }
        let roles = grantees(cursor)?;
        self.gives_to(roles);
        Some(Read::quiet(tag))
    }

    fn privileged_objects(&mut self, verb: Verb, cursor: &mut Cursor<'a>) -> Option<()> {
        if cursor.eat("all") {
            let what = cursor.eat_one(&["tables", "sequences", "functions", "procedures", "routines"])?;
            if !cursor.eat_all(&["in", "schema"]) {
                return None;
            }
            loop {
                let schema = cursor.name()?;
                self.act(action(verb, ObjectKind::Schema, "schema", schema.clone()));
                self.all_in_schema(verb, what, &schema);
                if !cursor.eat_kind(Kind::Comma) {
                    return Some(());
                }
            }
        }
        // A relation may itself be called like a kind: the kind's word is followed by another name.
        let mut ahead = *cursor;
        if ahead.eat_all(&["large", "object"])
            && (ahead.sees_kind(Kind::Operator) || ahead.peek().is_some_and(|t| t.kind.is_constant()))
        {
            *cursor = ahead;
            return self.large_objects(verb, cursor);
        }
        ahead = *cursor;
        if ahead.sees_all(&["foreign", "server"]) {
            ahead.next();
        }
        let object_type = object_type(&mut ahead).filter(|_| {
            ahead
                .peek()
                .is_some_and(|t| t.kind.is_name() && !t.is(ahead.text, "to") && !t.is(ahead.text, "from"))
        });
        let parameter = object_type.is_none() && {
            ahead = *cursor;
            ahead.eat("parameter") && ahead.peek().is_some_and(|t| t.kind.is_name())
        };
        if object_type.is_some() || parameter {
            *cursor = ahead;
        }
        loop {
            match object_type {
                _ if parameter => {
                    let setting = cursor.chain()?.join(".");
                    self.act(action(verb, ObjectKind::Setting, "", setting));
                }
                None => {
                    let name = cursor.qualified()?;
                    self.touch(verb, &name);
                }
                Some(object_type) if object_type.kind == ObjectKind::Relation => {
                    let name = cursor.qualified()?;
                    self.touch(verb, &name);
                }
                Some(object_type) => {
                    let name = cursor.qualified()?;
                    cursor.group();
                    self.alter_other(verb, object_type.kind, object_type.class, Some(name));
                }
            }
            if !cursor.eat_kind(Kind::Comma) {
                return Some(());
            }
        }
    }

    /// Large objects by their numbers.
    fn large_objects(&mut self, verb: Verb, cursor: &mut Cursor<'a>) -> Option<()> {
        loop {
            let minus = cursor.eat_operator("-");
            if !minus {
                cursor.eat_operator("+");
            }
            let number = cursor.next().filter(|token| matches!(token.kind, Kind::Integer | Kind::Number))?;
            let sign = if minus { "-" } else { "" };
            let number = format!("{sign}{}", number.written(self.text));
            self.act(action(verb, ObjectKind::Other, "large object", number));
            if !cursor.eat_kind(Kind::Comma) {
                return Some(());
            }
        }
    }

    /// What `ALL … IN SCHEMA` takes in, because of the schema.
    fn all_in_schema(&mut self, verb: Verb, what: &str, schema: &str) {
        let catalog = self.names.catalog;
        if matches!(what, "tables" | "sequences") {
            let sequences = what == "sequences";
            let fits = |relation: &&policy::Relation| {
                relation.schema == schema && (relation.kind == RelationKind::Sequence) == sequences
            };
            let mut inside: Vec<_> = catalog.relations().filter(fits).collect();
            inside.sort_by_key(|relation| relation.oid);
            for relation in inside {
                let object = relation_object(relation);
                self.act(Action { verb, object, implied: true, detail: Detail::NONE });
            }
            return;
        }
        let mut inside: Vec<_> = catalog.functions().filter(|function| function.schema == schema).collect();
        inside.sort_by_key(|function| function.oid);
        for function in inside {
            // More than FUNCTIONS or PROCEDURES alone take in.
            let object = function_object("function", Some(&function.schema), &function.name, None);
            self.act(Action { verb, object, implied: true, detail: Detail::NONE });
        }
    }

    /// ALTER DEFAULT PRIVILEGES … GRANT or REVOKE: of what the role makes from now on, in these schemas or in any. So it is
    /// judged with those that are there, as of ALL … IN SCHEMA, and with the roles whose own they are.
    pub(super) fn default_privileges(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let (mut schemas, mut makers) = (Vec::new(), Vec::new());
        loop {
            if cursor.eat_all(&["in", "schema"]) {
                schemas.extend(self.roles(cursor)?);
            } else if cursor.eat("for") {
                cursor.eat_one(&["role", "user"])?;
                makers.extend(self.roles(cursor)?);
            } else {
                break;
            }
        }
        let verb = match cursor.eat_one(&["grant", "revoke"])? {
            "grant" => Verb::Grant,
            _ => Verb::Revoke,
        };
        self.act(action(verb, ObjectKind::Other, "default privileges", ""));
        while !cursor.eat("on") {
            cursor.next()?;
        }
        let what = cursor.next()?.name(self.text).into_owned();
        while cursor.eat_one(&["to", "from"]).is_none() {
            cursor.next()?;
        }
        let roles = grantees(cursor)?;
        self.implying(|reader| {
            if schemas.is_empty() {
                let own = |schema: &&str| schema.starts_with("pg_") || *schema == "information_schema";
                let catalog = reader.names.catalog;
                schemas.extend(catalog.schemas().filter(|schema| !own(schema)).map(str::to_owned));
            }
            for schema in &schemas {
                reader.act(action(verb, ObjectKind::Schema, "schema", schema.clone()));
                if matches!(&*what, "tables" | "sequences" | "functions" | "routines") {
                    reader.all_in_schema(verb, &what, schema);
                }
            }
            for maker in makers {
                reader.act(action(Verb::Role, ObjectKind::Role, "role", maker));
            }
        });
        self.gives_to(roles);
        Some(Read::quiet("ALTER DEFAULT PRIVILEGES"))
    }

    /// CREATE and ALTER of ROLE, USER, GROUP.
    pub(super) fn role_statement(&mut self, cursor: &mut Cursor<'a>, tag: &'static str) -> Option<Read> {
        let name = if cursor.eat("all") { "all".to_owned() } else { cursor.role()? };
        self.act(action(Verb::Role, ObjectKind::Role, "role", name.clone()));
        // Its settings, and its name, which "$user" stands for.
        self.effects.search_path |= tag != "CREATE ROLE";
        if tag == "CREATE ROLE" {
            self.born_member(cursor, &name)?;
            return Some(Read::quiet(tag));
        }
        if cursor.eat_all(&["in", "database"]) {
            cursor.name()?;
        }
        if cursor.eat_all(&["rename", "to"]) {
            let renaming = Renaming::To { schema: None, name: cursor.name()?.into_owned() };
            if let Some(action) = self.actions.last_mut() {
                action.detail.renamings.push(renaming);
            }
        }
        // ALTER GROUP
        for (word, verb) in [("add", Verb::Grant), ("drop", Verb::Revoke)] {
            if cursor.eat_all(&[word, "user"]) {
                let members = self.roles(cursor)?;
                self.membership(verb, &name, members);
            }
        }
        self.setting_of_sessions(cursor)?;
        cursor.rest = &[];
        Some(Read::quiet(tag))
    }

    /// What CREATE ROLE says behind the name: the roles that the new one is granted, and those that it is granted to.
    fn born_member(&mut self, cursor: &mut Cursor<'a>, name: &str) -> Option<()> {
        while !cursor.is_end() {
            if cursor.eat_all(&["in", "role"]) || cursor.eat_all(&["in", "group"]) {
                for role in self.roles(cursor)? {
                    self.membership(Verb::Grant, &role, vec![name.to_owned()]);
                }
            } else if cursor.eat_one(&["role", "user", "admin"]).is_some() {
                let members = self.roles(cursor)?;
                self.membership(Verb::Grant, name, members);
            } else {
                cursor.next();
            }
        }
        Some(())
    }

    /// GRANT or REVOKE of a role, by another statement.
    fn membership(&mut self, verb: Verb, role: &str, mut members: Vec<String>) {
        if members.iter().any(|member| is_own(member)) {
            members.clear();
        }
        let mut granted = action(verb, ObjectKind::Role, "role", role);
        granted.detail.roles = members;
        self.implying(|reader| reader.act(granted));
    }

    /// SET and RESET in ALTER ROLE and ALTER DATABASE: sessions begin with it, and with the role that it names.
    pub(super) fn setting_of_sessions(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let Some(head) = cursor.eat_one(&["set", "reset"]) else { return Some(()) };
        if cursor.sees("tablespace") {
            return Some(());
        }
        let name = match head {
            "reset" if cursor.eat("all") => "all".to_owned(),
            _ => session::setting_name(cursor)?,
        };
        if head == "set" && session::is_role_setting(&name) {
            if !cursor.eat_all(&["from", "current"]) {
                let _ = cursor.eat("to") || cursor.eat_operator("=");
                let role = session::value(cursor).filter(|_| cursor.is_end());
                self.assign(&name, role.as_deref());
            }
            return Some(());
        }
        self.sets_later(&name);
        Some(())
    }

    /// A setting that holds in what comes, not in the session as it goes on: it is set all the same.
    pub(super) fn sets_later(&mut self, name: &str) {
        self.implying(|reader| reader.act(action(Verb::Set, ObjectKind::Setting, "", name)));
    }

    pub(super) fn reassign(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.effects.ddl = true;
        if !cursor.eat_all(&["owned", "by"]) {
            return None;
        }
        loop {
            let role = cursor.role()?;
            self.act(action(Verb::Role, ObjectKind::Role, "role", role));
            if cursor.eat_kind(Kind::Comma) {
                continue;
            }
            if !cursor.eat("to") {
                return None;
            }
            let heir = cursor.role()?;
            self.gives_to(vec![heir.clone()]);
            self.act(action(Verb::Role, ObjectKind::Role, "role", heir));
            self.owned(Verb::Alter);
            return Some(Read::quiet("REASSIGN OWNED"));
        }
    }

    /// IMPORT FOREIGN SCHEMA makes tables that no one has named.
    pub(super) fn import(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        if !cursor.eat_all(&["foreign", "schema"]) {
            return None;
        }
        self.effects.ddl = true;
        self.effects.renames = true;
        self.act(action(Verb::Create, ObjectKind::Relation, "foreign table", ""));
        let schema = cursor.name()?;
        self.stands_for_all(Some(&schema), None);
        cursor.rest = &[];
        Some(Read::quiet("IMPORT FOREIGN SCHEMA"))
    }
}

/// Roles with commas, and what may follow them. They are none where one of them is not known: the session's own.
fn grantees(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let (mut roles, mut known) = (Vec::new(), true);
    loop {
        let role = cursor.role()?;
        known &= !is_own(&role);
        roles.push(role);
        if !cursor.eat_kind(Kind::Comma) {
            break;
        }
    }
    while cursor.eat("with") || cursor.sees_kind(Kind::Comma) {
        cursor.eat_kind(Kind::Comma);
        cursor.eat_one(&["grant", "admin", "inherit", "set"])?;
        cursor.eat_one(&["option", "true", "false"])?;
    }
    if cursor.eat_all(&["granted", "by"]) {
        cursor.role()?;
    }
    cursor.eat_one(&["cascade", "restrict"]);
    roles.sort_unstable();
    roles.dedup();
    Some(if known { roles } else { Vec::new() })
}

/// Whether it is a word for the session's own role.
fn is_own(role: &str) -> bool {
    ["current_user", "current_role", "session_user"].contains(&role)
}
