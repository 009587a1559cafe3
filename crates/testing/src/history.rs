//! Recorded histories of rotations, and their judge.
