//! Lists of patterns as `ssh_config(5)` has them: `*` and `?`, a `!` before one that takes away.

/// Whether one of a comma-separated list matches, and none of its negated ones does.
pub(crate) fn list_matches(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(taken) if matches(taken.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Takes back to the last star alone: time is at most the product of both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of + 1, at));
                of += 1;
            }
            Some(other) if *other == b'?' || other == byte => {
                (at, of) = (at + 1, of + 1);
            }
            _ => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (at, of) = (from + 1, after);
            }
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_ssh_does() {
        for (list, text, expected) in [
            ("bob", "bob", true),
            ("bob", "bobby", false),
            ("*@example.com,!eve@example.com", "bob@example.com", true),
            ("*@example.com,!eve@example.com", "eve@example.com", false),
            ("!eve", "bob", false),
            ("b?b,x", "bob", true),
            ("*a*b*c*", "xxaxxbxxc", true),
            ("*a*b*c*", "xxaxxcxxb", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(list_matches(list, text), expected, "{list} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(2000);
        assert!(!list_matches(&pattern, &"a".repeat(1999)));
    }
}
