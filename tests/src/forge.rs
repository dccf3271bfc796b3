//! What somebody with the files, and without the key, can do to a record.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use evidence::segment::{Frames, HEAD_LEN, Head, encode_frame};
use evidence::{BootId, Digest, Header};

use crate::process::output;

/// A copy of the evidence, to be tampered with.
///
/// # Errors
///
/// It cannot be copied.
pub fn copy(evidence: &Path, to: &Path) -> Result<()> {
    output(Command::new("cp").arg("-a").arg(evidence).arg(to)).map(drop)
}

/// Replaces the first `from` in the records by `to`, of the same length, and nothing else.
///
/// # Errors
///
/// It is nowhere, or the files cannot be changed.
pub fn edit(evidence: &Path, from: &str, to: &str) -> Result<PathBuf> {
    for path in segments(evidence)? {
        let mut bytes = fs::read(&path)?;
        if replace(&mut bytes, from, to) {
            fs::write(&path, bytes)?;
            return Ok(path);
        }
    }
    bail!("`{from}` is in no record")
}

/// As [`edit`], and makes everything right again that can be made right without the key: checksums, digests and
/// the whole chain after it.
///
/// # Errors
///
/// It is nowhere, or the files cannot be changed.
pub fn edit_and_recompute(evidence: &Path, from: &str, to: &str) -> Result<PathBuf> {
    let mut edited = None;
    let mut tips: HashMap<(BootId, u32), Digest> = HashMap::new();
    for path in segments(evidence)? {
        let bytes = fs::read(&path)?;
        let mut head = Head::decode(&bytes)?;
        let lane = (head.boot, head.lane);
        if let Some(tip) = tips.get(&lane) {
            head.predecessor = *tip;
        }
        let mut forged = Vec::with_capacity(bytes.len());
        head.encode(&mut forged);
        for (_, frame) in Frames::new(&bytes, HEAD_LEN) {
            let frame = frame?;
            let mut header = Header::decode(frame.header)?;
            let mut body = frame.body.to_vec();
            if edited.is_none() && replace(&mut body, from, to) {
                edited = Some(path.clone());
                header.body = Digest::of(&body);
            }
            if let Some(tip) = tips.get(&lane) {
                header.predecessor = *tip;
            }
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            tips.insert(lane, Digest::of(&bytes));
            encode_frame(&bytes, &body, &mut forged);
        }
        fs::write(&path, forged)?;
    }
    edited.with_context(|| format!("`{from}` is in no record"))
}

/// All segments, each lane's in its order.
fn segments(evidence: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for boot in fs::read_dir(evidence)? {
        let boot = boot?.path();
        if boot.is_dir() {
            for file in fs::read_dir(boot)? {
                let file = file?.path();
                if file.extension().is_some_and(|ending| ending == "seg") {
                    found.push(file);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

fn replace(bytes: &mut [u8], from: &str, to: &str) -> bool {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let Some(at) = bytes.windows(from.len()).position(|window| window == from) else { return false };
    let Some(place) = bytes.get_mut(at..at + to.len()).filter(|_| from.len() == to.len()) else {
        return false;
    };
    place.copy_from_slice(to);
    true
}
