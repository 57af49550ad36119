//! The daemon's library.
