//! Programs that run a package by its name, fetched or kept apart.

use super::of;
use crate::acts::Via;
use crate::acts::effective::wrapper::{Rest, Wrapper};

/// Every row.
pub(in crate::acts::effective) static LAUNCHERS: &[Wrapper] = &[
    of(
        "npx bunx pnpx",
        "pcw",
        "--package --call --workspace --registry --userconfig --cache --shell --node-arg",
    )
    .texts("-c --call")
    .rest(Rest::Package)
    .via(Via::Launcher),
    of("npm", "pcw", "--package --call --workspace --registry --prefix")
        .under(&["exec|x"])
        .globals("C", "--prefix --userconfig")
        .texts("-c --call")
        .rest(Rest::Package)
        .via(Via::Launcher),
    of("pnpm yarn", "pc", "--package")
        .under(&["dlx|exec"])
        .globals("CF", "--dir --filter --cwd")
        .rest(Rest::Package)
        .via(Via::Launcher),
    of("bun", "p", "--package")
        .under(&["x"])
        .rest(Rest::Package)
        .via(Via::Launcher),
    of(
        "uvx",
        "pwC",
        "--from --with --with-requirements --with-editable --python --index --index-url \
            --default-index --extra-index-url --env-file --directory --project --constraints \
            --overrides --refresh-package --cache-dir --color --config-file",
    )
    .rest(Rest::Package)
    .via(Via::Launcher),
    of(
        "uv",
        "pwC",
        "--from --with --with-requirements --with-editable --python --index --index-url \
            --default-index --extra-index-url --env-file --directory --project --constraints \
            --overrides --cache-dir --color --config-file",
    )
    .under(&["tool", "run"])
    .globals("p", "--directory --project --cache-dir --color --config-file")
    .rest(Rest::Package)
    .via(Via::Launcher),
    of(
        "uv",
        "pw",
        "--with --with-requirements --with-editable --python --index --index-url \
            --default-index --extra-index-url --env-file --directory --project --extra --group \
            --only-group --no-group --package --no-extra --cache-dir --color --config-file",
    )
    .under(&["run"])
    .globals("p", "--directory --project --cache-dir --color --config-file")
    .starts("-m --module")
    .via(Via::Launcher),
    of("pipx", "", "--spec --index-url --pip-args --python --with")
        .under(&["run"])
        .rest(Rest::Package)
        .via(Via::Launcher),
    of(
        "poetry pipenv pdm hatch rye pixi",
        "CPempv",
        "--project --directory --environment --manifest-path --env",
    )
    .under(&["run"])
    .globals("CPe", "--project --directory --env --python")
    .via(Via::Launcher),
    of("conda mamba micromamba", "npe", "--name --prefix --cwd --env")
        .under(&["run"])
        .via(Via::Launcher),
    of("mise rtx", "Cj", "--cd --jobs")
        .under(&["exec|x"])
        .rest(Rest::Dashes)
        .via(Via::Launcher),
    of("asdf pyenv rbenv nodenv goenv jenv", "", "")
        .under(&["exec"])
        .via(Via::Launcher),
    of("volta", "", "--node --npm --yarn --env")
        .under(&["run"])
        .via(Via::Launcher),
    of("rustup", "", "").under(&["run"]).skip(1).via(Via::Launcher),
    of("bundle bundler", "", "--gemfile")
        .under(&["exec"])
        .via(Via::Launcher),
    of("gem", "gv", "--version --gem")
        .under(&["exec"])
        .rest(Rest::Package)
        .via(Via::Launcher),
    of("dnx", "", "").rest(Rest::Package).via(Via::Launcher),
    of(
        "go",
        "",
        "-C -exec -mod -modfile -tags -ldflags -gcflags -asmflags -gccgoflags -p -o \
            -overlay -pkgdir -toolexec -buildmode -compiler -installsuffix -covermode \
            -coverpkg -pgo",
    )
    .under(&["run"])
    .rest(Rest::GoPackage)
    .via(Via::Launcher),
    of(
        "nix",
        "cfj",
        "--file --include --override-input --inputs-from --option --log-format --store \
            --system",
    )
    .under(&["run"])
    .globals(
        "",
        "--extra-experimental-features --experimental-features --option --store",
    )
    .rest(Rest::Flake)
    .via(Via::Launcher),
    of(
        "nix",
        "fI",
        "--file --include --override-input --option --extra-experimental-features",
    )
    .under(&["shell|develop"])
    .globals(
        "",
        "--extra-experimental-features --experimental-features --option --store",
    )
    .starts("-c --command")
    .permutes()
    .via(Via::Launcher),
    of(
        "nix-shell",
        "AIjiE",
        "--attr --run --command --include --keep --option --arg --argstr --exclude",
    )
    .texts("--run --command")
    .permutes()
    .rest(Rest::Nothing)
    .via(Via::Launcher),
    of("guix", "", "")
        .under(&["shell|environment"])
        .rest(Rest::Dashes)
        .via(Via::Launcher),
    of("comma ,", "P", "--picker").via(Via::Launcher),
    of("devbox", "c", "--config").under(&["run"]).via(Via::Launcher),
    of("pkgx", "", "").via(Via::Launcher),
    of(
        "pdb ipdb cprofile profile debugpy kernprof viztracer pyinstrument scalene",
        "cors",
        "--listen --connect --outfile --sort",
    )
    .via(Via::Launcher),
    of("coverage", "", "--source --include --omit --rcfile --data-file")
        .under(&["run"])
        .via(Via::Launcher),
];
