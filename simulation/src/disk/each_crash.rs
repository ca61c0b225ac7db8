//! Runs a job again and again, ends it before each of its changes, and looks at what is left.

use super::SimDisk;
use super::faults::CrashPlan;
use super::images::Image;

/// What [`each_crash`] did, for tests that must not be vacuous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Points at which the job was ended, its end included.
    pub points: u64,
    /// Points of which not all images were looked at, because there are more than the bound.
    pub sampled: u64,
    /// Images looked at.
    pub images: u64,
    /// Images in which something was lost that was not durable.
    pub losses: u64,
}

/// Runs `job` on a disk of `make` once for each of its changes, crashes before that change (last
/// of all after the end), and calls `check` with the number of the point and each image, `bound`
/// of them at most.
///
/// `make` and `job` do the same each time. `job` returns when a primitive says `Crashed`.
pub fn each_crash(
    mut make: impl FnMut() -> SimDisk,
    mut job: impl FnMut(&SimDisk),
    bound: usize,
    mut check: impl FnMut(u64, &Image),
) -> CrashReport {
    let mut report = CrashReport::default();
    for point in 0.. {
        let disk = make();
        disk.plan_crash(CrashPlan::BeforeChange(point));
        job(&disk);
        let images = disk.images(bound);
        report.points += 1;
        report.sampled += u64::from(!images.is_complete());
        for image in images {
            report.images += 1;
            report.losses += u64::from(image.hits().lost_anything());
            check(point, &image);
        }
        if !disk.is_crashed() {
            break;
        }
    }
    report
}
