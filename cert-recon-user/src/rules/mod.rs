//! The rule engine and the rule packs it runs.
//!
//! Owns what a rule is (data in TOML, see [`Pack`]), how packs become one [`Engine`], and the judgement of one exec by
//! its program names and command line. It is pure logic: it never reads a file, a clock or the process table, never
//! prints, and never panics, whatever bytes an exec or a rule file holds. Who reads `/etc/cert-recon/rules.d` and who
//! turns a [`Verdict`] into a finding is decided elsewhere.
//!
//! ```
//! use cert_recon::rules::{BUILTIN_PACKS, Confidence, Engine, Subject};
//!
//! let kql = BUILTIN_PACKS.iter().find(|builtin| builtin.name == "kql").expect("it is built in");
//! let engine = Engine::new(&[kql.parse()?])?;
//! let mut scratch = engine.scratch();
//!
//! let subject = Subject::new(&[b"curl"], b"curl https://crt.sh/?q=%.example.com");
//! let verdict = engine.judge(&subject, &mut scratch).expect("a web client asks a watched service");
//! assert_eq!(verdict.category, "CTLogQuery");
//! assert_eq!(verdict.matched_terms, ["curl", "crt.sh"]);
//! assert_eq!(verdict.confidence, Confidence::High);
//!
//! let harmless = Subject::new(&[b"curl"], b"curl https://example.com");
//! assert!(engine.judge(&harmless, &mut scratch).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod act_match;
mod builtin;
mod clean;
mod compiler;
mod engine;
mod error;
mod exec_match;
mod explain;
mod export;
mod field;
mod gate;
mod level;
mod matcher;
mod pack;
mod prefilter;
mod read_pack;
mod samples;
mod term;
mod understand;
mod verdict;
mod windows;

pub use self::builtin::{BUILTIN_PACKS, BuiltinPack, DEFAULT_PACKS};
pub use self::engine::{Engine, Scratch};
pub use self::error::{EngineError, PackError, PackProblem};
pub use self::explain::{CaseTrace, Explanation, Occurrence, Place, PredicateTrace, RuleTrace};
pub use self::export::{kql_query, sigma_rules, toml_packs};
pub use self::field::{Field, Operator};
pub use self::gate::WatchedPrograms;
pub use self::level::{Confidence, ParseLevelError, Severity};
pub use self::pack::{Case, Pack, Predicate, Rule, Sample, Terms};
pub use self::samples::{ArgumentForm, SampleFailure, SampleProblem, check_samples};
pub use self::verdict::{Subject, Verdict};
