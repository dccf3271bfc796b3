//! Where evidence goes and how much of it may be there.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// The recorder's part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of all boots' folders.
    pub directory: PathBuf,
    /// The most bytes that all segments may take: a number, or one with `KiB`, `MiB` or `GiB`. At nine tenths new
    /// sessions are refused, at all of it statements.
    #[serde(deserialize_with = "size")]
    pub disk_budget: u64,
    /// The size at which a lane begins its next segment, written likewise.
    #[serde(deserialize_with = "size")]
    pub segment_bytes: u64,
    /// What a record must survive before what it describes moves on.
    pub sync: SyncMode,
    /// Whether segments that were shipped stay until room is needed (at three quarters of the budget).
    pub keep_shipped: bool,
}

/// What a record must survive before what it describes moves on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// The daemon's death: the kernel has the bytes.
    #[default]
    None,
    /// The machine's death: the disk has them (fdatasync). Costs what the disk's cache flush costs, each turn.
    Data,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            directory: PathBuf::from("/var/lib/portreeve/evidence"),
            disk_budget: 2 << 30,
            segment_bytes: 64 << 20,
            sync: SyncMode::None,
            keep_shipped: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Bytes(u64),
    Text(String),
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::Bytes(bytes) => return Ok(bytes),
        Written::Text(text) => text,
    };
    parse_size(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is not a size; write a number of bytes, or one like 512MiB or 2GiB"
        ))
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_or_without_a_unit() {
        let cases = [
            ("512", Some(512)),
            ("64MiB", Some(64 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("2GB", None),
            ("", None),
            ("99999999999GiB", None),
        ];
        for (text, expect) in cases {
            assert_eq!(parse_size(text), expect, "{text}");
        }
    }
}
