//! Programs that run others in containers and sandboxes of their own.

use super::of;
use crate::acts::Via;
use crate::acts::effective::wrapper::{Rest, Wrapper};

/// Options of `docker run` and its likes that take a value.
const RUN_SHORT: &str = "acehlmpuvw";
const RUN_LONG: &str = "--add-host --annotation --arch --attach --authfile --blkio-weight \
            --blkio-weight-device --cap-add --cap-drop --cgroup-conf --cgroup-parent \
            --cgroupns --cgroups --chrootdirs --cidfile --conmon-pidfile --cpu-count \
            --cpu-percent --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime \
            --cpu-shares --cpus --cpuset-cpus --cpuset-mems --creds --decryption-key \
            --detach-keys --device --device-cgroup-rule --device-read-bps --device-read-iops \
            --device-write-bps --device-write-iops --dns --dns-opt --dns-option --dns-search \
            --domainname --entrypoint --env --env-file --expose --gidmap --gpus --group-add \
            --group-entry --health-cmd --health-interval --health-retries \
            --health-start-interval --health-start-period --health-timeout --hostname \
            --hostuser --image-volume --init-path --ip --ip6 --ipc --isolation --kernel-memory \
            --label --label-file --link --link-local-ip --log-driver --log-opt --mac-address \
            --memory --memory-reservation --memory-swap --memory-swappiness --mount --name \
            --namespace --net --net-alias --network --network-alias --oom-score-adj --os \
            --passwd-entry --personality --pid --pidfile --pids-limit --platform --pod \
            --pod-id-file --preserve-fd --preserve-fds --publish --pull --rdt-class --requires \
            --restart --retry --retry-delay --rootfs --runtime --sdnotify --seccomp-policy \
            --secret --security-opt --shm-size --shm-size-systemd --snapshotter --stop-signal \
            --stop-timeout --storage-opt --subgidname --subuidname --sysctl --systemd \
            --timeout --tmpfs --tz --uidmap --ulimit --umask --unsetenv --user --userns --uts \
            --variant --volume --volume-driver --volumes-from --workdir --cwd";
const DOCKER_GLOBAL_SHORT: &str = "Hclan";
const DOCKER_GLOBAL_LONG: &str = "--config --context --host --log-level --tlscacert --tlscert --tlskey --url \
            --connection --identity --root --runroot --storage-driver --storage-opt --runtime \
            --network-cmd-path --tmpdir --conmon --hooks-dir --namespace --address \
            --cgroup-manager --data-root --hosts-dir --snapshotter";
const EXEC_LONG: &str = "--detach-keys --env --env-file --user --workdir --preserve-fds --index";
const COMPOSE_LONG: &str = "--file --profile --project-name --project-directory --env-file --ansi --parallel \
            --progress";
const KUBE_SHORT: &str = "cfnlsvo";
const KUBE_LONG: &str = "--image --namespace --container --filename --context --cluster --kubeconfig --user \
            --server --token --as --as-group --as-uid --env --labels --annotations --overrides \
            --override-type --port --restart --image-pull-policy --pod-running-timeout \
            --request-timeout --output --field-manager --hostport --limits --requests \
            --serviceaccount --target --profile --custom --copy-to --set-image --cache-dir \
            --certificate-authority --client-certificate --client-key --password --username \
            --tls-server-name --template --dry-run --grace-period --cascade --timeout";

const fn container(names: &'static str, under: &'static [&'static str]) -> Wrapper {
    of(names, RUN_SHORT, RUN_LONG)
        .under(under)
        .globals(DOCKER_GLOBAL_SHORT, DOCKER_GLOBAL_LONG)
        .via(Via::Container)
}

/// Every row.
pub(in crate::acts::effective) static CONTAINERS: &[Wrapper] = &[
    container("docker podman nerdctl finch", &["run|create"])
        .rest(Rest::Image)
        .programs("--entrypoint"),
    container("docker podman nerdctl finch", &["container", "run|create"])
        .rest(Rest::Image)
        .programs("--entrypoint"),
    of("docker podman nerdctl finch", "euw", EXEC_LONG)
        .under(&["exec"])
        .globals(DOCKER_GLOBAL_SHORT, DOCKER_GLOBAL_LONG)
        .skip(1)
        .via(Via::Container),
    of("docker podman nerdctl finch", "euw", EXEC_LONG)
        .under(&["container", "exec"])
        .globals(DOCKER_GLOBAL_SHORT, DOCKER_GLOBAL_LONG)
        .skip(1)
        .via(Via::Container),
    container("docker podman nerdctl", &["compose", "run"])
        .globals("fpHcl", COMPOSE_LONG)
        .skip(1)
        .programs("--entrypoint"),
    of("docker podman nerdctl", "euw", EXEC_LONG)
        .under(&["compose", "exec"])
        .globals("fpHcl", COMPOSE_LONG)
        .skip(1)
        .via(Via::Container),
    container("docker-compose podman-compose", &["run"])
        .globals("fpHcl", COMPOSE_LONG)
        .skip(1)
        .programs("--entrypoint"),
    of("docker-compose podman-compose", "euw", EXEC_LONG)
        .under(&["exec"])
        .globals("fpHcl", COMPOSE_LONG)
        .skip(1)
        .via(Via::Container),
    of("podman", "", "").under(&["unshare"]).via(Via::Wrapper),
    of(
        "ctr",
        "",
        "--runtime --snapshotter --env --env-file --mount --label --annotation --user --cwd \
            --pid-file --gpus --cpus --memory-limit --config --platform --runc-binary \
            --hostname --uidmap --gidmap --seccomp-profile --apparmor-profile --device \
            --cgroup",
    )
    .under(&["run|r"])
    .globals("na", "--namespace --address --timeout --connect-timeout")
    .rest(Rest::Image)
    .via(Via::Container),
    of(
        "crictl runc crun",
        "rit",
        "--timeout --sync --user --cwd --env --process --pid-file --console-socket",
    )
    .under(&["exec"])
    .globals("rit", "--root --log --runtime-endpoint")
    .skip(1)
    .via(Via::Container),
    of("kubectl oc kubecolor", KUBE_SHORT, KUBE_LONG)
        .under(&["run"])
        .globals("ns", KUBE_LONG)
        .images("--image")
        .permutes()
        .via(Via::Container),
    of("kubectl oc kubecolor", KUBE_SHORT, KUBE_LONG)
        .under(&["create", "job|deployment|cronjob"])
        .globals("ns", KUBE_LONG)
        .images("--image")
        .permutes()
        .via(Via::Container),
    of("kubectl oc kubecolor", KUBE_SHORT, KUBE_LONG)
        .under(&["debug"])
        .globals("ns", KUBE_LONG)
        .images("--image")
        .permutes()
        .via(Via::Container),
    of("kubectl oc kubecolor", KUBE_SHORT, KUBE_LONG)
        .under(&["exec"])
        .globals("ns", KUBE_LONG)
        .rest(Rest::Dashes)
        .via(Via::Container),
    of("k3s microk8s minikube rke2 k0s", "p", "--profile"),
    of("lxc incus", "", "--cwd --env --group --mode --user --project")
        .under(&["exec"])
        .skip(1)
        .via(Via::Container),
    of(
        "lxc-attach lxc-execute lxc-start",
        "nfvguPoles",
        "--name --rcfile --uid --gid --define",
    )
    .via(Via::Container),
    of("machinectl", "EMHpnsM", "--setenv --machine --host --property --uid")
        .under(&["shell"])
        .globals("MH", "--uid --setenv --machine --host")
        .skip(1)
        .via(Via::Container),
    of(
        "systemd-nspawn",
        "DtiMuEpSULZjVx",
        "--directory --template --image --machine --user --uuid --hostname --slice \
            --property --setenv --bind --bind-ro --tmpfs --overlay --overlay-ro \
            --network-interface --network-macvlan --network-bridge --port --capability \
            --drop-capability --chdir --volatile --settings --console --resolv-conf --timezone \
            --pivot-root --oci-bundle --root-hash --kill-signal",
    )
    .via(Via::Container),
    of(
        "buildah",
        "vu",
        "--volume --user --cap-add --cap-drop --env --hostname --ipc --isolation --mount \
            --network --pid --runtime --workingdir --cni-plugin-path",
    )
    .under(&["run"])
    .skip(1)
    .via(Via::Container),
    of(
        "apptainer singularity",
        "BHSWo",
        "--bind --home --pwd --cwd --scratch --workdir --overlay --env --env-file \
            --security --network --network-args --app --hostname --dns --add-caps --drop-caps \
            --apply-cgroups --fusemount --mount --docker-username --pem-path --cpus --memory",
    )
    .under(&["run|exec|shell|test"])
    .rest(Rest::Image)
    .via(Via::Container),
    of("distrobox distrobox-enter", "naT", "--name --additional-flags")
        .under(&["enter"])
        .rest(Rest::Dashes)
        .via(Via::Container),
    of("toolbox", "cdr", "--container --distro --release")
        .under(&["run"])
        .via(Via::Container),
    of("multipass limactl", "d", "--working-directory --workdir --shell")
        .under(&["exec|shell"])
        .skip(1)
        .via(Via::Container),
    of(
        "flatpak",
        "",
        "--branch --arch --cwd --command --env --filesystem --share --socket --device \
            --runtime --runtime-version",
    )
    .under(&["run"])
    .programs("--command")
    .rest(Rest::Dotted)
    .via(Via::Launcher),
    of("flatpak-spawn", "", "--directory --env"),
    of("host-spawn distrobox-host-exec", "", ""),
    of("snap", "", "").under(&["run"]).rest(Rest::Dotted).via(Via::Launcher),
];
