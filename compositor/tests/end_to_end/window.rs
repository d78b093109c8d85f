//! Host memory in the guest's address space: a blob of Venus, mapped by the VMM at the device's word.
//!
//! Blob 0 of a Venus context is shared memory of any size, with which its driver begins; it takes no
//! Vulkan command to have one.

use guest::{
    driver::{Driver, DriverError, DriverOptions, LINUX_FEATURES_3D},
    frontend::{Dialect, Manners},
};
use protocols::virtio_gpu::{CAPSET_VENUS, ErrorCode};

use super::rig::{Rig, Setup};

const PAGE: u64 = 4096;

/// Bytes of the blobs here.
const SIZE: u64 = 4 * PAGE;

/// A guest with Vulkan in that VMM, and a context of it.
fn start(rig: &Rig, dialect: Dialect) -> (Driver, u32) {
    let options = DriverOptions {
        features: LINUX_FEATURES_3D,
        dialect,
        // More than the device's own patience with a VMM.
        timeout: std::time::Duration::from_secs(20),
        ..Rig::options()
    };
    let mut driver = rig.driver_with("vulkan", &options);
    let context = context(&mut driver);
    (driver, context)
}

fn context(driver: &mut Driver) -> u32 {
    let context = driver.new_context_id();
    driver
        .create_context(context, CAPSET_VENUS, "test")
        .unwrap();
    context
}

fn blob(driver: &mut Driver, context: u32) -> u32 {
    let blob = driver.new_resource_id();
    driver.create_host_blob(context, blob, 0, SIZE).unwrap();
    blob
}

/// The device has answered, with an error.
#[track_caller]
fn refused(outcome: Result<u32, DriverError>) {
    assert!(
        matches!(
            outcome,
            Err(DriverError::Refused {
                code: ErrorCode::Unspec,
                ..
            })
        ),
        "{outcome:?}"
    );
}

fn rig() -> Rig {
    Setup::new(&["640x480"])
        .guest_with_vulkan("vulkan", &["320x240"])
        .start()
}

#[test]
fn the_guest_sees_and_writes_host_memory() {
    let rig = rig();
    let (mut driver, context) = start(&rig, Dialect::QemuGeneric);
    assert_eq!(driver.frontend().window_size(), 4 << 30);
    let (first, second) = (blob(&mut driver, context), blob(&mut driver, context));
    let caching = driver.map_blob(first, 8 * PAGE).unwrap();
    assert_eq!(caching, 1, "memory of the CPU is cached");
    driver.map_blob(second, 0).unwrap();

    let window = driver.frontend_mut();
    assert_eq!(window.window_pieces(), [(0, SIZE), (8 * PAGE, SIZE)]);
    window
        .write_window(8 * PAGE + 5, b"from the guest")
        .unwrap();
    window.write_window(0, b"another blob").unwrap();
    driver.unmap_blob(first).unwrap();
    assert_eq!(driver.frontend().window_pieces(), [(0, SIZE)]);

    // The same memory at another place.
    driver.map_blob(first, 100 * PAGE).unwrap();
    let mut seen = [0; 14];
    let window = driver.frontend();
    window.read_window(100 * PAGE + 5, &mut seen).unwrap();
    assert_eq!(&seen, b"from the guest");
}

#[test]
fn what_can_not_be_mapped_is_refused_before_the_vmm_is_asked() {
    let rig = rig();
    let (mut driver, context) = start(&rig, Dialect::Crosvm);
    let (first, second) = (blob(&mut driver, context), blob(&mut driver, context));
    driver.map_blob(first, 4 * PAGE).unwrap();
    let size = driver.frontend().window_size();
    for (what, resource, offset) in [
        ("over another", second, 7 * PAGE),
        ("half a page", second, PAGE / 2),
        ("across the end", second, size - PAGE),
        ("nowhere", second, u64::MAX - PAGE + 1),
        ("twice", first, 64 * PAGE),
        ("no blob", 99, 64 * PAGE),
    ] {
        let outcome = driver.map_blob(resource, offset);
        assert!(
            matches!(outcome, Err(DriverError::Refused { .. })),
            "{what}: {outcome:?}"
        );
    }
    assert_eq!(driver.frontend().window_pieces(), [(4 * PAGE, SIZE)]);
    driver.map_blob(second, size - SIZE).unwrap();
}

#[test]
fn a_vmm_that_refuses_or_says_nothing_costs_the_guest_an_error() {
    let rig = rig();
    let (mut driver, context) = start(&rig, Dialect::QemuGeneric);
    let blob = blob(&mut driver, context);
    driver.frontend_mut().set_window_manners(Manners::Refusing);
    refused(driver.map_blob(blob, 0));
    driver.frontend_mut().set_window_manners(Manners::Willing);
    driver.map_blob(blob, 0).unwrap();
    driver.unmap_blob(blob).unwrap();

    driver.frontend_mut().set_window_manners(Manners::Mute);
    refused(driver.map_blob(blob, 0));
    assert!(driver.display_info().is_ok(), "the device goes on");
}

#[test]
fn a_guest_that_starts_again_finds_an_empty_window() {
    // QEMU empties it by itself, crosvm does not.
    for dialect in [Dialect::QemuGeneric, Dialect::Crosvm] {
        let rig = rig();
        let (mut driver, context_of_old) = start(&rig, dialect);
        let old = blob(&mut driver, context_of_old);
        driver.map_blob(old, 0).unwrap();
        driver.reboot().unwrap();
        let context = context(&mut driver);
        let new = blob(&mut driver, context);
        driver.map_blob(new, 0).unwrap();
        assert_eq!(
            driver.frontend().window_pieces(),
            [(0, SIZE)],
            "{dialect:?}"
        );
        let mut seen = [1; 8];
        driver.frontend().read_window(0, &mut seen).unwrap();
        assert_eq!(seen, [0; 8]);
    }
}
