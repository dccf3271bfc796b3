//! What the columns of a view are, by the tree of its query as the server stores it (`pg_rewrite.ev_action`).
//!
//! A column that is another relation's own is told from one that is computed, and both from what the view chooses, joins,
//! groups and orders its rows by. What is not understood in full tells nothing: the view is then taken as one whole.

use policy::ColumnRef;
use policy::catalog::{View, ViewColumn};

mod tree;

use tree::{Node, Tree};

/// Queries within queries.
const MAX_LEVELS: usize = 20;

/// What a view's tree tells; `None` where it is not understood.
pub(super) fn read(text: &str) -> Option<View> {
    let tree = tree::parse(text)?;
    let Tree::List(queries) = &tree else { return None };
    let [Tree::Node(query)] = queries.as_slice() else { return None };
    let mut reader = Reader { levels: Vec::new(), decides: Vec::new() };
    let columns = reader.query(query)?;
    reader.decides.sort_unstable();
    reader.decides.dedup();
    // Of any query within it. Constants are stored as bytes, and a name that looks like it errs to more.
    let gathers =
        ["hasAggs", "hasWindowFuncs", "hasSubLinks"].iter().any(|has| text.contains(&format!(":{has} true")));
    Some(View { columns, decides: reader.decides, gathers })
}

/// One query, as far as it has been read.
#[derive(Default)]
struct Level<'t> {
    /// Its WITH queries by their names.
    with: Vec<(&'t str, Vec<ViewColumn>)>,
    /// What its range table holds.
    entries: Vec<Entry>,
}

#[derive(Clone)]
enum Entry {
    /// A relation (`pg_class.oid`).
    Relation(u32),
    /// Columns by their number.
    Columns(Vec<ViewColumn>),
    /// Each column may carry all of these.
    Any(Vec<ColumnRef>),
}

struct Reader<'t> {
    /// The queries around, innermost last.
    levels: Vec<Level<'t>>,
    decides: Vec<ColumnRef>,
}

/// Fields of a query that are read one by one.
const OWN_FIELDS: [&str; 4] = ["cteList", "rtable", "targetList", "setOperations"];

/// Fields of an entry of the range table that say what its columns are.
const OF_COLUMNS: [&str; 6] =
    ["subquery", "joinaliasvars", "functions", "tablefunc", "values_lists", "groupexprs"];

impl<'t> Reader<'t> {
    /// The columns of a query. Whatever is neither a column nor what the columns come from decides.
    fn query(&mut self, query: &'t Node<'t>) -> Option<Vec<ViewColumn>> {
        if query.label != "QUERY" || query.atom("commandType")? != "1" || self.levels.len() == MAX_LEVELS {
            return None;
        }
        self.levels.push(Level::default());
        let columns = self.inside(query);
        self.levels.pop();
        columns
    }

    fn inside(&mut self, query: &'t Node<'t>) -> Option<Vec<ViewColumn>> {
        for with in query.nodes("cteList")? {
            if with.atom("cterecursive")? != "false" {
                return None;
            }
            let (name, inner) = (with.atom("ctename")?, with.node("ctequery")?);
            let columns = self.query(inner)?;
            self.levels.last_mut()?.with.push((name, columns));
        }
        for entry in query.nodes("rtable")? {
            let read = self.entry(entry)?;
            self.levels.last_mut()?.entries.push(read);
        }
        for (_, value) in query.fields.iter().filter(|(name, _)| !OWN_FIELDS.contains(name)) {
            self.decide(value)?;
        }
        let mut columns = Vec::new();
        for target in query.nodes("targetList")? {
            let column = self.value(target.field("expr")?)?;
            // An order, a group or DISTINCT refers to it.
            let is_key = target.atom("ressortgroupref")? != "0" || target.atom("resjunk")? != "false";
            if is_key {
                self.decides.extend_from_slice(column.refs());
            }
            if target.atom("resjunk")? == "false" {
                columns.push(column);
            }
        }
        match query.field("setOperations")? {
            [Tree::Atom("<>")] => Some(columns),
            [Tree::Node(operation)] => self.set_operation(operation),
            _ => None,
        }
    }

    /// Columns of more than one query.
    fn set_operation(&mut self, operation: &'t Node<'t>) -> Option<Vec<ViewColumn>> {
        if operation.label == "RANGETBLREF" {
            return match self.entry_at(self.levels.len() - 1, operation.atom("rtindex")?)? {
                Entry::Columns(columns) => Some(columns),
                Entry::Relation(_) | Entry::Any(_) => None,
            };
        }
        if operation.label != "SETOPERATIONSTMT" {
            return None;
        }
        let left = self.set_operation(operation.node("larg")?)?;
        let right = self.set_operation(operation.node("rarg")?)?;
        if left.len() != right.len() {
            return None;
        }
        // `SETOP_UNION` is 1 since version 17 as well as before.
        let keeps_all = operation.atom("op")? == "1" && operation.atom("all")? == "true";
        let both =
            |(left, right): (ViewColumn, ViewColumn)| ViewColumn::Made([left.refs(), right.refs()].concat());
        let columns: Vec<_> = left.into_iter().zip(right).map(both).collect();
        if !keeps_all {
            self.decides.extend(columns.iter().flat_map(ViewColumn::refs));
        }
        Some(columns)
    }

    /// An entry of the range table (`RTEKind`, src/include/nodes/parsenodes.h).
    fn entry(&mut self, entry: &'t Node<'t>) -> Option<Entry> {
        for (_, value) in entry.fields.iter().filter(|(name, _)| !OF_COLUMNS.contains(name)) {
            self.decide(value)?;
        }
        Some(match entry.atom("rtekind")? {
            "0" => Entry::Relation(entry.atom("relid")?.parse().ok()?),
            "1" => Entry::Columns(self.query(entry.node("subquery")?)?),
            "2" => Entry::Columns(self.values(entry.field("joinaliasvars")?)?),
            // What a function is given decides how many rows there are.
            "3" => self.decided(entry.field("functions")?)?,
            "4" => self.decided(entry.field("tablefunc")?)?,
            "5" => Entry::Any(self.refs(entry.field("values_lists")?)?),
            "6" => {
                let up: usize = entry.atom("ctelevelsup")?.parse().ok()?;
                let level = self.levels.get(self.levels.len().checked_sub(up + 1)?)?;
                let name = entry.atom("ctename")?;
                Entry::Columns(level.with.iter().find(|(known, _)| *known == name)?.1.clone())
            }
            "8" => Entry::Any(Vec::new()),
            "9" => Entry::Columns(self.values(entry.field("groupexprs")?)?),
            _ => return None,
        })
    }

    fn decided(&mut self, value: &'t [Tree<'t>]) -> Option<Entry> {
        let refs = self.refs(value)?;
        self.decides.extend_from_slice(&refs);
        Some(Entry::Any(refs))
    }

    /// A list of expressions.
    fn values(&mut self, list: &'t [Tree<'t>]) -> Option<Vec<ViewColumn>> {
        match list {
            [Tree::List(values)] => {
                values.iter().map(|value| self.value(std::slice::from_ref(value))).collect()
            }
            [Tree::Atom("<>")] => Some(Vec::new()),
            _ => None,
        }
    }

    /// What an expression gives.
    fn value(&mut self, expr: &'t [Tree<'t>]) -> Option<ViewColumn> {
        match expr {
            [Tree::Node(var)] if var.label == "VAR" => self.variable(var),
            expr => self.refs(expr).map(ViewColumn::Made),
        }
    }

    /// All columns in it.
    fn refs(&mut self, value: &'t [Tree<'t>]) -> Option<Vec<ColumnRef>> {
        let mut all = Vec::new();
        for tree in value {
            match tree {
                Tree::Atom(_) => {}
                Tree::List(list) => all.extend(self.refs(list)?),
                Tree::Node(node) if node.label == "VAR" => all.extend_from_slice(self.variable(node)?.refs()),
                Tree::Node(node) if node.label == "QUERY" => {
                    all.extend(self.query(node)?.iter().flat_map(ViewColumn::refs));
                }
                Tree::Node(node) => {
                    for (_, value) in &node.fields {
                        all.extend(self.refs(value)?);
                    }
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    }

    fn decide(&mut self, value: &'t [Tree<'t>]) -> Option<()> {
        let refs = self.refs(value)?;
        self.decides.extend(refs);
        Some(())
    }

    fn variable(&self, var: &Node<'_>) -> Option<ViewColumn> {
        let up: usize = var.atom("varlevelsup")?.parse().ok()?;
        let number: i16 = var.atom("varattno")?.parse().ok()?;
        let entry = self.entry_at(self.levels.len().checked_sub(up + 1)?, var.atom("varno")?)?;
        Some(match (entry, number) {
            // System columns hold no user's data.
            (_, ..0) => ViewColumn::Made(Vec::new()),
            (Entry::Relation(relation), 0) => ViewColumn::Made(vec![ColumnRef { relation, attnum: 0 }]),
            (Entry::Relation(relation), attnum) => ViewColumn::Own(ColumnRef { relation, attnum }),
            (Entry::Any(refs), _) => ViewColumn::Made(refs),
            (Entry::Columns(columns), 0) => {
                ViewColumn::Made(columns.iter().flat_map(ViewColumn::refs).copied().collect())
            }
            (Entry::Columns(columns), number) => {
                columns.into_iter().nth(usize::try_from(number).ok()?.checked_sub(1)?)?
            }
        })
    }

    fn entry_at(&self, level: usize, number: &str) -> Option<Entry> {
        let at = number.parse::<usize>().ok()?.checked_sub(1)?;
        self.levels.get(level)?.entries.get(at).cloned()
    }
}

#[cfg(test)]
mod tests;
