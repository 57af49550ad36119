//! OpenProxy's IO traits on Linux.
