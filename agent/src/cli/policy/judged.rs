//! A text as the daemon would judge it, without a server: what it does, what is decided, what is masked.
//!
//! Without a server there are no RowDescriptions, so masking is told from what the text proves alone, which is
//! also all that expressions have. EXECUTE and FETCH stand by themselves here: no session comes before them.

use std::collections::BTreeSet;
use std::sync::Arc;

use masking::MaskSet;
use policy::{Catalog, Judgement, Masked, Moment, Output, Policy, Subject};
use sql::{Analysis, Limits, Place, Reach, SearchPath, Settings, Statement};

/// Reading SQL is recursive; the workers have stacks of this size, and so must whoever reads the same texts.
const STACK: usize = 64 << 20;

/// What would become of a Query.
pub(super) struct Judged {
    pub(super) analysis: Analysis,
    pub(super) judgement: Judgement,
    pub(super) masked: Masked,
}

/// Judges a Query's text as at that time.
pub(super) fn judge(
    policy: &Arc<Policy>,
    subject: &Subject<'_>,
    (catalog, search_path): (&Catalog, &[String]),
    text: &str,
    at: Moment,
) -> Judged {
    let policy = policy.for_subject(subject);
    // Which role the service has is not known here: it is taken to reach every schema.
    let reach = Reach { role: String::new(), schemas: catalog.schemas().map(str::to_owned).collect() };
    let settings = Settings {
        search_path: SearchPath::listed(search_path.to_vec()),
        reach: Some(Arc::new(reach)),
        ..Settings::default()
    };
    let read = || sql::analyse(text.as_bytes(), &settings, catalog, &Limits::default());
    let analysis = std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
        reader.ok().and_then(|reader| reader.join().ok())
    });
    // A reader that could not start or that died has understood nothing.
    let mut analysis = analysis.unwrap_or_else(|| Analysis {
        statements: vec![Statement::opaque("the statement could not be read")],
        places: vec![Place { range: 0..text.len(), ..Place::default() }],
    });
    let set = MaskSet::resolve(policy.masks(), catalog);
    for statement in &mut analysis.statements {
        statement.actions.extend(set.predicates(&statement.steers, &statement.relations, catalog));
    }
    let statements = &analysis.statements;
    let stores_masked = statements.iter().any(|statement| set.hides(&statement.written));
    let actions = statements.iter().flat_map(|statement| &statement.actions);
    let judgement = policy.judge_storing(actions, stores_masked, at);
    let output = statements.iter().map(|statement| &statement.output).find(|output| **output != Output::None);
    let masked = masked(output.unwrap_or(&Output::None), &set);
    Judged { analysis, judgement, masked }
}

fn masked(output: &Output, set: &MaskSet) -> Masked {
    let none = Masked::Columns(BTreeSet::new());
    if set.is_empty() {
        return none;
    }
    match output {
        Output::None => none,
        Output::Columns(columns) => {
            let numbered = columns.iter().zip(1..);
            Masked::Columns(numbered.filter(|(lineage, _)| set.hides(lineage)).map(|(_, at)| at).collect())
        }
        Output::Within(columns) if columns.iter().all(|column| set.is_clear(*column)) => none,
        Output::Within(_) | Output::Inherited(_) | Output::Unknown => Masked::Every,
    }
}
