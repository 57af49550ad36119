//! The core's IO traits on a simulated network, for simulations of whole clusters.
