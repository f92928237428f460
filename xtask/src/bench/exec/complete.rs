//! Whether a monitor's output has the whole argv of every exec of a storm: each argument, unbroken, in its place.

use std::collections::{BTreeMap, BTreeSet};

use super::workload::Storm;

/// Execs of a storm in a monitor's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Complete {
    /// That are there at all.
    pub(super) seen: u64,
    /// With the whole argv.
    pub(super) whole: u64,
    /// That the monitor says it saw and did not write.
    pub(super) unwritten: u64,
}

/// Looks for the execs of `storm` in what a monitor has written: a line an exec, or records of the kernel's audit.
pub(super) fn examine(output: &[u8], storm: Storm) -> Complete {
    let words = words(storm);
    let lines: Vec<Vec<u8>> = if output.starts_with(b"type=") {
        joined(output)
    } else {
        output.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (mut seen, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for line in &lines {
        let Some((id, end)) = id(line) else { continue };
        seen.insert(id.to_vec());
        let mut rest = line.get(end..).unwrap_or_default();
        let all = words.iter().all(|word| {
            // Between two arguments there are a space, or quotes and a comma.
            let at = rest.windows(word.len()).take(8).position(|part| part == word);
            at.inspect(|at| rest = rest.get(at + word.len()..).unwrap_or_default())
                .is_some()
        });
        // One that goes on was not told as it is.
        if all && !rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            whole.insert(id.to_vec());
        }
    }
    Complete {
        seen: seen.len() as u64,
        whole: whole.len() as u64,
        unwritten: 0,
    }
}

/// The arguments after the id, as `storm.c` makes them.
fn words(storm: Storm) -> Vec<Vec<u8>> {
    let mut block = 0;
    let length = usize::try_from(storm.length).unwrap_or(0);
    let word = |_| {
        let mut word = Vec::with_capacity(length + 8);
        while word.len() < length {
            word.extend_from_slice(format!("{:06}.", block % 1_000_000).as_bytes());
            block += 1;
        }
        word.truncate(length);
        word
    };
    (0..storm.arguments).map(word).collect()
}

/// The exec's id ("w1e00000042") in a line, and where it ends.
fn id(line: &[u8]) -> Option<(&[u8], usize)> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (0..line.len()).find_map(|start| {
        let rest = line.get(start..)?.strip_prefix(b"w")?;
        let worker = digits(rest);
        let number = rest.get(worker..)?.strip_prefix(b"e")?;
        let end = start + 2 + worker + 8;
        (worker > 0 && digits(number) == 8).then(|| Some((line.get(start..end)?, end)))?
    })
}

/// The arguments of each event of an audit log, put together.
fn joined(log: &[u8]) -> Vec<Vec<u8>> {
    let mut events = BTreeMap::<&[u8], Vec<u8>>::new();
    for line in log.split(|&byte| byte == b'\n') {
        let Some(rest) = line.strip_prefix(b"type=EXECVE msg=audit(") else {
            continue;
        };
        let mut fields = rest.split(|&byte| byte == b' ');
        let event = events.entry(fields.next().unwrap_or_default()).or_default();
        for field in fields {
            let mut parts = field.splitn(2, |&byte| byte == b'=');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                continue;
            };
            if name.ends_with(b"_len") || name == b"argc" {
                continue;
            }
            // Parts of an argument but the first belong to the one before.
            if !name.ends_with(b"]") || name.ends_with(b"[0]") {
                event.push(b' ');
            }
            event.extend(value.iter().filter(|byte| **byte != b'"'));
        }
    }
    events.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORM: Storm = Storm {
        workers: 1,
        count: 2,
        arguments: 2,
        length: 10,
    };

    fn found(output: &[u8]) -> (u64, u64) {
        let Complete { seen, whole, .. } = examine(output, STORM);
        (seen, whole)
    }

    #[test]
    fn an_argv_is_whole_in_lines_and_in_json() {
        assert_eq!(found(b"tiny 3 2 /x/tiny w0e00000001 000000.000 000002.000\n"), (1, 1));
        assert_eq!(found(br#"["/x/tiny","w0e00000001","000000.000","000002.000"]"#), (1, 1));
    }

    #[test]
    fn one_that_is_cut_or_out_of_order_is_seen_but_not_whole() {
        assert_eq!(found(b"/x/tiny w0e00000001 000000.000 000002.0...\n"), (1, 0));
        assert_eq!(found(b"/x/tiny w0e00000001 000000.000\n"), (1, 0));
        assert_eq!(found(b"/x/tiny w0e00000001 000002.000 000000.000\n"), (1, 0));
        assert_eq!(found(b"/x/tiny w0e00000001 000000.000 000002.0001\n"), (1, 0));
    }

    #[test]
    fn an_exec_that_is_told_twice_counts_once_and_others_do_not() {
        let line = "/x/tiny w0e00000001 000000.000 000002.000\n";
        assert_eq!(found([line, line, "cat notes\n"].concat().as_bytes()), (1, 1));
    }

    #[test]
    fn parts_of_an_argument_in_an_audit_log_belong_together() {
        let log = b"type=SYSCALL msg=audit(1.0:7): arch=c\n\
            type=EXECVE msg=audit(1.0:7): argc=4 a0=\"/x/tiny\" a1=\"w0e00000001\" a2_len=10 a2[0]=\"000000\"\n\
            type=EXECVE msg=audit(1.0:7): a2[1]=\".000\" a3=\"000002.000\"\n";
        assert_eq!(found(log), (1, 1));
    }
}
