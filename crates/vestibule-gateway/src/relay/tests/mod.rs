//! Real sockets on a runtime like a worker's: what both peers see, and what the control is told.

mod carried;
mod ends;
mod flow;
mod rig;
mod tells;
mod times;
mod tls;
