//! One function for each decoder: what it accepts must encode to the very same bytes.
//!
//! Purpose: the bodies of fuzz targets, and of the property tests that run everywhere. Each takes
//! whatever it is given and panics only if the decoder is wrong.

use crate::{
    AddressRecord, Certificate, DecodeError, Document, DocumentText, EquivocationProof, Fence,
    Freshness, Genesis, Head, Heartbeat, ProofRecord, Revocations, Signable, SignedCertificate,
    SignedHead, Token, TokenBook,
};

/// A canonical decoder.
pub struct Decoder {
    /// What it decodes.
    pub name: &'static str,
    /// The fuzz body.
    pub run: fn(&[u8]),
    /// Whether it accepts these bytes.
    pub accepts: fn(&[u8]) -> bool,
}

/// Canonical decoders and their encoders.
macro_rules! canonical {
    ($($(#[$note:meta])* $name:ident: $type:ty, $decode:expr, $encode:expr;)+) => {
        $($(#[$note])*
        pub fn $name(bytes: &[u8]) {
            let decode: fn(&[u8]) -> Result<$type, DecodeError> = $decode;
            let encode: fn(&$type) -> Vec<u8> = $encode;
            if let Ok(value) = decode(bytes) {
                assert_eq!(encode(&value), bytes, "accepted what is not canonical");
            }
        })+

        /// All canonical decoders.
        pub const CANONICAL: &[Decoder] = &[$(Decoder {
            name: stringify!($name),
            run: $name,
            accepts: |bytes| {
                let decode: fn(&[u8]) -> Result<$type, DecodeError> = $decode;
                decode(bytes).is_ok()
            },
        }),+];
    };
}

canonical! {
    /// [`Genesis::decode`].
    genesis: Genesis, Genesis::decode, Genesis::encode;
    /// [`Document::decode`].
    document: Document, Document::decode, Document::encode;
    /// [`Head`] inside its envelope.
    head: Head, <Head as Signable>::decode, <Head as Signable>::encode;
    /// [`Heartbeat`] inside its envelope.
    heartbeat: Heartbeat, <Heartbeat as Signable>::decode, <Heartbeat as Signable>::encode;
    /// [`AddressRecord`] inside its envelope.
    address: AddressRecord, <AddressRecord as Signable>::decode,
        <AddressRecord as Signable>::encode;
    /// The envelope of a head.
    signed_head: SignedHead, SignedHead::decode, SignedHead::encode;
    /// [`Certificate::decode`].
    certificate: Certificate, Certificate::decode, Certificate::encode;
    /// [`SignedCertificate::decode`].
    signed_certificate: SignedCertificate, SignedCertificate::decode, SignedCertificate::encode;
    /// [`ProofRecord::decode`].
    proof_record: ProofRecord, ProofRecord::decode, ProofRecord::encode;
    /// [`EquivocationProof::decode`].
    equivocation: EquivocationProof, EquivocationProof::decode, EquivocationProof::encode;
    /// [`Fence::decode`].
    fence: Fence, Fence::decode, Fence::encode;
    /// [`Revocations::decode`].
    revocations: Revocations, Revocations::decode, Revocations::encode;
    /// [`Freshness::restore`].
    freshness: Freshness, Freshness::restore, Freshness::stored;
}

/// The text of a token: what is accepted means the same when written again.
pub fn token(text: &str) {
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_string().parse::<Token>(), Ok(token));
    }
}

/// A token book: what is accepted means the same when written again.
pub fn token_book(bytes: &[u8]) {
    if let Ok(book) = TokenBook::decode(bytes) {
        let again = book.encode().and_then(|bytes| TokenBook::decode(&bytes));
        assert_eq!(again, Ok(book));
    }
}

/// The text of a document: what is accepted means the same when written again, and a mistake has a
/// place inside the text.
pub fn document_text(text: &str) {
    match DocumentText::parse(text) {
        Ok(parsed) => {
            let mut document = Document {
                version: 1,
                members: Vec::new(),
                voters: Vec::new(),
                next_voters: None,
                excludes: Vec::new(),
                rules: Vec::new(),
                promotion: parsed.promotion,
                docroot_switch: parsed.docroot_switch,
                formats: Vec::new(),
                revoked: Vec::new(),
            };
            parsed.clone().apply(&mut document);
            assert_eq!(DocumentText::parse(&document.to_text()), Ok(parsed));
        }
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1);
            assert!(error.line <= text.lines().count() + 1);
        }
    }
}

#[cfg(test)]
mod tests;
