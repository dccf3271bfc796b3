//! A stream of frames, whole and in pieces: it is split at the same places, and no message is read that is not there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgwire::{HEADER_LEN, Splitter, Whole};

const LIMIT: usize = 4096;

/// Which frames are needed whole: a third of them, and of another third the short ones.
fn whole(tag: u8) -> Whole {
    match tag % 3 {
        0 => Whole::Needed { limit: LIMIT },
        1 => Whole::UpTo { limit: LIMIT / 64, head: LIMIT / 16 },
        _ => Whole::Streamed,
    }
}

/// The frames' bytes as they are walked, each with whether a frame ends there; `step` bytes more at a time.
fn walk(stream: &[u8], step: usize) -> (Vec<u8>, Vec<usize>, bool) {
    let mut splitter = Splitter::new(LIMIT);
    let (mut at, mut end, mut walked, mut ends) = (0, 0, Vec::new(), Vec::new());
    loop {
        match splitter.next(&stream[at..end], whole) {
            Err(_) => return (walked, ends, true),
            Ok(Some(piece)) => {
                at += piece.len();
                walked.extend_from_slice(piece.bytes());
                if piece.ends_frame() {
                    ends.push(at);
                }
            }
            Ok(None) if end == stream.len() => return (walked, ends, false),
            Ok(None) => end = (end + step).min(stream.len()),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, stream)) = data.split_first() else { return };
    let (walked, ends, failed) = walk(stream, stream.len().max(1));
    let (again, ends_again, failed_again) = walk(stream, usize::from(step % 16) + 1);
    assert_eq!((&ends, failed), (&ends_again, failed_again));
    // An error is told as soon as its header is there: what comes before may have been in pieces.
    if !failed {
        // The rest waits for more, or is a frame that goes on.
        let least = walked.len().min(again.len());
        assert_eq!(walked[..least], again[..least]);
        assert!(stream.starts_with(&walked) && stream.starts_with(&again));
    }
    let mut begin = 0;
    for end in ends {
        let frame = &stream[begin..end];
        begin = end;
        let (tag, body) = (frame[0], &frame[HEADER_LEN..]);
        if let Ok(message) = pgwire::backend::Message::parse(tag, body) {
            let _ = format!("{message:?}");
        }
        if let Ok(message) = pgwire::frontend::Message::parse(tag, body) {
            let _ = format!("{message:?}");
        }
    }
});
