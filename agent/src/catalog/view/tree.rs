//! The text of a node tree (src/backend/nodes/read.c): `{LABEL :field value …}`, lists in parentheses, and atoms.

/// Nodes and lists within each other. What is deeper is not read: a job can define views.
const MAX_DEPTH: usize = 400;

#[derive(Debug)]
pub(super) enum Tree<'t> {
    Atom(&'t str),
    List(Vec<Tree<'t>>),
    Node(Node<'t>),
}

#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) label: &'t str,
    /// Most fields have one value; that of a constant has several atoms.
    pub(super) fields: Vec<(&'t str, Vec<Tree<'t>>)>,
}

impl<'t> Node<'t> {
    pub(super) fn field(&self, name: &str) -> Option<&[Tree<'t>]> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice())
    }

    pub(super) fn atom(&self, name: &str) -> Option<&'t str> {
        match self.field(name)? {
            [Tree::Atom(atom)] => Some(atom),
            _ => None,
        }
    }

    pub(super) fn node(&self, name: &str) -> Option<&Node<'t>> {
        match self.field(name)? {
            [Tree::Node(node)] => Some(node),
            _ => None,
        }
    }

    /// A list of nodes, which may be NULL.
    pub(super) fn nodes(&self, name: &str) -> Option<Vec<&Node<'t>>> {
        match self.field(name)? {
            [Tree::Atom("<>")] => Some(Vec::new()),
            [Tree::List(list)] => list.iter().map(Tree::node).collect(),
            _ => None,
        }
    }
}

impl<'t> Tree<'t> {
    fn node(&self) -> Option<&Node<'t>> {
        match self {
            Tree::Node(node) => Some(node),
            Tree::Atom(_) | Tree::List(_) => None,
        }
    }
}

/// `None`: it is no tree, or too deep.
pub(super) fn parse(text: &str) -> Option<Tree<'_>> {
    let mut rest = text;
    let tree = value(&mut rest, 0)?;
    rest.trim_ascii().is_empty().then_some(tree)
}

fn value<'t>(rest: &mut &'t str, depth: usize) -> Option<Tree<'t>> {
    if depth == MAX_DEPTH {
        return None;
    }
    Some(match token(rest)? {
        "(" => {
            let mut list = Vec::new();
            while !eat(rest, ")")? {
                list.push(value(rest, depth + 1)?);
            }
            Tree::List(list)
        }
        "{" => {
            let label = token(rest)?;
            let mut fields: Vec<(&str, Vec<Tree<'_>>)> = Vec::new();
            while !eat(rest, "}")? {
                match peek(rest)?.strip_prefix(':') {
                    Some(name) => {
                        token(rest)?;
                        fields.push((name, Vec::new()));
                    }
                    None => {
                        let more = value(rest, depth + 1)?;
                        fields.last_mut()?.1.push(more);
                    }
                }
            }
            Tree::Node(Node { label, fields })
        }
        ")" | "}" => return None,
        atom => Tree::Atom(atom),
    })
}

fn eat(rest: &mut &str, wanted: &str) -> Option<bool> {
    let found = peek(rest)? == wanted;
    if found {
        token(rest)?;
    }
    Some(found)
}

fn peek<'t>(rest: &&'t str) -> Option<&'t str> {
    let mut ahead = *rest;
    token(&mut ahead)
}

/// The next one; blanks, braces and parentheses end it unless a backslash is before them (`pg_strtok`).
fn token<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let text = rest.trim_ascii_start();
    let is_single = |byte: u8| matches!(byte, b'(' | b')' | b'{' | b'}');
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' => end += 1,
            byte if is_single(*byte) => break,
            byte if byte.is_ascii_whitespace() => break,
            _ => {}
        }
        end += 1;
    }
    let end = if end == 0 { 1 } else { end.min(bytes.len()) };
    let (token, after) = text.split_at_checked(end)?;
    *rest = after;
    Some(token)
}
