//! The pure, deterministic heart of OpenProxy.
