//! The types that can be masked, by their fixed OIDs (`src/include/catalog/pg_type.dat`), and their constants.
//!
//! Binary forms are those of each type's receive function: integers in network byte order, dates and times
//! counted from 2000-01-01 (hence that date: it is zero).

use pgwire::Oid;

/// The most bits of a masked bit string; a column with more becomes NULL. Such a mask is as long as its
/// column's type says, and a length in a type must not be a way to have memory taken.
const MAX_BITS: usize = 64 * 1024;

/// How the values of a type are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the method, alike in both formats.
    Text(MaskedText),
    /// By one constant for each format.
    Fixed { text: &'static [u8], bytes: &'static [u8] },
    /// By an array without elements.
    Array { element: Oid },
    /// By zeros to the length of the type.
    Bit,
}

/// The text types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskedText {
    /// Without a length.
    Plain,
    /// `varchar`
    Varying,
    /// `char(n)`
    BlankPadded,
}

impl MaskedText {
    /// The most characters that the type modifier allows, where it says so: n is kept as n + 4 (`VARHDRSZ`).
    pub(super) fn limit(self, type_modifier: i32) -> Option<usize> {
        match self {
            MaskedText::Plain => None,
            MaskedText::Varying | MaskedText::BlankPadded => {
                usize::try_from(type_modifier).ok()?.checked_sub(4)
            }
        }
    }
}

const fn fixed(text: &'static [u8], bytes: &'static [u8]) -> Kind {
    Kind::Fixed { text, bytes }
}

/// How values of that type are masked; `None` if it has no mask.
pub(super) const fn kind(oid: Oid) -> Option<Kind> {
    Some(match oid {
        16 => fixed(b"f", &[0]),
        17 => fixed(b"\\x", b""),
        // "char" is one byte.
        18 => fixed(b"*", b"*"),
        // name
        19 => Kind::Text(MaskedText::Plain),
        20 => fixed(b"0", &[0; 8]),
        21 => fixed(b"0", &[0; 2]),
        23 | 26 => fixed(b"0", &[0; 4]),
        // text, and unknown, which is written alike
        25 | 705 => Kind::Text(MaskedText::Plain),
        114 => fixed(b"\"****\"", b"\"****\""),
        // xml: valid as a document and as content
        142 => fixed(b"<masked/>", b"<masked/>"),
        650 => fixed(b"0.0.0.0/32", &[2, 32, 1, 4, 0, 0, 0, 0]),
        700 => fixed(b"0", &[0; 4]),
        701 => fixed(b"0", &[0; 8]),
        774 => fixed(b"00:00:00:00:00:00:00:00", &[0; 8]),
        // money: without the currency's sign, which is the locale's
        790 => fixed(b"0.00", &[0; 8]),
        829 => fixed(b"00:00:00:00:00:00", &[0; 6]),
        869 => fixed(b"0.0.0.0", &[2, 32, 0, 4, 0, 0, 0, 0]),
        1042 => Kind::Text(MaskedText::BlankPadded),
        1043 => Kind::Text(MaskedText::Varying),
        1082 => fixed(b"2000-01-01", &[0; 4]),
        1083 => fixed(b"00:00:00", &[0; 8]),
        1114 => fixed(b"2000-01-01 00:00:00", &[0; 8]),
        1184 => fixed(b"2000-01-01 00:00:00+00", &[0; 8]),
        1186 => fixed(b"00:00:00", &[0; 16]),
        1266 => fixed(b"00:00:00+00", &[0; 12]),
        1560 => Kind::Bit,
        // varbit: one bit fits every length
        1562 => fixed(b"0", &[0, 0, 0, 1, 0]),
        // numeric: no digits, weight 0, sign 0, scale 0
        1700 => fixed(b"0", &[0; 8]),
        2950 => fixed(b"00000000-0000-0000-0000-000000000000", &[0; 16]),
        // jsonb: in binary a version stands in front
        3802 => fixed(b"\"****\"", b"\x01\"****\""),
        other => match element(other) {
            Some(element) => Kind::Array { element },
            None => return None,
        },
    })
}

/// The element's type of an array type; `None` if it is not an array of a type above.
const fn element(array: Oid) -> Option<Oid> {
    Some(match array {
        143 => 142,
        199 => 114,
        651 => 650,
        775 => 774,
        791 => 790,
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1040 => 829,
        1041 => 869,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        1270 => 1266,
        1561 => 1560,
        1563 => 1562,
        2951 => 2950,
        3807 => 3802,
        _ => return None,
    })
}

/// An array without dimensions: their count, the flag for NULLs, the element's type.
pub(super) fn empty_array(element: Oid) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&element.to_be_bytes());
    bytes
}

/// `bit(n)` of zeros; without a length it is one bit, as in SQL. `None` above [`MAX_BITS`].
pub(super) fn zero_bits(type_modifier: i32, binary: bool) -> Option<Vec<u8>> {
    let bits = usize::try_from(type_modifier).unwrap_or(1);
    if bits > MAX_BITS {
        return None;
    }
    if !binary {
        return Some(vec![b'0'; bits]);
    }
    let mut bytes = (bits as u32).to_be_bytes().to_vec();
    bytes.resize(4 + bits.div_ceil(8), 0);
    Some(bytes)
}
