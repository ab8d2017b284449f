//! `explain.txt`, what an administrator is told of each request, also as `explain.json`; `person.txt`, what the one is told who
//! asks.

use std::path::Path;

use jit_policy::Explanation;

use super::{compare, load, request};

fn explain(case: &Path) -> Vec<(String, Explanation)> {
    let (policy, _) = load(case);
    request::of(case).iter().map(|ask| (ask.title(), ask.explain(&policy))).collect()
}

fn told(case: &Path, tell: fn(&Explanation) -> String) -> String {
    let told: Vec<String> =
        explain(case).iter().map(|(title, explanation)| format!("{title}\n{}", tell(explanation))).collect();
    told.join("\n")
}

// "for an allow, the rule, its file and line, duties, restrictions, the other candidates; for a deny, the deny rule, or the nearest
// rules and exactly what failed in each"
#[test]
fn explain_says_of_every_request_what_is_written_beside_it() {
    compare("explain.txt", |case| told(case, Explanation::for_administrator));
}

#[test]
fn explain_says_the_same_to_programs() {
    compare("explain.json", |case| {
        let explanations: Vec<Explanation> = explain(case).into_iter().map(|(_, one)| one).collect();
        serde_json::to_string_pretty(&explanations).unwrap() + "\n"
    });
}

// "`jit-sudo --explain` tells a person only about rules that name them."
#[test]
fn explain_tells_a_person_what_is_written_beside_it() {
    compare("person.txt", |case| told(case, Explanation::for_user));
}
