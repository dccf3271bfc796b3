//! Settings and notifications of the session: SET, RESET, SHOW, DISCARD, LISTEN, NOTIFY, LOAD.

use policy::{Action, ObjectKind, Output, Verb};

use super::{Read, action, transaction};
use crate::analysis::SetPath;
use crate::cursor::Cursor;
use crate::flow::constant;
use crate::lexer::Kind;
use crate::read::Reader;

impl<'a> Reader<'a> {
    /// A setting of this name gets a value, which the statement may tell as a plain literal or a name. Those that hold the
    /// session's role become the role that they name.
    pub(crate) fn assign(&mut self, name: &str, value: Option<&str>) {
        if !is_role_setting(name) {
            self.setting(Verb::Set, name);
            return;
        }
        match value {
            Some(role) => self.set_role(role),
            None => {
                self.effects.search_path = true;
                self.opaque(format!("{name} that is not set to a plain literal"));
            }
        }
    }

    /// `verb` on a setting, with what follows from the setting's name.
    fn setting(&mut self, verb: Verb, name: &str) {
        if verb == Verb::Set {
            self.effects.search_path |= matches!(name, "search_path" | "all");
            self.effects.string_syntax |= matches!(
                name,
                "standard_conforming_strings"
                    | "client_encoding"
                    | "backslash_quote"
                    | "escape_string_warning"
                    | "all"
            );
        }
        self.act(action(verb, ObjectKind::Setting, "", name));
    }

    pub(super) fn set_role(&mut self, name: &str) {
        self.effects.search_path = true;
        self.act(action(Verb::SetRole, ObjectKind::Role, "", name));
    }

    pub(super) fn set(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        const SET: Read = Read::quiet("SET");
        if cursor.eat("constraints") {
            self.act(Action::bare(Verb::Transaction));
            // Triggers that were put off run now.
            self.moves_settings();
            if !cursor.eat("all") {
                while cursor.qualified().is_some() && cursor.eat_kind(Kind::Comma) {}
            }
            return cursor.eat_one(&["deferred", "immediate"]).map(|_| Read::quiet("SET CONSTRAINTS"));
        }
        if cursor.eat_all(&["session", "characteristics", "as", "transaction"]) {
            self.act(Action::bare(Verb::Transaction));
            transaction::modes(cursor);
            return Some(SET);
        }
        let mut local = false;
        if !cursor.sees_all(&["session", "authorization"]) && !assigns(cursor) {
            local = cursor.eat_one(&["session", "local"]) == Some("local");
        }
        if cursor.eat_all(&["session", "authorization"])
            || cursor.eat_all(&["session", "session", "authorization"])
        {
            return self.set_to_role(cursor, SET);
        }
        if cursor.sees("role") && !assigns(cursor) {
            cursor.next();
            return self.set_to_role(cursor, SET);
        }
        if cursor.sees("transaction") && !assigns(cursor) {
            cursor.next();
            self.act(Action::bare(Verb::Transaction));
            if cursor.eat("snapshot") {
                cursor.string()?;
            }
            transaction::modes(cursor);
            return Some(SET);
        }
        for (words, setting) in [(&["time", "zone"][..], "timezone"), (&["xml", "option"], "xmloption")] {
            if cursor.eat_all(words) {
                self.setting(Verb::Set, setting);
                return values(cursor).then_some(SET);
            }
        }
        for (word, setting) in [("names", "client_encoding"), ("schema", "search_path"), ("catalog", "")] {
            if cursor.sees(word) && !assigns(cursor) {
                cursor.next();
                self.setting(Verb::Set, setting);
                if word == "schema" {
                    self.sets_path(*cursor, local);
                }
                let _ = cursor.is_end() || values(cursor);
                return Some(SET);
            }
        }
        let name = cursor.chain()?.join(".").to_ascii_lowercase();
        if name == "search_path" {
            let mut values = *cursor;
            if values.eat("to") || values.eat_operator("=") {
                self.sets_path(values, local);
            }
        }
        self.assigned(&name, cursor).then_some(SET)
    }

    /// The search path is set to the values ahead, where these are names and plain literals.
    fn sets_path(&mut self, mut cursor: Cursor<'_>, local: bool) {
        let mut list = Vec::new();
        loop {
            let default = cursor.sees(DEFAULT);
            match value(&mut cursor) {
                Some(name) if !default => list.push(name),
                _ => return,
            }
            if !cursor.eat_kind(Kind::Comma) {
                break;
            }
        }
        if cursor.is_end() {
            self.effects.sets_path = Some(SetPath { list, local });
            self.wants.reach = self.names.reach.is_none();
        }
    }

    /// `TO` or `=`, and the values of the setting of this name up to the end.
    pub(super) fn assigned(&mut self, name: &str, cursor: &mut Cursor<'a>) -> bool {
        if !cursor.eat("to") && !cursor.eat_operator("=") {
            self.assign(name, None);
            return false;
        }
        let mut ahead = *cursor;
        let value = value(&mut ahead).filter(|_| ahead.is_end());
        self.assign(name, value.as_deref());
        values(cursor)
    }

    fn set_to_role(&mut self, cursor: &mut Cursor<'a>, read: Read) -> Option<Read> {
        let role = value(cursor);
        self.assign("role", role.as_deref());
        role.map(|_| read)
    }

    pub(super) fn reset(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        const RESET: Read = Read::quiet("RESET");
        if cursor.eat_all(&["session", "authorization"]) {
            self.set_role(DEFAULT);
        } else if cursor.eat_all(&["time", "zone"]) {
            self.setting(Verb::Set, "timezone");
        } else if cursor.eat_all(&["transaction", "isolation", "level"]) {
            self.setting(Verb::Set, "transaction_isolation");
        } else if cursor.eat("all") {
            self.setting(Verb::Set, "all");
        } else {
            let name = cursor.chain()?.join(".").to_ascii_lowercase();
            self.assign(&name, Some(DEFAULT));
        }
        Some(RESET)
    }

    pub(super) fn show(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let name = if cursor.eat_all(&["session", "authorization"]) {
            "session_authorization".to_owned()
        } else if cursor.eat_all(&["time", "zone"]) {
            "timezone".to_owned()
        } else if cursor.eat_all(&["transaction", "isolation", "level"]) {
            "transaction_isolation".to_owned()
        } else if cursor.eat("all") {
            "all".to_owned()
        } else {
            cursor.chain()?.join(".").to_ascii_lowercase()
        };
        self.setting(Verb::Show, &name);
        // What a statement puts into one counts as stored. All of them are told with a name and a description each.
        let columns = if name == "all" { 3 } else { 1 };
        Some(Read { tag: "SHOW", output: Output::Columns(vec![constant(); columns]) })
    }

    pub(super) fn discard(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let (tag, what) = match cursor.eat_one(&["all", "plans", "sequences", "temp", "temporary"])? {
            "all" => {
                self.effects.deallocates = Some(None);
                self.effects.search_path = true;
                self.effects.string_syntax = true;
                self.effects.ddl = true;
                self.effects.renames = true;
                ("DISCARD ALL", "discard all")
            }
            "plans" => ("DISCARD PLANS", "discard plans"),
            "sequences" => ("DISCARD SEQUENCES", "discard sequences"),
            _ => {
                self.effects.ddl = true;
                // A name that a temporary relation had may be another's now.
                self.effects.renames = true;
                ("DISCARD TEMP", "discard temp")
            }
        };
        self.act(action(Verb::Set, ObjectKind::Setting, "", what));
        Some(Read::quiet(tag))
    }

    pub(super) fn notify(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        let channel = if head == "unlisten" && cursor.eat_operator("*") {
            String::new()
        } else {
            cursor.name()?.into_owned()
        };
        if head == "notify" && cursor.eat_kind(Kind::Comma) {
            cursor.string()?;
        }
        self.act(action(Verb::Notify, ObjectKind::Other, "channel", channel));
        Some(Read::quiet(match head {
            "listen" => "LISTEN",
            "unlisten" => "UNLISTEN",
            _ => "NOTIFY",
        }))
    }

    pub(super) fn load(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        cursor.string()?;
        self.act(action(Verb::System, ObjectKind::Other, "library", ""));
        self.effects.search_path = true;
        self.effects.string_syntax = true;
        Some(Read::quiet("LOAD"))
    }
}

/// The role of a session as it was at its beginning, as SET writes it.
const DEFAULT: &str = "default";

/// Settings whose value is the session's role.
pub(super) fn is_role_setting(name: &str) -> bool {
    matches!(name, "role" | "session_authorization")
}

/// The name of a setting as SET writes it, in one word or in several.
pub(super) fn setting_name(cursor: &mut Cursor<'_>) -> Option<String> {
    const WORDS: [(&[&str], &str); 7] = [
        (&["session", "authorization"], "session_authorization"),
        (&["time", "zone"], "timezone"),
        (&["xml", "option"], "xmloption"),
        (&["role"], "role"),
        (&["names"], "client_encoding"),
        (&["schema"], "search_path"),
        (&["catalog"], ""),
    ];
    if !assigns(cursor)
        && let Some((_, name)) = WORDS.iter().find(|(words, _)| cursor.eat_all(words))
    {
        return Some((*name).to_owned());
    }
    Some(cursor.chain()?.join(".").to_ascii_lowercase())
}

/// One value of a setting, where it is a name or a plain literal.
pub(super) fn value(cursor: &mut Cursor<'_>) -> Option<String> {
    if let Some(token) = cursor.string() {
        return token.plain_string(cursor.text).map(std::borrow::Cow::into_owned);
    }
    if cursor.eat(DEFAULT) {
        return Some(DEFAULT.to_owned());
    }
    cursor.name().map(std::borrow::Cow::into_owned)
}

/// Whether the word ahead is assigned to: then it is the setting's own name.
fn assigns(cursor: &Cursor<'_>) -> bool {
    cursor.rest.get(1).is_some_and(|t| {
        t.is(cursor.text, "to")
            || t.kind == Kind::Dot
            || (t.kind == Kind::Operator && t.written(cursor.text) == "=")
    })
}

/// Values of a setting: words, strings, numbers, signs and commas to the end; intervals and ON, DEFAULT too.
pub(super) fn values(cursor: &mut Cursor<'_>) -> bool {
    let mut any = false;
    loop {
        let sign = cursor.eat_operator("-") || cursor.eat_operator("+");
        match cursor.peek() {
            Some(token) if token.kind.is_constant() || token.kind.is_name() => {
                cursor.next();
                any = true;
                // INTERVAL(p), HOUR TO MINUTE
                cursor.group();
            }
            Some(token) if token.kind == Kind::Comma && any && !sign => {
                cursor.next();
            }
            _ => return any && !sign,
        }
    }
}
