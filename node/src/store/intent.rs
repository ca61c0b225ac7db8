//! What a name in [`Area::Displaced`] is about, written durably before anything gets that name.
//!
//! Whatever is found there after a crash can so be told apart: the program's own staged version,
//! an old version that the tree still knows, or somebody's edit, which is then kept with the path
//! it came from. An intent is removed in the commit that records what was done.
//!
//! [`Area::Displaced`]: super::area::Area::Displaced

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mirrormesh_merkle::{Name, Path};

use super::aside::{reason_code, reason_of};
use super::job::KeptReason;

/// Keys of intents in [`super::Table::State`] begin with this.
pub const PREFIX: &[u8] = b"displaced/";

/// How recovery treats what it finds under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It goes if the index or the target accounts for it, and is kept otherwise.
    Judged,
    /// It is a copy of something that is still there: it goes.
    Copy,
    /// It is kept, even if the index accounts for it.
    Kept,
}

/// What is to happen under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// How recovery treats it.
    pub role: Role,
    /// The path in the docroot whose content comes and goes.
    pub path: Path,
    /// Why something that is not ours would be kept.
    pub reason: KeptReason,
    /// Wall time, nanoseconds since 1970.
    pub wall: i64,
}

/// Key of the intent about a name.
pub fn key(name: &Name) -> Bytes {
    [PREFIX, name.as_bytes()].concat().into()
}

/// The name that a key is about.
pub fn name(key: &[u8]) -> Option<Name> {
    Name::new(key.strip_prefix(PREFIX)?).ok()
}

impl Intent {
    /// The intent as bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(10 + self.path.as_bytes().len());
        out.put_u8(match self.role {
            Role::Judged => 0,
            Role::Copy => 1,
            Role::Kept => 2,
        });
        out.put_u8(reason_code(self.reason));
        out.put_i64(self.wall);
        out.put_slice(self.path.as_bytes());
        out.freeze()
    }

    /// Reads an intent; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Intent> {
        let mut input = bytes;
        let role = match input.try_get_u8().ok()? {
            0 => Role::Judged,
            1 => Role::Copy,
            2 => Role::Kept,
            _ => return None,
        };
        let reason = reason_of(input.try_get_u8().ok()?)?;
        let wall = input.try_get_i64().ok()?;
        Some(Intent { role, path: Path::from_bytes(input).ok()?, reason, wall })
    }
}
