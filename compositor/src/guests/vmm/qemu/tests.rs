use std::path::Path;

use config::{
    Guest,
    guest::{Device, Gpu, Sound},
};

use super::*;

fn installed(version: (u32, u32), devices: &[&str]) -> Installed {
    Installed {
        program: "/usr/bin/qemu-system-x86_64".into(),
        version: Version {
            major: version.0,
            minor: version.1,
        },
        devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        audio_drivers: ["none", "pa", "pipewire"].map(str::to_owned).into(),
        has_user_network: true,
    }
}

const ALL: [&str; 5] = [
    "vhost-user-gpu-pci",
    "vhost-user-vga",
    "vhost-user-test-device-pci",
    "ich9-intel-hda",
    "virtio-sound-pci",
];

fn qemu(dialect: Dialect, engine: Engine) -> Qemu {
    Qemu {
        installed: installed((11, 1), &ALL),
        dialect,
        engine,
        engine_is_a_guess: true,
        player: None,
    }
}

fn launch(qemu: &Qemu, guest: &Guest) -> String {
    let folder = Path::new("/run/l");
    let seat = Seat {
        name: "deb",
        guest,
        socket: Path::new("/run/l/deb.gpu"),
        inputs: &[
            (InputDevice::Keyboard, "/run/l/deb.keyboard".into()),
            (InputDevice::Pointer, "/run/l/deb.pointer".into()),
        ],
        folder,
    };
    qemu.launch(seat).unwrap().to_string()
}

#[test]
fn a_kernel_with_the_generic_device_under_tcg() {
    let guest = Guest {
        kernel: Some("/boot/vmlinuz".into()),
        initrd: Some("/boot/initrd".into()),
        append: Some("console=tty0 quiet".to_owned()),
        ..Guest::default()
    };
    assert_eq!(
        launch(&qemu(Dialect::Generic, Engine::Tcg), &guest),
        "/usr/bin/qemu-system-x86_64 -no-user-config -nodefaults -name deb \
         -machine q35,memory-backend=ram \
         -object memory-backend-memfd,id=ram,size=2048M,share=on,seal=on \
         -accel tcg,thread=multi -cpu max -smp 2 -m 2048M -display none -vga none \
         -chardev stdio,id=console,signal=off -serial chardev:console \
         -qmp unix:/run/l/deb.qmp,server=on,wait=off \
         -kernel /boot/vmlinuz -initrd /boot/initrd -append 'console=tty0 quiet' \
         -chardev socket,id=gpu,path=/run/l/deb.gpu \
         -device vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,\
         config_size=16,addr=0x10 \
         -chardev socket,id=keyboard,path=/run/l/deb.keyboard \
         -device vhost-user-input-pci,chardev=keyboard,addr=0x16 \
         -chardev socket,id=pointer,path=/run/l/deb.pointer \
         -device vhost-user-input-pci,chardev=pointer,addr=0x17 \
         -netdev user,id=network -device virtio-net-pci,netdev=network,romfile=,addr=0x12 \
         -device virtio-rng-pci,addr=0x13 \
         -device virtio-balloon-pci,free-page-reporting=on,addr=0x14"
    );
}

#[test]
fn a_disk_with_the_gpu_device_under_kvm() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("d.qcow2");
    std::fs::write(&disk, b"QFI\xfb").unwrap();
    let guest = Guest {
        scanouts: vec![config::Mode::new(640, 480); 6],
        memory: "1G".parse().unwrap(),
        cpus: 4,
        vmm: config::guest::Vmm {
            arguments: vec!["-snapshot".to_owned()],
            ..Default::default()
        },
        disk: Some(disk.clone()),
        ..Guest::default()
    };
    let mut qemu = qemu(Dialect::Gpu, Engine::Kvm);
    qemu.installed.has_user_network = false;
    let line = launch(&qemu, &guest).replace(disk.to_str().unwrap(), "DISK");
    for expected in [
        " -object memory-backend-memfd,id=ram,size=1024M,share=on,seal=on -accel kvm -cpu host -smp 4 \
         -m 1024M ",
        " -device vhost-user-gpu-pci,chardev=gpu,max_outputs=6,addr=0x10 ",
        " -drive if=none,id=disk,format=qcow2,discard=unmap,file=DISK \
         -device virtio-blk-pci,drive=disk,addr=0x11 ",
    ] {
        assert!(line.contains(expected), "{line}");
    }
    assert!(!line.contains("-netdev"), "{line}");
    assert!(line.ends_with(" -snapshot"), "{line}");
}

/// The line for a kernel with the user's own arguments.
fn with_own(arguments: &str) -> String {
    let words = arguments.split_whitespace().map(str::to_owned);
    let guest = Guest {
        kernel: Some("/boot/vmlinuz".into()),
        vmm: config::guest::Vmm {
            arguments: words.collect(),
            ..Default::default()
        },
        ..Guest::default()
    };
    let mut qemu = qemu(Dialect::Gpu, Engine::Kvm);
    qemu.player = Some(Player::PipeWire);
    launch(&qemu, &guest)
}

#[test]
fn what_the_user_gives_is_not_given_twice() {
    let line = with_own("-snapshot");
    for ours in [
        "-accel kvm -cpu host ",
        "-smp 2 ",
        "-m 2048M ",
        "-serial chardev:console ",
        "-netdev user,",
        "-audiodev pipewire,",
        "virtio-rng-pci",
        "virtio-balloon-pci",
    ] {
        assert!(line.contains(ours), "{line}");
    }
    for (own, ours) in [
        ("-accel tcg", "-accel kvm"),
        ("-cpu Haswell", "-cpu host"),
        ("-smp cores=4", "-smp 2"),
        ("-serial null", "chardev:console"),
        ("-nic none", "-netdev"),
        ("-audiodev alsa,id=a", "hda"),
        ("-device virtio-rng-pci,addr=3", "virtio-rng-pci,addr=0x13"),
        ("-device virtio-balloon", "free-page-reporting"),
    ] {
        let line = with_own(own);
        assert!(!line.contains(ours), "{line}");
        assert!(line.ends_with(own), "{line}");
    }
}

#[test]
fn memory_of_the_user_s_own_size_is_shared_with_the_device_too() {
    let line = with_own("-m 4G");
    assert!(
        line.contains("-object memory-backend-memfd,id=ram,size=4G,share=on,seal=on "),
        "{line}"
    );
    assert!(!line.contains("-m 2048M"), "{line}");

    let line = with_own("-machine memory-backend=mine");
    assert!(line.contains("-machine q35 "), "{line}");
    assert!(!line.contains("memory-backend-memfd"), "{line}");
}

#[test]
fn an_accelerator_of_the_user_s_own_gets_a_processor_that_it_has() {
    assert!(with_own("-accel tcg").contains("-cpu max "));
}

#[test]
fn sound_goes_to_what_the_session_has() {
    let all = installed((10, 0), &ALL);
    let choose = |wanted, installed: &Installed, there: &[Player]| {
        Player::choose(wanted, installed, |player| there.contains(&player))
            .map_err(|error| error.to_string())
    };
    let both = [Player::PipeWire, Player::Pulse];
    assert_eq!(choose(Sound::Auto, &all, &both), Ok(Some(Player::PipeWire)));
    assert_eq!(
        choose(Sound::Auto, &all, &[Player::Pulse]),
        Ok(Some(Player::Pulse))
    );
    assert_eq!(choose(Sound::Auto, &all, &[]), Ok(None));
    assert_eq!(choose(Sound::None, &all, &both), Ok(None));
    assert_eq!(choose(Sound::Pulse, &all, &both), Ok(Some(Player::Pulse)));

    let old = Installed {
        audio_drivers: ["none", "pa"].map(str::to_owned).into(),
        ..installed((7, 2), &ALL)
    };
    assert_eq!(choose(Sound::Auto, &old, &both), Ok(Some(Player::Pulse)));
    let error = choose(Sound::PipeWire, &old, &both).unwrap_err();
    assert_eq!(
        error,
        "Could not play the guest's sound through PipeWire: QEMU 7.2 (/usr/bin/qemu-system-x86_64) \
         has no driver pipewire for it. Install its audio modules (Debian and Ubuntu: \
         qemu-system-gui, Fedora: qemu-audio-pipewire), or choose another value of `sound`"
    );
    let error = choose(Sound::Pulse, &all, &[]).unwrap_err();
    assert!(error.contains("no socket of it is in"), "{error}");
}

#[test]
fn the_microphone_is_private_unless_it_is_given() {
    let mut guest = Guest {
        kernel: Some("/boot/vmlinuz".into()),
        ..Guest::default()
    };
    let mut qemu = qemu(Dialect::Gpu, Engine::Kvm);
    qemu.player = Some(Player::Pulse);
    let line = launch(&qemu, &guest);
    assert!(
        line.ends_with(
            " -audiodev pa,id=sound,out.stream-name=deb,in.stream-name=deb \
             -device ich9-intel-hda,addr=0x15 -device hda-output,audiodev=sound"
        ),
        "{line}"
    );

    guest.microphone = true;
    assert!(launch(&qemu, &guest).ends_with(" -device hda-duplex,audiodev=sound"));

    qemu.installed.devices.remove("ich9-intel-hda");
    let line = launch(&qemu, &guest);
    assert!(
        line.ends_with(" -device virtio-sound-pci,audiodev=sound,streams=2,addr=0x15"),
        "{line}"
    );
}

#[test]
fn other_architectures_have_the_machine_virt() {
    let mut qemu = qemu(Dialect::Generic, Engine::Tcg);
    qemu.installed.program = "/opt/qemu-system-riscv64".into();
    let guest = Guest {
        kernel: Some("/Image".into()),
        ..Guest::default()
    };
    assert!(launch(&qemu, &guest).contains(" -machine virt,memory-backend=ram "));

    qemu.installed.program = "/opt/qemu-system-m68k".into();
    assert!(matches!(
        qemu.installed.architecture(),
        Err(Error::UnknownMachine(_))
    ));
}

#[test]
fn the_best_device_is_chosen() {
    let choose = |wanted, version, devices: &[&str]| {
        Dialect::choose(wanted, Gpu::Auto, &installed(version, devices))
            .map_err(|error| error.to_string())
    };
    assert_eq!(choose(Device::Auto, (11, 1), &ALL), Ok(Dialect::Generic));
    assert_eq!(choose(Device::Auto, (11, 1), &ALL[..2]), Ok(Dialect::Gpu));
    // The device's name existed before users could create it.
    assert_eq!(choose(Device::Auto, (10, 1), &ALL), Ok(Dialect::Gpu));
    assert_eq!(choose(Device::Vga, (8, 2), &ALL), Ok(Dialect::Vga));
    assert_eq!(choose(Device::Gpu, (11, 1), &ALL), Ok(Dialect::Gpu));
}

#[test]
fn what_a_qemu_cannot_do_is_named() {
    let refuse = |wanted, version, devices: &[&str]| {
        Dialect::choose(wanted, Gpu::Virgl, &installed(version, devices))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refuse(Device::Generic, (10, 0), &ALL),
        "Could not use the device vhost-user-test-device-pci with QEMU 10.0 \
         (/usr/bin/qemu-system-x86_64): it needs QEMU 10.2 or newer. \
         Update QEMU, or choose another device with --device"
    );
    assert!(refuse(Device::Auto, (4, 2), &ALL).contains("it needs QEMU 5.0 or newer"));
    assert!(refuse(Device::Auto, (9, 0), &[]).contains("it has no such device. Install"));
}

#[test]
fn vulkan_needs_a_device_that_shows_the_host_s_memory() {
    let choose = |wanted, version, devices: &[&str]| {
        Dialect::choose(wanted, Gpu::Venus, &installed(version, devices))
            .map_err(|error| error.to_string())
    };
    assert_eq!(choose(Device::Auto, (11, 1), &ALL), Ok(Dialect::Generic));
    assert_eq!(
        choose(Device::Auto, (10, 2), &ALL).unwrap_err(),
        "Could not give the guest Vulkan (gpu = \"venus\") on the device \
         vhost-user-test-device-pci of QEMU 10.2 (/usr/bin/qemu-system-x86_64): only the generic \
         device of QEMU 11.1 or newer shows guests the host's memory. Update QEMU and leave \
         `device` out, or choose gpu = \"virgl\""
    );
    for (wanted, devices) in [(Device::Gpu, &ALL[..]), (Device::Auto, &ALL[..2])] {
        let error = choose(wanted, (11, 1), devices).unwrap_err();
        assert!(
            error.contains("device vhost-user-gpu-pci of QEMU 11.1"),
            "{error}"
        );
    }
}

#[test]
fn a_missing_qemu_is_named() {
    let guest = Guest {
        vmm: config::guest::Vmm {
            program: Some("qemu-none".into()),
            ..Default::default()
        },
        ..Guest::default()
    };
    let error = Qemu::find(&guest).unwrap_err().to_string();
    assert!(
        error.starts_with("Could not find \"qemu-none\" in $PATH. Install QEMU"),
        "{error}"
    );
}

#[test]
fn kvm_that_dies_is_noticed_only_where_it_was_a_guess() {
    let line = "KVM internal error. Suberror: 1";
    let mut qemu = qemu(Dialect::Gpu, Engine::Kvm);
    assert!(qemu.refutes_kvm(line));
    assert!(!qemu.refutes_kvm("Linux version 7.2"));
    qemu.engine_is_a_guess = false;
    assert!(!qemu.refutes_kvm(line));
}
