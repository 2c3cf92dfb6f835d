"""A job of FLARE: written, sent to the server, and followed to its end."""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tanq_monai.errors import InputError
from tanq_monai.federated.exchange import Training
from tanq_monai.files import write_json
from tanq_monai.segmentation.plan.plans import read_json

PATIENCE = 20.0  # seconds to reach the server
_FLARE = "tanq_monai.federated.flare"


def write_job(folder: Path, sites: Sequence[str], training: Training) -> Path:
    """What FLARE's server hands out: names of classes that every site has installed, and numbers; no code."""
    server = {"id": "rounds", "path": f"{_FLARE}.AveragingServer", "args": {"training": asdict(training)}}
    client = {"tasks": ["train"], "executor": {"path": f"{_FLARE}.SegmenterSite", "args": {}}}
    parts: dict[str, list[object]] = {"components": [], "task_data_filters": [], "task_result_filters": []}
    config = folder / "app" / "config"
    config.mkdir(parents=True)
    write_json({"format_version": 2, "workflows": [server], **parts}, config / "config_fed_server.json")
    write_json({"format_version": 2, "executors": [client], **parts}, config / "config_fed_client.json")
    meta = {
        "name": "segmenter",
        "resource_spec": {},
        "min_clients": len(sites),
        "mandatory_clients": [*sites],
        "deploy_map": {"app": ["server", *sites]},
    }
    write_json(meta, folder / "meta.json")
    return folder


def run_job(startup_kit: str | Path, sites: Sequence[str], training: Training) -> str:
    """Send the job and wait for its end; its name at the server.

    Args:
        startup_kit: of the one who sends it, made by ``nvflare provision``.
        sites: hospitals by the names of their kits; the job begins when all are connected.
        training: what all sites have in common.

    Raises:
        InputError: when FLARE is not installed, the folder is no kit, the server cannot be reached or refuses the job,
            or the job ends otherwise than well.
    """
    if not sites:
        raise InputError("sites", "names no hospital", "give the names of their startup kits")
    kit = Path(startup_kit)
    facts = kit / "startup" / "fed_admin.json"
    if not facts.is_file():
        raise InputError(facts, "is missing", "give the folder of a kit of type admin, made by nvflare provision")
    admin = read_json(facts).get("admin", {})
    try:
        from nvflare.fuel.flare_api import flare_api
    except ImportError as error:
        remedy = "install requirements/federated.txt beside tanq-monai"
        raise InputError("NVIDIA FLARE", "is not installed in this environment", remedy) from error
    logging.disable(logging.ERROR)  # FLARE's threads tell of every try until the process ends; what counts is raised
    place = f"{admin.get('host')}:{admin.get('port')}"
    try:
        with contextlib.redirect_stdout(None):  # FLARE says there that it connects
            session = flare_api.new_secure_session(admin.get("username"), str(kit), timeout=PATIENCE)
    except Exception as error:  # FLARE's own kinds, ConnectionError among them
        problem = f"does not answer as the server of this kit ({error})"
        raise InputError(place, problem, "start it, or open the way to it, then try again") from error
    try:
        with tempfile.TemporaryDirectory() as folder:
            name: str = session.submit_job(str(write_job(Path(folder) / "job", sites, training)))
        sys.stdout.write(f"job {name}: waits for {', '.join(sites)}\n")
        sys.stdout.flush()
        _, facts_of_job = session.monitor_job_and_return_job_meta(name, poll_interval=1.0)
        status = str((facts_of_job or {}).get("status"))
    except (flare_api.InternalError, flare_api.InvalidJobDefinition, flare_api.AuthorizationError) as error:
        raise InputError(place, f"refused the job ({error})", "see the log of the server") from error
    finally:
        session.close()
    if status != "FINISHED:COMPLETED":
        raise InputError(f"job {name}", f"ended as {status}", "see the logs of the server and of the sites")
    return name
