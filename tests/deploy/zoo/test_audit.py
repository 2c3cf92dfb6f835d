"""What bundles may execute: ours all of it, others nothing that is not on the list."""

import os
import sys
import zipfile

import pytest
import torch
from bundle_workflow import BUNDLES
from made_up_zoo import CONFIG, make_bundle, zip_of

from tanq_monai.cli import main
from tanq_monai.deploy.zoo import contents
from tanq_monai.deploy.zoo.audit import audit_bundle, refused

TORCH = "imports: [$import torch]\n"
# What the config says, and why it is refused.
ATTACKS = {
    "a program as target": ("x: {_target_: os.system, command: id}", "is a target that is not on the list"),
    "a program through a module of MONAI": ("x: {_target_: monai.utils.module.os.system}", "target that is not"),
    "eval as target": ("x: {_target_: builtins.eval, source: '1'}", "is a target that is not on the list"),
    "pickles": ("x: {_target_: torch.load, f: models/model.pt, weights_only: false}", "target that is not"),
    "code from elsewhere": ("x: {_target_: torch.hub.load, repo_or_dir: a/b, model: c}", "target that is not"),
    "MONAI's own run, by its short name": ("x: {_target_: run, config_file: docs/x.yaml}", "target that is not"),
    "MONAI's download": ("x: {_target_: monai.bundle.download, url: b}", "is a target that is not on the list"),
    "a process by this package": ("x: {_target_: tanq_monai.steps.Step, name: a}", "is a target that is not on the"),
    "any file by this package": ("x: {_target_: tanq_monai.files.write_json, path: a}", "is a target that is not"),
    "a target that is only known later": ("x: {_target_: '@y'}", "is a target that is not on the list"),
    "a target by expression": ("x: {_target_: '$torch.load'}", "is a target that is not on the list"),
    "a target laid over another": ("'network_def#_target_': os.system", "is a target that is not on the list"),
    "a list as target": ("x: {_target_: [os.system]}", "is a target that is not on the list"),
    "an import": ("imports: [$import subprocess]", "imports subprocess, which is not on the list"),
    "two imports": ("imports: ['$import torch; import os']", "is no plain `import module as name`"),
    "an import of a name": ("imports: [$from os import system]", "is no plain `import module as name`"),
    "an import elsewhere": ("x: $import torch", "imports outside of imports"),
    "an import as a builtin": ("imports: [$import torch as len]", "gives another meaning to len"),
    "an import as another module": ("imports: [$import os as torch]", "gives another meaning to torch"),
    "a function of os": ("imports: [$import os]\nx: $os.system('id')", "uses os.system, which is not on the list"),
    "a function of os, not called": ("imports: [$import os]\nx: $os.system", "uses os.system, which is not"),
    "a deep function": ("x: $monai.utils.module.os.system('id')", "uses monai.utils.module.os.system, which is not"),
    "numpy's compiler": ("x: $np.f2py.compile('')", "uses numpy.f2py.compile, which is not on the list"),
    "pickles by numpy": ("x: $np.load('a', allow_pickle=True)", "uses numpy.load, which is not on the list"),
    "pickles by torch": ("x: $torch.load('a', weights_only=False)", "uses torch.load, which is not on the list"),
    "a builtin": ("x: $__import__('os').system('id')", "calls __import__('os').system, which is not on the list"),
    "eval": ("x: $eval('1')", "calls eval, which is not on the list"),
    "open": ("x: $open('a', 'w')", "calls open, which is not on the list"),
    "getattr": ("x: $getattr(torch, 'load')", "calls getattr, which is not on the list"),
    "subclasses": ("x: $().__class__.__base__.__subclasses__()", "calls ().__class__.__base__.__subclasses__"),
    "the class of something": ("x: $@a.__class__\na: 1", "reads .__class__ of what is not known here"),
    "globals by name": ("x: $vars(@a)['__globals__']\na: 1", "holds the text '__globals__'"),
    "a format that reads attributes": ("x: $'{0.y}'.format(@a)\na: 1", "calls '{0.y}'.format, which is not on"),
    "a formatted string": ("x: $f'{1}'", "holds a JoinedStr, which no config needs"),
    "a comprehension": ("x: '$[a for a in (1, 2)]'", "holds a ListComp, which no config needs"),
    "an assignment": ("x: $(torch := 1)", "holds a NamedExpr, which no config needs"),
    "a call of what a call gives": ("x: $repr(1)()", "calls repr(1), which is not on the list"),
    "a call of a reference": ("x: $@y()\ny: $torch.device", "which is not on the list"),
    "a lambda that is called": ("x: '$(lambda: 1)()'", "which is not on the list"),
    "a lambda with another meaning": ("x: '$lambda torch: torch.hub'", "gives another meaning to torch"),
    "a lambda with a default": ("x: '$lambda a=torch.float32: a'", "lambda with other than plain arguments"),
    "a module as a value": (f"{TORCH}x: $repr(torch)", "names torch by itself"),
    "a builtin as a value": ("x: $[print]", "names print by itself"),
    "an imported module by reference": (f"{TORCH}x: $@imports::0.hub", "refers to @imports::0, a module"),
    "a module as argument": (f"{TORCH}x: ['@imports#0']", "refers to @imports::0, a module or the whole config"),
    "the whole config": (f"{TORCH}x: '$@'", "a module or the whole config"),
    "a relative reference": (f"{TORCH}x: {{y: '$@##imports#0.save(1)'}}", "refers to @imports::0, a module"),
    "MONAI's own name of references": (f"{TORCH}x: $__local_refs['imports::0'].hub", "names __local_refs"),
    "the same in other letters": (f"{TORCH}x: $_\uff3flocal_refs['imports::0'].hub", "other letters than ASCII"),
    "a macro": ("x: '%docs/other.yaml::x'", "is a macro, which puts in other files"),
    "a reader that is a program": ("x: {_target_: LoadImaged, keys: image, reader: os.system}", "names a reader other"),
    "a reader that unpickles": ("x: {_target_: LoadImaged, keys: image, reader: NumpyReader}", "names a reader other"),
    "a reader laid over another": ("'preprocessing#transforms#0#reader#0': os.system", "names a reader other than"),
    "a reader by reference": ("x: {_target_: LoadImaged, keys: image, reader: '@y'}", "names a reader other than"),
    "a writer that is a program": ("x: {_target_: SaveImaged, writer: subprocess.Popen}", "names a writer as text"),
    "a debugger": ("x: {_target_: Compose, _mode_: debug}", "sets _mode_, which starts a debugger"),
    "a breakpoint": ("x: {_target_: Compose, _debug_: true}", "sets _debug_, which starts a debugger"),
    "printing into a file": ("x: $print(1, file=@a)\na: 1", "calls print with file"),
    "a table into a file": ("x: $@a.to_string(buf='b')\na: 1", "calls .to_string with buf"),
    "any keywords": ("x: $@a.to_string(**@b)\na: 1\nb: {}", "calls .to_string with **"),
    "saving with two arguments": ("x: $@a.save(1, 'b')\na: 1", "calls .save with 2 plain arguments"),
    "a server of others": (
        "imports: [$import torch.distributed as dist]\nx: $dist.init_process_group(init_method='tcp')",
        "calls torch.distributed.init_process_group with init_method",
    ),
    "an address": ("tracking_uri: http://203.0.113.1/", "holds the address http://203.0.113.1/"),
    "a path of the user": ("output_dir: ~/.bashrc", "holds the path ~/.bashrc, which leads out of the bundle"),
    "an absolute path": ("output_dir: /etc", "holds the path /etc, which leads out of the bundle"),
    "an absolute path in an expression": ("x: $repr('/etc')", "holds the path /etc, which leads out of the bundle"),
    "a path upwards": ("x: $@a + '/../../b'\na: 1", "holds the path /../../b, which leads out of the bundle"),
    "an object in YAML": ("x: !!python/object/apply:os.system [id]", "cannot be read"),
    "no Python": ("x: '$1 +'", "is no Python expression"),
}


def reasons(bundle):
    return [finding.refused for finding in refused(audit_bundle(bundle))]


@pytest.mark.parametrize("name", ["tanq_translation", "vs_cochlea_seg"])
def test_both_bundles_of_the_repository_pass(name):
    findings = audit_bundle(BUNDLES / name)
    assert refused(findings) == []
    assert len(findings) > 100  # else nothing was looked at


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_config_is_refused_for(tmp_path, attack):
    config, reason = ATTACKS[attack]
    found = reasons(make_bundle(tmp_path / "bundle", config))
    assert len(found) == 1, found
    assert reason in found[0]


def test_the_bundle_that_the_attacks_are_put_into_passes(tmp_path):
    assert reasons(make_bundle(tmp_path / "bundle")) == []


def test_a_name_must_be_allowed_in_every_meaning_that_any_config_gives_it(tmp_path):
    bundle = make_bundle(
        tmp_path / "bundle", "imports: [$import tanq_monai.errors as x]\ny: $x.print_mistakes_in_one_line()"
    )
    assert reasons(bundle) == []
    (bundle / "configs" / "overlay.yaml").write_text("+imports: [$import torch as x]")
    assert reasons(bundle) == ["uses torch.print_mistakes_in_one_line, which is not on the list"]


@pytest.mark.parametrize("file", ["configs/train.json", "configs/ablations/x.yaml", "models/plans.json"])
def test_every_config_is_looked_at_wherever_it_lies(tmp_path, file):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / file).parent.mkdir(exist_ok=True)
    (bundle / file).write_text('{"x": {"_target_": "os.system", "command": "id"}}')
    assert reasons(bundle) == ["is a target that is not on the list"]


def test_metadata_are_a_part_of_the_config(tmp_path):
    assert reasons(make_bundle(tmp_path / "bundle", task="$open('a')")) == ["calls open, which is not on the list"]


@pytest.mark.parametrize(
    "plans",
    [
        '{"architecture": {"network_class_name": "subprocess.Popen"}}',
        '{"architecture": {"arch_kwargs": {"conv_op": "os.system"}}}',
        '{"architecture": {"network_class_name": "torch.nn.functional.torch.hub.load"}}',
    ],
)
def test_plans_may_name_networks_only(tmp_path, plans):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "models" / "plans.json").write_text(plans)
    assert reasons(bundle) == ["is no part of a network that nnU-Net's plans may name"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("class=FileHandler", "is not StreamHandler"),
        ("class=__import__('os').system", "is not StreamHandler"),
        ("args=(__import__('os').system('id'),)", "is not (sys.stderr,) or (sys.stdout,)"),
        ("kwargs={}", "is not needed"),
    ],
)
def test_logging_writes_to_the_terminal_only(tmp_path, line, reason):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "configs" / "logging.conf").write_text(f"[handler_x]\n{line}\n")
    assert reasons(bundle) == [reason]


@pytest.mark.parametrize(
    "file",
    [
        *("torch.py", "monai/__init__.py", "sitecustomize.py", "scripts/net.py", "configs/x.py", "models/model.pkl"),
        *("runs/checkpoint.pt", ".git/hooks/post-checkout", "docs/x.yaml", "large_files.yml", "models/lib.so"),
    ],
)
def test_a_published_file_that_no_bundle_needs_is_refused(tmp_path, file):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / file).parent.mkdir(parents=True, exist_ok=True)
    (bundle / file).write_text("{}")
    assert reasons(zip_of(bundle, tmp_path / "bundle.zip")) == ["no bundle needs it"]


def test_weights_that_are_a_program_are_refused(tmp_path):
    class Program:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'was_run'}",)

    bundle = make_bundle(tmp_path / "bundle")
    torch.save({"weight": Program()}, bundle / "models" / "model.pt")
    assert reasons(bundle) == ["torch does not read it as mere weights"]
    assert not (tmp_path / "was_run").exists()


def test_torchscript_that_writes_files_is_refused(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    with zipfile.ZipFile(bundle / "models" / "model.ts", "w") as archive:
        archive.writestr("x/code/__torch__/net.py", "def forward(self, x):\n  return torch.save(x, 'a')\n")
    assert reasons(bundle) == ["uses save"]


@pytest.fixture
def copied_package(tmp_path, monkeypatch):
    """A bundle with a copy of a package of two files, which is also what is installed."""
    bundle = make_bundle(tmp_path / "bundle")
    for folder in (tmp_path / "installed", bundle / "tanq_monai"):
        folder.mkdir()
        (folder / "__init__.py").write_text('__version__ = "0.1.0"\n')
        (folder / "a.py").write_text("a = 1\n")
    monkeypatch.setattr(contents, "INSTALLED", tmp_path / "installed")
    return bundle


def test_a_copy_of_the_installed_package_passes(copied_package):
    assert reasons(copied_package) == []


@pytest.mark.parametrize(
    ("file", "code", "reason"),
    [
        ("a.py", "a = 2\n", "differs from the installed tanq_monai"),
        ("b.py", "import os\n", "differs from the installed tanq_monai"),
        ("a.py", None, "is missing"),
    ],
)
def test_any_other_code_is_refused_unless_it_is_trusted(copied_package, file, code, reason):
    path = copied_package / "tanq_monai" / file
    path.unlink() if code is None else path.write_text(code)
    findings = audit_bundle(copied_package)
    assert [(finding.file, finding.refused.startswith(reason)) for finding in refused(findings)] == [
        (f"tanq_monai/{file}", True)
    ]
    assert refused(findings, trust_code=True) == []


def test_the_command_prints_all_that_would_be_executed_and_fails_where_any_is_refused(tmp_path, monkeypatch, capsys):
    def run(bundle):
        monkeypatch.setattr(sys, "argv", ["tanq_monai", "audit", str(bundle)])
        main()

    run(make_bundle(tmp_path / "good"))
    assert capsys.readouterr().out.splitlines() == [
        "configs/inference.yaml imports::0: imports torch as torch",
        "configs/inference.yaml device: evaluates torch.device('cpu')  [torch.device]",
        "models/model.pt: 1 tensors",
    ]
    with pytest.raises(SystemExit) as stopped:  # its text on stderr, exit code 1
        run(make_bundle(tmp_path / "bad", f"{CONFIG}x: $open('a')\n"))
    assert "x: $open('a')  REFUSED: calls open, which is not on the list" in capsys.readouterr().out
    told = "error: configs/inference.yaml x: calls open, which is not on the list; do not run this bundle"
    assert stopped.value.code == told
