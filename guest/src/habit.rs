//! How different guests show a picture: the same result by different commands, queues and
//! features. Each is a script of a real driver.
//!
//! - Linux, with and without blobs: [`crate::kms`];
//! - Windows: `viogpudo` of virtio-win (2026), which acknowledges no feature, uses no fence, asks
//!   for the EDID all the same and destroys the resource before it leaves the scanout;
//! - EDK2: `OvmfPkg/VirtioGpuDxe`, one command at a time, memory in one piece.

use protocols::virtio_gpu::{CURSOR_SIZE, Command, Format, Rect};

use crate::{
    driver::{ChainShape, Driver, DriverError, DriverOptions, LINUX_FEATURES, VERSION_1},
    kms::{BufferKind, Connector, Framebuffer, Pointer, Screen, ScreenOptions, probe},
};

/// A kind of guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Habit {
    /// Linux whose buffers are 2D resources.
    Linux2d,
    /// Linux whose buffers are blobs, if the device has them.
    LinuxBlob,
    /// Windows.
    Windows,
    /// The firmware of a virtual PC.
    Edk2,
}

impl Habit {
    /// All of them, for tests that go through them.
    pub const ALL: [Self; 4] = [Self::Linux2d, Self::LinuxBlob, Self::Windows, Self::Edk2];

    /// The options that such a guest's driver needs, the rest as in `base`.
    #[must_use]
    pub fn options(self, base: &DriverOptions) -> DriverOptions {
        let (features, shape) = match self {
            Self::Linux2d => (LINUX_FEATURES & !(0b10_1000), ChainShape::LINUX),
            Self::LinuxBlob => (LINUX_FEATURES, ChainShape::LINUX),
            Self::Windows => (VERSION_1, ChainShape::WINDOWS),
            Self::Edk2 => (VERSION_1, ChainShape::EDK2),
        };
        DriverOptions {
            features,
            shape,
            ..*base
        }
    }

    /// Boots: asks for the monitors and switches `scanout` on, in the size that it wants or in
    /// `size`.
    ///
    /// # Errors
    /// There is no such scanout, or the device refuses.
    pub fn boot(
        self,
        driver: &mut Driver,
        scanout: u32,
        size: Option<(u32, u32)>,
    ) -> Result<Desktop, DriverError> {
        let size = match size {
            Some(size) => size,
            None => self.wanted_size(driver, scanout)?,
        };
        let screen = match self {
            Self::Linux2d | Self::LinuxBlob => {
                let kind = match self {
                    Self::LinuxBlob => BufferKind::of_linux(driver),
                    _ => BufferKind::Dumb2d,
                };
                let options = ScreenOptions {
                    kind,
                    ..ScreenOptions::default()
                };
                Kind::Linux(Box::new(Screen::new(driver, scanout, size, options)?))
            }
            Self::Windows => Kind::Windows(windows_buffer(driver, scanout, size)?),
            Self::Edk2 => Kind::Edk2(edk2_buffer(driver, scanout, size)?),
        };
        Ok(Desktop {
            scanout,
            size,
            screen,
        })
    }

    fn wanted_size(self, driver: &mut Driver, scanout: u32) -> Result<(u32, u32), DriverError> {
        let connectors = match self {
            Self::Windows => windows_probe(driver)?,
            Self::Edk2 => Vec::new(),
            Self::Linux2d | Self::LinuxBlob => probe(driver)?,
        };
        if self == Self::Edk2 {
            let modes = driver.display_info()?;
            let mode = usize::try_from(scanout)
                .ok()
                .and_then(|index| modes.get(index));
            return mode
                .filter(|mode| mode.enabled)
                .map(|mode| (mode.rect.width, mode.rect.height))
                .ok_or(DriverError::NoScanout { scanout });
        }
        connectors
            .into_iter()
            .find(|connector| connector.scanout == scanout && connector.enabled)
            .map(|connector| connector.size)
            .ok_or(DriverError::NoScanout { scanout })
    }
}

/// One monitor of a guest of some [`Habit`].
#[derive(Debug)]
pub struct Desktop {
    scanout: u32,
    size: (u32, u32),
    screen: Kind,
}

#[derive(Debug)]
enum Kind {
    Linux(Box<Screen>),
    Windows(Framebuffer),
    Edk2(Framebuffer),
}

impl Desktop {
    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Shows a picture (DRM XRGB8888, rows without gaps), and waits as this guest would.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn show(&mut self, driver: &mut Driver, image: &[u8]) -> Result<(), DriverError> {
        match &mut self.screen {
            Kind::Linux(screen) => {
                let ticket = screen.flip(driver, image)?;
                screen.wait(driver, ticket)?;
                Ok(())
            }
            Kind::Windows(_) | Kind::Edk2(_) => {
                let (width, height) = self.size;
                self.update(driver, image, &[Rect::from_size(width, height)])
            }
        }
    }

    /// Shows the parts of a picture that have changed.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn update(
        &mut self,
        driver: &mut Driver,
        image: &[u8],
        damage: &[Rect],
    ) -> Result<(), DriverError> {
        for &rect in damage {
            match &mut self.screen {
                Kind::Linux(screen) => {
                    let ticket = screen.update(driver, image, rect)?;
                    screen.wait(driver, ticket)?;
                }
                Kind::Windows(buffer) => {
                    buffer.write(driver, rect, image)?;
                    buffer.transfer(driver, rect)?;
                    let resource_id = buffer.resource_id();
                    driver.tell(&Command::ResourceFlush { rect, resource_id })?;
                }
                Kind::Edk2(buffer) => {
                    buffer.write(driver, rect, image)?;
                    driver.transfer(buffer.resource_id(), rect, buffer.offset_of(rect))?;
                    driver.flush(buffer.resource_id(), rect)?;
                }
            }
        }
        Ok(())
    }

    /// Shows a pointer image (64×64 pixels, bytes B, G, R, A) at a position. The firmware has no
    /// pointer: `None`.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn pointer(
        &self,
        driver: &mut Driver,
        image: &[u8],
        hot: (u32, u32),
        position: (i32, i32),
    ) -> Result<Option<DesktopPointer>, DriverError> {
        let pointer = match &self.screen {
            Kind::Edk2(_) => return Ok(None),
            Kind::Linux(screen) => {
                let kind = screen.front().map_or(BufferKind::Dumb2d, Framebuffer::kind);
                let pointer = Pointer::new(driver, self.scanout, kind, hot)?;
                pointer.show(driver, image, position)?;
                DesktopPointer::Linux(pointer)
            }
            Kind::Windows(_) => {
                let size = (CURSOR_SIZE, CURSOR_SIZE);
                let format = Format::Bgra8888;
                let buffer = Framebuffer::new(driver, BufferKind::Dumb2d, format, size)?;
                let whole = buffer.whole();
                buffer.write(driver, whole, image)?;
                // Without waiting: the device has to look at this queue first.
                buffer.transfer(driver, whole)?;
                driver.update_cursor(self.scanout, buffer.resource_id(), (0, 0), hot)?;
                driver.move_cursor(self.scanout, buffer.resource_id(), position)?;
                DesktopPointer::Windows {
                    scanout: self.scanout,
                    buffer,
                }
            }
        };
        Ok(Some(pointer))
    }

    /// Shuts the guest's graphics down.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn shut_down(self, driver: &mut Driver) -> Result<(), DriverError> {
        match self.screen {
            Kind::Linux(screen) => screen.destroy(driver),
            Kind::Windows(buffer) => {
                let resource_id = buffer.resource_id();
                driver.order(&Command::ResourceDetachBacking { resource_id })?;
                buffer.destroy(driver)?;
                // The resource on the scanout is gone by now.
                driver.disable_scanout(self.scanout)
            }
            Kind::Edk2(buffer) => {
                driver.disable_scanout(self.scanout)?;
                driver.detach_backing(buffer.resource_id())?;
                buffer.destroy(driver)
            }
        }
    }
}

/// A pointer as a [`Desktop`] has it.
#[derive(Debug)]
pub enum DesktopPointer {
    /// The cursor plane of Linux.
    Linux(Pointer),
    /// Windows' pointer.
    Windows {
        /// Its scanout.
        scanout: u32,
        /// Its image.
        buffer: Framebuffer,
    },
}

impl DesktopPointer {
    /// Moves it.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn move_to(&self, driver: &mut Driver, position: (i32, i32)) -> Result<(), DriverError> {
        match self {
            Self::Linux(pointer) => pointer.move_to(driver, position),
            Self::Windows { scanout, buffer } => {
                driver.move_cursor(*scanout, buffer.resource_id(), position)
            }
        }
    }

    /// Hides it. Windows only moves it to the corner.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn hide(&self, driver: &mut Driver) -> Result<(), DriverError> {
        match self {
            Self::Linux(pointer) => pointer.hide(driver),
            Self::Windows { .. } => self.move_to(driver, (0, 0)),
        }
    }
}

/// Windows asks for EDIDs although it has not acknowledged the feature.
fn windows_probe(driver: &mut Driver) -> Result<Vec<Connector>, DriverError> {
    let scanouts = driver.config()?.num_scanouts.min(16);
    let mut edids = Vec::new();
    for scanout in 0..scanouts {
        edids.push(Some(driver.edid(scanout)?));
    }
    let modes = driver.display_info()?;
    let connectors = (0..scanouts)
        .zip(modes)
        .zip(edids)
        .map(|((scanout, mode), edid)| {
            let size = (mode.rect.width, mode.rect.height);
            Connector {
                scanout,
                enabled: mode.enabled,
                size,
                edid,
            }
        });
    Ok(connectors.collect())
}

fn windows_buffer(
    driver: &mut Driver,
    scanout: u32,
    size: (u32, u32),
) -> Result<Framebuffer, DriverError> {
    let buffer = Framebuffer::new(driver, BufferKind::Dumb2d, Format::Bgrx8888, size)?;
    let whole = buffer.whole();
    driver.tell(&buffer.scanout_command(scanout, whole))?;
    buffer.transfer(driver, whole)?;
    driver.tell(&Command::ResourceFlush {
        rect: whole,
        resource_id: buffer.resource_id(),
    })?;
    Ok(buffer)
}

fn edk2_buffer(
    driver: &mut Driver,
    scanout: u32,
    (width, height): (u32, u32),
) -> Result<Framebuffer, DriverError> {
    let bytes = 4 * u64::from(width) * u64::from(height);
    let backing = driver.ram_mut().allocate_backing_in(0, bytes)?;
    let (kind, format) = (BufferKind::Dumb2d, Format::Bgrx8888);
    let buffer = Framebuffer::with_backing(driver, kind, format, (width, height), backing)?;
    driver.set_scanout(scanout, buffer.resource_id(), buffer.whole())?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{pattern, ram::RamOptions, testing::TestDevice};

    /// What a guest of this kind sends from its boot to its end, by the commands' names.
    fn life(habit: Habit) -> Vec<String> {
        let device = TestDevice::new();
        let ram = RamOptions {
            size: 16 << 20,
            ..RamOptions::default()
        };
        let base = DriverOptions {
            ram,
            ..DriverOptions::default()
        };
        let mut driver = Driver::connect(&device.socket, &habit.options(&base)).unwrap();
        let mut desktop = habit.boot(&mut driver, 0, None).unwrap();
        assert_eq!(desktop.size(), (640, 480));
        let image = pattern::image(Format::Bgrx8888, 640, 480, 1);
        desktop.show(&mut driver, &image).unwrap();
        if let Some(pointer) = desktop
            .pointer(&mut driver, &[0; 64 * 64 * 4], (0, 0), (5, 5))
            .unwrap()
        {
            pointer.hide(&mut driver).unwrap();
        }
        desktop.shut_down(&mut driver).unwrap();
        while driver.requests_under_way() > 0 {
            driver.poll(Duration::from_secs(10)).unwrap();
        }
        assert!(driver.take_failures().is_empty());
        // The queues are served independently: the pointer's commands may come at any place.
        let seen = device.seen();
        let on_control_queue = seen.commands.iter().filter(|(_, command)| {
            !matches!(
                command,
                Command::UpdateCursor { .. } | Command::MoveCursor { .. }
            )
        });
        let names = on_control_queue.map(|(header, command)| {
            let name = format!("{command:?}");
            let name = name.split(' ').next().unwrap_or_default();
            format!("{name}{}", if header.fence.is_some() { "!" } else { "" })
        });
        names.collect()
    }

    #[test]
    fn windows_leaves_the_scanout_after_it_destroyed_the_resource() {
        let names = life(Habit::Windows);
        assert!(names.starts_with(&["GetEdid".to_owned(), "GetDisplayInfo".to_owned()]));
        assert!(names.ends_with(&[
            "ResourceDetachBacking".to_owned(),
            "ResourceUnref".to_owned(),
            "SetScanout".to_owned()
        ]));
        assert!(
            !names.iter().any(|name| name.ends_with('!')),
            "it knows no fences"
        );
    }

    #[test]
    fn edk2_fences_nothing_but_the_detaching() {
        let names = life(Habit::Edk2);
        assert_eq!(names.first().unwrap(), "GetDisplayInfo");
        let fenced: Vec<_> = names.iter().filter(|name| name.ends_with('!')).collect();
        assert_eq!(fenced, ["ResourceDetachBacking!"]);
    }

    #[test]
    fn linux_uses_blobs_exactly_if_it_may() {
        let blobs = |habit| {
            life(habit)
                .iter()
                .filter(|name| *name == "ResourceCreateBlob")
                .count()
        };
        assert_eq!(blobs(Habit::Linux2d), 0);
        assert_eq!(blobs(Habit::LinuxBlob), 3, "two buffers and the pointer");
    }
}
