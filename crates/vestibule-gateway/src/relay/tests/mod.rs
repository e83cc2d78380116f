//! Real sockets beside a relay on a thread like a worker's: what both peers see, and what the
//! control is told.

mod carried;
mod ends;
mod flow;
mod rig;
mod tells;
mod thread;
mod times;
mod tls;
