//! What is chosen for whom, and in which words.

use std::cell::RefCell;

use proptest::prelude::*;
use protocols::virtio_gpu::{CAPSET_VIRGL, CAPSET_VIRGL2};

use super::*;

/// A renderer that draws nothing.
#[derive(Debug)]
struct Fake {
    capsets: Vec<Capset>,
    versions: Versions,
}

impl Offer for Fake {
    fn capsets(&self) -> &[Capset] {
        &self.capsets
    }

    fn versions(&self) -> &Versions {
        &self.versions
    }
}

fn fake(device: &str, capsets: &[u32]) -> Fake {
    let capset = |&id| Capset {
        id,
        version: 1,
        data: vec![0; 8],
    };
    Fake {
        capsets: capsets.iter().map(capset).collect(),
        versions: Versions {
            library: "1.3.0".to_owned(),
            device: device.to_owned(),
            gl: "4.5".to_owned(),
            ..Versions::default()
        },
    }
}

const VIRGL: [u32; 2] = [CAPSET_VIRGL, CAPSET_VIRGL2];
const CARD: &str = "AMD Radeon";
const CPU: &str = "llvmpipe (LLVM 19, 256 bits)";
const NODE: &str = "/dev/dri/renderD128";

fn node(path: &str, driver: &str, access: Access) -> Node {
    Node {
        path: path.into(),
        driver: Some(driver.to_owned()),
        access,
    }
}

fn machine(nodes: &[Node]) -> Machine {
    Machine {
        nodes: nodes.to_vec(),
        vulkan: Vulkan {
            server: Some("/usr/libexec/virgl_render_server".into()),
            drivers: vec!["/usr/share/vulkan/icd.d/lvp_icd.json".into()],
            version: "1.4".to_owned(),
        },
    }
}

fn with_card() -> Machine {
    machine(&[node(NODE, "amdgpu", Access::Open)])
}

fn wanted(kind: GpuKind, node: Option<&str>) -> Wanted {
    Wanted {
        kind,
        node: node.map(PathBuf::from),
    }
}

/// What came of a choice, and what was started for it.
struct Outcome {
    choice: Result<Choice<Fake>, Impossible>,
    started: Vec<Start>,
}

/// Chooses on a machine where cards and the CPU draw, or else what `start` says.
fn run(
    wanted: &Wanted,
    machine: &Machine,
    start: impl Fn(&Start) -> Result<Fake, Lack>,
) -> Outcome {
    let started = RefCell::new(Vec::new());
    let choice = choose(wanted, machine, |how| {
        started.borrow_mut().push(how.clone());
        start(how)
    });
    Outcome {
        choice,
        started: started.into_inner(),
    }
}

fn all_works(start: &Start) -> Result<Fake, Lack> {
    let device = if start.node.is_some() { CARD } else { CPU };
    let mut capsets = Vec::new();
    if start.virgl {
        capsets.extend(VIRGL);
    }
    if start.venus {
        capsets.push(CAPSET_VENUS);
    }
    Ok(fake(device, &capsets))
}

fn fails(what: Missing) -> impl Fn(&Start) -> Result<Fake, Lack> {
    move |_| Err(Lack::new(what, "why"))
}

impl Outcome {
    #[track_caller]
    fn chosen(&self) -> &Choice<Fake> {
        self.choice.as_ref().unwrap()
    }

    #[track_caller]
    fn kind(&self) -> RendererKind {
        let choice = self.chosen();
        let is_2d = choice.report.kind == RendererKind::TwoD;
        assert_eq!(is_2d, choice.renderer.is_none());
        choice.report.kind
    }

    fn code(&self) -> Option<&str> {
        let reason = self.chosen().report.reason.as_ref();
        reason.map(|reason| reason.code.as_str())
    }

    #[track_caller]
    fn warning(&self) -> &str {
        match &self.chosen().note {
            Some(Note::Warning(text)) => text,
            other => panic!("no warning: {other:?}"),
        }
    }

    #[track_caller]
    fn info(&self) -> &str {
        match &self.chosen().note {
            Some(Note::Info(text)) => text,
            other => panic!("no information: {other:?}"),
        }
    }

    #[track_caller]
    fn refusal(&self) -> String {
        self.choice.as_ref().unwrap_err().to_string()
    }

    fn nodes(&self) -> Vec<Option<&str>> {
        let nodes = self.started.iter().map(|start| start.node.as_deref());
        nodes
            .map(|node| node.and_then(|node| node.to_str()))
            .collect()
    }
}

#[test]
fn without_3d_nothing_is_started_and_nothing_said() {
    let outcome = run(&wanted(GpuKind::TwoD, None), &with_card(), all_works);
    assert_eq!(outcome.kind(), RendererKind::TwoD);
    assert!(outcome.started.is_empty());
    assert_eq!(outcome.chosen().note, None);
    assert_eq!(outcome.code(), None);
}

#[test]
fn auto_draws_with_a_graphics_card() {
    let outcome = run(&wanted(GpuKind::Auto, None), &with_card(), all_works);
    assert_eq!(outcome.kind(), RendererKind::Virgl);
    assert_eq!(outcome.nodes(), [Some(NODE)]);
    assert_eq!(
        outcome.info(),
        "The guest's 3D is drawn by AMD Radeon, OpenGL 4.5, libvirglrenderer 1.3.0"
    );
    assert_eq!(outcome.code(), None);
}

#[test]
fn auto_passes_over_what_is_no_graphics_card() {
    let nodes = [
        node(NODE, "vgem", Access::Open),
        node("/dev/dri/renderD129", "i915", Access::Forbidden),
        node("/dev/dri/renderD130", "amdgpu", Access::Open),
    ];
    let outcome = run(&wanted(GpuKind::Auto, None), &machine(&nodes), all_works);
    assert_eq!(outcome.nodes(), [Some("/dev/dri/renderD130")]);
}

#[test]
fn auto_is_2d_without_a_word_where_there_is_no_card() {
    for nodes in [vec![], vec![node(NODE, "vgem", Access::Open)]] {
        let outcome = run(&wanted(GpuKind::Auto, None), &machine(&nodes), all_works);
        assert_eq!(outcome.kind(), RendererKind::TwoD);
        assert!(outcome.started.is_empty());
        assert!(matches!(outcome.chosen().note, Some(Note::Debug(_))));
        assert_eq!(outcome.code(), Some("no_graphics_card"));
    }
}

#[test]
fn auto_is_2d_where_the_card_s_driver_is_the_cpu() {
    let draws_in_software = |_: &Start| Ok(fake(CPU, &VIRGL));
    let outcome = run(
        &wanted(GpuKind::Auto, None),
        &with_card(),
        draws_in_software,
    );
    assert_eq!(outcome.kind(), RendererKind::TwoD);
    assert_eq!(outcome.code(), Some("no_graphics_card"));
}

#[test]
fn auto_only_mentions_what_would_make_3d_of_it() {
    let forbidden = machine(&[node(NODE, "amdgpu", Access::Forbidden)]);
    let outcome = run(&wanted(GpuKind::Auto, None), &forbidden, all_works);
    assert_eq!(outcome.kind(), RendererKind::TwoD);
    assert_eq!(
        outcome.info(),
        "The guest has no 3D: this user may not use the render node (/dev/dri/renderD128). Join \
         the group that may: sudo usermod -aG render $USER, then log in again"
    );
    let outcome = run(
        &wanted(GpuKind::Auto, None),
        &with_card(),
        fails(Missing::Library),
    );
    assert_eq!(outcome.code(), Some("no_virglrenderer"));
    assert!(outcome.info().contains("apt install libvirglrenderer1"));
}

#[test]
fn auto_warns_where_the_user_named_a_node_that_can_not_be_used() {
    let machine = machine(&[
        node(NODE, "amdgpu", Access::Open),
        node("/dev/dri/renderD140", "", Access::Missing),
    ]);
    let outcome = run(
        &wanted(GpuKind::Auto, Some("/dev/dri/renderD140")),
        &machine,
        all_works,
    );
    assert_eq!(outcome.kind(), RendererKind::TwoD);
    assert!(outcome.started.is_empty());
    assert_eq!(
        outcome.warning(),
        "The guest has no 3D: the render node can't be used (there is no /dev/dri/renderD140). \
         Choose one of those that `lucarne doctor` lists"
    );
}

#[test]
fn a_named_node_is_the_one_that_draws() {
    let machine = machine(&[
        node(NODE, "i915", Access::Open),
        node("/dev/dri/renderD129", "amdgpu", Access::Open),
    ]);
    for kind in [GpuKind::Auto, GpuKind::Virgl, GpuKind::Venus] {
        let outcome = run(
            &wanted(kind, Some("/dev/dri/renderD129")),
            &machine,
            all_works,
        );
        assert_eq!(outcome.nodes(), [Some("/dev/dri/renderD129")]);
    }
}

#[test]
fn virgl_that_was_demanded_is_drawn_by_the_cpu_where_there_is_no_card() {
    let outcome = run(&wanted(GpuKind::Virgl, None), &machine(&[]), all_works);
    assert_eq!(outcome.kind(), RendererKind::Virgl);
    assert_eq!(outcome.nodes(), [None]);
    assert!(outcome.info().starts_with(
        "The guest's 3D is drawn by the CPU (llvmpipe (LLVM 19, 256 bits), OpenGL 4.5, "
    ));
    assert_eq!(outcome.code(), None);
}

#[test]
fn a_card_that_may_not_be_used_is_warned_of_and_the_cpu_draws() {
    let machine = machine(&[node(NODE, "amdgpu", Access::Forbidden)]);
    for named in [None, Some(NODE)] {
        let outcome = run(&wanted(GpuKind::Virgl, named), &machine, all_works);
        assert_eq!(outcome.kind(), RendererKind::Virgl);
        assert_eq!(outcome.nodes(), [None]);
        assert_eq!(outcome.code(), Some("render_node_forbidden"));
        assert!(outcome.warning().ends_with(
            "this user may not use the render node (/dev/dri/renderD128). Join the group that \
             may: sudo usermod -aG render $USER, then log in again"
        ));
    }
}

#[test]
fn a_card_that_does_not_draw_is_warned_of_and_the_cpu_draws() {
    let cards_fail = |start: &Start| match &start.node {
        Some(_) => Err(Lack::new(Missing::Egl, "EGL_NOT_INITIALIZED")),
        None => all_works(start),
    };
    let outcome = run(&wanted(GpuKind::Virgl, None), &with_card(), cards_fail);
    assert_eq!(outcome.kind(), RendererKind::Virgl);
    assert_eq!(outcome.nodes(), [Some(NODE), None]);
    assert_eq!(outcome.code(), Some("no_egl"));
    assert!(outcome.warning().contains("EGL_NOT_INITIALIZED"));
}

#[test]
fn a_card_whose_driver_crashes_is_warned_of_and_the_cpu_draws() {
    let crashes = |start: &Start| match &start.node {
        Some(_) => Err(Lack::new(Missing::Answer, "killed by signal 11")),
        None => all_works(start),
    };
    let outcome = run(&wanted(GpuKind::Virgl, None), &with_card(), crashes);
    assert_eq!(outcome.kind(), RendererKind::Virgl);
    assert_eq!(outcome.code(), Some("renderer_died"));
    let outcome = run(&wanted(GpuKind::Auto, None), &with_card(), crashes);
    assert_eq!(outcome.kind(), RendererKind::TwoD);
    assert_eq!(outcome.nodes(), [Some(NODE)]);
}

#[test]
fn virgl_that_can_not_be_is_one_warning_with_the_remedy() {
    for (what, expected) in [
        (Missing::Library, "apt install libvirglrenderer1"),
        (Missing::NewerLibrary, "Update it to version 0.10.4"),
        (Missing::Egl, "apt install libegl1"),
        (Missing::Answer, "LUCARNE_LOG=debug"),
    ] {
        let outcome = run(&wanted(GpuKind::Virgl, None), &machine(&[]), fails(what));
        assert_eq!(outcome.kind(), RendererKind::TwoD);
        assert_eq!(outcome.code(), Some(what.code()));
        let warning = outcome.warning();
        assert!(
            warning.starts_with("Could not give the guest 3D (virgl), it gets 2D: "),
            "{warning}"
        );
        assert!(warning.contains(expected), "{warning}");
    }
}

#[test]
fn venus_comes_with_opengl_where_the_host_has_it() {
    let outcome = run(&wanted(GpuKind::Venus, None), &with_card(), all_works);
    assert_eq!(outcome.kind(), RendererKind::Venus);
    assert_eq!(outcome.started.len(), 1);
    assert!(outcome.started[0].virgl && outcome.started[0].venus);
    assert_eq!(outcome.chosen().report.vulkan, "1.4");

    let no_gl = |start: &Start| match start.virgl {
        true => Err(Lack::new(Missing::Egl, "")),
        false => all_works(start),
    };
    let outcome = run(&wanted(GpuKind::Venus, None), &machine(&[]), no_gl);
    assert_eq!(outcome.kind(), RendererKind::Venus);
    assert_eq!(outcome.started.len(), 2);
}

#[test]
fn venus_that_can_not_be_is_an_error() {
    let mut no_driver = machine(&[]);
    no_driver.vulkan.drivers.clear();
    let outcome = run(&wanted(GpuKind::Venus, None), &no_driver, all_works);
    assert!(outcome.started.is_empty());
    assert_eq!(
        outcome.refusal(),
        "Could not give the guest Vulkan (venus): there is no Vulkan driver. Install one (Debian \
         and Ubuntu: apt install mesa-vulkan-drivers; Fedora: mesa-vulkan-drivers; Arch: \
         vulkan-swrast, or that of the graphics card), or choose virgl"
    );

    let only_virgl = |_: &Start| Ok(fake(CPU, &VIRGL));
    let mut no_server = machine(&[]);
    let outcome = run(&wanted(GpuKind::Venus, None), &no_server, only_virgl);
    assert!(
        outcome
            .refusal()
            .contains("finds no Vulkan that works. See whether")
    );
    no_server.vulkan.server = None;
    let outcome = run(&wanted(GpuKind::Venus, None), &no_server, only_virgl);
    assert!(outcome.refusal().contains("apt install virgl-server"));

    let outcome = run(
        &wanted(GpuKind::Venus, None),
        &machine(&[]),
        fails(Missing::Library),
    );
    assert!(
        outcome
            .refusal()
            .contains("libvirglrenderer can't be loaded (why)")
    );
}

#[test]
fn a_vmm_without_a_window_is_named() {
    let error = Impossible::NoWindow {
        vmm: "uml".to_owned(),
    };
    assert_eq!(
        error.to_string(),
        "Could not give the guest Vulkan (venus): its VMM (uml) shows it no memory of the host. Use \
         QEMU 11.1 or newer with its generic device, or crosvm, or choose virgl"
    );
}

#[test]
fn codes_are_unique_and_are_found_again() {
    for missing in Missing::ALL {
        assert_eq!(Missing::from_code(missing.code()), Some(missing));
    }
    assert_eq!(Missing::from_code("no_mood"), None);
}

fn any_kind() -> impl Strategy<Value = GpuKind> {
    prop_oneof![
        Just(GpuKind::Auto),
        Just(GpuKind::TwoD),
        Just(GpuKind::Virgl),
        Just(GpuKind::Venus)
    ]
}

fn any_node() -> impl Strategy<Value = Node> {
    let access = prop_oneof![
        Just(Access::Open),
        Just(Access::Forbidden),
        Just(Access::Missing),
        Just(Access::NoNode)
    ];
    let driver = prop_oneof![Just("amdgpu"), Just("vgem")];
    (128..132_u32, driver, access)
        .prop_map(|(number, driver, access)| node(&path_of(number), driver, access))
}

fn path_of(number: u32) -> String {
    format!("/dev/dri/renderD{number}")
}

/// What comes of each start: nothing missing, or this.
fn any_outcomes() -> impl Strategy<Value = Vec<Option<Missing>>> {
    let missing = proptest::sample::select(Missing::ALL.to_vec());
    proptest::collection::vec(proptest::option::of(missing), 3)
}

proptest! {
    /// Whatever the user wants, the machine has, and the renderers say.
    #[test]
    fn a_choice_keeps_its_promises(
        kind in any_kind(),
        named in proptest::option::of(128..132_u32),
        nodes in proptest::collection::vec(any_node(), 0..4),
        has_vulkan: bool,
        outcomes in any_outcomes(),
    ) {
        let mut machine = machine(&nodes);
        if !has_vulkan {
            machine.vulkan = Vulkan::default();
        }
        let named = named.map(path_of);
        let wanted = wanted(kind, named.as_deref());
        let left = RefCell::new(outcomes.into_iter());
        let outcome = run(&wanted, &machine, |start| {
            match left.borrow_mut().next() {
                Some(None) => all_works(start),
                Some(Some(what)) => Err(Lack::new(what, "")),
                None => panic!("a fourth renderer was started"),
            }
        });

        for start in &outcome.started {
            prop_assert!(start.virgl || start.venus);
            prop_assert!(kind == GpuKind::Venus || !start.venus);
            if let Some(path) = &start.node {
                let is_open = |node: &Node| node.path == *path && node.access == Access::Open;
                prop_assert!(nodes.iter().any(is_open));
                prop_assert!(wanted.node.as_ref().is_none_or(|wanted| wanted == path));
            }
        }
        match &outcome.choice {
            Ok(choice) => {
                let has_3d = choice.report.kind != RendererKind::TwoD;
                prop_assert_eq!(choice.renderer.is_some(), has_3d);
                let warns = matches!(choice.note, Some(Note::Warning(_)));
                match kind {
                    GpuKind::TwoD => prop_assert!(choice.note.is_none() && !has_3d),
                    GpuKind::Auto => prop_assert!(!warns || named.is_some()),
                    GpuKind::Virgl => prop_assert!(warns == choice.report.reason.is_some()),
                    GpuKind::Venus => prop_assert!(choice.report.kind == RendererKind::Venus),
                }
            }
            Err(_) => prop_assert_eq!(kind, GpuKind::Venus),
        }
    }
}
