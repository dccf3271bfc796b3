//! Work that may take long or hang, such as looking at a workload's files: beside the runtime, and not for ever.
//!
//! It knows nothing of what is done. Whoever asks goes on without an answer when it takes too long; the thread that
//! hangs keeps its place, so that no more of them hang than there are places.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Threads beside the runtime, and how long they are waited for.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Aside {
    /// So many at once.
    pub(super) fn new(places: usize, patience: Duration) -> Self {
        Aside { places: Arc::new(Semaphore::new(places)), patience }
    }

    /// What the work comes to, or `None` if that takes longer than the patience: also in waiting for a place.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = async {
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            let work = move || {
                let _place = place;
                work()
            };
            // A panic is told on standard error by the thread itself.
            spawn_blocking(work).await.ok()
        };
        timeout(self.patience, done).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn many_at_once_are_done_a_few_at_a_time() {
        let aside = Aside::new(4, Duration::from_secs(60));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let results = run(async {
            let mut all = JoinSet::new();
            for number in 0..200 {
                let (aside, now, most) = (aside.clone(), Arc::clone(&now), Arc::clone(&most));
                all.spawn(async move {
                    let work = move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        number
                    };
                    aside.run(work).await
                });
            }
            all.join_all().await
        });
        let mut results: Vec<usize> = results.into_iter().flatten().collect();
        results.sort_unstable();
        assert_eq!(results, (0..200).collect::<Vec<_>>());
        assert!((1..=4).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn what_hangs_is_not_waited_for_and_leaves_the_other_places_free() {
        let (end, hangs) = mpsc::channel::<()>();
        let aside = Aside::new(2, Duration::from_millis(200));
        run(async {
            assert_eq!(aside.run(move || hangs.recv().is_ok()).await, None);
            assert_eq!(aside.run(|| 7).await, Some(7));
            assert_eq!(aside.places.available_permits(), 1, "the thread still hangs");
            let (_end, hangs) = mpsc::channel::<()>();
            assert_eq!(aside.run(move || hangs.recv().is_ok()).await, None);
            assert_eq!(aside.run(|| 7).await, None, "no place is left");
            end.send(()).unwrap();
            let patient = Aside { patience: Duration::from_secs(60), ..aside.clone() };
            assert_eq!(patient.run(|| 7).await, Some(7));
        });
    }

    #[test]
    fn a_panic_is_no_answer_and_gives_its_place_back() {
        let aside = Aside::new(1, Duration::from_secs(60));
        run(async {
            assert_eq!(aside.run(|| assert_eq!(1, 2, "as it should")).await, None);
            assert_eq!(aside.run(|| 7).await, Some(7));
        });
    }
}
