//! Names and paths as small numbers, so that a rule is small and a comparison is one instruction.

use std::collections::HashMap;
use std::sync::Arc;

/// A text that some rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(u32);

/// All texts that rules name.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    numbers: HashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

impl Symbols {
    /// The symbol of a text; a new one if it has none yet.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.numbers.get(text) {
            return *symbol;
        }
        // 64 MiB a file and 1,000,000 rules in all keep the number of texts far below u32::MAX.
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, symbol);
        symbol
    }

    /// The symbol of a text that came with a request; `None` if no rule names it.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// As [`Self::find`], for bytes that need not be UTF-8.
    pub(crate) fn find_bytes(&self, text: &[u8]) -> Option<Symbol> {
        std::str::from_utf8(text).ok().and_then(|text| self.find(text))
    }

    /// What a symbol stands for.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol.0 as usize).map_or("", |text| text)
    }
}
