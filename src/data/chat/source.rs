//! A template's source made ready for the engine: the generation tags of transformers, and what bodies of macros may set.

use super::generation::NAME;

/// The template as the engine needs it, lines and whitespace as they are, and whether it has generation blocks.
///
/// Generation tags become `{% call %}` blocks, which is what transformers' extension makes of them too. And the engine gives the
/// body of a macro or such a block only those outer variables that it reads and never sets, where in Jinja one can be read and
/// then set, or be a namespace whose attribute is set. Such a variable becomes the default of an argument more: that is read.
pub(super) fn prepared(source: &str) -> (String, bool) {
    let tags = tags(source);
    let (mut out, mut done, mut any) = (String::with_capacity(source.len()), 0, false);
    for (place, tag) in tags.iter().enumerate() {
        let after = tag.at + tag.word.len();
        let end = match tag.word {
            "macro" => "endmacro",
            "call" => "endcall",
            "generation" => "endgeneration",
            "endgeneration" => {
                out.push_str(&source[done..tag.at]);
                out.push_str("endcall");
                done = after;
                continue;
            }
            _ => continue,
        };
        let names = set_within(source, &tags[place + 1..], tag.word, end);
        let arguments: Vec<String> = names.iter().enumerate().map(|(n, name)| format!("_{n}_={name}")).collect();
        let arguments = arguments.join(", ");
        let rest = &source[after..tag.end];
        // Where the list of arguments opens: behind a macro's name, and right behind `call` if there is one at all.
        let open = match tag.word {
            "macro" => rest.find('('),
            "call" => rest.find(|c: char| !c.is_whitespace()).filter(|at| rest[*at..].starts_with('(')),
            _ => None,
        };
        match open {
            _ if tag.word == "generation" => {
                any = true;
                out.push_str(&source[done..tag.at]);
                out.push_str(&format!("call({arguments}) {NAME}()"));
                done = after;
            }
            _ if arguments.is_empty() => {}
            Some(open) => {
                let inside = &rest[open..];
                let close = after + open + end_of(inside, ")", 1) - 1;
                let comma = if inside[1..].trim_start().starts_with(')') { "" } else { ", " };
                out.push_str(&source[done..close]);
                out.push_str(&format!("{comma}{arguments}"));
                done = close;
            }
            None => {
                out.push_str(&source[done..after]);
                out.push_str(&format!("({arguments})"));
                done = after;
            }
        }
    }
    out.push_str(&source[done..]);
    (out, any)
}

/// A block tag: where its first word is, the word, and where the tag ends.
struct Tag<'a> {
    at: usize,
    word: &'a str,
    end: usize,
}

/// The block tags of a template, without what stands in comments, texts and raw blocks.
fn tags(source: &str) -> Vec<Tag<'_>> {
    let (mut tags, mut at) = (Vec::new(), 0);
    while let Some(next) = source[at..].find('{') {
        at += next;
        let tag = &source[at..];
        let length = match tag.as_bytes().get(1) {
            Some(b'#') => tag.find("#}").map_or(tag.len(), |end| end + 2),
            Some(b'{') => end_of(tag, "}}", 2),
            Some(b'%') => {
                let inside = tag[2..].trim_start_matches(['-', '+']).trim_start();
                let word = name(inside);
                let length = if word == "raw" { end_of_raw(tag) } else { end_of(tag, "%}", 2) };
                tags.push(Tag { at: at + tag.len() - inside.len(), word, end: at + length });
                length
            }
            _ => 1,
        };
        at += length;
    }
    tags
}

/// The name that a text begins with.
fn name(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Variables that are set, themselves or an attribute of theirs, before the block ends.
fn set_within<'a>(source: &'a str, tags: &[Tag], start: &str, end: &str) -> Vec<&'a str> {
    let (mut names, mut depth) = (Vec::new(), 1);
    for tag in tags {
        if tag.word == start {
            depth += 1;
        } else if tag.word == end {
            depth -= 1;
        }
        if depth == 0 {
            break;
        }
        if tag.word == "set" {
            let targets = source[tag.at + 3..tag.end].split(['=', '%', '|']).next().unwrap_or_default();
            for target in targets.split(',') {
                let target = name(target.trim_start_matches(|c: char| c.is_whitespace() || c == '('));
                if !target.is_empty() && !names.contains(&target) {
                    names.push(target);
                }
            }
        }
    }
    names
}

/// Length of a tag up to and with `end`, which texts and brackets inside may hold too; its first `skip` signs open it.
fn end_of(tag: &str, end: &str, skip: usize) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in tag.char_indices().skip(skip) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if depth == 0 && tag[at..].starts_with(end) => return at + end.len(),
            None => match c {
                '\'' | '"' => quote = Some(c),
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    tag.len()
}

/// Length of a raw block, its tags included.
fn end_of_raw(tag: &str) -> usize {
    let mut at = end_of(tag, "%}", 2);
    while let Some(next) = tag[at..].find("{%") {
        at += next + 2;
        if tag[at..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return tag[at..].find("%}").map_or(tag.len(), |end| at + end + 2);
        }
    }
    tag.len()
}
