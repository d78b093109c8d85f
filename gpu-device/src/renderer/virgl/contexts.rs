//! Contexts: a guest's programs that draw, and what they ask to be drawn.

use std::{
    collections::{BTreeSet, btree_map::Entry},
    ffi::{CString, c_int},
};

use protocols::virtio_gpu::{CAPSET_VENUS, CAPSET_VIRGL};

use super::{Failure, Virgl, error::done};
use crate::renderer::Timeline;

/// A context that the library knows.
#[derive(Debug)]
pub struct Context {
    pub(super) capset: u32,
    /// The resources that it knows.
    pub(super) attached: BTreeSet<u32>,
}

impl Virgl {
    /// CTX_CREATE. `capset` 0 is the guest driver's choice of old, virgl.
    ///
    /// # Errors
    /// The id is 0 or in use, the capset is not one of [`Self::capsets`], or the host has failed.
    pub fn create_context(
        &mut self,
        context: u32,
        capset: u32,
        name: &[u8],
    ) -> Result<(), Failure> {
        let kind = if capset == 0 { CAPSET_VIRGL } else { capset };
        if !self.capsets.iter().any(|offered| offered.id == kind) {
            return Err(Failure::Invalid("There is no capset for such a context"));
        }
        let Entry::Vacant(place) = self.contexts.entry(context) else {
            return Err(Failure::ContextExists(context));
        };
        if context == 0 {
            return Err(Failure::ContextExists(context));
        }
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = CString::new(name).unwrap_or_default();
        let length = u32::try_from(name.as_bytes().len()).unwrap_or(0);
        let made = if capset == 0 {
            // SAFETY: the name lives as long as the call, which copies `length` bytes of it.
            unsafe { (self.functions.context_create)(context, length, name.as_ptr()) }
        } else {
            let create = self.functions.context_create_with_flags;
            // SAFETY: the name lives as long as the call, which copies `length` bytes of it.
            unsafe { create(context, capset, length, name.as_ptr()) }
        };
        done(made, "create a context")?;
        place.insert(Context {
            capset: kind,
            attached: BTreeSet::new(),
        });
        Ok(())
    }

    /// CTX_DESTROY. Its fences are reached, those of OpenGL in their turn; resources stay.
    ///
    /// # Errors
    /// There is no such context.
    pub fn destroy_context(&mut self, context: u32) -> Result<(), Failure> {
        let gone = self.contexts.remove(&context);
        gone.ok_or(Failure::NoContext(context))?;
        // SAFETY: the library has this context, and only its number is handed over.
        unsafe { (self.functions.context_destroy)(context) };
        self.callbacks.fences().context_gone(context);
        self.speak_for_all_awaited();
        Ok(())
    }

    /// CTX_ATTACH_RESOURCE. Attaching twice is no error.
    ///
    /// # Errors
    /// One of them does not exist.
    pub fn attach_to_context(&mut self, context: u32, resource: u32) -> Result<(), Failure> {
        let (of_context, of_resource) = self.pair(context, resource)?;
        let known = self.contexts.get_mut(&context);
        if known.is_some_and(|known| known.attached.insert(resource)) {
            // SAFETY: the library has both, and only their numbers are handed over.
            unsafe { (self.functions.ctx_attach_resource)(of_context, of_resource) };
        }
        Ok(())
    }

    /// CTX_DETACH_RESOURCE. Detaching what is not attached is no error.
    ///
    /// # Errors
    /// One of them does not exist.
    pub fn detach_from_context(&mut self, context: u32, resource: u32) -> Result<(), Failure> {
        let (of_context, of_resource) = self.pair(context, resource)?;
        let known = self.contexts.get_mut(&context);
        if known.is_some_and(|known| known.attached.remove(&resource)) {
            // SAFETY: the library has both, and only their numbers are handed over.
            unsafe { (self.functions.ctx_detach_resource)(of_context, of_resource) };
        }
        Ok(())
    }

    /// SUBMIT_3D. `commands` must be whole words; they are copied where their address is not a multiple
    /// of eight.
    ///
    /// # Errors
    /// There is no such context, the last command is cut off (nothing was done then), or the context
    /// could not make sense of the commands: what came before the one it stumbled over was done, and
    /// it may do nothing more until it is destroyed.
    pub fn submit(&mut self, context: u32, commands: &[u8]) -> Result<(), Failure> {
        if !self.contexts.contains_key(&context) {
            return Err(Failure::NoContext(context));
        }
        let (words, rest) = commands.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Failure::Invalid("Commands are not whole words"));
        }
        let count = c_int::try_from(words.len())
            .map_err(|_| Failure::Invalid("There are too many commands"))?;
        if !self.is_venus(context) && !is_whole(words) {
            return Err(Failure::Invalid("The last command is cut off"));
        }
        if count == 0 {
            return Ok(());
        }
        // The library reads words in place, and some of its parts pairs of them.
        let copy: Vec<u64>;
        let start = if commands.as_ptr().cast::<u64>().is_aligned() {
            commands.as_ptr()
        } else {
            copy = pairs(words);
            copy.as_ptr().cast()
        };
        // SAFETY: `start` is the address of `count` words that live as long as the call, aligned for
        // them; the library does not write to them, though its signature would let it.
        let result =
            unsafe { (self.functions.submit_cmd)(start.cast_mut().cast(), number(context), count) };
        done(result, "carry out commands")
    }

    /// Finds out which contexts of venus have died: nothing tells, and fences that they owe are never
    /// reached. To be called about once a second while fences are awaited.
    pub fn look_after_contexts(&mut self) {
        let timelines = self.callbacks.fences().timelines();
        for timeline in timelines {
            if let Timeline::Ring { context, .. } = timeline
                && self.is_venus(context)
            {
                // One more fence shows it; what went wrong is noted there.
                let _ = self.send_fence(timeline, None);
            }
        }
    }

    /// A context of venus does not take fences any more: its part of the render server is gone.
    pub(super) fn venus_failed(&mut self, context: u32) {
        if self.is_venus(context) {
            self.callbacks.fences().context_gone(context);
        }
    }

    /// Has each timeline that waits for something report once more. When a context goes, version 0.10
    /// also drops the fence that its thread just waits for, whosever it is: the next one on its timeline
    /// speaks for it, and there may be none for long.
    fn speak_for_all_awaited(&mut self) {
        let timelines = self.callbacks.fences().timelines();
        for timeline in timelines {
            // Where the library has no fence to give, nobody must wait for ever.
            if self.send_fence(timeline, None).is_err() {
                self.callbacks.fences().give_up(timeline);
            }
        }
    }

    /// Whether a context is one of venus, which the library runs elsewhere.
    pub(super) fn is_venus(&self, context: u32) -> bool {
        let known = self.contexts.get(&context);
        known.is_some_and(|known| known.capset == CAPSET_VENUS)
    }

    /// A context and a resource that exist, as the library wants their numbers.
    fn pair(&self, context: u32, resource: u32) -> Result<(c_int, c_int), Failure> {
        if !self.contexts.contains_key(&context) {
            return Err(Failure::NoContext(context));
        }
        if !self.resources.contains_key(&resource) {
            return Err(Failure::NoResource(resource));
        }
        Ok((number(context), number(resource)))
    }
}

/// An id where the library takes an `int`. It casts it back.
pub fn number(id: u32) -> c_int {
    id.cast_signed()
}

/// Whether virgl's commands end where their words do: each begins with how many follow it. The library
/// itself does not tell that a stream is cut off.
fn is_whole(words: &[[u8; 4]]) -> bool {
    let mut left = words;
    while let Some((header, rest)) = left.split_first() {
        let length = usize::from(u16::from_le_bytes([header[2], header[3]]));
        match rest.get(length..) {
            Some(next) => left = next,
            None => return false,
        }
    }
    true
}

/// Words, two at an address that suits both.
fn pairs(words: &[[u8; 4]]) -> Vec<u64> {
    let pair = |pair: &[[u8; 4]]| {
        let mut bytes = [0; 8];
        for (byte, from) in bytes.iter_mut().zip(pair.as_flattened()) {
            *byte = *from;
        }
        u64::from_ne_bytes(bytes)
    };
    words.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_whole_where_its_last_command_is() {
        let command = [7, 0, 2, 0];
        let word = [0xff; 4];
        assert!(is_whole(&[]));
        assert!(is_whole(&[[0; 4], command, word, word]));
        assert!(!is_whole(&[command, word]));
        assert!(!is_whole(&[command, word, word, command]));
        assert!(!is_whole(&[word]));
    }

    #[test]
    fn words_keep_their_bytes_in_pairs() {
        let words = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]];
        let pairs = pairs(&words);
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].to_ne_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(pairs[1].to_ne_bytes(), [9, 10, 11, 12, 0, 0, 0, 0]);
    }
}
