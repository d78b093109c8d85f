//! Why a request was not carried out.

use std::ffi::c_int;

use protocols::virtio_gpu::ErrorCode;
use rustix::io::Errno;
use thiserror::Error;

/// Why a request was not carried out. All of these a guest can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// No context has this id.
    #[error("There is no context {0}")]
    NoContext(u32),
    /// Another context has this id, or it is 0.
    #[error("There can't be a new context {0}")]
    ContextExists(u32),
    /// No resource has this id.
    #[error("There is no resource {0}")]
    NoResource(u32),
    /// Another resource has this id, or it is 0.
    #[error("There can't be a new resource {0}")]
    ResourceExists(u32),
    /// What is asked for makes no sense, or goes beyond the end of something.
    #[error("{0}")]
    Invalid(&'static str),
    /// The resource is not in the state for this.
    #[error("Resource {resource} {state}")]
    State {
        /// Which.
        resource: u32,
        /// What it is or has.
        state: &'static str,
    },
    /// Memory is used up, the host's or its graphics card's.
    #[error("The host's memory is used up")]
    OutOfMemory,
    /// This version of the library can't do it.
    #[error("This host's libvirglrenderer has no {0}")]
    Missing(&'static str),
    /// The library has refused it, with this number (`errno`), if it gives one.
    #[error("libvirglrenderer refused to {what} (errno {errno})")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// Its reason.
        errno: i32,
    },
}

impl Failure {
    /// What the guest is told.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NoContext(_) | Self::ContextExists(_) => ErrorCode::InvalidContextId,
            Self::NoResource(_) | Self::ResourceExists(_) => ErrorCode::InvalidResourceId,
            Self::Invalid(_) => ErrorCode::InvalidParameter,
            Self::OutOfMemory => ErrorCode::OutOfMemory,
            Self::State { .. } | Self::Missing(_) | Self::Refused { .. } => ErrorCode::Unspec,
        }
    }
}

/// What the library's answer to a call means. Errors are numbers of `errno`, of either sign, and -1 says
/// nothing.
pub fn done(answer: c_int, what: &'static str) -> Result<(), Failure> {
    match answer.saturating_abs() {
        0 => Ok(()),
        errno if errno == Errno::NOMEM.raw_os_error() => Err(Failure::OutOfMemory),
        errno => Err(Failure::Refused { what, errno }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_either_sign() {
        assert_eq!(done(0, "x"), Ok(()));
        let errno = |answer| match done(answer, "x") {
            Err(Failure::Refused { errno, .. }) => errno,
            other => panic!("{other:?}"),
        };
        assert_eq!([22, -22, c_int::MIN].map(errno), [22, 22, c_int::MAX]);
        assert_eq!(done(-12, "x"), Err(Failure::OutOfMemory));
        assert_eq!(done(12, "x"), Err(Failure::OutOfMemory));
    }
}
