//! cert-recon: sees every exec on a Linux host and reports reconnaissance through digital certificates.
