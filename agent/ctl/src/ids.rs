//! Ids as people type them: by their beginning.

use crate::failure::Failure;

/// As many digits as are shown at least.
const FEWEST: usize = 8;

/// How many digits tell these ids apart.
pub(crate) fn enough(ids: &[&str]) -> usize {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let shared = |pair: &[&str]| match pair {
        [one, other] => one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    ids.windows(2).map(|pair| shared(pair) + 1).max().unwrap_or(0).max(FEWEST)
}

/// The first digits of one.
pub(crate) fn short(id: &str, digits: usize) -> String {
    id.chars().take(digits).collect()
}

/// The only one that begins so; `missing` if there is none, with the command that lists them.
pub(crate) fn pick<'a>(
    ids: impl Iterator<Item = &'a str>,
    beginning: &str,
    missing: &str,
    list: &str,
) -> Result<&'a str, Failure> {
    let mut found: Vec<&str> = ids.filter(|id| !beginning.is_empty() && id.starts_with(beginning)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(missing, list)),
        _ => Err(Failure::new("more than one id begins so", list)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_are_shown_as_tell_ids_apart_and_no_fewer_than_eight() {
        assert_eq!(enough(&[]), 8);
        assert_eq!(enough(&["0123456789ab", "f"]), 8);
        let close = ["0123456789ab", "0123456789cd", "ffff", "0123456789ab"];
        let digits = enough(&close);
        assert_eq!(digits, 11);
        assert_ne!(short(close[0], digits), short(close[1], digits));
        assert_eq!(short(close[2], digits), "ffff");
    }

    #[test]
    fn a_beginning_that_fits_one_id_is_that_one() {
        let ids = ["aa11", "aa22", "bb33", "bb33"];
        let told = |beginning: &str| match pick(ids.into_iter(), beginning, "none", "list") {
            Ok(id) => id.to_owned(),
            Err(Failure::Refused { what, .. }) => what,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(told("aa1"), "aa11");
        assert_eq!(told("b"), "bb33");
        assert_eq!(told("aa"), "more than one id begins so");
        assert_eq!(told("c"), "none");
        assert_eq!(told("a11"), "none");
        assert_eq!(told(""), "none");
    }
}
