//! A plan for people.

use super::number::{error, ratio, shape, size};
use super::table::labelled;
use super::voice::Paint;
use crate::plan::{Candidate, Choice, Keeps, Plan};

/// Findings, candidates, and the line to run.
pub(super) fn plan(plan: &Plan, command: Option<&str>, paint: Paint) -> String {
    let mut text = format!(
        "{}: {} {}, {}, {} on disk\n\n",
        paint.bold(&plan.place),
        plan.dtype,
        shape(&plan.shape),
        size(plan.array_bytes),
        size(plan.stored_bytes)
    );
    for finding in &plan.findings {
        let mark = if finding.lossless { paint.good("+") } else { "-".to_owned() };
        text += &format!("{mark} {}\n", finding.text);
    }
    if !plan.findings.is_empty() {
        text.push('\n');
    }
    text += &table(plan, paint);
    let tried = match plan.sample.whole {
        true => "the whole array".to_owned(),
        false => format!(
            "{} boxes, {} of {}: sizes of coded files and errors are estimates",
            plan.sample.boxes,
            size(plan.sample.bytes),
            size(plan.array_bytes)
        ),
    };
    let mut lines = vec![("tried", tried)];
    if plan.candidates.iter().any(|c| c.front) {
        lines.push(("marks", "* the choice, + the best of its speed; MB/s of one core".to_owned()));
    }
    match command {
        Some(command) => lines.push(("run", paint.bold(command))),
        None if plan.best.is_some() => {}
        None if plan.candidates.is_empty() => lines.push(("run", "nothing found that makes it smaller".to_owned())),
        None => lines.push(("run", paint.warn("no candidate keeps what was asked for"))),
    }
    text + &labelled(&lines, paint)
}

/// One line a candidate, and below it what reads the file.
fn table(plan: &Plan, paint: Paint) -> String {
    if plan.candidates.is_empty() {
        return String::new();
    }
    let titles = ["", "size", "ratio", "max error", "RMSE", "enc", "dec MB/s", "flags"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(plan.candidates.iter().map(row)).collect();
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let cells = row.iter().enumerate().map(|(c, cell)| match widths.get(c) {
            Some(width) => format!("{cell:>width$}"),
            None => cell.clone(),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        match i.checked_sub(1).and_then(|i| plan.candidates.get(i)) {
            None => text += &format!("{}\n", paint.dim(&line)),
            Some(candidate) => {
                let line = if candidate.best { paint.bold(&line) } else { line };
                let note = format!("     {}: {}{}", candidate.target.name(), candidate.reads, verdict(candidate));
                text += &format!("{line}\n{}\n", paint.dim(&note));
            }
        }
    }
    text + "\n"
}

fn row(candidate: &Candidate) -> Vec<String> {
    let mark = match (candidate.best, candidate.front, candidate.keeps) {
        (true, ..) => "*",
        (_, true, _) => "+",
        (.., Keeps::Broken | Keeps::Refused) => "x",
        _ => "",
    };
    let estimate = if candidate.estimated { "~" } else { "" };
    let refused = candidate.keeps == Keeps::Refused;
    let speed = |mb: f64| {
        if refused {
            "-".to_owned()
        } else if mb >= 10_000.0 {
            ">9999".to_owned()
        } else {
            format!("{mb:.0}")
        }
    };
    let loss = |x: f64| if refused { "-".to_owned() } else { error(x) };
    vec![
        mark.to_owned(),
        if refused { "-".to_owned() } else { format!("{estimate}{}", size(candidate.bytes)) },
        if refused { "-".to_owned() } else { ratio(candidate.ratio) },
        loss(candidate.max_error),
        loss(candidate.rmse),
        speed(candidate.encode_mb_s),
        speed(candidate.decode_mb_s),
        if candidate.flags.is_empty() { "(no flags)".to_owned() } else { candidate.flags.clone() },
    ]
}

fn verdict(candidate: &Candidate) -> &'static str {
    match candidate.keeps {
        Keeps::Kept => "",
        Keeps::Broken => "; breaks what was asked for",
        Keeps::Refused => "; refuses these values",
        Keeps::NotAsked => "; what this bound would give",
    }
}

/// What `--auto` chose, before its report.
pub(super) fn chosen(plan: &Plan, choice: &Choice, paint: Paint) -> String {
    let first = plan.best().is_some_and(|best| best.flags == choice.flags);
    let after = if first { "" } else { ", after the whole array broke what samples promised of another" };
    format!("chosen of {}: {}{after}\n", plan.candidates.len(), paint.bold(&choice.flags))
}
