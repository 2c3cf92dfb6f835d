"""A step of ``nvflare provision``: startup kits that run nothing but this package, and keep their logs at home."""

import json
from pathlib import Path
from typing import Any

from nvflare.lighter.constants import ProvFileName
from nvflare.lighter.ctx import ProvisionContext
from nvflare.lighter.entity import Project
from nvflare.lighter.spec import Builder

ALLOWED = ("tanq_monai.federated.flare.AveragingServer", "tanq_monai.federated.flare.SegmenterSite")
# FLARE's own lets a lead bring code along, and a project admin anything.
PERMISSIONS = {"lead": dict.fromkeys(("submit_job", "manage_job", "download_job", "view"), "any")}
_LOGS_TO_THE_SERVER = "site_log_streamer"


class SegmenterKits(Builder):  # type: ignore[misc]
    """Narrows what FLARE's ``StaticFileBuilder``, which comes before it, has allowed in every kit."""

    def build(self, project: Project, ctx: ProvisionContext) -> None:
        """Called by ``nvflare provision``."""
        for participant in (project.get_server(), *project.get_clients()):
            local = Path(ctx.get_local_dir(participant))
            resources = json.loads((local / ProvFileName.RESOURCES_JSON_DEFAULT).read_text(encoding="utf-8"))
            _write(resources | _narrowed(resources), local / ProvFileName.RESOURCES_JSON_DEFAULT)
            authorization = {"format_version": "1.0", "permissions": PERMISSIONS}
            _write(authorization, local / ProvFileName.AUTHORIZATION_JSON_DEFAULT)


def _narrowed(resources: dict[str, Any]) -> dict[str, Any]:
    components = [one for one in resources["components"] if one["id"] != _LOGS_TO_THE_SERVER]
    return {"class_allow_list": [*ALLOWED], "allow_log_streaming": False, "components": components}


def _write(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
