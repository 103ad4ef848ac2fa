//! What the loader expects at each place, read from the model's own JSON Schema.
//!
//! One Rust type is the source of the schema, of the documentation of keys and of the loader's
//! checks, so that they cannot disagree. Only the constructs that `schemars` makes of our model are
//! understood; a test holds that the model uses no others.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::model::Inventory;

/// The JSON Schema of an inventory, for editors and `jitctl schema`.
pub fn schema() -> Json {
    schemars::schema_for!(Inventory).to_value()
}

/// The committed text of the schema: pretty, with a final line break.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// What may stand at a place.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A mapping with known keys.
    Object(Object),
    /// A mapping with free keys.
    Map(Box<Self>),
    /// A mapping whose keys depend on the value of `tag`.
    Tagged {
        tag: String,
        variants: Vec<(String, Object)>,
    },
    List {
        item: Box<Self>,
        unique: bool,
    },
    Text,
    Ip,
    Boolean,
    Integer {
        minimum: u64,
        maximum: u64,
    },
    /// One of some words, each with its description.
    Choice(Vec<(String, String)>),
    /// Anything, or nothing.
    Optional(Box<Self>),
    /// A construct that this module does not know; a test holds that it never occurs.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test names the construct"))]
    Unknown(String),
}

/// The known keys of a mapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) fields: BTreeMap<String, Field>,
}

/// One known key.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) description: String,
}

/// The shape of a whole inventory.
pub(crate) fn inventory() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| {
        let schema = schema();
        compile(&schema, &schema)
    })
}

fn compile(schema: &Json, root: &Json) -> Shape {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return match root.pointer(pointer) {
            Some(target) => compile(target, root),
            None => Shape::Unknown(reference.to_owned()),
        };
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let mut real = alternatives.iter().filter(|one| one["type"] != "null");
        if let (Some(one), None) = (real.next(), real.next()) {
            return Shape::Optional(Box::new(compile(one, root)));
        }
    }
    if let Some(words) = words(schema) {
        return Shape::Choice(words);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return tagged(alternatives, root);
    }
    match &schema["type"] {
        Json::String(kind) => simple(kind, schema, root),
        Json::Array(kinds) => match kinds.iter().find(|kind| *kind != "null") {
            Some(Json::String(kind)) => Shape::Optional(Box::new(simple(kind, schema, root))),
            _ => Shape::Unknown(schema.to_string()),
        },
        _ => Shape::Unknown(schema.to_string()),
    }
}

fn simple(kind: &str, schema: &Json, root: &Json) -> Shape {
    match kind {
        "object" if schema["additionalProperties"].is_object() => {
            Shape::Map(Box::new(compile(&schema["additionalProperties"], root)))
        }
        "object" => Shape::Object(object(schema, root)),
        "array" => Shape::List {
            item: Box::new(compile(&schema["items"], root)),
            unique: schema["uniqueItems"] == true,
        },
        "string" if schema["format"] == "ip" => Shape::Ip,
        "string" => Shape::Text,
        "boolean" => Shape::Boolean,
        "integer" => Shape::Integer {
            minimum: schema["minimum"].as_u64().unwrap_or(0),
            maximum: schema["maximum"].as_u64().unwrap_or(u64::from(u32::MAX)),
        },
        _ => Shape::Unknown(schema.to_string()),
    }
}

fn object(schema: &Json, root: &Json) -> Object {
    let required = |key: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(|one| one == key))
    };
    let fields = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let field = Field {
                shape: compile(value, root),
                required: required(key),
                description: text(&value["description"]),
            };
            (key.clone(), field)
        });
    Object {
        fields: fields.collect(),
    }
}

/// The words of an enumeration, in either of the two ways that `schemars` writes one.
fn words(schema: &Json) -> Option<Vec<(String, String)>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(
            words
                .iter()
                .map(|word| (text(word), String::new()))
                .collect(),
        );
    }
    let mut all = Vec::new();
    for one in schema["oneOf"].as_array()? {
        match (&one["const"], &one["enum"]) {
            (Json::String(word), _) => all.push((word.clone(), text(&one["description"]))),
            (_, Json::Array(words)) => {
                all.extend(words.iter().map(|word| (text(word), String::new())));
            }
            _ => return None,
        }
    }
    Some(all)
}

fn tagged(alternatives: &[Json], root: &Json) -> Shape {
    let mut tag = String::new();
    let mut variants = Vec::new();
    for one in alternatives {
        let mut fields = one["properties"].as_object().into_iter().flatten();
        let Some((key, word)) =
            fields.find_map(|(key, value)| Some((key, value["const"].as_str()?)))
        else {
            return Shape::Unknown(one.to_string());
        };
        tag.clone_from(key);
        let mut object = object(one, root);
        object.fields.remove(key);
        variants.push((word.to_owned(), object));
    }
    Shape::Tagged { tag, variants }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(shape: &Shape, found: &mut Vec<String>) {
        let fields = |object: &Object, found: &mut Vec<String>| {
            for field in object.fields.values() {
                unknown(&field.shape, found);
            }
        };
        match shape {
            Shape::Object(object) => fields(object, found),
            Shape::Tagged { variants, .. } => {
                for (_, object) in variants {
                    fields(object, found);
                }
            }
            Shape::Map(inner) | Shape::Optional(inner) | Shape::List { item: inner, .. } => {
                unknown(inner, found);
            }
            Shape::Unknown(text) => found.push(text.clone()),
            _ => {}
        }
    }

    #[test]
    fn every_construct_of_the_model_is_understood() {
        let mut found = Vec::new();
        unknown(inventory(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_key_has_a_description() {
        let Shape::Object(root) = inventory() else {
            panic!("the inventory is a mapping")
        };
        let Shape::Object(site) = &root.fields["site"].shape else {
            panic!("the site is a mapping")
        };
        for (key, field) in &site.fields {
            assert!(
                !field.description.is_empty(),
                "site.{key} has no doc comment"
            );
        }
    }
}
