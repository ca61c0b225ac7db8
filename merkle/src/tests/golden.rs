//! The vectors in `golden/vectors.json`, which `golden/check.py` computes independently. A root
//! that changes here changes in every docroot: that is a new format, never a fix.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    Attributes, Change, File, Hash, MemoryNodes, Path, Record, Symlink, Time, Tree, content_hash,
    list, update,
};

const VECTORS: &str = include_str!("../../golden/vectors.json");

fn bytes_of(value: &Value) -> Bytes {
    match (value.as_str(), value["hex"].as_str()) {
        (Some(text), _) => Bytes::copy_from_slice(text.as_bytes()),
        (_, Some(hex)) => (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
            .collect(),
        _ => panic!("neither text nor hex: {value}"),
    }
}

fn attributes_of(value: &Value) -> Option<std::sync::Arc<Attributes>> {
    let optional = |key: &str| (!value[key].is_null()).then(|| bytes_of(&value[key]));
    let xattrs = value["xattrs"].as_array().into_iter().flatten();
    let xattrs = xattrs.map(|pair| (bytes_of(&pair[0]), bytes_of(&pair[1]))).collect();
    Attributes::new(optional("owner"), optional("group"), xattrs).unwrap()
}

fn mode_of(value: &Value) -> u16 {
    u16::from_str_radix(value["mode"].as_str().unwrap(), 8).unwrap()
}

fn record_of(value: &Value) -> Record {
    let attributes = attributes_of(&value["attributes"]);
    match value["kind"].as_str().unwrap() {
        "file" => {
            let content = bytes_of(&value["content"]);
            let [seconds, nanoseconds] =
                [0, 1].map(|index| value["mtime"][index].as_i64().unwrap());
            Record::File(File {
                mode: mode_of(value),
                mtime: Time { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap() },
                size: value["size"].as_u64().unwrap_or(content.len() as u64),
                content: content_hash(&content),
                unserved: value["unserved"].as_bool().unwrap_or(false),
                attributes,
            })
        }
        "symlink" => Record::Symlink(Symlink { target: bytes_of(&value["target"]), attributes }),
        "directory" => Record::Directory { mode: mode_of(value), attributes },
        other => panic!("unknown kind {other}"),
    }
}

/// The changes that a vector lists; `count` and `first` stand for many numbered names.
fn changes_of(vector: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for item in vector["entries"].as_array().unwrap() {
        let path = bytes_of(&item["path"]);
        let record = Some(record_of(item));
        match item["count"].as_u64() {
            None => changes.push(Change { path: Path::from_bytes(&path).unwrap(), record }),
            Some(count) => changes.extend((0..count).map(|number| {
                let numbered = [&path[..], format!("{number:04}").as_bytes()].concat();
                Change { path: Path::from_bytes(&numbered).unwrap(), record: record.clone() }
            })),
        }
    }
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    changes
}

#[test]
fn every_vector_has_its_root() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 10);
    for vector in vectors {
        let mut store = MemoryNodes::new();
        let tree = update(&mut store, &Tree::empty(), &changes_of(vector)).unwrap();
        let root: Hash = vector["root"].as_str().unwrap().parse().unwrap();
        let expected = Tree {
            root,
            files: vector["files"].as_u64().unwrap(),
            bytes: vector["bytes"].as_u64().unwrap(),
        };
        assert_eq!(tree, expected, "{}", vector["name"]);
        list(&store, &tree.root, &Path::root()).unwrap();
    }
}
