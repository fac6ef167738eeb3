//! The grammar of the demo's sentences: who did what to whom.
//!
//! Every labelled sentence has one event between a mammal and a bird; its label is the kind of the one who acts. Both kinds
//! and both orders are always there and both voices are alike in words, so that no bag of words can tell: who acts follows only
//! from how the sentence is built. The corpus, without labels, has the same events, often with what came of them, from which
//! a masked-token model can learn who did what.

use super::words::*;
use autolora::data::random::{below, stream};
use rand_chacha::ChaCha8Rng;

/// A class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mammal,
    Bird,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Mammal => "mammal",
            Kind::Bird => "bird",
        }
    }

    fn other(self) -> Self {
        match self {
            Kind::Mammal => Kind::Bird,
            Kind::Bird => Kind::Mammal,
        }
    }
}

/// Sentences with the kind of the one who acts, `mammal` or `bird`; `part` keeps train, validation and test apart.
pub fn dataset(seed: u64, part: &str, n: usize) -> Vec<(String, &'static str)> {
    let mut draw = Draw(stream(seed, &format!("demo {part}"), 0));
    (0..n)
        .map(|_| {
            let event = Event::draw(&mut draw);
            let told = event.told(&mut draw);
            (draw.framed(told), event.actor.kind.name())
        })
        .collect()
}

/// Sentences without labels, for masked-token training.
pub fn corpus(seed: u64, n: usize) -> Vec<String> {
    let mut draw = Draw(stream(seed, "demo corpus", 0));
    (0..n).map(|_| draw.corpus_sentence()).collect()
}

/// Every word that a sentence may hold, sorted.
pub fn vocabulary() -> Vec<&'static str> {
    let lists = [
        MAMMALS,
        BIRDS,
        ACTS,
        ACTOR_AFTER,
        OTHER_AFTER,
        IDLE,
        ADJECTIVES,
        PLACES,
        PREPOSITIONS,
        TIMES,
        WEATHER,
        MAMMAL_PARTS,
        BIRD_PARTS,
        CARES,
        FUNCTION,
    ];
    let mut words: Vec<_> = lists.concat();
    words.sort_unstable();
    words.dedup();
    words
}

#[derive(Clone, Copy)]
struct Animal {
    kind: Kind,
    name: &'static str,
}

/// One animal acts on another of the other kind.
struct Event {
    actor: Animal,
    other: Animal,
    act: &'static str,
}

impl Event {
    fn draw(draw: &mut Draw) -> Self {
        let kind = if draw.chance(50) { Kind::Mammal } else { Kind::Bird };
        Self { actor: draw.animal(kind), other: draw.animal(kind.other()), act: draw.word(ACTS) }
    }

    /// The event as a clause in one of six constructions; three name first who acts, three the other.
    fn told(&self, draw: &mut Draw) -> String {
        let (actor, other) = (draw.described(self.actor), draw.described(self.other));
        let act = self.act;
        match draw.below(8) {
            0 | 1 => format!("{actor} {act} {other}"),
            2 | 3 => format!("{other} was {act} by {actor}"),
            4 => format!("it was {actor} that {act} {other}"),
            5 => format!("it was {other} that {actor} {act}"),
            6 => format!("{actor} that {act} {other} {}", draw.word(IDLE)),
            _ => format!("{other} that {actor} {act} {}", draw.word(IDLE)),
        }
    }
}

/// Random choices.
struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        below(&mut self.0, n)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }

    fn animal(&mut self, kind: Kind) -> Animal {
        let names = if kind == Kind::Mammal { MAMMALS } else { BIRDS };
        Animal { kind, name: self.word(names) }
    }

    fn any_animal(&mut self) -> Animal {
        let kind = if self.chance(50) { Kind::Mammal } else { Kind::Bird };
        self.animal(kind)
    }

    /// "the fox" or "the old fox".
    fn described(&mut self, animal: Animal) -> String {
        if self.chance(35) {
            format!("the {} {}", self.word(ADJECTIVES), animal.name)
        } else {
            format!("the {}", animal.name)
        }
    }

    fn place(&mut self) -> String {
        format!("{} the {}", self.word(PREPOSITIONS), self.word(PLACES))
    }

    /// A clause with what does not matter around it: time, place, weather, another animal that idles.
    fn framed(&mut self, clause: String) -> String {
        let mut sentence = if self.chance(25) { format!("{} , {clause}", self.word(TIMES)) } else { clause };
        if self.chance(25) {
            sentence = format!("{sentence} {}", self.place());
        }
        match self.below(10) {
            0..=2 => {
                let idler = self.any_animal();
                sentence = format!("{sentence} while the {} {}", idler.name, self.word(IDLE));
            }
            3 => sentence = format!("{sentence} after the {}", self.word(WEATHER)),
            4 => sentence = format!("{sentence} before the {}", self.word(WEATHER)),
            _ => {}
        }
        format!("{sentence} .")
    }

    fn corpus_sentence(&mut self) -> String {
        match self.below(10) {
            0..=2 => {
                let event = Event::draw(self);
                let told = event.told(self);
                self.framed(told)
            }
            3..=7 => self.consequence(),
            8 => self.part(),
            _ => {
                let animal = self.any_animal();
                let (described, idle) = (self.described(animal), self.word(IDLE));
                self.framed(format!("{described} {idle}"))
            }
        }
    }

    /// An event and what one of the two did then, named or by its kind.
    fn consequence(&mut self) -> String {
        let event = Event::draw(self);
        let (who, after) = if self.chance(50) { (event.actor, ACTOR_AFTER) } else { (event.other, OTHER_AFTER) };
        let told = event.told(self);
        let after = self.word(after);
        let join = self.word(&["so", "and then", "and"]);
        let name = if self.chance(50) { who.name } else { who.kind.name() };
        format!("{told} , {join} the {name} {after} .")
    }

    /// What an animal has, which tells its kind.
    fn part(&mut self) -> String {
        let animal = self.any_animal();
        let part = self.word(if animal.kind == Kind::Mammal { MAMMAL_PARTS } else { BIRD_PARTS });
        let described = self.described(animal);
        match self.below(3) {
            0 => format!("like every {} , {described} {} its {part} .", animal.kind.name(), self.word(CARES)),
            1 => format!("{described} {} its {part} .", self.word(CARES)),
            _ => format!("the {} is a {} .", animal.name, animal.kind.name()),
        }
    }
}
