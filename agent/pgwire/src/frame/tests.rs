//! The splitter: any chunking of a stream is the same stream.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 64;

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// `Q` and `P` are needed whole, everything else is streamed.
fn whole(tag: u8) -> Whole {
    if matches!(tag, b'Q' | b'P') { Whole::Needed { limit: LIMIT } } else { Whole::Streamed }
}

/// What a reader of frames puts together again: each frame's bytes, and whether it came in one piece.
fn split(stream: &[u8], cuts: &[usize]) -> Result<Vec<(u8, Vec<u8>, bool)>, FrameError> {
    let mut splitter = Splitter::new(1 << 20);
    let (mut buffer, mut frames, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(stream.len());
    let mut from = 0;
    for end in ends {
        buffer.extend_from_slice(&stream[from..end]);
        from = end;
        let mut at = 0;
        while let Some(piece) = splitter.next(&buffer[at..], whole)? {
            assert!(piece.len() > 0);
            at += piece.len();
            open.extend_from_slice(piece.bytes());
            if piece.ends_frame() {
                let in_one = matches!(piece, Piece::Frame { .. });
                frames.push((piece.tag(), std::mem::take(&mut open), in_one));
            }
            assert_eq!(splitter.at_boundary(), piece.ends_frame());
        }
        buffer.drain(..at);
    }
    assert!(buffer.is_empty() && open.is_empty(), "the stream ends at a boundary");
    Ok(frames)
}

#[test]
fn a_header_needs_five_bytes_and_a_length_that_counts_itself() {
    let check = |bytes: &[u8], expect| assert_eq!(Header::parse(bytes), expect, "{bytes:?}");
    check(&[], Ok(None));
    check(b"Q\0\0\0", Ok(None));
    check(b"Q\0\0\0\x04", Ok(Some(Header { tag: b'Q', body_len: 0 })));
    check(b"D\x7f\xff\xff\xff", Ok(Some(Header { tag: b'D', body_len: 0x7fff_fffb })));
    check(b"Q\0\0\0\x03", Err(FrameError::Length { tag: b'Q', len: 3 }));
    check(b"Q\x80\0\0\0", Err(FrameError::Length { tag: b'Q', len: 0x8000_0000 }));
}

#[test]
fn a_needed_frame_over_its_limit_is_refused_at_its_header() {
    let mut splitter = Splitter::new(1 << 20);
    assert_eq!(
        splitter.next(b"Q\0\0\0\x45", whole),
        Err(FrameError::TooLarge { tag: b'Q', len: 65, limit: LIMIT })
    );
    let mut small = Splitter::new(8);
    assert_eq!(small.next(b"Q\0\0\0\x0d", whole), Err(FrameError::TooLarge { tag: b'Q', len: 9, limit: 8 }));
}

#[test]
fn a_streamed_frame_begins_with_its_header_and_ends_at_its_length() {
    let mut splitter = Splitter::new(0);
    let next = |splitter: &mut Splitter, bytes: &'static [u8]| splitter.next(bytes, whole);
    assert_eq!(next(&mut splitter, b"d\0\0\0"), Ok(None));
    assert_eq!(
        next(&mut splitter, b"d\0\0\0\x09"),
        Ok(Some(Piece::Begin { tag: b'd', body_len: 5, bytes: b"d\0\0\0\x09" }))
    );
    assert_eq!(next(&mut splitter, b""), Ok(None));
    assert_eq!(next(&mut splitter, b"abc"), Ok(Some(Piece::Middle { tag: b'd', bytes: b"abc" })));
    assert_eq!(next(&mut splitter, b"deQ"), Ok(Some(Piece::End { tag: b'd', bytes: b"de" })));
    assert!(splitter.at_boundary());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        frames in proptest::collection::vec(
            (prop_oneof![Just(b'Q'), Just(b'P'), Just(b'd'), Just(b'D'), Just(b'S')],
             proptest::collection::vec(any::<u8>(), 0..LIMIT)),
            0..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..40),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|(tag, body)| frame(*tag, body)).collect();
        let split = split(&stream, &cuts).unwrap();
        prop_assert_eq!(split.len(), frames.len());
        for ((tag, bytes, in_one), (expected_tag, body)) in split.iter().zip(&frames) {
            prop_assert_eq!(tag, expected_tag);
            prop_assert_eq!(bytes, &frame(*tag, body));
            prop_assert!(*in_one || whole(*tag) == Whole::Streamed);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_pieces_are_what_was_given(bytes: Vec<u8>) {
        let mut splitter = Splitter::new(128);
        let mut at = 0;
        while let Ok(Some(piece)) = splitter.next(&bytes[at..], whole) {
            prop_assert_eq!(piece.bytes(), &bytes[at..at + piece.len()]);
            at += piece.len();
        }
    }
}

#[test]
fn whole_frames_of_one_type_are_taken_together() {
    let stream = [frame(b'D', b"a"), frame(b'D', b""), frame(b'D', &[7; 100]), frame(b'C', b"x")].concat();
    let splitter = Splitter::new(1 << 20);
    for (length, expect) in
        [(stream.len(), (116, 3)), (115, (11, 2)), (12, (11, 2)), (6, (6, 1)), (5, (0, 0))]
    {
        let (frames, count) = splitter.alike(&stream[..length], b'D', |_| true);
        assert_eq!((frames.len(), count), expect, "of {length} bytes");
    }
    assert_eq!(splitter.alike(&stream, b'C', |_| true), (&[][..], 0));
    assert_eq!(
        splitter.alike(&stream, b'D', |body| body.len() < 2).1,
        2,
        "up to the first that is not wanted"
    );
    assert_eq!(
        splitter.alike(b"D\0\0\0\x03", b'D', |_| true),
        (&[][..], 0),
        "what is no frame is for `next` to say"
    );
    let mut begun = Splitter::new(1 << 20);
    assert!(matches!(begun.next(b"D\0\0\0\xff", whole), Ok(Some(Piece::Begin { .. }))));
    assert_eq!(
        begun.alike(&stream, b'D', |_| true),
        (&[][..], 0),
        "the bytes belong to the frame that was begun"
    );
}

#[test]
fn a_long_frame_begins_when_its_head_is_there() {
    let whole = |_| Whole::UpTo { limit: 8, head: 16 };
    let (short, long) = (frame(b'B', &[7; 8]), frame(b'B', &[7; 40]));
    let mut splitter = Splitter::new(LIMIT);
    for there in 0..short.len() {
        assert_eq!(splitter.next(&short[..there], whole), Ok(None));
    }
    assert_eq!(splitter.next(&short, whole), Ok(Some(Piece::Frame { tag: b'B', frame: &short })));
    for there in 0..HEADER_LEN + 16 {
        assert_eq!(splitter.next(&long[..there], whole), Ok(None));
    }
    // It may be looked at more than once.
    for there in [HEADER_LEN + 16, 30] {
        let piece = splitter.next(&long[..there], whole).unwrap().unwrap();
        assert_eq!(piece, Piece::Begin { tag: b'B', body_len: 40, bytes: &long[..there] });
        assert!(!splitter.at_boundary());
        if there < 30 {
            splitter.put_back();
            assert!(splitter.at_boundary());
        }
    }
    assert_eq!(splitter.next(&long[30..], whole), Ok(Some(Piece::End { tag: b'B', bytes: &long[30..] })));
    // There all at once, it is in one piece however long it is.
    assert_eq!(splitter.next(&long, whole), Ok(Some(Piece::Frame { tag: b'B', frame: &long })));
}
