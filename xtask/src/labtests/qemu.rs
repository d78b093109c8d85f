//! A distribution's kernel in QEMU, on every kind of graphics device that QEMU has for us.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use protocols::ipc::Request;

use super::{
    Bench, GuestFolder, Place,
    compositor::Compositor,
    list,
    picture::{Picture, smpte},
    quoted, reference, uml,
};
use crate::lab::STOCK_APPEND;

/// From the start of a guest to its program. Four seconds on an idle machine, without KVM.
const BOOT: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_secs(10);

/// Writes a text to the console, dumps the framebuffer, and waits. The blinking cursor is switched off
/// first: a picture with and one without it would both be right.
pub const CONSOLE: &str = r#"
echo 0 >/sys/class/graphics/fbcon/cursor_blink
{
    printf '\033[?25l\033[2J\033[H'
    for row in 1 2 3 4 5 6 7 8; do
        printf 'row %d: The quick brown fox jumps over the lazy dog. 0123456789 {}[]()<>\n' $row
    done
    printf '\033[1;37;44mwhite on blue\033[0m \033[32mgreen\033[0m \033[31mred\033[0m'
} >/dev/tty1
sleep 1
cat /dev/fb0 >/lab/fb0.raw
tr , ' ' </sys/class/graphics/fb0/virtual_size >/lab/size
cat /sys/class/graphics/fb0/stride >/lab/stride
dmesg | grep 'drm. features' || true
touch /lab/dumped
while [ ! -e /lab/done ]; do sleep 0.1; done
"#;

/// Starts a guest with a graphics device of that kind and one screen.
///
/// # Errors
///
/// When lucarne does not start.
pub fn start(
    bench: &Bench,
    place: &Place,
    folder: &GuestFolder,
    device: &str,
    more: &[String],
    output: &str,
) -> Result<Compositor> {
    let mut arguments = vec![
        "-virtfs".to_owned(),
        format!(
            "local,path={},mount_tag=lab,security_model=none",
            folder.0.display()
        ),
    ];
    arguments.extend_from_slice(more);
    let config = format!(
        "[guest.guest]\nkernel = {}\ninitrd = {}\nappend = {}\nmemory = \"512M\"\ncpus = 2\nscanouts = [{}]\n\
         device = {}\naccel = \"tcg\"\nrestart = \"never\"\n\
         vmm = {{ kind = \"qemu\", program = {}, arguments = {} }}\n",
        quoted(&bench.lab.vmlinuz.display().to_string()),
        quoted(&bench.lab.initrd.display().to_string()),
        quoted(STOCK_APPEND),
        quoted(output),
        quoted(device),
        quoted(&bench.lab.qemu.display().to_string()),
        list(&arguments),
    );
    Compositor::start(
        &bench.lucarne,
        &place.folder.join("host"),
        &place.log,
        &config,
        &[output],
        &[],
    )
}

/// The guest's own copy of its framebuffer.
///
/// # Errors
///
/// When the guest made none.
pub fn dump(folder: &GuestFolder) -> Result<Picture> {
    folder.wait_for("dumped", BOOT)?;
    let number = |text: &str| -> Result<usize> { Ok(text.trim().parse()?) };
    let size = fs::read_to_string(folder.file("size"))?;
    let (width, height) = size
        .trim()
        .split_once(' ')
        .context("Reading the size of the guest's framebuffer")?;
    let stride = number(&fs::read_to_string(folder.file("stride"))?)?;
    Picture::from_xrgb(
        &fs::read(folder.file("fb0.raw"))?,
        number(width)?,
        number(height)?,
        stride,
    )
}

/// The text console is on the screen as it is in the guest's memory.
fn console(
    bench: &Bench,
    place: &Place,
    device: &str,
    more: &[String],
    check: impl Fn(&Compositor, &GuestFolder, &Picture) -> Result<()>,
) -> Result<String> {
    let folder = place.guest("guest", CONSOLE)?;
    let compositor = start(bench, place, &folder, device, more, "1280x800@60")?;
    let expected = dump(&folder).with_context(|| {
        format!(
            "The VMM said {:?}",
            compositor.guest("guest").map(|guest| guest.last_output)
        )
    })?;
    ensure!(
        (expected.width, expected.height) == (1280, 800),
        "The guest's console is {}x{}",
        expected.width,
        expected.height
    );
    // Black, grey, white, blue, green and red: text, not an empty screen.
    ensure!(
        expected.colours(6) == 6,
        "The guest's console has no text on it"
    );
    compositor.expect_picture("guest", 0, &expected, SOON)?;
    for output in compositor.outputs()? {
        compositor.expect_output(&output, &expected, SOON)?;
    }
    check(&compositor, &folder, &expected)?;
    let stats = compositor.stats("guest", 0)?;
    let dialect = compositor.guest("guest")?.dialect.unwrap_or_default();
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(format!("{dialect}, {}", uml::way(&stats)))
}

/// The device that every QEMU since 4.1 has. The picture is also the one that QEMU's own screendump
/// gives of the same guest on QEMU's own device.
pub fn console_on_gpu(bench: &Bench, place: &Place) -> Result<String> {
    let note = console(bench, place, "gpu", &[], |compositor, folder, _| {
        ensure!(
            folder.printed().contains("-resource_blob"),
            "QEMU's vhost-user-gpu-pci has no blobs, but the guest says it has:\n{}",
            folder.printed()
        );
        compositor
            .guest_picture("guest", 0)?
            .write_png(&place.folder.join("ours.png"))
    })?;
    let ours = Picture::read_png(&place.folder.join("ours.png"))?;
    if let Some(difference) = reference::screendump(bench, place, CONSOLE)?.difference(&ours) {
        bail!(
            "Comparing with QEMU's screendump of the same guest: {difference} (see ours.png and \
             screendump.png in {})",
            place.folder.display()
        );
    }
    Ok(note)
}

/// The same with a VGA part.
pub fn console_on_vga(bench: &Bench, place: &Place) -> Result<String> {
    console(bench, place, "vga", &[], |_, _, _| Ok(()))
}

/// The generic device of QEMU 10.2 and newer, with guest blobs.
pub fn console_on_generic(bench: &Bench, place: &Place) -> Result<String> {
    console(bench, place, "generic", &[], |_, folder, _| {
        ensure!(
            folder.printed().contains("+resource_blob"),
            "The guest was offered no blobs:\n{}",
            folder.printed()
        );
        Ok(())
    })
}

/// A window with another size: a program in the guest sees another preferred mode, and uses it.
pub fn resize(bench: &Bench, place: &Place) -> Result<String> {
    // modetest comes from the lab's Debian tree.
    let (program, more) = in_tree(bench, uml::FOLLOW_MODE);
    let folder = place.guest("guest", &program)?;
    let compositor = start(bench, place, &folder, "generic", &more, "1024x768@60")?;
    compositor
        .expect_picture("guest", 0, &smpte(1024, 768), BOOT)
        .with_context(|| format!("The guest said {}", folder.printed()))?;
    for (width, height) in [(1600u16, 900u16), (800, 600)] {
        compositor.ask(&Request::Resize {
            guest: "guest".to_owned(),
            scanout: 0,
            width: width.into(),
            height: height.into(),
        })?;
        compositor
            .expect_picture("guest", 0, &smpte(width.into(), height.into()), SOON)
            .with_context(|| format!("The guest said {}", folder.printed()))?;
    }
    folder.signal("done")?;
    folder.wait_for_end(SOON)?;
    compositor.quit()?;
    Ok(String::new())
}

/// A guest's program that runs on the lab's Debian tree, which the guest has as a second share; and the arguments of
/// QEMU for that.
pub fn in_tree(bench: &Bench, program: &str) -> (String, [String; 2]) {
    let program = format!(
        "mkdir /tree\nmount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose tree /tree\n\
         for folder in proc sys dev; do mount -o bind /$folder /tree/$folder; done\n\
         for folder in run tmp; do mount -t tmpfs $folder /tree/$folder; done\n\
         mount -o bind /lab /tree/lab\n\
         cat >/lab/inner.sh <<'END'\n{program}END\n\
         PATH=/usr/sbin:/usr/bin exec chroot /tree sh /lab/inner.sh\n"
    );
    let share = format!(
        "local,path={},mount_tag=tree,security_model=none,readonly=on",
        bench.lab.tree.display()
    );
    (program, ["-virtfs".to_owned(), share])
}
