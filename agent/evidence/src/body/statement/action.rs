//! An action in its parts, so that another policy can be asked about what was recorded.

use minicbor::Decoder;
use policy::{Action, Detail, Object, ObjectKind, Renaming, Verb, known_class};

use super::super::read_texts;
use crate::cbor::{self, DecodeError};

/// The kinds by their numbers.
const KINDS: [ObjectKind; 6] = [
    ObjectKind::Relation,
    ObjectKind::Function,
    ObjectKind::Schema,
    ObjectKind::Role,
    ObjectKind::Setting,
    ObjectKind::Other,
];

pub(super) fn encode(action: &Action, out: &mut Vec<u8>) {
    // Taken apart without `..`, so that nothing that is added can be forgotten here.
    let Action { verb, object, implied, detail } = action;
    let Object { kind, class, schema, name, oid } = object;
    // Where it stands in the text, and under which SQLSTATE it is refused, decides nothing: they are the client's, not the record's.
    let Detail { columns, condition, limit, roles, renamings, position: _, undefined: _ } = detail;
    cbor::map(out, |fields| {
        fields.text(0, verb.name());
        fields.uint(1, KINDS.iter().position(|known| known == kind).unwrap_or_default() as u64);
        fields.text_unless_empty(2, class);
        fields.maybe_text(3, schema.as_deref());
        fields.text_unless_empty(4, name);
        if let Some(oid) = oid {
            fields.uint(5, *oid);
        }
        if *implied {
            fields.uint(6, 1_u8);
        }
        if let Some(columns) = columns {
            fields.with(7, |out| cbor::list(out, columns, |out, column| cbor::text(out, column)));
        }
        if let Some(condition) = condition {
            fields.uint(8, u8::from(*condition));
        }
        if let Some(limit) = limit {
            fields.uint(9, *limit);
        }
        fields.list_unless_empty(10, roles, |out, role| cbor::text(out, role));
        fields.list_unless_empty(11, renamings, encode_renaming);
    });
}

fn encode_renaming(out: &mut Vec<u8>, renaming: &Renaming) {
    let (column, schema, name) = match renaming {
        Renaming::To { schema, name } => (None, schema.as_deref(), name),
        Renaming::Column { from, to } => (Some(&**from), None, to),
    };
    cbor::map(out, |fields| {
        fields.maybe_text(0, column);
        fields.maybe_text(1, schema);
        fields.text(2, name);
    });
}

fn decode_renaming(d: &mut Decoder<'_>) -> Result<Renaming, DecodeError> {
    let (mut column, mut schema, mut name) = (None, None, None);
    cbor::fields(d, |key, d| {
        match key {
            0 => column = Some(d.str()?.to_owned()),
            1 => schema = Some(d.str()?.to_owned()),
            2 => name = Some(d.str()?.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let name = name.ok_or(DecodeError::Missing("name"))?;
    Ok(match column {
        Some(from) => Renaming::Column { from, to: name },
        None => Renaming::To { schema, name },
    })
}

/// `None`: a verb that this version does not know.
pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Option<Action>, DecodeError> {
    let owned = |texts: Vec<std::borrow::Cow<'_, str>>| texts.into_iter().map(Into::into).collect();
    let (mut verb, mut implied, mut detail) = (None, false, Detail::NONE);
    let mut object = Object::none();
    cbor::fields(d, |key, d| {
        match key {
            0 => {
                let name = d.str()?;
                verb = Some(Verb::ALL.into_iter().find(|verb| verb.name() == name));
            }
            1 => {
                let known = KINDS.get(usize::from(d.u8()?));
                object.kind = *known.ok_or(DecodeError::Value("kind"))?;
            }
            // No rule names a class that is not known.
            2 => object.class = known_class(d.str()?).unwrap_or_default(),
            3 => object.schema = Some(d.str()?.to_owned()),
            4 => object.name = d.str()?.to_owned(),
            5 => object.oid = Some(d.u32()?),
            6 => implied = d.u8()? != 0,
            7 => detail.columns = Some(owned(read_texts(d)?)),
            8 => detail.condition = Some(d.u8()? != 0),
            9 => detail.limit = Some(d.u64()?),
            10 => detail.roles = owned(read_texts(d)?),
            11 => detail.renamings = cbor::read_list(d, decode_renaming)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let verb = verb.ok_or(DecodeError::Missing("verb"))?;
    Ok(verb.map(|verb| Action { verb, object, implied, detail }))
}
