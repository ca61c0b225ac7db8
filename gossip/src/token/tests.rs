use std::time::Duration;

use proptest::prelude::*;

use super::{Token, TokenBook, TokenError, TokenRecord, TokenRefusal};
use crate::tests::{WALL, genesis, id};
use crate::{MemberRole, Wall};

fn token(count: usize) -> Token {
    Token {
        cluster: genesis().cluster_id(),
        issuer: id(1),
        addresses: (0..count).map(|number| format!("web{number}.example.org:7440")).collect(),
        secret: [0x5e; 16],
        role: MemberRole::Replica,
        expires: WALL,
    }
}

#[test]
fn a_token_survives_its_text() {
    let text = token(2).to_string();
    assert!(text.starts_with("mm1-"));
    assert!(text.len() < 400, "{}", text.len());
    assert_eq!(text.parse(), Ok(token(2)));
    assert_eq!(format!("  {text}\n").parse(), Ok(token(2)));
}

#[test]
fn the_longest_token_fits() {
    let mut longest = token(0);
    let label = "a".repeat(62);
    longest.addresses = vec![format!("{label}.{label}.{label}.{}:65535", &label[..60]); 8];
    let text = longest.to_string();
    assert!(longest.addresses[0].len() > 250 && text.len() <= Token::MAX_TEXT);
    assert_eq!(text.parse(), Ok(longest));
}

#[test]
fn errors_say_what_is_the_matter() {
    let text = token(2).to_string();
    let parse = |text: &str| text.parse::<Token>();
    assert_eq!(parse(""), Err(TokenError::NotAToken));
    assert_eq!(parse("hello"), Err(TokenError::NotAToken));
    assert_eq!(parse("mm1"), Err(TokenError::NotAToken));
    assert_eq!(parse("mm2-AAAA"), Err(TokenError::NotAToken));
    for length in 4..text.len() {
        assert_eq!(parse(&text[..length]), Err(TokenError::Truncated), "{length}");
    }
    assert_eq!(parse(&format!("{text}AAAA")), Err(TokenError::Damaged));
    assert_eq!(parse(&text.replacen('A', "!", 1)), Err(TokenError::Damaged));
    assert_eq!(parse(&format!("mm1-{}", "A".repeat(5_000))), Err(TokenError::TooLong));
    assert_eq!(parse(&token(0).to_string()), Err(TokenError::NotUnderstood));
    assert_eq!(parse(&token(9).to_string()), Err(TokenError::NotUnderstood));
}

#[test]
fn the_secret_is_not_shown() {
    assert!(!format!("{:?}", token(1)).contains("94"));
}

#[test]
fn a_record_counts_and_expires() {
    let mut record = TokenRecord::new(&[1; 16], MemberRole::Candidate, WALL, Some(2));
    let before = Wall(WALL.0 - 1);
    assert_eq!(record.redeem(before, &[2; 16]), Err(TokenRefusal::Unknown));
    assert_eq!(record.redeem(WALL, &[1; 16]), Err(TokenRefusal::Expired));
    assert_eq!(record.redeem(before, &[1; 16]), Ok(MemberRole::Candidate));
    assert_eq!(record.redeem(before, &[1; 16]), Ok(MemberRole::Candidate));
    assert_eq!(record.redeem(before, &[1; 16]), Err(TokenRefusal::Used));
    let mut unlimited = TokenRecord::new(&[1; 16], MemberRole::Replica, WALL, None);
    for _ in 0..100 {
        assert_eq!(unlimited.redeem(before, &[1; 16]), Ok(MemberRole::Replica));
    }
}

#[test]
fn a_book_survives_and_stays_small() {
    let mut book = TokenBook::new();
    let secret = |number: u32| {
        let mut secret = [0; 16];
        secret[..4].copy_from_slice(&number.to_le_bytes());
        secret
    };
    let later = WALL.after(Duration::from_secs(1));
    // The first stays valid longest; a spent one goes first.
    book.add(WALL, TokenRecord::new(&secret(0), MemberRole::Replica, later, Some(1)));
    book.add(WALL, TokenRecord::new(&secret(1), MemberRole::Replica, WALL, Some(1)));
    for number in 2..=TokenBook::MAX as u32 {
        book.add(WALL, TokenRecord::new(&secret(number), MemberRole::Replica, later, Some(1)));
    }
    assert_eq!(book.records().len(), TokenBook::MAX);
    let bytes = book.encode().unwrap();
    assert!(bytes.len() <= TokenBook::MAX_ENCODED, "{}", bytes.len());
    let mut book = TokenBook::decode(&bytes).unwrap();
    assert_eq!(book.redeem(WALL, &secret(1)), Err(TokenRefusal::Unknown));
    assert_eq!(book.redeem(WALL, &secret(0)), Ok(MemberRole::Replica));
    assert_eq!(book.redeem(WALL, &secret(0)), Err(TokenRefusal::Used));
    book.add(WALL, TokenRecord::new(&secret(9_999), MemberRole::Replica, later, None));
    assert_eq!(book.redeem(WALL, &secret(0)), Err(TokenRefusal::Unknown), "spent, made room");
    assert_eq!(book.redeem(WALL, &secret(9_999)), Ok(MemberRole::Replica));
}

proptest! {
    #[test]
    fn one_changed_character_is_seen(index in 4_usize..200, letter in "[A-Za-z0-9_-]") {
        let text = token(2).to_string();
        prop_assume!(index < text.len() && text[index..=index] != letter);
        let changed = format!("{}{letter}{}", &text[..index], &text[index + 1..]);
        prop_assert!(changed.parse::<Token>().is_err());
    }
}
