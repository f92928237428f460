//! What the engine costs: per exec on the tables of the tests, and on hostile argv of two sizes, whose ratio shows whether the
//! work is linear. `cargo bench --bench engine`; figures are to be compared within one run.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use cert_recon::rules::{BUILTIN_PACKS, Engine, Pack, Scratch, Subject};

const SMALL: usize = 128 << 10;
const LARGE: usize = 2 << 20;

/// A program's name, its first arguments, and what is repeated behind them.
type Hostile<'a> = (&'a str, &'a [&'a [u8]], &'a [u8]);

struct Line {
    names: Vec<Vec<u8>>,
    argv: Vec<u8>,
}

fn argv(args: &[&[u8]]) -> Vec<u8> {
    args.iter().flat_map(|arg| [*arg, b"\0"].concat()).collect()
}

fn table(text: &str) -> Vec<Line> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let names = columns
                .next()?
                .split('|')
                .map(|name| name.as_bytes().to_vec())
                .collect();
            let args: Vec<String> = serde_json::from_str(columns.next()?).ok()?;
            let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
            Some(Line {
                names,
                argv: argv(&args),
            })
        })
        .collect()
}

/// The least of several runs over all lines, per line.
fn time(engine: &Engine, scratch: &mut Scratch, lines: &[Line]) -> Duration {
    let judge = |scratch: &mut Scratch| {
        for line in lines {
            let names: Vec<&[u8]> = line.names.iter().map(Vec::as_slice).collect();
            scratch.forget();
            black_box(engine.judge(&Subject::new(&names, &line.argv), scratch));
        }
    };
    judge(scratch);
    let runs = if lines.len() == 1 && lines[0].argv.len() > SMALL / 2 {
        2
    } else {
        30
    };
    let least = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            judge(scratch);
            begun.elapsed()
        })
        .min()
        .unwrap_or_default();
    least / u32::try_from(lines.len()).unwrap_or(u32::MAX)
}

fn engine(packs: &[&str]) -> Engine {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|pack| packs.contains(&pack.name))
        .map(|pack| pack.parse().expect("a built-in pack"))
        .collect();
    Engine::new(&packs).expect("the packs work together")
}

fn main() {
    let (kql, both) = (engine(&["kql"]), engine(&["kql", "extended"]));
    let mut scratch = both.scratch();
    let one = |names: &[&str], args: &[&[u8]]| {
        vec![Line {
            names: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            argv: argv(args),
        }]
    };
    let typical: [(&str, Vec<Line>); 8] = [
        ("ls -la /tmp", one(&["ls"], &[b"ls", b"-la", b"/tmp"])),
        ("git status", one(&["git"], &[b"git", b"status", b"--porcelain"])),
        (
            "cc1, 1 KiB of options",
            one(
                &["cc1"],
                &[
                    b"/usr/lib/gcc/cc1",
                    [b"-I/usr/include/some/folder ".repeat(40)].concat().as_slice(),
                ],
            ),
        ),
        (
            "sh -c with a pipeline",
            one(&["sh", "dash"], &[b"sh", b"-c", b"ps aux | grep nginx | wc -l"]),
        ),
        (
            "python3 script",
            one(
                &["python3", "python3.11"],
                &[b"python3", b"manage.py", b"migrate", b"--noinput"],
            ),
        ),
        (
            "curl elsewhere",
            one(
                &["curl"],
                &[
                    b"curl",
                    b"-fsSL",
                    b"https://example.com/install.sh",
                    b"-o",
                    b"install.sh",
                ],
            ),
        ),
        (
            "tests/data/everyday.tsv",
            table(include_str!("../tests/data/everyday.tsv")),
        ),
        (
            "tests/data/evasions.tsv",
            table(include_str!("../tests/data/evasions.tsv")),
        ),
    ];
    println!("{:44} {:>12} {:>16}", "per exec", "kql", "kql + extended");
    for (name, lines) in &typical {
        println!(
            "{name:44} {:>12?} {:>16?}",
            time(&kql, &mut kql.scratch(), lines),
            time(&both, &mut scratch, lines)
        );
    }
    println!(
        "\n{:44} {:>12} {:>12} {:>6}",
        "hostile argv", "128 KiB", "2 MiB", "ratio"
    );
    let only = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    let shells: &[&[u8]] = &[
        b"{",
        b"{a,",
        b"{a,b}",
        b"$(",
        b"$((",
        b"`",
        b"'",
        b"\"",
        b"%25",
        b"(",
        b"a=",
        b"a=(",
        b"<<<",
        b"<<a\n",
        b"$",
        b"${",
        b"eval ",
        b"sh -c '",
        b"a={$a$a} ",
        b"x=$x$x;",
        b";",
        b"|",
        b"&&",
        b"\\",
        b"curl ",
        b"curl a;",
        b"case a in ",
        b"if ",
        b"for i in 1 2 3;do ",
        b"f(){ ",
        b"[[ ",
        b"!",
        b"\n",
        b"echo a|",
        b"$'\\x41'",
        b"((",
        b"#",
    ];
    let others: &[Hostile<'_>] = &[
        ("curl", &[b"curl"], b"https://crt.sh/ "),
        ("curl", &[b"curl"], b"{a,b}"),
        ("curl", &[b"curl"], b"[1-9]"),
        ("curl", &[b"curl"], b"%25"),
        ("curl", &[b"curl"], b"/"),
        ("curl", &[b"curl"], b"-s\0"),
        ("curl", &[b"curl"], b"http://a\0"),
        ("curl", &[b"curl"], b"--resolve\0"),
        ("python3", &[b"python3", b"-c"], b"('"),
        ("python3", &[b"python3", b"-c"], b"requests.get('a'+'b');"),
        ("python3", &[b"python3", b"-c"], b"\\x41"),
        ("python3", &[b"python3", b"-c"], b"os.system('os.system("),
        ("perl", &[b"perl", b"-e"], b"`"),
        ("pwsh", &[b"pwsh", b"-c"], b"iwr 'a'+"),
        ("sudo", &[b"sudo"], b"sudo\0"),
        ("sudo", &[b"sudo"], b"-u\0a\0"),
        ("env", &[b"env"], b"A=1\0"),
        ("env", &[b"env", b"-S"], b"env -S '"),
        ("docker", &[b"docker", b"run"], b"-x\0"),
        ("xargs", &[b"xargs"], b"-n1\0"),
        ("find", &[b"find"], b"-exec\0a\0;\0"),
        ("parallel", &[b"parallel"], b":::\0a\0"),
        ("nmap", &[b"nmap"], b"--script\0ssl-cert,\0"),
        ("psql", &[b"psql", b"-c"], b"'%.example.com'"),
        ("openssl", &[b"openssl", b"s_client"], b"-connect\0a.b:1\0"),
        ("sslscan", &[b"sslscan"], b"a.b\0"),
        ("tlsx", &[b"tlsx", b"-u"], b"a.b,"),
        ("ls", &[b"ls"], b"crt.sh "),
        ("ls", &[b"ls"], b"a"),
    ];
    let hostile = shells
        .iter()
        .map(|unit| ("sh", vec![&b"sh"[..], b"-c"], *unit))
        .chain(others.iter().map(|(name, head, unit)| (*name, head.to_vec(), *unit)));
    let mut worst = Duration::ZERO;
    for (name, head, unit) in hostile {
        let label = format!(
            "{}: {}",
            head.iter()
                .map(|word| String::from_utf8_lossy(word))
                .collect::<Vec<_>>()
                .join(" "),
            String::from_utf8_lossy(unit).escape_debug()
        );
        if only.as_ref().is_some_and(|only| !label.contains(only.as_str())) {
            continue;
        }
        let [small, large] = [SMALL, LARGE].map(|size| {
            let mut args = head.clone();
            let text = unit.repeat(size / unit.len());
            args.push(&text);
            time(&both, &mut scratch, &one(&[name], &args))
        });
        worst = worst.max(large);
        let ratio = large.as_secs_f64() / small.as_secs_f64().max(1e-9);
        println!("{label:44} {small:>12.1?} {large:>12.1?} {ratio:>6.1}");
    }
    println!("\nworst: {worst:.1?}; linear work has a ratio of 16 or less");
}
