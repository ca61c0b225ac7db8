use super::super::content::{SECTOR, Sectors};
use super::*;
use crate::disk::draw::Draws;
use bytes::Bytes;

fn write(sectors: &mut Sectors, offset: u64, bytes: &[u8]) {
    for (index, sector) in sectors.written(offset, &Bytes::copy_from_slice(bytes)) {
        sectors.set(index, sector);
    }
}

#[test]
fn content_is_as_in_a_plain_vector_whatever_is_written() {
    let mut draws = Draws::new(7);
    let mut sectors = Sectors::default();
    let mut plain = vec![0; 7 * SECTOR];
    for step in 0..2_000u64 {
        let offset = draws.below(5 * SECTOR as u64) as usize;
        let length = draws.below(SECTOR as u64 + 200) as usize;
        if step % 50 == 49 {
            sectors.cut(offset as u64);
            plain[offset..].fill(0);
        } else {
            let byte = if step % 3 == 0 { 0 } else { draws.next() as u8 };
            write(&mut sectors, offset as u64, &vec![byte; length]);
            plain[offset..offset + length].fill(byte);
        }
        let mut read = vec![1; 3 * SECTOR];
        let from = draws.below(3 * SECTOR as u64);
        sectors.read(from, &mut read);
        assert_eq!(read, plain[from as usize..from as usize + read.len()]);
        let used = plain.chunks(SECTOR).filter(|sector| sector.iter().any(|&byte| byte != 0));
        assert_eq!(sectors.count(), used.count() as u64);
    }
}

#[test]
fn content_is_hashed_with_its_holes() {
    let disk = disk();
    let at = docroot(&disk);
    let file = disk.create(&at, &name("sparse")).unwrap();
    disk.set_length(&file, 300_000).unwrap();
    disk.write(&file, 200_000, b"island").unwrap();
    let seen = disk.tree_of_docroot().remove(b"sparse".as_slice()).unwrap().content.unwrap();
    let mut plain = vec![0; 300_000];
    plain[200_000..200_006].copy_from_slice(b"island");
    assert_eq!(seen.hash(), content_hash(&plain));
    assert_eq!(seen.bytes(), plain);
}
