//! Boats that come into a harbour: what a register says of one, and how people tell it.

use autolora::data::random::{below, stream};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

const NAMES: [&str; 24] = [
    "Heron",
    "Gull",
    "Otter",
    "Petrel",
    "Marlin",
    "Tern",
    "Puffin",
    "Curlew",
    "Dolphin",
    "Seal",
    "Osprey",
    "Grebe",
    "Plover",
    "Skua",
    "Walrus",
    "Narwhal",
    "Sturgeon",
    "Mackerel",
    "Cormorant",
    "Sandpiper",
    "Kittiwake",
    "Avocet",
    "Lapwing",
    "Dunlin",
];
const COLOURS: [&str; 8] = ["red", "green", "blue", "white", "black", "yellow", "grey", "brown"];
const PORTS: [&str; 16] = [
    "Oslo", "Bergen", "Porto", "Cadiz", "Genoa", "Malta", "Riga", "Gdansk", "Kiel", "Ghent", "Nantes", "Cork", "Leith",
    "Turku", "Varna", "Split",
];
const CARGOES: [&str; 12] =
    ["apples", "timber", "salt", "wool", "barrels", "copper", "grain", "letters", "bricks", "tea", "paper", "glass"];
const TIMES: [&str; 4] = ["dawn", "noon", "dusk", "midnight"];
const CAPTAINS: [&str; 12] =
    ["Ines", "Tomas", "Greta", "Omar", "Ruth", "Pavel", "Nora", "Jonas", "Mina", "Felix", "Selma", "Hugo"];
/// Every other word and sign of the texts.
const OTHERS: [&str; 39] = [
    "[", "]", "],", ".", ",", ";", "boat", "colour", "from", "cargo", "time", "captain", "The", "the", "A", "a", "It",
    "it", "comes", "arrives", "At", "at", "carries", "and", "is", "its", "Captain", "brings", "commands", "on",
    "board", "with", "sails", "in", "under", "called", "named", "loaded", "has",
];

/// What a register says; the name is always there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boat {
    name: &'static str,
    colour: Option<&'static str>,
    port: Option<&'static str>,
    cargo: Option<&'static str>,
    time: Option<&'static str>,
    captain: Option<&'static str>,
}

fn one(from: &[&'static str], draw: &mut ChaCha8Rng) -> &'static str {
    from[below(draw, from.len() as u64) as usize]
}

impl Boat {
    fn drawn(draw: &mut ChaCha8Rng) -> Boat {
        let maybe = |from: &[&'static str], percent: u64, draw: &mut ChaCha8Rng| {
            let value = one(from, draw);
            (below(draw, 100) < percent).then_some(value)
        };
        Boat {
            name: one(&NAMES, draw),
            colour: maybe(&COLOURS, 70, draw),
            port: maybe(&PORTS, 85, draw),
            cargo: maybe(&CARGOES, 75, draw),
            time: maybe(&TIMES, 60, draw),
            captain: maybe(&CAPTAINS, 60, draw),
        }
    }

    /// `boat[Heron], colour[red], from[Oslo]`.
    pub fn register(&self) -> String {
        let fields = [
            ("boat", Some(self.name)),
            ("colour", self.colour),
            ("from", self.port),
            ("cargo", self.cargo),
            ("time", self.time),
            ("captain", self.captain),
        ];
        let said = fields.into_iter().filter_map(|(key, value)| Some(format!("{key}[{}]", value?)));
        said.collect::<Vec<_>>().join(", ")
    }

    /// One of the ways to tell it.
    pub fn told(&self, draw: &mut ChaCha8Rng) -> String {
        let name = self.name;
        let from = self.port.map_or(String::new(), |port| format!(" from {port}"));
        let at = self.time.map_or(String::new(), |time| format!(" at {time}"));
        let colour = self.colour.map_or(String::new(), |colour| format!("{colour} "));
        let comes = one(&["comes", "arrives", "sails"], draw);
        let first = match below(draw, 4) {
            0 => format!("The {colour}boat {name} {comes} in{from}{at}."),
            1 => format!("{name}, a {colour}boat, {comes} in{from}{at}."),
            2 => format!("A {colour}boat called {name} {comes} in{from}{at}."),
            _ => match self.time {
                Some(time) => format!("At {time} the {colour}boat {name} {comes} in{from}."),
                None => format!("A {colour}boat named {name} {comes} in{from}."),
            },
        };
        let second = match (self.cargo, self.captain, below(draw, 3)) {
            (None, None, _) => String::new(),
            (Some(cargo), None, 0) => format!(" It carries {cargo}."),
            (Some(cargo), None, 1) => format!(" It is loaded with {cargo}."),
            (Some(cargo), None, _) => format!(" It has {cargo} on board."),
            (None, Some(captain), 0) => format!(" {captain} is its captain."),
            (None, Some(captain), 1) => format!(" Captain {captain} commands it."),
            (None, Some(captain), _) => format!(" It sails under captain {captain}."),
            (Some(cargo), Some(captain), 0) => format!(" It carries {cargo}, and {captain} is its captain."),
            (Some(cargo), Some(captain), 1) => format!(" Captain {captain} brings {cargo}."),
            (Some(cargo), Some(captain), _) => format!(" It is loaded with {cargo}; {captain} commands it."),
        };
        format!("{first}{second}")
    }
}

/// The words of the tokenizer, each once.
pub fn vocabulary() -> Vec<&'static str> {
    let all = OTHERS.iter().chain(&NAMES).chain(&COLOURS).chain(&PORTS).chain(&CARGOES).chain(&TIMES).chain(&CAPTAINS);
    let mut seen = HashSet::new();
    all.copied().filter(|word| seen.insert(*word)).collect()
}

/// Texts to learn the language from: a boat told twice, or two lines of the register. No register line is ever told.
pub fn corpus(seed: u64, count: usize) -> Vec<String> {
    let mut draw = stream(seed, "boats corpus", 0);
    let text = |_| {
        let boat = Boat::drawn(&mut draw);
        match below(&mut draw, 4) {
            0 => format!("{} ; {}", boat.register(), Boat::drawn(&mut draw).register()),
            // The same line again: what stands in brackets is to be looked up.
            1 => format!("{} ; {}", boat.register(), boat.register()),
            _ => format!("{} {}", boat.told(&mut draw), boat.told(&mut draw)),
        }
    };
    (0..count).map(text).collect()
}

/// Register lines and what is told of them, `tellings` rows a boat; no boat is in two parts.
pub fn rows(seed: u64, parts: &[(&str, usize, usize)]) -> Vec<Vec<(String, String)>> {
    let mut draw = stream(seed, "boats rows", 0);
    let mut seen = HashSet::new();
    let mut part = |boats: usize, tellings: usize| {
        let mut rows = Vec::new();
        while rows.len() < boats * tellings {
            let boat = Boat::drawn(&mut draw);
            if seen.insert(boat.clone()) {
                rows.extend((0..tellings).map(|_| (boat.register(), boat.told(&mut draw))));
            }
        }
        rows
    };
    parts.iter().map(|(_, boats, tellings)| part(*boats, *tellings)).collect()
}
