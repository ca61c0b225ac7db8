use super::*;

#[test]
fn commits_survive_as_a_prefix_of_whole_batches() {
    let disk = disk();
    for number in 0..4u8 {
        let mut batch = Batch::default();
        batch.put(Table::Index, vec![number], vec![number]);
        batch.put(Table::State, "newest", vec![number]);
        disk.commit(batch, number == 1).unwrap();
    }
    let images = disk.images(100);
    assert!(images.is_complete());
    let survived = |image: Image| {
        let newest = image.value(Table::State, b"newest").unwrap()[0];
        let there = (0..4u8).filter(|&n| image.value(Table::Index, &[n]).is_some());
        assert_eq!(there.collect::<Vec<_>>(), (0..=newest).collect::<Vec<_>>());
        newest
    };
    // Of four, the first two are durable.
    assert_eq!(images.map(survived).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_range_shows_the_rows_of_the_call() {
    let disk = disk();
    let put = |key: &'static str| {
        let mut batch = Batch::default();
        batch.put(Table::Index, key, "");
        disk.commit(batch, false).unwrap();
    };
    put("a");
    put("c");
    let mut seen = Vec::new();
    disk.range(Table::Index, b"a", None, &mut |key, _| {
        put("b");
        seen.push(key.to_vec());
        true
    })
    .unwrap();
    assert_eq!(seen, [b"a", b"c"]);
    assert!(disk.value(Table::Index, b"b").is_some());
}
