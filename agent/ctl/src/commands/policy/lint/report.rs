//! Findings for programs: our own JSON, and SARIF 2.1.0.

use std::fmt::Write as _;

use jit_policy::{Code, Finding};
use serde_json::{Value, json};

/// An array of objects, each with its `id`.
pub(super) fn json(findings: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        let Finding { code, severity, place, rule, message, hint } = finding;
        json!({
            "id": format!("{code}@{}:{}:{}", place.file, place.line, place.column),
            "code": code.as_str(),
            "severity": severity.as_str(),
            "file": *place.file,
            "line": place.line,
            "column": place.column,
            "rule": rule,
            "message": message,
            "hint": hint,
        })
    };
    findings.iter().map(object).collect()
}

/// One run, with a description of each check that there is.
pub(super) fn sarif(findings: &[Finding]) -> Value {
    let rule = |code: &Code| {
        json!({
            "id": code.as_str(),
            "shortDescription": { "text": code.summary() },
            "help": { "text": format!("jit-sudo's docs/lint.md, section {code}") },
            "defaultConfiguration": { "level": code.severity().as_str() },
        })
    };
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "jitctl policy lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Code::ALL.iter().map(rule).collect::<Value>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Value>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let Finding { code, severity, place, rule: _, message, hint } = finding;
    json!({
        "ruleId": code.as_str(),
        "ruleIndex": Code::ALL.iter().position(|other| other == code),
        "level": severity.as_str(),
        "message": { "text": format!("{message}. {hint}") },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file) },
            "region": { "startLine": place.line, "startColumn": place.column },
        } }],
    })
}

/// The path as a URI; a relative one stays relative.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(byte.into());
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use jit_policy::{AsWritten, Policy, Source};

    use super::*;

    fn findings() -> Vec<Finding> {
        let text = "schema = 1\n[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ntrusted_path = false\ncommands = [\"/usr/bin/less *\", \"/usr/bin/cat **\"]\n";
        let source = Source { name: "a.toml".into(), path: "/tmp/ä b.toml".into(), text: text.into() };
        let policy = Policy::load(std::slice::from_ref(&source), &AsWritten).unwrap();
        policy.lint(&[source], None, jiff::Timestamp::UNIX_EPOCH).unwrap()
    }

    /// What the schema of SARIF 2.1.0 requires of each kind of object that is written here.
    const REQUIRED: [(&str, &[&str]); 7] = [
        ("/", &["version", "runs"]),
        ("/runs/0", &["tool"]),
        ("/runs/0/tool", &["driver"]),
        ("/runs/0/tool/driver", &["name"]),
        ("/runs/0/tool/driver/rules/0", &["id"]),
        ("/runs/0/results/0", &["message"]),
        ("/runs/0/results/0/message", &["text"]),
    ];

    /// All properties that the schema knows of those, as `additionalProperties` is false.
    const KNOWN: [(&str, &[&str]); 10] = [
        ("/", &["$schema", "version", "runs", "inlineExternalProperties", "properties"]),
        ("/runs/0", &["tool", "results", "columnKind", "artifacts", "invocations", "originalUriBaseIds"]),
        ("/runs/0/tool", &["driver", "extensions", "properties"]),
        (
            "/runs/0/tool/driver",
            &["name", "version", "semanticVersion", "rules", "informationUri", "fullName"],
        ),
        (
            "/runs/0/tool/driver/rules/0",
            &["id", "name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"],
        ),
        ("/runs/0/tool/driver/rules/0/defaultConfiguration", &["enabled", "level", "rank", "parameters"]),
        ("/runs/0/results/0", &["ruleId", "ruleIndex", "level", "message", "locations", "fingerprints"]),
        ("/runs/0/results/0/locations/0", &["id", "physicalLocation", "logicalLocations", "message"]),
        (
            "/runs/0/results/0/locations/0/physicalLocation",
            &["address", "artifactLocation", "region", "contextRegion"],
        ),
        (
            "/runs/0/results/0/locations/0/physicalLocation/region",
            &["startLine", "startColumn", "endLine", "endColumn", "snippet"],
        ),
    ];

    #[test]
    fn sarif_has_what_its_schema_requires_and_nothing_that_it_does_not_know() {
        let sarif = sarif(&findings());
        let at = |pointer: &str| sarif.pointer(if pointer == "/" { "" } else { pointer }).unwrap();
        for (pointer, required) in REQUIRED {
            for key in required {
                assert!(at(pointer).get(key).is_some(), "{pointer} {key}");
            }
        }
        for (pointer, known) in KNOWN {
            let keys: Vec<&String> = at(pointer).as_object().unwrap().keys().collect();
            assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{pointer}: {keys:?}");
        }
        assert_eq!(sarif["version"], "2.1.0");
        let rules = at("/runs/0/tool/driver/rules").as_array().unwrap();
        let results = at("/runs/0/results").as_array().unwrap();
        assert!(results.len() > 2);
        for result in results {
            assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let location = &result["locations"][0]["physicalLocation"];
            assert!(location["region"]["startLine"].as_u64().unwrap() >= 1);
            assert!(location["region"]["startColumn"].as_u64().unwrap() >= 1);
            assert_eq!(location["artifactLocation"]["uri"], "file:///tmp/%C3%A4%20b.toml");
        }
    }

    // interface.md: "Every list has `--json`: an array of objects, each with its `id`"
    #[test]
    fn each_finding_as_json_has_an_id_of_its_own() {
        let json = json(&findings());
        let ids: Vec<&str> = json.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert!(ids.contains(&"pager@/tmp/ä b.toml:6:13"), "{ids:?}");
        let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
