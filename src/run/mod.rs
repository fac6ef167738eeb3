//! A run on disk. A run is a directory: a worker writes it, everything else reads it.

pub mod adapter;
pub mod base;
pub mod checkpoint;
pub mod control;
pub mod device;
pub mod directory;
pub mod event;
pub mod export;
pub mod file;
pub mod fold;
pub mod follow;
pub mod heartbeat;
pub mod history;
pub mod lifecycle;
pub mod lock;
pub mod log;
pub mod machine;
pub mod pipeline;
pub mod predict;
pub mod process;
pub mod signals;
pub mod state;
pub mod store;
pub mod threads;
pub mod view;
pub mod worker;
