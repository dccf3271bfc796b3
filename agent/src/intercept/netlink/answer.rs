//! The kernel's answer to one request: any number of datagrams with any number of messages.

use std::io;

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NLMSG_OVERRUN, NetlinkBuffer,
};

/// An answer that is being read.
pub(super) struct Answer<T> {
    sequence: u32,
    items: Vec<T>,
    /// The list changed under the kernel's hands: something may be missing, or be there twice.
    interrupted: bool,
    /// What was wrong with an entry. The rest of the answer is read all the same, or the kernel would refuse
    /// the next question (`EBUSY`).
    failure: Option<io::Error>,
}

impl<T> Answer<T> {
    /// The answer to the request of this number.
    pub(super) fn to(sequence: u32) -> Self {
        Self { sequence, items: Vec::new(), interrupted: false, failure: None }
    }

    /// Reads one datagram. True if it was the last.
    ///
    /// # Errors
    ///
    /// The kernel refused the request, or the datagram is none. The answer ends with it.
    pub(super) fn read(
        &mut self,
        mut datagram: &[u8],
        read: &mut impl FnMut(&[u8]) -> io::Result<Option<T>>,
    ) -> io::Result<bool> {
        while !datagram.is_empty() {
            let message = NetlinkBuffer::new_checked(datagram).map_err(invalid)?;
            let length = (message.length() as usize).next_multiple_of(NLMSG_ALIGNTO.into());
            datagram = datagram.get(length..).unwrap_or_default();
            if message.sequence_number() != self.sequence {
                continue;
            }
            self.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            let body = message.payload();
            match message.message_type() {
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => self.interrupted = true,
                // With no error it is an acknowledgement.
                NLMSG_ERROR => {
                    let code = ErrorBuffer::new_checked(body).map_err(invalid)?.code();
                    return succeeded(code.map_or(0, |code| code.get())).map(|()| true);
                }
                NLMSG_DONE if body.is_empty() => return Ok(true),
                NLMSG_DONE => {
                    let code = DoneBuffer::new_checked(body).map_err(invalid)?.code();
                    return succeeded(code).map(|()| true);
                }
                _ if self.failure.is_some() => {}
                _ => match read(body) {
                    Ok(item) => self.items.extend(item),
                    Err(error) => self.failure = Some(error),
                },
            }
        }
        Ok(false)
    }

    /// What was read; none if the list changed meanwhile.
    ///
    /// # Errors
    ///
    /// What was wrong with an entry.
    pub(super) fn finish(self) -> io::Result<Option<Vec<T>>> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok((!self.interrupted).then_some(self.items)),
        }
    }
}

/// Errors are negative numbers of errno(3). `NLMSG_DONE` may carry other numbers, without meaning.
fn succeeded(code: i32) -> io::Result<()> {
    if code < 0 { Err(io::Error::from_raw_os_error(code.saturating_neg())) } else { Ok(()) }
}

/// An answer that cannot be read.
pub(super) fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    let what = what.into();
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel's answer cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NLM_F_MULTIPART;

    use super::{super::message, *};

    const ENTRY: u16 = 20;

    /// One message of an answer to request 7.
    fn part(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = message(kind, NLM_F_MULTIPART | flags, 7, body).unwrap();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn done(code: i32) -> Vec<u8> {
        part(NLMSG_DONE, 0, &code.to_ne_bytes())
    }

    /// Reads datagrams of messages to the end; entries are kept as text, and one with an `x` is wrong.
    fn read(datagrams: &[&[Vec<u8>]]) -> io::Result<Option<Vec<String>>> {
        let mut answer = Answer::to(7);
        for (n, datagram) in datagrams.iter().enumerate() {
            let last = answer.read(&datagram.concat(), &mut |body| match body {
                b"x" => Err(io::Error::other("a wrong entry")),
                b"-" => Ok(None),
                body => Ok(Some(String::from_utf8_lossy(body).into_owned())),
            })?;
            assert_eq!(last, n + 1 == datagrams.len(), "datagram {n}");
        }
        answer.finish()
    }

    fn entry(body: &str) -> Vec<u8> {
        part(ENTRY, 0, body.as_bytes())
    }

    #[track_caller]
    fn lists(datagrams: &[&[Vec<u8>]], expect: &[&str]) {
        assert_eq!(read(datagrams).unwrap().unwrap(), expect);
    }

    #[test]
    fn entries_come_in_any_number_of_datagrams() {
        lists(&[&[done(0)]], &[]);
        lists(&[&[entry("a"), entry("bcdef"), entry("-")], &[entry("g"), done(0)]], &["a", "bcdef", "g"]);
        lists(&[&[entry("a")], &[done(0)]], &["a"]);
        lists(&[&[part(NLMSG_NOOP, 0, b""), entry("a"), part(NLMSG_DONE, 0, b"")]], &["a"]);
        // The number that a list ends with is its size in some kernels.
        lists(&[&[entry("a"), done(52)]], &["a"]);
    }

    #[test]
    fn what_answers_an_earlier_request_is_passed_over() {
        let late = message(ENTRY, NLM_F_MULTIPART, 6, b"late").unwrap();
        let late_done = message(NLMSG_DONE, NLM_F_MULTIPART, 6, &[0; 4]).unwrap();
        lists(&[&[late, late_done], &[entry("a"), done(0)]], &["a"]);
    }

    #[test]
    fn a_list_that_changed_meanwhile_is_none() {
        let changed = part(ENTRY, NLM_F_DUMP_INTR, b"b");
        assert_eq!(read(&[&[entry("a"), changed], &[entry("c"), done(0)]]).unwrap(), None);
        let at_its_end = part(NLMSG_DONE, NLM_F_DUMP_INTR, &[0; 4]);
        assert_eq!(read(&[&[entry("a"), at_its_end]]).unwrap(), None);
        assert_eq!(read(&[&[part(NLMSG_OVERRUN, 0, b""), done(0)]]).unwrap(), None);
    }

    #[test]
    fn a_wrong_entry_is_said_when_the_rest_is_read() {
        let error = read(&[&[entry("a"), entry("x"), entry("x")], &[entry("b"), done(0)]]).unwrap_err();
        assert_eq!(error.to_string(), "a wrong entry");
    }

    #[test]
    fn the_kernels_refusal_is_its_own_error() {
        let refused = part(NLMSG_ERROR, 0, &(-libc::EPERM).to_ne_bytes());
        assert_eq!(read(&[&[refused]]).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(read(&[&[done(-libc::ENOENT)]]).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        lists(&[&[part(NLMSG_ERROR, 0, &[0; 4])]], &[]);
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        #[track_caller]
        fn check(datagram: Vec<u8>) {
            assert_eq!(read(&[&[datagram]]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        check(vec![1; 3]);
        check(entry("abcd")[..17].to_vec());
        check([entry("a"), vec![0; 16]].concat());
        check(part(NLMSG_ERROR, 0, b"abc"));
        check(part(NLMSG_DONE, 0, b"abc"));
    }
}
