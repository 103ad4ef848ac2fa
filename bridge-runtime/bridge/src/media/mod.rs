//! The edge of media: UDP sockets, batches, threads and the clock around [`jitctl_media`].
//!
//! One worker is one thread with one socket per local address, one engine and no lock. Workers of
//! one process share the port (`SO_REUSEPORT`); the kernel keeps a client's packets on one of
//! them, and a worker that gets another's hands the bytes over. Other threads speak to a worker
//! through [`WorkerHandle::run`] only. No async runtime is involved: the path of a packet is
//! receive, handle, send.

pub mod addresses;
pub(crate) mod aws;
mod batch;
pub mod discovery;
mod mailbox;
mod sender;
mod socket;
mod worker;

pub use sender::SendCounters;
pub use socket::{MediaSocket, SocketError};
pub use worker::{
    EventHandler, StartedWorker, WorkerConfig, WorkerError, WorkerGone, WorkerHandle, WorkerSeat,
    WorkerStatistics, start,
};
