//! What a setting is: one definition feeds the form, TOML, `--set`, docs, JSON schema, validation and the diff of two runs.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// One setting of the registry ([`super::settings::SETTINGS`]).
#[derive(Debug)]
pub struct Setting {
    /// Dotted path as in TOML and `--set`, e.g. `search.weights.lr`.
    pub key: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// Default value; `None` where the setting is optional and unset.
    pub default: fn() -> Option<toml::Value>,
    /// Unit of a number, or empty.
    pub unit: &'static str,
    /// One line of help.
    pub help: &'static str,
}

impl Setting {
    /// The part before the last dot: the TOML table that holds the setting.
    pub fn group(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(group, _)| group)
    }

    /// The part after the last dot.
    pub fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// Type and range of a setting. Bounds are inclusive unless said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Whole number.
    Int { min: i64, max: i64 },
    /// Number; `exclusive` leaves out the lower bound.
    Float { min: f64, max: f64, exclusive: bool },
    /// `true` or `false`.
    Bool,
    /// Any text.
    Text,
    /// A path of the file system, relative to the preset's folder or, from `--set`, to the working directory.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts, or one text.
    Texts,
    /// Two numbers (Adam's betas), each in [0, 1).
    Betas,
    /// A list of whole numbers.
    Ints { min: i64, max: i64 },
    /// A whole number or a decimal, which mean different things (`allocation.budget`); `min` itself is left out.
    IntOrFloat { min: f64, max: f64 },
}

/// A word setting that is an enum in the program.
pub trait Choice: Serialize + DeserializeOwned {
    /// Every allowed word, in the order in which to show them.
    const NAMES: &'static [&'static str];
    /// The word of this value.
    fn name(&self) -> &'static str;
}

/// One text or a list of them, as TOML allows both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    /// The texts as a slice.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }
}

/// The largest `allocation.budget`.
pub const LARGEST_BUDGET: f64 = 1e15;

/// `allocation.budget`: parameters as a whole number, or the mean rank as a decimal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Budget {
    Parameters(i64),
    MeanRank(f64),
}

/// Defines an enum whose variants are the words of a setting.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }
        impl $crate::experiment::setting::Choice for $name {
            const NAMES: &'static [&'static str] = &[$($word),+];
            fn name(&self) -> &'static str { match self { $(Self::$variant => $word),+ } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::experiment::setting::Choice::name(self))
            }
        }
    };
}
pub(crate) use choice;

/// Defines the typed groups of settings and, from the same lines, the registry.
///
/// A line is `name: Type = default, kind, unit, help;`, the default an `Option<Type>` for an `Option` field.
macro_rules! settings {
    ($( $(#[$gdoc:meta])* $path:literal => $group:ident {
        $( $name:ident : $ty:ty = $default:expr, $kind:expr, $unit:literal, $help:literal; )*
        $( @ $sub:ident : $subty:ty; )*
    } )*) => {
        $(
            $(#[$gdoc])*
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $group {
                $( #[doc = $help] pub $name: $ty, )*
                $( #[doc = "A table of its own."] pub $sub: $subty, )*
            }
            impl Default for $group {
                fn default() -> Self { Self { $( $name: $default, )* $( $sub: Default::default(), )* } }
            }
        )*
        /// Every setting there is, in the order in which the form and the docs show them.
        pub static SETTINGS: &[$crate::experiment::setting::Setting] = &[
            $( $( $crate::experiment::setting::Setting {
                key: concat!($path, ".", stringify!($name)),
                kind: $kind,
                default: || $crate::experiment::setting::default_of::<$ty>($default),
                unit: $unit,
                help: $help,
            }, )* )*
        ];
    };
}
pub(crate) use settings;

/// The TOML form of a default; `None` for an unset option, which TOML cannot say (its serialiser leaves such fields out).
pub(crate) fn default_of<T: Serialize>(value: T) -> Option<toml::Value> {
    toml::Value::try_from(value).ok()
}
