//! The first process of the test guest (`cargo xtask vm`).
//!
//! It mounts what a Linux system has mounted, runs every test of every binary in `/tests`, each in a process of its
//! own, reports what happened line by line, and turns the machine off. It judges nothing: the host reads the report
//! (`xtask/src/vm/report.rs` documents its lines) together with the kernel's console.
//!
//! What it is told comes from the kernel's command line:
//! - `vm.report=ttyS1`: the device that the report goes to, a line of its own so that kernel messages can't split it;
//! - `vm.filter=TEXT,TEXT`: only tests whose `binary::test` contains one of these;
//! - `vm.after=NAME`: only tests that come after this one (the previous guest died in it);
//! - `vm.timeout=SECONDS`: after which a test is killed;
//! - `vm.cgroup=1`: cgroups of version 1, of the pids controller alone; `vm.cgroup=hybrid`: with version 2 beside it;
//! - `vm.policy=selinux` or `apparmor`: the host has packed a policy for that module as `/policy`, which is loaded;
//! - `vm.tracefs=no`: tracefs is not mounted;
//! - `vm.shell`: no tests, a shell on the console.
#![forbid(unsafe_code)]

mod kernel_log;
mod report;
mod system;
mod tests;

use std::fs;

use kernel_log::KernelLog;
use report::Report;
use system::Cgroups;

/// What the kernel's command line asks for.
struct Plan {
    report: String,
    filters: Vec<String>,
    after: Option<String>,
    timeout: u64,
    cgroups: Cgroups,
    policy: Option<String>,
    no_tracefs: bool,
    shell: bool,
}

impl Plan {
    fn parse(command_line: &str) -> Self {
        let mut plan = Self {
            report: "console".to_owned(),
            filters: Vec::new(),
            after: None,
            timeout: 120,
            cgroups: Cgroups::New,
            policy: None,
            no_tracefs: false,
            shell: false,
        };
        for word in command_line.split_whitespace() {
            let Some(word) = word.strip_prefix("vm.") else { continue };
            match word.split_once('=').unwrap_or((word, "")) {
                ("report", device) => plan.report = device.to_owned(),
                ("filter", list) => plan.filters = list.split(',').map(str::to_owned).collect(),
                ("after", name) => plan.after = Some(name.to_owned()),
                ("timeout", seconds) => plan.timeout = seconds.parse().unwrap_or(plan.timeout),
                ("cgroup", "1") => plan.cgroups = Cgroups::Old,
                ("cgroup", "hybrid") => plan.cgroups = Cgroups::Hybrid,
                ("policy", module) => plan.policy = Some(module.to_owned()),
                ("tracefs", "no") => plan.no_tracefs = true,
                ("shell", _) => plan.shell = true,
                _ => {}
            }
        }
        plan
    }

    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}

fn main() {
    let mut problems = system::mount_all();
    let plan = Plan::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    problems.extend(system::cgroups(plan.cgroups).err());
    if let Some(module) = &plan.policy {
        problems.extend(system::load_policy(module).err());
    }
    if plan.no_tracefs {
        problems.extend(system::unmount("/sys/kernel/tracing").err());
    }
    problems.extend(system::set_up());
    if plan.shell {
        for problem in problems {
            eprintln!("init: {problem}");
        }
        system::shell();
    } else {
        let report = Report::open(&plan.report);
        report.boot(&system::kernel_release());
        for problem in problems {
            report.note(&problem);
        }
        let mut kernel_log = KernelLog::open(&report);
        tests::run(&plan, &mut kernel_log, &report);
        kernel_log.tell(&report, KernelLog::WARNING);
        report.done();
    }
    system::power_off();
}

#[cfg(test)]
mod unit {
    use super::Plan;
    use crate::system::Cgroups;

    #[test]
    fn the_command_line_of_the_kernel_is_not_mistaken_for_ours() {
        let plan = Plan::parse("console=ttyS0 quiet vm.report=ttyS1 vm.filter=live_exec::,argv vm.timeout=7\n");
        assert_eq!(plan.report, "ttyS1");
        assert_eq!(plan.timeout, 7);
        assert!(plan.wants("live_exec::a") && plan.wants("live_long::argv_whole") && !plan.wants("live_long::env"));
        assert!(!plan.shell && plan.after.is_none());
        assert_eq!(plan.cgroups, Cgroups::New);
        assert_eq!(Plan::parse("vm.cgroup=1").cgroups, Cgroups::Old);
        assert_eq!(Plan::parse("vm.cgroup=hybrid").cgroups, Cgroups::Hybrid);
        assert_eq!(Plan::parse("vm.policy=selinux").policy.as_deref(), Some("selinux"));
    }

    #[test]
    fn without_a_filter_every_test_is_wanted() {
        assert!(Plan::parse("console=ttyS0").wants("anything"));
    }
}
