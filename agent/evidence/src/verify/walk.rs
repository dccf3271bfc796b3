//! One segment file's bytes, frame by frame; after damage, on to the next frame that can be found.

use super::report::{Fault, Place};
use super::{BootState, Verifier};
use crate::header::{Header, MAX_HEADER};
use crate::id::BootId;
use crate::segment::{self, FRAME_HEAD, FrameError, HEAD_LEN, Head, HeadError, frame_unchecked};

pub(super) fn segment(verifier: &mut Verifier, file: &str, bytes: &[u8], settled: usize) {
    let mut place = Place { file: Some(file.to_owned()), ..Place::default() };
    let head = match Head::decode(bytes) {
        Ok(head) => head,
        Err(HeadError::Short) if let Some((boot, lane)) = place_by_name(file) => {
            // Cut short right after it was created.
            (place.boot, place.lane) = (Some(boot), Some(lane));
            return verifier.boots.entry(boot).or_default().torn(lane, place);
        }
        Err(error) => {
            verifier.findings.add(&place, Fault::Head(error));
            return walk(verifier, &place, bytes, settled, None);
        }
    };
    place.boot = Some(head.boot);
    place.lane = Some(head.lane);
    let name = file.rsplit('/').next().unwrap_or(file);
    if segment::parse_file_name(name).is_some_and(|name| name != (head.lane, head.first)) {
        verifier.findings.add(&place, Fault::Misnamed);
    }
    walk(verifier, &place, bytes, settled, Some(head));
}

/// Boot and lane of a file named `…/<boot>/lane-<lane>-<first>.seg`.
fn place_by_name(file: &str) -> Option<(BootId, u32)> {
    let (folder, name) = file.rsplit_once('/')?;
    let boot = folder.rsplit('/').next()?.parse().ok()?;
    Some((boot, segment::parse_file_name(name)?.0))
}

fn walk(verifier: &mut Verifier, file: &Place, bytes: &[u8], settled: usize, head: Option<Head>) {
    let mut at = HEAD_LEN;
    let mut first = true;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mut place = Place { offset: Some(at as u64), ..file.clone() };
        if let Some(head) = head {
            place.sequence = Some(verifier.boots.get(&head.boot).map_or(0, |boot| boot.next(head.lane)));
        }
        match frame_unchecked(rest) {
            Ok(Some((frame, intact))) => {
                let header = Header::decode(frame.header).ok();
                if !intact {
                    verifier.findings.add(&place, Fault::Frame(FrameError::Checksum));
                    // With sound lengths the record itself says more closely what is wrong; else look further.
                    if header.is_none() {
                        at = resync(bytes, at + 1, head).unwrap_or(bytes.len());
                        continue;
                    }
                }
                if let (Some(head), Some(header)) = (head, &header) {
                    if (header.boot, header.lane) != (head.boot, head.lane) {
                        verifier.findings.add(&place, Fault::Foreign);
                    } else if first && (header.sequence, header.predecessor) != (head.first, head.predecessor)
                    {
                        verifier.findings.add(&place, Fault::HeadDisagrees);
                    }
                }
                first = false;
                verifier.read(place, at < settled, frame.header, frame.body);
                at += frame.len;
            }
            Ok(None) => return,
            Err(error) => match (resync(bytes, at + 1, head), error, head) {
                (None, FrameError::Torn { .. }, Some(head))
                    if !whole_but_for_its_lengths(bytes, at, head) =>
                {
                    let boot: &mut BootState = verifier.boots.entry(head.boot).or_default();
                    boot.torn(head.lane, place);
                    return;
                }
                (next, error, _) => {
                    verifier.findings.add(&place, Fault::Frame(error));
                    at = next.unwrap_or(bytes.len());
                }
            },
        }
    }
}

/// The next whole frame at or after `from`. Headers begin with their boot's id, which is looked for.
fn resync(bytes: &[u8], from: usize, head: Option<Head>) -> Option<usize> {
    let pattern = header_pattern(head?.boot);
    let mut search = from;
    while let Some(found) = find(bytes.get(search..)?, &pattern) {
        let header_at = (search + found).checked_sub(1)?;
        search += found + 1;
        if let Some(start) = frame_around(bytes, header_at)
            && start >= from
        {
            return Some(start);
        }
    }
    None
}

/// Whether the frame at `at` is there to its end, so that not a write was cut short but its lengths edited.
fn whole_but_for_its_lengths(bytes: &[u8], at: usize, head: Head) -> bool {
    let body_at = at + FRAME_HEAD;
    let pattern = header_pattern(head.boot);
    let mut search = body_at;
    while let Some(found) = bytes.get(search..).and_then(|rest| find(rest, &pattern)) {
        let header_at = search + found - 1;
        search += found + 1;
        let Some(body_len) = header_window(bytes, header_at).and_then(Header::prefix_body_len) else {
            continue;
        };
        if header_at == body_at.saturating_add(body_len) || header_at == body_at {
            return true;
        }
    }
    false
}

/// The first field of a header's map: key 0, a byte string of 16.
fn header_pattern(BootId(boot): BootId) -> Vec<u8> {
    let mut pattern = vec![0x00, 0x50];
    pattern.extend_from_slice(&boot);
    pattern
}

/// The start of the frame whose header begins at `header_at`, if there is one. The frame's own lengths say so.
fn frame_around(bytes: &[u8], header_at: usize) -> Option<usize> {
    let body_len = Header::prefix_body_len(header_window(bytes, header_at)?)?;
    [body_len, 0].into_iter().find_map(|body_len| {
        let start = header_at.checked_sub(body_len)?.checked_sub(FRAME_HEAD)?;
        let frame = segment::frame(bytes.get(start..)?).ok()??;
        (frame.body.len() == body_len).then_some(start)
    })
}

fn header_window(bytes: &[u8], header_at: usize) -> Option<&[u8]> {
    let window = bytes.get(header_at..)?;
    Some(window.get(..MAX_HEADER).unwrap_or(window))
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
