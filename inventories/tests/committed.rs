//! What is committed beside the code: the schema is current and the samples load.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::fs;
use std::path::{Path, PathBuf};

use jitctl_inventory::{load, schema_text};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn samples() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(here("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_committed_schema_is_current() {
    let committed = fs::read_to_string(here("schema.json")).unwrap_or_default();
    assert!(
        committed == schema_text(),
        "inventories/schema.json is out of date: run `jitctl schema > inventories/schema.json`"
    );
}

#[test]
fn every_sample_loads_without_errors_and_with_the_warnings_it_announces() {
    let samples = samples();
    assert!(samples.len() >= 12, "samples are missing");
    for path in samples {
        let shown = path.display();
        let loaded = load(&path).unwrap_or_else(|errors| panic!("{shown}: {errors:#?}"));
        let codes: Vec<&str> = loaded.warnings.iter().map(|one| one.code).collect();
        let announced: Vec<&str> = loaded
            .source
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("# Warns: "))
            .flat_map(|codes| codes.split(' '))
            .collect();
        assert_eq!(codes, announced, "{shown}");
    }
}

#[test]
fn every_sample_points_editors_at_the_schema() {
    for path in samples() {
        let text = fs::read_to_string(&path).unwrap();
        let modeline = "# yaml-language-server: $schema=../schema.json\n";
        assert!(text.starts_with(modeline), "{}", path.display());
    }
}

/// Walks a schema over a value: the few keywords that our schema uses, independent of the loader.
fn accepts(
    schema: &serde_json::Value,
    root: &serde_json::Value,
    value: &serde_json::Value,
) -> bool {
    use serde_json::Value as Json;
    if let Some(reference) = schema["$ref"].as_str() {
        return accepts(root.pointer(&reference[1..]).unwrap(), root, value);
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(alternatives) = schema[keyword].as_array() {
            return alternatives.iter().any(|one| accepts(one, root, value));
        }
    }
    if let Some(constant) = schema.get("const") {
        return constant == value;
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Json::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    allowed
        && match value {
            Json::Array(items) => items
                .iter()
                .all(|item| accepts(&schema["items"], root, item)),
            Json::Object(fields) => {
                let required = schema["required"].as_array().into_iter().flatten();
                required
                    .map(|key| key.as_str().unwrap())
                    .all(|key| fields.contains_key(key))
                    && fields
                        .iter()
                        .all(|(key, value)| match schema["properties"].get(key) {
                            Some(schema) => accepts(schema, root, value),
                            None if key.starts_with("x-") => true,
                            None => {
                                let extra = &schema["additionalProperties"];
                                extra.is_object() && accepts(extra, root, value)
                            }
                        })
            }
            _ => true,
        }
}

#[test]
fn every_sample_satisfies_the_published_schema() {
    let schema = jitctl_inventory::schema();
    for path in samples() {
        let text = fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert!(accepts(&schema, &schema, &value), "{}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let schema = jitctl_inventory::schema();
    for text in [
        "{version: 1, site: {domain: a.test}}",
        "{version: 1, site: {domain: a.test}, hosts: {m: {roles: [x], address: {}}}}",
        "{version: 1, site: {domain: a.test, tls: {mode: acme}}, hosts: {}}",
        "{version: 1, site: {domain: a.test}, hosts: {}, extra: 1}",
    ] {
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert!(!accepts(&schema, &schema, &value), "{text}");
        assert!(
            jitctl_inventory::load_text("x.yaml", text).is_err(),
            "{text}"
        );
    }
}
