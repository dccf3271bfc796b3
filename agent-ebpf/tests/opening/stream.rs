//! A stream in packets, shown to the matcher.

use agent_ebpf::opening::{Kind, Opening, Payload, Verdict};

pub(crate) const OTHER: Verdict = Verdict::Other;
pub(crate) const MORE: Verdict = Verdict::More;
pub(crate) const STARTUP_30: Verdict = Verdict::Postgres(Kind::Startup30);
pub(crate) const STARTUP_32: Verdict = Verdict::Postgres(Kind::Startup32);
pub(crate) const SSL_REQUEST: Verdict = Verdict::Postgres(Kind::SslRequest);
pub(crate) const GSSENC_REQUEST: Verdict = Verdict::Postgres(Kind::GssEncRequest);
pub(crate) const CANCEL_REQUEST: Verdict = Verdict::Postgres(Kind::CancelRequest);
pub(crate) const DIRECT_TLS: Verdict = Verdict::Postgres(Kind::DirectTls);

pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Payload for Bytes<'_> {
    fn number(&self, offset: u32, count: u32) -> Option<u64> {
        assert!((1..=8).contains(&count));
        let from = offset as usize;
        let bytes = self.0.get(from..from + count as usize)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// Shows the bytes of `stream` between two places as one packet.
pub(crate) fn show(opening: &mut Opening, stream: &[u8], from: usize, to: usize) -> Verdict {
    opening.packet(&Bytes(&stream[from..to]), from as u32, (to - from) as u32)
}

/// The verdict on the stream in one packet.
pub(crate) fn whole(stream: &[u8]) -> Verdict {
    show(&mut Opening::new(), stream, 0, stream.len())
}

/// The verdict on the stream in packets that end at these places, in any order, and at its end.
pub(crate) fn cut(stream: &[u8], places: &[usize]) -> Verdict {
    let mut places: Vec<_> = places.iter().map(|place| place % (stream.len() + 1)).collect();
    places.push(stream.len());
    places.sort_unstable();
    let (mut opening, mut from) = (Opening::new(), 0);
    for to in places {
        show(&mut opening, stream, from, to);
        from = to;
    }
    opening.verdict()
}

/// The verdict on the stream in packets of `size` bytes.
pub(crate) fn packets_of(size: usize, stream: &[u8]) -> Verdict {
    cut(stream, &(0..stream.len()).step_by(size).collect::<Vec<_>>())
}
