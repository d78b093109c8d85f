//! The kernel's own account of what a card shows: `state` in debugfs.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// A plane that shows something.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plane {
    /// As the kernel calls it.
    pub name: String,
    /// The CRTC that it is a part of, as the kernel calls it.
    pub crtc: String,
    /// The number of the framebuffer.
    pub framebuffer: u32,
    /// The program that made the framebuffer, by the first 15 letters of its name.
    pub owner: String,
    /// Such as `XR24`.
    pub format: String,
    /// The framebuffer's, in pixels.
    pub size: (u32, u32),
    /// Whether the memory came as a dma-buf.
    pub imported: bool,
    /// Bytes of that memory.
    pub bytes: u64,
    /// Where it is on the CRTC: width, height, left, top.
    pub shown: (u32, u32, i32, i32),
    /// The part of the framebuffer, in whole pixels: width, height, left, top.
    pub part: (u32, u32, i32, i32),
}

/// What all planes of a card show.
///
/// # Errors
///
/// When debugfs cannot be read.
pub fn planes(debugfs: &Path) -> Result<Vec<Plane>> {
    let file = debugfs.join("state");
    let text = fs::read_to_string(&file).with_context(|| format!("Reading {}", file.display()))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<Plane> {
    let mut planes: Vec<Plane> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with(['\t', ' ']) {
            inside = line.starts_with("plane[");
            if inside {
                let name = line.split_once(": ").map(|(_, name)| name);
                planes.push(Plane {
                    name: name.unwrap_or_default().to_owned(),
                    ..Plane::default()
                });
            }
            continue;
        }
        if let Some(plane) = planes.last_mut().filter(|_| inside)
            && let Some((key, value)) = line.trim().split_once('=')
        {
            plane.learn(key.trim(), value.trim());
        }
    }
    planes.retain(|plane| plane.framebuffer != 0);
    planes
}

impl Plane {
    fn learn(&mut self, key: &str, value: &str) {
        match key {
            "crtc" => value.clone_into(&mut self.crtc),
            "fb" => self.framebuffer = value.parse().unwrap_or_default(),
            "allocated by" => value.clone_into(&mut self.owner),
            "format" => {
                self.format = value.split(' ').next().unwrap_or_default().to_owned();
            }
            // The framebuffer's is WxH; further down the memory's is a number of bytes.
            "size" => match value.split_once('x') {
                Some((width, height)) => {
                    self.size = (
                        width.parse().unwrap_or_default(),
                        height.parse().unwrap_or_default(),
                    );
                }
                None => self.bytes = value.parse().unwrap_or_default(),
            },
            "imported" => self.imported = value == "yes",
            "crtc-pos" => self.shown = rectangle(value).unwrap_or_default(),
            "src-pos" => self.part = rectangle(value).unwrap_or_default(),
            _ => {}
        }
    }
}

/// `WxH+X+Y`, each a whole number or one with six decimals.
fn rectangle(text: &str) -> Option<(u32, u32, i32, i32)> {
    let whole = |text: &str| -> Option<i32> { text.split('.').next()?.parse().ok() };
    let (width, rest) = text.split_once('x')?;
    let place = rest.find(['+', '-'])?;
    let (height, rest) = rest.split_at_checked(place)?;
    // Past the sign, and a digit or a second sign.
    let second = rest.get(2..)?.find(['+', '-'])? + 2;
    let (left, top) = rest.split_at_checked(second)?;
    // "+-5" is how the kernel prints a negative one.
    let signed = |text: &str| whole(text.strip_prefix('+').unwrap_or(text));
    Some((
        u32::try_from(whole(width)?).ok()?,
        u32::try_from(whole(height)?).ok()?,
        signed(left)?,
        signed(top)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_read_with_its_memory_and_an_idle_one_is_not() {
        let text = "plane[35]: plane-0\n\tcrtc=crtc-0\n\tfb=58\n\t\tallocated by = lucarne\n\t\trefcount=2\n\
            \t\tformat=XR24 little-endian (0x34325258)\n\t\tmodifier=0x0\n\t\tsize=1024x768\n\t\tlayers:\n\
            \t\t\tsize[0]=1024x768\n\t\t\tpitch[0]=4096\n\t\t\tobj[0]:\n\t\t\t\tname=0\n\t\t\t\tsize=3145728\n\
            \t\t\t\timported=yes\n\tcrtc-pos=1024x768+0+0\n\tsrc-pos=1024.000000x768.000000+0.000000+0.000000\n\
            plane[40]: plane-1\n\tcrtc=(null)\n\tfb=0\n\tcrtc-pos=0x0+0+0\n\
            crtc[39]: crtc-0\n\tenable=1\n\tactive=1\n";
        let planes = parse(text);
        let expected = Plane {
            name: "plane-0".to_owned(),
            crtc: "crtc-0".to_owned(),
            framebuffer: 58,
            owner: "lucarne".to_owned(),
            format: "XR24".to_owned(),
            size: (1024, 768),
            imported: true,
            bytes: 3_145_728,
            shown: (1024, 768, 0, 0),
            part: (1024, 768, 0, 0),
        };
        assert_eq!(planes, [expected]);
    }

    #[test]
    fn places_left_of_the_screen_are_read() {
        assert_eq!(rectangle("64x64+-20+300"), Some((64, 64, -20, 300)));
        assert_eq!(rectangle("64x64-20-3"), Some((64, 64, -20, -3)));
    }
}
