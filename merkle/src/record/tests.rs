use proptest::prelude::*;

use crate::tests::support::{bare, records};
use crate::{Record, decode_attributes, encode_attributes};

proptest! {
    #[test]
    fn a_record_describes_the_entries_it_is_made_from(left in records(), right in records()) {
        let entry = bare(&right);
        prop_assert_eq!(&Record::from(&entry), &right);
        prop_assert!(right.describes(&entry));
        prop_assert_eq!(left.describes(&entry), left == right);
    }

    #[test]
    fn attributes_come_back_by_themselves(record in records(), more in any::<u8>()) {
        if let Some(attributes) = record.attributes() {
            let mut bytes = encode_attributes(attributes);
            prop_assert_eq!(&decode_attributes(&bytes).unwrap(), attributes);
            bytes.push(more);
            prop_assert!(decode_attributes(&bytes).is_err());
        }
    }
}

#[test]
fn mode_and_attributes_count() {
    let attributes = crate::Attributes::new(Some("owner".into()), None, Vec::new()).unwrap();
    let plain = Record::Directory { mode: 0o755, attributes: None };
    let owned = Record::Directory { mode: 0o755, attributes };
    let private = Record::Directory { mode: 0o700, attributes: None };
    assert!(!plain.describes(&bare(&owned)));
    assert!(!plain.describes(&bare(&private)));
}
