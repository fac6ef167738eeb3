use super::parse::{HAND_OVER, Parser, Patience, REST};
use crossterm::event::KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, F, Home, Insert, Left, PageDown, PageUp, Right, Tab, Up,
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

/// Lets the parser wait until nothing is open; gives how often it was told of silence.
fn be_silent(parser: &mut Parser, events: &mut Vec<Event>) -> usize {
    let mut times = 0;
    while parser.patience().is_some() {
        parser.hush(events);
        times += 1;
        assert!(times <= 3, "it waits for ever");
    }
    times
}

/// The events of bytes that come in one piece, and, checked to be the same, of bytes that come one by one.
fn heard(bytes: &[u8]) -> Vec<Event> {
    let hear = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        pieces.for_each(|piece| parser.feed(piece, &mut events));
        be_silent(&mut parser, &mut events);
        events
    };
    let whole = hear(&mut std::iter::once(bytes));
    assert_eq!(whole, hear(&mut bytes.chunks(1)), "{bytes:?} in pieces");
    whole
}

/// What is heard without any silence.
fn at_once(bytes: &[u8]) -> Vec<Event> {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    parser.feed(bytes, &mut events);
    events
}

#[test]
fn keys_of_every_terminal_are_heard_at_once() {
    let cases: &[(&[&str], KeyCode, KeyModifiers)] = &[
        (&["a"], Char('a'), NONE),
        (&["G"], Char('G'), SHIFT),
        (&["模"], Char('模'), NONE),
        (&["🦀"], Char('🦀'), NONE),
        (&["\r"], Enter, NONE),
        (&["\t"], Tab, NONE),
        (&["\x7f", "\x08"], Backspace, NONE),
        (&["\x03", "\x1b[99;5u", "\x1b[27;5;99~"], Char('c'), CONTROL),
        (&["\0"], Char(' '), CONTROL),
        (&["\x1d"], Char('5'), CONTROL),
        (&["\x1bx"], Char('x'), ALT),
        (&["\x1bé"], Char('é'), ALT),
        (&["\x1b\r"], Enter, ALT),
        (&["\x1b[A", "\x1bOA", "\x1b[1A"], Up, NONE),
        (&["\x1b[B", "\x1bOB"], Down, NONE),
        (&["\x1b[C", "\x1bOC"], Right, NONE),
        (&["\x1b[D", "\x1bOD"], Left, NONE),
        (&["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"], Home, NONE),
        (&["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"], End, NONE),
        (&["\x1b[2~"], Insert, NONE),
        (&["\x1b[3~"], Delete, NONE),
        (&["\x1b[5~"], PageUp, NONE),
        (&["\x1b[6~"], PageDown, NONE),
        (&["\x1b[Z", "\x1b[1;2Z", "\x1b[9;2u"], BackTab, SHIFT),
        (&["\x1b[1;2A", "\x1b[a"], Up, SHIFT),
        (&["\x1b[1;5A", "\x1bOa", "\x1bO5A", "\x1b[1;5:1A"], Up, CONTROL),
        (&["\x1b[1;3D"], Left, ALT),
        (&["\x1b[3;5~", "\x1b[3^"], Delete, CONTROL),
        (&["\x1b[3;2~", "\x1b[3$"], Delete, SHIFT),
        (&["\x1b[7@", "\x1b[1;6H"], Home, CONTROL.union(SHIFT)),
        (&["\x1b[1;5R"], F(3), CONTROL),
        (&["\x1bOM"], Enter, NONE),
        (&["\x1bOk"], Char('+'), NONE),
        (&["\x1bOu"], Char('5'), NONE),
    ];
    for (forms, code, modifiers) in cases {
        for form in *forms {
            assert_eq!(at_once(form.as_bytes()), [key(*code, *modifiers)], "{form:?}");
            assert_eq!(heard(form.as_bytes()), [key(*code, *modifiers)], "{form:?}");
        }
    }
    let functions: [&[&str]; 12] = [
        &["\x1bOP", "\x1b[11~", "\x1b[[A", "\x1b[P"],
        &["\x1bOQ", "\x1b[12~", "\x1b[[B", "\x1b[Q"],
        &["\x1bOR", "\x1b[13~", "\x1b[[C"],
        &["\x1bOS", "\x1b[14~", "\x1b[[D", "\x1b[S"],
        &["\x1b[15~", "\x1b[[E"],
        &["\x1b[17~"],
        &["\x1b[18~"],
        &["\x1b[19~"],
        &["\x1b[20~"],
        &["\x1b[21~"],
        &["\x1b[23~"],
        &["\x1b[24~"],
    ];
    for (number, forms) in (1..).zip(functions) {
        for form in forms {
            assert_eq!(at_once(form.as_bytes()), [key(F(number), NONE)], "{form:?}");
        }
    }
}

#[test]
fn escape_is_decided_by_silence() {
    assert_eq!(at_once(b"\x1b"), []);
    assert_eq!(heard(b"\x1b"), [key(Esc, NONE)]);
    assert_eq!(heard(b"\x1b["), [key(Char('['), ALT)]);
    assert_eq!(heard(b"\x1bO"), [key(Char('O'), ALT | SHIFT)]);
    assert_eq!(heard(b"\x1b]"), [key(Char(']'), ALT)]);
    // Keys that came together over a slow line.
    assert_eq!(heard(b"\x1b\x1b"), [key(Esc, NONE), key(Esc, NONE)]);
    assert_eq!(heard(b"\x1b\x1b[A"), [key(Esc, NONE), key(Up, NONE)]);
    assert_eq!(heard(b"\x1b\x03"), [key(Esc, NONE), key(Char('c'), CONTROL)]);
}

#[test]
fn what_stays_without_an_end_is_given_up_by_silence_or_by_a_byte_that_cannot_go_on_it() {
    let broken: &[&[u8]] = &[
        b"\x1b[<",
        b"\x1b[<0;3",
        b"\x1b[1;",
        b"\x1b[M",
        b"\x1b[M!",
        b"\x1b[[",
        b"\x1bO5",
        b"\x1b]0;ti",
        b"\x1bP1$r",
        b"\xe6\xa8",
    ];
    for bytes in broken {
        assert_eq!(heard(bytes), [], "{bytes:?}");
        assert_eq!(at_once(&[bytes, &b"\x03"[..]].concat()), [key(Char('c'), CONTROL)], "{bytes:?}");
        assert_eq!(at_once(&[bytes, &b"\x1b[A"[..]].concat()), [key(Up, NONE)], "{bytes:?}");
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(bytes, &mut events);
        assert_eq!(be_silent(&mut parser, &mut events), 1);
        parser.feed(b"q", &mut events);
        assert_eq!(events, [key(Char('q'), NONE)], "{bytes:?}");
    }
    // Bytes that are no text.
    assert_eq!(heard(b"\xff\x80\xc0a\xc3(b"), ["a", "(", "b"].map(|c| key(Char(c.chars().next().unwrap()), NONE)));
}

#[test]
fn what_is_whole_and_unknown_is_passed_over_whole() {
    for unknown in [
        "\x1b[?62;4c",
        "\x1b[24;80R",
        "\x1b[?2026;2$y",
        "\x1b[99~",
        "\x1b[1;5:3A",
        "\x1b[57358u",
        "\x1b]11;rgb:00/00/00\x07",
        "\x1b]11;rgb:00/00/00\x1b\\",
        "\x1bP>|tmux 3.4\x1b\\",
        "\x1b_Gi=1;OK\x1b\\",
        "\x1b[[Z",
        "\x1b[99999999999999999999A",
        "\x1b[<0;70000;1M",
        "\x1b[201~",
    ] {
        assert_eq!(at_once(format!("{unknown}q").as_bytes()), [key(Char('q'), NONE)], "{unknown:?}");
    }
    let long = format!("\x1b[{}Aq", "1;".repeat(5000));
    assert_eq!(at_once(long.as_bytes()), [key(Char('q'), NONE)]);
}

#[test]
fn the_mouse_and_the_focus_are_heard() {
    let mouse = |kind, column, row, modifiers| Event::Mouse(MouseEvent { kind, column, row, modifiers });
    let left = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(heard(b"\x1b[<0;3;4M"), [mouse(left, 2, 3, NONE)]);
    assert_eq!(heard(b"\x1b[<0;300;4m"), [mouse(MouseEventKind::Up(MouseButton::Left), 299, 3, NONE)]);
    assert_eq!(heard(b"\x1b[<20;1;1M"), [mouse(left, 0, 0, SHIFT | CONTROL)]);
    assert_eq!(heard(b"\x1b[<64;3;4M"), [mouse(MouseEventKind::ScrollUp, 2, 3, NONE)]);
    assert_eq!(heard(b"\x1b[<65;3;4M"), [mouse(MouseEventKind::ScrollDown, 2, 3, NONE)]);
    assert_eq!(heard(b"\x1b[<34;3;4M"), [mouse(MouseEventKind::Drag(MouseButton::Right), 2, 3, NONE)]);
    // Older forms.
    assert_eq!(heard(b"\x1b[M #$"), [mouse(left, 2, 3, NONE)]);
    assert_eq!(heard(b"\x1b[32;3;4M"), [mouse(left, 2, 3, NONE)]);
    assert_eq!(heard(b"\x1b[I\x1b[O"), [Event::FocusGained, Event::FocusLost]);
}

#[test]
fn pastes_are_whole_however_large_and_end_without_an_end() {
    let paste = |text: &str| Event::Paste(text.into());
    assert_eq!(
        at_once("\x1b[200~a\nb\x1b[A模\x03\x1b[201~q".as_bytes()),
        [paste("a\nb\x1b[A模\x03"), key(Char('q'), NONE)]
    );
    assert_eq!(heard(b"\x1b[200~\x1b[201~"), []);
    let text = "0123456789".repeat(50_000);
    assert_eq!(at_once(format!("\x1b[200~{text}\x1b[201~").as_bytes()), [paste(&text)]);
    // More than is kept: cut, and the end is still seen.
    let text = "x".repeat((1 << 20) + 5000);
    let events = at_once(format!("\x1b[200~{text}\x1b[201~q").as_bytes());
    assert_eq!(events, [paste(&text[..1 << 20]), key(Char('q'), NONE)]);

    let (mut parser, mut events) = (Parser::default(), Vec::new());
    parser.feed(b"\x1b[200~abc", &mut events);
    parser.hush(&mut events);
    assert_eq!(events, [], "a paste may pause");
    parser.feed(b"de", &mut events);
    assert_eq!(be_silent(&mut parser, &mut events), 3);
    parser.feed(b"q", &mut events);
    assert_eq!(events, [paste("abcde"), key(Char('q'), NONE)]);
    // Who presses a key again and again never keeps silent for long: these two are heard.
    let keys: [(&[u8], Event); 2] = [(b"\x03", key(Char('c'), CONTROL)), (b"\x1b", key(Esc, NONE))];
    for (pressed, heard) in keys {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(b"\x1b[200~abc", &mut events);
        parser.hush(&mut events);
        parser.feed(pressed, &mut events);
        parser.feed(pressed, &mut events);
        be_silent(&mut parser, &mut events);
        assert_eq!(events, [paste("abc"), heard.clone(), heard], "{pressed:?}");
    }
}

#[test]
fn nothing_in_a_paste_is_a_key_however_slow_it_comes() {
    let paste = |text: &str| Event::Paste(text.into());
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    // Handed over at every pause: but for the half of a character, and for what may be the beginning of the end.
    let pieces: [(&[u8], &str); 4] =
        [(b"\x1b[200~qq\xc3", "qq"), (b"\xa9qq\x1b", "\u{e9}qq"), (b"[20", ""), (b"0~qq\x1b[2", "\x1b[200~qq")];
    for (piece, so_far) in pieces {
        parser.feed(piece, &mut events);
        parser.hush(&mut events);
        assert_eq!(parser.patience(), Some(Patience::Silence(HAND_OVER)), "{piece:?}");
        parser.hush(&mut events);
        let said: Vec<Event> = Some(paste(so_far)).filter(|_| !so_far.is_empty()).into_iter().collect();
        assert_eq!(std::mem::take(&mut events), said, "{piece:?}");
    }
    parser.feed(b"01~q", &mut events);
    assert_eq!(events, [key(Char('q'), NONE)]);
    assert_eq!(parser.patience(), None);
}

#[test]
fn the_rest_of_a_sequence_that_was_cut_is_no_key() {
    // Whole within its time: what it always means.
    let cut: [(&[u8], &[u8], Vec<Event>); 4] = [
        (b"\x1b[", b"A", vec![key(Up, NONE)]),
        (b"\x1b[2", b"0~", vec![key(F(9), NONE)]),
        (b"\x1b[20", b"0~qq\x1b[201~", vec![Event::Paste("qq".into())]),
        (b"\x1bO", b"B", vec![key(Down, NONE)]),
    ];
    for (begin, rest, means) in cut {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(begin, &mut events);
        let begun = parser.begun();
        assert_eq!(parser.patience(), Some(Patience::InAll(REST)), "{begin:?}");
        assert_eq!(begun, parser.begun());
        parser.feed(rest, &mut events);
        assert_eq!(events, means, "{begin:?} {rest:?}");
    }
    // Its first byte was told as Esc.
    for rest in ["[A", "[20~", "OB", "[[A", "[M!!!", "[<0;3;4M", "[200~[201~"] {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(b"\x1b", &mut events);
        parser.hush(&mut events);
        assert_eq!(events, [key(Esc, NONE)]);
        let rest = rest.replace("~[", "~\x1b[");
        rest.bytes().for_each(|byte| parser.feed(&[byte], &mut events));
        parser.feed(b"q", &mut events);
        assert_eq!(events, [key(Esc, NONE), key(Char('q'), NONE)], "{rest:?}");
    }
    // Keys that follow Esc: another one at once, or those two after a moment.
    for (pause, keys) in [(false, "qO"), (true, "[A"), (true, "OB")] {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(b"\x1b", &mut events);
        parser.hush(&mut events);
        if pause {
            be_silent(&mut parser, &mut events);
        }
        parser.feed(keys.as_bytes(), &mut events);
        let heard = keys.chars().map(|c| key(Char(c), if c.is_uppercase() { SHIFT } else { NONE }));
        assert_eq!(events, std::iter::once(key(Esc, NONE)).chain(heard).collect::<Vec<_>>(), "{keys}");
    }
}

/// Bytes of which many are parts of sequences.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "\x1b",
            "\x1b[",
            "\x1b[<",
            "\x1b[M",
            "\x1b[[",
            "\x1bO",
            "\x1b]",
            "\x1bP",
            "\x1b\\",
            "\x1b[200~",
            "\x1b[201~",
            ";",
            "5",
            "~",
            "A",
            "模",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn after_any_bytes_and_a_silence_ctrl_c_is_heard(pieces in prop::collection::vec((bytes(), any::<bool>()), 0..6)) {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for (piece, is_silent) in &pieces {
            parser.feed(piece, &mut events);
            if *is_silent && parser.patience().is_some() {
                parser.hush(&mut events);
            }
        }
        be_silent(&mut parser, &mut events);
        events.clear();
        parser.feed(b"\x03", &mut events);
        prop_assert_eq!(&events, &[key(Char('c'), CONTROL)]);
        prop_assert_eq!(parser.patience(), None);
    }

    #[test]
    fn text_is_heard_as_it_is_typed_however_it_is_split(text in "[^\\x00-\\x1f\\x7f-\\x9f]{0,40}", at in 0usize..100) {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        let (first, second) = text.as_bytes().split_at(at.min(text.len()));
        parser.feed(first, &mut events);
        parser.feed(second, &mut events);
        let typed: String = events.iter().filter_map(|event| match event {
            Event::Key(KeyEvent { code: Char(c), .. }) => Some(*c),
            _ => None,
        }).collect();
        prop_assert_eq!(typed, text);
    }
}
