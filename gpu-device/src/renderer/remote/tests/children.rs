//! The other ends: this test program starts itself with one of these as the only test.
//!
//! They are ignored in a usual run, where their standard input is not what they need.

use std::{
    io::stdin,
    os::fd::{AsFd as _, OwnedFd},
    process::ExitCode,
};

use protocols::render::Lack;

use crate::renderer::process::{Lacking, fake::Fake, serve};

fn socket() -> OwnedFd {
    stdin().as_fd().try_clone_to_owned().unwrap()
}

#[test]
#[ignore = "the other end of tests"]
fn fake() {
    assert_eq!(serve(socket(), |_| Ok(Fake::new())), ExitCode::SUCCESS);
}

#[test]
#[ignore = "the other end of tests"]
fn another_each_time() {
    serve(socket(), |_| Ok(Fake::new().of_another_version()));
}

#[test]
#[ignore = "the other end of tests"]
fn lacking() {
    let start = |_| Err::<Fake, _>(Lacking::new(Lack::Library, "no such\nfile"));
    serve(socket(), start);
}

#[test]
#[ignore = "the other end of tests"]
fn silent() {
    serve(socket(), |_| -> Result<Fake, Lacking> {
        loop {
            std::thread::park();
        }
    });
}
