//! The grammar of selections, with the position of every fault.

use super::glob::Glob;
use super::{Factor, SelectError, Selection, Term};
use crate::load::suggest::closest;
use crate::model::Role;

const ROLES: [(&str, Role); 2] = [("main", Role::Main), ("bridge", Role::Bridge)];

/// Parses what stands after `--on`.
///
/// # Errors
/// The first fault with its place.
pub fn parse(text: &str) -> Result<Selection, SelectError> {
    let mut terms = Vec::new();
    for (offset, part) in pieces(text, 0, ',') {
        terms.push(term(text, offset, part)?);
    }
    Ok(Selection {
        text: text.to_owned(),
        terms,
    })
}

fn term(text: &str, offset: usize, part: &str) -> Result<Term, SelectError> {
    let (offset, part) = trimmed(offset, part);
    let at = offset..offset + part.len();
    let excluded = part.starts_with('!');
    let (start, rest) = if excluded {
        (offset + 1, &part[1..])
    } else {
        (offset, part)
    };
    let mut factors = Vec::new();
    for (offset, part) in pieces(rest, start, '&') {
        factors.push(factor(text, trimmed(offset, part))?);
    }
    Ok(Term {
        at,
        excluded,
        factors,
    })
}

fn factor(text: &str, (offset, part): (usize, &str)) -> Result<Factor, SelectError> {
    if part.is_empty() {
        let help = "write host names, `@role` or `label=value`, separated by commas";
        return Err(fault(
            text,
            offset,
            0,
            "the selection has an empty part".to_owned(),
            help.to_owned(),
        ));
    }
    if let Some(name) = part.strip_prefix('@') {
        return role(text, offset + 1, name);
    }
    let Some((key, value)) = part.split_once('=') else {
        return Ok(Factor::Name(glob(text, offset, part)?));
    };
    if key.is_empty() || value.is_empty() {
        let help = "write `region=eu` or `rack=r*`";
        return Err(fault(
            text,
            offset,
            part.len(),
            "a label needs a name and a value".to_owned(),
            help.to_owned(),
        ));
    }
    glob(text, offset, key)?;
    Ok(Factor::Label(
        key.to_owned(),
        glob(text, offset + key.len() + 1, value)?,
    ))
}

fn role(text: &str, offset: usize, name: &str) -> Result<Factor, SelectError> {
    if let Some((_, role)) = ROLES.iter().find(|(known, _)| *known == name) {
        return Ok(Factor::Role(*role));
    }
    let help = match closest(name, ROLES.iter().map(|(known, _)| *known)) {
        Some(known) => format!("did you mean `@{known}`?"),
        None => "the roles are `@main` and `@bridge`".to_owned(),
    };
    Err(fault(
        text,
        offset,
        name.len(),
        format!("there is no role `{name}`"),
        help,
    ))
}

fn glob(text: &str, offset: usize, part: &str) -> Result<Glob, SelectError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.*?".contains(letter);
    match part.char_indices().find(|(_, letter)| !allowed(*letter)) {
        None => Ok(Glob::new(part)),
        Some((position, letter)) => {
            let help = "names have letters, digits, `-`, `_`, `.`; `*` and `?` stand for others; terms are separated by commas";
            let message = format!("{letter:?} is not allowed here");
            Err(fault(
                text,
                offset + position,
                letter.len_utf8(),
                message,
                help.to_owned(),
            ))
        }
    }
}

/// The pieces of `text` between separators, each with its offset.
fn pieces(text: &str, start: usize, separator: char) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = start;
    text.split(separator).map(move |piece| {
        let here = offset;
        offset += piece.len() + separator.len_utf8();
        (here, piece)
    })
}

fn trimmed(offset: usize, part: &str) -> (usize, &str) {
    let start = part.len() - part.trim_start().len();
    (offset + start, part.trim())
}

fn fault(text: &str, offset: usize, length: usize, message: String, help: String) -> SelectError {
    SelectError {
        message,
        text: text.to_owned(),
        offset,
        length,
        help,
    }
}
