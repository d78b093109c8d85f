//! A guest that means harm reaches nobody but itself.

use std::fs;

use guest::{
    driver::Driver,
    kms::BufferKind,
    virtqueue::{Descriptor, INDIRECT, NEXT, WRITE},
};
use protocols::{
    ipc::GuestState,
    virtio_gpu::{Command, Format, MemEntry, Rect},
};

use super::{
    guest_side::{is_frame, screen, settle, show},
    rig::{Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

/// The size of the guest that must not notice. It does not cover all of the other.
const GOOD: (u32, u32) = (160, 120);

/// A guest that means harm, and one that must not notice.
fn rig() -> Rig {
    Setup::new(&["640x480"])
        .guest("evil", &["320x240"])
        .guest("good", &["160x120"])
        .start()
}

/// Runs `attack`, while and after which the other guest shows its pictures. Neither the attacker's
/// device nor the compositor may grow, let alone end.
fn attack(attack: impl FnOnce(&Rig, &mut Driver)) {
    let rig = rig();
    let mut good = rig.driver("good");
    let mut good_screen = screen(&mut good, 0, GOOD, BufferKind::Dumb2d);
    show(&mut good, &mut good_screen, 1);
    rig.wait_for_picture(&scanout("good", 0), is_frame(GOOD, 1));
    let mut evil = rig.driver("evil");
    let mut evil_screen = screen(&mut evil, 0, SIZE, BufferKind::Dumb2d);
    show(&mut evil, &mut evil_screen, 2);
    rig.wait_for_picture(&scanout("evil", 0), is_frame(SIZE, 2));
    let before = rig.guests();
    let processes = [before[0].device_pid.unwrap(), rig.pid()];
    let memory = processes.map(private_memory);

    attack(&rig, &mut evil);

    is_frame(GOOD, 1)(&rig.shot(&scanout("good", 0))).unwrap();
    is_frame(SIZE, 2)(&rig.shot(&scanout("evil", 0))).unwrap();
    show(&mut good, &mut good_screen, 3);
    rig.wait_for_picture(&scanout("good", 0), is_frame(GOOD, 3));
    let after = rig.guests();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (after.device_pid, after.state),
            (before.device_pid, GuestState::Running)
        );
    }
    for (process, before) in processes.into_iter().zip(memory) {
        let grown = private_memory(process).saturating_sub(before);
        assert!(
            grown < 32 << 20,
            "{processes:?}: {process} grew by {grown} bytes"
        );
    }

    // A better driver can begin anew.
    evil.reboot().unwrap();
    evil.take_failures();
    evil_screen.abandon(&mut evil);
    let mut evil_screen = screen(&mut evil, 0, SIZE, BufferKind::Blob);
    show(&mut evil, &mut evil_screen, 4);
    rig.wait_for_picture(&scanout("evil", 0), is_frame(SIZE, 4));
}

/// Bytes of a process that are its own: the guest's memory, which is mapped there, is not.
fn private_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kibibytes * 1024
}

fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> Descriptor {
    Descriptor {
        address,
        length,
        flags,
        next,
    }
}

/// Makes a head available whose descriptors are these, and lets the device see it.
fn offer(driver: &mut Driver, queue: u16, head: u16, descriptors: &[Descriptor]) {
    let index = usize::from(queue);
    let mut raw = driver.queue_mut(queue).unwrap().raw();
    for (place, descriptor) in (0..).zip(descriptors) {
        raw.set_descriptor(place, *descriptor).unwrap();
    }
    raw.publish(head).unwrap();
    driver.frontend().kick(index).unwrap();
    settle(driver);
}

#[test]
fn chains_that_are_none() {
    attack(|_, driver| {
        let page = driver.ram_mut().allocate(4096).unwrap().address;
        let nowhere = 0x7f_0000_0000;
        let chains: Vec<(u16, Vec<Descriptor>)> = vec![
            // Round in circles, and out of the table.
            (0, vec![descriptor(page, 24, NEXT, 0)]),
            (
                0,
                vec![descriptor(page, 24, NEXT, 1), descriptor(page, 24, NEXT, 0)],
            ),
            (0, vec![descriptor(page, 24, NEXT, 60_000)]),
            (60_000, vec![]),
            (u16::MAX, vec![]),
            // Outside of memory, across its end, of no and of all length.
            (0, vec![descriptor(nowhere, 24, 0, 0)]),
            (0, vec![descriptor(u64::MAX - 8, 24, 0, 0)]),
            (0, vec![descriptor(page, u32::MAX, 0, 0)]),
            (0, vec![descriptor(page, 0, 0, 0)]),
            (
                0,
                vec![
                    descriptor(page, 24, NEXT, 1),
                    descriptor(nowhere, 24, WRITE, 0),
                ],
            ),
            (
                0,
                vec![
                    descriptor(page, 24, NEXT, 1),
                    descriptor(page, u32::MAX, WRITE, 0),
                ],
            ),
            // Written before it is read.
            (
                0,
                vec![
                    descriptor(page, 24, NEXT | WRITE, 1),
                    descriptor(page, 24, 0, 0),
                ],
            ),
            // Indirect tables: nested, empty, odd, nowhere, too long, with a successor.
            (0, vec![descriptor(page, 0, INDIRECT, 0)]),
            (0, vec![descriptor(page, 15, INDIRECT, 0)]),
            (0, vec![descriptor(nowhere, 16, INDIRECT, 0)]),
            (0, vec![descriptor(page, 0xffff_fff0, INDIRECT, 0)]),
            (
                0,
                vec![
                    descriptor(page, 16, INDIRECT | NEXT, 1),
                    descriptor(page, 24, 0, 0),
                ],
            ),
            (0, vec![descriptor(page, 16, INDIRECT | WRITE, 0)]),
        ];
        let mut nested = [0; 16];
        nested.copy_from_slice(&descriptor(page, 16, INDIRECT, 0).to_bytes());
        for queue in [0, 1] {
            for (head, descriptors) in &chains {
                driver.ram().write(page, &nested).unwrap();
                offer(driver, queue, *head, descriptors);
                // The ring may be given up now, until a driver sets it up again.
                driver.reboot().unwrap();
                driver.display_info().unwrap();
            }
        }
    });
}

#[test]
fn rings_whose_indices_run_away() {
    attack(|_, driver| {
        for queue in [0, 1] {
            for index in [0x8000, 0xffff, 300] {
                let mut raw = driver.queue_mut(queue).unwrap().raw();
                raw.set_available_index(index).unwrap();
                driver.frontend().kick(usize::from(queue)).unwrap();
                settle(driver);
                driver.reboot().unwrap();
                driver.display_info().unwrap();
            }
        }
        // The same chain again and again, unanswered or not.
        let page = driver.ram_mut().allocate(4096).unwrap().address;
        let mut raw = driver.queue_mut(0).unwrap().raw();
        raw.set_descriptor(0, descriptor(page, 24, 0, 0)).unwrap();
        for _ in 0..200 {
            raw.publish(0).unwrap();
        }
        driver.frontend().kick(0).unwrap();
        settle(driver);
    });
}

#[test]
fn answers_into_the_device_s_own_rings() {
    attack(|_, driver| {
        let page = driver.ram_mut().allocate(4096).unwrap().address;
        let mut request = Vec::new();
        Command::GetDisplayInfo.encode(&protocols::virtio_gpu::Header::default(), &mut request);
        driver.ram().write(page, &request).unwrap();
        for queue in [0, 1] {
            let tables = driver.queue_mut(queue).unwrap();
            let parts = [
                tables.descriptor_table(),
                tables.available_ring(),
                tables.used_ring(),
            ];
            for part in parts {
                let chain = [
                    descriptor(page, 24, NEXT, 1),
                    descriptor(part, 408, WRITE, 0),
                ];
                offer(driver, queue, 0, &chain);
                driver.reboot().unwrap();
                driver.display_info().unwrap();
            }
        }
    });
}

#[test]
fn ids_and_numbers_of_all_sizes() {
    attack(|_, driver| {
        let numbers = [
            0,
            1,
            2,
            15,
            16,
            17,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fffe,
            u32::MAX,
        ];
        for kind in (0x100..0x10e).chain(0x200..0x20a).chain(0x300..0x302) {
            for number in numbers {
                // Each field of each command is this number.
                let mut request = vec![0; 24];
                request[..4].copy_from_slice(&u32::to_le_bytes(kind));
                request.extend(number.to_le_bytes().repeat(40));
                let queue = u16::from(kind >= 0x300);
                let ticket = driver.submit_bytes(queue, &request, 24).unwrap();
                driver.wait(ticket, super::rig::PATIENCE).unwrap();
            }
        }
    });
}

#[test]
fn a_storm_of_commands() {
    attack(|rig, driver| {
        let page = driver.ram_mut().allocate(4096).unwrap().address;
        let entry = MemEntry {
            addr: page,
            length: 4096,
        };
        driver.create_2d(90, Format::Bgra8888, 32, 32).unwrap();
        driver.attach_backing(90, &[entry]).unwrap();
        let small = Rect::from_size(32, 32);
        let storm = [
            // What is refused, what leaks where a device is careless, what is slow on a screen.
            Command::ResourceCreate2d {
                resource_id: 90,
                format: 1,
                width: 64,
                height: 64,
            },
            Command::ResourceCreate2d {
                resource_id: 91,
                format: 1,
                width: 64,
                height: 64,
            },
            Command::ResourceAttachBacking {
                resource_id: 91,
                entries: vec![entry; 4],
            },
            Command::ResourceAttachBacking {
                resource_id: 91,
                entries: vec![entry; 4],
            },
            Command::ResourceUnref { resource_id: 91 },
            Command::TransferToHost2d {
                rect: small,
                offset: 0,
                resource_id: 90,
            },
            Command::UpdateCursor {
                scanout_id: 0,
                x: 1,
                y: 2,
                resource_id: 90,
                hot_x: 0,
                hot_y: 0,
            },
            Command::MoveCursor {
                scanout_id: 0,
                x: 3,
                y: 4,
                resource_id: 90,
                hot_x: 0,
                hot_y: 0,
            },
            Command::GetEdid { scanout: 0 },
            Command::ResourceAssignUuid { resource_id: 90 },
        ];
        for number in 0..100_000 {
            driver.tell(&storm[number % storm.len()]).unwrap();
            if number % 20_000 == 0 {
                is_frame(GOOD, 1)(&rig.shot(&scanout("good", 0))).unwrap();
            }
        }
        driver.display_info().unwrap();
        driver.hide_cursor(0).unwrap();
        let refused = driver.take_failures().len();
        assert!(refused >= 20_000, "{refused}");
    });
}

#[test]
fn a_storm_of_scanouts_and_flushes() {
    attack(|rig, driver| {
        let page = driver.ram_mut().allocate(64 * 64 * 4).unwrap();
        let entry = MemEntry {
            addr: page.address,
            length: u32::try_from(page.length).unwrap(),
        };
        let rect = Rect::from_size(64, 64);
        let before = rig.stats("evil", 0);
        for number in 0..4_000 {
            let id = 100 + number % 7;
            driver.create_2d(id, Format::Bgra8888, 64, 64).unwrap();
            driver.attach_backing(id, &[entry]).unwrap();
            driver.set_scanout(0, id, rect).unwrap();
            driver.flush(id, rect).unwrap();
            driver.unref(id).unwrap();
        }
        let after = rig.stats("evil", 0);
        assert_eq!(after.frames_flushed - before.frames_flushed, 4_000);
        let mut last = screen(driver, 0, SIZE, BufferKind::Dumb2d);
        show(driver, &mut last, 2);
        rig.wait_for_picture(&scanout("evil", 0), is_frame(SIZE, 2));
    });
}

#[test]
fn messages_that_are_no_vhost_user() {
    let rig = rig();
    let mut good = rig.driver("good");
    let mut good_screen = screen(&mut good, 0, GOOD, BufferKind::Dumb2d);
    show(&mut good, &mut good_screen, 1);
    rig.wait_for_picture(&scanout("good", 0), is_frame(GOOD, 1));
    let device = rig.guest("evil").device_pid;
    for attack in 0..8_u32 {
        let mut evil = rig.driver("evil");
        let mut evil_screen = screen(&mut evil, 0, SIZE, BufferKind::Blob);
        show(&mut evil, &mut evil_screen, attack + 2);
        rig.wait_for_picture(&scanout("evil", 0), is_frame(SIZE, attack + 2));
        let frontend = evil.frontend();
        // Whatever the device makes of it: at the end it listens again.
        let _ = match attack {
            0 => frontend.send_raw_bytes(&[0xff; 4096]),
            1 => frontend.send_raw(9999, 1, &[0; 64], &[]),
            2 => frontend.send_raw_bytes(&[5, 0, 0, 0, 1]),
            3 => frontend.send_raw(5, 1, &[0xff; 8], &[]),
            4 => frontend.send_raw(9, 1, &[0xff; 40], &[]),
            5 => frontend.send_raw(10, 1, &[0xff; 8], &[]),
            6 => frontend.send_raw(12, 1, &[0xff; 8], &[]),
            _ => frontend.send_raw_bytes(&[0; 12]),
        };
        drop(evil);
        is_frame(SIZE, attack + 2)(&rig.shot(&scanout("evil", 0))).unwrap();
    }
    is_frame(GOOD, 1)(&rig.shot(&scanout("good", 0))).unwrap();
    assert_eq!(rig.guest("evil").device_pid, device);
}
