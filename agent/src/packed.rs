//! What is kept for long and seldom looked at: as its JSON, which takes a fraction of the memory, and is what the store
//! keeps of it anyway.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A value, packed. In the store it looks as it would by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Packed<T> {
    text: Box<RawValue>,
    of: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value.
    ///
    /// # Errors
    /// If it does not become JSON.
    pub fn new(value: &T) -> serde_json::Result<Self> {
        Ok(Self { text: to_raw_value(value)?, of: PhantomData })
    }

    /// The value.
    ///
    /// # Errors
    /// If it was read from a store in which it is something else.
    pub fn open(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text.get())
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text.get() == other.text.get()
    }
}

impl<T> Eq for Packed<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_stored_as_it_is_and_comes_out_again() {
        let value = (7, vec![String::from("a\"\u{e9}\n")]);
        let packed = Packed::new(&value).unwrap();
        let text = serde_json::to_string(&packed).unwrap();
        assert_eq!(text, serde_json::to_string(&value).unwrap());
        let read: Packed<(i32, Vec<String>)> = serde_json::from_str(&text).unwrap();
        assert_eq!((&read, read.open().unwrap()), (&packed, value));
        assert!(serde_json::from_str::<Packed<(i32, Vec<String>)>>("{}").unwrap().open().is_err());
    }
}
