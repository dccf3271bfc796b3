//! What a masked cell looks like: for each type and format a value that the type's input accepts.
//!
//! A type that is not known here by its OID (enumerations, domains in arrays, composites, ranges, extensions')
//! becomes NULL. The masks of text types count characters as UTF-8; text in another encoding that is not valid
//! UTF-8 is redacted as a whole.

use std::borrow::Cow;

use pgwire::{Format, Oid};
use policy::MaskMethod;

use crate::key::{HashKey, Purpose};

#[cfg(test)]
mod tests;
mod text;
mod types;

use types::{Kind, MaskedText};

/// What has to be known of a column to mask its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellType {
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// `pg_attribute.atttypmod`; -1 for none.
    pub type_modifier: i32,
    /// How the cells are written.
    pub format: Format,
}

/// The masked form of `value`, which is not NULL; `None` is NULL.
pub fn mask(method: MaskMethod, cell: CellType, value: &[u8], key: &HashKey) -> Option<Cow<'static, [u8]>> {
    if method == MaskMethod::Null {
        return None;
    }
    let binary = match cell.format {
        Format::TEXT => false,
        Format::BINARY => true,
        _ => return None,
    };
    match types::kind(cell.type_oid)? {
        Kind::Text(text) => Some(mask_text(method, text, cell.type_modifier, value, key)),
        Kind::Fixed { text, bytes } => Some(Cow::Borrowed(if binary { bytes } else { text })),
        Kind::Array { element } if binary => Some(Cow::Owned(types::empty_array(element))),
        Kind::Array { .. } => Some(Cow::Borrowed(b"{}")),
        Kind::Bit => types::zero_bits(cell.type_modifier, binary).map(Cow::Owned),
    }
}

/// The text types are written alike in both formats.
fn mask_text(
    method: MaskMethod,
    kind: MaskedText,
    type_modifier: i32,
    value: &[u8],
    key: &HashKey,
) -> Cow<'static, [u8]> {
    let limit = kind.limit(type_modifier);
    let fits = |masked: &Vec<u8>| limit.is_none_or(|limit| text::characters(masked) <= limit);
    let blank_padded = kind == MaskedText::BlankPadded;
    let value = if blank_padded { text::unpadded(value) } else { value };
    let masked = match method {
        MaskMethod::Hash => Some(key.hex::<32>(Purpose::Cell, value).to_vec()),
        MaskMethod::Last4 => text::last4(value).filter(fits),
        MaskMethod::Email => text::email(value).filter(fits),
        MaskMethod::Redact | MaskMethod::Null => None,
    };
    let mut masked = masked.unwrap_or_else(|| b"****".to_vec());
    if !fits(&masked) {
        // Only digits of a hash and stars come here, each of one byte.
        masked.truncate(limit.unwrap_or_default());
    }
    match limit {
        Some(limit) if blank_padded => Cow::Owned(text::pad(masked, limit)),
        _ => Cow::Owned(masked),
    }
}
