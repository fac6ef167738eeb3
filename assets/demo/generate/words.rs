//! The words of the grammar. Changing a list changes every sentence that a seed gives.

pub const MAMMALS: &[&str] = &[
    "fox", "wolf", "bear", "badger", "otter", "rabbit", "squirrel", "weasel", "beaver", "hedgehog", "lynx", "moose",
    "mouse", "goat", "horse", "donkey",
];
pub const BIRDS: &[&str] = &[
    "owl", "crow", "goose", "heron", "robin", "sparrow", "falcon", "magpie", "swan", "duck", "raven", "finch", "stork",
    "pigeon", "eagle", "hen",
];
/// Past tense and participle are one form, so that the voice shows only in how the words stand together.
pub const ACTS: &[&str] = &[
    "chased",
    "pushed",
    "followed",
    "scared",
    "tricked",
    "caught",
    "attacked",
    "visited",
    "surprised",
    "defeated",
    "greeted",
    "robbed",
    "rescued",
    "fooled",
    "cornered",
    "teased",
];
/// What the one who acted does next, and what the other does.
pub const ACTOR_AFTER: &[&str] = &["cheered", "boasted", "grinned", "rejoiced", "celebrated", "gloated"];
pub const OTHER_AFTER: &[&str] = &["complained", "trembled", "blinked", "stumbled", "protested", "sighed"];
/// What anyone may do meanwhile.
pub const IDLE: &[&str] =
    &["slept", "rested", "waited", "played", "sang", "wandered", "yawned", "listened", "dreamed", "bathed"];
pub const ADJECTIVES: &[&str] = &[
    "old", "young", "small", "large", "quick", "slow", "clever", "shy", "proud", "tired", "hungry", "grey", "brown",
    "white", "black", "lame", "brave", "lazy", "noisy", "quiet",
];
pub const PLACES: &[&str] = &[
    "river", "pond", "forest", "meadow", "barn", "hill", "bridge", "garden", "lake", "farm", "road", "village",
    "marsh", "orchard", "mill", "fence",
];
pub const PREPOSITIONS: &[&str] = &["near", "behind", "beside", "by", "past", "beyond"];
pub const TIMES: &[&str] =
    &["yesterday", "today", "earlier", "again", "once", "recently", "later", "twice", "suddenly", "eventually"];
pub const WEATHER: &[&str] = &["rain", "storm", "snow", "harvest", "frost", "feast", "fog", "flood"];
/// What only mammals have, and only birds.
pub const MAMMAL_PARTS: &[&str] = &["fur", "paws", "whiskers", "snout", "teeth"];
pub const BIRD_PARTS: &[&str] = &["feathers", "wings", "beak", "plumage", "nest"];
pub const CARES: &[&str] = &["cleaned", "shook", "warmed", "dried", "showed"];
/// Words that hold sentences together.
pub const FUNCTION: &[&str] = &[
    "the", "a", "was", "by", "that", "it", "who", "while", "before", "after", "so", "and", "then", "its", "like",
    "every", "is", "mammal", "bird", ",", ".",
];
