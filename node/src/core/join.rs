//! Becoming a member: the origin's side, and the stranger's.
//!
//! A stranger connects to the address in its token, expecting the key in its token, greets as a
//! stranger and shows the secret. The origin admits it by publishing a new cluster document; when
//! that is durable, it sends all that a member needs. While the origin has no head yet, the
//! stranger is told to wait. The stranger believes the cluster identifier of its token, and what
//! follows from it.

use bytes::Bytes;
use mirrormesh_gossip::{
    Authority, Document, Entropy, Genesis, HeadVerdict, Member, MemberRole, NodeId, SecretKey,
    SignedHead, Token, TokenBook, TokenRecord, Wall,
};

use super::event::{ConnectionId, Effect};
use super::node::Node;
use super::note::Note;
use super::publish::AfterChange;
use super::session::{decode_records, encode_records};
use super::state;
use super::wire::{FEATURES, Frame, Hello, Join, JoinAnswer, Joined, VERSIONS};
use crate::store::Batch;

/// Formats of this release.
pub const FORMATS: &[u16] = &[1];

// ---------------------------------------------------------------------------- the origin's side

impl Node {
    /// A stranger shows a token.
    pub(super) fn join_asked(&mut self, connection: ConnectionId, peer: NodeId, join: Join) {
        if !self.is_origin() {
            let message = "this node is not the origin any more: get a new token";
            return self.refuse_join(connection, message);
        }
        if self.authority.head().is_none() {
            // The secret is judged when there is something to join.
            if let Some(stranger) = self.peers.connections.get_mut(&connection) {
                stranger.joining = Some(join);
                stranger.since = self.now;
            }
            let message = "the origin is still reading its docroot for the first time";
            return self.answer_join(connection, false, message);
        }
        if self.publish.unspoken {
            if let Some(stranger) = self.peers.connections.get_mut(&connection) {
                stranger.joining = Some(join);
            }
            return;
        }
        self.admit(connection, peer, join);
    }

    /// Strangers who waited for the first head, or for another change of the document.
    pub(super) fn advance_joins(&mut self) {
        if !self.is_origin() || self.authority.head().is_none() || self.publish.unspoken {
            return;
        }
        let waiting: Vec<ConnectionId> = self
            .peers
            .connections
            .iter()
            .filter(|(_, stranger)| stranger.joining.is_some())
            .map(|(id, _)| *id)
            .collect();
        for connection in waiting {
            let Some(stranger) = self.peers.connections.get_mut(&connection) else { continue };
            let peer = stranger.peer;
            if let Some(join) = stranger.joining.take() {
                self.admit(connection, peer, join);
            }
        }
    }

    fn admit(&mut self, connection: ConnectionId, peer: NodeId, join: Join) {
        if self.document().is_some_and(|document| document.member(&peer).is_some()) {
            // It is in, and did not hear of it or could not keep it.
            return self.tell_joined(connection);
        }
        let Some(mut draft) = self.document_draft() else { return };
        if draft.member(&peer).is_some() {
            // An earlier connection of it asked already; the answer comes when that is durable.
            if let Some(stranger) = self.peers.connections.get_mut(&connection) {
                stranger.joining = Some(join);
            }
            return;
        }
        let Join { secret, name, addresses } = join;
        let mut tokens = self.tokens.clone();
        for secret in self.publish.document_changes.iter().filter_map(|change| change.redeems) {
            let _ = tokens.redeem(self.wall, &secret);
        }
        let role = match tokens.redeem(self.wall, &secret) {
            Ok(role) => role,
            Err(error) => {
                self.refuse(peer, "bad-token", error);
                return self.refuse_join(connection, &error.to_string());
            }
        };
        let member = Member { id: peer, name: name.clone(), role, addresses };
        let admitted = draft.admit(member).and_then(|()| draft.validate_publishable(&self.id));
        if let Err(error) = admitted {
            return self.refuse_join(connection, &error.to_string());
        }
        if !self.change_document(draft, AfterChange::Joined(connection)) {
            return self.refuse_join(connection, "too many changes wait: try again later");
        }
        if let Some(change) = self.publish.document_changes.back_mut() {
            change.redeems = Some(*secret);
        }
        if let Some(stranger) = self.peers.connections.get_mut(&connection) {
            stranger.admitted = true;
        }
        self.note(Note::Joined { member: peer, name });
    }

    pub(super) fn refuse_join(&mut self, connection: ConnectionId, message: &str) {
        self.answer_join(connection, true, message);
        self.out.push(Effect::Close { connection, reason: "join refused" });
    }

    fn answer_join(&mut self, connection: ConnectionId, refused: bool, message: &str) {
        let frame = Frame::JoinAnswer(JoinAnswer { refused, message: message.to_string() });
        self.out.push(Effect::Frame { connection, bytes: frame.encode() });
    }

    /// The document that admits a stranger is durable.
    pub(super) fn tell_joined(&mut self, connection: ConnectionId) {
        let (Some(head), Some(document)) =
            (self.authority.signed_head(), self.authority.document_bytes())
        else {
            return;
        };
        let frame = Frame::Joined(Joined {
            genesis: self.authority.genesis().encode().into(),
            records: encode_records(self.authority.chain().records_from(0)),
            head: head.encode().into(),
            document: document.to_vec().into(),
        });
        self.out.push(Effect::Frame { connection, bytes: frame.encode() });
    }
}

// ------------------------------------------------------------------------- the stranger's side

/// The frames a stranger sends once it is connected.
pub fn request(token: &Token, name: &str, addresses: &[String], instance: u64) -> Vec<Bytes> {
    let hello = Hello {
        oldest: VERSIONS.0,
        newest: VERSIONS.1,
        features: FEATURES.to_vec(),
        cluster: (*token.cluster.as_bytes()).into(),
        instance,
        epoch: 0,
        seq: 0,
        stranger: true,
    };
    let join =
        Join { secret: token.secret.into(), name: name.to_string(), addresses: addresses.to_vec() };
    vec![Frame::Hello(hello).encode(), Frame::Join(join).encode()]
}

/// What a frame of the origin means to a stranger.
#[derive(Debug)]
pub enum JoinStep {
    /// Not for strangers: passed over.
    Nothing,
    /// The origin asks for patience; a sentence says why.
    Wait(String),
    /// Member: to be committed durably, and the node may run.
    Joined(Batch),
    /// Refused for good; a sentence says why.
    Refused(String),
}

/// Judges a frame that came to a stranger with this key.
pub fn accept(token: &Token, own: &NodeId, frame: &[u8]) -> JoinStep {
    match Frame::decode(frame) {
        Ok(Frame::JoinAnswer(answer)) if answer.refused => JoinStep::Refused(answer.message),
        Ok(Frame::JoinAnswer(answer)) => JoinStep::Wait(answer.message),
        Ok(Frame::Joined(joined)) => match believe(token, own, &joined) {
            Ok(batch) => JoinStep::Joined(batch),
            Err(reason) => JoinStep::Refused(format!("the answer proves nothing: {reason}")),
        },
        Ok(_) => JoinStep::Nothing,
        Err(error) => JoinStep::Refused(format!("the answer cannot be read: {error}")),
    }
}

fn believe(token: &Token, own: &NodeId, joined: &Joined) -> Result<Batch, String> {
    let genesis = Genesis::decode(&joined.genesis).map_err(|error| error.to_string())?;
    if genesis.cluster_id() != token.cluster {
        return Err("it is another cluster than the token's".into());
    }
    let records = decode_records(&joined.records).map_err(|error| error.to_string())?;
    let authority = Authority::new(genesis, &records).map_err(|error| error.to_string())?;
    let signed = SignedHead::decode(&joined.head).map_err(|error| error.to_string())?;
    let mut judge = authority.clone();
    match judge.consider_head(&signed, Some(&joined.document)) {
        Ok(HeadVerdict::Newer(_)) => {}
        Ok(_) => return Err("its head is not proven".into()),
        Err(refusal) => return Err(refusal.to_string()),
    }
    let document = Document::decode(&joined.document).map_err(|error| error.to_string())?;
    if document.member(own).is_none() {
        return Err("its document does not list this node".into());
    }
    // The head itself is not taken: the node hears of it again when it runs, and proves its tree.
    let mut batch = Batch::default();
    state::put_authority(&mut batch, &authority);
    state::put(&mut batch, state::DRAFT, joined.document.to_vec());
    Ok(batch)
}

// ------------------------------------------------------------------------------- a new cluster

/// What a new cluster is made of.
#[derive(Debug)]
pub struct Founding {
    /// Name of the founder.
    pub name: String,
    /// Where it can be dialled.
    pub addresses: Vec<String>,
    /// What is not mirrored.
    pub excludes: Vec<String>,
    /// Now.
    pub wall: Wall,
    /// How long the first token is valid.
    pub token_lifetime: std::time::Duration,
}

/// A new cluster.
#[derive(Debug)]
pub struct Founded {
    /// To be committed durably.
    pub batch: Batch,
    /// The first join token, for one replica.
    pub token: Token,
}

/// Makes a cluster with the holder of `secret` as its origin.
///
/// # Errors
/// A sentence for people: a bad name, address or pattern.
pub fn found(
    secret: &SecretKey,
    founding: Founding,
    entropy: &mut Entropy,
) -> Result<Founded, String> {
    let mut nonce = [0; 16];
    entropy.fill(&mut nonce);
    let genesis = Genesis {
        name: founding.name.clone(),
        founder: secret.public(),
        nonce,
        created: founding.wall,
    };
    let founder = Member {
        id: secret.public(),
        name: founding.name,
        role: MemberRole::Candidate,
        addresses: founding.addresses.clone(),
    };
    crate::store::Excludes::checked(&founding.excludes).map_err(|error| error.to_string())?;
    let document = Document::founding(founder, founding.excludes, FORMATS.to_vec());
    document.validate_publishable(&secret.public()).map_err(|error| error.to_string())?;
    let cluster = genesis.cluster_id();
    let authority = Authority::found(genesis, secret).map_err(|error| error.to_string())?;
    let mut token_secret = [0; 16];
    entropy.fill(&mut token_secret);
    let expires = founding.wall.after(founding.token_lifetime);
    let mut tokens = TokenBook::new();
    let role = MemberRole::Replica;
    tokens.add(founding.wall, TokenRecord::new(&token_secret, role, expires, Some(1)));
    let mut batch = Batch::default();
    state::put_authority(&mut batch, &authority);
    state::put(&mut batch, state::DRAFT, document.encode());
    state::put(&mut batch, state::TOKENS, tokens.encode().map_err(|error| error.to_string())?);
    let token = Token {
        cluster,
        issuer: secret.public(),
        addresses: founding.addresses,
        secret: token_secret,
        role,
        expires,
    };
    Ok(Founded { batch, token })
}

/// Whether a state holds a cluster: `init` and `join` refuse then, `run` needs it.
pub fn has_cluster(get: impl Fn(&[u8]) -> Option<Bytes>) -> bool {
    get(state::GENESIS.as_bytes()).is_some()
}

/// What `init` and `join` store first, before there is a key: without it, a key beside a store that
/// holds no cluster means that the store is gone.
pub fn begin() -> Batch {
    let mut batch = Batch::default();
    state::put(&mut batch, state::BEGUN, Bytes::new());
    batch
}

/// Completes what `init` and `join` store last.
pub fn end(batch: &mut Batch) {
    state::remove(batch, state::BEGUN);
}

/// Whether an `init` or `join` has begun and was interrupted.
pub fn has_begun(get: impl Fn(&[u8]) -> Option<Bytes>) -> bool {
    get(state::BEGUN.as_bytes()).is_some()
}

/// Whether the cluster document of a state wants a docroot of this node. Where none can be read, it
/// does.
pub fn wants_docroot(get: impl Fn(&[u8]) -> Option<Bytes>, id: &NodeId) -> bool {
    let bytes = get(state::DOCUMENT.as_bytes()).or_else(|| get(state::DRAFT.as_bytes()));
    let document = bytes.and_then(|bytes| Document::decode(&bytes).ok());
    let member = document.as_ref().and_then(|document| document.member(id));
    member.is_none_or(|member| member.role.has_docroot())
}
