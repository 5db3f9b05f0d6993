//! What docs/security.md promises, check by check.

mod rates;
