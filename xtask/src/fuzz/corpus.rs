//! The inputs that are kept in the tree: a line for each, in one file for each target, so that a change of them can be
//! read. libFuzzer wants a file for each.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Writes the inputs of a corpus into a folder, each into a file of its own.
///
/// # Errors
///
/// A line is no input, or a file cannot be read or written.
pub(super) fn unpack(corpus: &Path, folder: &Path) -> Result<()> {
    let text = match fs::read_to_string(corpus) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text.with_context(|| format!("cannot read {}", corpus.display()))?,
    };
    for (number, line) in text.lines().enumerate() {
        let input = unescape(line).with_context(|| format!("{}:{}", corpus.display(), number + 1))?;
        let file = folder.join(format!("kept-{number:04}"));
        fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Makes a corpus of the files of a folder.
///
/// # Errors
///
/// A file cannot be read or written.
pub(super) fn pack(folder: &Path, corpus: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        lines.push(fs::read(entry?.path())?.escape_ascii().to_string());
    }
    lines.sort_unstable();
    fs::write(corpus, lines.join("\n") + "\n").with_context(|| format!("cannot write {}", corpus.display()))
}

/// What [`slice::escape_ascii`] wrote.
fn unescape(line: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        let byte = match char {
            '\\' => match rest.next() {
                Some('t') => b'\t',
                Some('r') => b'\r',
                Some('n') => b'\n',
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).context("no two hexadecimal digits behind \\x")?
                }
                Some(same @ ('\\' | '\'' | '"')) => same as u8,
                other => anyhow::bail!("nothing that is escaped like \\{}", other.unwrap_or(' ')),
            },
            char => u8::try_from(char).context("not ASCII")?,
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_packed_and_unpacked() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inputs = [(0..=255).collect::<Vec<u8>>(), b"SELECT 'it''s'\n\t\\x41".to_vec(), Vec::new()];
        for (number, input) in inputs.iter().enumerate() {
            fs::write(from.path().join(number.to_string()), input).unwrap();
        }
        let corpus = to.path().join("corpus.txt");
        pack(from.path(), &corpus).unwrap();
        let folder = to.path().join("inputs");
        fs::create_dir(&folder).unwrap();
        unpack(&corpus, &folder).unwrap();
        let mut found: Vec<Vec<u8>> =
            fs::read_dir(&folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        let mut inputs = inputs.to_vec();
        inputs.sort();
        found.sort();
        assert_eq!(found, inputs);
    }

    #[test]
    fn a_line_that_is_no_input_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("corpus.txt");
        fs::write(&corpus, "fine\n\\q\n").unwrap();
        let error = format!("{:#}", unpack(&corpus, folder.path()).unwrap_err());
        assert!(error.contains("corpus.txt:2") && error.contains("\\q"), "{error}");
        unpack(&folder.path().join("absent"), folder.path()).unwrap();
    }
}
