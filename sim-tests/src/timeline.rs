//! What a run looked like, as one self-contained page.
