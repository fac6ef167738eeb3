//! Datasets of the hub.
