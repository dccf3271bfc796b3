//! Lists in bodies: lent by who writes them, owned where they were read.

use std::ops::Deref;

/// A list that is lent or owned. Unlike a `Cow` of a slice, it may be taken for one that lives shorter.
#[derive(Debug, Clone)]
pub enum List<'a, T> {
    /// Lent.
    Lent(&'a [T]),
    /// Owned.
    Owned(Vec<T>),
}

impl<T> Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            List::Lent(items) => items,
            List::Owned(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for List<'_, T> {
    fn from(items: Vec<T>) -> Self {
        List::Owned(items)
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        List::Lent(items)
    }
}

impl<T: PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for List<'_, T> {}
