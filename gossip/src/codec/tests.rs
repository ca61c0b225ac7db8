use proptest::prelude::*;

use super::{DecodeError, Reader, Writer, ascending};

fn number(bytes: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = reader.number()?;
    reader.finish()?;
    Ok(value)
}

#[test]
fn numbers_have_one_spelling() {
    assert_eq!(number(&[0]), Ok(0));
    assert_eq!(number(&[0x7f]), Ok(127));
    assert_eq!(number(&[0x80, 1]), Ok(128));
    assert_eq!(number(&[0x80, 0]), Err(DecodeError::NotMinimal));
    assert_eq!(number(&[0xff, 0x80, 0]), Err(DecodeError::NotMinimal));
    assert_eq!(number(&[0x80]), Err(DecodeError::Truncated));
    assert_eq!(number(&[1, 1]), Err(DecodeError::Trailing));
    let mut most = [0xff; 10];
    most[9] = 1;
    assert_eq!(number(&most), Ok(u64::MAX));
    most[9] = 2;
    assert_eq!(number(&most), Err(DecodeError::NotMinimal));
    most[9] = 0x81;
    assert_eq!(number(&most), Err(DecodeError::NotMinimal));
}

#[test]
fn flags_texts_and_lists_are_strict() {
    assert!(Reader::new(&[2]).flag("flag").is_err());
    assert!(Reader::new(&[2, 0xc3, 0x28]).text("text", 9).is_err());
    let limit = DecodeError::TooLong { what: "text", limit: 3 };
    assert_eq!(Reader::new(&[4, b'a', b'b', b'c', b'd']).text("text", 3), Err(limit));
    assert_eq!(Reader::new(&[4, b'a']).bytes("bytes", 9), Err(DecodeError::Truncated));
    assert!(ascending("list", &[1, 2, 2], |item| *item).is_err());
    assert!(ascending("list", &[2, 1], |item| *item).is_err());
    assert!(ascending::<u8, u8>("list", &[], |item| *item).is_ok());
}

#[test]
fn a_claimed_count_buys_no_memory() {
    let mut writer = Writer::new();
    writer.number(u64::MAX);
    let bytes = writer.finish();
    let read = Reader::new(&bytes).list("list", usize::MAX, |reader| reader.fixed::<32>());
    assert_eq!(read, Err(DecodeError::Truncated));
}

proptest! {
    #[test]
    fn what_is_written_is_read(value: u64, bytes: Vec<u8>, text: String, flag: bool,
                               list: Vec<u64>, optional: Option<u64>) {
        let mut writer = Writer::new();
        writer.number(value);
        writer.bytes(&bytes);
        writer.text(&text);
        writer.flag(flag);
        writer.list(&list, |writer, item| writer.number(*item));
        writer.optional(optional.as_ref(), |writer, item| writer.number(*item));
        let written = writer.finish();
        let mut reader = Reader::new(&written);
        prop_assert_eq!(reader.number(), Ok(value));
        prop_assert_eq!(reader.bytes("bytes", 1 << 20), Ok(bytes.as_slice()));
        prop_assert_eq!(reader.text("text", 1 << 20), Ok(text.as_str()));
        prop_assert_eq!(reader.flag("flag"), Ok(flag));
        prop_assert_eq!(reader.list("list", 1 << 20, Reader::number), Ok(list));
        prop_assert_eq!(reader.optional("optional", Reader::number), Ok(optional));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn an_accepted_number_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        if let Ok(value) = number(&bytes) {
            let mut writer = Writer::new();
            writer.number(value);
            prop_assert_eq!(writer.finish(), bytes);
        }
    }
}
