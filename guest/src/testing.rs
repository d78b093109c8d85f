//! A small virtio-gpu device for this crate's own tests, made of rust-vmm's back-end crates, so
//! that none of our own code is on both ends.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread::JoinHandle,
};

use protocols::virtio_gpu::{
    Command, Config, DisplayMode, Header, MAX_SCANOUTS, Rect, Response, decode,
};
use vhost::vhost_user::{GpuBackend, Listener, VhostUserProtocolFeatures as Protocol};
use vhost_user_backend::{VhostUserBackendMut, VhostUserDaemon, VringRwLock, VringT};
use virtio_queue::{DescriptorChain, QueueT};
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryLoadGuard, GuestMemoryMmap};
use vmm_sys_util::{
    epoll::EventSet,
    event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier},
};

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;
type Chain = DescriptorChain<GuestMemoryLoadGuard<GuestMemoryMmap>>;

/// What the device does with a command.
pub(crate) enum Reaction {
    /// Answers at once.
    Answer(Response),
    /// Answers with OK when [`TestDevice::release`] is called.
    Hold,
}

/// What the device has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) commands: Vec<(Header, Command)>,
    pub(crate) features: u64,
    pub(crate) resets: usize,
    pub(crate) display_sockets: usize,
    pub(crate) regions: Vec<(u64, u64)>,
    pub(crate) config: Vec<(u32, Vec<u8>)>,
    /// The most buffers that one chain had.
    pub(crate) longest_chain: usize,
    /// What the configuration space says about events.
    pub(crate) events: u32,
    held: Vec<Box<dyn FnOnce() + Send>>,
}

type Decide = dyn FnMut(&Command) -> Reaction + Send + Sync;

struct Gpu {
    memory: Option<Memory>,
    seen: Arc<Mutex<Seen>>,
    decide: Box<Decide>,
    event_idx: bool,
}

/// The running device. It ends when its front-end goes away.
pub(crate) struct TestDevice {
    pub(crate) socket: PathBuf,
    pub(crate) seen: Arc<Mutex<Seen>>,
    _directory: tempfile::TempDir,
    /// Joined on drop, so that no thread outlives its test.
    thread: Option<JoinHandle<()>>,
}

/// The features that [`TestDevice`] offers.
pub(crate) const OFFERED: u64 =
    1 << 32 | 1 << 30 | 1 << 29 | 1 << 28 | 1 << 27 | 1 << 24 | 1 << 3 | 1 << 2 | 1 << 1;

impl TestDevice {
    /// Answers every command as a device with one 640×480 monitor does.
    pub(crate) fn new() -> Self {
        Self::with(|command| Reaction::Answer(usual_answer(command)))
    }

    pub(crate) fn with(decide: impl FnMut(&Command) -> Reaction + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("gpu.sock");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let gpu = Gpu {
            memory: None,
            seen: Arc::clone(&seen),
            decide: Box::new(decide),
            event_idx: false,
        };
        let (listening, wait) = mpsc::channel();
        let path = socket.clone();
        let thread = std::thread::spawn(move || {
            let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
            let backend = Arc::new(Mutex::new(gpu));
            let mut daemon = VhostUserDaemon::new("gpu".to_owned(), backend, memory).unwrap();
            let mut listener = Listener::new(&path, true).unwrap();
            listening.send(()).unwrap();
            daemon.start(&mut listener).unwrap();
            // Ends with an error when the front-end hangs up, which is how every test ends.
            let _ = daemon.wait();
        });
        wait.recv().unwrap();
        Self {
            socket,
            seen,
            _directory: directory,
            thread: Some(thread),
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// The commands so far, without their headers.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.seen()
            .commands
            .iter()
            .map(|(_, command)| command.clone())
            .collect()
    }

    /// Answers what is held, the newest first; returns how many there were.
    pub(crate) fn release(&self) -> usize {
        let held = std::mem::take(&mut self.seen().held);
        let count = held.len();
        held.into_iter().rev().for_each(|answer| answer());
        count
    }

    /// Waits for the device's end; the front-end must be gone.
    pub(crate) fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// What a device with one 640×480 monitor answers.
pub(crate) fn usual_answer(command: &Command) -> Response {
    match command {
        Command::GetDisplayInfo => {
            let mut modes = [DisplayMode::default(); MAX_SCANOUTS];
            modes[0] = DisplayMode {
                rect: Rect::from_size(640, 480),
                enabled: true,
                flags: 0,
            };
            Response::OkDisplayInfo(Box::new(modes))
        }
        Command::GetEdid { .. } => Response::OkEdid(vec![0; 128]),
        Command::ResourceAssignUuid { resource_id } => {
            Response::OkResourceUuid([resource_id.to_le_bytes()[0]; 16])
        }
        _ => Response::OkNodata,
    }
}

impl Gpu {
    fn serve(&mut self, vring: &VringRwLock) {
        loop {
            let memory = self.memory.as_ref().unwrap().memory();
            let Some(chain) = vring.get_mut().get_queue_mut().pop_descriptor_chain(memory) else {
                return;
            };
            self.serve_chain(vring, chain);
        }
    }

    fn serve_chain(&mut self, vring: &VringRwLock, chain: Chain) {
        let memory = chain.memory().clone();
        let mut bytes = Vec::new();
        chain
            .clone()
            .reader(&memory)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        let (header, command) = decode(&bytes).expect("a well-formed command");
        let reaction = (self.decide)(&command);
        let mut seen = self.seen.lock().unwrap();
        seen.longest_chain = seen.longest_chain.max(chain.clone().count());
        seen.commands.push((header, command.clone()));

        let vring = vring.clone();
        let answer = move |response: &Response| {
            let mut bytes = Vec::new();
            response.encode(&header, &mut bytes);
            let head = chain.head_index();
            let mut writer = chain.writer(&memory).unwrap();
            let room = writer.available_bytes().min(bytes.len());
            writer.write_all(&bytes[..room]).unwrap();
            vring.add_used(head, u32::try_from(room).unwrap()).unwrap();
            if vring.needs_notification().unwrap() {
                vring.signal_used_queue().unwrap();
            }
        };
        match reaction {
            Reaction::Answer(response) => {
                drop(seen);
                answer(&response);
            }
            Reaction::Hold => seen
                .held
                .push(Box::new(move || answer(&Response::OkNodata))),
        }
    }
}

impl VhostUserBackendMut for Gpu {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        2
    }

    fn max_queue_size(&self) -> usize {
        32768
    }

    fn features(&self) -> u64 {
        OFFERED
    }

    fn acked_features(&mut self, features: u64) {
        self.seen.lock().unwrap().features = features;
    }

    fn protocol_features(&self) -> Protocol {
        Protocol::MQ
            | Protocol::CONFIG
            | Protocol::REPLY_ACK
            | Protocol::BACKEND_REQ
            | Protocol::RESET_DEVICE
            | Protocol::CONFIGURE_MEM_SLOTS
    }

    fn reset_device(&mut self) {
        self.seen.lock().unwrap().resets += 1;
    }

    fn set_event_idx(&mut self, enabled: bool) {
        self.event_idx = enabled;
    }

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let config = Config {
            events_read: self.seen.lock().unwrap().events,
            num_scanouts: 1,
            ..Config::default()
        };
        let mut bytes = vec![0; usize::try_from(size).unwrap()];
        config.read(offset, &mut bytes);
        bytes
    }

    fn set_config(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        self.seen
            .lock()
            .unwrap()
            .config
            .push((offset, bytes.to_vec()));
        Ok(())
    }

    fn update_memory(&mut self, memory: Memory) -> io::Result<()> {
        use vm_memory::{Address, GuestMemoryBackend, GuestMemoryRegion};
        self.seen.lock().unwrap().regions = memory
            .memory()
            .iter()
            .map(|region| (region.start_addr().raw_value(), region.len()))
            .collect();
        self.memory = Some(memory);
        Ok(())
    }

    fn set_gpu_socket(&mut self, _socket: GpuBackend) -> io::Result<()> {
        self.seen.lock().unwrap().display_sockets += 1;
        Ok(())
    }

    /// Without it the crate waits for its worker thread for ever.
    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK).ok()
    }

    fn handle_event(
        &mut self,
        _event: u16,
        _events: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        for vring in vrings {
            if !self.event_idx {
                self.serve(vring);
                continue;
            }
            loop {
                vring.disable_notification().unwrap();
                self.serve(vring);
                if !vring.enable_notification().unwrap() {
                    break;
                }
            }
        }
        Ok(())
    }
}
