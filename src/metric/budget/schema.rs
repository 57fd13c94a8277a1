//! The JSON schema of a budget file's data, for editors and other programs.

use serde_json::{Map, Value, json};

use super::file::ANY;
use super::text::{meaning, unit};
use super::{Budget, Scope, SliceLimit};
use crate::metric::class::Class;
use crate::metric::figure::{Direction, Figure};

impl Budget {
    /// The JSON schema (draft 2020-12) of what a budget file holds, from the lists of figures and classes.
    ///
    /// [`Budget::from_toml`] asks for more than a schema can say: no second limit on the same slices, and no array twice.
    pub fn schema() -> String {
        let mut properties = limits();
        properties.insert("note".to_owned(), text("Why these limits are right; reports show it."));
        properties.insert("author".to_owned(), text("Who set them; reports show it."));
        properties.insert(
            "arrays".to_owned(),
            json!({
                "description": "Limits of single arrays of a file, by name. They replace the ones above for that array.",
                "type": "object",
                "additionalProperties": object(limits(), &[]),
            }),
        );
        let mut schema = object(properties, &["arrays"]);
        if let Some(root) = schema.as_object_mut() {
            root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
            root.insert("title".to_owned(), json!("Error budget"));
            root.insert("description".to_owned(), json!("What may be lost of an array when it is compacted."));
            root.insert("$defs".to_owned(), definitions());
        }
        // `{:#}` is the indented form.
        format!("{schema:#}\n")
    }
}

/// An object with these properties and no others that limits the size of errors, itself or by one of `also`.
fn object(properties: Map<String, Value>, also: &[&str]) -> Value {
    let limiting = Figure::ALL.iter().map(|f| f.name()).chain(["slice"]).chain(also.iter().copied());
    let any: Vec<Value> = limiting.map(|key| json!({"required": [key]})).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false, "anyOf": any})
}

/// The keys that limit one array.
fn limits() -> Map<String, Value> {
    let figures = Figure::ALL.iter().map(|f| (f.name().to_owned(), json!({"$ref": format!("#/$defs/{f}")})));
    let mut keys: Map<String, Value> = figures.collect();
    for key in ["allow", "rel_floor", "slice", "spatial_tol"] {
        keys.insert(key.to_owned(), json!({"$ref": format!("#/$defs/{key}")}));
    }
    keys
}

fn definitions() -> Value {
    let mut all: Map<String, Value> = Figure::ALL.iter().map(|f| (f.name().to_owned(), figure(*f))).collect();
    let classes: Vec<&str> = Class::ALL.iter().map(|c| c.name()).collect();
    let counts: Map<String, Value> = Class::ALL
        .iter()
        .map(|c| {
            let count = json!({"title": c.words(), "anyOf": [{"type": "integer", "minimum": 0}, {"const": ANY}]});
            (c.name().to_owned(), count)
        })
        .collect();
    all.insert(
        "allow".to_owned(),
        json!({
            "description": "Changes of class that may happen: a list of names, or how many of each.",
            "anyOf": [
                {"type": "array", "items": {"enum": classes}, "uniqueItems": true},
                {"type": "object", "properties": counts, "additionalProperties": false},
            ],
        }),
    );
    all.insert("rel_floor".to_owned(), magnitude("Originals of at most this magnitude have no relative error.", 0.0));
    all.insert(
        "spatial_tol".to_owned(),
        magnitude("The relative error above which a pair counts for spatial_rel.", 1e-4),
    );
    let mut slice: Map<String, Value> =
        SliceLimit::FIGURES.iter().map(|f| (f.name().to_owned(), json!({"$ref": format!("#/$defs/{f}")}))).collect();
    slice.insert("axis".to_owned(), json!({"description": "The axis, negative from the end.", "type": "integer"}));
    let any: Vec<Value> = SliceLimit::FIGURES.iter().map(|f| json!({"required": [f.name()]})).collect();
    all.insert(
        "slice".to_owned(),
        json!({
            "description": "Limits that hold for each index of an axis by itself.",
            "type": "array",
            "items": {
                "type": "object", "properties": slice, "additionalProperties": false, "required": ["axis"], "anyOf": any,
            },
        }),
    );
    Value::Object(all)
}

/// A limit on `figure`: its scope as bounds; infinity as JSON has none, in words.
fn figure(figure: Figure) -> Value {
    let Scope { worst, best } = Scope::of(figure);
    let (open, closed) = match figure.direction() {
        Direction::AtMost => ("exclusiveMaximum", "minimum"),
        Direction::AtLeast => ("exclusiveMinimum", "maximum"),
    };
    let mut number = json!({"type": "number"});
    for (key, bound) in [(open, worst), (closed, best)] {
        if bound.is_finite() {
            number[key] = json!(bound);
        }
    }
    let mut schema = if best.is_infinite() { json!({"anyOf": [number, {"enum": ["inf", "+inf"]}]}) } else { number };
    schema["title"] = json!(meaning(figure));
    schema["description"] = json!(figure.definition());
    schema["x-unit"] = json!(unit(figure.unit()));
    schema
}

fn text(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}

fn magnitude(description: &str, default: f64) -> Value {
    json!({"description": description, "type": "number", "minimum": 0, "default": default})
}
