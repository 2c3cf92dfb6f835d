"""Write `tanq_monai/deploy/zoo/release.json`: SHA-256 of the bundles' configs, by which `fetch` knows them again.

    python scripts/zoo_release.py

Run it after a change of a config: what is not of the installed release, nobody gets from a zoo without having read it.
"""

from package_zoo import bundle_members

from tanq_monai.deploy.zoo.release import FILE, digest, is_data
from tanq_monai.files import write_json
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES


def release() -> dict[str, dict[str, str]]:
    """By bundle and name, what the file is to hold."""
    members = {name: sorted(bundle_members(BUNDLES / name)) for name in BUNDLE_NAMES}
    return {
        name: {member: digest(content) for member, content in own if not is_data(member)}
        for name, own in members.items()
    }


if __name__ == "__main__":
    write_json(release(), FILE)
