//! With processes of its own, which draw nothing ([`super::super::process::fake`]).

mod children;
mod fixture;
mod hostile;
mod life;
mod real;
mod requests;
