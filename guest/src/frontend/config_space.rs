//! The configuration space, read and written as the VMM does it.

use protocols::virtio_gpu::{CONFIG_SIZE, Config};
use vhost::vhost_user::message::{FrontendReq, VhostUserConfig, VhostUserConfigFlags};
use vm_memory::ByteValued;

use super::{Frontend, FrontendError};

impl Frontend {
    /// Reads the device's configuration space.
    ///
    /// # Errors
    /// The device does not answer, or not with what was asked for.
    pub fn read_config(&mut self) -> Result<Config, FrontendError> {
        let bytes = self.read_config_bytes(0, CONFIG_SIZE)?;
        let mut config = Config::decode(&bytes).ok_or_else(|| FrontendError::WrongReply {
            request: "GET_CONFIG".to_owned(),
            what: format!("{} bytes of configuration", bytes.len()),
        })?;
        // The VMM decides how many monitors there are; a device may leave it to it and say none.
        if self.dialect.has_display_socket() {
            config.num_scanouts = config.num_scanouts.max(1);
        }
        Ok(config)
    }

    /// Reads `length` bytes of the configuration space from `offset` on, as this VMM does it:
    /// QEMU asks for all of it, most others for everything up to there.
    ///
    /// # Errors
    /// The device does not answer, or not with what was asked for.
    pub fn read_config_bytes(
        &mut self,
        offset: usize,
        length: usize,
    ) -> Result<Vec<u8>, FrontendError> {
        let start = if self.dialect.reads_config_from_start() {
            0
        } else {
            offset
        };
        let end = if self.dialect.knows_config_size() {
            self.config_size.max(offset + length)
        } else {
            offset + length
        };
        let wanted = end - start;
        let mut payload = config_header(start, wanted);
        payload.resize(payload.len() + wanted, 0);
        let reply = self.channel.ask(FrontendReq::GET_CONFIG, &payload)?;
        let header = config_header(start, wanted);
        let bytes = reply.strip_prefix(header.as_slice()).unwrap_or_default();
        if bytes.len() != wanted {
            let what = format!("{} bytes instead of {}", reply.len(), payload.len());
            return Err(FrontendError::WrongReply {
                request: "GET_CONFIG".to_owned(),
                what,
            });
        }
        let from = offset - start;
        let part = bytes.get(from..from + length);
        Ok(part.unwrap_or_default().to_vec())
    }

    /// Writes to the configuration space, as this VMM does it: QEMU sends all of it each time.
    ///
    /// # Errors
    /// The device does not take it.
    pub fn write_config_bytes(&mut self, offset: usize, bytes: &[u8]) -> Result<(), FrontendError> {
        let mut content = bytes.to_vec();
        let mut start = offset;
        if self.dialect.knows_config_size() {
            let mut whole = self.read_config_bytes(0, self.config_size)?;
            whole.resize(whole.len().max(offset + bytes.len()), 0);
            if let Some(place) = whole.get_mut(offset..offset + bytes.len()) {
                place.copy_from_slice(bytes);
            }
            (content, start) = (whole, 0);
        }
        let mut payload = config_header(start, content.len());
        payload.extend_from_slice(&content);
        self.set(FrontendReq::SET_CONFIG, &payload, &[])
    }
}

fn config_header(offset: usize, length: usize) -> Vec<u8> {
    let word = |number| u32::try_from(number).unwrap_or(u32::MAX);
    VhostUserConfig::new(word(offset), word(length), VhostUserConfigFlags::empty())
        .as_slice()
        .to_vec()
}
