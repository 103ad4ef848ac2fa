//! Values that the model accepts in place of something broken.

use serde_json::{Map, Value as Json};

use crate::shape::{Object, Shape};

/// JSON that the model accepts in place of something broken.
pub(super) fn neutral(shape: &Shape) -> Json {
    match shape {
        Shape::Object(object) => neutral_object(object),
        Shape::Map(_) => Json::Object(Map::new()),
        Shape::Tagged { tag, variants } => neutral_tagged(tag, variants),
        Shape::List { .. } => Json::Array(Vec::new()),
        Shape::Text => Json::String(String::new()),
        Shape::Ip => Json::String("0.0.0.0".to_owned()),
        Shape::Boolean => Json::Bool(false),
        Shape::Integer { minimum, .. } => Json::from(*minimum),
        Shape::Choice(words) => words
            .first()
            .map_or(Json::Null, |(word, _)| Json::from(word.as_str())),
        Shape::Optional(_) | Shape::Unknown(_) => Json::Null,
    }
}

/// The same for a mapping.
pub(super) fn neutral_object(object: &Object) -> Json {
    let required = object.fields.iter().filter(|(_, field)| field.required);
    Json::Object(
        required
            .map(|(key, field)| (key.clone(), neutral(&field.shape)))
            .collect(),
    )
}

/// The same for a mapping whose keys depend on a tag.
pub(super) fn neutral_tagged(tag: &str, variants: &[(String, Object)]) -> Json {
    let Some((word, object)) = variants.first() else {
        return Json::Null;
    };
    let mut json = neutral_object(object);
    json[tag] = Json::from(word.as_str());
    json
}
