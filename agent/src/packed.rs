//! What is kept for long and seldom looked at: as its JSON, which takes a fraction of the memory, and is what the store
//! keeps of it anyway.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value, packed. In the store it looks as it would by itself.
#[derive(Debug, Clone)]
pub struct Packed<T> {
    text: Arc<str>,
    of: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value.
    ///
    /// # Errors
    /// If it does not become JSON.
    pub fn new(value: &T) -> serde_json::Result<Self> {
        Ok(Self { text: serde_json::to_string(value)?.into(), of: PhantomData })
    }

    /// The value.
    ///
    /// # Errors
    /// If it was read from a store in which it is something else.
    pub fn open(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.text)
    }
}

impl<T> Packed<T> {
    /// Its JSON, to be shared with others that have the same.
    pub fn text(&mut self) -> &mut Arc<str> {
        &mut self.text
    }
}

impl<T> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.text).map_err(S::Error::custom)?.serialize(to)
    }
}

impl<'de, T> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text: Box<str> = Box::<RawValue>::deserialize(from)?.into();
        Ok(Self { text: text.into(), of: PhantomData })
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
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
