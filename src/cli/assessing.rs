//! `compact report`, `compact verify`, `compact budget init`.

use std::ffi::OsString;
use std::path::Path;

use super::args::{InitArgs, PairArgs, ReportArgs, RunArgs, VerifyArgs};
use super::exit::Exit;
use super::voice::{Voice, print};
use super::{compacting, options, progress, report_table};
use crate::engine::{AssessOptions, Reader, assess, describe};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::budget::Start;
use crate::metric::{Budget, Limits, Outcome};
use crate::report::{Document, Form};
use crate::store::{Pending, Place, Replace, append, arrays, same_file};

/// Compares, writes the forms asked for, tells the table. The verdict is the way it ends.
pub(super) fn report(args: &ReportArgs, line: &[OsString], voice: &Voice) -> Result<Exit> {
    let forms: Vec<(&Path, Form)> = args.output.iter().map(|path| form(path)).collect::<Result<_>>()?;
    for (i, (path, form)) in forms.iter().enumerate() {
        if forms[..i].iter().any(|(other, _)| other == path) {
            return refuse!(Usage, "-o {} is given twice; each form goes to a file of its own", path.display());
        }
        // Known before the work, not after it.
        may_write(path, *form, args.force)?;
        never_an_input(path, &args.pair, args.budget.as_deref())?;
    }
    let budget = args.budget.as_deref().map(read_budget).transpose()?;
    let document = document(&args.pair, &args.run, line, voice, |settings| {
        settings.budget = budget.as_ref();
        settings.source = args.budget.as_ref().map(|p| p.display().to_string());
        settings.full = true;
    })?;
    for (path, form) in forms {
        write(path, form, &document, args.force)?;
    }
    voice.result(&document, |paint| report_table::report(&document, &args.output, paint))?;
    Ok(exit(&document))
}

/// Compares as far as the limits need it and tells one line a criterion.
pub(super) fn verify(args: &VerifyArgs, line: &[OsString], voice: &Voice) -> Result<Exit> {
    if let Some(path) = &args.junit {
        may_write(path, Form::JUnit, args.force)?;
        never_an_input(path, &args.pair, args.budget.as_deref())?;
    }
    let mut budget = args.budget.as_deref().map(read_budget).transpose()?.unwrap_or_default();
    let mut source = args.budget.as_ref().map(|p| p.display().to_string());
    args.limits.add_to(&mut budget.limits)?;
    for limits in budget.arrays.values_mut() {
        args.limits.add_to(limits)?;
    }
    if args.budget.is_some() && !args.limits.is_empty() {
        source = source.map(|s| s + " and flags");
    }
    let promise = args.budget.is_none() && args.limits.is_empty();
    if promise {
        let text = "what a compacted file says of itself; an ordinary array must equal the original";
        source = Some(text.to_owned());
    }
    let document = document(&args.pair, &args.run, line, voice, |settings| {
        settings.budget = Some(&budget).filter(|_| !promise);
        settings.promise = promise;
        settings.source = source;
    })?;
    if let Some(path) = &args.junit {
        write(path, Form::JUnit, &document, args.force)?;
    }
    voice.result(&document, |paint| report_table::verdict(&document, paint))?;
    Ok(exit(&document))
}

/// The limits that `budget` has for the array at `input`: its own, where it is named or the only one of its file.
pub(super) fn limits_of<'a>(budget: &'a Budget, input: &Place) -> Result<&'a Limits> {
    if budget.arrays.is_empty() {
        return Ok(&budget.limits);
    }
    let names = arrays(&input.path)?;
    budget.check_names(names.iter().map(String::as_str))?;
    let name = match (&input.member, &names[..]) {
        (Some(name), _) => Some(name.as_str()),
        (None, [only]) => Some(only.as_str()),
        _ => None,
    };
    Ok(budget.of(name))
}

/// Writes a budget to begin with.
pub(super) fn init(args: &InitArgs, voice: &Voice) -> Result<()> {
    let place = compacting::input(&args.input)?;
    let replace = if args.force { Replace::Allowed } else { Replace::Never };
    if let Some(path) = args.output.as_deref().filter(|path| is_same(path, &place.path)) {
        return refuse!(Usage, "{} is the array itself; choose another name with -o", path.display());
    }
    let pending = args.output.as_deref().map(|path| Pending::create(path, replace)).transpose()?;
    let members = if place.member.is_some() { Vec::new() } else { arrays(&place.path)? };
    let places: Vec<(Option<String>, Place)> = match members.len() {
        0 | 1 => vec![(None, place)],
        _ => members
            .into_iter()
            .map(|m| (Some(m.trim_start_matches('/').to_owned()), Place { path: place.path.clone(), member: Some(m) }))
            .collect(),
    };
    let mut found = Vec::with_capacity(places.len());
    for (name, place) in places {
        let reader = Reader::at(&place)?;
        let description = progress::with_bar(voice.shows_progress(), |tell| {
            describe(&reader, args.fill, &options::resources(&args.run, tell))
        })?;
        found.push((name, reader.spec().clone(), description));
    }
    let starts: Vec<Start<'_>> = found
        .iter()
        .map(|(name, spec, description)| Start {
            name: name.as_deref(),
            dtype: spec.dtype(),
            shape: spec.shape(),
            description,
        })
        .collect();
    let text = Budget::start(&starts);
    let Some(pending) = pending else { return print(text.as_bytes()) };
    commit(pending, text.as_bytes())?;
    let path = args.output.as_deref().unwrap_or(Path::new("")).display().to_string();
    voice.result(&serde_json::json!({ "budget": path }), |_| {
        format!(
            "{path} is written; read it, set each limit to what the use of the data allows, and keep it with the code\n"
        )
    })
}

/// Runs the comparison.
fn document<'a>(
    pair: &PairArgs,
    run: &RunArgs,
    line: &[OsString],
    voice: &Voice,
    set: impl FnOnce(&mut AssessOptions<'a>),
) -> Result<Document> {
    let (original, compacted) = (compacting::input(&pair.original)?, compacting::input(&pair.compacted)?);
    if super::names::is_stdin(&original) && super::names::is_stdin(&compacted) {
        return refuse!(Usage, "both files are standard input, which can be read only once; give one of them a name");
    }
    let mut settings = AssessOptions {
        fill: pair.fill,
        worst: pair.worst.into(),
        command: Some(command(line)),
        ..AssessOptions::default()
    };
    set(&mut settings);
    #[cfg(feature = "hdf5")]
    if super::ragged::is_one(&compacted) {
        return super::ragged::assess(&original, &compacted, &settings, run, voice);
    }
    progress::with_bar(voice.shows_progress(), |tell| {
        let settings = AssessOptions { resources: options::resources(run, tell), ..settings.clone() };
        assess(&original, &compacted, &settings)
    })
}

/// The command line as it could be typed again; the program's name without its folder.
fn command(line: &[OsString]) -> String {
    let mut words = line.iter().map(|w| w.to_string_lossy().into_owned());
    let program =
        words.next().map(|p| Path::new(&p).file_name().map_or(p.clone(), |n| n.to_string_lossy().into_owned()));
    program.into_iter().chain(words).map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// How the verdict is told to a calling program. Without a budget there is none, and the report was all that was asked for.
fn exit(document: &Document) -> Exit {
    match document.verdict {
        None | Some(Outcome::Passed) => Exit::Done,
        Some(Outcome::Failed) => Exit::Refused,
        Some(Outcome::Unknown) => Exit::Failed,
    }
}

/// Reads a budget file; its mistakes are told with the file's name.
pub(super) fn read_budget(path: &Path) -> Result<Budget> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading the budget {}", path.display()), e))?;
    Budget::from_toml(&text).map_err(|e| e.at(path.display()))
}

fn form(path: &Path) -> Result<(&Path, Form)> {
    match Form::of_name(path) {
        Some(form) => Ok((path, form)),
        None => refuse!(
            Usage,
            "{}: the kind of report is not clear; give a name that ends in .html, .md, .json, .csv or .xml",
            path.display()
        ),
    }
}

/// Inputs are never replaced, not even with leave to replace.
fn never_an_input(output: &Path, pair: &PairArgs, budget: Option<&Path>) -> Result<()> {
    let inputs = [compacting::input(&pair.original)?.path, compacting::input(&pair.compacted)?.path];
    let mut all = inputs.iter().map(std::path::PathBuf::as_path).chain(budget);
    match all.find(|input| is_same(output, input)) {
        Some(_) => refuse!(Usage, "{} is one of the inputs; choose another name for the output", output.display()),
        None => Ok(()),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| Place { path: path.to_owned(), member: None };
    same_file(&place(a), &place(b))
}

/// Refuses an output that exists: but rows can be added to a table of ours.
fn may_write(path: &Path, form: Form, force: bool) -> Result<()> {
    if appends(path, form, force) {
        return append(path, fits, "");
    }
    Pending::create(path, if force { Replace::Allowed } else { Replace::Never }).map(|_| ())
}

/// Whether rows are added to a table that is there.
fn appends(path: &Path, form: Form, force: bool) -> bool {
    form == Form::Csv && !force && path.exists()
}

/// Refuses a table of other columns than ours, by its first line.
fn fits(path: &Path, first: &str) -> Result<()> {
    if crate::report::csv::fits(first)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Exists,
        format!(
            "{} exists and is no table of this version's columns, so no row can be added; choose another name, or --force to replace it",
            path.display()
        ),
    ))
}

fn write(path: &Path, form: Form, document: &Document, force: bool) -> Result<()> {
    if appends(path, form, force) {
        return append(path, fits, &crate::report::csv::rows(document)?);
    }
    let replace = if force { Replace::Allowed } else { Replace::Never };
    commit(Pending::create(path, replace)?, form.write(document)?.as_bytes())
}

fn commit(pending: Pending, text: &[u8]) -> Result<()> {
    use std::io::Write;
    let failed = |e| Error::io(format!("writing {}", pending.target().display()), e);
    pending.file().write_all(text).map_err(failed)?;
    pending.commit(false)
}
