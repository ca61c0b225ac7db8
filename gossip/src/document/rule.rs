//! The choices a document makes: rules by path, promotion, what a switched docroot means.
//!
//! Rules are reserved: they can be read, so that a node of this version lives in a cluster that has
//! them, but [`crate::Document::validate_publishable`] lets only the default through.

use serde::{Deserialize, Serialize};

use super::Document;
use crate::codec::{DecodeError, Reader, Writer};

/// Defines an enum that has a word in configuration and a byte in the encoding.
macro_rules! choice {
    (
        $(#[$note:meta])* $name:ident ($what:literal):
        $($(#[$variant_note:meta])* $variant:ident = $byte:literal $word:literal),+ $(,)?
    ) => {
        $(#[$note])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_note])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word for it in configuration and output.
            pub const fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The value that a word stands for.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.word() == word)
            }

            pub(super) fn write(self, writer: &mut Writer) {
                writer.byte(match self {
                    $($name::$variant => $byte,)+
                });
            }

            pub(super) fn read(reader: &mut Reader<'_>) -> Result<$name, DecodeError> {
                match reader.byte()? {
                    $($byte => Ok($name::$variant),)+
                    value => Err(DecodeError::UnknownKind { what: $what, value }),
                }
            }
        }
    };
}

choice! {
    /// Who wins where a replica's file was changed locally.
    Policy ("policy"):
    /// The origin's version; the local one is set aside.
    MasterWins = 0 "master-wins",
    /// The one changed last.
    NewestWins = 1 "newest-wins",
    /// Both, under two names.
    KeepBoth = 2 "keep-both",
    /// Nobody, until an admin decides.
    Hold = 3 "hold",
}

choice! {
    /// Where a path may be written.
    Writers ("writers"):
    /// On the origin.
    Origin = 0 "origin",
    /// Anywhere; edits are proposed to the origin.
    Any = 1 "any",
}

choice! {
    /// How a dead origin is replaced.
    Promotion ("promotion"):
    /// By an admin.
    Manual = 0 "manual",
    /// By vote.
    Automatic = 1 "automatic",
}

choice! {
    /// What happens when another directory stands at the docroot's path.
    DocrootSwitch ("docroot switch"):
    /// The node holds until it is confirmed.
    Hold = 0 "hold",
    /// It is taken without asking.
    Follow = 1 "follow",
}

/// What holds for the paths that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which paths.
    pub path: String,
    /// Who wins.
    pub policy: Policy,
    /// Who may write.
    pub writers: Writers,
}

impl Rule {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.text(&self.path);
        self.policy.write(writer);
        self.writers.write(writer);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Rule, DecodeError> {
        Ok(Rule {
            path: reader.text("rule", Document::MAX_PATTERN)?.to_owned(),
            policy: Policy::read(reader)?,
            writers: Writers::read(reader)?,
        })
    }
}
