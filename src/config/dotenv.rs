//! Parses `.env` files literally: nothing is substituted or unescaped.
//!
//! Other programs agree on plain lines and differ on the rest: compose substitutes `$name`, systemd removes backslashes, and a
//! shell splits at blanks. This parser either takes such a line literally or refuses it with its number. No error quotes the
//! file, because any value may be a password.

use std::io;
use std::path::Path;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a `.env` file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("line {line} {problem}")]
    Line { line: usize, problem: Problem },
}

/// The problem of a line; the text continues a sentence that starts with the line's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("is not UTF-8 text")]
    NotUtf8,
    #[error("contains a control character")]
    ControlCharacter,
    #[error("is not NAME=value")]
    NoAssignment,
    #[error("contains a blank outside quotes; put the value into single quotes")]
    Blank,
    #[error("has # directly after =; put the value into single quotes, or a blank before a comment")]
    Comment,
    #[error("contains ${{, but variables are not substituted here; write the value out, or put it into single quotes")]
    Substitution,
    #[error("ends with a backslash, which other programs read as a continued line; put the value into single quotes")]
    Continuation,
    #[error("has a backslash inside double quotes, which other programs read as an escape; use single quotes")]
    Escape,
    #[error("lacks a closing quote; a value cannot span lines")]
    OpenQuote,
    #[error("has text after the closing quote")]
    AfterQuote,
}

/// The names and values in the file at `path`, in order; the last value of a repeated name counts. Empty if the file does not
/// exist. A value that cannot be parsed is an error for names that `is_setting` accepts, and empty for others, which may be in
/// the syntax of another program.
pub fn read(path: &Path, is_setting: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, DotEnvError> {
    // Python projects may have a directory of this name.
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(Vec::new()),
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(DotEnvError::TooLarge),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    parse(&std::fs::read(path)?, is_setting)
}

fn parse(bytes: &[u8], is_setting: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, DotEnvError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut values = Vec::new();
    // The quote that ends another program's value that spans lines.
    let mut open_quote = None;
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if let Some(quote) = open_quote {
            if bytes.contains(&quote) {
                open_quote = None;
            }
            continue;
        }
        let refuse = |problem| DotEnvError::Line { line, problem };
        let text = str::from_utf8(bytes).map_err(|_| refuse(Problem::NotUtf8))?;
        let Some((name, raw)) = parse_line(text).map_err(refuse)? else { continue };
        let value = match parse_value(raw) {
            Ok(value) => value,
            Err(problem) if is_setting(name) => return Err(refuse(problem)),
            Err(problem) => {
                let first = raw.trim_start_matches(is_blank).bytes().next();
                open_quote = first.filter(|_| problem == Problem::OpenQuote);
                ""
            }
        };
        values.push((name.to_owned(), value.to_owned()));
    }
    Ok(values)
}

/// The name on a line and the text after `=`; `None` for an empty line or a comment.
fn parse_line(line: &str) -> Result<Option<(&str, &str)>, Problem> {
    let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(is_blank);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Problem::ControlCharacter);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(is_blank) => rest.trim_start_matches(is_blank),
        _ => line,
    };
    let (name, value) = line.split_once('=').ok_or(Problem::NoAssignment)?;
    let name = name.trim_end_matches(is_blank);
    if !is_name(name) {
        return Err(Problem::NoAssignment);
    }
    Ok(Some((name, value)))
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// Parses the text after `=`.
fn parse_value(raw: &str) -> Result<&str, Problem> {
    let value = raw.trim_start_matches(is_blank);
    if let Some(quoted) = value.strip_prefix('\'') {
        return up_to_quote(quoted, '\'');
    }
    if let Some(quoted) = value.strip_prefix('"') {
        if quoted.split('"').next().is_some_and(|inside| inside.contains('\\')) {
            return Err(Problem::Escape);
        }
        return up_to_quote(quoted, '"').and_then(without_substitution);
    }
    if value.starts_with('#') {
        return if value.len() < raw.len() { Ok("") } else { Err(Problem::Comment) };
    }
    let (value, rest) = value.split_at(value.find(is_blank).unwrap_or(value.len()));
    let rest = rest.trim_start_matches(is_blank);
    if !(rest.is_empty() || rest.starts_with('#')) {
        return Err(Problem::Blank);
    }
    if value.ends_with('\\') {
        return Err(Problem::Continuation);
    }
    without_substitution(value)
}

/// The text before the closing quote, which only a comment may follow.
fn up_to_quote(quoted: &str, quote: char) -> Result<&str, Problem> {
    let (value, rest) = quoted.split_once(quote).ok_or(Problem::OpenQuote)?;
    let comment = rest.trim_start_matches(is_blank);
    let is_comment = comment.starts_with('#') && comment.len() < rest.len();
    if comment.is_empty() || is_comment { Ok(value) } else { Err(Problem::AfterQuote) }
}

/// Refuses `${name}`, whose author expects a substitution. Any other `$` is literal.
fn without_substitution(value: &str) -> Result<&str, Problem> {
    if value.contains("${") { Err(Problem::Substitution) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(written: &str) -> Result<String, Problem> {
        let line = format!("NAME={written}");
        parse_line(&line).and_then(|line| parse_value(line.expect("an assignment").1).map(str::to_owned))
    }

    #[test]
    fn values_are_taken_literally() {
        for literal in [
            "",
            "plain",
            "ab$cd",
            "$cd",
            "a$",
            "$$",
            "$(date)",
            "ab\\cd",
            "\\n",
            "ab\"cd",
            "it's",
            "a'b'c",
            "ab#cd",
            "a=b=c",
            "é🙂",
            "!%^&*()[]{}<>?/|~`;:,.",
            "\u{a0}",
        ] {
            assert_eq!(value(literal).as_deref(), Ok(literal), "{literal}");
        }
        for (written, read) in [
            ("'ab $cd \\ \" ${x} # no comment'", "ab $cd \\ \" ${x} # no comment"),
            ("\"it's $5 # no comment\"", "it's $5 # no comment"),
            ("' blanks '", " blanks "),
            ("''", ""),
            ("  padded \t", "padded"),
            ("2h # two hours", "2h"),
            ("'2h' # two hours", "2h"),
            ("\"2h\"\t# two hours", "2h"),
            (" # nothing", ""),
        ] {
            assert_eq!(value(written).as_deref(), Ok(read), "{written}");
        }
    }

    #[test]
    fn ambiguous_lines_are_refused() {
        use Problem::*;
        for (written, problem) in [
            ("a b", Blank),
            ("a 'b'", Blank),
            ("#secret", Comment),
            ("redis://${HOST}", Substitution),
            ("\"${HOST}\"", Substitution),
            ("C:\\data\\", Continuation),
            ("\"a\\tb\"", Escape),
            ("\"a\\\"b\"", Escape),
            ("\"a\\", Escape),
            ("\"a", OpenQuote),
            ("'a", OpenQuote),
            ("'a'b", AfterQuote),
            ("'a'#b", AfterQuote),
            ("\"a\" b", AfterQuote),
            ("'it'\\''s'", AfterQuote),
            ("a\0b", ControlCharacter),
            ("a\rb", ControlCharacter),
            ("a\u{1b}[0m", ControlCharacter),
        ] {
            assert_eq!(value(written), Err(problem), "{written:?}");
        }
        for line in ["what is this", "=value", "1A=b", "my-name=a", "A B=c", ";A=b", "export A", "\u{feff}A=b"] {
            assert_eq!(parse_line(line), Err(NoAssignment), "{line}");
        }
    }

    #[test]
    fn byte_order_marks_and_all_line_ends_are_accepted() {
        let file = "\u{feff}A=1\r\n\r\n# comment\r\n  # another\n export B = 2\nexport\tC=3\nexport=4\nA='5'";
        let values = parse(file.as_bytes(), |_| true).expect("values");
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "1"), ("B", "2"), ("C", "3"), ("export", "4"), ("A", "5")]);
    }

    #[test]
    fn values_of_other_programs_may_have_any_syntax() {
        let file = "A=1\nURL=smtp://${HOST}\nKEY=\"-----BEGIN\nA=2\nEND-----\"\nB='b'\nTWO=a b";
        let values = parse(file.as_bytes(), |name| name.len() == 1).expect("values");
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "1"), ("URL", ""), ("KEY", ""), ("B", "b"), ("TWO", "")]);
    }

    #[test]
    fn an_error_names_the_line_and_quotes_nothing() {
        for (file, line) in
            [("A=1\n\nB=\"open-sesame\n", 3), ("A=\u{ff}", 1), ("# x\nopen sesame", 2), ("A='open-sesame\nB=1'\n", 1)]
        {
            let bytes: Vec<u8> = file.chars().map(|c| c as u8).collect();
            let message = parse(&bytes, |_| true).expect_err("a refusal").to_string();
            assert!(message.starts_with(&format!("line {line} ")) && !message.contains("sesame"), "{message}");
        }
    }
}
