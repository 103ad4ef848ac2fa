//! Facts, plan, apply, releases, leases, gates, firewall.
#![forbid(unsafe_code)]
