//! The end of the demo: every docroot is read and hashed as `mirrormesh hash` does it.

use mirrormesh_merkle::{Tree, difference};

use super::super::failure::Failure;
use super::super::offline::{Reader, open_directory};
use super::super::text;
use super::board::Board;
use super::farm::Farm;

/// Differences that are listed of each replica.
const LISTED: usize = 10;

/// Compares all docroots and says what came of it. True if all agree and nothing is missing.
pub(super) fn tell(farm: &Farm, board: &mut Board, missing: u64) -> Result<bool, Failure> {
    let mut reader = Reader::new();
    let mut trees: Vec<Tree> = Vec::with_capacity(farm.len());
    for index in 0..farm.len() {
        trees.push(reader.tree(open_directory(&farm.docroot(index))?)?);
    }
    let origin = trees[0];
    let mut lines = Vec::new();
    for (name, tree) in farm.names().iter().zip(&trees).skip(1) {
        if tree.root == origin.root {
            continue;
        }
        lines.push(format!("{name} DIFFERS from {}:", farm.names()[0]));
        let found = difference(reader.nodes(), &origin.root, &tree.root, None, LISTED);
        let found = found.map_err(|error| Failure::failed(error.to_string()))?;
        lines.extend(found.iter().map(|difference| format!("  {}", difference.path)));
    }
    let agreed = lines.is_empty() && missing == 0;
    if lines.is_empty() {
        let (files, bytes) = (text::count(origin.files, "file"), text::size(origin.bytes));
        let root = origin.root.to_string();
        let root = text::short(&root);
        lines.push(format!("all {} docroots have the root {root}: {files}, {bytes}", farm.len()));
    }
    board.verdict(agreed, &lines, missing);
    Ok(agreed)
}
