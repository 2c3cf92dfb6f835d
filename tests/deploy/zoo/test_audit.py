"""What bundles may execute: ours all of it, others nothing that is not on the list."""

import contextlib
import json
import os
import subprocess
import sys
import warnings
import zipfile

import pytest
import torch
from bundle_workflow import BUNDLES
from made_up_zoo import CONFIG, make_bundle, zip_of
from typed import mistakes, run_command

from tanq_monai.cli import main
from tanq_monai.deploy.zoo import contents
from tanq_monai.deploy.zoo.audit import audit_bundle, refused
from tanq_monai.deploy.zoo.requirements import PACKAGES
from tanq_monai.steps import BUNDLE_NAMES

# By reason: what a config says.
ATTACKS = {
    "is a target that is not": {
        "a program as target": "x: {_target_: os.system, command: id}",
        "a program through a module of MONAI": "x: {_target_: monai.utils.module.os.system}",
        "eval as target": "x: {_target_: builtins.eval, source: '1'}",
        "pickles": "x: {_target_: torch.load, f: models/model.pt, weights_only: false}",
        "code from elsewhere": "x: {_target_: torch.hub.load, repo_or_dir: a/b, model: c}",
        "MONAI's own run, by its short name": "x: {_target_: run, config_file: docs/x.yaml}",
        "MONAI's download": "x: {_target_: monai.bundle.download, url: b}",
        "a process by this package": "x: {_target_: tanq_monai.steps.Step, name: a}",
        "any file by this package": "x: {_target_: tanq_monai.files.write_json, path: a}",
        "a target that is only known later": "x: {_target_: '@y'}",
        "a target by expression": "x: {_target_: '$torch.load'}",
        "a list as target": "x: {_target_: [os.system]}",
    },
    "is laid over a place": {
        "a target laid over another": "'network_def#_target_': os.system",
        "a reader laid over another": "'preprocessing#transforms#0#reader#0': os.system",
        "a target behind a key with a colon": "evil: {'a:': {command: id}}\n'evil::a:::_target_': os.system",
        "a key with a hash inside": "foo: {'a#b': {c: '@###imports::0'}}",
    },
    "imports outside of imports": {
        "an import elsewhere": "x: $import torch",
    },
    "refers to something that is not": {
        "a module as argument": "imports: [$import torch]\nx: ['@imports#0']",
        "a path from the metadata": "output_dir: '@_meta_::out'",
        "a path from the metadata by hash": "output_dir: '@_meta_#out'",
    },
    "holds a sign": {
        "a macro": "x: '%docs/other.yaml::x'",
        "quoted expressions for another process": "x: {inference: {initialize: '\"$open(1)\"'}}",
        "an option for another process": "x: {training: {y: --logging_file=docs/evil.txt}}",
    },
    "gives reader of LoadImaged something": {
        "a reader that is a program": "x: {_target_: LoadImaged, keys: image, reader: os.system}",
        "a reader that unpickles": "x: {_target_: LoadImaged, keys: image, reader: NumpyReader}",
        "a reader by reference": "x: {_target_: LoadImaged, keys: image, reader: '@y'}",
        "a reader as a key": "x: {_target_: LoadImaged, keys: image, reader: {os.system: 1}, command: id}",
    },
    "gives writer of SaveImaged something": {
        "a writer that is a program": "x: {_target_: SaveImaged, writer: subprocess.Popen}",
        "a writer by reference": "w: this.d\nx: {_target_: SaveImaged, writer: '@w'}",
    },
    "gives _mode_ of Compose, which is not on the list": {
        "a debugger": "x: {_target_: Compose, _mode_: debug}",
    },
    "gives _debug_ of Compose, which is not on the list": {
        "a breakpoint": "x: {_target_: Compose, _debug_: true}",
    },
    "holds the address http://203.0.113.1/": {
        "an address": "tracking_uri: http://203.0.113.1/",
    },
    "holds the address": {
        "a drive": "output_dir: C:/Users/x",
        "a drive with backslashes": "output_dir: C:\\Users",
        "a file by a short address": "output_dir: file:/etc/x",
        "a server by a short address": "output_dir: http:/203.0.113.1",
    },
    "is another folder than the bundle's own": {
        "configs in runs": "bundle_root: runs/evil",
        "configs in runs by reference": "bundle_root: '@a'\na: ./runs/evil",
        "configs in runs, put together": "bundle_root: $@bundle_root + '/runs/train'",
        "configs in runs, for another run": "training: {bundle_root: runs/evil}",
        "configs in runs, in a literal": "training: \"${'bundle_root': 'runs/evil'}\"",
    },
    "holds the path ~/.bashrc, which leads out of the bundle": {
        "a path of the user": "output_dir: ~/.bashrc",
    },
    "holds the path /etc, which leads out of the bundle": {
        "an absolute path": "output_dir: /etc",
    },
    "cannot be read": {
        "an object in YAML": "x: !!python/object/apply:os.system [id]",
        "a list as key": "? [a, b]\n: 1",
    },
    "is a set, which no config needs": {
        "a set of readers": "x: {_target_: LoadImaged, keys: image, reader: !!set {os.system}}",
    },
    "gives allow_pickle of LoadImaged": {
        "pickles by another reader's option": "x: {_target_: LoadImaged, keys: image, allow_pickle: true}",
    },
    "has a key that no config needs": {
        "a key with code": '\'foo" and vars(__local_refs["x"]) or b"x\': {y: \'$b"@#0"\'}',
        "a debugger inside nothing": "_debug_: {x: 1}",
    },
    "sets logging_file": {
        "another config for another process": "x: {training: {logging_file: docs/evil.txt}}",
    },
    "repeats parts of itself": {
        "aliases": "a: &a [1]\nb: [*a, *a]",
    },
    "gives transforms of Compose something": {
        "a kind as text": "x: {_target_: Compose, transforms: <list>}",
    },
    "cannot be read (it has no ids)": {
        "no mapping": "[1, 2]",
    },
    "is a date, which no config needs": {
        "a date": "x: 2026-01-01",
    },
}
EXPRESSIONS = {
    "an import": "imports: [$import subprocess]",
    "two imports": "imports: ['$import torch; import os']",
    "an import of a name": "imports: [$from os import system]",
    "an import as a builtin": "imports: [$import torch as len]",
    "an import as another module": "imports: [$import os as torch]",
    "a function of os": "imports: [$import os]\nx: $os.system('id')",
    "a function of os, not called": "imports: [$import os]\nx: $os.system",
    "a deep function": "x: $monai.utils.module.os.system('id')",
    "numpy's compiler": "x: $np.f2py.compile('')",
    "pickles by numpy": "x: $np.load('a', allow_pickle=True)",
    "pickles by torch": "x: $torch.load('a', weights_only=False)",
    "a builtin": "x: $__import__('os').system('id')",
    "eval": "x: $eval('1')",
    "open": "x: $open('a', 'w')",
    "getattr": "x: $getattr(torch, 'load')",
    "subclasses": "x: $().__class__.__base__.__subclasses__()",
    "the class of something": "x: $@a.__class__\na: 1",
    "globals by name": "x: $vars(@a)['__globals__']\na: 1",
    "a format that reads attributes": "x: $'{0.y}'.format(@a)\na: 1",
    "a formatted string": "x: $f'{1}'",
    "a comprehension": "x: '$[a for a in (1, 2)]'",
    "an assignment": "x: $(torch := 1)",
    "a call of what a call gives": "x: $repr(1)()",
    "a call of a reference": "x: $@y()\ny: $torch.device",
    "a lambda that is called": "x: '$(lambda: 1)()'",
    "a lambda with another meaning": "x: '$lambda torch: torch.hub'",
    "a lambda with a default": "x: '$lambda a=torch.float32: a'",
    "a module as a value": "imports: [$import torch]\nx: $repr(torch)",
    "a builtin as a value": "x: $[print]",
    "an imported module by reference": "imports: [$import torch]\nx: $@imports::0.hub",
    "the whole config": "imports: [$import torch]\nx: '$@'",
    "a relative reference": "imports: [$import torch]\nx: {y: '$@##imports#0.save(1)'}",
    "MONAI's own name of references": "imports: [$import torch]\nx: $__local_refs['imports::0'].hub",
    "the same in other letters": "imports: [$import torch]\nx: $_＿local_refs['imports::0'].hub",
    "printing into a file": "x: $print(1, file=@a)\na: 1",
    "a table into a file": "x: $@a.to_string(buf='b')\na: 1",
    "any keywords": "x: $@a.to_string(**@b)\na: 1\nb: {}",
    "saving with two arguments": "x: $@a.save(1, 'b')\na: 1",
    "a server of others": "x: $torch.distributed.init_process_group(init_method='tcp')",
    "an absolute path in an expression": "x: $repr('/etc')",
    "a path upwards": "x: $@a + '/../../b'\na: 1",
    "no Python": "x: '$1 +'",
    "vars of nothing": "x: \"$vars()['_'+'_builtins_'+'_']['eval']\"",
    "a function called by Compose": "x: {_target_: Compose, transforms: ['$os.system']}",
    "a writer put together": "x: {_target_: SaveImaged, writer: \"$'os' + '.system'\"}",
    "a long sum": "x: $" + "+".join(950 * "1"),
}


def reasons(bundle):
    return [finding.refused for finding in refused(audit_bundle(bundle))]


@pytest.mark.parametrize("name", ["tanq_translation", "vs_cochlea_seg"])
def test_both_bundles_of_the_repository_pass(name):
    findings = audit_bundle(BUNDLES / name)
    assert refused(findings) == []
    assert len(findings) > 100  # else nothing was looked at


@pytest.mark.parametrize(("reason", "attack"), [(reason, attack) for reason in ATTACKS for attack in ATTACKS[reason]])
def test_a_config_is_refused_for(tmp_path, reason, attack):
    found = reasons(make_bundle(tmp_path / "bundle", ATTACKS[reason][attack]))
    assert reason in found[0]


@pytest.mark.parametrize("attack", EXPRESSIONS)
def test_an_expression_is_refused_that_is_none_of_ours(tmp_path, attack):
    found = reasons(make_bundle(tmp_path / "bundle", EXPRESSIONS[attack]))
    assert found[0] == "is an expression that is not on the list"


def test_the_bundle_that_the_attacks_are_put_into_passes(tmp_path):
    assert reasons(make_bundle(tmp_path / "bundle")) == []


def test_what_our_configs_say_may_be_said_and_numbers_and_choices_be_others(tmp_path):
    text = (BUNDLES / "vs_cochlea_seg" / "configs" / "inference.yaml").read_text()
    config = text.replace(
        "output_dir: $@bundle_root", "more: {a: [1, 2.5, null, true, text], b: '@device'}\noutput_dir: $@bundle_root"
    )
    assert reasons(make_bundle(tmp_path / "bundle", config)) == []
    levels = "x: '$[{1: [0.26, 0.59]}, {2: [0.39, 0.44]}]'"  # as JSON has numbers as keys
    assert reasons(make_bundle(tmp_path / "bundle", levels)) == []


@pytest.mark.parametrize("file", ["configs/train.json", "configs/ablations/x.yaml", "models/plans.json"])
def test_every_config_is_looked_at_wherever_it_lies(tmp_path, file):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / file).parent.mkdir(exist_ok=True)
    (bundle / file).write_text('{"x": {"_target_": "os.system"}}')
    assert len(reasons(bundle)) == 1


def test_metadata_are_a_part_of_the_config(tmp_path):
    assert reasons(make_bundle(tmp_path / "bundle", task="$open('a')")) == ["is no plain text"]
    made = make_bundle(tmp_path / "bundle", task={"_target_": "os.system"})
    assert reasons(made) == ["has the key _target_, which belongs into no description"]
    made = make_bundle(tmp_path / "bundle", **{"a#_target_": "os.system"})
    assert reasons(made) == ["has the key a#_target_, which belongs into no description"]


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"required_packages_version": {"evil-pkg": "1.0"}}, "is a package that no bundle of ours requires"),
        ({"required_packages_version": {"nibabel": "1'; touch x #"}}, "is no version, such as 1.2.0"),
        ({"required_packages_version": {"nibabel": {}}}, "is no version, such as 1.2.0"),
        ({"required_packages_version": {"nibabel": "9" * 5000}}, "is no version, such as 1.2.0"),
        ({"required_packages_version": {"nibabel": 5.2}}, "is no version, such as 1.2.0"),
        ({"pytorch_version": "`id`"}, "is no version, such as 1.2.0"),
        ({"monai_version": ["1.0"]}, "is no version, such as 1.2.0"),
    ],
)
def test_metadata_require_our_packages_by_version(tmp_path, stated, reason):
    assert reasons(make_bundle(tmp_path / "bundle", **stated))[0] == reason


def test_the_packages_that_may_be_required_are_those_of_our_bundles():
    files = [BUNDLES / name / "configs" / "metadata.json" for name in BUNDLE_NAMES]
    contents = [json.loads(file.read_text()) for file in files]
    assert {name for content in contents for name in content["required_packages_version"]} == PACKAGES


def test_a_config_with_the_name_of_a_description_is_judged_as_a_config(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "configs" / "plans.json").write_text('{"x": "~/.bashrc"}')
    assert reasons(bundle) == ["holds the path ~/.bashrc, which leads out of the bundle"]


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


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "a\\b", ".", "..", ".hidden", "", "a b", "C:x"])
@pytest.mark.parametrize(
    "plans",
    [
        '{"configurations": {"2d": {"data_identifier": NAME}}}',
        '{"configurations": {NAME: {}}}',
        '{"configurations": {"2d": {"next_stage": [NAME]}}}',
        *('{"trained_configuration": NAME}', '{"plans_name": NAME}', '{"dataset_name": NAME}'),
    ],
)
def test_plans_hold_plain_names_only(tmp_path, plans, name):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "models" / "plans.json").write_text(plans.replace("NAME", json.dumps(name)))
    assert set(reasons(bundle)) == {"is no plain name"}
    (bundle / "models" / "plans.json").write_text(plans.replace("NAME", '"nnUNetPlans-2.d_x"'))
    assert reasons(bundle) == []


def test_the_ending_of_a_data_set_is_one(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "models" / "dataset.json").write_text('{"file_ending": "/../x.nii.gz", "labels": {"VS intrameatal": 1}}')
    assert reasons(bundle) == ["is no ending of a file's name"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("class=FileHandler", "is not StreamHandler"),
        ("class=__import__('os').system", "is not StreamHandler"),
        ("args=(__import__('os').system('id'),)", "is not (sys.stderr,) or (sys.stdout,)"),
        ("kwargs={}", "is not needed"),
        ("defaults=__import__('os').system('id')", "is not needed"),
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


def test_compiled_code_is_refused_once_for_every_folder_with_what_to_do(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    compiled = ["configs/d.pyc", "docs/x/__pycache__", "tanq_monai/__pycache__"]
    for file in (compiled[0], *(f"{folder}/{name}" for folder in compiled[1:] for name in ("a.pyc", "a.nbi", "a.nbc"))):
        (bundle / file).parent.mkdir(parents=True, exist_ok=True)
        (bundle / file).touch()
    for found in (audit_bundle(bundle), audit_bundle(zip_of(bundle, tmp_path / "bundle.zip"))):
        told = [(finding.file, finding.remedy) for finding in refused(found, trust_code=True)]
        assert told == [(place, "remove it") for place in compiled]


def test_what_runs_wrote_is_told_not_to_be_looked_at_and_only_at_the_top(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    for folder in ("runs", "configs/runs", "runs/runs"):
        (bundle / folder).mkdir(parents=True)
        (bundle / folder / "inference.yaml").write_text("x: $open('a')")
    findings = audit_bundle(bundle)
    assert [(finding.file, finding.place) for finding in refused(findings)] == [("configs/runs/inference.yaml", "x")]
    assert str(findings[0]) == "runs: not looked at; remove it unless runs of yours wrote it"


@pytest.mark.parametrize("name", ["runs", "installed.json", "docs/__pycache__"])
def test_what_runs_and_fetch_write_is_refused_where_it_is_a_link(tmp_path, name):
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "elsewhere").mkdir()
    (bundle / "docs").mkdir()
    (bundle / name).symlink_to(tmp_path / "elsewhere")
    assert [(f.file, f.refused) for f in refused(audit_bundle(bundle))] == [(name, "leads elsewhere")]


@pytest.mark.parametrize(
    ("link", "to"), [("configs", "runs/x"), ("torchvision", "runs/x"), ("models/model.ts", "gone")]
)
def test_a_link_is_refused_wherever_it_leads(tmp_path, link, to):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "runs").mkdir()
    if link == "configs":
        (bundle / "configs").rename(bundle / "runs" / "x")
    (bundle / link).symlink_to(bundle / to)
    assert [(f.file, f.refused) for f in refused(audit_bundle(bundle))] == [(link, "leads elsewhere")]


def test_what_an_audit_prints_is_one_line_without_signs_that_a_terminal_acts_on(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", json.dumps({"a\nb\x1b[2K\ud800": "$x\r"}))
    texts = [str(finding) for finding in audit_bundle(bundle)]
    assert all(text.isprintable() for text in texts)
    assert any("a\\nb\\x1b[2K\\ud800" in text for text in texts)


def test_a_bundle_that_breaks_the_audit_is_told_in_one_line(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", json.dumps({"x": 1}))
    (bundle / "configs" / "inference.json").write_text('{"a": ' * 5000 + "1" + "}" * 5000)
    found = reasons(bundle)
    assert len(found) == 1
    assert found[0].startswith("cannot be read")


def test_weights_that_are_a_program_are_refused(tmp_path):
    class Program:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'was_run'}",)

    bundle = make_bundle(tmp_path / "bundle")
    torch.save({"weight": Program()}, bundle / "models" / "model.pt")
    assert reasons(bundle) == ["torch does not read it as mere weights"]
    assert not (tmp_path / "was_run").exists()


def torchscript(path, *members):
    """An archive of what torch's reader wants, and of members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("version", "3\n"), *members):
            archive.writestr(f"x/{name}", content)


HARMLESS, WRITING = "def forward(self, x):\n  return x\n", "def forward(self, x):\n  return torch.save(x, 'a')\n"


def test_torchscript_that_writes_files_is_refused(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    torchscript(bundle / "models" / "model.ts", ("code/__torch__/net.py", WRITING))
    assert reasons(bundle) == ["uses save"]
    torchscript(bundle / "models" / "model.ts", ("code/__torch__/net.py", HARMLESS))
    assert reasons(bundle) == []


@pytest.mark.parametrize("other", ["net.py", "Net.py"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_torchscript_with_a_file_twice_is_refused_as_torch_takes_another_than_python(tmp_path, other):
    bundle = make_bundle(tmp_path / "bundle")
    torchscript(bundle / "models" / "model.ts", ("code/net.py", HARMLESS), (f"code/{other}", HARMLESS))
    assert reasons(bundle) == ["holds a file twice"]


def test_a_config_in_torchscript_is_judged_as_any_other(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    torchscript(bundle / "models" / "model.ts", ("extra/inference.json", '{"x": "$open(1)"}'))
    assert [(finding.where, finding.refused) for finding in refused(audit_bundle(bundle))] == [
        ("models/model.ts/extra/inference.json x", "is an expression that is not on the list")
    ]
    torchscript(bundle / "models" / "model.ts", ("extra/metadata.json", '{"task": "of (1, 2)", "x": "$1"}'))
    assert reasons(bundle) == ["is no plain text"]


@pytest.mark.parametrize("name", ["code/net.PY", "model.json", "code/net.txt"])
def test_torchscript_with_files_that_torch_does_not_write_is_refused(tmp_path, name):
    bundle = make_bundle(tmp_path / "bundle")
    torchscript(bundle / "models" / "model.ts", (name, WRITING))
    assert reasons(bundle) == [f"holds {name}, which torch does not write"]


def test_torchscript_that_torch_writes_passes(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is to be superseded
        network = torch.jit.script(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.ReLU()))
        network.save(bundle / "models" / "model.ts", _extra_files={"metadata.json": "{}"})
    assert reasons(bundle) == []


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


def test_the_command_prints_all_that_would_be_executed_and_fails_where_any_is_refused(tmp_path):
    good = run_command("audit", make_bundle(tmp_path / "good"))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines() == [
        "configs/inference.yaml imports::0: import torch",
        'configs/inference.yaml device: evaluates torch.device("cuda" if torch.cuda.is_available() else "cpu")',
        "models/model.pt: 1 tensors",
    ]
    bad = run_command("audit", make_bundle(tmp_path / "bad", f"{CONFIG}x: $open('a')\n"))
    assert "x: $open('a')  REFUSED: is an expression that is not on the list" in bad.stdout
    told = "error: configs/inference.yaml x: is an expression that is not on the list; do not run this bundle"
    assert mistakes(bad) == [told]


def test_whoever_stops_reading_gets_no_traceback(tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout, contextlib.redirect_stdout(stdout):  # closed in the end, as by Python
        main(["audit", str(bundle)])
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_terminal_of_few_letters_gets_the_others_by_number(tmp_path):
    """The command line in a process of its own, as a user starts it."""
    bundle = make_bundle(tmp_path / "bundle", "é: $open('ü')\n")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "tanq_monai", "audit", str(bundle)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 1
    assert rb"configs/inference.yaml \xe9: $open('\xfc')  REFUSED" in done.stdout
    assert done.stderr.startswith(rb"error: configs/inference.yaml \xe9: ")
    assert len(done.stderr.splitlines()) == 1
