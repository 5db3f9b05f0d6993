//! The model
