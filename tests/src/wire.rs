//! A client that speaks the protocol message by message (PostgreSQL manual, "Frontend/Backend Protocol"): for
//! pipelines that no driver sends. It shares nothing with the code under test.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::patience::PATIENCE;

/// A stream of either kind.
trait Stream: std::io::Read + std::io::Write + std::fmt::Debug + Send {
    /// Another handle of the same connection.
    fn again(&self) -> std::io::Result<Box<dyn Stream>>;
    /// Says that no more comes from here.
    fn finish(&self) -> std::io::Result<()>;
    /// Sets how long is waited for what is read.
    fn wait_for(&self, time: Duration) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn again(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn finish(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn wait_for(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Stream for UnixStream {
    fn again(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn finish(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn wait_for(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

/// A connection after its start-up.
#[derive(Debug)]
pub struct Wire {
    stream: Box<dyn Stream>,
    /// BackendKeyData's body, for a CancelRequest.
    pub key: Vec<u8>,
}

/// A message of the server: its type and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an ErrorResponse or NoticeResponse, such as `b'C'` for the SQLSTATE.
    pub fn field(&self, code: u8) -> String {
        let mut fields = self.body.split(|byte| *byte == 0).filter(|field| field.first() == Some(&code));
        fields.next().map_or_else(String::new, |field| String::from_utf8_lossy(&field[1..]).into_owned())
    }

    /// In a line: the tag, and what tells two messages of a kind apart.
    pub fn line(&self) -> String {
        let tag = char::from(self.tag);
        match self.tag {
            b'E' => format!("E {}", self.field(b'C')),
            b'C' => format!("C {}", String::from_utf8_lossy(&self.body).trim_end_matches('\0')),
            b'Z' => format!("Z {}", String::from_utf8_lossy(&self.body)),
            b'D' => format!("D {}", self.cells().join("|")),
            _ => tag.to_string(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut rest = self.body.get(2..).unwrap_or_default();
        let mut cells = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            match usize::try_from(i32::from_be_bytes(*length)) {
                Ok(length) => {
                    let (cell, after) = after.split_at_checked(length).unwrap_or((after, &[]));
                    cells.push(String::from_utf8_lossy(cell).into_owned());
                    rest = after;
                }
                Err(_) => {
                    cells.push("NULL".to_owned());
                    rest = after;
                }
            }
        }
        cells
    }
}

impl Wire {
    /// Connects over TCP, as `job`, and is ready for a query.
    ///
    /// # Errors
    ///
    /// It is refused, or asked for a password.
    pub fn connect(address: SocketAddr, database: &str) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::start(Box::new(stream), crate::world::JOB, database)
    }

    /// Connects past Portreeve, over the server's Unix socket.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn direct(socket: &Path, role: &str, database: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::start(Box::new(stream), role, database)
    }

    fn start(stream: Box<dyn Stream>, user: &str, database: &str) -> Result<Self> {
        let mut wire = Wire { stream, key: Vec::new() };
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for word in ["user", user, "database", database, ""] {
            body.extend_from_slice(word.as_bytes());
            body.push(0);
        }
        let length = i32::try_from(body.len() + 4)?;
        wire.send(&[&length.to_be_bytes()[..], &body].concat())?;
        for message in wire.until_ready()? {
            match message.tag {
                b'K' => wire.key = message.body,
                b'E' => bail!("refused: {} {}", message.field(b'C'), message.field(b'M')),
                _ => {}
            }
        }
        Ok(wire)
    }

    /// Waits that many times as long for each message as others do: there is much to be done before it comes.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn wait_longer(&mut self, times: u32) -> Result<()> {
        Ok(self.stream.wait_for(PATIENCE * times)?)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("the connection is gone")
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// The connection has ended, or nothing came for too long.
    pub fn receive(&mut self) -> Result<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).context("no message came")?;
        let [tag, length @ ..] = head;
        let length =
            usize::try_from(i32::from_be_bytes(length))?.checked_sub(4).context("a length below 4")?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Message { tag, body })
    }

    /// Closes the direction to the server; what it still says can be read.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn finish(&mut self) -> Result<()> {
        Ok(self.stream.finish()?)
    }

    /// Everything up to the end of the connection, as it comes. Whether that was a reset is the same.
    ///
    /// # Errors
    ///
    /// It did not end in time.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
                Err(error).context("the connection did not end")
            }
            _ => Ok(rest),
        }
    }

    /// All messages up to the next ReadyForQuery.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub fn until_ready(&mut self) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive();
            match message {
                Ok(message) if message.tag == b'Z' => {
                    messages.push(message);
                    return Ok(messages);
                }
                // A refusal at start-up is the last word.
                Err(_) if messages.last().is_some_and(|last: &Message| last.tag == b'E') => {
                    return Ok(messages);
                }
                message => messages.push(message?),
            }
        }
    }

    /// Another handle of the same connection: for one who reads while the other writes.
    ///
    /// # Errors
    ///
    /// There is no room for one.
    pub fn again(&self) -> Result<Self> {
        Ok(Wire { stream: self.stream.again()?, key: self.key.clone() })
    }

    /// Reads up to as many ReadyForQuery as asked for, and keeps nothing: how many messages of each type there were, and
    /// how many bytes their bodies had.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub fn count(&mut self, ready: usize) -> Result<BTreeMap<char, (usize, u64)>> {
        let mut counted: BTreeMap<char, (usize, u64)> = BTreeMap::new();
        let mut input = BufReader::with_capacity(1 << 16, &mut self.stream);
        while counted.get(&'Z').is_none_or(|(count, _)| *count < ready) {
            let mut head = [0; 5];
            input.read_exact(&mut head).context("no message came")?;
            let [tag, length @ ..] = head;
            let length = u64::from(u32::from_be_bytes(length)).checked_sub(4).context("a length below 4")?;
            let skipped = std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink())?;
            ensure!(skipped == length, "the connection ended in a message");
            let (count, bytes) = counted.entry(char::from(tag)).or_default();
            *count += 1;
            *bytes += length;
        }
        Ok(counted)
    }

    /// Sends messages at once and gives the replies up to as many ReadyForQuery as asked for.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub fn exchange(&mut self, messages: &[Vec<u8>], ready: usize) -> Result<Vec<Message>> {
        self.send(&messages.concat())?;
        let mut replies = Vec::new();
        for _ in 0..ready {
            replies.extend(self.until_ready()?);
        }
        Ok(replies)
    }

    /// As [`Self::exchange`], a line for each reply.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub fn talk(&mut self, messages: &[Vec<u8>], ready: usize) -> Result<Vec<String>> {
        Ok(self.exchange(messages, ready)?.iter().map(Message::line).collect())
    }
}

fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag][..], &length.to_be_bytes(), &body].concat()
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), &[0]])
}

/// Parse, without types.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[name.as_bytes(), &[0], sql.as_bytes(), &[0, 0, 0]])
}

/// Parse with types of its parameters.
pub fn parse_typed(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
    let types: Vec<u8> = types.iter().flat_map(|of| of.to_be_bytes()).collect();
    message(b'P', &[name.as_bytes(), &[0], sql.as_bytes(), &[0], &count.to_be_bytes(), &types])
}

/// Bind of text values, asking for text.
pub fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), &[0], statement.as_bytes(), &[0, 0, 0]].concat();
    body.extend_from_slice(&u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes());
    for value in values {
        body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    message(b'B', &[&body, &[0, 0]])
}

/// Parse, Bind, Describe and Execute of a statement without values, unnamed.
pub fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", "", &[]), describe(b'P', ""), execute("", 0)].concat()
}

/// Describe of a portal (`b'P'`) or a statement (`b'S'`).
pub fn describe(what: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[what], name.as_bytes(), &[0]])
}

/// Bind of text values with these codes for the formats of the result's columns (0 text, 1 binary).
pub fn bind_formats(portal: &str, statement: &str, values: &[&str], formats: &[u16]) -> Vec<u8> {
    let mut message = bind(portal, statement, values);
    message.truncate(message.len() - 2);
    for number in [u16::try_from(formats.len()).unwrap_or(u16::MAX)].iter().chain(formats) {
        message.extend_from_slice(&number.to_be_bytes());
    }
    let length = u32::try_from(message.len() - 1).unwrap_or(u32::MAX);
    message[1..5].copy_from_slice(&length.to_be_bytes());
    message
}

/// FunctionCall of a function without arguments, for a result in text.
pub fn function_call(oid: u32) -> Vec<u8> {
    message(b'F', &[&oid.to_be_bytes(), &[0; 6]])
}

/// Execute, with at most so many rows (0: all).
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), &[0], &rows.to_be_bytes()])
}

/// Close of a portal or a statement.
pub fn close(what: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[what], name.as_bytes(), &[0]])
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}

/// Flush.
pub fn flush() -> Vec<u8> {
    message(b'H', &[])
}

/// CopyData.
pub fn copy_data(data: &str) -> Vec<u8> {
    message(b'd', &[data.as_bytes()])
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    message(b'c', &[])
}

/// CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    message(b'f', &[reason.as_bytes(), &[0]])
}

/// Sends a CancelRequest with a connection's key over a connection of its own.
///
/// # Errors
///
/// It cannot be sent.
pub fn cancel(address: SocketAddr, key: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u32::try_from(key.len() + 8)?;
    stream.write_all(&[&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), key].concat())?;
    // The server closes without a reply when it has taken it.
    let _ = stream.read(&mut [0])?;
    Ok(())
}
