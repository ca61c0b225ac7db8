//! HashFile: hashes one large file beside all else. What it found is used by the next Observe of
//! the path, if the file is still as it was.

use mirrormesh_merkle::{Hash, Path};

use super::disk::{Disk, Stat};
use super::doubt::Stamps;
use super::failed_name::{FailedName, failed_name};
use super::job::{HashFile, HashedFile, JobError, Side, Unlisted};
use super::reading::{FileAt, READ_BYTES, Reading};
use super::resolve::Resolver;

/// Executes the job.
pub(crate) fn hash_file<D: Disk>(job: HashFile, disk: &D) -> Result<HashedFile, JobError> {
    let outcome = hash(&job.path, &job.side, disk)?;
    Ok(HashedFile { path: job.path, outcome })
}

fn hash<D: Disk>(
    path: &Path,
    side: &Side,
    disk: &D,
) -> Result<Result<(Stat, Hash), Unlisted>, JobError> {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Ok(Err(Unlisted::Moving));
    };
    let mut resolver = Resolver::new(disk)?;
    let directory = match resolver.directory(&parent) {
        Ok(directory) => directory,
        Err(error) => {
            return Ok(Err(match failed_name(error, path)? {
                FailedName::Unreadable(reason) => Unlisted::Unreadable(reason),
                _ => Unlisted::Moving,
            }));
        }
    };
    let mut stamps = Stamps::default();
    stamps.begin(disk, resolver.root());
    let place = FileAt { disk, directory: &directory, name: &name, path };
    let mut buffer = vec![0; READ_BYTES];
    let reading = match side {
        Side::Origin => place.read_stable(&mut buffer)?,
        Side::Replica { .. } => place.read_as_it_is(&mut buffer)?,
    };
    Ok(match reading {
        // A stat that a later write may leave as it is would be believed by the next Observe.
        Reading::Whole { stat, size, .. } if size != stat.size || stamps.is_young(&stat) => {
            Err(Unlisted::Moving)
        }
        Reading::Whole { stat, content, .. } => Ok((stat, content)),
        Reading::Not(why) => Err(why),
        Reading::Gone | Reading::OtherKind => Err(Unlisted::Moving),
    })
}
