//! Tells the demo: a heading, the command as one would type it, its real output, and what must be in it.

use std::io::{IsTerminal as _, Read as _};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::world::text;

/// What a command wrote, as a terminal would show it.
pub(crate) struct Shown {
    command: String,
    text: String,
    success: bool,
}

/// Begins a chapter.
pub(crate) fn chapter(number: u32, title: &str) {
    println!("\n{}", styled("1", &format!("{number}. {title}")));
}

/// A sentence between two commands.
pub(crate) fn note(what: &str) {
    println!("   {what}");
}

/// Runs a command and shows it as `line`.
pub(crate) fn show(line: &str, command: &mut Command) -> Result<Shown> {
    print_line(line);
    // Both outputs into one pipe, so that they come in the order in which they were written.
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds the pipe's other end too.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let shown = Shown { command: line.to_owned(), text: text(&bytes), success: child.wait()?.success() };
    print_output(&shown.text);
    Ok(shown)
}

/// Shows a command that is run by somebody else.
pub(crate) fn print_line(line: &str) {
    println!("   {}", styled("36", &format!("$ {line}")));
}

/// Bold or coloured, where somebody watches and not a file.
fn styled(style: &str, text: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// Shows what such a command wrote.
pub(crate) fn print_output(text: &str) {
    for line in text.trim_end().lines() {
        println!("     {line}");
    }
}

impl Shown {
    /// What came of a command that was shown with [`print_line`].
    pub(crate) fn of(line: &str, output: &Output) -> Self {
        let text = text(&output.stdout) + &text(&output.stderr);
        print_output(&text);
        Shown { command: line.to_owned(), text, success: output.status.success() }
    }

    /// It must have succeeded.
    pub(crate) fn succeeds(self) -> Result<Self> {
        if !self.success {
            bail!("`{}` should have succeeded, and failed", self.command);
        }
        Ok(self)
    }

    /// It must have failed.
    pub(crate) fn fails(self) -> Result<Self> {
        if self.success {
            bail!("`{}` should have failed, and succeeded", self.command);
        }
        Ok(self)
    }

    /// These words must be in its output.
    pub(crate) fn has(self, words: &[&str]) -> Result<Self> {
        match words.iter().find(|word| !self.text.contains(**word)) {
            None => Ok(self),
            Some(word) => bail!("`{}` should have shown `{word}`", self.command),
        }
    }

    /// These words must not be in its output.
    pub(crate) fn has_not(self, words: &[&str]) -> Result<Self> {
        match words.iter().find(|word| self.text.contains(**word)) {
            None => Ok(self),
            Some(word) => bail!("`{}` should not have shown `{word}`", self.command),
        }
    }

    /// The first line with this word.
    pub(crate) fn line_with(&self, word: &str) -> Result<&str> {
        let mut lines = self.text.lines();
        lines
            .find(|line| line.contains(word))
            .with_context(|| format!("`{}`: no line has `{word}`", self.command))
    }
}
