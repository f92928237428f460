//! cert-recon's eBPF program.
#![no_std]
#![no_main]
