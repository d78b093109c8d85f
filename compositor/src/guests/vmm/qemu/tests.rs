use config::Guest;

use super::*;

fn installed(version: (u32, u32), devices: &[&str]) -> Installed {
    Installed {
        program: "/usr/bin/qemu-system-x86_64".into(),
        version: Version {
            major: version.0,
            minor: version.1,
        },
        devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        has_user_network: true,
    }
}

const ALL: [&str; 3] = [
    "vhost-user-gpu-pci",
    "vhost-user-vga",
    "vhost-user-test-device-pci",
];

fn qemu(dialect: Dialect, engine: Engine) -> Qemu {
    Qemu {
        installed: installed((11, 1), &ALL),
        dialect,
        engine,
        engine_is_a_guess: true,
    }
}

fn launch(qemu: &Qemu, guest: &Guest) -> String {
    let folder = Path::new("/run/l");
    let seat = Seat {
        name: "deb",
        guest,
        socket: Path::new("/run/l/deb.gpu"),
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
        "/usr/bin/qemu-system-x86_64 -nodefaults -name deb -machine q35,memory-backend=ram \
         -accel tcg,thread=multi -cpu max -smp 2 -m 2048M \
         -object memory-backend-memfd,id=ram,size=2048M,share=on,seal=on -display none -vga none \
         -chardev stdio,id=console,signal=off -serial chardev:console -device virtio-rng-pci \
         -nic user,model=virtio-net-pci -chardev socket,id=gpu,path=/run/l/deb.gpu \
         -device vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,\
         config_size=16 -kernel /boot/vmlinuz -initrd /boot/initrd -append 'console=tty0 quiet'"
    );
}

#[test]
fn a_disk_with_the_gpu_device_under_kvm() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("d.qcow2");
    std::fs::write(&disk, b"QFI\xfb").unwrap();
    let guest = Guest {
        scanouts: vec![config::Mode::new(640, 480); 3],
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
    assert_eq!(
        launch(&qemu, &guest).replace(disk.to_str().unwrap(), "DISK"),
        "/usr/bin/qemu-system-x86_64 -nodefaults -name deb -machine q35,memory-backend=ram \
         -accel kvm -cpu host -smp 4 -m 1024M \
         -object memory-backend-memfd,id=ram,size=1024M,share=on,seal=on -display none -vga none \
         -chardev stdio,id=console,signal=off -serial chardev:console -device virtio-rng-pci \
         -chardev socket,id=gpu,path=/run/l/deb.gpu \
         -device vhost-user-gpu-pci,chardev=gpu,max_outputs=3 \
         -drive if=virtio,format=qcow2,file=DISK -snapshot"
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
        Dialect::choose(wanted, &installed(version, devices)).map_err(|error| error.to_string())
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
        Dialect::choose(wanted, &installed(version, devices))
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
