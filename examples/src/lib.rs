//! Holds the examples; the library itself is empty.
