//! The contract between cert-recon's eBPF program and its user space.
#![no_std]
#![forbid(unsafe_code)]
