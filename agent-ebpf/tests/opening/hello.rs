//! A generator of ClientHellos.

/// A ClientHello of TLS 1.3.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) session_id: usize,
    pub(crate) cipher_suites: usize,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
}

impl Default for Hello {
    fn default() -> Self {
        Self { session_id: 32, cipher_suites: 3, extensions: Vec::new() }
    }
}

impl Hello {
    pub(crate) fn with(mut self, of_type: u16, body: impl Into<Vec<u8>>) -> Self {
        self.extensions.push((of_type, body.into()));
        self
    }

    pub(crate) fn alpn(self, names: &[&str]) -> Self {
        self.with(16, alpn(names))
    }

    /// Extensions that say nothing here.
    pub(crate) fn padded(mut self, count: usize, length: usize) -> Self {
        self.extensions.extend((0..count).map(|index| (0x3000 + index as u16, vec![index as u8; length])));
        self
    }

    /// As a handshake message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        for (of_type, body) in &self.extensions {
            extensions.extend(of_type.to_be_bytes());
            extensions.extend(block(2, body));
        }
        let mut body = vec![3, 3];
        body.extend([0x5a; 32]);
        body.extend(block(1, &vec![0x51; self.session_id]));
        body.extend(block(2, &[0x13, 1].repeat(self.cipher_suites)));
        body.extend(block(1, &[0]));
        body.extend(block(2, &extensions));
        let mut message = vec![1];
        message.extend(block(3, &body));
        message
    }

    /// As a client sends it: in one record, or as many as it takes.
    pub(crate) fn stream(&self) -> Vec<u8> {
        records(1 << 14, &self.message())
    }
}

/// An ALPN extension's body.
pub(crate) fn alpn(names: &[&str]) -> Vec<u8> {
    block(2, &names.iter().flat_map(|name| block(1, name.as_bytes())).collect::<Vec<_>>())
}

/// A length of `size` bytes, and what it is the length of.
pub(crate) fn block(size: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = body.len().to_be_bytes()[8 - size..].to_vec();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn record(of_type: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![of_type, 3, 1];
    bytes.extend(block(2, body));
    bytes
}

/// A handshake message in records of at most `size` bytes.
pub(crate) fn records(size: usize, message: &[u8]) -> Vec<u8> {
    message.chunks(size).flat_map(|piece| record(22, piece)).collect()
}
