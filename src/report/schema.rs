//! The JSON schema of the JSON form, made from the lists that the form is made of, and held against real documents.

use serde_json::{Map, Value, json};

use crate::array::DType;
use crate::metric::{Class, Figure};
use crate::transform::Step;

/// Where the schema stands in the project.
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/report.schema.json");

/// The schema. Readers may meet keys that later versions add, so it allows others; `strict` does not, for tests.
fn schema(strict: bool) -> Value {
    let object = |about: &str, properties: Value| object(about, properties, strict);
    let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let maybe = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let list = |schema: Value| json!({ "type": "array", "items": schema });
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let number = || json!({ "type": "number" });
    let outcome = || maybe(reference("outcome"));
    let figures = Figure::ALL.iter().map(|f| (f.name().to_owned(), reference("number"))).collect::<Map<_, _>>();
    let by_figure = |schema: Value| {
        let all = Figure::ALL.iter().map(|f| (f.name().to_owned(), schema.clone())).collect::<Map<_, _>>();
        json!({ "type": "object", "properties": all, "additionalProperties": false })
    };
    let classes: Vec<_> = Class::ALL.iter().map(|c| c.name()).collect();
    let dtypes: Vec<_> = DType::ALL.iter().map(|d| d.name()).collect();
    let mut root = object(
        "Original against restored, for one pair of files",
        json!({
            "ndcompact_report": { "const": super::REPORT_FORMAT },
            "tool": text(),
            "command": maybe(text()),
            "verdict": outcome(),
            "budget": maybe(object("What the budget says of itself", json!({
                "source": maybe(text()), "note": maybe(text()), "author": maybe(text()),
            }))),
            "not_compared": list(text()),
            "arrays": list(reference("array")),
            "seconds": number(),
        }),
    );
    // Steps and records have parameters of their own, which docs/format.md describes.
    let definitions = keyed([
        (
            "number",
            json!({
                "description": "A number; null if undefined or not computed, \"inf\" or \"-inf\" if infinite",
                "anyOf": [{ "type": "number" }, { "type": "null" }, { "enum": ["inf", "-inf"] }],
            }),
        ),
        (
            "float",
            json!({
                "description": "A part of a value; \"nan\", \"inf\", \"-inf\" where JSON has no number",
                "anyOf": [{ "type": "number" }, { "enum": ["nan", "inf", "-inf"] }],
            }),
        ),
        (
            "value",
            json!({
                "description": "A value of an array: a number, a boolean, [real, imaginary]",
                "anyOf": [reference("float"), { "type": "boolean" }, list(reference("float"))],
            }),
        ),
        ("outcome", json!({ "enum": ["passed", "unknown", "failed"] })),
        ("dtype", json!({ "enum": dtypes })),
        ("shape", list(count())),
        (
            "element",
            object(
                "One element of both arrays",
                json!({
                    "index": list(count()), "original": reference("value"), "restored": reference("value"),
                }),
            ),
        ),
        (
            "side",
            object(
                "One of the two files",
                json!({
                    "place": text(), "format": { "enum": ["npy", "npz", "hdf5"] }, "dtype": reference("dtype"),
                    "shape": reference("shape"), "array_bytes": count(), "stored_bytes": count(),
                }),
            ),
        ),
        (
            "criterion",
            object(
                "One limit and what was measured",
                json!({
                    "name": text(), "label": text(), "outcome": reference("outcome"), "measured": reference("number"),
                    "allowed": reference("number"), "direction": { "enum": ["at_most", "at_least"] }, "used": reference("number"),
                    "at": maybe(reference("element")), "reason": maybe(text()),
                }),
            ),
        ),
        (
            "step",
            json!({
                "type": "object",
                "properties": {
                    "step": { "enum": Step::NAMES }, "words": text(), "dtype": reference("dtype"), "shape": reference("shape"),
                    "bytes": count(), "bound": maybe(number()), "bound_rel": maybe(number()), "loss": maybe(json!({ "type": "object" })),
                },
                "required": ["step", "words", "dtype", "shape", "bytes", "bound", "bound_rel", "loss"],
            }),
        ),
        (
            "record",
            json!({
                "type": "object",
                "description": "The record in the compacted file: docs/format.md",
                "properties": { "ndcompact": count(), "tool": text(), "steps": list(json!({ "type": "object" })), "coding": { "type": "object" } },
                "required": ["ndcompact", "tool", "original", "axes", "steps"],
            }),
        ),
        (
            "array",
            object(
                "One array: what it is, what was lost, whether that is allowed",
                json!({
                    "name": maybe(text()), "original": reference("side"), "sha256": maybe(text()), "compacted": reference("side"),
                    "ratio": number(), "record": maybe(reference("record")), "verdict": outcome(),
                    "criteria": list(reference("criterion")), "steps": list(reference("step")),
                    "steps_note": maybe(text()), "bound": maybe(reference("number")), "comparison": reference("comparison"),
                }),
            ),
        ),
        ("figures", object("Every figure under its name", Value::Object(figures))),
        (
            "estimate",
            json!({
                "type": "object",
                "properties": { "value": number(), "exact": { "type": "boolean" }, "method": text() },
                "required": ["value", "exact"],
                "additionalProperties": !strict,
            }),
        ),
        (
            "precision",
            object(
                "How much of the dtype's precision is in use",
                json!({
                    "mantissa_bits": maybe(count()), "float16": { "type": "boolean" }, "float32": { "type": "boolean" },
                    "decimal_digits": maybe(count()),
                }),
            ),
        ),
        (
            "description",
            object(
                "One array by itself",
                json!({
                    "count": count(), "finite": count(), "min": reference("number"), "max": reference("number"),
                    "mean": reference("number"), "std": reference("number"), "smallest_nonzero": reference("number"),
                    "zeros": count(), "nan": count(), "pos_inf": count(), "neg_inf": count(), "fill": count(),
                    "distinct": maybe(reference("estimate")), "entropy": maybe(reference("estimate")),
                    "precision": maybe(reference("precision")),
                }),
            ),
        ),
        (
            "axis",
            object(
                "Errors along one axis",
                json!({
                    "axis": count(),
                    "slices": list(object("Errors of indices from up to, not including, to", json!({
                        "from": count(), "to": count(), "max_abs": number(), "rmse": reference("number"),
                    }))),
                    "worst": maybe(count()),
                }),
            ),
        ),
        (
            "comparison",
            object(
                "Everything the comparison found",
                keyed([
                    ("shape", reference("shape")),
                    ("count", count()),
                    ("pairs", count()),
                    ("changed", count()),
                    ("nan_payload", count()),
                    ("rel_skipped", count()),
                    ("figures", reference("figures")),
                    ("accuracy", by_figure(text())),
                    ("autocorrelation", list(reference("number"))),
                    (
                        "classes",
                        list(object(
                            "How often values became another kind of value",
                            json!({
                                "name": { "enum": classes }, "count": count(), "first": maybe(reference("element")),
                            }),
                        )),
                    ),
                    ("places", by_figure(reference("element"))),
                    ("worst", list(reference("element"))),
                    ("original", reference("description")),
                    ("restored", reference("description")),
                    ("axes", list(reference("axis"))),
                    (
                        "chunks",
                        maybe(object(
                            "Errors by chunks of the compacted file",
                            json!({
                                "shape": reference("shape"), "count": count(),
                                "worst": list(object("One chunk", json!({
                                    "index": list(count()), "max_abs": number(), "rmse": reference("number"),
                                }))),
                            }),
                        )),
                    ),
                    (
                        "histogram",
                        maybe(object(
                            "Signed errors in equal bins",
                            json!({
                                "from": number(), "to": number(), "counts": list(count()),
                            }),
                        )),
                    ),
                    ("cumulative", list(list(number()))),
                    (
                        "magnitudes",
                        list(object(
                            "Errors of values from 2^exponent on, below twice that",
                            json!({
                                "exponent": { "type": "integer" }, "count": count(), "max_abs": number(), "mean_abs": number(),
                            }),
                        )),
                    ),
                    (
                        "spectrum",
                        maybe(object(
                            "Power by frequency; null where it is beyond the doubles",
                            json!({
                                "axis": count(), "length": count(), "lines": count(), "frequency": list(number()),
                                "original": list(maybe(number())), "error": list(maybe(number())),
                            }),
                        )),
                    ),
                    (
                        "structure",
                        maybe(object(
                            "Matrices and masks",
                            json!({
                                "matrices": count(), "n": count(), "original_asymmetry": reference("number"),
                                "restored_asymmetry": reference("number"), "eigen_matrices": count(), "eigenvalue_shift": maybe(number()),
                                "error_norm": maybe(number()), "row_sum_shift": reference("number"), "original_popcount": maybe(count()),
                                "restored_popcount": maybe(count()), "intersection": maybe(count()), "union": maybe(count()),
                            }),
                        )),
                    ),
                ]),
            ),
        ),
    ]);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Report of ndcompact");
    root["$defs"] = definitions;
    root
}

/// Keys and values as an object; `json!` does not reach so far.
fn keyed<const N: usize>(list: [(&str, Value); N]) -> Value {
    Value::Object(list.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// An object in which every key is there.
fn object(about: &str, properties: Value, strict: bool) -> Value {
    let required: Vec<_> = properties.as_object().unwrap().keys().collect();
    json!({
        "type": "object", "description": about, "required": required, "additionalProperties": !strict, "properties": properties,
    })
}

/// Holds `value` against `schema`, by those words of JSON schema that [`schema`] uses; another word is a failure.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (word, rule) in schema.as_object().unwrap() {
        let good = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(root, &root["$defs"][name], value, at)?;
                true
            }
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_some_and(|x| x >= rule.as_f64().unwrap()),
            "anyOf" => {
                let tried: Vec<_> = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|s| check(root, s, value, at))
                    .filter_map(Result::err)
                    .collect();
                if tried.len() == rule.as_array().unwrap().len() {
                    return Err(tried.join("; or "));
                }
                true
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => return Err(format!("unknown type {other}")),
            },
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{i}]"))?;
                }
                true
            }
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(inside) = value.get(key) {
                        check(root, rule, inside, &format!("{at}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                rule == true || value.as_object().is_none_or(|o| o.keys().all(|key| known.contains_key(key)))
            }
            other => return Err(format!("{at}: unknown word {other}")),
        };
        if !good {
            let shown: String = value.to_string().chars().take(200).collect();
            return Err(format!("{at}: {word} {rule} does not hold for {shown}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Form, fixture};

    #[test]
    fn the_schema_in_the_project_is_the_one_of_the_code() {
        let text = serde_json::to_string_pretty(&schema(false)).unwrap() + "\n";
        if std::env::var_os("NDCOMPACT_WRITE_SCHEMA").is_some_and(|v| v == "1") {
            std::fs::write(PLACE, &text).unwrap();
        }
        let stored = std::fs::read_to_string(PLACE).unwrap_or_default();
        assert!(
            stored == text,
            "{PLACE} is not what the code says; NDCOMPACT_WRITE_SCHEMA=1 cargo test writes it anew"
        );
    }

    #[test]
    fn every_report_keeps_the_schema_and_has_no_key_that_is_not_in_it() {
        let schema = schema(true);
        for (name, document) in fixture::all() {
            let json: Value = serde_json::from_str(&Form::Json.write(document).unwrap()).unwrap();
            check(&schema, &schema, &json, name).unwrap();
        }
    }

    #[test]
    fn the_check_refuses_a_missing_key_a_wrong_type_and_an_unknown_name() {
        let schema = schema(true);
        let good: Value = serde_json::from_str(&Form::Json.write(&fixture::failed()).unwrap()).unwrap();
        let breaks: [fn(&mut Value); 4] = [
            |v| drop(v.as_object_mut().unwrap().remove("tool")),
            |v| v["arrays"][0]["comparison"]["count"] = json!("many"),
            |v| v["arrays"][0]["comparison"]["classes"][0]["name"] = json!("finite_to_cheese"),
            |v| v["arrays"][0]["extra"] = json!(1),
        ];
        for (i, break_it) in breaks.iter().enumerate() {
            let mut bad = good.clone();
            break_it(&mut bad);
            assert!(check(&schema, &schema, &bad, "").is_err(), "{i}");
        }
    }
}
