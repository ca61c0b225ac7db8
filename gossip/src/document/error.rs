//! Why a document is not valid, may not follow another, or may not be published.

use crate::codec::DecodeError;
use crate::key::NodeId;

/// What is wrong with a document. The document in force stays as it was in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not the encoding of a document. The sender is broken or newer: compare versions.
    #[error("not a cluster document: {0}")]
    Malformed(#[from] DecodeError),
    /// Its encoding would be too long. Take members, excludes or rules out.
    #[error("the cluster document would take {length} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A list has too many items. Take some out.
    #[error("{what}: at most {limit} are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
    /// A list is not in the order that the encoding needs (a bug of the caller).
    #[error("{what}: not in order")]
    NotInOrder {
        /// Which list.
        what: &'static str,
    },
    /// A member's name is not allowed. Choose another.
    #[error(
        "{name:?} is no member name: 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit, not \
         beginning with -, and no id"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// Two members have one name. Choose another.
    #[error("the name {name:?} is in use")]
    NameInUse {
        /// The name.
        name: String,
    },
    /// The id is a member already. Nothing needs to be done.
    #[error("{id} is a member already")]
    AlreadyMember {
        /// The id.
        id: NodeId,
    },
    /// An address is not `host:port`. Correct it.
    #[error("{address:?} is no address: host:port, an IPv6 address in brackets, port 1 to 65535")]
    BadAddress {
        /// The address.
        address: String,
    },
    /// A pattern is empty, too long or has control characters. Correct it.
    #[error("pattern {number} is not valid: {reason}")]
    BadPattern {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A member's key is revoked. Such a node joins with a new key.
    #[error("the key of {name} is revoked; a node that was removed joins with a new key")]
    MemberRevoked {
        /// The member's name.
        name: String,
    },
    /// A voter is not in the roster. Let it join first, or take it off the voters.
    #[error("voter {id} is no member")]
    VoterNotMember {
        /// The voter.
        id: NodeId,
    },
    /// A voter is a plain replica. Make it a candidate or a witness first.
    #[error("voter {name} is a replica: only candidates and witnesses vote")]
    VoterIsReplica {
        /// The voter's name.
        name: String,
    },
    /// Nobody of that name or id. Look at `status` for the members.
    #[error("no member {name:?}")]
    NoSuchMember {
        /// What was asked for.
        name: String,
    },
    /// The version does not follow that of the document in force. Begin again from that one.
    #[error("version {given} does not follow version {previous}; somebody else changed it")]
    NotNextVersion {
        /// The version in force.
        previous: u64,
        /// The version given.
        given: u64,
    },
    /// A key that was revoked would not be any more. Revocations only grow.
    #[error("{id} is revoked and must stay so")]
    RevocationLost {
        /// The key.
        id: NodeId,
    },
    /// A member is gone but its key is not revoked (a bug of the caller).
    #[error("{name} is taken out but its key is not revoked")]
    RemovedNotRevoked {
        /// The member's name.
        name: String,
    },
    /// A member's origin right is taken from the node that publishes. Switch over first.
    #[error("the origin {id} must stay a candidate; switch over to another node first")]
    OriginNotCandidate {
        /// The origin.
        id: NodeId,
    },
    /// Automatic promotion without a possible majority. Name three or five voters first.
    #[error("promotion = \"automatic\" needs 3 or 5 voters, two with a docroot; there are {count}")]
    TooFewVoters {
        /// Voters named (or voters with a docroot, if those are too few).
        count: usize,
    },
    /// A rule that this version cannot honour. Use `master-wins` and `origin`.
    #[error("rule {number}: only policy \"master-wins\" with writers \"origin\" can be published")]
    RuleNotSupported {
        /// Which one, counted from 1.
        number: usize,
    },
    /// There is no such setting. `config show` lists them.
    #[error("no setting {key:?}; there are {known}")]
    NoSuchSetting {
        /// The key given.
        key: String,
        /// Those that exist.
        known: String,
    },
    /// A setting cannot have this value.
    #[error("{key} cannot be {value:?}: {reason}")]
    BadValue {
        /// The setting.
        key: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        reason: String,
    },
}
