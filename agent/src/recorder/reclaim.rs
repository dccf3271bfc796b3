//! Making room: segments that were shipped are removed, but never in silence.
//!
//! What will be gone is written into the host's lane before it goes, so that a verification can tell it from a
//! deletion. The host's first segment stays while the boot lives: it has the key.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering;

use evidence::{Body, BootId, Reclaimed};

use super::folder::{self, SegmentFile};
use super::{Error, Recorder, lock};

/// How far the central store has each lane: the place of the first record that it does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shipped(pub BTreeMap<(BootId, u32), u64>);

impl Shipped {
    fn has(&self, boot: BootId, lane: u32, before: u64) -> bool {
        self.0.get(&(boot, lane)).is_some_and(|shipped| *shipped >= before)
    }
}

/// All that this boot has removed. Said again when the part of the host's lane that said it goes itself.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    gone: BTreeMap<(BootId, u32), Reclaimed>,
}

/// What can go together.
struct Step {
    reclaimed: Reclaimed,
    segments: Vec<SegmentFile>,
}

pub(super) fn reclaim(recorder: &Recorder, shipped: &Shipped) -> Result<u64, Error> {
    let budget = &recorder.shared.budget;
    // With room to spare, what was shipped stays for those who look on the host itself.
    let goal = if recorder.config.keep_shipped { recorder.config.disk_budget / 4 * 3 } else { 0 };
    if budget.usage().used <= goal {
        return Ok(0);
    }
    let mut ledger = lock(&recorder.ledger);
    let mut freed = 0;
    for step in steps(recorder, shipped)? {
        if budget.usage().used <= goal {
            break;
        }
        let Reclaimed { boot, lane, .. } = step.reclaimed;
        let gone = ledger.gone.entry((boot, lane)).or_insert(step.reclaimed);
        gone.before = step.reclaimed.before;
        let say: Vec<Reclaimed> = match (boot == recorder.boot(), lane) {
            (true, 0) => ledger.gone.values().copied().collect(),
            _ => vec![*gone],
        };
        {
            let mut host = lock(&recorder.host);
            // Nothing follows the stop record; what is left is the next boot's to remove.
            if recorder.shared.stopped.load(Ordering::Acquire) {
                break;
            }
            for reclaimed in say {
                host.append(None, &Body::Reclaimed(reclaimed), recorder.clock.now())?;
            }
            host.commit_host()?;
        }
        let bytes = step.segments.iter().map(|segment| segment.len).sum();
        remove(recorder, &step)?;
        budget.give_back(bytes);
        freed += bytes;
    }
    Ok(freed)
}

/// What may go, oldest first: whole earlier boots, then this boot's segments one by one.
fn steps(recorder: &Recorder, shipped: &Shipped) -> Result<Vec<Step>, Error> {
    let mut boots: BTreeMap<BootId, BTreeMap<u32, Vec<SegmentFile>>> = BTreeMap::new();
    for segment in folder::scan(&recorder.config.directory)? {
        boots.entry(segment.boot).or_default().entry(segment.lane).or_default().push(segment);
    }
    let mut steps = Vec::new();
    for (boot, lanes) in boots {
        if boot == recorder.boot() {
            for (lane, segments) in lanes {
                steps.extend(running(recorder, shipped, lane, &segments));
            }
            continue;
        }
        let mut host_end = 0;
        let mut all_shipped = true;
        for (&lane, segments) in &lanes {
            let end = match segments.last() {
                Some(last) => folder::end(last)?.map_or(last.first, |(sequence, _)| sequence + 1),
                None => 0,
            };
            all_shipped &= end == 0 || shipped.has(boot, lane, end);
            if lane == 0 {
                host_end = end;
            }
        }
        if all_shipped {
            let reclaimed = Reclaimed { boot, lane: 0, from: 0, before: host_end };
            steps.push(Step { reclaimed, segments: lanes.into_values().flatten().collect() });
        }
    }
    Ok(steps)
}

fn running<'a>(
    recorder: &'a Recorder,
    shipped: &'a Shipped,
    lane: u32,
    segments: &'a [SegmentFile],
) -> impl Iterator<Item = Step> + 'a {
    let boot = recorder.boot();
    // The last one is being written to. Of the host's, the first one stays.
    let kept = usize::from(lane == 0);
    let from = segments.get(kept).map_or(0, |segment| if lane == 0 { segment.first } else { 0 });
    segments
        .windows(2)
        .skip(kept)
        .filter_map(|pair| match pair {
            [segment, next] => Some((segment, next.first)),
            _ => None,
        })
        .take_while(move |(_, before)| shipped.has(boot, lane, *before))
        .map(move |(segment, before)| Step {
            reclaimed: Reclaimed { boot, lane, from, before },
            segments: vec![segment.clone()],
        })
}

fn remove(recorder: &Recorder, step: &Step) -> Result<(), Error> {
    let failed = |source| Error::Folder { path: recorder.config.directory.clone(), source };
    if step.reclaimed.boot == recorder.boot() {
        for segment in &step.segments {
            fs::remove_file(&segment.path).map_err(failed)?;
        }
        return Ok(());
    }
    // Under another name first, so that a kill leaves no boot that seems to have lost records.
    let folder = recorder.config.directory.join(step.reclaimed.boot.to_string());
    let doomed = folder.with_extension(folder::DOOMED);
    fs::rename(&folder, &doomed).map_err(failed)?;
    fs::remove_dir_all(&doomed).map_err(failed)
}
