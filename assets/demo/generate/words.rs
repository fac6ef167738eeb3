//! The words of the grammar. Changing a list changes every sentence that a seed gives.

/// What is judged.
pub const ASPECTS: &[&str] = &[
    "soup", "bread", "coffee", "room", "service", "film", "play", "music", "story", "ending", "view", "garden",
    "staff", "price", "menu", "cake", "tea", "song", "concert", "book",
];
pub const GOOD: &[&str] = &["good", "great", "lovely", "fine", "pleasant", "charming", "superb", "brilliant"];
pub const BAD: &[&str] = &["bad", "awful", "dull", "poor", "dreadful", "boring", "weak", "clumsy"];
pub const VERBS: &[&str] = &["was", "seemed", "looked", "felt"];
/// Words that turn a judgement around.
pub const NEGATIONS: &[&str] = &["not", "never", "hardly"];
pub const DEGREES: &[&str] = &["very", "really", "quite", "rather", "truly"];
pub const PEOPLE: &[&str] = &[
    "guest", "visitor", "critic", "family", "couple", "student", "reader", "crowd", "woman", "man", "child", "tourist",
];
/// What people are when they were pleased, and when not.
pub const HAPPY: &[&str] = &["happy", "glad", "cheerful", "content", "thankful", "merry"];
pub const UNHAPPY: &[&str] = &["sad", "angry", "gloomy", "annoyed", "upset", "bitter"];
/// What people do when they were pleased, and when not.
pub const PLEASED: &[&str] = &["smiled", "cheered", "applauded", "returned", "laughed"];
pub const DISPLEASED: &[&str] = &["complained", "left", "frowned", "sighed", "grumbled"];
pub const TIMES: &[&str] =
    &["yesterday", "today", "earlier", "again", "once", "recently", "later", "tonight", "overall", "eventually"];
pub const PLACES: &[&str] =
    &["harbour", "station", "museum", "park", "bridge", "market", "castle", "river", "square", "tower"];
pub const EVENTS: &[&str] = &["storm", "rain", "holiday", "fair", "snow", "dinner", "break", "speech", "trip", "match"];
/// Words that hold sentences together.
pub const FUNCTION: &[&str] = &[
    "the", "but", "yet", "although", "though", "so", "and", "then", "at", "near", "during", "after", "before", ",", ".",
];
