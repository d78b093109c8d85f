//! The painter's input devices: a driver each, in a thread that takes what arrives.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use guest::input::{InputDriver, InputError, InputOptions};

use super::orders::{Frame, Frames};

/// How long a driver waits for events before it looks for orders. Longer than the device may need to answer it.
const TURN: Duration = Duration::from_secs(1);

/// What went wrong, and what arrived.
type Shared = Mutex<(Option<String>, Frames)>;

/// A light to be switched.
type Light = (u16, bool);

/// All drivers.
pub struct Hands {
    shared: Arc<Shared>,
    lights: BTreeMap<String, mpsc::Sender<Light>>,
}

impl Hands {
    /// Starts one for each of `inputs`: a kind, an equals sign and a socket.
    ///
    /// # Errors
    ///
    /// When a device is not there.
    pub fn start(inputs: &[String]) -> Result<Self> {
        let shared = Arc::new(Mutex::new((None, Frames::new())));
        let mut lights = BTreeMap::new();
        for input in inputs {
            let (kind, socket) = input
                .split_once('=')
                .with_context(|| format!("Understanding --input {input}"))?;
            let options = InputOptions {
                timeout: TURN,
                ..InputOptions::default()
            };
            let driver = InputDriver::connect(Path::new(socket), &options)
                .with_context(|| format!("Driving the {kind} at {socket}"))?;
            let (sender, receiver) = mpsc::channel();
            let (kind, here) = (kind.to_owned(), Arc::clone(&shared));
            lights.insert(kind.clone(), sender);
            thread::spawn(move || serve(driver, &kind, &here, &receiver));
        }
        Ok(Self { shared, lights })
    }

    /// What has arrived since the last time.
    ///
    /// # Errors
    ///
    /// When a driver has found a fault in its device.
    pub fn take(&self) -> Result<Frames> {
        let mut shared = lock(&self.shared);
        if let Some(error) = &shared.0 {
            bail!("{error}");
        }
        Ok(std::mem::take(&mut shared.1))
    }

    /// Switches a light of the keyboard.
    ///
    /// # Errors
    ///
    /// When there is no keyboard.
    pub fn light(&self, code: u16, on: bool) -> Result<()> {
        let keyboard = self
            .lights
            .get("keyboard")
            .context("There is no keyboard")?;
        keyboard.send((code, on)).context("The keyboard is gone")
    }
}

fn serve(mut driver: InputDriver, kind: &str, shared: &Shared, lights: &mpsc::Receiver<Light>) {
    loop {
        let result = match driver.frame() {
            Ok(events) => {
                let frame: Frame = events
                    .iter()
                    .map(|event| (event.kind, event.code, event.value))
                    .collect();
                let mut shared = lock(shared);
                shared.1.entry(kind.to_owned()).or_default().push(frame);
                Ok(())
            }
            Err(InputError::Timeout { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        let result = result.and_then(|()| match lights.try_recv() {
            Ok((code, on)) => driver.set_led(code, on),
            Err(_) => Ok(()),
        });
        if let Err(error) = result {
            lock(shared).0 = Some(format!("The {kind}: {error}"));
            return;
        }
    }
}

/// What a thread that panicked left is as good as before.
fn lock(shared: &Shared) -> MutexGuard<'_, (Option<String>, Frames)> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
