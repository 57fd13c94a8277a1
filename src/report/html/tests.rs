//! The promises of the page, held for every fixture.

use std::sync::LazyLock;

use super::*;
use crate::report::{Form, fixture};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Elements that HTML never closes.
const VOID: [&str; 4] = ["meta", "img", "br", "link"];

/// Every element with its attributes as they stand; refuses tags that do not close in order.
fn elements(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = false;
    let (mut open, mut list) = (Vec::new(), Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        let tag = match &event {
            Event::Eof => break,
            Event::Start(e) | Event::Empty(e) => e,
            Event::End(e) => {
                let name = e.name().as_ref().to_owned();
                assert_eq!(open.pop(), Some(name));
                continue;
            }
            _ => continue,
        };
        let name = tag.name().as_ref().to_owned();
        let attributes = tag.attributes().map(|a| {
            let a = a.unwrap();
            (a.key.as_ref().to_owned(), a.value.into_owned())
        });
        list.push((name.clone(), attributes.collect()));
        if matches!(event, Event::Start(_)) && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    list
}

/// Every fixture with its page, made once for all tests.
fn pages() -> &'static [(&'static str, &'static Document, String)] {
    static PAGES: LazyLock<Vec<(&'static str, &'static Document, String)>> = LazyLock::new(|| {
        fixture::all().iter().map(|(name, document)| (*name, document, Form::Html.write(document).unwrap())).collect()
    });
    &PAGES
}

#[test]
fn every_page_is_small_well_formed_and_asks_for_nothing() {
    for (name, _, page) in pages() {
        assert!(page.len() < 2_000_000, "{name}: {}", page.len());
        for (tag, attributes) in elements(page) {
            assert!(
                !["script", "link", "iframe", "object", "embed", "base", "form"].contains(&tag.as_str()),
                "{name}: {tag}"
            );
            for (key, value) in attributes {
                assert!(!key.starts_with("on"), "{name}: {key}");
                match key.as_str() {
                    "src" => assert!(value.starts_with("data:image/png;base64,"), "{name}: {value}"),
                    "href" => assert!(value.starts_with("#array-"), "{name}: {value}"),
                    _ => assert!(!value.contains("url("), "{name}: {value}"),
                }
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("//"));
    }
}

#[test]
fn the_verdict_is_the_first_heading_and_headings_leave_no_level_out() {
    for (name, document, page) in pages() {
        let word = if document.verdict.is_none() { "No budget given" } else { text::verdict(document.verdict) };
        let heading = page.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        assert!(heading.ends_with(word), "{name}: {heading}");
        let levels: Vec<u8> =
            elements(page).iter().filter_map(|(tag, _)| tag.strip_prefix('h')?.parse().ok()).collect();
        assert_eq!(levels[0], 1, "{name}");
        assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{name}: {levels:?}");
    }
}

#[test]
fn pictures_have_words_and_header_cells_a_scope() {
    for (name, _, page) in pages() {
        for (tag, attributes) in elements(page) {
            let has = |key: &str| attributes.iter().any(|(k, _)| k == key);
            match tag.as_str() {
                "img" => assert!(has("alt"), "{name}"),
                "svg" => assert!(has("aria-label") != has("aria-hidden"), "{name}: {attributes:?}"),
                "th" => assert!(has("scope"), "{name}"),
                _ => {}
            }
        }
    }
}

#[test]
fn links_lead_to_a_place_on_the_page_or_the_section_is_said_to_be_left_out() {
    for (name, document, page) in pages() {
        let list = elements(page);
        let of = |key: &str| {
            list.iter().flat_map(|(_, a)| a).filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect::<Vec<_>>()
        };
        let ids = of("id");
        let dead = of("href").iter().filter(|h| !ids.contains(&h[1..].to_owned())).count();
        assert_eq!(dead, 0, "{name}");
        let missing = document.arrays.len() - ids.len();
        assert_eq!(missing > 0, page.contains("Details of"), "{name}: {missing}");
    }
}

#[test]
fn nothing_from_outside_is_markup() {
    let page = Form::Html.write(&fixture::failed()).unwrap();
    for bad in ["<script>", "<b>", "<!-- -->", "\u{202e}", "\u{7}"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn a_failure_says_what_where_and_how_much() {
    let page = Form::Html.write(&fixture::failed()).unwrap();
    let top = page.split("</header>").next().unwrap();
    assert!(top.contains("FAILED") && top.contains("finite values became NaN") && top.contains("(0, 52, 8)"), "{top}");
}

#[test]
fn every_chart_and_picture_of_the_data_is_drawn() {
    let page = Form::Html.write(&fixture::passed()).unwrap();
    for title in [
        "Histogram of errors",
        "Cumulative distribution",
        "Error against magnitude",
        "Power spectrum",
        "Error by slice of axis 2",
        "Worst plane",
    ] {
        assert!(page.contains(title), "{title}");
    }
    assert!(Form::Html.write(&fixture::matrix()).unwrap().contains("Heat map of the matrix"));
}
