//! What is run while a monitor watches: storms of a tiny program, a build, a script.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use wait4::Wait4 as _;

use crate::tools::{self, Need};

const TINY: &str = include_str!("tiny.c");
const STORM: &str = include_str!("storm.c");

const NEEDS: &[Need] = &[
    Need {
        command: "gcc",
        package: "gcc",
        reason: "the tiny program, and what a build runs",
    },
    Need {
        command: "make",
        package: "make",
        reason: "the build among the workloads",
    },
];

/// Something to run.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) about: String,
    command: Vec<String>,
    folder: PathBuf,
    /// Removed before each run.
    output: Option<PathBuf>,
    /// Execs in it; `None` where the monitor counts them.
    pub(super) execs: Option<u64>,
    pub(super) storm: Option<Storm>,
}

/// The numbers of a storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) workers: u64,
    pub(super) count: u64,
    pub(super) arguments: u64,
    pub(super) length: u64,
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) wall: Duration,
    /// Processor time of all processes in it.
    pub(super) cpu: Duration,
}

/// The programs that storms are made of.
pub(super) struct Programs {
    pub(super) tiny: PathBuf,
    storm: PathBuf,
    folder: PathBuf,
}

impl Programs {
    pub(super) fn build(folder: &Path) -> Result<Self> {
        tools::install_missing(NEEDS)?;
        let compile = |name: &str, source: &str, flags: &[&str]| -> Result<PathBuf> {
            let (file, program) = (folder.join(format!("{name}.c")), folder.join(name));
            fs::write(&file, source).with_context(|| format!("writing {}", file.display()))?;
            tools::run(Command::new("gcc").args(flags).arg("-o").arg(&program).arg(&file))?;
            Ok(program)
        };
        Ok(Self {
            tiny: compile("tiny", TINY, &["-O2", "-static", "-nostdlib", "-fno-stack-protector"])?,
            storm: compile("storm", STORM, &["-O2", "-static"])?,
            folder: folder.to_owned(),
        })
    }

    pub(super) fn storm(&self, name: &'static str, storm: Storm) -> Workload {
        let Storm {
            workers,
            count,
            arguments,
            length,
        } = storm;
        Workload {
            name,
            about: format!(
                "a tiny static program, {} execs by {workers} worker{}, {arguments} argument{} of {length} bytes",
                workers * count,
                if workers == 1 { "" } else { "s" },
                if arguments == 1 { "" } else { "s" },
            ),
            command: [&self.storm, &self.tiny]
                .iter()
                .map(|path| path.display().to_string())
                .chain([workers, count, arguments, length].map(|number| number.to_string()))
                .collect(),
            folder: self.folder.clone(),
            output: None,
            // And itself.
            execs: Some(workers * count + 1),
            storm: Some(storm),
        }
    }

    /// make of a generated C project: a compiler for each file, through a shell with a pipeline.
    pub(super) fn build_project(&self, files: u32) -> Result<Workload> {
        let folder = self.folder.join("project");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let put = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
        };
        let mut main = String::from("#include <stdio.h>\n");
        for n in 0..files {
            put(
                &format!("part{n}.c"),
                &format!("#include <string.h>\nint part{n}(const char *text) {{ return (int)strlen(text) + {n}; }}\n"),
            )?;
            let _ = writeln!(main, "int part{n}(const char *);");
        }
        main.push_str("int main(void) { int sum = 0;\n");
        for n in 0..files {
            let _ = writeln!(main, "sum += part{n}(\"{n}\");");
        }
        main.push_str("printf(\"%d\\n\", sum); return 0; }\n");
        put("main.c", &main)?;
        put(
            "Makefile",
            "SOURCES := $(wildcard *.c)\nOBJECTS := $(SOURCES:%.c=out/%.o)\n\
             VERSION := $(shell echo 1.2.3 | sed 's/\\..*//')\n\
             out/program: $(OBJECTS)\n\t@cc -o $@ $^\n\t@./$@ | tr 0-9 a-j | sed s/a/b/ > out/answer\n\
             out/%.o: %.c\n\t@mkdir -p out\n\
             \t@cc -O1 -Wall -DVERSION=$(VERSION) -MMD -MF out/$*.d -c -o $@ $<\n\
             \t@sed -e 's/#.*//' out/$*.d | tr -s ' ' '\\n' | sort -u > out/$*.P\n",
        )?;
        Ok(Workload {
            name: "build",
            about: format!("make -j2 of a generated C project of {} files", files + 1),
            command: ["make", "-s", "-j2", "-f", "Makefile"].map(str::to_owned).into(),
            output: Some(folder.join("out")),
            folder,
            execs: None,
            storm: None,
        })
    }

    /// A shell script as people write them: a pipeline for everything.
    pub(super) fn script(&self, turns: u32) -> Result<Workload> {
        let file = self.folder.join("script.sh");
        let text = format!(
            "n=0\nwhile [ $n -lt {turns} ]; do\n\
             name=$(basename /usr/share/doc/package-$n.tar.gz .gz)\n\
             number=$(echo \"$name\" | sed 's/[^0-9]//g' | tr -d '\\n')\n\
             folder=$(dirname \"/srv/$number/$name\")\n\
             echo \"$folder $name $(date +%s)\" | grep -v nothing | cut -d' ' -f2 | sort | head -n 1 > /dev/null\n\
             n=$(expr $n + 1)\ndone\n"
        );
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        Ok(Workload {
            name: "script",
            about: format!("a shell script of {turns} turns with pipelines"),
            command: vec!["sh".to_owned(), file.display().to_string()],
            folder: self.folder.clone(),
            output: None,
            execs: None,
            storm: None,
        })
    }
}

impl Workload {
    /// Runs it to its end.
    pub(super) fn run(&self) -> Result<Cost> {
        if let Some(output) = self.output.as_ref().filter(|output| output.exists()) {
            fs::remove_dir_all(output).with_context(|| format!("removing {}", output.display()))?;
        }
        let (program, args) = self.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.folder)
            .env_remove("MAKEFLAGS")
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null")?);
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", tools::shown(&command)))?;
        let waited = child
            .wait4()
            .with_context(|| format!("waiting for {}", tools::shown(&command)))?;
        let wall = start.elapsed();
        ensure!(waited.status.success(), "{} failed", tools::shown(&command));
        Ok(Cost {
            wall,
            cpu: waited.rusage.utime + waited.rusage.stime,
        })
    }
}
