use std::{fs, path::Path};

use super::*;
use crate::{
    guest::{Accel, Device, Firmware, Fit, Gpu, Grab, InputDevice, Pointer, Restart, VmmKind},
    kiosk::OnGuestExit,
    log::Level,
    output::Transform,
};

fn mistakes(text: &str) -> String {
    Config::parse(text)
        .expect_err("the text has a mistake")
        .to_string()
}

/// The default file with its examples: lines that begin with `#` and no space.
fn default_with_examples() -> String {
    let uncomment = |line: &'static str| match line.strip_prefix('#') {
        Some(code) if !code.is_empty() && !code.starts_with(' ') => code,
        _ => line,
    };
    DEFAULT
        .lines()
        .map(uncomment)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_default_file_means_what_no_file_means() {
    assert_eq!(Config::parse(DEFAULT), Ok(Config::default()));
    assert_eq!(Config::parse(""), Ok(Config::default()));
}

#[test]
fn every_example_of_the_default_file_parses() {
    let config = Config::parse(&default_with_examples()).unwrap_or_else(|error| panic!("{error}"));

    let names: Vec<&str> = config.guests.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["clock", "crosvm", "debian", "kernel", "mine", "uml"]
    );
    assert_eq!(config.guests["clock"].position, Some((1500, 40)));
    assert_eq!(config.guests["crosvm"].vmm.kind, VmmKind::Custom);
    let outputs: Vec<Option<&str>> = config.outputs.iter().map(|o| o.name.as_deref()).collect();
    assert_eq!(outputs, [Some("left"), Some("DP-1"), None]);
    assert_eq!(config.outputs[2].make.as_deref(), Some("DEL"));
    assert_eq!(config.kiosk.autostart, Some(vec!["debian".to_owned()]));
    assert!(config.kms.device.is_some());
    assert_eq!(config.input.keyboard.layout, "us,de");
    assert_eq!(
        config.input.device["TV remote control"].enabled,
        Some(false)
    );
    assert!(config.log.filter.is_some());
}

#[test]
fn the_examples_of_the_readme_parse() {
    let readme = include_str!("../../README.md");
    let examples: Vec<&str> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        Config::parse(example).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The keys that a section knows, as serde names them when it meets another one.
fn keys_of<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let error = toml::from_str::<T>("no_such_key = 1").err().unwrap();
    let message = error.message().to_owned();
    let known = message.split_once("expected").unwrap().1;
    // What stands between backticks.
    let keys = known.split('`').skip(1).step_by(2);
    keys.map(str::to_owned).collect()
}

#[test]
fn the_default_file_documents_every_key() {
    let keys = [
        keys_of::<Guest>(),
        keys_of::<guest::Vmm>(),
        keys_of::<Output>(),
        keys_of::<Kms>(),
        keys_of::<Kiosk>(),
        keys_of::<input::Keyboard>(),
        keys_of::<input::Device>(),
        keys_of::<Keys>(),
        keys_of::<Log>(),
    ]
    .concat();
    assert!(keys.len() > 50, "{keys:?}");
    let text = default_with_examples();
    for key in keys {
        let is_there = text.lines().any(|line| {
            let words = line.split([' ', '{', ',']).filter(|word| !word.is_empty());
            let words: Vec<&str> = words.collect();
            words.windows(2).any(|pair| pair == [key.as_str(), "="])
        });
        assert!(is_there, "default.toml says nothing of {key}");
    }
}

#[test]
fn values_of_the_examples_are_the_defaults() {
    let config = Config::parse(&default_with_examples()).unwrap();
    let debian = Guest {
        disk: Some("~/images/debian.qcow2".into()),
        scanouts: vec![Mode::new(1280, 800), Mode::new(1920, 1080)],
        max_scanouts: Some(4),
        scale: guest::Scale::new(1.0),
        gpu_device: Some("/dev/dri/renderD128".into()),
        ..Guest::default()
    };
    assert_eq!(config.guests["debian"], debian);
}

#[test]
fn every_key_of_a_guest_is_read() {
    let config = Config::parse(
        r#"
        renderer = "pixman"
        [guest.full]
        disk = "a.raw"
        kernel = "k"
        initrd = "i"
        append = "quiet"
        memory = "512M"
        cpus = 4
        scanouts = ["640x480@75"]
        gpu = "virgl"
        gpu_device = "/dev/dri/renderD129"
        device = "vga"
        accel = "tcg"
        firmware = "/fw.fd"
        autostart = false
        restart = "always"
        on_close = "detach"
        max_scanouts = 2
        input = ["mouse", "keyboard"]
        pointer = "relative"
        grab = "never"
        vmm = { kind = "qemu", program = "qemu", arguments = ["-snapshot"] }
        [log]
        level = "debug"
        "#,
    )
    .unwrap();

    assert_eq!(config.renderer, Renderer::Pixman);
    assert_eq!(config.log.level, Level::Debug);
    let guest = &config.guests["full"];
    assert_eq!(guest.memory.mebibytes(), 512);
    assert_eq!(guest.cpus, 4);
    assert_eq!(
        guest.scanouts,
        [Mode {
            width: 640,
            height: 480,
            millihertz: 75_000
        }]
    );
    assert_eq!(guest.gpu, Gpu::Virgl);
    assert_eq!(
        guest.gpu_device.as_deref(),
        Some(Path::new("/dev/dri/renderD129"))
    );
    assert_eq!(guest.device, Device::Vga);
    assert_eq!(guest.accel, Accel::Tcg);
    assert_eq!(guest.firmware, Firmware::File("/fw.fd".into()));
    assert!(!guest.autostart);
    assert_eq!(guest.restart, Restart::Always);
    assert_eq!(guest.on_close, guest::OnClose::Detach);
    assert_eq!(guest.connectors(), 2);
    assert_eq!(guest.input, [InputDevice::Mouse, InputDevice::Keyboard]);
    assert_eq!(guest.pointer, Pointer::Relative);
    assert_eq!(guest.grab, Grab::Never);
    assert_eq!(guest.vmm.program.as_deref(), Some(Path::new("qemu")));
    assert_eq!(guest.vmm.arguments, ["-snapshot"]);
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_known_one() {
    let text = "[guest.debian]\ndisk = \"d.qcow2\"\nmemroy = \"2G\"\n";
    assert_eq!(
        mistakes(text),
        "3:1: Unknown key `memroy`\n    \
         3 | memroy = \"2G\"\n      \
           | ^^^^^^\n      \
           Hint: Did you mean `memory`?"
    );
}

#[test]
fn an_unknown_key_deep_inside_is_an_error_too() {
    let text = "[guest.a]\nkernel = \"k\"\nvmm = { kind = \"qemu\", args = [] }\n";
    let message = mistakes(text);
    assert!(
        message.starts_with("3:24: Unknown key `args`\n"),
        "{message}"
    );
}

#[test]
fn an_unknown_section_is_an_error() {
    let message = mistakes("[guests.a]\ndisk = \"d\"\n");
    assert!(
        message.starts_with("1:2: Unknown key `guests`"),
        "{message}"
    );
    assert!(
        message.ends_with("Hint: Did you mean `guest`?"),
        "{message}"
    );
}

#[test]
fn an_unknown_value_is_an_error_with_the_known_ones() {
    let message = mistakes("[guest.a]\ndisk = \"d\"\ngpu = \"vulkan\"\n");
    assert!(
        message.starts_with("3:7: Unknown value `vulkan`"),
        "{message}"
    );
    assert!(
        message.ends_with("Hint: Known here: auto, 2d, virgl, venus"),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_pointed_at() {
    let message = mistakes("[guest.a]\ndisk = \"d\"\ncpus = \"two\"\n");
    assert!(
        message.starts_with("3:8: Invalid type: string \"two\", expected u32"),
        "{message}"
    );
}

#[test]
fn a_bad_mode_is_quoted_and_its_list_pointed_at() {
    let message = mistakes("[guest.a]\ndisk = \"d\"\nscanouts = [\"640x480\", \"1280\"]\n");
    assert!(
        message.starts_with("3:12: Could not read \"1280\" as a mode"),
        "{message}"
    );
}

#[test]
fn a_syntax_error_is_pointed_at() {
    let message = mistakes("[guest.a]\ndisk = \n");
    assert!(message.starts_with("2:"), "{message}");
    assert!(message.contains("2 | disk = "), "{message}");
}

#[test]
fn every_section_reports_its_own_mistake_in_order_of_the_text() {
    let text = "[log]\nlevel = \"loud\"\n[guest.b]\ndisk = 1\n[guest.a]\ncpus = 0\ndisk = \"d\"\n";
    let problems = Config::parse(text).unwrap_err();
    let lines: Vec<usize> = problems.list().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn columns_count_characters_not_bytes() {
    let problems =
        Config::parse("[log]\nlevel = \"info\" # äöü\nfilter = \"ä\" \"b\"\n").unwrap_err();
    let problem = &problems.list()[0];
    assert_eq!((problem.line, problem.column), (3, 14), "{problems}");
}

#[test]
fn a_guest_needs_something_to_boot() {
    let message = mistakes("[guest.empty]\nmemory = \"1G\"\n");
    assert!(
        message.starts_with("1:8: Could not find anything to boot"),
        "{message}"
    );

    let message = mistakes("[guest.a]\nvmm = { kind = \"uml\" }\n");
    assert!(message.contains("User Mode Linux program"), "{message}");

    let message = mistakes("[guest.a]\nvmm = { kind = \"custom\" }\n");
    assert!(
        message.starts_with("2:1: Could not find a program"),
        "{message}"
    );
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    let message = mistakes("[guest.a]\ndisk = \"d\"\nappend = \"quiet\"\n");
    assert!(
        message.starts_with("3:1: Could not use `append` without `kernel`"),
        "{message}"
    );

    let text = "[guest.a]\nkernel = \"linux\"\ndevice = \"vga\"\nvmm = { kind = \"uml\" }\n";
    let message = mistakes(text);
    assert!(
        message.starts_with("3:1: Could not use `device` with this VMM"),
        "{message}"
    );
}

#[test]
fn bounds_are_checked() {
    for (line, column) in [
        ("scanouts = []", 1),
        ("cpus = 0", 1),
        ("cpus = 256", 1),
        ("cpus = -1", 8),
        ("memory = \"1\"", 10),
    ] {
        let problems = Config::parse(&format!("[guest.a]\ndisk = \"d\"\n{line}\n")).unwrap_err();
        let problem = &problems.list()[0];
        assert_eq!((problem.line, problem.column), (3, column), "{problems}");
    }
    let seventeen = ["\"640x480\""; 17].join(", ");
    mistakes(&format!(
        "[guest.a]\ndisk = \"d\"\nscanouts = [{seventeen}]\n"
    ));
    mistakes("[[output]]\nscale = 0.0\n");
    mistakes("[[output]]\nscale = nan\n");
}

#[test]
fn input_devices_are_named_once_and_fit_the_pointer() {
    for (lines, wanted) in [
        (
            "input = [\"pen\", \"touch\", \"pen\"]",
            "3:1: Could not give a guest the input device pen twice",
        ),
        (
            "pointer = \"absolute\"\ninput = [\"mouse\"]",
            "3:1: Could not use the pointer that way without the input device pointer",
        ),
        (
            "pointer = \"relative\"\ninput = []",
            "3:1: Could not use the pointer that way without the input device mouse",
        ),
    ] {
        let message = mistakes(&format!("[guest.a]\ndisk = \"d\"\n{lines}\n"));
        assert!(message.starts_with(wanted), "{message}");
    }
    let config = Config::parse("[guest.a]\ndisk = \"d\"\ninput = []\n").unwrap();
    assert_eq!(config.guests["a"].input, []);
}

#[test]
fn every_input_device_goes_by_its_word() {
    for device in InputDevice::ALL {
        assert_eq!(device.word().parse(), Ok(device));
    }
    let error = "joystick".parse::<InputDevice>().unwrap_err().to_string();
    assert!(error.contains("pointer, mouse"), "{error}");
}

#[test]
fn keys_that_windows_keep_are_chords() {
    let text = "[keys]\nrelease = \"rightctrl\"\nfullscreen = \"\"\n";
    let keys = Config::parse(text).unwrap().keys;
    assert_eq!(keys.release.codes(), [97]);
    assert_eq!(keys.fullscreen, None);
    let message = mistakes("[keys]\nrelease = \"ctrl+hyper\"\n");
    assert!(
        message.starts_with("2:11: Could not find a key named `hyper`"),
        "{message}"
    );
    mistakes("[keys]\nrelease = \"\"\n");
}

#[test]
fn names_of_guests_are_fit_for_file_names() {
    for name in ["debian-13", "a", "Win_11.x"] {
        assert_eq!(guest::check_name(name), Ok(()), "{name}");
    }
    for name in ["", "-x", ".x", "a/b", "a b", "ä", &"a".repeat(33)] {
        assert!(guest::check_name(name).is_err(), "{name}");
    }
    let message = mistakes("[guest.\"a/b\"]\ndisk = \"d\"\n");
    assert!(message.starts_with("1:8: A guest's name"), "{message}");
}

#[test]
fn a_mode_without_a_rate_leaves_the_rate_to_the_monitor() {
    let config = Config::parse(
        "[[output]]\nmode = \"800x600\"\n[[output]]\nmode = \"800x600@60\"\n[[output]]\n",
    )
    .unwrap();
    let rates: Vec<_> = config
        .outputs
        .iter()
        .map(|output| output.mode.map(|mode| mode.millihertz))
        .collect();
    assert_eq!(rates, [Some(None), Some(Some(60_000)), None]);
    assert_eq!(config.outputs[0].headless_mode(), Mode::new(800, 600));
    assert_eq!(config.outputs[2].headless_mode(), Mode::new(1920, 1080));
}

#[test]
fn every_key_of_the_kiosk_is_read() {
    let config = Config::parse(
        r#"
        [kms]
        device = "/dev/dri/card1"
        [kiosk]
        autostart = []
        on_guest_exit = "quit"
        blank_after = 300
        [[output]]
        name = "DP-1"
        position = [1920, 0]
        transform = "flipped-270"
        off = true
        vrr = true
        [guest.a]
        disk = "d"
        outputs = ["DP-1"]
        fit = "integer"
        position = [-5, 6]
        "#,
    )
    .unwrap();
    assert_eq!(
        config.kms.device.as_deref(),
        Some(Path::new("/dev/dri/card1"))
    );
    assert_eq!(config.kiosk.autostart, Some(Vec::new()));
    assert_eq!(config.kiosk.on_guest_exit, OnGuestExit::Quit);
    assert_eq!(config.kiosk.blank_after, 300);
    let output = &config.outputs[0];
    assert_eq!(output.position, Some((1920, 0)));
    assert_eq!(output.transform, Transform::FlippedThreeQuarters);
    assert!(output.off && output.vrr);
    let guest = &config.guests["a"];
    assert_eq!(guest.outputs, ["DP-1"]);
    assert_eq!(guest.fit, Fit::Integer);
    assert_eq!(guest.position, Some((-5, 6)));
}

#[test]
fn mistakes_about_the_kiosk_are_shown_where_they_are() {
    for (text, expected) in [
        (
            "[kms]\ndevice = \"first\"\n",
            "2:10: Could not take \"first\" for a graphics card",
        ),
        (
            "[kiosk]\nblank_after = 90000\n",
            "2:1: Could not wait 90000 seconds",
        ),
        (
            "[kiosk]\non_guest_exit = \"stop\"\n",
            "2:17: Unknown value `stop`",
        ),
        (
            "[[output]]\ntransform = \"45\"\n",
            "2:13: Unknown value `45`",
        ),
        (
            "[input.mouse]\naccel_speed = 3.0\n",
            "1:8: Could not use 3 as a speed",
        ),
        (
            "[[output]]\nposition = [0, 200000]\n",
            "2:1: Could not use a position so far away",
        ),
        (
            "[[output]]\nserial = \"\"\n",
            "2:1: Could not find a monitor by an empty serial",
        ),
        (
            "[guest.a]\ndisk = \"d\"\noutputs = [\"\"]\n",
            "3:1: Could not find a monitor by an empty name",
        ),
        (
            "[guest.a]\ndisk = \"d\"\noutputs = [\"DP-1\", \"DP-2\"]\n",
            "3:1: Could not spread 1 virtual monitors over 2 outputs",
        ),
        (
            "[guest.a]\ndisk = \"d\"\nfit = \"zoom\"\n",
            "3:7: Unknown value `zoom`",
        ),
    ] {
        let message = mistakes(text);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn outputs_get_names_by_position_and_no_name_twice() {
    let config = Config::parse("[[output]]\n[[output]]\nname = \"right\"\n").unwrap();
    let names: Vec<String> = config
        .outputs
        .iter()
        .enumerate()
        .map(|(at, output)| output.name_at(at))
        .collect();
    assert_eq!(names, ["HEADLESS-1", "right"]);

    let message = mistakes("[[output]]\n[[output]]\nname = \"HEADLESS-1\"\n");
    assert!(
        message.starts_with("3:1: Two outputs are called HEADLESS-1"),
        "{message}"
    );
}

#[test]
fn a_monitor_is_described_once() {
    let message = mistakes("[[output]]\nname = \"DP-1\"\n[[output]]\nname = \"dp-1\"\n");
    assert!(
        message.starts_with("4:1: Two outputs are called dp-1"),
        "{message}"
    );

    let dell = "[[output]]\nmake = \"DEL\"\nserial = \"1\"\n";
    let message = mistakes(&format!("{dell}{dell}"));
    assert!(
        message.starts_with("5:1: Two outputs are about DEL 1"),
        "{message}"
    );

    let other = dell.replace("\"1\"", "\"2\"");
    let config = Config::parse(&format!("{dell}{other}[[output]]\nmake = \"DEL\"\n")).unwrap();
    assert_eq!(config.outputs.len(), 3);
}

#[test]
fn one_bracket_for_an_output_is_explained() {
    let message = mistakes("[output]\nmode = \"640x480\"\n");
    assert!(
        message.contains("Write [[output]], with two brackets"),
        "{message}"
    );
}

#[test]
fn paths_begin_at_the_file_s_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let text = "[guest.a]\ndisk = \"images/a.raw\"\nkernel = \"/abs\"\nvmm = { program = \"qemu\" }\n\
                [guest.b]\ndisk = \"b\"\nvmm = { program = \"./qemu\" }\n";
    fs::write(&file, text).unwrap();

    let config = Config::load(&file).unwrap();

    assert_eq!(
        config.guests["a"].disk,
        Some(folder.path().join("images/a.raw"))
    );
    assert_eq!(config.guests["a"].kernel, Some("/abs".into()));
    assert_eq!(config.guests["a"].vmm.program, Some("qemu".into()));
    assert_eq!(
        config.guests["b"].vmm.program,
        Some(folder.path().join("./qemu"))
    );
}

#[test]
fn home_is_expanded() {
    let mut guest = Guest {
        disk: Some("~/a.raw".into()),
        ..Guest::default()
    };
    guest.resolve_paths(Path::new("/etc"), Some(Path::new("/home/ann")));
    assert_eq!(guest.disk, Some("/home/ann/a.raw".into()));
}

#[test]
fn a_file_s_mistakes_carry_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "colour = 1\n").unwrap();

    let message = Config::load(&file).unwrap_err().to_string();

    assert!(
        message.starts_with(&format!("{}:1:1: Unknown key", file.display())),
        "{message}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let message = Config::load(Path::new("/nowhere/config.toml"))
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("Could not read the configuration file /nowhere/config.toml"));
    assert!(Config::load(Path::new("/")).is_err());
}
