//! Any text as SQL, in any settings: it is read alike twice, on a stack as workers have it, and never ends the daemon.

#![no_main]

mod shop;

use std::sync::{Arc, Mutex, OnceLock, mpsc};

use libfuzzer_sys::fuzz_target;
use sql::{Limits, Reach, SearchPath, Settings};

/// As a worker's.
const STACK: usize = 64 << 20;

fuzz_target!(|data: &[u8]| {
    static WORKER: OnceLock<Mutex<(mpsc::Sender<Vec<u8>>, mpsc::Receiver<()>)>> = OnceLock::new();
    let worker = WORKER.get_or_init(|| {
        let (to, texts) = mpsc::channel::<Vec<u8>>();
        let (done, from) = mpsc::channel();
        let work = move || {
            for text in texts {
                analyse(&text);
                if done.send(()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread can be made");
        Mutex::new((to, from))
    });
    let (to, from) = &*worker.lock().expect("nobody has panicked with it");
    to.send(data.to_vec()).expect("the worker lives");
    from.recv().expect("the worker lives");
});

fn analyse(data: &[u8]) {
    let Some((&how, text)) = data.split_first() else { return };
    let path = ["pg_temp", "pg_catalog", "public"].map(str::to_owned);
    let settings = Settings {
        standard_conforming_strings: how & 1 == 0,
        utf8: how & 2 == 0,
        search_path: if how & 4 == 0 { SearchPath::listed(path.to_vec()) } else { SearchPath::Unknown },
        reach: (how & 16 == 0).then(|| Arc::new(Reach { role: "app".to_owned(), schemas: path.to_vec() })),
        unsettled: how & 8 != 0,
    };
    let (catalog, limits) = (shop::catalog(), Limits::default());
    let read = || format!("{:?}", sql::analyse(text, &settings, &catalog, &limits));
    assert_eq!(read(), read());
}
