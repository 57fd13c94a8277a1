//! Budgets as documented: the schema and the page against the lists they are made from. With `NDCOMPACT_WRITE_SCHEMA=1` in the
//! environment, these tests write what they would compare.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ndcompact::metric::budget::Scope;
use ndcompact::metric::{Budget, Class, Direction, Figure, Unit};

const SCHEMA: &str = "docs/schema/budget.schema.json";
const PAGE: &str = "docs/budgets.md";

fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

fn read(inside: &str) -> String {
    fs::read_to_string(path(inside)).unwrap_or_else(|e| panic!("{inside}: {e}"))
}

/// Whether this run writes instead of comparing.
fn writes() -> bool {
    std::env::var_os("NDCOMPACT_WRITE_SCHEMA").is_some_and(|v| v == "1")
}

fn compare_or_write(inside: &str, wanted: &str) {
    if writes() {
        fs::create_dir_all(path(inside).parent().unwrap()).unwrap();
        fs::write(path(inside), wanted).unwrap();
    }
    assert!(read(inside) == wanted, "{inside} is not what the lists give; rewrite it with NDCOMPACT_WRITE_SCHEMA=1");
}

#[test]
fn the_schema_in_the_repository_is_the_one_of_the_lists() {
    compare_or_write(SCHEMA, &Budget::schema());
}

#[test]
fn the_schema_knows_every_figure_and_class() {
    let schema: serde_json::Value = serde_json::from_str(&Budget::schema()).unwrap();
    for figure in Figure::ALL {
        let definition = &schema["$defs"][figure.name()];
        assert_eq!(definition["description"], figure.definition());
        assert!(schema["properties"][figure.name()].is_object());
        assert!(schema["properties"]["arrays"]["additionalProperties"]["properties"][figure.name()].is_object());
    }
    let listed = schema["$defs"]["allow"]["anyOf"][0]["items"]["enum"].as_array().unwrap();
    assert_eq!(listed.len(), Class::ALL.len());
}

/// The blocks of the page in this language.
fn blocks<'a>(page: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    page.match_indices(&fence)
        .map(|(at, fence)| &page[at + fence.len()..])
        .map(|rest| rest.split_once("\n```").expect("a block that ends").0)
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn every_budget_on_the_page_is_read_and_written_back() {
    let page = read(PAGE);
    let mut count = 0;
    for block in blocks(&page, "toml") {
        let budget = Budget::from_toml(block).unwrap_or_else(|e| panic!("{e}\n{block}"));
        assert_eq!(Budget::from_toml(&budget.to_toml()).unwrap(), budget);
        count += 1;
    }
    assert!(count >= 3, "the examples were not found");
}

#[test]
fn the_mistake_on_the_page_gives_the_message_on_the_page() {
    let page = read(PAGE);
    let mistake = blocks(&page, "text").find(|b| b.starts_with("line ")).expect("a message on the page");
    assert_eq!(Budget::from_toml("max_abs = 0.01\nmax_asb = 0.02").unwrap_err().to_string(), mistake);
}

fn unit(figure: Figure) -> &'static str {
    match figure.unit() {
        Unit::Data => "data",
        Unit::Ratio => "",
        Unit::Decibel => "dB",
        Unit::Count => "count",
        Unit::Ulp => "ULP",
    }
}

/// A cell of a table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn figures() -> String {
    let mut table = String::from("| key | limit | unit | what may be given | definition |\n|---|---|---|---|---|\n");
    for figure in Figure::ALL {
        let side = match figure.direction() {
            Direction::AtMost => "at most",
            Direction::AtLeast => "at least",
        };
        let (scope, label) = (Scope::of(*figure).words(), figure.label());
        let definition = cell(figure.definition());
        writeln!(table, "| `{figure}` | {side} | {} | {scope} | {label}: {definition} |", unit(*figure)).unwrap();
    }
    table
}

fn classes() -> String {
    let mut table = String::from("| class | what happened |\n|---|---|\n");
    for class in Class::ALL {
        writeln!(table, "| `{}` | {} |", class.name(), class.words()).unwrap();
    }
    table
}

#[test]
fn the_tables_on_the_page_are_those_of_the_lists() {
    let page = read(PAGE);
    let mut wanted = page.clone();
    for (name, table) in [("figures", figures()), ("classes", classes())] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let from = wanted.find(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin}")) + begin.len();
        let to = from + wanted[from..].find(&end).unwrap_or_else(|| panic!("{PAGE} has no {end}"));
        wanted.replace_range(from..to, &table);
    }
    compare_or_write(PAGE, &wanted);
}
