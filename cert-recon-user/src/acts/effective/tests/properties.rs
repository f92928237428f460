//! What holds for any arguments.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use crate::acts::{Budget, Command, effective};

/// Words that mean something to the programs that are looked through.
const WORDS: &[&str] = &[
    "sudo",
    "su",
    "doas",
    "env",
    "nice",
    "timeout",
    "5",
    "xargs",
    "find",
    "-exec",
    ";",
    "+",
    "{}",
    "parallel",
    ":::",
    ":::+",
    "::::",
    "bash",
    "sh",
    "-c",
    "-lc",
    "-co",
    "pipefail",
    "-s",
    "--",
    "-",
    "-u",
    "-I",
    "-I{}",
    "-i",
    "-n",
    "-S",
    "--split-string=a b",
    "docker",
    "run",
    "exec",
    "--entrypoint",
    "-it",
    "alpine",
    "kubectl",
    "--image=x",
    "python3",
    "-m",
    "perl",
    "-e",
    "system('a b')",
    "`x`",
    "os.system(",
    "subprocess.run(['a','b'])",
    "awk",
    "BEGIN{system(\"x\")}",
    "cmd",
    "/c",
    "a&b|c",
    "^",
    "busybox",
    "tmux",
    "new",
    "ssh",
    "go",
    "npx",
    "uvx",
    "java",
    "-jar",
    "pwsh",
    "-File",
    "flock",
    "script",
    "watch",
    "perf",
    "record",
    "ip",
    "netns",
    "eval",
    "exec",
    "$(",
    "curl",
    "https://crt.sh",
    "A=b",
    "",
    "vim",
    "+!x",
    "bwrap",
    "--bind",
    "start-stop-daemon",
    "-x",
    "screen",
    "-X",
    "stuff",
    "\u{0}",
    "php",
    "-r",
    "ruby",
    "-e",
    "node",
    "deno",
    "eval",
    "tclsh",
    "R",
    "nix",
    "guix",
    "wsl",
    "taskset",
    "-p",
    "ld.so",
    "-",
    "%x{",
];

fn look<'a>(argv: &'a [Vec<u8>], budget: &mut Budget) -> Vec<Command<'a>> {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    effective::commands(&argv[..argv.len().min(1)], &argv, budget)
}

fn budget(argv: &[Vec<u8>]) -> Budget {
    Budget::new(argv.iter().map(|word| word.len() + 1).sum())
}

fn soup() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let pair = (word.clone(), word.clone()).prop_map(|(a, b)| [a, b].concat());
    let line = vec(word.clone(), 0..6).prop_map(|words| words.join(&b' '));
    vec(
        prop_oneof![6 => word, 1 => pair, 1 => line, 1 => vec(any::<u8>(), 0..12), 1 => Just(b"sudo".to_vec())],
        0..24,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_arguments_are_looked_through_the_same_way_each_time(argv in vec(vec(any::<u8>(), 0..40), 0..12)) {
        prop_assert_eq!(look(&argv, &mut budget(&argv)), look(&argv, &mut budget(&argv)));
    }

    #[test]
    fn soups_of_real_words_are_looked_through_within_the_limits(argv in soup()) {
        let commands = look(&argv, &mut budget(&argv));
        prop_assert!(commands.len() <= Budget::COMMANDS);
        prop_assert!(commands.iter().all(|command| command.via.len() <= Budget::DEPTH as usize));
        prop_assert_eq!(&commands, &look(&argv, &mut budget(&argv)));
        for command in &commands {
            let mut programs = command.programs.clone();
            programs.sort();
            programs.dedup();
            prop_assert_eq!(programs.len(), command.programs.len());
        }
    }
}

/// Work is bounded by the budget, whatever is repeated.
#[test]
fn a_lot_of_anything_ends_soon() {
    let words = [
        "sudo", "find", "-exec", "xargs", "-I", "env", "bash", "-c", "docker", "--a", "-x", ";", "parallel", ":::",
        "{}", "perl", "-e",
    ];
    for word in words {
        for first in [
            "sudo", "find", "xargs", "bash", "docker", "parallel", "tmux", "kubectl", "python3", "env", "cmd", "pwsh",
            "perl", "bwrap",
        ] {
            let mut argv: Vec<Vec<u8>> = vec![first.into()];
            if first == "docker" || first == "kubectl" {
                argv.push(b"run".to_vec());
            }
            argv.resize((1 << 17) / (word.len() + 1), word.into());
            let _ = look(&argv, &mut budget(&argv));
        }
    }
    let codes = [
        "os.system(",
        "system(['a',",
        "system('",
        "`",
        "exec(exec(",
        "q{",
        "\"x\" | getline ",
        "system((",
        "system(a+",
        "'a'+",
        "open(",
        "f'{",
        "%x(",
    ];
    for code in codes {
        for (program, option) in [
            ("python3", "-c"),
            ("perl", "-e"),
            ("ruby", "-e"),
            ("node", "-e"),
            ("php", "-r"),
            ("awk", "--"),
            ("tclsh", "-"),
            ("lua", "-e"),
        ] {
            let argv: Vec<Vec<u8>> = vec![
                program.into(),
                option.into(),
                code.repeat((1 << 19) / code.len()).into(),
            ];
            let _ = look(&argv, &mut budget(&argv));
        }
    }
}
