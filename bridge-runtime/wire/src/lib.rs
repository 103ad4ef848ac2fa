//! Wire formats without I/O: XML stanzas, colibri2, Jingle, brewery presence, channel messages.
#![forbid(unsafe_code)]
