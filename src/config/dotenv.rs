//! Reads a `.env` file: values as they are written, or a refusal that names the line. Nothing is substituted or unescaped.
//!
//! Readers of such files agree on plain lines and differ on the rest: compose substitutes `$name`, systemd removes
//! backslashes, a shell splits at blanks. What they read differently is either taken literally here, as the file has it, or
//! refused. No error quotes the file, because every value may be a password.

use std::io;
use std::path::Path;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a `.env` file is refused.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("line {line} {problem}")]
    Line { line: usize, problem: Problem },
}

/// What is wrong with a line, as the end of a sentence that begins with the line's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("is not text in UTF-8")]
    NotUtf8,
    #[error("holds a control character")]
    ControlCharacter,
    #[error("is not NAME=value")]
    NoAssignment,
    #[error("holds a blank outside quotes; put the value into single quotes")]
    Blank,
    #[error("has # right behind the =; put the value into single quotes, or a blank before a comment")]
    Comment,
    #[error(
        "looks like a substitution, and nothing is substituted here; write the value out, or put it into single quotes"
    )]
    Substitution,
    #[error("ends with a backslash, which continues a line elsewhere; put the value into single quotes")]
    Continuation,
    #[error("has a backslash inside double quotes, which means different things elsewhere; use single quotes")]
    Escape,
    #[error("lacks a closing quote; a value ends on its line")]
    OpenQuote,
    #[error("has something behind the closing quote")]
    BehindQuote,
}

/// The names and values in the file at `path`, in its order; a name may come again, and the last one counts. Empty when
/// there is no such file. The value of a name that `is_setting` does not know may be in any other program's form: it is empty
/// if it cannot be read.
pub fn read(path: &Path, is_setting: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, DotEnvError> {
    // Python keeps its environments in a directory of this name.
    match path.metadata() {
        Ok(about) if about.is_dir() => return Ok(Vec::new()),
        Ok(about) if about.len() > MAX_BYTES => return Err(DotEnvError::TooLarge),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    parse(&std::fs::read(path)?, is_setting)
}

fn parse(bytes: &[u8], is_setting: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, DotEnvError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut values = Vec::new();
    // The quote that ends a value of several lines, which another program's may be.
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
        let Some((name, written)) = parse_line(text).map_err(refuse)? else { continue };
        let value = match parse_value(written) {
            Ok(value) => value,
            Err(problem) if is_setting(name) => return Err(refuse(problem)),
            Err(problem) => {
                let first = written.trim_start_matches(is_blank).bytes().next();
                open_quote = first.filter(|_| problem == Problem::OpenQuote);
                ""
            }
        };
        values.push((name.to_owned(), value.to_owned()));
    }
    Ok(values)
}

/// The name of a line and what is written behind its equals sign; `None` for an empty line and for a comment.
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

/// The value that stands behind the equals sign.
fn parse_value(written: &str) -> Result<&str, Problem> {
    let value = written.trim_start_matches(is_blank);
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
        return if value.len() < written.len() { Ok("") } else { Err(Problem::Comment) };
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

/// What stands before the closing quote. Only a comment may follow it.
fn up_to_quote(quoted: &str, quote: char) -> Result<&str, Problem> {
    let (value, rest) = quoted.split_once(quote).ok_or(Problem::OpenQuote)?;
    let comment = rest.trim_start_matches(is_blank);
    let is_comment = comment.starts_with('#') && comment.len() < rest.len();
    if comment.is_empty() || is_comment { Ok(value) } else { Err(Problem::BehindQuote) }
}

/// Refuses `${name}`, which whoever writes it expects to be replaced. Any other `$` is a character like all others.
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
    fn values_are_taken_as_they_are_written() {
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
    fn what_can_be_read_in_two_ways_is_refused() {
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
            ("'a'b", BehindQuote),
            ("'a'#b", BehindQuote),
            ("\"a\" b", BehindQuote),
            ("'it'\\''s'", BehindQuote),
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
    fn a_file_may_begin_with_a_byte_order_mark_and_have_any_line_ends() {
        let file = "\u{feff}A=1\r\n\r\n# comment\r\n  # another\n export B = 2\nexport\tC=3\nexport=4\nA='5'";
        let values = parse(file.as_bytes(), |_| true).expect("values");
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "1"), ("B", "2"), ("C", "3"), ("export", "4"), ("A", "5")]);
    }

    #[test]
    fn the_values_of_other_programs_may_be_in_any_form() {
        let file = "A=1\nURL=smtp://${HOST}\nKEY=\"-----BEGIN\nA=2\nEND-----\"\nB='b'\nTWO=a b";
        let values = parse(file.as_bytes(), |name| name.len() == 1).expect("values");
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "1"), ("URL", ""), ("KEY", ""), ("B", "b"), ("TWO", "")]);
    }

    #[test]
    fn a_refusal_names_the_line_and_quotes_nothing() {
        for (file, line) in
            [("A=1\n\nB=\"open-sesame\n", 3), ("A=\u{ff}", 1), ("# x\nopen sesame", 2), ("A='open-sesame\nB=1'\n", 1)]
        {
            let bytes: Vec<u8> = file.chars().map(|c| c as u8).collect();
            let said = parse(&bytes, |_| true).expect_err("a refusal").to_string();
            assert!(said.starts_with(&format!("line {line} ")) && !said.contains("sesame"), "{said}");
        }
    }
}
