//! Rules, found by those they name.

use std::collections::HashMap;

use super::Meaning;

/// Rules by those they name.
pub(crate) struct ByUser<'m, 'p> {
    meanings: &'m [Meaning<'p>],
    numbers: HashMap<&'m str, Vec<usize>>,
}

impl<'m, 'p> ByUser<'m, 'p> {
    pub(crate) fn new(meanings: &'m [Meaning<'p>]) -> Self {
        let mut numbers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, meaning) in meanings.iter().enumerate() {
            for user in &meaning.region.users {
                numbers.entry(user).or_default().push(number);
            }
        }
        Self { meanings, numbers }
    }

    /// Those that name everybody, or the first of these users: others can't cover a rule for them.
    pub(crate) fn near(&self, users: &[String]) -> impl Iterator<Item = &'m Meaning<'p>> {
        let first = users.first().map(String::as_str).filter(|first| *first != "ALL");
        let numbers: Vec<usize> = ["ALL"]
            .into_iter()
            .chain(first)
            .filter_map(|name| self.numbers.get(name))
            .flatten()
            .copied()
            .collect();
        let meanings = self.meanings;
        numbers.into_iter().filter_map(move |number| meanings.get(number))
    }
}
