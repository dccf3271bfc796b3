//! What a text means depends on more than the text: the search path, how strings are read, the catalog. Here
//! is what the session knows of that, and what it no longer knows since a statement may have changed it.

use std::borrow::Cow;
use std::sync::Arc;

use policy::{Catalog, Provisional};
use sql::{Reach, SearchPath, Settings, Statement};

use super::reading::{Changes, Reading};

/// So much that one transaction does to names is followed. Behind it they cannot be told until it ends.
const MOST_DONE: usize = 50_000;

/// How the strings of a text are read: as of when the server takes it apart, which it does once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strings {
    standard_conforming: bool,
    utf8: bool,
    /// Nothing was on its way then that may have changed it.
    certain: bool,
}

impl Strings {
    /// Whether a text is the same however it is read, or it is known how.
    pub(crate) fn tell(self, text: &[u8]) -> bool {
        self.certain || !text.contains(&b'\\')
    }
}

/// What the session knows of its own state at the server.
pub(crate) struct Facts {
    /// As of the last time that the server said so.
    settings: Settings,
    /// Something was sent since that may have changed the search path.
    path_doubtful: bool,
    /// Something was sent since that may have changed how strings are read.
    strings_doubtful: bool,
    /// Something was sent since that may have changed the catalog.
    catalog_doubtful: bool,
    /// A transaction that is still open has moved names in a way that cannot be followed: they cannot be told until it ends.
    names_doubtful: bool,
    /// The open transaction may have hung code on relations that the catalog knows nothing of: what reads or writes one may
    /// change settings.
    code_hangs: bool,
    /// The catalog could not be read again: nothing is known of names until it is.
    catalog_lost: bool,
    /// A setting was changed inside the open transaction, so that its end may change it back.
    unsettled: bool,
    /// The catalog as it was last read.
    catalog: Arc<Catalog>,
    /// The same with what the open transaction has done to names, which no other connection can see yet.
    overlay: Option<Arc<Catalog>>,
    /// What that was, as far as the catalog does not have it. It is noted when a statement is sent, whatever becomes of it.
    done: Vec<Provisional>,
    /// Rises when anything of this changes: what was read before has to be read again.
    epoch: u64,
    /// Rises when a name may stand for another object than before.
    moves: u64,
}

impl Facts {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Facts {
            settings: Settings::default(),
            path_doubtful: true,
            strings_doubtful: false,
            catalog_doubtful: false,
            names_doubtful: false,
            code_hangs: false,
            catalog_lost: false,
            unsettled: false,
            catalog,
            overlay: None,
            done: Vec::new(),
            epoch: 0,
            moves: 0,
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many times names may have come to stand for other objects, but for the path.
    pub(crate) fn moves(&self) -> u64 {
        self.moves
    }

    /// Anything that a judgement stands on has changed.
    pub(crate) fn moved(&mut self) {
        self.epoch += 1;
    }

    /// The catalog to read a statement by, and whether it is one that others share.
    pub(crate) fn catalog(&self) -> (&Arc<Catalog>, bool) {
        match &self.overlay {
            Some(overlay) => (overlay, false),
            None => (&self.catalog, true),
        }
    }

    /// The catalog as it was read, without the open transaction's own objects: what masks stand on.
    pub(crate) fn committed_catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// How the strings of a text are read that comes now.
    pub(crate) fn strings(&self) -> Strings {
        Strings {
            standard_conforming: self.settings.standard_conforming_strings,
            utf8: self.settings.utf8,
            certain: !self.strings_doubtful,
        }
    }

    /// The settings to read a statement by, as far as they are known. `strings`: as of when its text came.
    pub(crate) fn settings(&self, strings: Strings) -> Cow<'_, Settings> {
        let mut settings = Cow::Borrowed(&self.settings);
        if self.path_doubtful || self.names_doubtful() {
            settings.to_mut().search_path = SearchPath::Unknown;
        }
        if strings != self.strings() || !strings.certain {
            let settings = settings.to_mut();
            settings.standard_conforming_strings = strings.standard_conforming;
            settings.utf8 = strings.utf8 && strings.certain;
        }
        if self.unsettled {
            settings.to_mut().unsettled = true;
        }
        settings
    }

    /// A setting was changed inside the open transaction: its end may change it back.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.unsettled
    }

    pub(crate) fn path_doubtful(&self) -> bool {
        self.path_doubtful
    }

    pub(crate) fn strings_doubtful(&self) -> bool {
        self.strings_doubtful
    }

    pub(crate) fn catalog_doubtful(&self) -> bool {
        self.catalog_doubtful
    }

    pub(crate) fn names_doubtful(&self) -> bool {
        self.names_doubtful || self.catalog_lost
    }

    /// A statement with this reading is on its way to the server.
    pub(crate) fn sent(&mut self, reading: &Reading) {
        let changes = self.changes(reading);
        let was_unsettled = self.unsettled;
        if changes.search_path {
            self.path_doubtful = true;
            self.unsettled = true;
        }
        if changes.string_syntax {
            self.strings_doubtful = true;
            self.unsettled = true;
        }
        if changes.ddl {
            self.catalog_doubtful = true;
            self.names_doubtful |= changes.renames;
            self.code_hangs |= changes.hangs_code;
        }
        self.follow(reading.statements());
        if changes.search_path || changes.ddl {
            self.settings.reach = None;
        }
        if changes.search_path || changes.string_syntax || changes.ddl {
            self.epoch += 1;
        }
        if changes.takes_back && (self.unsettled || was_unsettled) {
            self.path_doubtful = true;
            self.strings_doubtful = true;
            self.epoch += 1;
        }
    }

    /// What it changes, as far as is known.
    fn changes(&self, reading: &Reading) -> Changes {
        let mut changes = reading.changes();
        if self.code_hangs && reading.names_something() {
            (changes.search_path, changes.string_syntax) = (true, true);
        }
        changes
    }

    /// A statement with this reading is to be planned, which runs functions of it that are not volatile.
    pub(crate) fn planned(&mut self, reading: &Reading) {
        let changes = self.changes(reading);
        if changes.moves_settings() {
            self.path_doubtful |= changes.search_path;
            self.strings_doubtful |= changes.string_syntax;
            self.unsettled = true;
            self.epoch += 1;
        }
    }

    /// What these statements do to names.
    fn follow(&mut self, statements: &[Statement]) {
        for statement in statements {
            let (catalog, _) = self.catalog();
            let done = statement.provisional(catalog);
            if done.is_empty() {
                continue;
            }
            self.epoch += 1;
            self.moves += 1;
            if self.done.len() + done.len() > MOST_DONE {
                self.names_doubtful = true;
                continue;
            }
            let overlay = self.overlay.get_or_insert_with(|| Arc::clone(&self.catalog));
            let overlay = Arc::make_mut(overlay);
            done.iter().for_each(|done| overlay.apply(done));
            self.done.extend(done);
        }
    }

    /// The server has come to rest. `idle`: outside a transaction.
    pub(crate) fn at_rest(&mut self, idle: bool) {
        // Every ParameterStatus that a statement caused has come before its ReadyForQuery.
        self.strings_doubtful = false;
        if idle {
            if self.unsettled {
                self.path_doubtful = true;
                self.settings.reach = None;
                self.unsettled = false;
                self.epoch += 1;
            }
            self.names_doubtful = false;
        }
    }

    /// The server has said what the effective schemas are: first where an object is created (nothing for nowhere), then
    /// all that are looked through.
    pub(crate) fn path_is(&mut self, mut schemas: Vec<String>) {
        let temporary = |schema: &str| schema.starts_with("pg_temp_");
        let creation = match schemas.is_empty() {
            true => String::new(),
            false => schemas.remove(0),
        };
        // What the open transaction has created there is known by the schema's other name.
        if let Some(at) = schemas.iter().position(|schema| temporary(schema)) {
            schemas.insert(at, "pg_temp".to_owned());
        }
        let creation = if temporary(&creation) { "pg_temp".to_owned() } else { creation };
        let creation = Some(creation).filter(|schema| !schema.is_empty());
        self.path_doubtful = false;
        self.settings.search_path = SearchPath::Known { schemas, creation };
        self.epoch += 1;
    }

    /// The server has said who the role is, and which schemas it may use.
    pub(crate) fn reach_is(&mut self, mut told: Vec<String>) {
        if !told.is_empty() {
            let role = told.remove(0);
            self.settings.reach = Some(Arc::new(Reach { role, schemas: told }));
            self.epoch += 1;
        }
    }

    /// A ParameterStatus has come.
    pub(crate) fn parameter(&mut self, name: &[u8], value: &[u8]) {
        let before = (self.settings.standard_conforming_strings, self.settings.utf8);
        match name {
            b"standard_conforming_strings" => self.settings.standard_conforming_strings = value == b"on",
            b"client_encoding" => self.settings.utf8 = value.eq_ignore_ascii_case(b"UTF8"),
            // The path is told from version 18 on: it may move without a statement, by a reload of the server's settings.
            b"session_authorization" | b"search_path" => {
                self.path_doubtful = true;
                self.settings.reach = None;
                self.epoch += 1;
            }
            _ => {}
        }
        if before != (self.settings.standard_conforming_strings, self.settings.utf8) {
            self.epoch += 1;
        }
    }

    /// The catalog may be out of date.
    pub(crate) fn doubt_catalog(&mut self) {
        self.catalog_doubtful = true;
        self.epoch += 1;
    }

    /// A newer catalog cannot be had. Until there is one, what depends on names is not understood; it is asked
    /// for again with the next message.
    pub(crate) fn catalog_lost(&mut self) {
        self.catalog_lost = true;
        self.catalog_doubtful = true;
        self.epoch += 1;
    }

    /// A newer catalog. What the open transaction created stays on top of it until the transaction is over.
    pub(crate) fn catalog_is(&mut self, catalog: Arc<Catalog>, settled: bool) {
        if settled {
            self.done.clear();
            self.overlay = None;
            self.code_hangs = false;
            self.catalog_doubtful = false;
        } else if !self.done.is_empty() {
            self.overlay = Some(Arc::new(catalog.with_provisional(&self.done)));
        }
        if settled || self.catalog_lost || catalog.generation() != self.catalog.generation() {
            self.epoch += 1;
            self.moves += u64::from(catalog.generation() != self.catalog.generation());
        }
        self.catalog_lost = false;
        // The effective path holds only schemas that are there and may be used.
        if !catalog.has_same_schemas(&self.catalog) {
            self.path_doubtful = true;
            self.settings.reach = None;
        }
        self.catalog = catalog;
    }
}
