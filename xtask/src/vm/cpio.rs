//! An archive that the kernel unpacks as its first file system: cpio's format "newc"
//! (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Everything in it is root's and has no time, so that the same content makes the same archive.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    path::Path,
};

// Types of file, as stat(2) has them.
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// The archive as it is written. Paths are absolute; folders on the way come by themselves.
pub(super) struct Archive<W> {
    to: W,
    folders: BTreeSet<String>,
    entries: u32,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, folders: BTreeSet::new(), entries: 0 }
    }

    /// An empty folder, unless it is there.
    ///
    /// # Errors
    ///
    /// The archive cannot be written. So for all that follow.
    pub(super) fn folder(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for folder in ends.map(|end| &path[..end]).filter(|folder| !folder.is_empty()) {
            if self.folders.insert(folder.to_owned()) {
                self.header(folder, FOLDER | 0o755, 0)?;
            }
        }
        Ok(())
    }

    /// A file with these bytes.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.head(path, REGULAR | mode, length(bytes.len())?)?;
        self.to.write_all(bytes)?;
        self.pad(bytes.len())
    }

    /// A file as it lies on this machine, also where a link leads to it.
    pub(super) fn copy(&mut self, path: &str, mode: u32, from: &Path) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
        let mut file = File::open(from).map_err(named)?;
        let size = file.metadata().map_err(named)?.len();
        self.head(path, REGULAR | mode, length(size)?)?;
        let copied = io::copy(&mut file, &mut self.to)?;
        if copied != size {
            return Err(named(io::Error::other("it changed while it was read")));
        }
        self.pad(usize::try_from(size).map_err(io::Error::other)?)
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        self.head(path, LINK | 0o777, length(to.len())?)?;
        self.to.write_all(to.as_bytes())?;
        self.pad(to.len())
    }

    /// Writes the end, without which the kernel takes nothing.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.header("TRAILER!!!", 0, 0)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn head(&mut self, path: &str, mode: u32, size: u32) -> io::Result<()> {
        let path = path.trim_start_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder)?;
        }
        self.header(path, mode, size)
    }

    fn header(&mut self, name: &str, mode: u32, size: u32) -> io::Result<()> {
        self.entries += 1;
        // Magic; then inode, mode, uid, gid, links, mtime, size, four device numbers, the name's length with its
        // zero, and a checksum that this format leaves out.
        let length = length(name.len() + 1)?;
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
        write!(self.to, "070701")?;
        for field in fields {
            write!(self.to, "{field:08X}")?;
        }
        write!(self.to, "{name}\0")?;
        self.pad(6 + fields.len() * 8 + name.len() + 1)
    }

    /// Headers and contents end at a multiple of four.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.to.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

fn length<N: TryInto<u32>>(bytes: N) -> io::Result<u32> {
    bytes.try_into().map_err(|_| io::Error::other("a file of an initramfs has less than 4 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each entry's name, mode and content, read as the kernel does.
    fn read(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let (mut entries, mut at) = (Vec::new(), 0);
        loop {
            let header = std::str::from_utf8(&archive[at..at + 110]).unwrap();
            assert_eq!(&header[..6], "070701");
            let field = |n: usize| u32::from_str_radix(&header[6 + n * 8..14 + n * 8], 16).unwrap();
            let name_end = at + 110 + field(11) as usize;
            let name = std::str::from_utf8(&archive[at + 110..name_end]).unwrap();
            let content = name_end.next_multiple_of(4);
            let end = content + field(6) as usize;
            let name = name.strip_suffix('\0').unwrap().to_owned();
            if name == "TRAILER!!!" {
                assert_eq!(archive.len(), content);
                return entries;
            }
            entries.push((name, field(1), archive[content..end].to_vec()));
            at = end.next_multiple_of(4);
        }
    }

    #[test]
    fn what_was_put_in_is_read_out_with_its_folders_before_it() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/init", 0o755, b"#!/bin/sh\n").unwrap();
        archive.folder("/sys/fs").unwrap();
        archive.file("/usr/lib/a", 0o644, b"").unwrap();
        archive.file("usr/lib/b", 0o644, b"12345").unwrap();
        archive.link("/usr/bin/sh", "bash").unwrap();
        let entries = read(&archive.finish().unwrap());
        let entries: Vec<_> =
            entries.iter().map(|(name, mode, content)| (name.as_str(), *mode, content.as_slice())).collect();
        assert_eq!(
            entries,
            [
                ("init", 0o100_755, &b"#!/bin/sh\n"[..]),
                ("sys", 0o040_755, b""),
                ("sys/fs", 0o040_755, b""),
                ("usr", 0o040_755, b""),
                ("usr/lib", 0o040_755, b""),
                ("usr/lib/a", 0o100_644, b""),
                ("usr/lib/b", 0o100_644, b"12345"),
                ("usr/bin", 0o040_755, b""),
                ("usr/bin/sh", 0o120_777, b"bash"),
            ]
        );
    }

    #[test]
    fn a_file_is_copied_and_one_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 4099]).unwrap();
        let mut archive = Archive::new(Vec::new());
        archive.copy("/file", 0o600, &path).unwrap();
        let error = archive.copy("/other", 0o600, &folder.path().join("missing")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        assert_eq!(read(&archive.finish().unwrap()), [("file".to_owned(), 0o100_600, vec![7; 4099])]);
    }
}
