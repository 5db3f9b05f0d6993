//! All tests that see the service from outside, in one binary.

mod legacy;
mod support;
