//! DO: a block of a procedural language, which runs at once.

use policy::{Action, Verb};

use super::Read;
use super::routine::language;
use crate::code::Source;
use crate::cursor::Cursor;
use crate::read::Reader;
use crate::values::Values;

impl<'a> Reader<'a> {
    /// DO, whose body's actions are its own.
    pub(super) fn block(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.act(Action::bare(Verb::Do));
        let (mut body, mut of) = (None, None);
        while !cursor.is_end() {
            let twice = if cursor.eat("language") {
                of.replace(language(cursor)?).is_some()
            } else {
                body.replace(cursor.string()?).is_some()
            };
            if twice {
                return None;
            }
        }
        let body = body?;
        if of.as_deref().is_some_and(|language| language != "plpgsql") {
            self.opaque("body of DO in another language");
            return Some(Read::quiet("DO"));
        }
        let path = self.names.path.clone();
        self.text_of_code(body, "DO", false, |reader, text, inside| {
            let placed = text.placed;
            let source = Source { text: &text.text, placed, inside, path, values: Values::default() };
            reader.code(source, |code| code.plpgsql(&text.tokens));
            reader.store_what_errors_say(&text.text, &text.tokens);
        });
        Some(Read::quiet("DO"))
    }
}
