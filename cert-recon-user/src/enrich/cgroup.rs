//! Container and systemd units, from the path of a cgroup. Pure: it asks no runtime and reads no file.
//!
//! The path is that of a process's cgroup from the root of its hierarchy: of the unified one (v2, hybrid), else of one of
//! version 1 (where only that one names a container, too). Runtimes and systemd put ids and unit names into it; a name that
//! fits none of their layouts gives nothing.
//!
//! What such a name is worth: the kernel vouches for the path, not for who named its parts. Root can create any cgroup. Who
//! was delegated a subtree (a user below `user@UID.service`, a container with a writable cgroup file system) can name the
//! cgroups in it `docker-` and 64 digits and seem to be in a container that does not exist. They can't leave their subtree:
//! the first unit of the path, which is [`Cgroup::systemd_unit`], is the system manager's word. [`Cgroup::container_id`] is
//! that of the innermost container, and therefore the claim of whoever governs the cgroups around it.

use std::{borrow::Cow, str};

/// Controllers, separated by commas (none in the unified hierarchy), and path of each line of `/proc/PID/cgroup`.
pub(crate) fn groups(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut parts = line.splitn(3, |&byte| byte == b':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        (!path.is_empty()).then_some((controllers, path))
    })
}

/// Whether a controller is among those of a line.
pub(crate) fn has_controller(controllers: &[u8], controller: &[u8]) -> bool {
    controllers.split(|&byte| byte == b',').any(|one| one == controller)
}

/// What the path of a cgroup says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Id of the innermost container; its name where the runtime puts no id there (systemd-nspawn, LXC). Letters, digits,
    /// `.`, `_` and `-` only.
    pub container_id: Option<String>,
    /// Unit of the system's service manager, as systemd names it: in its escaped form (`dev-disk\x2dfoo.swap`).
    pub systemd_unit: Option<String>,
    /// Unit of the service manager that runs in that unit for a user (`user@UID.service`) or a capsule; escaped as well.
    pub systemd_user_unit: Option<String>,
}

impl Cgroup {
    /// Reads a path. Any bytes will do; what is not understood is absent.
    #[must_use]
    pub fn of(path: &[u8]) -> Self {
        let (unit, user_unit) = units(components(path));
        Self {
            container_id: container(components(path)).map(Cow::into_owned),
            systemd_unit: unit.map(str::to_owned),
            systemd_user_unit: user_unit.map(str::to_owned),
        }
    }
}

/// Whether a path of these components, those nearest the root first, has a [`Cgroup::container_id`].
#[must_use]
pub fn names_container<'a>(components: impl Iterator<Item = &'a [u8]>) -> bool {
    container(texts(components)).is_some()
}

fn components(path: &[u8]) -> impl Iterator<Item = &str> {
    texts(path.split(|&b| b == b'/'))
}

/// Those that are not UTF-8 stand as empty ones: no runtime and no unit has such a name.
fn texts<'a>(components: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a str> {
    components
        .filter(|name| !name.is_empty())
        .map(|name| str::from_utf8(name).unwrap_or_default())
}

// systemd: slices, then the unit; below it, cgroups are the unit's own business (`cg_path_get_unit()` in its
// src/basic/cgroup-util.c).

fn units<'a>(components: impl Iterator<Item = &'a str>) -> (Option<&'a str>, Option<&'a str>) {
    // A name that could be taken for one of the kernel's own files begins with an underscore that is not part of it.
    let mut names = components
        .map(|name| name.strip_prefix('_').unwrap_or(name))
        .skip_while(|name| is_named(name, &[".slice"]));
    let Some(unit) = names.next().filter(|name| is_unit(name)) else {
        return (None, None);
    };
    let user_unit = runs_a_manager(unit)
        .then(|| {
            names
                .find(|name| !is_named(name, &[".slice"]))
                .filter(|name| is_unit(name))
        })
        .flatten();
    (Some(unit), user_unit)
}

/// Whether it is the name of a unit that processes can be in.
fn is_unit(name: &str) -> bool {
    is_named(name, &[".service", ".scope", ".socket", ".mount", ".swap"])
}

fn is_named(name: &str, suffixes: &[&str]) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    name.len() <= 255
        && !name.starts_with('@')
        && name.bytes().all(allowed)
        && suffixes
            .iter()
            .any(|suffix| name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

fn runs_a_manager(unit: &str) -> bool {
    let instance = |prefix| unit.strip_prefix(prefix)?.strip_suffix(".service");
    instance("user@").is_some_and(|uid| !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_digit()))
        || instance("capsule@").is_some_and(|name| !name.is_empty())
}

/// What stands before the id in a scope (`docker-ID.scope`), in a cgroup of version 1 (`crio-ID`), or in a systemd path that
/// was taken literally (`SLICE:cri-containerd:ID`). The monitors of containers (`crio-conmon-ID`, `libpod-conmon-ID`) are not
/// in them. `libpod-payload` is podman's `--cgroups=split`, which Quadlet uses.
const RUNTIMES: &[&str] = &[
    "cri-containerd",
    "crio",
    "docker",
    "libpod",
    "libpod-payload",
    "nerdctl",
    "buildkit",
];

fn container<'a>(components: impl Iterator<Item = &'a str>) -> Option<Cow<'a, str>> {
    let mut names = components.peekable();
    let mut parent = "";
    let mut innermost = None;
    while let Some(name) = names.next() {
        let found = match name {
            // These hold containers by name, so the next component is one, whatever it looks like.
            "lxc" | "lxc.payload" => names.next().filter(|name| is_plain(name)).map(Cow::Borrowed),
            "buildkit" => names.next_if(|id| is_build_id(id)).map(Cow::Borrowed),
            "garden" => names.next_if(|id| is_grouped_hex(id)).map(Cow::Borrowed),
            // The virtual machine of a Kata container, outside of it.
            "kata_overhead" => {
                names.next();
                None
            }
            _ => machine(parent, name, names.peek().copied()).or_else(|| runtime_id(name).map(Cow::Borrowed)),
        };
        innermost = found.or(innermost);
        parent = name;
    }
    innermost
}

/// The id in the name of a cgroup that an OCI runtime, or LXC, made.
fn runtime_id(name: &str) -> Option<&str> {
    if is_id(name) {
        return Some(name);
    }
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(name).filter(|name| is_plain(name));
    }
    let any_id = |id: &&str| is_id(id) || is_build_id(id);
    if let Some((path, id)) = name.rsplit_once(':') {
        let (_, runtime) = path.rsplit_once(':')?;
        return Some(id).filter(|id| RUNTIMES.contains(&runtime) && any_id(id));
    }
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let (runtime, id) = stem.rsplit_once('-')?;
    Some(id).filter(|id| RUNTIMES.contains(&runtime) && any_id(id))
}

/// The name of a machine of systemd-nspawn. `supervisor` is nspawn itself. In its service nspawn starts, and only cgroups
/// below hold the container; a scope is made for the container alone. `qemu-` machines are libvirt's virtual ones.
fn machine<'a>(parent: &str, name: &'a str, child: Option<&str>) -> Option<Cow<'a, str>> {
    if child == Some("supervisor") {
        return None;
    }
    let machine = if let Some(stem) = name.strip_suffix(".scope") {
        let of_machines = parent == "machine.slice" || (parent.starts_with("machine-") && parent.ends_with(".slice"));
        unescape(stem.strip_prefix("machine-").filter(|_| of_machines)?)?
    } else {
        // Without a cgroup below it is nspawn that starts.
        child?;
        Cow::Borrowed(name.strip_prefix("systemd-nspawn@")?.strip_suffix(".service")?)
    };
    (is_plain(&machine) && !machine.starts_with("qemu-")).then_some(machine)
}

/// systemd's escaping undone: `\xNN` is a byte. (`-` is a slash, which no machine's name has.)
fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if name.contains('-') {
        return None;
    }
    let mut parts = name.split("\\x");
    let first = parts.next()?;
    let mut text = Cow::Borrowed(first);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
        let text = text.to_mut();
        text.push(char::from(byte));
        text.push_str(rest);
    }
    Some(text)
}

/// The names that LXC and machines can have, and that are harmless wherever they are shown.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The id of a container in every OCI engine: 64 hexadecimal digits.
fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(is_hex)
}

/// The id that BuildKit gives to a step of a build: 25 digits of base 36.
fn is_build_id(name: &str) -> bool {
    name.len() == 25 && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// Garden's: a UUID, or as much of one as it takes.
fn is_grouped_hex(name: &str) -> bool {
    let mut groups = name.split('-');
    groups.next().is_some_and(|group| group.len() == 8)
        && groups.clone().count() >= 3
        && groups.all(|group| group.len() >= 4)
        && name.bytes().all(|b| is_hex(b) || b == b'-')
}

fn is_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest},
        sample::select,
    };

    use super::*;

    const ID: &str = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d";
    const INNER: &str = "0f99ad5f45163ed14ab8eaf92ed34bb4a631d007f8755a7d79be614bcb0df0ef";
    const BUILD: &str = "f5lxx1zz5pnorynqglhzmsp33";

    fn filled(text: &str) -> String {
        text.replace("{id}", ID)
            .replace("{inner}", INNER)
            .replace("{build}", BUILD)
    }

    /// Path, container, unit, user unit; `-` is absent.
    #[track_caller]
    fn assert_table(table: &[(&str, &str, &str, &str)]) {
        for (path, container, unit, user_unit) in table {
            let expected = [container, unit, user_unit].map(|text| (*text != "-").then(|| filled(text)));
            let found = Cgroup::of(filled(path).as_bytes());
            assert_eq!(
                [found.container_id, found.systemd_unit, found.systemd_user_unit],
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn docker() {
        assert_table(&[
            ("/docker/{id}", "{id}", "-", "-"),
            ("/docker/{id}/init", "{id}", "-", "-"),
            ("/system.slice/docker-{id}.scope", "{id}", "docker-{id}.scope", "-"),
            // --cgroup-parent, Amazon's agent, GitHub's runner
            ("/{id}", "{id}", "-", "-"),
            ("/ecs/3e6f2d1c-8a55-4f0e-9c1e-0a4d7f6b2c11/{id}", "{id}", "-", "-"),
            ("/actions_job/{id}", "{id}", "-", "-"),
            // Docker in Docker, on both drivers, and systemd in Docker
            ("/docker/{id}/docker/{inner}", "{inner}", "-", "-"),
            (
                "/system.slice/docker-{id}.scope/docker/{inner}",
                "{inner}",
                "docker-{id}.scope",
                "-",
            ),
            (
                "/system.slice/docker-{id}.scope/system.slice/docker-{inner}.scope",
                "{inner}",
                "docker-{id}.scope",
                "-",
            ),
            ("/docker/{id}/system.slice/nginx.service", "{id}", "-", "-"),
            // rootless
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope",
                "{id}",
                "user@1000.service",
                "docker-{id}.scope",
            ),
            // the daemons are in no container
            ("/system.slice/docker.service", "-", "docker.service", "-"),
            ("/system.slice/containerd.service", "-", "containerd.service", "-"),
        ]);
    }

    #[test]
    fn steps_of_a_build() {
        assert_table(&[
            ("/docker/buildkit/{build}", "{build}", "-", "-"),
            (
                "/system.slice/docker-{build}.scope",
                "{build}",
                "docker-{build}.scope",
                "-",
            ),
            ("/docker/{id}/buildkit/{build}", "{build}", "-", "-"),
            ("/docker/{id}/buildkit", "{id}", "-", "-"),
            ("/system.slice/buildkit.service", "-", "buildkit.service", "-"),
        ]);
    }

    #[test]
    fn kubernetes() {
        let pod = "/kubepods.slice/kubepods-burstable.slice/\
                   kubepods-burstable-poda5c1f8d5_1919_434d_add7_4afaafdaef89.slice";
        let scope = |name: &str| format!("{pod}/{name}");
        assert_table(&[
            (
                &scope("cri-containerd-{id}.scope"),
                "{id}",
                "cri-containerd-{id}.scope",
                "-",
            ),
            (&scope("docker-{id}.scope"), "{id}", "docker-{id}.scope", "-"),
            (&scope("crio-{id}.scope"), "{id}", "crio-{id}.scope", "-"),
            (&scope("crio-{id}.scope/container"), "{id}", "crio-{id}.scope", "-"),
            (&scope("crio-conmon-{id}.scope"), "-", "crio-conmon-{id}.scope", "-"),
            (pod, "-", "-", "-"),
            (
                "/kubepods/burstable/pod58662905-8ccc-11e7-a695-c85b76cda386/{id}",
                "{id}",
                "-",
                "-",
            ),
            (
                "/kubepods/pod58662905-8ccc-11e7-a695-c85b76cda386/{id}",
                "{id}",
                "-",
                "-",
            ),
            (
                "/kubepods/besteffort/pod58662905-8ccc-11e7-a695-c85b76cda386/crio-{id}",
                "{id}",
                "-",
                "-",
            ),
            (
                "/kubepods/besteffort/pod58662905-8ccc-11e7-a695-c85b76cda386/crio-conmon-{id}",
                "-",
                "-",
                "-",
            ),
            (
                "/system.slice/containerd.service/kubepods-burstable-podff49d0be_16b7_4a49_bb9e_8ec1f1f4e27f.slice\
                 :cri-containerd:{id}",
                "{id}",
                "containerd.service",
                "-",
            ),
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/\
                 kubelet-kubepods-besteffort-pod0b1c.slice/cri-containerd-{id}.scope",
                "{id}",
                "cri-containerd-{id}.scope",
                "-",
            ),
            // kind: a node is a Docker container
            (
                "/system.slice/docker-{id}.scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{inner}.scope",
                "{inner}",
                "docker-{id}.scope",
                "-",
            ),
            ("/kata_overhead/{id}", "-", "-", "-"),
            ("/system.slice/kubelet.service", "-", "kubelet.service", "-"),
        ]);
    }

    #[test]
    fn containerd_by_hand() {
        assert_table(&[
            ("/default/{id}", "{id}", "-", "-"),
            ("/system.slice/nerdctl-{id}.scope", "{id}", "nerdctl-{id}.scope", "-"),
            // `ctr run` takes any name, so such a path could be anyone's: absent rather than guessed.
            ("/default/redis", "-", "-", "-"),
        ]);
    }

    #[test]
    fn podman() {
        assert_table(&[
            ("/machine.slice/libpod-{id}.scope", "{id}", "libpod-{id}.scope", "-"),
            (
                "/machine.slice/libpod-{id}.scope/container",
                "{id}",
                "libpod-{id}.scope",
                "-",
            ),
            (
                "/machine.slice/machine-libpod_pod_{inner}.slice/libpod-{id}.scope/container",
                "{id}",
                "libpod-{id}.scope",
                "-",
            ),
            (
                "/machine.slice/libpod-conmon-{id}.scope",
                "-",
                "libpod-conmon-{id}.scope",
                "-",
            ),
            ("/libpod_parent/libpod-{id}", "{id}", "-", "-"),
            ("/libpod_parent/conmon", "-", "-", "-"),
            // Quadlet
            (
                "/system.slice/nginx.service/libpod-payload-{id}",
                "{id}",
                "nginx.service",
                "-",
            ),
            ("/system.slice/nginx.service/runtime", "-", "nginx.service", "-"),
            // rootless
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope/container",
                "{id}",
                "user@1000.service",
                "libpod-{id}.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-{id}.scope",
                "-",
                "user@1000.service",
                "libpod-conmon-{id}.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/redis.service/libpod-payload-{id}",
                "{id}",
                "user@1000.service",
                "redis.service",
            ),
            // its health checks run outside
            ("/system.slice/{id}.service", "-", "{id}.service", "-"),
            (
                "/system.slice/{id}-2d4f1c0b9a8e7d6c.service",
                "-",
                "{id}-2d4f1c0b9a8e7d6c.service",
                "-",
            ),
        ]);
    }

    #[test]
    fn systemd_nspawn() {
        assert_table(&[
            (r"/machine.slice/machine-web.scope", "web", "machine-web.scope", "-"),
            (
                r"/machine.slice/machine-web\x2dserver\x2d2.scope/payload/system.slice/nginx.service",
                "web-server-2",
                r"machine-web\x2dserver\x2d2.scope",
                "-",
            ),
            (
                "/machine.slice/systemd-nspawn@web-2.service/payload/init.scope",
                "web-2",
                "systemd-nspawn@web-2.service",
                "-",
            ),
            // nspawn itself
            (
                "/machine.slice/systemd-nspawn@web.service/supervisor",
                "-",
                "systemd-nspawn@web.service",
                "-",
            ),
            (
                "/machine.slice/systemd-nspawn@web.service",
                "-",
                "systemd-nspawn@web.service",
                "-",
            ),
            // a user's own
            (
                "/user.slice/user-1000.slice/user@1000.service/machine.slice/systemd-nspawn@web.service/payload",
                "web",
                "user@1000.service",
                "systemd-nspawn@web.service",
            ),
            // virtual machines of libvirt
            (
                r"/machine.slice/machine-qemu\x2d3\x2dubuntu.scope/libvirt/emulator",
                "-",
                r"machine-qemu\x2d3\x2dubuntu.scope",
                "-",
            ),
            // a container in it
            (
                "/machine.slice/machine-web.scope/payload/system.slice/docker-{id}.scope",
                "{id}",
                "machine-web.scope",
                "-",
            ),
            // no machine has such a name
            (
                r"/machine.slice/machine-a\x2fb.scope",
                "-",
                r"machine-a\x2fb.scope",
                "-",
            ),
            (r"/machine.slice/machine-a-b.scope", "-", "machine-a-b.scope", "-"),
            (r"/machine.slice/machine-a\x2.scope", "-", r"machine-a\x2.scope", "-"),
            ("/machine.slice/machine-.scope", "-", "machine-.scope", "-"),
            ("/system.slice/machine-web.scope", "-", "machine-web.scope", "-"),
        ]);
    }

    #[test]
    fn lxc() {
        assert_table(&[
            ("/lxc/web", "web", "-", "-"),
            ("/lxc/101/ns/system.slice/ssh.service", "101", "-", "-"),
            ("/lxc.payload/web/init.scope", "web", "-", "-"),
            ("/lxc.payload.web", "web", "-", "-"),
            ("/lxc.payload.web/system.slice/ssh.service", "web", "-", "-"),
            ("/lxc.payload.project_web-1", "project_web-1", "-", "-"),
            ("/lxc.payload.outer/lxc.payload.inner/init.scope", "inner", "-", "-"),
            ("/lxc.payload/lxc/init.scope", "lxc", "-", "-"),
            ("/lxc.monitor.web", "-", "-", "-"),
            ("/lxc.monitor/web", "-", "-", "-"),
            ("/lxc", "-", "-", "-"),
            ("/lxc.payload.", "-", "-", "-"),
            ("/system.slice/lxc.service", "-", "lxc.service", "-"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/lxc.payload.web",
                "web",
                "user@1000.service",
                "-",
            ),
        ]);
    }

    #[test]
    fn garden() {
        assert_table(&[
            (
                "/garden/70eb4ce5-a065-4401-6990-88ed",
                "70eb4ce5-a065-4401-6990-88ed",
                "-",
                "-",
            ),
            (
                "/system.slice/garden.service/garden/3e6f2d1c-8a55-4f0e-9c1e-0a4d7f6b2c11/init",
                "3e6f2d1c-8a55-4f0e-9c1e-0a4d7f6b2c11",
                "garden.service",
                "-",
            ),
            ("/garden/tools", "-", "-", "-"),
        ]);
    }

    #[test]
    fn units_of_the_system_and_of_users() {
        assert_table(&[
            ("/", "-", "-", "-"),
            ("", "-", "-", "-"),
            ("/init.scope", "-", "init.scope", "-"),
            ("/system.slice", "-", "-", "-"),
            ("/system.slice/cron.service", "-", "cron.service", "-"),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                "-",
                "getty@tty1.service",
                "-",
            ),
            (
                r"/system.slice/dev-disk\x2dby\x2duuid-1.swap",
                "-",
                r"dev-disk\x2dby\x2duuid-1.swap",
                "-",
            ),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                "-",
                "session-3.scope",
                "-",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service",
                "-",
                "user@1000.service",
                "-",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope",
                "-",
                "user@1000.service",
                "init.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-org.gnome.Terminal.slice/\
                 vte-spawn-3e6f2d1c-8a55-4f0e-9c1e-0a4d7f6b2c11.scope",
                "-",
                "user@1000.service",
                "vte-spawn-3e6f2d1c-8a55-4f0e-9c1e-0a4d7f6b2c11.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/gnome-terminal-server.service",
                "-",
                "user@1000.service",
                "gnome-terminal-server.service",
            ),
            (
                "/capsule.slice/capsule@box.service/app.slice/tool.service",
                "-",
                "capsule@box.service",
                "tool.service",
            ),
            // What is below a unit is not the manager's word.
            ("/system.slice/cron.service/ssh.service", "-", "cron.service", "-"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service/system.slice/ssh.service",
                "-",
                "user@1000.service",
                "a.service",
            ),
            (
                "/user.slice/user-1000.slice/session-3.scope/user@0.service/x.service",
                "-",
                "session-3.scope",
                "-",
            ),
            // A name that the kernel could have given is marked.
            ("/system.slice/_cgroup.service", "-", "cgroup.service", "-"),
            // No unit of the manager's: made by hand, cut, or seen from inside a cgroup namespace.
            ("/mine/cron.service", "-", "-", "-"),
            (".../cron.service", "-", "-", "-"),
            ("/../cron.service", "-", "-", "-"),
            ("/system.slice/.service", "-", "-", "-"),
            ("/system.slice/@.service", "-", "-", "-"),
            ("/system.slice/a b.service", "-", "-", "-"),
            ("/system.slice/a\u{1b}[2J.service", "-", "-", "-"),
        ]);
    }

    #[test]
    fn an_id_is_exactly_one() {
        let long = format!("/docker/{ID}0");
        let upper = format!("/docker/{}", ID.to_uppercase());
        let scope = format!("/system.slice/other-{ID}.scope");
        for path in [long, upper, "/docker/9ec39b91f3d7".to_owned(), scope] {
            assert_eq!(Cgroup::of(path.as_bytes()).container_id, None, "{path}");
        }
    }

    /// Parts of paths as runtimes make them and as someone makes them who knows this code.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        let known = [
            "docker",
            "lxc",
            "lxc.payload",
            "lxc.payload.a",
            "lxc.payload.\u{202e}",
            "garden",
            "buildkit",
            "kata_overhead",
            "supervisor",
            "payload",
            "machine.slice",
            r"machine-a\x2db.scope",
            r"machine-\x1b\x5b2J.scope",
            r"machine-\x.scope",
            "machine-\\xé1.scope",
            "systemd-nspawn@a.service",
            "user@1.service",
            "user@.service",
            "system.slice",
            "_a.service",
            "a\\.service",
            ":",
            "::",
            "a:docker:",
            "-",
            ".scope",
            "docker-.scope",
            "..",
        ];
        prop_oneof![
            select(known.map(|name| name.as_bytes().to_vec()).to_vec()),
            select(RUNTIMES).prop_map(|runtime| format!("{runtime}-{ID}.scope").into_bytes()),
            select(RUNTIMES).prop_map(|runtime| format!("x.slice:{runtime}:{ID}").into_bytes()),
            select(vec![ID.into(), INNER.into(), BUILD.into()]),
            vec(any::<u8>(), 0..80),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_stands_in_the_path_and_is_harmless(parts in vec(part(), 0..8)) {
            let path = parts.join(&b'/');
            let text = String::from_utf8_lossy(&path).into_owned();
            let found = Cgroup::of(&path);
            for unit in [&found.systemd_unit, &found.systemd_user_unit].into_iter().flatten() {
                assert!(text.contains(unit) && is_unit(unit), "{unit:?} of {text:?}");
            }
            if let Some(id) = &found.container_id {
                // Of a machine's name, the hyphens are escaped.
                assert!(text.contains(id) || text.contains(&id.replace('-', r"\x2d")), "{id:?} of {text:?}");
                assert!(is_plain(id), "{id:?}");
            }
        }

        #[test]
        fn any_bytes_will_do(path in vec(any::<u8>(), 0..4096)) {
            let _ = Cgroup::of(&path);
        }
    }
}
