//! Remote execution: openssh, local, and a recorded fake.
#![forbid(unsafe_code)]
