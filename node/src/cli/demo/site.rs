//! The docroot of the demo: pages, styles, scripts and images that look like a site's, or a copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use mirrormesh_gossip::Entropy;

use super::super::failure::Failure;

/// Most files of a docroot that are remembered for later changes.
const REMEMBERED: usize = 10_000;
const WORDS: [&str; 24] = [
    "harbour", "winter", "market", "letter", "garden", "engine", "morning", "river", "signal",
    "window", "summer", "station", "paper", "copper", "bridge", "valley", "concert", "kitchen",
    "mirror", "lantern", "orchard", "quarter", "thunder", "village",
];

/// How much lies in a docroot.
#[derive(Debug, Default)]
pub(super) struct Measure {
    /// Files.
    pub(super) files: u64,
    /// Bytes in them.
    pub(super) bytes: u64,
}

/// Makes a site of about 400 files.
pub(super) fn make(docroot: &Path, entropy: &mut Entropy) -> Result<(), Failure> {
    make_all(docroot, entropy).map_err(|error| fail(docroot, &error))
}

fn make_all(docroot: &Path, entropy: &mut Entropy) -> std::io::Result<()> {
    let sections = ["blog", "docs", "products", "team", "events"];
    for directory in ["css", "js", "img", "fonts"] {
        fs::create_dir_all(docroot.join(directory))?;
    }
    fs::write(docroot.join("index.html"), page(entropy, "Home"))?;
    fs::write(docroot.join("robots.txt"), "User-agent: *\nAllow: /\n")?;
    for section in sections {
        for chapter in 1..=6 {
            let directory = docroot.join(section).join(format!("{chapter:02}"));
            fs::create_dir_all(&directory)?;
            for number in 1..=8 {
                let text = page(entropy, section);
                fs::write(directory.join(format!("{number:02}.html")), text)?;
            }
        }
    }
    for number in 1..=12 {
        fs::write(docroot.join(format!("css/part-{number}.css")), style(entropy))?;
        fs::write(docroot.join(format!("js/part-{number}.js")), script(entropy))?;
    }
    for number in 1..=110 {
        let size = 4_000 + entropy.below(90_000);
        fs::write(docroot.join(format!("img/{number:03}.jpg")), image(entropy, size))?;
    }
    for number in 1..=6 {
        fs::write(docroot.join(format!("fonts/{number}.woff2")), image(entropy, 30_000))?;
    }
    symlink("../blog/06/08.html", docroot.join("blog/latest.html"))
}

/// A page of a few kilobytes.
pub(super) fn page(entropy: &mut Entropy, title: &str) -> Vec<u8> {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/css/part-1.css\"></head>\n<body>\n<h1>{title}</h1>\n"
    );
    for _ in 0..4 + entropy.below(24) {
        text.push_str(&format!("<p>{}.</p>\n", words(entropy, 30)));
    }
    text.push_str("</body>\n</html>\n");
    text.into_bytes()
}

fn style(entropy: &mut Entropy) -> String {
    let rule = |entropy: &mut Entropy| {
        let (class, size) = (words(entropy, 1), 8 + entropy.below(40));
        format!(".{class} {{ margin: {size}px; color: #{:06x}; }}\n", entropy.below(1 << 24))
    };
    (0..80).map(|_| rule(entropy)).collect()
}

fn script(entropy: &mut Entropy) -> String {
    let line = |entropy: &mut Entropy| {
        format!("console.log(\"{}\", {});\n", words(entropy, 3), entropy.below(1_000))
    };
    (0..120).map(|_| line(entropy)).collect()
}

/// Bytes that nothing compresses, like an image's.
pub(super) fn image(entropy: &mut Entropy, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    entropy.fill(&mut bytes);
    bytes
}

fn words(entropy: &mut Entropy, count: usize) -> String {
    let word = |entropy: &mut Entropy| {
        let index = usize::try_from(entropy.below(WORDS.len() as u64)).unwrap_or_default();
        WORDS[index]
    };
    (0..count).map(|_| word(entropy)).collect::<Vec<_>>().join(" ")
}

/// Copies files, directories and symlinks.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if !from.is_dir() {
        return Err(Failure::failed(format!("{}: is not a directory", from.display())));
    }
    walk(from, &mut |path, metadata| {
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        if metadata.is_dir() {
            fs::create_dir(&target)
        } else if metadata.is_symlink() {
            symlink(fs::read_link(path)?, target)
        } else if metadata.is_file() {
            fs::copy(path, target).map(drop)
        } else {
            Ok(())
        }
    })
}

/// Counts what lies in a docroot.
pub(super) fn measure(docroot: &Path) -> Result<Measure, Failure> {
    let mut measure = Measure::default();
    walk(docroot, &mut |_, metadata| {
        if metadata.is_file() {
            measure.files += 1;
            measure.bytes += metadata.len();
        }
        Ok(())
    })?;
    Ok(measure)
}

/// Some files of at most `bytes`, relative to the docroot.
pub(super) fn files(docroot: &Path, bytes: u64) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    walk(docroot, &mut |path, metadata| {
        if metadata.is_file() && metadata.len() <= bytes && files.len() < REMEMBERED {
            files.extend(path.strip_prefix(docroot).map(Path::to_owned));
        }
        Ok(())
    })?;
    Ok(files)
}

type Visit<'a> = &'a mut dyn FnMut(&Path, &fs::Metadata) -> std::io::Result<()>;

/// Visits everything below a directory, a directory before what is in it.
fn walk(root: &Path, visit: Visit<'_>) -> Result<(), Failure> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let listed = fs::read_dir(&directory).map_err(|error| fail(&directory, &error))?;
        for entry in listed {
            let path = entry.map_err(|error| fail(&directory, &error))?.path();
            let visited = path.symlink_metadata().and_then(|metadata| {
                visit(&path, &metadata)?;
                Ok(metadata.is_dir())
            });
            if visited.map_err(|error| fail(&path, &error))? {
                pending.push(path);
            }
        }
    }
    Ok(())
}

fn fail(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
